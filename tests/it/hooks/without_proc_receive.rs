//! Hosts that do not call proc-receive, such as GitLab: update judges again, and post-receive
//! writes the notes.

use super::{entries, installed, noted, with};
use crate::harness::project::said;
use crate::harness::{Project, World};

const POLICY: &str =
    "[environments]\ndev = {}\nprod = { promote_from = \"dev\", branch = \"release\" }\n";

/// Returns a project on such a host.
fn hosted(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    let init = project
        .server
        .deploy(&["server", "init", ".", "--no-proc-receive"])
        .ok();
    assert!(init.text().contains("hooks/proc-receive removed"), "{init}");
    assert_eq!(
        installed(&project.server),
        ["post-receive", "pre-receive", "update"]
    );
    project
        .server
        .git(&["config", "--get-all", "receive.procReceiveRefs"])
        .fails(1);
    project
}

/// Allowed entries are accepted and noted; others are refused with the usual words.
#[test]
fn rules_apply_as_elsewhere() {
    let world = World::new();
    let project = hosted(&world);
    let ci = &project.ci;
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    let head = ci.repo.rev("HEAD");
    assert_eq!(
        (entries(&project, "dev").len(), noted(&project, &head)),
        (1, 1)
    );
    project.refused(&["branch"], || ci.push(&["+HEAD:refs/heads/Release"]));
    ci.push(&["HEAD:refs/heads/release"]).ok();
    let next = project.push("api/x", "two\n");
    project.refused(&["previous environment", "up to date"], || {
        ci.deploy(&["record", "prod", "--no-verify"])
    });
    project.refused(&["chain"], || ci.push(&["HEAD:refs/deploy/unknown"]));
    let back = format!("+{next}~1:refs/heads/release");
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    ci.push(&["HEAD:refs/heads/release"]).ok();
    project.refused(&["branch"], || ci.push(&[&back]));
    project.publish(
        POLICY
            .replace("dev = {}", "dev = { deployers = \"bob\" }")
            .as_str(),
    );
    project.refused(&["authorization"], || {
        ci.deploy(&["record", "dev", "--all", "--no-verify"])
    });
    project.audited();

    // The other way round, update has nothing to do any more.
    let init = project.server.deploy(&["server", "init", "."]).ok();
    assert!(init.text().contains("hooks/update removed"), "{init}");
    assert_eq!(
        installed(&project.server),
        ["post-receive", "pre-receive", "proc-receive"]
    );
    project.bob.deploy(&["record", "dev", "--all"]).ok();
    project.audited();
}

/// If a policy or an entry of the same ledger goes in between the two hooks, the second hook sees
/// it, and the client tries again.
#[test]
fn entries_between_the_hooks_are_seen() {
    let world = World::new();
    let project = hosted(&world);
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    // It is called between: our update asks it first.
    project.server.hook(
        "update.local",
        "#!/bin/sh\ntest \"$1\" = refs/deploy/dev || exit 0\nfor it in policy dev; do\n  \
         if git rev-parse -q --verify refs/between/$it > /dev/null; then\n    \
         git update-ref refs/deploy/$it refs/between/$it && git update-ref -d refs/between/$it\n  fi\ndone\n",
    );
    bob.deploy(&["record", "dev"]).ok();
    for (ledger, entry) in [("policy", None), ("dev", Some("HEAD"))] {
        alice.deploy(&["sync"]).ok();
        ci.deploy(&["sync"]).ok();
        let between = match entry {
            None => alice.publish(&project.policy(&format!("{POLICY}qa = {{}}\n")), false),
            Some(_) => alice.append("dev", crate::harness::member::a_lock(), None, |_| ()),
        };
        alice
            .push(&[&format!("{between}:refs/between/{ledger}")])
            .ok();
        alice
            .repo
            .git(&[
                "update-ref",
                &format!("refs/deploy/{ledger}"),
                &format!("{between}~1"),
            ])
            .ok();
        let forged = ci.build("dev", crate::harness::member::a_lock(), None, |_| ());
        let run = ci.push(&[&format!("{forged}:refs/deploy/dev")]).fails(1);
        let words = if ledger == "policy" {
            "another policy has come into force: try again"
        } else {
            "the ledger has moved"
        };
        assert!(said(&run).contains(words), "{run}");
        assert_eq!(
            project.server.rev(&format!("refs/deploy/{ledger}")),
            between.to_string()
        );
    }
    bob.deploy(&["unlock", "dev"]).ok();

    // Our client does what the words say.
    alice.deploy(&["sync"]).ok();
    let between = alice.publish(&project.policy(POLICY), false);
    alice
        .push(&[&format!("{between}:refs/between/policy")])
        .ok();
    alice
        .repo
        .git(&["update-ref", "refs/deploy/policy", &format!("{between}~1")])
        .ok();
    ci.deploy(&["record", "dev", "--all"]).ok();
    let seen = project
        .server
        .git(&["cat-file", "blob", "refs/deploy/dev:entry.json"])
        .ok()
        .json();
    assert_eq!(seen["predicate"]["seen"]["policy"], between.to_string());
    project.audited();
}

/// An existing update hook, as gitolite has one, is still called with git's arguments, and its
/// refusal counts.
#[test]
fn existing_update_hooks_are_kept() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project
        .server
        .hook("update", "#!/bin/sh\necho \"kept saw $1 ${2%${2#???}} ${3%${3#???}}\"\ntest \"$1\" != refs/heads/bad\n");
    let args = ["server", "init", ".", "--no-proc-receive"];
    project.server.deploy(&args).ok();
    project.server.deploy(&args).ok();
    let ci = &project.ci;
    let head = ci.repo.rev("HEAD");
    let good = ci.push(&["HEAD:refs/heads/good"]).ok();
    assert_eq!(
        said(&good),
        format!("kept saw refs/heads/good 000 {}", &head[..3])
    );
    let bad = ci.push(&["HEAD:refs/heads/bad"]).fails(1);
    assert!(
        said(&bad).contains("hooks/update.local refuses the push"),
        "{bad}"
    );
    // Called by a shell, as where its path is too long for a first line.
    let shim = include_str!("../../../hooks/update");
    project.server.hook("update", shim);
    ci.push(&["HEAD:refs/heads/bad"]).fails(1);
    ci.deploy(&["record", "dev"]).ok();
    // Nobody by hand.
    with(
        &project.server,
        &[],
        "git-deploy",
        &["hook", "update", "refs/heads/x"],
    )
    .fails(3);
    // What was displaced comes back.
    project.server.deploy(&["server", "init", "."]).ok();
    assert!(
        std::fs::read_to_string(project.server.path().join("hooks/update"))
            .unwrap()
            .contains("kept saw")
    );
}
