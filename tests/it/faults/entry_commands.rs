//! Faults in commands that write entries, with and without a server, and in the hooks that accept
//! them.

use super::{Fault, FaultInjection, POLICY, Target, WRITES, told};
use crate::harness::{Project, World};

/// Commands that write entries, with a server.
#[test]
fn commands_survive_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    let faults = FaultInjection::new(&world, &project.bob.repo, &project.server, Fault::Killed);
    let commands: [(&[&str], usize); 5] = [
        (&["record", "dev", "--all"], 1),
        (&["approve", "prod"], 1),
        (&["attest", "test-result", "--result", "passed"], 1),
        (&["sync"], 0),
        (&["notes", "rebuild"], 0),
    ];
    for (arguments, entries) in commands {
        told(
            arguments[0],
            &faults.sweep(&Target::Client, arguments, entries, 29),
        );
    }
}

/// If a hook is killed, what git accepted is there, and nothing else.
#[test]
fn hooks_survive_kills() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let faults = FaultInjection::new(&world, &project.bob.repo, &project.server, Fault::Killed);
    for hook in ["pre-receive", "proc-receive"] {
        told(
            hook,
            &faults.sweep(&Target::Hook(hook), &["record", "dev", "--all"], 1, 13),
        );
    }
}

/// Without a server the local ref is the database.
#[test]
fn commands_without_a_server_survive_kills() {
    let world = World::new();
    let repo = world.local_project("a", "dev");
    repo.git(&["add", "deploy.toml"]).ok();
    repo.git(&["commit", "-q", "-m", "Two"]).ok();
    let faults = FaultInjection::new(&world, &repo, &repo, Fault::Killed);
    told(
        "record without a server",
        &faults.sweep(&Target::Client, &["record", "dev", "--all"], 1, 23),
    );
}

/// A full disk is reported, and once there is space again everything works.
#[test]
fn a_full_disk_is_reported() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let faults = FaultInjection::new(&world, &project.bob.repo, &project.server, Fault::FullDisk);
    for (what, target) in [
        ("record", Target::Client),
        ("proc-receive", Target::Hook("proc-receive")),
    ] {
        told(
            what,
            &faults.sweep(&target, &["record", "dev", "--all"], 1, 41),
        );
    }
}

/// Commands that only read work where nothing can be written.
#[test]
fn read_only_repositories_can_be_read() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    project.bob.deploy(&["sync"]).ok();
    // All but `write`, which the answer itself needs.
    let refused = WRITES.replace("write,pwrite64,", "");
    let inject = format!("inject={refused}:error=EROFS");
    for look in [
        &["status"][..],
        &["log"],
        &["show"],
        &["check", "prod"],
        &["audit"],
        &["diff", "prod"],
        &["policy", "show"],
    ] {
        let strace = [
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={refused}"),
            "-e",
            &inject,
            "git-deploy",
        ];
        let run = project.bob.repo.run("strace", &[&strace, look].concat());
        assert!(run.succeeded() || look[0] == "check", "{run}");
        assert!(!run.err().contains("error:"), "{run}");
    }
}
