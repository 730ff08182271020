//! post-receive hands each accepted entry to the one program that the server's owner names, at
//! least once.

use super::{entries, installed, noted, with};
use crate::harness::{Project, World};

/// Returns a project whose server hands entries to a script with this body, and the file that it
/// writes to.
fn handing<'w>(world: &'w World, script: &str) -> (Project<'w>, std::path::PathBuf) {
    let project = Project::new(world, "[environments]\ndev = {}\n");
    let program = world.path().join("home/handoff");
    write(&project, script);
    let args = [
        "server",
        "init",
        ".",
        "--handoff",
        &program.to_string_lossy(),
    ];
    project.server.deploy(&args).ok();
    assert_eq!(
        installed(&project.server),
        ["post-receive", "pre-receive", "proc-receive"]
    );
    (project, world.path().join("home/got"))
}

fn write(project: &Project<'_>, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let program = project.world.path().join("home/handoff");
    let next = program.with_extension("next");
    std::fs::write(
        &next,
        format!(
            "#!/bin/sh\ngot={}/got\n{script}\n",
            program.parent().unwrap().display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(next, program).unwrap();
}

/// Returns what the program received: ledger and number of each line.
fn got(file: &std::path::Path) -> Vec<(String, u64)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["schema"], "git-deploy/event/v1");
        assert_eq!(crate::harness::schemas::complaints(&event), [""; 0]);
        assert_eq!(event["ledger"], event["statement"]["predicate"]["ledger"]);
        (
            event["ledger"].as_str().unwrap().to_owned(),
            event["statement"]["predicate"]["sequence"]
                .as_u64()
                .unwrap(),
        )
    };
    text.lines().map(line).collect()
}

const GOOD: &str = "cat >> $got";

/// Ends the process that the program left running, which must still be there: nobody has waited for it.
#[track_caller]
fn end_left_process(world: &World) {
    let file = world.path().join("home/got-left");
    let pid = std::fs::read_to_string(file).unwrap();
    let mut kill = world.command("kill", "server");
    crate::harness::Run::of(world, kill.arg(pid.trim())).ok();
}

/// New entries are handed over in order, with their ids; a process that the program leaves running
/// delays nobody.
#[test]
fn entries_are_handed_over_in_order() {
    let world = World::new();
    let (project, file) = handing(
        &world,
        "sleep 1000 & echo $! > ${got}-left; cat >> $got; echo nobody sees this",
    );
    let run = project.ci.deploy(&["record", "dev"]).ok();
    assert!(!run.err().contains("nobody sees"), "{run}");
    end_left_process(&world);
    write(&project, GOOD);
    project.ci.push(&["HEAD:refs/heads/other"]).ok();
    project.bob.deploy(&["lock", "dev", "-m", "incident"]).ok();
    project
        .ci
        .deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    let all = [("dev", 1), ("dev", 2), ("evidence", 1)]
        .map(|(ledger, number)| (ledger.to_owned(), number));
    assert_eq!(got(&file), all);
    let last = std::fs::read_to_string(&file)
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["entry"], project.server.rev("refs/deploy/evidence"));
    // Where the owner only wrote the setting, all that there is comes, from the beginning.
    std::fs::remove_file(project.server.path().join("git-deploy-handoff")).unwrap();
    std::fs::remove_file(&file).unwrap();
    project.bob.deploy(&["unlock", "dev"]).ok();
    assert_eq!(got(&file).len(), 5);
    project.audited();
}

/// If the program fails, is missing or hangs, the entry is in, the pusher is told, and the next
/// push hands everything over.
#[test]
fn failures_lose_nothing() {
    let world = World::new();
    let (project, file) = handing(&world, "cat > /dev/null; exit 3");
    let lock = |member: &crate::harness::Member<'_>| {
        member.deploy(&["sync"]).ok();
        let id = member
            .append("dev", crate::harness::member::a_lock(), None, |_| ())
            .to_string();
        member
            .repo
            .git(&["push", "-q", "origin", "refs/deploy/dev"])
            .ok();
        id
    };
    let push = |variables: &[(&str, &str)]| {
        let unlock = with(
            &project.bob.repo,
            variables,
            "git-deploy",
            &["unlock", "dev"],
        );
        unlock.ok().err()
    };
    lock(&project.ci);
    let told = push(&[]);
    assert!(
        told.contains("passed to the handoff program only with the next push")
            && told.contains("failed: exit status: 3"),
        "{told}"
    );
    std::fs::remove_file(world.path().join("home/handoff")).unwrap();
    lock(&project.ci);
    let told = push(&[]);
    assert!(told.contains("could not be started"), "{told}");
    // One that neither reads nor ends.
    write(&project, "exec sleep 1000");
    lock(&project.ci);
    let told = push(&[("GIT_DEPLOY_TEST_LIMIT", "handoff=300")]);
    assert!(told.contains("took longer than"), "{told}");
    assert_eq!((entries(&project, "dev").len(), got(&file).len()), (6, 0));
    write(&project, GOOD);
    lock(&project.ci);
    assert_eq!(
        got(&file),
        (1..=7)
            .map(|number| ("dev".to_owned(), number))
            .collect::<Vec<_>>()
    );
    // Only by its place: nothing that lies in the repository is run.
    project
        .server
        .git(&["config", "deploy.handoff", "hooks/program"])
        .ok();
    assert!(push(&[]).contains("is not the absolute path of a program"));
    project
        .server
        .deploy(&["server", "init", ".", "--handoff", "hooks/program"])
        .fails(2);
    project.audited();
}

/// Concurrent pushes hand over everything, one after the other, each entry once.
#[test]
fn concurrent_pushes_hand_over_once() {
    let world = World::new();
    let (project, file) = handing(&world, GOOD);
    std::thread::scope(|scope| {
        for member in [&project.bob, &project.carol, &project.ci] {
            scope.spawn(|| {
                for _ in 0..3 {
                    member
                        .deploy(&["attest", "test-result", "--result", "passed"])
                        .ok();
                }
            });
        }
    });
    project.ci.deploy(&["record", "dev"]).ok();
    let mut got = got(&file);
    got.retain(|(ledger, _)| ledger == "evidence");
    assert_eq!(
        got,
        (1..=9)
            .map(|number| ("evidence".to_owned(), number))
            .collect::<Vec<_>>()
    );
}

/// If proc-receive was killed after it let an entry in, the next push writes the notes and hands it
/// over.
#[test]
fn entries_after_a_kill_are_handed_over() {
    let world = World::new();
    let (project, file) = handing(&world, GOOD);
    let ci = &project.ci;
    let head = ci.repo.rev("HEAD");
    ci.deploy(&["sync"]).ok();
    let id = ci
        .append("dev", ci.a_record("HEAD", None), None, |_| ())
        .to_string();
    ci.push(&[&format!("{id}:refs/left/dev")]).ok();
    project
        .server
        .git(&["update-ref", "refs/deploy/dev", "refs/left/dev"])
        .ok();
    assert_eq!((noted(&project, &head), got(&file).len()), (0, 0));
    ci.deploy(&["record", "dev", "--all"]).ok();
    assert_eq!((noted(&project, &head), got(&file).len()), (2, 2));
    // Where post-receive writes the notes, it catches up as well.
    project
        .server
        .deploy(&["server", "init", ".", "--no-proc-receive"])
        .ok();
    project
        .server
        .git(&["update-ref", "-d", "refs/notes/deploy"])
        .ok();
    ci.deploy(&["record", "dev", "--all"]).ok();
    assert_eq!((noted(&project, &head), got(&file).len()), (3, 3));
    project.audited();
}
