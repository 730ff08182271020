//! What all commands have in common: help, exit codes, streams and colours.

use std::process::Stdio;

use crate::harness::{Run, World, has_tool};

/// The first pages that a new user reads.
#[test]
fn help_pages() {
    let world = World::new();
    let repo = world.repo("alice");
    insta::assert_snapshot!(repo.deploy(&["-h"]).ok());
    insta::assert_snapshot!(repo.git(&["deploy", "man", "-h"]).ok());
}

/// Scripts tell wrong usage from a refusal by the exit code.
#[test]
fn wrong_usage_has_its_exit_code() {
    let world = World::new();
    let repo = world.repo("alice");
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["man"],
        &["--remote=--upload-pack=x", "man", "x"],
        &["-C", "no", "man", "x"],
    ] {
        let run = repo.deploy(arguments).fails(2);
        assert!(run.text().is_empty() && !run.err().is_empty(), "{run}");
    }
}

/// A failure says what happened and why, and with `--json` is one document on standard output.
#[test]
fn failures_explain_themselves() {
    let world = World::new();
    let repo = world.repo("alice");
    repo.write("file", "");
    insta::assert_snapshot!(repo.deploy(&["man", "file/x"]).fails(3));
    insta::assert_snapshot!(repo.deploy(&["--json", "man", "file/x"]).fails(3));
    let document = repo
        .deploy(&["--json", "-C", "no", "man", "x"])
        .fails(2)
        .json();
    assert_eq!(
        (&document["schema"], &document["exit"]),
        (&"git-deploy/error/v1".into(), &2.into())
    );
    // Nothing but a document goes to standard output.
    let run = repo.deploy(&["--json", "man", "pages"]).ok();
    assert!(run.text().is_empty() && !run.err().is_empty(), "{run}");
}

/// A reader that stops early is no error; a full disk is.
#[test]
fn closed_and_full_output() {
    let world = World::new();
    let repo = world.repo("alice");
    let mut command = repo.command("git-deploy");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command
        .args(["completions", "bash"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(141), &[][..])
    );

    let full = repo
        .run("sh", &["-c", "git-deploy completions bash > /dev/full"])
        .fails(3);
    assert!(
        full.err()
            .starts_with("error: cannot write to standard output"),
        "{full}"
    );
}

/// Colour appears on terminals and on request, and nowhere else.
#[test]
fn colour_is_for_terminals() {
    let world = World::new();
    let repo = world.repo("alice");
    let coloured = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = repo.command("git-deploy");
        command
            .args(["-C", "no", "man", "x"])
            .args(arguments)
            .envs(environment.iter().copied());
        Run::of(&world, &mut command)
            .fails(2)
            .err()
            .contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]));
    assert!(!coloured(&[], &[("CI", "true")]));
    assert!(coloured(
        &["--color=always"],
        &[("NO_COLOR", "1"), ("TERM", "dumb")]
    ));
    assert!(!coloured(&["--color=never"], &[("CLICOLOR_FORCE", "1")]));
}

/// `git deploy <TAB>` goes through git's completion, which calls our function in its own way.
#[test]
fn completion_works_in_bash() {
    if !has_tool("bash") {
        return;
    }
    let world = World::new();
    let repo = world.repo("alice");
    let script = r#"
        eval "$(git-deploy completions bash)"
        words=(git -C . deploy completions z) cword=5 cur=z prev=completions __git_cmd_idx=3
        _git_deploy
        echo "${COMPREPLY[@]}"
        words=(git deploy comp) cword=2 cur=comp prev=deploy __git_cmd_idx=1
        _git_deploy
        echo "${COMPREPLY[@]}"
        complete -p git-deploy
    "#;
    let run = repo.run("bash", &["-c", script]).ok();
    let text = run.text();
    let [option, command, registered] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{run}")
    };
    assert_eq!((option, command), ("zsh", "component completions"));
    assert!(registered.contains("-F _gitdeploy"), "{run}");
}
