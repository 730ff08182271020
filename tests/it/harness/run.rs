//! The result of a program: its exit code and its output, for assertions and snapshots.

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

use super::{World, schemas};

pub struct Run<'w> {
    world: &'w World,
    what: String,
    output: Output,
}

impl<'w> Run<'w> {
    /// Runs a command to its end, with nothing on its standard input.
    pub fn of(world: &'w World, command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let output = command
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        // `Command` shows the whole environment first; the program and its arguments are what a reader needs.
        let what = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned());
        let run = Self {
            world,
            what: what.collect::<Vec<_>>().join(" "),
            output,
        };
        if schemas::wanted(command) {
            schemas::check(&run, &run.output);
        }
        run
    }

    /// Returns the run after checking that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.fails(0)
    }

    /// Returns the run after checking that it ended with this exit code.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{self}");
        self
    }

    /// Returns whether it succeeded, for tests that expect either.
    pub fn succeeded(&self) -> bool {
        self.output.status.success()
    }

    /// Returns the words of the command.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.what.split(' ')
    }

    /// Returns standard output without its last newline.
    pub fn text(&self) -> String {
        let text = String::from_utf8(self.output.stdout.clone())
            .unwrap_or_else(|_| panic!("not UTF-8: {self}"));
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Returns standard error without its last newline.
    pub fn err(&self) -> String {
        let text = String::from_utf8_lossy(&self.output.stderr).into_owned();
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Returns the words on standard error, regardless of line breaks and without git's `remote: `
    /// prefix.
    pub fn words_of_err(&self) -> String {
        let text = self.err();
        let lines = text
            .lines()
            .map(|line| line.strip_prefix("remote: ").unwrap_or(line));
        lines
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Returns standard output as the one JSON document that it must be.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

/// For snapshots: the command, both streams and the exit code, with the world's directory as `<DIR>`.
impl std::fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!(
            "$ {}\n{}",
            self.what,
            String::from_utf8_lossy(&self.output.stdout)
        );
        if !self.output.stderr.is_empty() {
            write!(
                text,
                "--- standard error\n{}",
                String::from_utf8_lossy(&self.output.stderr)
            )?;
        }
        if self.output.status.code() != Some(0) {
            writeln!(text, "--- {}", self.output.status)?;
        }
        f.write_str(&text.replace(&*self.world.path().to_string_lossy(), "<DIR>"))
    }
}

/// Returns snapshot settings that hide what random keys change: object ids, short and long, and the
/// keys themselves. Tests without keys need no such settings: their ids are the same in every run
/// and worth showing.
pub fn with_random_keys() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\bRW[0-9A-Za-z+/]{54}", "<KEY>");
    settings.add_filter(r"\b([0-9a-f]{64}|[0-9a-f]{40})\b", "<ID>");
    settings.add_filter(r"\b[0-9a-f]{7,16}\b", "<id>");
    settings
}
