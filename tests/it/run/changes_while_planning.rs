//! The policy, or what runs, changes while plans are made: nothing is started on what was true
//! before.

use super::{BackgroundRun, RunFixture, policy, waiting};
use crate::harness::World;

#[test]
fn changes_during_planning_are_seen() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let project = &play.project;
    play.run(&[]).ok();
    play.change(&[
        ("net/n", "2\n"),
        (
            "net/plan",
            &format!(
                "mkdir $HOME/once 2> /dev/null || return 0; {}",
                waiting("go")
            ),
        ),
    ]);
    for (words, change) in [
        (
            "the policy has changed since the plan was made: nothing was started",
            &(|| project.publish(&policy("[environments]\ndev = { parallel = 2 }\n", &[])))
                as &dyn Fn(),
        ),
        (
            "the running version has changed since the plan was made: nothing was started",
            &|| {
                drop(project.bob.deploy(&["run", "dev", "--yes"]).ok());
            },
        ),
    ] {
        let background = BackgroundRun::begin(&project.ci.repo, &["run", "dev", "--yes"]);
        play.wait_for("go.there");
        change();
        let before = play.entries("dev");
        play.done();
        play.touch("go");
        let told = background.ends_with(3);
        assert!(told.contains(words), "{told}");
        assert_eq!(play.entries("dev"), before);
        assert!(
            !play.done().iter().any(|it| it.starts_with("apply")),
            "{told}"
        );
        std::fs::remove_dir(play.home("once")).unwrap();
    }
    // The same command again, with nothing left to do.
    play.run(&[]).ok();
    play.nothing_left();
    project.audited();
}

/// Commands are those of the policy in force, whatever the deployed commit says.
#[test]
fn commands_come_from_the_policy_in_force() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let theirs =
        policy("[environments]\ndev = {}\n", &[]).replace("apply'", "apply; touch $HOME/theirs'");
    play.change(&[
        ("deploy.toml", &play.project.policy(&theirs)),
        ("net/n", "2\n"),
    ]);
    play.run(&[]).ok();
    assert!(play.done().contains(&"apply net 2".to_owned()));
    assert!(!play.home("theirs").exists());
}
