//! A server as pushers and its owner see it: real pushes over `file://` to a bare repository with
//! the real hooks.
//!
//! Tests without valid entries are here; attacks with forged entries build on the same world.

use crate::harness::{RawPush, Repo, Run, World, has_tool, with_random_keys};

const ZERO: &str = "0000000000000000000000000000000000000000";
/// The tree without entries, which every repository can make.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// A public key that is well known, from the manual of minisign: nothing that it would sign is needed here.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

/// Returns a server with our hooks that trusts [`KEY`], and a clone of it with one commit.
fn served(world: &World) -> (Repo<'_>, Repo<'_>) {
    let server = world.bare_server("server.git");
    server.deploy(&["server", "init", ".", "--admin", KEY]).ok();
    let alice = world.clone(&server, "alice");
    alice.commit("file", "content\n", "Begin");
    (server, alice)
}

/// Returns all refs of a repository and all its objects, which a refused push must not change.
fn everything(server: &Repo<'_>) -> String {
    let refs = server.git(&["for-each-ref"]).ok().text();
    let objects = server
        .git(&[
            "cat-file",
            "--batch-all-objects",
            "--batch-check",
            "--unordered",
        ])
        .ok()
        .text();
    let mut objects: Vec<&str> = objects.lines().collect();
    objects.sort_unstable();
    format!("{refs}\n{}", objects.join("\n"))
}

/// Returns what the server said about a push, without git's own words.
fn said(run: &Run<'_>) -> String {
    let lines = run
        .err()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("remote: ")
                .map(|line| line.trim_end().to_owned())
        })
        .collect::<Vec<_>>();
    lines.join("\n")
}

/// The owner sees what was done, and a second run changes nothing.
#[test]
fn init_reports_and_is_repeatable() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let run = server.deploy(&["server", "init", ".", "--admin", KEY]).ok();
    with_random_keys().bind(|| insta::assert_snapshot!(run));
    let config = std::fs::read_to_string(server.path().join("config")).unwrap();
    let again = server
        .deploy(&["server", "init", ".", "--json"])
        .ok()
        .json();
    assert_eq!(
        std::fs::read_to_string(server.path().join("config")).unwrap(),
        config
    );
    let steps = again["steps"].as_array().unwrap();
    let changed = |step: &&serde_json::Value| {
        step["changed"] == true && step["what"] != "a commit-graph of all branches"
    };
    assert_eq!(steps.iter().filter(changed).count(), 0, "{again}");
    assert_eq!(again["schema"], "git-deploy/server-init/v1");
}

/// A missing repository, no admin, and shared hooks: each refusal says what to type.
#[test]
fn init_explains_its_refusals() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let none = server
        .deploy(&["server", "init", "nowhere.git", "--admin", KEY])
        .fails(2);
    assert!(none.err().contains("git init --bare nowhere.git"), "{none}");
    let nobody = server.deploy(&["server", "init", "."]).fails(2);
    assert!(nobody.err().contains("--admin <public key>"), "{nobody}");
    server
        .deploy(&["server", "init", ".", "--admin", "RWshort"])
        .fails(2);
    assert!(!server.path().join("hooks/pre-receive").exists());
    server
        .git(&[
            "config",
            "core.hooksPath",
            &world.path().join("home").to_string_lossy(),
        ])
        .ok();
    let shared = server
        .deploy(&["server", "init", ".", "--admin", KEY])
        .fails(3);
    assert!(shared.err().contains("core.hooksPath"), "{shared}");
}

/// An existing hook is still called with the same input, and its refusal counts.
#[test]
fn existing_hooks_are_kept() {
    let world = World::new();
    let server = world.bare_server("server.git");
    server.hook(
        "pre-receive",
        "#!/bin/sh\nread old new ref\necho \"kept saw $ref\"\ntest \"$ref\" != refs/heads/bad\n",
    );
    server.deploy(&["server", "init", ".", "--admin", KEY]).ok();
    server.deploy(&["server", "init", ".", "--admin", KEY]).ok();
    let alice = world.clone(&server, "alice");
    alice.commit("file", "content\n", "Begin");
    let good = alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/good"])
        .ok();
    assert_eq!(said(&good), "kept saw refs/heads/good");
    let bad = alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/bad"])
        .fails(1);
    assert!(
        said(&bad).contains("hooks/pre-receive.local refuses the push"),
        "{bad}"
    );
    server
        .git(&["rev-parse", "--verify", "-q", "refs/heads/bad"])
        .fails(1);
    // A second hook of theirs has no place left: nothing of it is lost.
    server.hook("pre-receive", "#!/bin/sh\nexit 0\n");
    server
        .deploy(&["server", "init", ".", "--admin", KEY])
        .fails(3);
    // Of the hook that carries updates out git calls one only.
    let other = world.bare_server("other.git");
    other.hook("proc-receive", "#!/bin/sh\nexit 0\n");
    let occupied = other
        .deploy(&["server", "init", ".", "--admin", KEY])
        .fails(3);
    assert!(
        occupied
            .err()
            .contains("there is already a hook proc-receive"),
        "{occupied}"
    );
}

/// Before there is a policy, and for refs without one, a server works as before.
#[test]
fn other_refs_are_unaffected() {
    for world in [World::new(), World::sha256()] {
        let (server, alice) = served(&world);
        let all = [
            "HEAD:refs/heads/topic",
            "HEAD:refs/tags/v1",
            "HEAD:refs/notes/commits",
            "HEAD:refs/pull/1/head",
        ];
        let push = alice
            .git(&[&["push", "-q", "origin"], &all[..]].concat())
            .ok();
        assert_eq!(said(&push), "");
        alice
            .git(&["push", "-q", "origin", ":refs/heads/topic", ":refs/tags/v1"])
            .ok();
        assert_eq!(
            server
                .git(&["for-each-ref", "--format=%(refname)"])
                .ok()
                .text(),
            "refs/notes/commits\nrefs/pull/1/head"
        );
    }
}

/// Without an admin named by the owner nobody can begin a project, and is told whom to ask.
#[test]
fn a_project_needs_a_named_admin() {
    let world = World::new();
    let (server, alice) = served(&world);
    server.git(&["config", "--unset-all", "deploy.admin"]).ok();
    let before = everything(&server);
    let push = alice
        .git(&["push", "-q", "origin", "HEAD:refs/deploy/policy"])
        .fails(1);
    insta::assert_snapshot!(said(&push));
    assert_eq!(everything(&server), before);
}

/// Refs that are not a ledger's, that shadow one, or that only the server writes are refused, and
/// leave no object behind.
#[test]
fn forbidden_refs_are_refused() {
    let world = World::new();
    let (server, alice) = served(&world);
    let before = everything(&server);
    let id = alice.rev("HEAD");
    let refs = [
        "refs/deploy/Prod",
        "refs/deploy/a/b",
        "refs/Deploy/prod",
        "refs/deploy",
        "refs/deploy-incoming/prod",
        "refs/deploy-incoming-notes/deploy",
        "refs/heads/deploy/prod",
        "refs/heads/deploy",
        "refs/tags/deploy/prod",
        "refs/notes/deploy",
        &format!("refs/replace/{id}"),
    ];
    for name in refs {
        let push = alice
            .git(&[
                "push",
                "-q",
                "origin",
                &format!("HEAD:{name}"),
                "HEAD:refs/heads/ride",
            ])
            .fails(1);
        // The notes are hidden, so git itself says no before any hook; the other ref of that push may pass.
        if name == "refs/notes/deploy" {
            server.git(&["update-ref", "-d", "refs/heads/ride"]).ok();
            server.git(&["gc", "-q", "--prune=now"]).ok();
            server.git(&["rev-parse", "--verify", "-q", name]).fails(1);
            continue;
        }
        assert!(
            said(&push).starts_with(&format!("git-deploy: refused  {name}\n  ✗ chain")),
            "{push}"
        );
        assert_eq!(everything(&server), before, "{name}");
    }
    // Where somebody took the setting back, the hook still says no.
    server
        .git(&["config", "--unset-all", "receive.hideRefs"])
        .ok();
    let push = alice
        .git(&["push", "-q", "origin", "HEAD:refs/notes/deploy"])
        .fails(1);
    insta::assert_snapshot!(said(&push));
}

/// What is not a chain of entries is refused as a ledger.
#[test]
fn only_chains_of_entries_are_ledgers() {
    let world = World::new();
    let (server, alice) = served(&world);
    let before = everything(&server);
    alice.git(&["tag", "-a", "-m", "a tag", "annotated"]).ok();
    let orphan = alice
        .git(&["commit-tree", "-m", "x", EMPTY_TREE])
        .ok()
        .text();
    alice
        .git(&["hash-object", "-t", "tree", "-w", "/dev/null"])
        .ok();
    let orphans_child = alice
        .git(&["commit-tree", "-m", "x", "-p", &orphan, EMPTY_TREE])
        .ok()
        .text();
    for object in [
        "HEAD:file",
        "HEAD^{tree}",
        "annotated",
        "HEAD",
        &orphan,
        &orphans_child,
    ] {
        for ledger in ["policy", "prod"] {
            let id = alice.rev(object);
            let push = alice
                .git(&[
                    "push",
                    "-q",
                    "origin",
                    &format!("{id}:refs/deploy/{ledger}"),
                ])
                .fails(1);
            assert!(
                said(&push).starts_with(&format!("git-deploy: refused  refs/deploy/{ledger}")),
                "{object}: {push}"
            );
            assert_eq!(everything(&server), before, "{object}");
        }
    }
}

/// A ledger stays, whatever old id a client claims. The server's own git put it there, as a
/// restored backup would.
#[test]
fn ledgers_are_never_deleted() {
    let world = World::new();
    let (server, alice) = served(&world);
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
        .ok();
    let (id, other) = (alice.rev("HEAD"), "1".repeat(40));
    server.git(&["update-ref", "refs/deploy/prod", &id]).ok();
    let before = everything(&server);
    alice
        .git(&["push", "-q", "origin", ":refs/deploy/prod"])
        .fails(1);
    for old in [ZERO, &id, &other] {
        let answer = RawPush::new(&alice)
            .update(old, ZERO, "refs/deploy/prod")
            .send(&server);
        assert!(answer.contains("ng refs/deploy/prod"), "{old}: {answer}");
        assert_eq!(everything(&server), before, "{old}");
    }
}

/// Without pre-receive the hook that moves the refs still judges.
#[test]
fn each_hook_judges() {
    let world = World::new();
    let (server, alice) = served(&world);
    std::fs::remove_file(server.path().join("hooks/pre-receive")).unwrap();
    let push = alice
        .git(&[
            "push",
            "-q",
            "origin",
            "HEAD:refs/deploy/prod",
            "HEAD:refs/heads/main",
        ])
        .fails(1);
    insta::assert_snapshot!(
        push.err()
            .replace(&*world.path().to_string_lossy(), "<DIR>")
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    );
    assert_eq!(
        server
            .git(&["for-each-ref", "--format=%(refname)"])
            .ok()
            .text(),
        "refs/heads/main"
    );
    let atomic = [
        "push",
        "-q",
        "--atomic",
        "origin",
        "HEAD:refs/deploy/prod",
        "HEAD:refs/heads/other",
    ];
    alice.git(&atomic).fails(1);
    server
        .git(&["rev-parse", "--verify", "-q", "refs/heads/other"])
        .fails(1);
    // Without either, git itself lets nothing below refs/deploy be moved.
    std::fs::remove_file(server.path().join("hooks/proc-receive")).unwrap();
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/deploy/prod"])
        .fails(1);
    server
        .git(&["rev-parse", "--verify", "-q", "refs/deploy/prod"])
        .fails(1);
}

/// If the program that a hook names is missing, nothing is accepted.
#[test]
fn a_missing_program_accepts_nothing() {
    let world = World::new();
    let (server, alice) = served(&world);
    let before = everything(&server);
    let lose = |name: &str| {
        let text = std::fs::read_to_string(server.path().join("hooks").join(name)).unwrap();
        let first = text.lines().next().unwrap();
        assert!(first.ends_with("/git-deploy hook"), "{text}");
        server.hook(name, &text.replace(first, "#!/nowhere/git-deploy hook"));
    };
    lose("pre-receive");
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
        .fails(1);
    assert_eq!(everything(&server), before);
    std::fs::remove_file(server.path().join("hooks/pre-receive")).unwrap();
    lose("proc-receive");
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/deploy/prod"])
        .fails(1);
    server
        .git(&["rev-parse", "--verify", "-q", "refs/deploy/prod"])
        .fails(1);
    // Installed anew, it goes on.
    server.deploy(&["server", "init", "."]).ok();
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
        .ok();
}

/// "Refused" and "cannot tell" differ in words and exit code, and neither accepts anything.
#[test]
fn refusal_and_doubt_differ() {
    let world = World::new();
    let (server, _) = served(&world);
    let hook = |input: &str| {
        let script = format!("printf '{input}' | GIT_DIR=. git-deploy hook pre-receive");
        server.run("sh", &["-c", &script])
    };
    let one = "1".repeat(40);
    hook("").ok();
    hook(&format!("{ZERO} {one} refs/heads/x\\n")).ok();
    hook(&format!("{ZERO} {one} refs/deploy/Prod\\n")).fails(1);
    let garbled = hook("garbage\\n").fails(3);
    insta::assert_snapshot!(garbled.err());
    let unknown = hook(&format!("{ZERO} {one} refs/deploy/policy\\n")).fails(3);
    assert!(
        unknown
            .err()
            .starts_with("git-deploy: cannot tell  refs/deploy/policy\n  ? chain"),
        "{unknown}"
    );
    server.git(&["config", "deploy.admin", "nonsense"]).ok();
    hook(&format!("{ZERO} {one} refs/deploy/prod\\n")).fails(3);
}

/// The key may be given as the file that minisign wrote.
#[test]
fn the_admin_may_be_a_minisign_file() {
    if !has_tool("minisign") {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let alice = world.minisign("alice");
    server
        .deploy(&[
            "server",
            "init",
            ".",
            "--admin",
            &alice.public.to_string_lossy(),
        ])
        .ok();
    assert_eq!(
        server
            .git(&["config", "--get-all", "deploy.admin"])
            .ok()
            .text(),
        alice.public_line()
    );
}
