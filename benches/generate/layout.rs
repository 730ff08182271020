//! Lays out the generated folder: `local` (a repository without a remote), `server.git` (bare, with
//! the hooks), `clone` (a clone of that server) and `keys`.
//!
//! The machine's own git configuration is ignored.

use std::path::{Path, PathBuf};
use std::process::Command;

use git_deploy::testing::domain::id::EntryId;

use crate::Result;

/// The measured program, built together with this one.
const PROGRAM: &str = env!("CARGO_BIN_EXE_git-deploy");

/// Returns a `git` command for a repository that ignores the machine's configuration.
pub fn git(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    let _ = isolate(&mut command)
        .arg("-C")
        .arg(repository)
        .args(arguments);
    command
}

/// Makes a command ignore the machine's git configuration and environment.
fn isolate(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
}

/// Runs a command and returns its output. Fails if the command fails.
fn run_command(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!(
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Creates the empty repository `local` and the folder `keys`. Returns the path of `local`.
pub fn create_local(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir(folder.join("keys"))?;
    run_command(git(folder, &["init", "-q", "-b", "main", "local"]))?;
    let local = folder.join("local");
    configure(
        &local,
        &[("user.name", "alice"), ("user.email", "alice@example.com")],
    )?;
    Ok(local)
}

/// Writes git settings and turns off automatic packing.
fn configure(repository: &Path, settings: &[(&str, &str)]) -> Result<()> {
    // Automatic packing during a measurement would distort it.
    let all = [("gc.auto", "0"), ("maintenance.auto", "false")];
    for (key, value) in all.iter().chain(settings) {
        run_command(git(repository, &["config", key, value]))?;
    }
    Ok(())
}

/// Packs the objects and refs, writes a commit-graph, and checks out the work tree.
pub fn pack(local: &Path) -> Result<()> {
    run_command(git(local, &["repack", "-adq"]))?;
    run_command(git(local, &["pack-refs", "--all"]))?;
    run_command(git(local, &["commit-graph", "write", "--reachable"]))?;
    run_command(git(local, &["reset", "-q", "--hard"])).map(drop)
}

/// Creates the server and the clone. They share the objects of `local` through hard links.
pub fn create_server_and_clone(folder: &Path, project: &EntryId) -> Result<()> {
    let (local, server, clone) = (
        folder.join("local"),
        folder.join("server.git"),
        folder.join("clone"),
    );
    let key = folder.join("keys/alice.key");
    let key = key.to_str().ok_or("the path of the folder is not UTF-8")?;
    configure(
        &local,
        &[
            ("deploy.key", key),
            ("deploy.remote", ""),
            ("deploy.root", &project.to_string()),
        ],
    )?;

    run_command(git(
        folder,
        &["clone", "-q", "--mirror", "local", "server.git"],
    ))?;
    run_command(git(
        &server,
        &["config", "--remove-section", "remote.origin"],
    ))?;
    configure(&server, &[])?;
    run_command(git(&server, &["commit-graph", "write", "--reachable"]))?;
    let admin = std::fs::read_to_string(folder.join("keys/alice.pub"))?;
    let admin = admin
        .lines()
        .last()
        .ok_or("the public key's file is empty")?;
    let mut init = Command::new(PROGRAM);
    isolate(&mut init)
        .args(["server", "init", "--admin", admin])
        .arg(&server);
    run_command(init)?;

    run_command(git(folder, &["clone", "-q", "server.git", "clone"]))?;
    let settings = [
        ("user.name", "alice"),
        ("user.email", "alice@example.com"),
        ("deploy.key", key),
        ("deploy.remote", "origin"),
        ("deploy.root", &project.to_string()),
    ];
    configure(&clone, &settings)?;
    run_command(git(
        &clone,
        &[
            "config",
            "--add",
            "remote.origin.fetch",
            "+refs/deploy/*:refs/deploy-incoming/*",
        ],
    ))?;
    // `git deploy sync` would verify every entry first, which takes long for large ledgers.
    let ledgers = "+refs/deploy/*:refs/deploy/*";
    run_command(git(
        &clone,
        &["fetch", "-q", "--no-write-fetch-head", "origin", ledgers],
    ))?;
    run_command(git(&clone, &["fetch", "-q", "origin"]))?;
    run_command(git(&clone, &["pack-refs", "--all"]))?;
    run_command(git(&clone, &["commit-graph", "write", "--reachable"])).map(drop)
}
