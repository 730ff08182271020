//! What a command asks for at a terminal: a password once, the project's name, and a reason in the
//! editor.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::harness::{Project, Repo, World, has_tool, wait_for, wait_until};

const POLICY: &str = "[environments]\ndev = {}\n";

/// A command at a terminal of its own.
struct Terminal {
    child: Child,
    screen: PathBuf,
}

impl Terminal {
    fn begin(repo: &Repo<'_>, line: &str, variables: &[(&str, &str)]) -> Self {
        let screen = tempfile::Builder::new()
            .prefix("screen-")
            .tempfile_in(repo.world().path());
        let (file, screen) = screen.unwrap().keep().unwrap();
        let child = repo
            .command("script")
            .args(["-qefc", line, "/dev/null"])
            .envs(variables.iter().copied())
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, screen }
    }

    fn shows(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.screen).unwrap()).into_owned()
    }

    /// Types a line when the prompt is there.
    #[track_caller]
    fn answer(&mut self, prompt: &str, text: &str) {
        wait_until(&format!("no prompt {prompt:?}"), || {
            self.shows().contains(prompt)
        });
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    #[track_caller]
    fn ends_with(mut self, code: i32) -> String {
        let status = wait_for("it does not end", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(code), "{}", self.shows());
        self.shows()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new key, several entries and the first policy need the password only once; `init` also asks for
/// the project's permanent name, and offers that of the folder.
#[test]
fn a_command_asks_for_the_password_once_and_init_for_the_name() {
    if !has_tool("script") {
        return;
    }
    let world = World::new();
    for (typed, name) in [("", "alice"), ("My-Shop", "my-shop")] {
        let server = world.bare_server(&format!("{name}.git"));
        let world_home = world.path().join("home/.config");
        let _ = std::fs::remove_dir_all(&world_home);
        let repo = world.clone_from(
            &server.url(),
            if typed.is_empty() { "alice" } else { "bob" },
            &[],
        );
        repo.git(&["remote", "remove", "origin"]).ok();
        repo.commit("api/x", "one\n", "Begin");
        let mut terminal = Terminal::begin(
            &repo,
            "git-deploy init --env dev,prod --running dev=HEAD",
            &[],
        );
        terminal.answer("Password for the new key: ", "correct-horse");
        terminal.answer("Repeat the password: ", "correct-horse");
        terminal.answer("Name of the project", &typed.to_lowercase());
        let screen = terminal.ends_with(0);
        assert!(!screen.contains("Password of"), "{screen}");
        assert!(
            screen.contains(&format!("The first policy of {name} is in force")),
            "{screen}"
        );
        repo.commit("api/x", "two\n", "Go on");
        let mut terminal = Terminal::begin(&repo, "git-deploy record dev -- true", &[]);
        terminal.answer("Password of ", "correct-horse");
        let screen = terminal.ends_with(0);
        assert_eq!(screen.matches("Password of").count(), 1, "{screen}");
    }
}

/// The reason of an entry is written in git's editor, without the comment; an empty one cancels.
#[test]
fn a_missing_reason_is_written_in_the_editor() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let repo = &project.alice.repo;
    for verb in [&["lock", "dev"][..], &["abort", "dev"], &["yank", "HEAD"]] {
        let run = repo.deploy(verb).fails(2);
        assert!(
            run.err().contains("a reason is required") && run.err().contains("-m REASON"),
            "{run}"
        );
    }
    if !has_tool("script") {
        return;
    }
    let write = |text: &str| {
        format!("grep -q '# Why is dev locked?' \"$1\" && printf '{text}' >> \"$1\" #")
    };
    let editor = world.path().join("editor");
    let editor = editor.to_str().unwrap();
    let script = |text: &str| {
        std::fs::write(editor, format!("#!/bin/sh\n{}\n", write(text))).unwrap();
        repo.run("chmod", &["+x", editor]).ok();
    };
    script("");
    let before = project.refs();
    let screen = Terminal::begin(repo, "git-deploy lock dev", &[("EDITOR", editor)]).ends_with(2);
    assert!(
        screen.contains("the reason is empty: nothing was written"),
        "{screen}"
    );
    let failing = Terminal::begin(repo, "git-deploy lock dev", &[("EDITOR", "false")]).ends_with(2);
    assert!(failing.contains("nothing was written"), "{failing}");
    assert_eq!(project.refs(), before);
    script("Incident 4711\\n# or not\\nand more\\n");
    // In git's order: GIT_EDITOR, then core.editor, then VISUAL and EDITOR.
    repo.git(&["config", "core.editor", editor]).ok();
    let screen = Terminal::begin(
        repo,
        "git-deploy lock dev",
        &[("VISUAL", "false"), ("EDITOR", "false")],
    )
    .ends_with(0);
    assert!(
        screen.contains("dev is locked by alice: \"Incident 4711 and more\"."),
        "{screen}"
    );
}
