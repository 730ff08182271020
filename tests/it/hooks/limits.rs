//! The limits of what a hook reads. Past each it answers "cannot tell", in words and by exit code,
//! and accepts nothing.

use std::fs::File;

use super::with;
use crate::harness::project::said;
use crate::harness::{Project, Repo, World};

/// A policy whose component paths make the hook read every folder.
const POLICY: &str = "[environments]\nqa = { branch = \"main\", deploy_on = \"approval\" }\n\n[components]\ntext = { paths = \"**/*.txt\" }\n";

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count)
        .map(|number| line(number) + "\n")
        .collect::<Vec<_>>()
        .concat()
}

/// Makes a commit on HEAD with this many folders of a thousand files each.
fn bomb(repo: &Repo<'_>, folders: usize) -> String {
    let blob = repo.rev("HEAD:api/x");
    let folder = repo.git_with_input(
        &["mktree"],
        &lines(1_000, |number| format!("100644 blob {blob}\tf{number:03}")),
    );
    let tree = repo.git_with_input(
        &["mktree"],
        &lines(folders, |number| {
            format!("040000 tree {folder}\td{number:04}")
        }),
    );
    repo.git(&["commit-tree", "-m", "big", "-p", "HEAD", &tree])
        .ok()
        .text()
}

/// A push of too many of our refs is refused before any object is opened, and as a whole.
#[test]
fn the_number_of_refs_is_limited() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci.repo;
    let head = ci.rev("HEAD");
    ci.git_with_input(
        &["update-ref", "--stdin"],
        &lines(10_001, |number| {
            format!("create refs/many/e{number} {head}")
        }),
    );
    let before = project.refs();
    let run = ci
        .git(&[
            "push",
            "-q",
            "origin",
            "refs/many/*:refs/deploy/*",
            "HEAD:refs/heads/ride",
        ])
        .fails(1);
    let words = "error: git-deploy: cannot tell whether this push may go in: nothing was let in\n  because: the push changes more \
                 than 10000 ledgers, environment branches and environment tags: push fewer at once";
    assert_eq!(said(&run), words);
    assert_eq!(project.refs(), before);
    // One fewer is refused, for what it is.
    ci.git(&["update-ref", "-d", "refs/many/e0"]).ok();
    let run = ci
        .git(&["push", "-q", "origin", "refs/many/*:refs/deploy/*"])
        .fails(1);
    assert!(
        said(&run).contains("git-deploy: refused") && said(&run).contains("and 9980 more"),
        "{run}"
    );
    assert_eq!(project.refs(), before);
    // Refs of others are not counted. What git syncs of each would take the time here.
    project.server.git(&["config", "core.fsync", "none"]).ok();
    ci.git(&["push", "-q", "origin", "refs/many/*:refs/heads/many/*"])
        .ok();
}

/// A ledger that claims to be longer than a push may be is not walked.
#[test]
fn the_number_of_entries_is_limited() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let long = ci.build("qa", crate::harness::member::a_lock(), None, |statement| {
        statement.sequence = 10_001;
    });
    let before = project.refs();
    let run = ci.push(&[&format!("{long}:refs/deploy/qa")]).fails(1);
    assert!(
        said(&run)
            .contains("because: the push has more than 10000 new entries: push fewer at once"),
        "{run}"
    );
    let most = ci.build("qa", crate::harness::member::a_lock(), None, |statement| {
        statement.sequence = 10_000;
    });
    project.refused(&["chain"], || ci.push(&[&format!("{most}:refs/deploy/qa")]));
    assert_eq!(project.refs(), before);
}

/// A tree that is too large or takes too long is refused, and what a killed hook leaves is removed
/// by the next one.
#[test]
fn tree_size_and_time_are_limited() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice;
    alice.repo.commit("a.txt", "one\n", "Begin");
    alice.deploy(&["record", "qa"]).ok();
    alice.push(&["HEAD:refs/heads/main"]).ok();
    let before = project.refs();
    let big = bomb(&alice.repo, 1_001);
    let run = alice.push(&[&format!("{big}:refs/heads/main")]).fails(1);
    assert!(
        said(&run).starts_with("git-deploy: cannot tell  refs/heads/main"),
        "{run}"
    );
    assert!(
        said(&run).contains("? branch")
            && run
                .words_of_err()
                .contains("the number of files in the commit is over the limit"),
        "{run}"
    );
    assert!(
        said(&run)
            .ends_with("git-deploy: nothing was accepted: the rules marked ? could not be checked"),
        "{run}"
    );

    let folders = || {
        let names = project
            .server
            .path()
            .read_dir()
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("git-deploy-objects-"))
            .count()
    };
    assert_eq!(folders(), 0);
    let slow = bomb(&alice.repo, 999);
    let push = ["push", "-q", "origin", &format!("{slow}:refs/heads/main")];
    let mut limit = 150;
    // On a busy machine a hook may be late before it has made its folder.
    while folders() == 0 {
        let variable = format!("hook={limit}");
        let variables = [("GIT_DEPLOY_TEST_LIMIT", &*variable)];
        let run = with(&alice.repo, &variables, "git", &push).fails(1);
        assert!(
            said(&run).contains("because: checking the push took longer than 60 seconds"),
            "{run}"
        );
        assert!(
            said(&run).contains("error: git-deploy: cannot tell"),
            "{run}"
        );
        assert_eq!(project.refs(), before);
        limit += 50;
    }
    assert_eq!(folders(), 1);

    // One that somebody works with stays.
    let held = project.server.path().join("git-deploy-objects-held");
    std::fs::create_dir_all(held.join("info")).unwrap();
    let lock = File::open(&held).unwrap();
    lock.lock().unwrap();
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    assert!(folders() == 1 && held.exists());
    drop(lock);
    alice.push(&["HEAD:refs/heads/topic2"]).ok();
    assert_eq!(folders(), 0);
    project.audited();
}

/// A refusal and "cannot tell" have different exit codes and words.
#[test]
fn refusal_and_doubt_differ() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = { deployers = \"ci\" }\n");
    let refused = project
        .bob
        .deploy(&["record", "dev", "--no-verify"])
        .fails(1);
    assert!(
        refused
            .err()
            .contains("error: the remote refused the entry: nothing was written"),
        "{refused}"
    );
    // The hook that decides cannot, then the one that carries out.
    for hook in ["pre-receive", "proc-receive"] {
        project
            .server
            .git(&["config", "deploy.admin", "nonsense"])
            .ok();
        for (mode, code) in [
            (&["record", "dev"][..], "--color=never"),
            (&["--json", "record", "dev"], "--json"),
        ] {
            let doubt = project.ci.deploy(mode).fails(3);
            let words = "the remote could not check the entry: nothing was written";
            assert!(
                doubt.err().contains(words) || doubt.text().contains(words),
                "{hook} {code}: {doubt}"
            );
        }
        std::fs::remove_file(project.server.path().join("hooks/pre-receive")).ok();
    }
    // A rule that lacks a fact: an object that the server has lost.
    let key = project.alice.key().to_string();
    project
        .server
        .git(&["config", "--unset-all", "deploy.admin"])
        .ok();
    project
        .server
        .deploy(&["server", "init", ".", "--admin", &key])
        .ok();
    project.ci.deploy(&["record", "dev"]).ok();
    // Others' hooks say no in their own words: that is a no.
    project.server.hook(
        "pre-receive.local",
        "#!/bin/sh\necho 'not on Thursdays'\nexit 1\n",
    );
    let refused = project.ci.deploy(&["record", "dev", "--all"]).fails(1);
    assert!(
        refused.err().contains("remote: not on Thursdays"),
        "{refused}"
    );
    project.audited();
}
