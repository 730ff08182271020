//! A running tour: its sandbox, and the commands that it prints and runs there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anstyle::{AnsiColor, Style};

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};

/// A running tour.
pub(super) struct Tour<'a> {
    /// The sandbox folder. It contains the server's repository and the clones.
    pub root: PathBuf,
    pub ui: &'a Ui,
}

/// How a command of the tour is expected to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpectedEnd {
    /// Successfully.
    Success,
    /// With a refusal: exit status 1.
    Refused,
    /// With a failed command of the policy: exit status 4.
    Failed,
}

impl Tour<'_> {
    /// Prints where the sandbox is and what to try next.
    pub(super) fn print_farewell(&self) {
        let mut text = format!("The sandbox remains in {}\n", self.root.display());
        text += "Three things to try, each in the clone of that name:\n";
        let suggestions = [
            (
                "alice",
                "change api/server.txt, commit, push, then: git deploy record dev --component api && git deploy status",
            ),
            (
                "bob",
                "git deploy lock prod -m \"incident 4711\", then in ci: git deploy sync && git deploy check prod",
            ),
            (
                "ci",
                "git push origin :refs/deploy/prod, which the server refuses",
            ),
        ];
        for (number, (person, steps)) in (1..).zip(suggestions) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {number}. {person}: {steps}");
        }
        self.print_text("");
        self.print_text(&text);
    }

    pub(super) fn write_file(&self, path: &str, text: &str) -> Result<(), CliError> {
        let file = self.root.join(path);
        let folder = file.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, text))
            .context(
                ErrorKind::CannotTell,
                format!("cannot write {}", file.display()),
            )
    }

    /// Prints and runs a git command. `folder` is relative to the sandbox.
    pub(super) fn run_git(&self, folder: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.print_command(folder, &format!("git {}", quote_arguments(arguments)));
        self.run_command(Path::new("git"), folder, arguments, ExpectedEnd::Success)
    }

    pub(super) fn run_git_quietly(&self, folder: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.run_command(Path::new("git"), folder, arguments, ExpectedEnd::Success)
    }

    pub(super) fn run_deploy(&self, folder: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.run_deploy_expecting(folder, arguments, ExpectedEnd::Success)
    }

    /// Prints and runs a command of this program.
    pub(super) fn run_deploy_expecting(
        &self,
        folder: &str,
        arguments: &[&str],
        end: ExpectedEnd,
    ) -> Result<(), CliError> {
        self.print_command(
            folder,
            &format!("git deploy {}", quote_arguments(arguments)),
        );
        let program = std::env::current_exe()
            .context(ErrorKind::CannotTell, "cannot find this program's own file")?;
        self.run_command(&program, folder, arguments, end)
    }

    /// Runs a command with the terminal as its output, and checks how it ends.
    pub(super) fn run_command(
        &self,
        program: &Path,
        folder: &str,
        arguments: &[&str],
        end: ExpectedEnd,
    ) -> Result<(), CliError> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.root.join(folder))
            // Logs and checkouts stay in the sandbox.
            .env("XDG_CACHE_HOME", self.root.join("cache"))
            // A pager would stop the tour in the middle of a part.
            .env("GIT_PAGER", "cat")
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            // Variables that point to another repository or key must not affect the tour.
            if name.to_str().is_some_and(|name| {
                name.starts_with("GIT_")
                    && !name.starts_with("GIT_DEPLOY_TEST")
                    && name != "GIT_CONFIG_NOSYSTEM"
                    && name != "GIT_CONFIG_GLOBAL"
            }) {
                command.env_remove(&name);
            }
        }
        let status = command.status().context(
            ErrorKind::CannotTell,
            format!("cannot run {}", program.display()),
        )?;
        let expected = match end {
            ExpectedEnd::Success => 0,
            ExpectedEnd::Refused => 1,
            ExpectedEnd::Failed => 4,
        };
        if status.code() == Some(expected) {
            return Ok(());
        }
        Err(CliError::new(
            ErrorKind::CannotTell,
            format!(
                "the tour stops here: {} {} did not end as expected ({status})",
                program.display(),
                quote_arguments(arguments)
            ),
        ))
    }

    pub(super) fn print_chapter(&self, title: &str) {
        let style = Style::new().bold();
        self.print_text(&format!("\n{style}## {title}{style:#}\n"));
    }

    pub(super) fn print_command(&self, folder: &str, command: &str) {
        let style = AnsiColor::Cyan.on_default();
        let prompt = if folder == "." {
            String::new()
        } else {
            folder.to_owned()
        };
        self.print_text(&format!("{style}{prompt}${style:#} {command}"));
    }

    pub(super) fn print_text(&self, text: &str) {
        self.ui.print(text);
    }

    pub(super) fn print_indented(&self, text: &str) {
        self.print_text(&indent(text));
    }
}

/// Joins arguments as a user would type them.
fn quote_arguments(arguments: &[&str]) -> String {
    let quote = |argument: &&str| {
        if argument.contains(' ') {
            format!("\"{argument}\"")
        } else {
            (*argument).to_owned()
        }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
