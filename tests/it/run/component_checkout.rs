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

/// Git LFS pointers stay pointers, and `check`, `plan` and `run` say so; other small files are no
/// pointers.
#[test]
fn lfs_pointers_are_reported() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let pointer = |digit: &str| {
        let digest = digit.repeat(64);
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n")
    };
    let (one, two) = (pointer("1"), pointer("2"));
    let no_pointer = one.replace("oid", "old");
    play.change(&[
        (
            "web/.gitattributes",
            "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        ),
        ("web/a.bin", &one),
        ("web/b/b.bin", &two),
        ("web/c.bin", &no_pointer),
        ("web/d.bin", "content\n"),
        ("web/apply", "cat a.bin > $HOME/seen\n"),
        // Without the attribute, Git itself keeps such a file as it is.
        ("api/a.bin", &one),
    ]);
    let commit = &play.project.ci.repo.rev("origin/main")[..7];
    let warning = format!(
        "warning: web at {commit} has Git LFS pointers instead of files: web/a.bin and 1 more."
    );
    let ci = &play.project.ci;
    for run in [
        ci.deploy(&["check", "dev", "origin/main"]).ok(),
        ci.deploy(&["check", "dev", "origin/main", "--json"]).ok(),
        ci.deploy(&["plan", "dev", "origin/main"]).ok(),
        play.run(&["origin/main"]).ok(),
    ] {
        let words = run.words_of_err();
        assert_eq!(words.matches("Git LFS").count(), 1, "{run}");
        assert!(words.contains(&warning), "{run}");
    }
    assert_eq!(play.text("seen"), one);
}
