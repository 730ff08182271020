//! Notifications of entries that no run of git-deploy writes: what another system deployed, failed
//! checks, yanks, holds, and approvals that expire.

use rustix::process::Signal;

use crate::harness::{Project, World, wait_for};
use crate::run::BackgroundRun;

/// Returns a project whose notifications add a line to a file, and a function that takes the lines.
fn notified(world: &World) -> (Project<'_>, impl Fn() -> Vec<String>) {
    let lines = world.path().join("notified");
    let script = world.path().join("notify.sh");
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\ncat > /dev/null\ntest -e api/x && here=repository\n\
             echo \"$DEPLOY_EVENT $DEPLOY_ENV by $DEPLOY_BY in ${{here-elsewhere}}: $DEPLOY_AUTHORS|$DEPLOY_CHANGE|$DEPLOY_RELEASE|$DEPLOY_REASON\" >> {}\n",
            lines.display()
        ),
    )
    .unwrap();
    let notify = format!("notify = \"sh {}\"", script.display());
    let policy = format!(
        "[environments]\ndev = {{ {notify} }}\nprod = {{ promote_from = \"dev\", checks = \"test-result\", approvals = {{ required = 1, by = [\"bob\"] }}, {notify} }}\n\
         [components]\napi = {{ paths = \"api\" }}\n"
    );
    let project = Project::new(world, &policy);
    let take = move || {
        let text = std::fs::read_to_string(&lines).unwrap_or_default();
        let _ = std::fs::remove_file(&lines);
        text.lines().map(str::to_owned).collect()
    };
    (project, take)
}

/// Each event is sent once, from the repository, with the authors, the change and the release.
#[test]
fn recorded_deployments_and_evidence_are_announced() {
    let world = World::new();
    let (project, take) = notified(&world);
    let ci = &project.ci;
    project.push("api/x", "first\n");
    ci.deploy(&["record", "dev", "--dry-run"]).ok();
    assert_eq!(take(), [""; 0], "a dry run announces nothing");
    ci.deploy(&["record", "dev", "--change", "CHG 17", "--release", "spring"])
        .ok();
    let author = project
        .alice
        .repo
        .git(&["log", "-1", "--format=%an"])
        .ok()
        .text();
    assert_eq!(
        take(),
        [format!(
            "succeeded dev by ci in repository: {author}|CHG 17|spring|"
        )]
    );
    project.push("api/x", "second\n");
    ci.deploy(&["record", "dev", "--start"]).ok();
    ci.deploy(&["record", "dev", "--finish", "--outcome", "failed"])
        .ok();
    assert_eq!(
        take(),
        [
            format!("started dev by ci in repository: {author}|||"),
            format!("failed dev by ci in repository: {author}|||")
        ]
    );
    ci.deploy(&["record", "prod"]).fails(1);
    let refused = take();
    assert!(
        refused.len() == 1 && refused[0].starts_with("refused prod by ci in repository: "),
        "{refused:?}"
    );
    let head = ci.repo.rev("HEAD");
    let short = &head[..12];
    ci.deploy(&["attest", "test-result", "--result", "failed"])
        .ok();
    assert_eq!(
        take(),
        [format!(
            "check-failed prod by ci in repository: |||prod requires test-result: FAILED for {short}"
        )]
    );
    project
        .alice
        .deploy(&["yank", "HEAD", "-m", "Loses orders"])
        .ok();
    let yanked = take();
    assert_eq!(yanked.len(), 1, "{yanked:?}");
    assert!(
        yanked[0].starts_with("yanked dev by alice")
            && yanked[0].ends_with("is yanked: Loses orders"),
        "{yanked:?}"
    );
}

/// A person's rollback announces what it puts on hold, and `reap --warn` announces unused approvals,
/// but only those that expire in time.
#[test]
fn holds_and_expiring_approvals_are_announced() {
    let world = World::new();
    let (project, take) = notified(&world);
    project.push("api/x", "first\n");
    project.ci.deploy(&["record", "dev"]).ok();
    project.push("api/x", "second\n");
    project.ci.deploy(&["record", "dev"]).ok();
    take();
    let held = project.ci.repo.rev("HEAD")[..12].to_owned();
    project
        .alice
        .deploy(&["record", "dev", "HEAD~1", "--rollback"])
        .ok();
    assert_eq!(
        take(),
        [
            "succeeded dev by alice in repository: |||".to_owned(),
            format!("on-hold dev by alice in repository: |||{held} was rolled back and is on hold"),
        ]
    );
    let commit = project.ci.repo.rev("HEAD~1")[..12].to_owned();
    project.bob.deploy(&["approve", "prod", "HEAD~1"]).ok();
    let quiet = project.ci.deploy(&["reap", "--warn", "1h"]).ok().text();
    assert!(!quiet.contains("approval"), "{quiet}");
    assert_eq!(take(), [""; 0]);
    let warned = project.ci.deploy(&["reap", "--warn", "30d"]).ok().text();
    assert!(warned.contains("the approval expires"), "{warned}");
    assert_eq!(
        take(),
        [format!(
            "approval-expires prod by bob in repository: |||bob approved {commit} for prod"
        )]
    );
}

/// Ignores the signals that ask it to stop, and so does the process that it starts.
const STUBBORN: &str = "#!/bin/sh\ntrap '' INT TERM\nsleep 600 &\necho $$ $! > \"$HOME/ids.new\"\nmv \"$HOME/ids.new\" \"$HOME/ids\"\nwait\n";

/// No process of a notification command that hangs is left when the command ends or is interrupted.
#[test]
fn a_hanging_command_does_not_outlive_the_run() {
    for is_interrupted in [false, true] {
        let world = World::new();
        let script = world.path().join("notify.sh");
        std::fs::write(&script, STUBBORN).unwrap();
        let policy = format!(
            "[environments]\ndev = {{ notify = \"sh {}\" }}\n",
            script.display()
        );
        let project = Project::new(&world, &policy);
        let ids = world.path().join("home/ids");
        let read_ids = || std::fs::read_to_string(&ids).ok();
        // On a busy machine, a short time may be over before the command has begun.
        let mut limit = if is_interrupted { 60_000 } else { 500 };
        while !ids.exists() {
            let mut command = project.ci.repo.command("git-deploy");
            command.args(["record", "dev", "--all"]);
            command.env("GIT_DEPLOY_TEST_LIMIT", format!("notify={limit} kill=100"));
            let run = BackgroundRun::of(&project.ci.repo, &mut command);
            if is_interrupted {
                wait_for("the command does not begin", read_ids);
                run.signal(Signal::TERM);
            }
            let told = run.ends_with(0);
            assert!(told.contains("was not notified of \"succeeded\""), "{told}");
            limit *= 2;
        }
        for id in read_ids().unwrap().split_whitespace() {
            let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
            assert!(state.is_err(), "{is_interrupted}: {state:?}");
        }
    }
}
