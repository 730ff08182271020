//! Folders of refs that the user cannot read. Root reads everything, so as root the commands run as
//! another user.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::{break_ref, copy, git_folder, project, removals};
use crate::harness::{Repo, Run, World, has_tool};
use crate::run::key_access::{as_runner, give, root};

fn deploy<'w>(repo: &Repo<'w>, arguments: &[&str]) -> Run<'w> {
    Run::of(repo.world(), &mut as_runner(repo, arguments))
}

#[test]
fn a_folder_that_cannot_be_read_blocks_only_its_refs() {
    if root() && !has_tool("setpriv") {
        return;
    }
    let world = World::new();
    let project = project(&world);
    let clone = copy(&project, "bob", 0);
    let file = git_folder(&clone).join("refs/deploy/lab");
    break_ref(&clone, "refs/deploy/lab", |file, _| {
        std::fs::create_dir(file).unwrap();
        std::fs::write(file.join("inner"), "").unwrap();
        set_permissions(file, Permissions::from_mode(0o000)).unwrap();
    });
    give(&world);
    for command in [&["status"][..], &["log", "dev"], &["check", "dev"]] {
        let run = deploy(&clone, command).ok();
        assert!(
            run.words_of_err().contains("refs/deploy/lab is broken"),
            "{run}"
        );
    }
    let run = deploy(&clone, &["log", "lab"]).fails(3);
    assert!(
        run.words_of_err().contains("its folder cannot be read"),
        "{run}"
    );
    // First the folder is made readable, and then removed.
    for command in ["chmod u+rwx ", "rm -r "] {
        let run = deploy(&clone, &["sync"]).fails(3);
        assert!(!run.words_of_err().contains(" lost "), "{run}");
        let words = run.words_of_err();
        let hint = run.err();
        let hint = hint
            .lines()
            .find_map(|line| Some(line.split_once("hint: ")?.1));
        let hint = hint.unwrap();
        assert!(hint.starts_with(command), "{command}: {words}");
        clone.run("sh", &["-c", hint]).ok();
    }
    assert!(!file.exists());
    give(&world);
    deploy(&clone, &["sync"]).ok();
    assert!(removals(&deploy(&clone, &["log", "lab"]).ok().err()).is_empty());
}

/// If it is unknown which ledgers exist, no command claims that one is lost.
#[test]
fn nothing_is_lost_if_the_folder_of_the_ledgers_cannot_be_read() {
    if root() && !has_tool("setpriv") {
        return;
    }
    let world = World::new();
    let project = project(&world);
    let clone = copy(&project, "bob", 0);
    let folder = git_folder(&clone).join("refs/deploy");
    give(&world);
    set_permissions(&folder, Permissions::from_mode(0o000)).unwrap();
    for command in ["status", "log", "audit", "sync"] {
        let run = deploy(&clone, &[command]).fails(3);
        let words = run.words_of_err();
        assert!(
            words.contains("refs/deploy") && !words.contains(" lost "),
            "{run}"
        );
    }
    set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    deploy(&clone, &["sync"]).ok();
    deploy(&clone, &["log", "lab"]).ok();
}
