//! A clock that jumps, a person's or the server's, by hours or years, in both directions. A refusal
//! says what to do, and nothing is stuck afterwards.

use git_deploy::testing::domain::time::{Span, Time};

use super::POLICY;
use crate::harness::{Project, Repo, Run, World};

const JUMPS: [&str; 2] = ["6h", "1000d"];

/// Runs our program with its clock at this time.
fn at<'w>(repo: &Repo<'w>, now: Time, arguments: &[&str]) -> Run<'w> {
    let mut command = repo.command("git-deploy");
    command
        .env("GIT_DEPLOY_TEST_NOW", now.to_string())
        .args(arguments);
    Run::of(repo.world(), &mut command)
}

/// Returns a time ahead of another or behind it.
fn moved(now: Time, span: &str, ahead: bool) -> Time {
    let span: Span = span.parse().unwrap();
    if ahead {
        now.plus(span)
    } else {
        now.minus(span)
    }
}

/// Sets the server's clock, whatever the pusher's is.
fn set(project: &Project<'_>, now: Time) {
    for hook in ["pre-receive", "proc-receive"] {
        let clock = format!("GIT_DEPLOY_TEST_NOW={now}");
        project.server.hook(
            hook,
            &format!("#!/bin/sh\n{clock} exec git-deploy hook {hook} \"$@\"\n"),
        );
    }
}

/// Writes entries to all ledgers, by everyone.
fn day(project: &Project<'_>, now: Time) {
    let Project { alice, bob, ci, .. } = project;
    project.push("api/x", &format!("{}\n", project.world.now()));
    at(
        &ci.repo,
        now,
        &["record", "dev", "--all", "--verification", "passed"],
    )
    .ok();
    at(&bob.repo, now, &["approve", "prod"]).ok();
    at(&ci.repo, now, &["record", "prod", "--all"]).ok();
    at(&bob.repo, now, &["lock", "dev", "-m", "stop"]).ok();
    at(&bob.repo, now, &["unlock", "dev"]).ok();
    at(
        &ci.repo,
        now,
        &["attest", "test-result", "--result", "passed"],
    )
    .ok();
    alice.repo.write(
        "deploy.toml",
        &(project.policy(POLICY) + &format!("# {now}\n")),
    );
    at(&alice.repo, now, &["policy", "publish", "--yes"]).ok();
}

/// With a wrong client clock the server refuses and says why; with the right one the same command
/// works.
#[test]
fn wrong_client_clocks_are_reported() {
    for (span, ahead) in JUMPS
        .into_iter()
        .flat_map(|span| [(span, true), (span, false)])
    {
        let world = World::new();
        let project = Project::new(&world, POLICY);
        day(&project, world.now());
        // What is behind takes the time of the entry before it, and that one is long ago.
        world.advance("2h");
        set(&project, world.now());
        let wrong = moved(world.now(), span, ahead);
        let before = project.refs();
        let ci = &project.ci.repo;
        for command in [
            &["record", "dev", "--all"][..],
            &["lock", "dev", "-m", "stop"],
        ] {
            let run = at(ci, wrong, command).fails(1);
            let words = run.words_of_err();
            assert!(
                words.contains("off the clock here") && words.contains("set the clock"),
                "{run}"
            );
            assert_eq!(project.refs(), before, "{run}");
        }
        day(&project, world.now());
        // What it made while it was wrong: nobody has to wait for that day.
        let mut commit = ci.command("git");
        commit.env(
            "GIT_COMMITTER_DATE",
            format!("@{} +0000", wrong.as_seconds()),
        );
        Run::of(
            &world,
            commit.args(["commit", "-q", "--allow-empty", "-m", "From another time"]),
        )
        .ok();
        let push = ["push", "-q", "origin", "HEAD:refs/heads/main"];
        ci.git(&push).ok();
        if ahead {
            let run = ci.deploy(&["record", "dev", "--all"]).fails(1);
            assert!(
                run.words_of_err()
                    .contains("later than the entry → git commit --allow-empty"),
                "{run}"
            );
            ci.git(&["commit", "-q", "--allow-empty", "-m", "Again"])
                .ok();
            ci.git(&push).ok();
        }
        ci.deploy(&["record", "dev"]).ok();
        project.audited();
    }
}

/// Entries accepted while the server's clock was ahead stay valid, and later entries may use the
/// same time until it is reached.
#[test]
fn a_wrong_server_clock_blocks_nobody() {
    for span in JUMPS {
        let world = World::new();
        let project = Project::new(&world, POLICY);
        day(&project, world.now());
        // Behind: what people write is refused with words until it is right again.
        let behind = moved(world.now(), span, false);
        set(&project, behind);
        let new = project.push("api/x", "two\n");
        let run = project.ci.deploy(&["record", "dev", &new]).fails(1);
        assert!(
            run.words_of_err().contains("set the clock that is wrong"),
            "{run}"
        );
        set(&project, world.now());
        day(&project, world.now());
        let ahead = moved(world.now(), span, true);
        // Both were ahead, as in a room whose time server went wrong.
        set(&project, ahead);
        day(&project, ahead);
        // Right again: nothing waits for that time.
        world.advance("10m");
        set(&project, world.now());
        day(&project, world.now());
        project.audited();
        world.advance("10m");
        set(&project, world.now());
        day(&project, world.now());
        project.audited();
    }
}

/// Without a server, the clock may jump in both directions between two entries.
#[test]
fn a_jumping_clock_without_a_server() {
    for span in JUMPS {
        let world = World::new();
        let repo = world.local_project("a", "dev");
        let (now, record) = (world.now(), ["record", "dev", "--all"]);
        repo.deploy(&record).ok();
        at(&repo, moved(now, span, true), &record).ok();
        repo.deploy(&record).ok();
        at(&repo, moved(now, span, false), &record).ok();
        repo.deploy(&["lock", "dev", "-m", "stop"]).ok();
        repo.deploy(&["unlock", "dev"]).ok();
        repo.deploy(&["audit"]).ok();
        at(&repo, moved(now, span, true), &record).ok();
        repo.deploy(&["audit"]).ok();
    }
}
