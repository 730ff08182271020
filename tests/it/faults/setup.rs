//! Faults while a key, a project, a clone or a server is set up. A half-finished setup claims
//! nothing and stops nothing, and the same command finishes it.

use std::path::Path;

use super::{Fault, FaultInjection, Injected, POLICY, Target, told};
use crate::harness::{Project, Repo, World};

/// Which process fails, and at every how many calls, for commands with many calls.
const MANY: [(Target, usize); 2] = [(Target::Client, 47), (Target::Family, 61)];
/// The same for commands with few calls.
const FEW: [(Target, usize); 2] = [(Target::Client, 7), (Target::Family, 9)];

/// Returns the permissions of a file.
fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().unwrap().permissions().mode() & 0o777
}

/// A key file is whole or absent, and a key without its public half signs nevertheless.
#[test]
fn key_files_are_whole_or_absent() {
    for fault in [Fault::Killed, Fault::FullDisk] {
        let world = World::new();
        let repo = world.repo("alice");
        repo.commit("a", "1", "One");
        let faults = FaultInjection::new(&world, &repo, &repo, fault);
        let (secret, new) = (
            repo.path().join("alice.key"),
            ["key", "new", "--no-password", "alice.key"],
        );
        let ends = faults.sweep_each(
            &Target::Client,
            &new,
            1,
            &|Injected { turn, run, .. }| {
                if secret.exists() {
                    assert_eq!(mode(&secret), 0o600, "{turn}: {run}");
                    let taken = repo.deploy(&new).fails(2);
                    assert!(
                        taken
                            .words_of_err()
                            .contains("never overwritten: choose another name"),
                        "{turn}: {taken}"
                    );
                } else {
                    assert!(
                        !run.succeeded() && !secret.with_extension("pub").exists(),
                        "{turn}: {run}"
                    );
                    repo.deploy(&new).ok();
                }
                repo.git(&["config", "deploy.key", "alice.key"]).ok();
                let key = repo.deploy(&["key", "show"]).ok().text();
                assert!(!run.succeeded() || run.text() == key, "{turn}: {run}");
                repo.deploy(&["init", "--yes", "--env", "dev"]).ok();
                repo.deploy(&["record", "dev"]).ok();
                false
            },
        );
        told("key new", &ends);
    }
}

/// Checks what there is after an `init`, and that nothing is there twice: one policy, its file, and
/// a key that signs.
#[track_caller]
fn begun(faults: &FaultInjection<'_, '_>, injected: &Injected<'_>) {
    let (who, turn) = (faults.who, injected.turn);
    let policy = faults
        .server
        .git(&["rev-list", "--count", "refs/deploy/policy"])
        .ok()
        .text();
    assert_eq!(policy, "2", "{turn}: {}", injected.run);
    let text = who
        .git(&["cat-file", "blob", "refs/deploy/policy:deploy.toml"])
        .ok()
        .text();
    let file = std::fs::read_to_string(who.path().join("deploy.toml")).unwrap_or_default();
    assert_eq!(file.trim_end(), text, "{turn}: {}", injected.run);
    who.git(&["add", "deploy.toml"]).ok();
    who.git(&["commit", "-q", "-m", "Add deploy.toml"]).ok();
    who.deploy(&["record", "dev", "--all"]).ok();
    who.deploy(&["audit"]).ok();
}

/// Checks that `status` reports a half-finished setup as such.
#[track_caller]
fn looked_at(faults: &FaultInjection<'_, '_>, injected: &Injected<'_>) {
    let run = faults.who.deploy(&["status"]);
    assert!(
        run.succeeded() || run.err().contains("hint: "),
        "{}: {}\n{run}",
        injected.turn,
        injected.run
    );
}

/// `init` makes a key, the policy and its file.
#[test]
fn init_without_a_server() {
    for (fault, victims) in [(Fault::Killed, &MANY[..]), (Fault::FullDisk, &MANY[..1])] {
        let world = World::new();
        let repo = world.repo("alice");
        repo.commit("a", "1", "One");
        let faults =
            FaultInjection::with(&world, &repo, &repo, fault, &[world.path().join("home")]);
        let init = [
            "init",
            "--yes",
            "--no-password",
            "--env",
            "dev",
            "--running",
            "dev=HEAD",
        ];
        for (target, step) in victims {
            let ends = faults.sweep_each(target, &init, *step, &|injected| {
                faults.check_unharmed(&injected.before, injected.turn, &injected.run);
                looked_at(&faults, injected);
                let locked = faults.check_continues(&init, injected.turn);
                let key = world.path().join("home/.config/git-deploy/deploy.key");
                assert_eq!(mode(&key), 0o600, "{}: {}", injected.turn, injected.run);
                begun(&faults, injected);
                locked
            });
            told(&format!("init, {target:?}"), &ends);
        }
    }
}

/// `init` with a server that holds nothing yet.
#[test]
fn init_with_a_server() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let alice = world.clone(&server, "alice");
    let key = alice
        .deploy(&["key", "new", "--no-password", "../home/alice.key"])
        .ok()
        .text();
    alice
        .git(&[
            "config",
            "deploy.key",
            &world.path().join("home/alice.key").to_string_lossy(),
        ])
        .ok();
    server
        .deploy(&["server", "init", ".", "--admin", &key])
        .ok();
    alice.commit("a", "1", "One");
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
        .ok();
    let init = ["init", "--yes", "--env", "dev"];
    let faults = FaultInjection::new(&world, &alice, &server, Fault::Killed);
    for (target, step) in MANY {
        let ends = faults.sweep_each(&target, &init, step, &|injected| {
            faults.check_unharmed(&injected.before, injected.turn, &injected.run);
            looked_at(&faults, injected);
            let locked = faults.check_continues(&init, injected.turn);
            begun(&faults, injected);
            locked
        });
        told(&format!("init with a server, {target:?}"), &ends);
    }
}

/// `init` in a clone of an existing project, with its hook.
#[test]
fn joining_a_project() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let new = world.existing("new", "bob");
    std::fs::create_dir(new.path()).unwrap();
    new.git(&["clone", "-q", &project.server.url(), "."]).ok();
    new.git(&[
        "config",
        "deploy.key",
        &world.path().join("home/bob.key").to_string_lossy(),
    ])
    .ok();
    let init = ["init", "--pre-push"];
    let faults = FaultInjection::new(&world, &new, &project.server, Fault::Killed);
    for (target, step) in FEW.map(|(target, step)| (target, 2 * step)) {
        let ends = faults.sweep_each(&target, &init, step, &|injected| {
            faults.check_entries(injected, 0);
            looked_at(&faults, injected);
            let locked = faults.check_continues(&init, injected.turn);
            assert_eq!(
                mode(&new.path().join(".git/hooks/pre-push")),
                0o755,
                "{}: {}",
                injected.turn,
                injected.run
            );
            let ours = ["deploy.root", "deploy.remote"]
                .map(|key| new.git(&["config", "--get-all", key]).ok().text());
            assert_eq!(
                ours,
                [
                    &*project
                        .alice
                        .repo
                        .git(&["config", "deploy.root"])
                        .ok()
                        .text(),
                    "origin"
                ]
            );
            new.deploy(&["record", "dev", "--all"]).ok();
            locked
        });
        told(&format!("init of who joins, {target:?}"), &ends);
    }
}

/// A hook that was there before.
const HOUSE: &str =
    "#!/bin/sh\nwhile read -r old new ref; do test \"$ref\" != refs/heads/closed || exit 1; done\n";

/// Checks that the existing hook applies at every moment, and that the repository is protected in
/// the end.
#[track_caller]
fn guarded(
    faults: &FaultInjection<'_, '_>,
    injected: &Injected<'_>,
    pusher: &Repo<'_>,
    again: &[&str],
) -> bool {
    let (server, turn) = (faults.server, injected.turn);
    let closed = || pusher.git(&["push", "-q", &server.url(), "HEAD:refs/heads/closed"]);
    assert!(!closed().succeeded(), "{turn}: {}", injected.run);
    let checked = server.deploy(&["server", "check"]);
    assert!(
        checked.succeeded() || !injected.run.succeeded(),
        "{turn}: {}\n{checked}",
        injected.run
    );
    let locked = faults.check_locks(again, turn);
    server.deploy(again).ok();
    server.deploy(&["server", "check"]).ok();
    assert!(!closed().succeeded(), "{turn}: {}", injected.run);
    assert_eq!(
        std::fs::read_to_string(server.path().join("hooks/pre-receive.local")).unwrap(),
        HOUSE
    );
    locked
}

/// A server is protected or says that it is not, and its own hook always applies.
#[test]
fn server_init() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let alice = world.clone(&server, "alice");
    let key = alice
        .deploy(&["key", "new", "--no-password", "../home/alice.key"])
        .ok()
        .text();
    alice
        .git(&[
            "config",
            "deploy.key",
            &world.path().join("home/alice.key").to_string_lossy(),
        ])
        .ok();
    alice.commit("a", "1", "One");
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
        .ok();
    server.hook("pre-receive", HOUSE);
    let faults = FaultInjection::new(&world, &server, &server, Fault::Killed);
    let init = [
        "server",
        "init",
        ".",
        "--admin",
        &key,
        "--handoff",
        "/bin/true",
    ];
    for (target, step) in FEW {
        let ends = faults.sweep_each(&target, &init, step, &|injected| {
            let locked = guarded(&faults, injected, &alice, &init);
            alice.deploy(&["init", "--yes", "--env", "dev"]).ok();
            // It begins anew each time, as the server does.
            for name in ["deploy.root", "deploy.remote"] {
                alice.git(&["config", "--unset-all", name]).ok();
            }
            for name in ["policy", "dev"].map(|ledger| format!("refs/deploy/{ledger}")) {
                alice.git(&["update-ref", "-d", &name]).ok();
            }
            let _ = std::fs::remove_file(alice.path().join("deploy.toml"));
            locked
        });
        told(&format!("server init, {target:?}"), &ends);
    }
}

/// A copy is adopted or not; its ledgers do not change.
#[test]
fn server_adopt() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    let copy = world.existing("copy.git", "server");
    std::fs::create_dir(copy.path()).unwrap();
    copy.git(&["clone", "-q", "--mirror", &project.server.url(), "."])
        .ok();
    copy.git(&["remote", "remove", "origin"]).ok();
    copy.hook("pre-receive", HOUSE);
    let root = project
        .alice
        .repo
        .git(&["config", "deploy.root"])
        .ok()
        .text();
    let faults = FaultInjection::new(&world, &copy, &copy, Fault::Killed);
    let adopt = ["server", "adopt", ".", "--root", &root];
    for (target, step) in FEW {
        let ends = faults.sweep_each(&target, &adopt, step, &|injected| {
            assert_eq!(
                faults.tips(),
                injected.before,
                "{}: {}",
                injected.turn,
                injected.run
            );
            guarded(&faults, injected, &project.bob.repo, &adopt)
        });
        told(&format!("server adopt, {target:?}"), &ends);
    }
}
