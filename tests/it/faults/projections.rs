//! Faults while what follows from a success is done. Wherever a process is killed, another
//! reconciliation ends with the same refs, and the next one finds nothing to do.

use super::{Fault, FaultInjection, Injected, Target, told};
use crate::harness::{Project, World};

const POLICY: &str = "[environments]\ndev = { advance = { branch = \"live\" }, tag = \"{timestamp}_{env}_{branch}\" }\n";

/// What follows from the deployments of dev, as the refs of the server and their commits.
fn projections(project: &Project<'_>) -> Vec<String> {
    let refs = ["refs/heads/live", "refs/tags/"];
    let format = "--format=%(refname) %(objectname)";
    let listed = project
        .server
        .git(&[&["for-each-ref", format][..], &refs].concat())
        .ok();
    listed.text().lines().map(str::to_owned).collect()
}

/// Returns what follows from a deployment of the clones' commit at this time: one branch, one tag.
fn wanted(project: &Project<'_>) -> [String; 2] {
    let commit = project.ci.repo.rev("HEAD");
    let timestamp = project.world.now().to_string().replace(['-', ':'], "");
    let tag = format!("refs/tags/{timestamp}_dev_main {commit}");
    [format!("refs/heads/live {commit}"), tag]
}

/// Checks that another reconciliation does what is missing, and that the next has nothing to do.
#[track_caller]
fn ends_with(project: &Project<'_>, injected: &Injected<'_>, wanted: &[String]) {
    let Injected { turn, run, .. } = injected;
    let again = project.bob.deploy(&["reconcile"]);
    assert!(again.succeeded(), "{turn}: {run}\n{again}");
    assert_eq!(projections(project), wanted, "{turn}: {run}\n{again}");
    let idle = project.carol.deploy(&["reconcile"]).ok().text();
    assert_eq!(
        idle, "Everything is in line with the ledgers.",
        "{turn}: {run}"
    );
}

/// A reconciliation that is killed, or any process that it starts here and on the server, is made up
/// for by the next.
#[test]
fn reconciliations_survive_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let wanted = wanted(&project);
    project.server.hook(
        "update",
        "#!/bin/sh\ncase \"$1\" in refs/deploy/*) exit 0;; esac\nexit 1\n",
    );
    project.ci.deploy(&["record", "dev"]).ok();
    std::fs::remove_file(project.server.path().join("hooks/update")).unwrap();
    let faults = FaultInjection::new(&world, &project.bob.repo, &project.server, Fault::Killed);
    let reconcile = ["reconcile"];
    for (target, step) in [(Target::Client, 5), (Target::Family, 7)] {
        let ends = faults.sweep_each(&target, &reconcile, step, &|injected| {
            let locked = faults.check_locks(&reconcile, injected.turn);
            ends_with(&project, injected, &wanted);
            locked
        });
        told(&format!("reconcile, {target:?}"), &ends);
    }
}

/// A `record` that is killed leaves nothing undone for longer than the next reconciliation: if its
/// entry is there, so is what follows from it.
#[test]
fn records_survive_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let wanted = wanted(&project);
    // They reconcile, and must not have seen the entries of earlier turns.
    let others = [&project.bob, &project.carol].map(|it| it.repo.path().to_owned());
    let (ci, server) = (&project.ci.repo, &project.server);
    let faults = FaultInjection::with(&world, ci, server, Fault::Killed, &others);
    let record = ["record", "dev"];
    for (target, step) in [(Target::Client, 29), (Target::Family, 61)] {
        let ends = faults.sweep_each(&target, &record, step, &|injected| {
            let moved = faults.check_unharmed(&injected.before, injected.turn, &injected.run);
            let locked = faults.check_locks(&["reconcile"], injected.turn);
            let wanted = if moved > 0 { &wanted[..] } else { &[] };
            ends_with(&project, injected, wanted);
            locked
        });
        told(&format!("record with projections, {target:?}"), &ends);
    }
}
