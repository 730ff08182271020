//! What a person reads: the rules that refuse, and the commands that are suggested.

use std::collections::BTreeSet;
use std::fmt;

use super::table::Row;

/// The text that a command printed.
pub struct Screen(String);

/// A suggested command.
pub struct Suggestion {
    pub command: String,
    /// The people whom the screen says to ask; empty if the reader types the command.
    asked: Vec<String>,
}

/// Commands that answer a question and change nothing.
const SHOWS: [&str; 8] = [
    "git deploy key show",
    "git deploy log",
    "git deploy status",
    "git deploy check",
    "git deploy show",
    "--list",
    "date -u",
    "git fetch",
];

impl Screen {
    pub fn new(text: &str) -> Self {
        let lines = text.lines().map(|line| {
            let line = line.strip_prefix("remote: ").unwrap_or(line);
            line.trim_end()
        });
        Self(lines.collect::<Vec<_>>().join("\n"))
    }

    pub fn text(&self) -> String {
        self.0.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Returns the rules that refuse.
    pub fn rules(&self) -> BTreeSet<&str> {
        let names = self.0.lines().filter_map(|line| line.strip_prefix("  ✗ "));
        names
            .filter_map(|line| line.split("  ").next())
            .map(str::trim_end)
            .collect()
    }

    pub fn is_refusal(&self) -> bool {
        self.0.contains("✗ ") || self.0.contains("error: ")
    }

    /// Returns whether the row's rule refuses. A state error is reported without the rule's name.
    pub fn refuses(&self, row: &Row) -> bool {
        self.rules().contains(row.rule)
            || row.rule == "state"
                && self.0.contains("error: ")
                && self.text().contains(row.without)
    }

    /// Returns whether the row's rule refuses for the same reason as on the earlier screen.
    pub fn repeats(&self, before: &Self, row: &Row) -> bool {
        self.refuses(row) && self.reasons(row) == before.reasons(row)
    }

    /// Returns the rule's reasons without commands. A server wraps them, a client does not.
    fn reasons(&self, row: &Row) -> Vec<String> {
        let head = format!("  ✗ {}", row.rule);
        let mut reasons: Vec<String> = Vec::new();
        let mut is_reason = false;
        for line in self.0.lines() {
            let text = line.trim_start();
            if line.starts_with(&head) {
                reasons.push(line.to_owned());
                is_reason = true;
            } else if !line.starts_with("    ") || text.starts_with("ask ") || text.starts_with('→')
            {
                is_reason = false;
            } else if let Some(reason) = reasons.last_mut().filter(|_| is_reason) {
                *reason += " ";
                *reason += text;
            }
        }
        reasons
    }

    /// Returns the commands below the row's rule, and those below errors.
    pub fn suggestions(&self, row: &Row) -> Vec<Suggestion> {
        let (mut found, mut asked) = (Vec::new(), Vec::new());
        let mut rule = "";
        for line in self.0.lines() {
            let text = line.trim_start();
            if let Some(name) = text.strip_prefix("✗ ").or_else(|| text.strip_prefix("? ")) {
                rule = name.split("  ").next().unwrap_or_default();
            } else if !line.starts_with(' ') || text.starts_with("✓ ") {
                rule = "";
            }
            if let Some(names) = text.strip_prefix("ask ") {
                let (names, command) = names.split_once(':').unwrap_or((names, ""));
                asked = names
                    .split([',', ' '])
                    .filter(|word| !word.is_empty() && *word != "or")
                    .map(str::to_owned)
                    .collect();
                if !command.trim().is_empty() {
                    let command = command.trim().to_owned();
                    found.push(Suggestion {
                        command,
                        asked: std::mem::take(&mut asked),
                    });
                }
                continue;
            }
            let command = text
                .strip_prefix("→ ")
                .or_else(|| text.strip_prefix("hint: "))
                .or_else(|| text.strip_prefix("Next: "));
            let Some(command) = command else {
                continue;
            };
            let asked = std::mem::take(&mut asked);
            if rule.is_empty() || rule == row.rule {
                let command = command.to_owned();
                found.push(Suggestion { command, asked });
            }
        }
        found
    }
}

impl Suggestion {
    /// Returns who types the command: the reader, or those whom the screen says to ask.
    pub fn typists<'s>(&'s self, reader: &'s str) -> Vec<&'s str> {
        if self.asked.is_empty() {
            vec![reader]
        } else {
            self.asked.iter().map(String::as_str).collect()
        }
    }

    pub fn only_shows(&self) -> bool {
        SHOWS.iter().any(|part| self.command.contains(part))
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
