//! Ctrl-C once and twice, a CI system that cancels, and Ctrl-C before the start: what happened is
//! recorded, and nothing more happens.

use std::io::Write as _;
use std::process::Stdio;

use rustix::process::Signal;

use super::{BackgroundRun, RunFixture, waiting};
use crate::harness::{World, has_tool, wait_for};

const BOTH: [&str; 7] = [
    "run",
    "dev",
    "--yes",
    "--component",
    "net",
    "--component",
    "db",
];

#[test]
fn running_steps_are_interrupted() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.run(&[]).ok();

    // Once: what runs may end, nothing new begins.
    play.change(&[
        ("net/n", "2\n"),
        ("db/n", "2\n"),
        ("net/apply", &waiting("go")),
    ]);
    play.done();
    let background = BackgroundRun::begin(&play.project.ci.repo, &BOTH);
    play.wait_for("go.there");
    background.signal(Signal::INT);
    background.says("interrupted: running steps finish");
    play.touch("go");
    let told = background.ends_with(4);
    assert!(
        told.contains("the deployment to dev was interrupted"),
        "{told}"
    );
    assert_eq!(play.ended("dev"), "db skipped, net succeeded");
    assert_eq!(play.done().last().unwrap(), "verify net 2");
    play.nothing_left();

    // Twice, or when a CI system cancels the job: what runs is ended too, and nobody knows what it has done.
    for (n, signals) in [
        ("3\n", &[Signal::INT, Signal::INT][..]),
        ("4\n", &[Signal::TERM]),
    ] {
        play.change(&[
            ("net/n", n),
            ("net/apply", &(waiting("never") + "touch $HOME/late\n")),
        ]);
        play.done();
        let background = BackgroundRun::begin(&play.project.ci.repo, &BOTH);
        play.wait_for("never.there");
        for (at, signal) in signals.iter().enumerate() {
            if at > 0 {
                // Two signals of one kind that wait for the program are one.
                background.says("interrupted: running steps finish");
            }
            background.signal(*signal);
        }
        let told = background.ends_with(4);
        assert!(told.contains("cancelling the running steps"), "{told}");
        assert_eq!(play.ended("dev"), "db skipped because net, net failed");
        // No way back is begun by one who was told to stop.
        assert_eq!(
            play.done().last().unwrap(),
            &format!("apply net {}", n.trim())
        );
        assert!(!play.home("late").exists());
        play.nothing_left();
    }
    // The next one puts it right.
    play.change(&[("net/n", "5\n"), ("net/apply", "true\n")]);
    play.run(&[]).ok();
    play.project.audited();
}

/// Before the start nothing is recorded: while plans are made, at the question, or if the answer
/// comes too late.
#[test]
fn nothing_is_recorded_before_the_start() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.run(&[]).ok();
    let before = play.entries("dev");
    play.change(&[("net/n", "2\n"), ("net/plan", &waiting("planned"))]);
    for signal in [Signal::INT, Signal::TERM] {
        let background = BackgroundRun::begin(&play.project.ci.repo, &["run", "dev", "--yes"]);
        play.wait_for("planned.there");
        background.signal(signal);
        if signal == Signal::INT {
            background.says("interrupted");
            play.touch("planned");
        }
        let told = background.ends_with(4);
        assert!(
            told.contains("interrupted: nothing was deployed to dev"),
            "{told}"
        );
    }
    if has_tool("script") {
        play.change(&[("net/plan", "true\n")]);
        let words = play.home("words");
        let mut command = play.project.ci.repo.command("script");
        command
            .args(["-qefc", "exec git-deploy run dev"])
            .arg(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut keys = child.stdin.take().unwrap();
        let asked = || {
            std::fs::read_to_string(&words)
                .ok()
                .filter(|words| words.contains("Continue?"))
        };
        wait_for("it does not ask", asked);
        keys.write_all(b"\x03").unwrap();
        let status = wait_for("it does not end", || child.try_wait().unwrap());
        assert_eq!(
            status.code(),
            Some(4),
            "{}",
            std::fs::read_to_string(&words).unwrap()
        );
    }
    assert_eq!(play.entries("dev"), before);
    play.nothing_left();
}

/// An interrupted verification says nothing about what runs, whether the signal finds it in its
/// command or in that of a secret.
#[test]
fn an_interrupted_verification_records_nothing() {
    let world = World::new();
    let secret = "secrets = { TOKEN = \"test ! -e $HOME/slow || { touch $HOME/asked; sleep 60; }; echo s3cret-token\" }";
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[("net", secret)]);
    play.change(&[(
        "web/verify",
        "test ! -e $HOME/slow || { touch $HOME/there; sleep 60; }\n",
    )]);
    play.run(&[]).ok();
    let before = play.entries("dev");
    play.touch("slow");
    for (component, file) in [("web", "there"), ("net", "asked")] {
        let background = BackgroundRun::begin(
            &play.project.ci.repo,
            &["verify", "dev", "--component", component],
        );
        play.wait_for(file);
        background.signal(Signal::TERM);
        let told = background.ends_with(4);
        assert!(
            told.contains("interrupted: not everything was verified"),
            "{component}: {told}"
        );
        assert_eq!(play.entries("dev"), before, "{component}: {told}");
    }
}
