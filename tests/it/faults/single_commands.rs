//! Faults in commands that work only once: lock, unlock, approving and publishing a policy, repair.

use super::{Fault, FaultInjection, POLICY, Target, told};
use crate::harness::{Project, Repo, World};

/// A killed lock or unlock is there or not; the second of a kind is refused, so the other one
/// follows.
#[test]
fn lock_and_unlock_survive_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (lock, unlock) = (["lock", "dev", "-m", "stop"], ["unlock", "dev"]);
    let bob = &project.bob.repo;
    let faults = FaultInjection::new(&world, bob, &project.server, Fault::Killed);
    told(
        "lock",
        &faults.sweep_to(&Target::Client, &lock, [&lock, &unlock], 1, 29),
    );
    project.bob.deploy(&lock);
    let faults = FaultInjection::new(&world, bob, &project.server, Fault::Killed);
    told(
        "unlock",
        &faults.sweep_to(&Target::Client, &unlock, [&unlock, &lock], 1, 29),
    );
}

/// A killed approval or publication of a policy can be repeated with the same command.
#[test]
fn policy_commands_survive_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    alice.write(
        "deploy.toml",
        &project.policy("[environments]\ndev = {}\nprod = { approvals = 1 }\n"),
    );
    let faults = FaultInjection::new(&world, alice, &project.server, Fault::Killed);
    told(
        "policy approve",
        &faults.sweep(&Target::Client, &["policy", "approve"], 1, 29),
    );
    let publish = ["policy", "publish", "--yes"];
    told(
        "policy publish",
        &faults.sweep(&Target::Client, &publish, 1, 29),
    );
}

/// If a repair is killed, the next one continues, and the entries that were set aside are still
/// there.
#[test]
fn repair_survives_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    for hook in ["pre-receive", "proc-receive"] {
        std::fs::remove_file(project.server.path().join("hooks").join(hook)).unwrap();
    }
    for key in ["receive.procReceiveRefs", "receive.hideRefs"] {
        project.server.git(&["config", "--unset-all", key]).ok();
    }
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    let early = project.server.rev("refs/deploy/dev");
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    project
        .ci
        .deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    let (bob, server) = (&project.bob.repo, &project.server);
    bob.deploy(&["sync"]).ok();
    let good = server.git(&["for-each-ref", "refs/deploy"]).ok().text();
    // One ledger is rewritten, one is gone.
    server.git(&["update-ref", "refs/deploy/dev", &early]).ok();
    project
        .carol
        .repo
        .git(&["fetch", "-q", "origin", "+refs/deploy/dev:refs/deploy/dev"])
        .ok();
    let other = project
        .carol
        .append("dev", crate::harness::member::a_lock(), None, |_| ())
        .to_string();
    project
        .carol
        .repo
        .git(&["push", "-q", "origin", "+refs/deploy/dev:refs/deploy/dev"])
        .ok();
    server
        .git(&["update-ref", "-d", "refs/deploy/evidence"])
        .ok();

    let faults = FaultInjection::new(&world, bob, server, Fault::Killed);
    let repair = ["repair", "--yes"];
    let ends = faults.sweep_each(&Target::Client, &repair, 17, &|injected| {
        for repo in [bob, server] {
            repo.git(&["fsck", "--strict", "--no-dangling", "--no-progress"])
                .ok();
        }
        let locked = faults.check_continues(&repair, injected.turn);
        assert_eq!(
            server.git(&["for-each-ref", "refs/deploy"]).ok().text(),
            good,
            "{}: {}",
            injected.turn,
            injected.run
        );
        assert_eq!(
            set_aside(bob),
            [&*other],
            "{}: {}",
            injected.turn,
            injected.run
        );
        locked
    });
    told("repair", &ends);
}

/// Returns the entries that a clone has set aside.
fn set_aside(repo: &Repo<'_>) -> Vec<String> {
    let refs = repo
        .git(&[
            "for-each-ref",
            "--format=%(objectname)",
            "refs/deploy-set-aside/",
        ])
        .ok()
        .text();
    refs.lines().map(str::to_owned).collect()
}
