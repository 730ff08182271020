//! pre-push: a clone says what the server will say about an environment's branch or tag, before
//! anything is pushed.

use super::installed;
use crate::harness::project::said;
use crate::harness::{Project, Repo, World};

const POLICY: &str = r#"[environments]
dev = {}
[environments.qa]
branch = "main"
deploy_on = "approval"
tag = "v{timestamp}-{env}"
"#;

/// Returns a project whose clone of alice has the hook.
fn told(world: &World) -> Project<'_> {
    let project = Project::new(world, "[environments]\ndev = {}\n");
    project.publish(POLICY);
    let init = project.alice.deploy(&["init", "--pre-push"]).ok();
    assert!(
        init.text().contains("hook ") && init.text().contains("hooks/pre-push"),
        "{init}"
    );
    project
}

/// The hook prints the server's words before the push; `--no-verify` skips it.
#[test]
fn the_hook_says_what_the_server_will_say() {
    let world = World::new();
    let project = told(&world);
    let alice = &project.alice;
    let main = ["HEAD:refs/heads/main"];
    alice.deploy(&["record", "qa"]).ok();
    project.commit("api/x", "two\n");
    let refs = project.refs();
    let run = alice.push(&main).fails(1);
    assert!(
        said(&run).is_empty() && run.err().contains("git-deploy: refused  refs/heads/main"),
        "{run}"
    );
    assert!(
        run.err().contains("origin would refuse this push") && run.err().contains("--no-verify"),
        "{run}"
    );
    assert_eq!(project.refs(), refs);
    project.refused(&["branch"], || alice.push(&["--no-verify", main[0]]));
    let tag = "HEAD:refs/tags/v20260305T100000Z-qa";
    for other in [tag, "HEAD:refs/heads/Main"] {
        let run = alice.push(&[other]).fails(1);
        assert!(
            said(&run).is_empty() && run.err().contains("git-deploy: refused"),
            "{run}"
        );
    }
    // Others' deeds count as they are now: the hook asks the server's ledgers.
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    project.ci.repo.git(&["fetch", "-q"]).ok();
    project.ci.deploy(&["record", "qa", "origin/topic"]).ok();
    let run = alice.push(&[main[0], "HEAD:refs/heads/other"]).ok();
    assert!(!run.err().contains("git-deploy"), "{run}");
    let run = alice.push(&[":refs/heads/main"]).fails(1);
    assert!(
        said(&run).is_empty() && run.err().contains("cannot be deleted"),
        "{run}"
    );
    project.audited();
}

/// What the clone cannot tell is left to the server, and other refs are ignored.
#[test]
fn unknowns_are_left_to_the_server() {
    let world = World::new();
    let project = told(&world);
    let alice = &project.alice;
    alice.deploy(&["record", "qa"]).ok();
    alice.deploy(&["record", "qa", "--all", "--failed"]).ok();
    project.commit("api/x", "two\n");
    let run = alice.push(&["HEAD:refs/heads/main"]).fails(1);
    assert!(
        run.err()
            .contains("git-deploy: cannot tell  refs/heads/main"),
        "{run}"
    );
    assert!(
        said(&run).contains("git-deploy: cannot tell  refs/heads/main"),
        "{run}"
    );
    // Another remote holds no ledgers.
    let other = world.bare_server("other.git");
    alice
        .repo
        .git(&["remote", "add", "other", &other.url()])
        .ok();
    alice
        .repo
        .git(&["push", "-q", "other", "HEAD:refs/heads/main"])
        .ok();
    alice
        .repo
        .git(&["push", "-q", &other.url(), "HEAD:refs/heads/again"])
        .ok();
    // Nothing is fetched for a branch that no environment has; a remote that is gone is not the hook's matter.
    let incoming = |repo: &Repo<'_>| {
        repo.git(&["for-each-ref", "refs/deploy-incoming"])
            .ok()
            .text()
    };
    project
        .ci
        .deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    let before = incoming(&alice.repo);
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    assert_eq!(incoming(&alice.repo), before);
}

/// An existing hook is called first; one in a shared folder is not touched, and nothing is
/// installed.
#[test]
fn existing_hooks_are_kept() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    let script = "#!/bin/sh\nread what rest\necho \"kept saw $1 $what\" >&2\ntest \"$what\" != refs/heads/bad\n";
    let hooks = alice.path().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::write(hooks.join("pre-push"), script).unwrap();
    std::fs::set_permissions(
        hooks.join("pre-push"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    alice.deploy(&["init", "--pre-push"]).ok();
    alice.deploy(&["init", "--pre-push"]).ok();
    let git = world.existing("alice/.git", "alice");
    assert_eq!(installed(&git), ["pre-push", "pre-push.local"]);
    let run = alice
        .git(&["push", "-q", "origin", "main:refs/heads/good"])
        .ok();
    assert_eq!(run.err(), "kept saw origin refs/heads/main");
    alice.git(&["branch", "bad"]).ok();
    let run = alice
        .git(&["push", "-q", "origin", "bad:refs/heads/good2"])
        .fails(1);
    assert!(
        run.err().contains("pre-push.local refuses the push"),
        "{run}"
    );
    bob.git(&[
        "config",
        "core.hooksPath",
        &world.path().join("home").to_string_lossy(),
    ])
    .ok();
    let run = bob.deploy(&["init", "--pre-push"]).fails(3);
    assert!(run.err().contains("core.hooksPath"), "{run}");
}
