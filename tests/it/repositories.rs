//! All kinds of repositories: whatever git opens, the daily commands work in it, or it is refused
//! by name with what to do.

mod cut_off;
mod refused;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use crate::harness::{Repo, Run, World, skip};
use crate::write_commands::served;

/// What follows the people in deploy.toml: a first environment, and one that somebody must approve.
const ENVIRONMENTS: &str =
    "[environments]\ndev = {}\nprod = { approvals = { required = 1, prevent_self = false } }\n";

/// Returns a server, and alice's clone of it with five commits and these environments.
fn begun<'w>(world: &'w World, environments: &str) -> (Repo<'w>, Repo<'w>) {
    let (server, alice) = served(world);
    publish(&alice, environments);
    for number in 0..4 {
        alice.commit(
            "api/main.rs",
            &format!("fn main() {{ f({number}) }}\n"),
            &format!("Change {number}"),
        );
    }
    alice.git(&["push", "-q", "origin", "HEAD"]).ok();
    (server, alice)
}

/// Brings other environments into force.
fn publish(alice: &Repo<'_>, environments: &str) {
    let text = std::fs::read_to_string(alice.path().join("deploy.toml")).unwrap();
    let people = &text[..text.find("[environments]").unwrap()];
    alice.write("deploy.toml", &format!("{people}{environments}"));
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    alice.git(&["add", "deploy.toml"]).ok();
    alice
        .git(&["commit", "-q", "--allow-empty", "-m", "Publish the policy"])
        .ok();
}

/// Runs the daily commands (check, record, approve, record, status, audit), and returns the
/// server's ledgers.
fn round(server: &Repo<'_>, repo: &Repo<'_>) {
    round_in(server, repo, |_| ());
}

/// Runs the same, with variables of its own for each command.
fn round_in(server: &Repo<'_>, repo: &Repo<'_>, prepare: impl Fn(&mut Command)) {
    work_in(server, repo, &prepare);
    let mut audit = repo.command("git-deploy");
    prepare(audit.arg("audit"));
    Run::of(repo.world(), &mut audit).ok();
}

/// Runs the daily commands without the audit.
fn work_in(server: &Repo<'_>, repo: &Repo<'_>, prepare: &impl Fn(&mut Command)) {
    let here = |program: &str, arguments: &[&str]| {
        let mut command = repo.command(program);
        prepare(command.args(arguments));
        Run::of(repo.world(), &mut command)
    };
    let deploy = |arguments: &[&str]| here("git-deploy", arguments).ok();
    let entries = |environment: &str| {
        let name = format!("refs/deploy/{environment}");
        server
            .git(&[
                "rev-list",
                "--count",
                "--first-parent",
                "--ignore-missing",
                &name,
                "--",
            ])
            .ok()
            .text()
    };
    let count = |environment| entries(environment).parse::<u32>().unwrap_or_default();
    // A ledger begins with a genesis.
    let before = [count("dev").max(1), count("prod").max(1)];
    deploy(&["check", "dev"]);
    deploy(&["record", "dev", "--all"]);
    deploy(&["approve", "prod", "--component", "shop"]);
    deploy(&["record", "prod", "--component", "shop"]);
    let head = here("git", &["rev-parse", "HEAD"]).ok().text();
    let status = deploy(&["status", "--json"]).json();
    for environment in status["environments"].as_array().unwrap() {
        assert_eq!(environment["components"][0]["commit"], head, "{status}");
    }
    assert!(deploy(&["log"]).text().contains(&head[..7]));
    assert_eq!(
        [count("dev"), count("prod")],
        [before[0] + 1, before[1] + 2]
    );
}

/// Objects and refs may be wherever git can keep them.
#[test]
fn kinds_of_clones() {
    for world in [World::new(), World::sha256()] {
        let (server, alice) = begun(&world, ENVIRONMENTS);
        round(&server, &alice);
        let from = |folder: &str, arguments: &[&str]| {
            alice
                .git(&[&["clone", "-q"], arguments, &[&format!("../{folder}")]].concat())
                .ok();
            world.existing(folder, "alice")
        };
        let url = server.url();
        round(&server, &from("bare.git", &["--bare", &url]));
        round(&server, &from("reference", &["--reference", ".", &url]));
        let shared = from("shared", &["--shared", "."]);
        shared.git(&["remote", "set-url", "origin", &url]).ok();
        round(&server, &shared);

        alice
            .git(&["config", "extensions.worktreeConfig", "true"])
            .ok();
        alice
            .git(&["worktree", "add", "-q", "../linked", "HEAD~1"])
            .ok();
        let linked = world.existing("linked", "alice");
        round(&server, &linked);
        linked
            .git(&["config", "--worktree", "deploy.key", "/nowhere"])
            .ok();
        assert!(
            linked
                .deploy(&["lock", "dev", "-m", "x"])
                .fails(3)
                .err()
                .contains("/nowhere")
        );
        round(&server, &alice);

        let outer = world.repo("outer");
        outer
            .git(&[
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "--quiet",
                "add",
                &url,
                "inner",
            ])
            .ok();
        round(&server, &world.existing("outer/inner", "alice"));
        server.git(&["fsck", "--strict", "--no-dangling"]).ok();
    }
}

/// Git may pack objects at any time, and commit graphs may be old or broken.
#[test]
fn packed_objects_and_graphs() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    alice.deploy(&["record", "dev"]).ok();
    alice.git(&["pack-refs", "--all"]).ok();
    alice.git(&["gc", "-q", "--prune=now"]).ok();
    round(&server, &alice);
    let graph = |arguments: &[&str]| {
        alice
            .git(&[&["commit-graph", "write", "--reachable"], arguments].concat())
            .ok()
    };
    let go_on = |text: &str| alice.commit("api/main.rs", text, "Go on");
    graph(&[]);
    round(&server, &alice);
    // Of before the last commit, and a chain of several.
    go_on("one\n");
    round(&server, &alice);
    graph(&["--split"]);
    go_on("two\n");
    graph(&["--split=no-merge"]);
    round(&server, &alice);
    let info = alice.path().join(".git/objects/info");
    for file in std::fs::read_dir(info.join("commit-graphs")).unwrap() {
        let path = file.unwrap().path();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path, "garbage").unwrap();
    }
    round(&server, &alice);
    std::fs::remove_dir_all(info.join("commit-graphs")).unwrap();
    std::fs::write(info.join("commit-graph"), "CGPH, or not").unwrap();
    round(&server, &alice);
}

/// Paths need not be text.
#[test]
fn paths_are_bytes() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    for name in [
        &b"with space"[..],
        b"new\nline",
        b"not\xffutf-8",
        b"-n",
        b"it's \"quoted\"",
    ] {
        let folder = world.path().join(OsStr::from_bytes(name));
        std::fs::create_dir(&folder).unwrap();
        let repo = world.existing(&folder, "alice");
        repo.git(&["clone", "-q", &server.url(), "."]).ok();
        round(&server, &repo);
    }
    // And the server's: its address is a setting, which need be no text either.
    let folder = world.path().join(OsStr::from_bytes(b"ser\xffver"));
    std::fs::rename(server.path(), &folder).unwrap();
    std::os::unix::fs::symlink(&folder, server.path()).unwrap();
    let mut command = alice.command("git");
    Run::of(
        &world,
        command.args(["remote", "set-url", "origin"]).arg(&folder),
    )
    .ok();
    round(&server, &alice);
}

/// Git's variables may name the repository and the work tree.
#[test]
fn git_variables_name_the_repository() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    let elsewhere = world.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let there = world.existing(&elsewhere, "alice");
    round_in(&server, &there, |command| {
        command.env("GIT_DIR", "../alice/.git");
    });

    // The work tree holds deploy.toml: with GIT_DIR alone it is the working directory.
    let mistake = "schema = 1\nproject = 7\n";
    there.write("deploy.toml", mistake);
    let diff = |repo: &Repo<'_>, variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = repo.command("git");
        command
            .envs(variables.iter().copied())
            .args(arguments)
            .args(["deploy", "policy", "diff"]);
        Run::of(&world, &mut command)
    };
    diff(&there, &[("GIT_DIR", "../alice/.git")], &[]).fails(1);
    diff(
        &there,
        &[("GIT_DIR", "../alice/.git"), ("GIT_WORK_TREE", "../alice")],
        &[],
    )
    .ok();
    diff(&there, &[], &["--git-dir=../alice/.git"]).fails(1);
    diff(&there, &[], &["-C", "../alice"]).ok();
    diff(&alice, &[("GIT_WORK_TREE", "../elsewhere")], &[]).fails(1);
    alice
        .git(&["config", "core.worktree", &elsewhere.to_string_lossy()])
        .ok();
    diff(&alice, &[], &[]).fails(1);
    alice.git(&["config", "--unset", "core.worktree"]).ok();
    let below = world.existing("alice/api", "alice");
    diff(&below, &[], &[]).ok();
    std::fs::create_dir(alice.path().join("api/deep")).unwrap();
    let (deep, ceiling) = (
        world.existing("alice/api/deep", "alice"),
        below.path().to_string_lossy().into_owned(),
    );
    let stopped = diff(&deep, &[("GIT_CEILING_DIRECTORIES", &ceiling)], &[]).fails(3);
    assert!(
        stopped.err().contains("no git repository here"),
        "{stopped}"
    );
    round(&server, &below);
}

/// Settings that people and companies use.
#[test]
fn unusual_settings() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    // Hooks of the user's are about code: none is asked about a ledger.
    let hooks = world.path().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    std::fs::write(hooks.join("pre-push"), "#!/bin/sh\nexit 1\n").unwrap();
    alice.run("chmod", &["+x", "../hooks/pre-push"]).ok();
    alice.git(&["config", "core.hooksPath", "../hooks"]).ok();
    round(&server, &alice);

    let (address, url) = (
        |it: &str| alice.git(&["remote", "set-url", "origin", it]).ok(),
        server.url(),
    );
    let folder = url.strip_suffix("server.git").unwrap();
    address("company:server.git");
    alice
        .git(&["config", &format!("url.{folder}.insteadOf"), "company:"])
        .ok();
    round(&server, &alice);
    alice
        .git(&[
            "config",
            &format!("url.{}/.pushInsteadOf", world.path().display()),
            "company:",
        ])
        .ok();
    round(&server, &alice);

    // Included files, and settings of one command.
    let file = world.path().join("home/bob.key");
    let file = file.to_string_lossy();
    let key = alice
        .deploy(&["key", "new", &file, "--no-password"])
        .ok()
        .text();
    let signs = |arguments: &[&str]| {
        let keys = alice
            .git(&[arguments, &["deploy", "key", "list", "--json"]].concat())
            .ok()
            .json();
        keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["publicKey"] == key && it["signs"] == true)
    };
    let included = world.path().join("home/included");
    std::fs::write(&included, format!("[deploy]\n\tkey = {file}\n")).unwrap();
    for condition in [
        "gitdir:**/alice/",
        "onbranch:main",
        "hasconfig:remote.*.url:company:*",
    ] {
        let name = format!("includeIf.{condition}.path");
        assert!(!signs(&[]));
        alice
            .git(&["config", "--global", &name, &included.to_string_lossy()])
            .ok();
        assert!(signs(&[]), "{condition}");
        alice.git(&["config", "--global", "--unset", &name]).ok();
    }
    assert!(signs(&["-c", &format!("deploy.key={file}")]));
    round(&server, &alice);
}

/// What is signed is the real history, whatever this clone replaces.
#[test]
fn replaced_history_is_ignored() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    alice.deploy(&["record", "dev", "HEAD~2"]).ok();
    let document = |repo: &Repo<'_>| {
        let mut document = repo
            .deploy(&["record", "dev", "--dry-run", "--json"])
            .ok()
            .json();
        document["statement"]["predicate"]["at"].take();
        document["statement"]["predicate"].clone()
    };
    let before = document(&alice);
    assert!(
        before.to_string().contains("Change 3") && !before.to_string().contains("Change 1"),
        "{before}"
    );
    alice.git(&["replace", "HEAD~1", "HEAD~3"]).ok();
    alice
        .git(&["replace", "refs/deploy/dev", "refs/deploy/dev~1"])
        .ok();
    assert_eq!(document(&alice), before);
    let graft = format!("{} {}\n", alice.rev("HEAD"), alice.rev("HEAD~3"));
    alice.write(".git/info/grafts", &graft);
    assert_eq!(document(&alice), before);
    work_in(&server, &alice, &|_| ());
    server.git(&["fsck", "--strict", "--no-dangling"]).ok();
    // Plain git shows the replaced history, so the audit names each cause with the command that
    // removes it.
    let audit = alice.deploy(&["audit"]).fails(1).text();
    let remedies = audit
        .lines()
        .filter_map(|line| line.split_once("It is ignored: "));
    let remedies: Vec<&str> = remedies.map(|(_, command)| command).collect();
    assert_eq!(remedies.len(), 3, "{audit}");
    for remedy in remedies {
        alice.run("sh", &["-c", remedy]).ok();
    }
    alice.deploy(&["audit"]).ok();
}

/// A repository of another user is read once git was told that it is safe.
#[test]
fn foreign_repositories_need_permission() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    if std::fs::metadata(alice.path()).is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) != 0)
    {
        skip("needs root, to give a folder away");
        return;
    }
    alice.run("chown", &["-R", "65534", "."]).ok();
    let refused = alice.deploy(&["status"]).fails(3);
    let words = refused.err();
    let command = words
        .lines()
        .find_map(|line| line.strip_prefix("  hint: git "))
        .unwrap_or_else(|| panic!("{refused}"));
    alice.git(&command.split(' ').collect::<Vec<_>>()).ok();
    round(&server, &alice);
}

/// Whatever housekeeping git does meanwhile, every entry is there afterwards.
#[test]
fn housekeeping_loses_nothing() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    alice.deploy(&["record", "dev"]).ok();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..6 {
                alice.deploy(&["record", "dev", "--all"]).ok();
            }
        });
        while !writer.is_finished() {
            // Two that meet may refuse each other; what they leave is what counts.
            alice.git(&["pack-refs", "--all"]);
            alice.git(&["gc", "-q"]);
        }
        writer.join().unwrap();
    });
    assert_eq!(alice.rev("refs/deploy/dev"), server.rev("refs/deploy/dev"));
    assert_eq!(
        server
            .git(&["rev-list", "--count", "--first-parent", "refs/deploy/dev"])
            .ok()
            .text(),
        "8"
    );
    alice.git(&["fsck", "--strict", "--no-dangling"]).ok();
    alice.deploy(&["audit"]).ok();
}
