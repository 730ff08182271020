//! A component's commands find its files and nothing else, at the same place in every run, and as
//! the commit has them before each step.

use super::{BackgroundRun, RunFixture, waiting};
use crate::harness::World;

/// Neither another component's files nor unowned ones are there, and a file that a command misses is
/// named with what to do.
#[test]
fn commands_see_only_their_component() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.change(&[
        ("tools/lib.sh", "true\n"),
        (
            "web/apply",
            "find \"$(git -C / rev-parse --show-toplevel 2> /dev/null || cd .. && pwd)\" -type f | sed 's|.*/checkouts/[^/]*/||' | sort > $HOME/seen\n",
        ),
    ]);
    play.run(&["--component", "web"]).ok();
    assert_eq!(
        play.text("seen"),
        "dev/web/web/apply\ndev/web/web/n\ndev/web/web/plan\ndev/web/web/verify\n"
    );
    play.change(&[("web/apply", ". ../tools/lib.sh\n")]);
    let failed = play.run(&["--component", "web"]).fails(4);
    assert!(
        failed.words_of_err().contains(
            "tools/lib.sh is in the commit but does not belong to web: add it to the component's paths, or to `shared`"
        ),
        "{failed}"
    );
}

/// What a step does to the checkout is undone before the next one, and the path is that of the last
/// run.
#[test]
fn each_step_gets_the_files_of_the_commit() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.change(&[
        ("web/plan", "pwd\n"),
        (
            "web/apply",
            "chmod -R u+w . && echo worse > n && touch more && pwd > $HOME/place\n",
        ),
        ("web/verify", "cat n > $HOME/number && ! test -e more\n"),
    ]);
    play.run(&["--component", "web"]).ok();
    let place = play.text("place");
    assert_eq!(play.text("number"), "1\n");
    play.change(&[("web/n", "2\n")]);
    std::fs::remove_file(play.home("place")).unwrap();
    std::fs::remove_file(play.home("number")).unwrap();
    play.run(&["--component", "web"]).ok();
    assert_eq!(play.text("place"), place);
    assert_eq!(play.text("number"), "2\n");
}

/// A second run of the same person on the same machine waits, and says so.
#[test]
fn a_second_run_waits() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.run(&[]).ok();
    play.change(&[("web/apply", &waiting("web")), ("api/n", "2\n")]);
    let ci = &play.project.ci.repo;
    let first = BackgroundRun::begin(ci, &["run", "dev", "--yes", "--component", "web"]);
    play.wait_for("web.there");
    let second = BackgroundRun::begin(ci, &["run", "dev", "--yes", "--component", "api"]);
    second.says("Another run of dev works on this machine: waiting for its end.");
    play.touch("web");
    first.ends_with(0);
    second.ends_with(0);
    play.nothing_left();
}
