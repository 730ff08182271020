//! The message of a ledger commit, a pure function of the entry: a headline and a text for people,
//! and Git trailers for programs.

use std::fmt::Write as _;

use super::Statement;
use super::trailer::write_line;

impl Statement {
    /// Writes the message of the ledger commit, with one newline at its end: a pure function of the
    /// statement.
    pub fn message(&self) -> String {
        let body = self.action.body();
        let environment = self.environment().map_or_else(
            || self.ledger.to_string(),
            |environment| environment.to_string(),
        );
        let mut text = body.headline(&environment);
        if let Some(free_text) = body.free_text() {
            text.push_str("\n\n");
            text.push_str(free_text);
        }
        text.push_str("\n\n");
        // Writing to a string cannot fail.
        let _ = write_trailers(self, &mut text);
        text
    }
}

/// Writes the trailers: the action and its environment, the action's own trailers, and people.
fn write_trailers(statement: &Statement, text: &mut String) -> std::fmt::Result {
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        write_line(text, key, value)?;
        text.write_char('\n')
    };
    line("Action", &statement.action.name())?;
    if let Some(environment) = statement.environment() {
        line("Environment", &environment)?;
    }
    for trailer in statement.action.body().trailers() {
        line(trailer.key(), trailer.value())?;
    }
    for person in statement.approved_by() {
        line("Approved-By", person)?;
    }
    if let Some(reason) = statement.break_glass() {
        line("Break-Glass", reason)?;
    }
    if let Some(person) = &statement.requested_by {
        line("Requested-By", person)?;
    }
    line("By", &statement.by)
}
