//! The configuration of git and the hooks during a run: a command that changes them stops the run, the
//! run is recorded on the server that it started on, and nothing of the change is executed.

use std::os::unix::fs::PermissionsExt as _;

use super::RunFixture;
use crate::harness::World;

/// What a command does to the clone, in the variable `clone`, and what is then said to have changed.
/// Each would run a program that makes the file `hijacked`, or reach another server.
const CHANGES: [(&str, &str); 10] = [
    (
        "git -C $clone config remote.origin.url $HOME/elsewhere.git",
        "the configuration of git",
    ),
    (
        "git -C $clone config url.$HOME/elsewhere.git.pushInsteadOf $(git -C $clone config remote.origin.url)",
        "the configuration of git",
    ),
    (
        "git -C $clone config core.sshCommand $HOME/hijack; git -C $clone config remote.origin.url ssh://host/x",
        "the configuration of git",
    ),
    (
        "git -C $clone config core.fsmonitor $HOME/hijack",
        "the configuration of git",
    ),
    (
        "git -C $clone config core.hooksPath $HOME/hooks",
        "the configuration of git",
    ),
    (
        "git -C $clone config remote.origin.receivepack $HOME/hijack; git -C $clone config remote.origin.uploadpack $HOME/hijack",
        "the configuration of git",
    ),
    (
        "git -C $clone config include.path $HOME/included; git config --file $HOME/included remote.origin.url $HOME/elsewhere.git",
        "the configuration of git",
    ),
    (
        "git config --global url.$HOME/elsewhere.git.insteadOf $(git -C $clone config remote.origin.url)",
        "the configuration of git",
    ),
    (
        "for file in $HOME/../caches/ci/git-deploy/temp/*/git/config; do git config --file $file remote.origin.receivepack $HOME/hijack; git config --file $file remote.origin.uploadpack $HOME/hijack; done",
        "the copy of git's configuration",
    ),
    (
        "mkdir -p $clone/.git/hooks; cp $HOME/hijack $clone/.git/hooks/reference-transaction",
        "the hook ",
    ),
];

/// Makes a run's apply change the configuration, and checks what follows.
fn assert_stopped(change: &str, what: &str) {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let hijack = play.home("hijack");
    std::fs::write(&hijack, "#!/bin/sh\ntouch $HOME/hijacked\nexit 1\n").unwrap();
    std::fs::set_permissions(&hijack, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(play.home("hooks")).unwrap();
    for hook in ["pre-push", "reference-transaction", "post-update"] {
        std::fs::copy(&hijack, play.home("hooks").join(hook)).unwrap();
    }
    let clone = play.project.ci.repo.path().display();
    let elsewhere = play.home("elsewhere.git");
    let server = play.project.server.path().to_str().unwrap();
    let copy = [
        "clone",
        "-q",
        "--mirror",
        server,
        elsewhere.to_str().unwrap(),
    ];
    play.project.server.git(&copy).ok();
    let refs = || {
        let place = elsewhere.to_str().unwrap();
        let list = ["ls-remote", place];
        play.project.server.git(&list).ok().text()
    };
    let before = refs();
    let net = format!("clone={clone}\n{change}\n");
    play.change(&[("net/apply", &net)]);
    let run = play
        .run(&["--component", "net", "--component", "db"])
        .fails(4);
    let words = run.words_of_err();
    let expected = "has changed while commands of the policy ran: the run was stopped";
    assert!(
        words.contains(expected) && words.contains(what),
        "{change}: {run}"
    );
    assert_eq!(play.ended("dev"), "db skipped, net succeeded", "{change}");
    assert!(!play.home("hijacked").exists(), "{change}: {run}");
    assert_eq!(refs(), before, "{change}: another server was reached");
    play.nothing_left();
}

#[test]
fn a_changed_configuration_stops_the_run() {
    for (change, what) in CHANGES {
        assert_stopped(change, what);
    }
}

/// A plan command that changes the configuration prevents the start.
#[test]
fn a_plan_that_changes_the_configuration_prevents_the_start() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.run(&[]).ok();
    let clone = play.project.ci.repo.path().display();
    let changing = format!("git -C {clone} config remote.origin.url $HOME/elsewhere.git\n");
    play.change(&[("net/plan", &changing)]);
    let entries = play.entries("dev");
    for arguments in [&["run", "dev", "--yes"][..], &["plan", "dev"]] {
        let server = play.project.server.path().to_str().unwrap();
        let set = ["config", "remote.origin.url", server];
        play.project.ci.repo.git(&set).ok();
        let run = play.project.ci.deploy(arguments).fails(4);
        assert!(
            run.words_of_err()
                .contains("has changed while commands of the policy ran: nothing was recorded"),
            "{run}"
        );
    }
    assert_eq!(play.entries("dev"), entries);
}

/// A configuration with everything that must survive the copy: quotes, several values, included and
/// conditional files, a relative address, settings of the user, and hooks that stay as they are.
#[test]
fn an_unusual_configuration_works() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let repo = &play.project.ci.repo;
    let server = play.project.server.path();
    let name = server.file_name().unwrap().to_str().unwrap();
    let relative = format!("../{name}");
    assert!(repo.path().join(&relative).exists());
    let odd = "odd:\"quoted\\path\"";
    let instead = format!("url.{relative}.insteadOf");
    for arguments in [
        ["config", "remote.origin.url", odd],
        ["config", &instead, "one:more"],
        ["config", "deploy.odd", "a\nb\t;#\"\\ "],
        ["config", "include.path", "../../included"],
        ["config", "core.hooksPath", "my hooks"],
    ] {
        repo.git(&arguments).ok();
    }
    let included = repo.path().join("../included").display().to_string();
    std::fs::write(&included, "[valueless]\n\tkey\n").unwrap();
    repo.git(&["config", "--file", &included, "--add", &instead, odd])
        .ok();
    let hooks = repo.path().join("my hooks");
    std::fs::create_dir(&hooks).unwrap();
    std::fs::write(hooks.join("pre-push"), "#!/bin/sh\nexit 1\n").unwrap();
    play.run(&[]).ok();
    play.nothing_left();
    play.project.audited();
}
