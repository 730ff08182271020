//! Repositories that would be misread are refused by name, with what to do; a server that cannot
//! read itself accepts nothing.

use std::fmt::Write as _;

use super::{ENVIRONMENTS, begun, round};
use crate::harness::{Repo, Run, World, with_random_keys};

/// Makes a clone with these options.
fn clone<'w>(world: &'w World, server: &Repo<'w>, folder: &str, options: &[&str]) -> Repo<'w> {
    let repo = world.existing(folder, "alice");
    std::fs::create_dir(repo.path()).unwrap();
    repo.git(&[&["clone", "-q"], options, &[&server.url(), "."]].concat())
        .ok();
    repo
}

/// Every command reports such a clone in the same way, changes nothing, and the suggested command
/// helps.
#[test]
fn unsupported_clones_are_refused() {
    let world = World::new();
    let (server, _) = begun(&world, ENVIRONMENTS);
    server
        .git(&["config", "uploadpack.allowFilter", "true"])
        .ok();
    let reftable = clone(&world, &server, "reftable", &["--ref-format=reftable"]);
    let partial = clone(&world, &server, "partial", &["--filter=blob:none"]);
    let extended = clone(&world, &server, "extended", &[]);
    extended
        .git(&["config", "core.repositoryFormatVersion", "1"])
        .ok();
    extended
        .git(&["config", "extensions.frobnicate", "true"])
        .ok();

    let mut text = String::new();
    for repo in [&reftable, &partial, &extended] {
        let config = || std::fs::read(repo.path().join(".git/config")).unwrap();
        let before = config();
        writeln!(text, "{}", repo.deploy(&["status"]).fails(3)).unwrap();
        for command in [
            &["init"][..],
            &["record", "dev"],
            &["sync"],
            &["audit"],
            &["check", "dev"],
        ] {
            repo.deploy(command).fails(3);
        }
        assert_eq!(config(), before);
    }
    let mut namespace = extended.command("git-deploy");
    extended
        .git(&[
            "config",
            "--file",
            ".git/config",
            "--unset",
            "extensions.frobnicate",
        ])
        .ok();
    let namespace = Run::of(&world, namespace.arg("status").env("GIT_NAMESPACE", "x")).fails(3);
    write!(text, "{namespace}").unwrap();
    insta::assert_snapshot!(text);

    round(
        &server,
        &clone(&world, &server, "files", &["--ref-format=files"]),
    );
}

/// A server of such a kind cannot tell, and accepts none of our refs.
#[test]
fn unsupported_servers_are_refused() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    alice.deploy(&["record", "dev"]).ok();
    let copy = |folder: &str, options: &[&str]| {
        let bare = clone(&world, &server, folder, &[&["--bare"], options].concat());
        bare.git(&["fetch", "-q", &server.url(), "refs/deploy/*:refs/deploy/*"])
            .ok();
        for hook in ["pre-receive", "proc-receive"] {
            std::fs::copy(
                server.path().join("hooks").join(hook),
                bare.path().join("hooks").join(hook),
            )
            .unwrap();
        }
        let admin = server.git(&["config", "deploy.admin"]).ok().text();
        bare.git(&["config", "deploy.admin", &admin]).ok();
        bare.git(&["config", "receive.procReceiveRefs", "refs/deploy"])
            .ok();
        bare
    };
    server
        .git(&["config", "uploadpack.allowFilter", "true"])
        .ok();
    let mut text = String::new();
    for (folder, options) in [
        ("reftable.git", &["--ref-format=reftable"][..]),
        ("partial.git", &["--filter=blob:none"]),
    ] {
        let other = copy(folder, options);
        let refs = other.git(&["for-each-ref"]).ok().text();
        alice
            .git(&["remote", "set-url", "origin", &other.url()])
            .ok();
        writeln!(
            text,
            "{}",
            alice.deploy(&["lock", "dev", "-m", "incident"]).fails(3)
        )
        .unwrap();
        // Something new: what already exists, git pushes to no partial clone, whoever asks.
        alice.commit("api/main.rs", folder, "A topic");
        alice
            .git(&["push", "-q", "origin", "HEAD:refs/heads/topic"])
            .fails(1);
        assert_eq!(other.git(&["for-each-ref"]).ok().text(), refs);
    }
    // One that is shallow tells what it can.
    let url = format!("file://{}", world.path().join("cut.git").display());
    let cut = copy("cut.git", &["--depth=1"]);
    alice.git(&["remote", "set-url", "origin", &url]).ok();
    alice.deploy(&["lock", "dev", "-m", "incident"]).ok();
    assert!(cut.path().join("shallow").exists());
    with_random_keys().bind(|| insta::assert_snapshot!(text));
}
