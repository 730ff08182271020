//! Runs that lost their program, and programs that lost their run: `kill -9`, `resume`, `abort`,
//! and a server that accepts an entry without an answer.

use super::{BackgroundRun, RunFixture, waiting};
use crate::harness::{World, wait_until};

/// Wherever the program is killed, the ledger shows how far it came; of several who resume it at
/// once one does, and finishes it.
#[test]
fn a_killed_run_can_be_resumed() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let (bob, carol, ci) = (&play.project.bob, &play.project.carol, &play.project.ci);
    play.run(&[]).ok();
    for (turn, step) in ["plan", "apply", "verify"].into_iter().enumerate() {
        let n = format!("{}\n", turn + 2);
        let script = format!(
            "mkdir $HOME/{step} 2> /dev/null || return 0; {}",
            waiting("go")
        );
        play.change(&[
            ("net/n", &n),
            ("db/n", &n),
            (&format!("net/{step}"), &script),
        ]);
        play.done();
        let before = play.entries("dev");
        let background = BackgroundRun::begin(&ci.repo, &["run", "dev", "--yes"]);
        play.wait_for("go.there");
        background.dies();
        play.touch("go");
        if step == "plan" {
            assert_eq!(play.entries("dev"), before);
            play.run(&[]).ok();
            continue;
        }
        assert_eq!(play.newest("dev")["action"], "start");
        bob.deploy(&["sync"]).ok();
        let status = bob.deploy(&["status", "dev"]).ok();
        assert!(status.text().contains("deploying"), "{status}");
        let resume = ["resume", "dev", "--yes", "--take-over", "-m", "lost"];
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(|| carol.deploy(&resume));
            (bob.deploy(&resume), other.join().unwrap())
        });
        assert!(one.succeeded() != two.succeeded(), "{one}\n{two}");
        let loser = if one.succeeded() { two } else { one };
        let told = loser.words_of_err();
        assert!(
            told.contains("has just taken over the run")
                || told.contains("is over")
                || told.contains("no run is under way"),
            "{loser}"
        );
        assert_eq!(
            play.ended("dev"),
            "api succeeded, db succeeded, net succeeded"
        );
        assert_eq!(play.entries("dev"), before + 3, "start, resume and finish");
    }
    play.project.audited();
}

/// A runner that lost its run begins nothing more: no component, no retry, no rollback and no
/// entry.
#[test]
fn a_lost_run_begins_nothing_more() {
    let world = World::new();
    let play = RunFixture::new(
        &world,
        "[environments]\ndev = {}\n",
        &[("net", "retries = 2")],
    );
    let (alice, bob, ci) = (&play.project.alice, &play.project.bob, &play.project.ci);
    play.run(&[]).ok();
    // The first attempt waits, and then fails or not.
    for (turn, (end, ending)) in [("true", "resume"), ("false", "resume"), ("false", "abort")]
        .into_iter()
        .enumerate()
    {
        let n = format!("{}\n", turn + 2);
        let once = format!(
            "mkdir $HOME/once{turn} 2> /dev/null || return 0; {}{end}\n",
            waiting("go")
        );
        play.change(&[("net/n", &n), ("db/n", &n), ("net/apply", &once)]);
        let background = BackgroundRun::begin(&ci.repo, &["run", "dev", "--yes"]);
        play.wait_for("go.there");
        match ending {
            "resume" => drop(
                bob.deploy(&["resume", "dev", "--yes", "--take-over", "-m", "lost"])
                    .ok(),
            ),
            _ => drop(alice.deploy(&["abort", "dev", "-m", "enough"]).ok()),
        }
        // What was known a moment ago is believed for a second.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let before = play.entries("dev");
        play.done();
        play.touch("go");
        let told = background.ends_with(3);
        assert!(
            told.contains("another process has taken over the run"),
            "{end} {ending}: {told}"
        );
        let begun: Vec<String> = play
            .done()
            .into_iter()
            .filter(|it| !it.starts_with("verify net"))
            .collect();
        assert_eq!(begun, [""; 0], "{end} {ending}: {told}");
        assert_eq!(play.entries("dev"), before);
        if ending == "abort" {
            assert_eq!(play.newest("dev")["action"], "abort");
        }
    }
    play.run(&[]).ok();
    play.nothing_left();
    play.project.audited();
}

/// Someone who may only roll back resumes their own rollback, and no deployment of another person.
#[test]
fn a_rollback_is_resumed_by_those_who_may_roll_back() {
    let world = World::new();
    let policy = "[environments]\ndev = { deployers = \"ci\", rollback_by = \"bob\" }\n";
    let play = RunFixture::new(&world, policy, &[]);
    let (bob, ci) = (&play.project.bob, &play.project.ci);
    let once = |name: &str| {
        format!(
            "! mkdir $HOME/{name} 2> /dev/null || {{ {}; }}\n",
            waiting("go").trim_end()
        )
    };
    // The script of the first commit runs again in the rollback.
    let script = format!("test -e $HOME/second || return 0; {}", once("back"));
    play.change(&[("net/apply", &script)]);
    play.run(&[]).ok();
    play.change(&[("net/n", "2\n"), ("net/apply", "true\n")]);
    play.run(&[]).ok();
    play.touch("second");
    let rollback = ["rollback", "dev", "--component", "net", "--yes"];
    let background = BackgroundRun::begin(&bob.repo, &rollback);
    play.wait_for("go.there");
    background.dies();
    play.touch("go");
    bob.deploy(&["resume", "dev", "--yes"]).ok();
    assert_eq!(play.ended("dev"), "net succeeded");
    play.change(&[("web/apply", &once("forth"))]);
    let background = BackgroundRun::begin(&ci.repo, &["run", "dev", "--component", "web", "--yes"]);
    play.wait_for("go.there");
    background.dies();
    play.touch("go");
    let resume = ["resume", "dev", "--yes", "--take-over", "-m", "lost"];
    let refused = bob.deploy(&resume).fails(1);
    assert!(
        refused.words_of_err().contains("bob may not deploy to dev"),
        "{refused}"
    );
    ci.deploy(&["resume", "dev", "--yes"]).ok();
    play.project.audited();
}

/// If the server accepts an entry and its answer is lost, the entry is found again and not written
/// twice.
#[test]
fn an_unanswered_push_is_not_repeated() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let server = play.project.server.path().to_owned();
    // What git wants to hear first, and nothing more; the server is gone for a while if that is asked for.
    let hook = "#!/bin/sh\ntest -e $HOME/mute || exec git-deploy hook proc-receive \"$@\"\n\
                git-deploy hook proc-receive \"$@\" | { n=$(head -c 4); printf %s \"$n\"; head -c $((0x$n)); cat > /dev/null; }\n\
                rm $HOME/mute; test ! -e $HOME/move || mv \"$PWD\" \"$PWD.away\"\nkill -9 $PPID\n";
    play.project.server.hook("proc-receive", hook);
    play.run(&[]).ok();
    for (n, moves) in [("2\n", false), ("3\n", true)] {
        play.change(&[("net/n", n), ("net/verify", "touch $HOME/mute\n")]);
        if moves {
            play.touch("move");
        }
        let before = play.entries("dev");
        let background = BackgroundRun::begin(&play.project.ci.repo, &["run", "dev", "--yes"]);
        if moves {
            let away = server.with_extension("git.away");
            wait_until("the server does not go away", || away.exists());
            std::thread::sleep(std::time::Duration::from_millis(300));
            std::fs::rename(&away, &server).unwrap();
        }
        let told = background.ends_with(0);
        assert!(!play.home("mute").exists(), "{told}");
        assert!(told.contains("net"), "{told}");
        assert_eq!(play.entries("dev"), before + 2, "{told}");
        assert_eq!(
            play.ended("dev"),
            "api succeeded, db succeeded, net succeeded"
        );
    }
    play.nothing_left();
    play.project.audited();
}
