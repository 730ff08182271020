//! A plan between the plan command and the apply: what was shown is applied, whatever other
//! processes do to files.

use super::RunFixture;
use crate::harness::World;

/// Writes a plan, as a plan command does.
const PLAN: &str =
    "echo \"echo honest $(cat n) >> \\$HOME/applied\" > $DEPLOY_PLAN; cat $DEPLOY_PLAN\n";
/// Carries a plan out.
const APPLY: &str = ". $DEPLOY_PLAN\n";
/// Plants a plan in place of another.
const TAMPER: &str = "echo 'echo tampered >> $HOME/applied' >";

fn applied(play: &RunFixture<'_>) -> String {
    let text = std::fs::read_to_string(play.home("applied")).unwrap_or_default();
    let _ = std::fs::remove_file(play.home("applied"));
    text
}

/// Neither a process that the plan command leaves running nor the command of another component
/// changes the plan.
#[test]
fn a_plan_is_out_of_reach() {
    let world = World::new();
    for environments in [
        "[environments]\ndev = {}\n",
        "[environments]\ndev = { approvals = [{ required = 1, by = [\"bob\"], bind = \"plan\" }] }\n",
    ] {
        let world = if environments.contains("bind") {
            &World::new()
        } else {
            &world
        };
        let play = RunFixture::new(world, environments, &[]);
        let background = format!(
            "{PLAN}(while sleep 0.01; do {TAMPER} $DEPLOY_PLAN; touch $HOME/busy; test -e $HOME/stop && exit; done) > /dev/null 2>&1 &\n"
        );
        let sibling = format!(
            "for file in $TMPDIR/../plan $TMPDIR/../../net/plan $TMPDIR/../../../run/net/plan; do {TAMPER} $file; done\ntouch $HOME/tampered\n"
        );
        let apply =
            format!("until test -e $HOME/busy -a -e $HOME/tampered; do sleep 0.03; done\n{APPLY}");
        let commit = play.change(&[
            ("net/plan", &background),
            ("net/apply", &apply),
            ("web/apply", &sibling),
        ]);
        let arguments = ["--component", "net", "--component", "web"];
        if environments.contains("bind") {
            let waits = play.run(&arguments).fails(5);
            let err = waits.words_of_err();
            let command = err.split("git deploy approve ").nth(1).unwrap();
            let words: Vec<&str> = command
                .split_whitespace()
                .take_while(|word| *word != "hint:")
                .collect();
            play.project
                .bob
                .deploy(&[&["approve", "--yes"], &words[..]].concat())
                .ok();
        }
        let run = play.run(&arguments).ok();
        assert_eq!(applied(&play), "honest 1\n", "{commit} {run}");
        play.touch("stop");
        play.nothing_left();
    }
}

/// A file that is changed while the command that reads it runs makes that command fail.
#[test]
fn a_tampered_plan_is_noticed() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let apply = format!("chmod -R u+w $(dirname $DEPLOY_PLAN); {TAMPER} $DEPLOY_PLAN\n");
    play.change(&[("net/plan", PLAN), ("net/apply", &apply)]);
    let run = play.run(&["--component", "net"]).fails(4);
    assert!(
        run.words_of_err()
            .contains("apply of net: its plan file was changed by another process"),
        "{run}"
    );
    assert_eq!(play.ended("dev"), "net failed");
}

/// The plan of the release to which a rollback leads is kept apart from the failed one.
#[test]
fn a_rollback_applies_its_own_plan() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.change(&[("net/plan", PLAN), ("net/apply", APPLY)]);
    play.run(&["--component", "net"]).ok();
    play.change(&[("net/n", "2\n"), ("net/verify", "test $(cat n) = 1\n")]);
    play.run(&["--component", "net"]).fails(4);
    assert_eq!(applied(&play), "honest 1\nhonest 2\nhonest 1\n");
    assert_eq!(play.ended("dev"), "net rolledBack");
}
