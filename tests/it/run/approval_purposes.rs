//! An approval of a deployment, a removal or a command authorises nothing else.

use super::RunFixture;
use crate::harness::{Member, Run, World};

const ENVIRONMENTS: &str = "[environments]\n\
    dev = { approvals = 1, exec_by = \"ci\" }\n\
    \"pr-*\" = { ephemeral = { ttl = \"8h\", limit = 2 }, approvals = 1 }\n";

/// Runs a command that lacks an approval, gives the approval that it suggests, and returns what it
/// suggested.
fn approve_as_suggested(play: &RunFixture<'_>, command: &[&str]) -> String {
    let waits = play.project.ci.deploy(command).fails(5);
    let words = waits.words_of_err();
    let (_, suggested) = words.rsplit_once(": git deploy approve ").unwrap();
    as_typed(&play.project.bob, &format!("approve {suggested}")).ok();
    suggested.to_owned()
}

/// Runs the arguments of `git deploy` as a shell reads them.
fn as_typed<'w>(member: &Member<'w>, line: &str) -> Run<'w> {
    let words = member
        .repo
        .run("sh", &["-c", &format!("printf '%s\\n' {line}")]);
    let text = words.ok().text();
    member.deploy(&text.lines().collect::<Vec<_>>())
}

#[test]
fn one_purpose_authorises_no_other() {
    let world = World::new();
    let play = RunFixture::new(&world, ENVIRONMENTS, &[]);
    let (bob, ci) = (&play.project.bob, &play.project.ci);
    let deploy = ["run", "dev", "--yes", "--component", "web"];
    approve_as_suggested(&play, &deploy);
    ci.deploy(&deploy).ok();

    // The approval of another deployment of the running commit lets no command run.
    bob.deploy(&["approve", "dev", "--component", "web"]).ok();
    let exec = |command: &'static str| {
        let mut words = vec!["exec", "dev", "--yes", "--component", "web", "--"];
        words.extend(["sh", "-c", command]);
        words
    };
    let suggested = approve_as_suggested(&play, &exec("echo one | cat"));
    assert!(
        suggested.ends_with("--component web --exec -- sh -c 'echo one | cat'"),
        "{suggested}"
    );
    // Nor does that of another command, and it counts once.
    let waits = ci.deploy(&exec("echo two")).fails(5);
    assert!(
        waits
            .words_of_err()
            .contains("not by bob: it is for another purpose"),
        "{waits}"
    );
    ci.deploy(&exec("echo one | cat")).ok();
    ci.deploy(&exec("echo one | cat")).fails(5);
    let elsewhere = bob
        .deploy(&[
            "approve",
            "dev",
            "origin/main~1",
            "-c",
            "web",
            "--exec",
            "true",
        ])
        .fails(2);
    assert!(
        elsewhere
            .err()
            .contains("a command runs in the running commit"),
        "{elsewhere}"
    );

    // The approval of a deployment does not destroy the environment.
    let deploy = ["run", "pr-1", "--yes", "--component", "web"];
    approve_as_suggested(&play, &deploy);
    ci.deploy(&deploy).ok();
    bob.deploy(&["approve", "pr-1", "--component", "web"]).ok();
    let destroy = ["destroy", "pr-1", "--yes"];
    let suggested = approve_as_suggested(&play, &destroy);
    assert!(
        suggested.ends_with("--component web --destroy"),
        "{suggested}"
    );
    ci.deploy(&destroy).ok();

    let log = ["log", "--first-parent", "--format=%s", "refs/deploy/pr"];
    let subjects = ci.repo.git(&log).ok().text();
    assert!(
        subjects.contains("approve the removal of web ("),
        "{subjects}"
    );
    play.project.audited();
}

/// Where nothing runs, a command has no component to run in, and the answer says so.
#[test]
fn commands_need_a_running_component() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = { exec_by = \"ci\" }\n", &[]);
    let attempt = ["exec", "dev", "--yes", "--", "true"];
    let said = play.project.ci.deploy(&attempt).fails(2);
    assert!(said.err().contains("nothing runs in dev"), "{said}");
}
