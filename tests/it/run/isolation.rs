//! One component does not affect another: two runs, a verification and a one-off command side by
//! side in one environment.

use super::{BackgroundRun, RunFixture, waiting};
use crate::harness::World;

#[test]
fn components_run_side_by_side() {
    let world = World::new();
    let play = RunFixture::new(
        &world,
        "[environments]\ndev = { exec_by = [\"bob\", \"ci\"] }\n",
        &[],
    );
    let (bob, carol, ci) = (&play.project.bob, &play.project.carol, &play.project.ci);
    play.run(&[]).ok();
    let two = ["api/n", "web/n"].map(|file| (file, "2\n"));
    play.change(
        &[
            &two[..],
            &[
                ("web/apply", &waiting("web")),
                ("api/apply", &waiting("api")),
            ],
        ]
        .concat(),
    );
    play.done();

    // One hangs; the other takes what is free, and says what is not.
    let hangs = BackgroundRun::begin(&carol.repo, &["run", "dev", "--yes", "--component", "web"]);
    play.wait_for("web.there");
    let other = BackgroundRun::begin(&ci.repo, &["run", "dev", "--yes"]);
    play.wait_for("api.there");
    other.says("web is left out: it is");
    let busy = bob
        .deploy(&["run", "dev", "--yes", "--component", "web"])
        .fails(1);
    assert!(busy.err().contains("✗ lock"), "{busy}");

    // Beside both of them.
    bob.deploy(&["verify", "dev", "--component", "db"]).ok();
    let exec = bob
        .deploy(&[
            "exec",
            "dev",
            "--yes",
            "--component",
            "db",
            "--",
            "sh",
            "-c",
            "cat n; echo no >&2; exit 7",
        ])
        .fails(4);
    assert!(
        exec.text()
            .starts_with("Run in dev: sh -c 'cat n; echo no >&2; exit 7'"),
        "{exec}"
    );
    assert!(
        exec.text().lines().any(|line| line == "1") && exec.err().lines().any(|line| line == "no"),
        "{exec}"
    );
    assert_eq!(play.newest("dev")["status"], 7);

    play.touch("api");
    // It left out what the first run deploys.
    other.ends_with(6);
    assert_eq!(play.ended("dev"), "api succeeded");
    assert!(!play.done().iter().any(|it| it.starts_with("verify web")));
    play.touch("web");
    hangs.ends_with(0);
    assert_eq!(play.ended("dev"), "web succeeded");
    bob.deploy(&["sync"]).ok();
    let status = bob.deploy(&["status", "dev"]).ok();
    assert!(!status.text().contains("deploying"), "{status}");
    play.nothing_left();
    play.project.audited();
}

/// A one-off command that cannot start leaves no open run, and one that lost its program is not run
/// again.
#[test]
fn one_off_commands_leave_no_open_run() {
    let world = World::new();
    let secret = "secrets = { TOKEN = \"cat $HOME/token\" }";
    let play = RunFixture::new(
        &world,
        "[environments]\ndev = { exec_by = [\"bob\", \"ci\"] }\n",
        &[("web", secret)],
    );
    std::fs::write(play.home("token"), "s3cret-token\n").unwrap();
    play.run(&[]).ok();
    let exec = |words: &[&str]| {
        play.project
            .ci
            .deploy(&[&["exec", "dev", "--yes", "--component", "web", "--"], words].concat())
    };
    let run = exec(&["sh", "-c", "echo \"it is $TOKEN\""]).ok();
    assert!(run.text().contains("it is ***"), "{run}");
    // It is refused before it begins.
    let before = play.entries("dev");
    exec(&["./no-such-program"]).fails(2);
    assert_eq!(play.entries("dev"), before);
    exec(&["sh", "-c", "./no-such-program"]).fails(4);
    assert_eq!(play.newest("dev")["status"], 127);
    std::fs::remove_file(play.home("token")).unwrap();
    let run = exec(&["true"]).fails(4);
    assert_eq!(play.newest("dev")["action"], "finish", "{run}");

    std::fs::write(play.home("token"), "s3cret-token\n").unwrap();
    let background = BackgroundRun::begin(
        &play.project.ci.repo,
        &[
            "exec",
            "dev",
            "--yes",
            "--component",
            "web",
            "--",
            "sh",
            "-c",
            "touch $HOME/there; until test -e $HOME/go; do sleep 0.05; done",
        ],
    );
    play.wait_for("there");
    let before = play.entries("dev");
    let run = play
        .project
        .bob
        .deploy(&["resume", "dev", "--yes", "--take-over", "-m", "lost"])
        .fails(2);
    assert!(
        run.words_of_err()
            .contains("a one-off command cannot be resumed"),
        "{run}"
    );
    assert_eq!(play.entries("dev"), before, "{run}");
    play.touch("go");
    background.ends_with(0);
    play.nothing_left();
    play.project.audited();
}
