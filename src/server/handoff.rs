//! Hands accepted entries over, as JSON lines, to the program that the server's owner sets in
//! `deploy.handoff`.
//!
//! A file in the repository records the last entry of each ledger that was handed over. It is
//! updated only after the program has succeeded: after a failure, the program gets the same lines
//! again with the next push. Each entry is handed over at least once, in the order of its ledger.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::file_replacement::replace_file;
use super::{HookError, lock};
use crate::clock::{self, Deadline};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::{self, Repository};
use crate::ledger::sync::SyncError;
use crate::ledger::{LedgerCommit, Tips};
use crate::program::{ExternalProgram, ProgramEnd};
use crate::signing::SECRET_VARIABLES;

/// The git setting of the program, an absolute path. It is called without a shell and without
/// arguments.
pub const HANDOFF_SETTING: &str = "deploy.handoff";
/// The file that records what was handed over: per line, a ledger's name and the id of the last
/// entry handed over.
const DONE_FILE: &str = "git-deploy-handoff";
/// The lock file. It lets only one push at a time hand over entries.
const LOCK_FILE: &str = "git-deploy-handoff.lock";
/// The most time that a push waits for the program.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The most entries per call of the program.
const MAX_BATCH: usize = 1_000;

/// Why entries were not handed over. They are handed over with the next push.
#[derive(Debug, thiserror::Error)]
pub enum HandoffError {
    /// The setting is not an absolute path.
    #[error("{HANDOFF_SETTING} is not the absolute path of a program: {0}")]
    NotAbsolute(String),
    /// The program cannot be started.
    #[error("the program that {HANDOFF_SETTING} names could not be started")]
    Start(#[source] io::Error),
    /// The program failed.
    #[error("the program that {HANDOFF_SETTING} names failed: {0}")]
    Failed(ExitStatus),
    /// The program exceeded the time limit.
    #[error("the program that {HANDOFF_SETTING} names took longer than {} seconds, and was stopped", TIME_LIMIT.as_secs())]
    TimedOut,
    /// The record of what was handed over cannot be read or written.
    #[error("{} could not be used", path.display())]
    DoneFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An entry cannot be written as JSON.
    #[error("an entry could not be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Another push held the lock for too long.
    #[error(transparent)]
    Locked(#[from] HookError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] git::Error),
}

/// An accepted entry: one line.
#[derive(JsonSchema, Serialize)]
pub struct Event {
    /// Its ledger commit, whose signature `git show` displays.
    pub entry: EntryId,
    /// Its ledger.
    pub ledger: LedgerName,
    /// The signed content: an in-toto statement, as FORMAT.md describes it.
    pub statement: serde_json::Map<String, serde_json::Value>,
}

/// The schema of a line, with its version.
pub const SCHEMA: &str = "git-deploy/event/v1";

/// One line of the program's input: the event with its schema.
#[derive(Serialize)]
struct EventLine<'a> {
    schema: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

/// Hands over the entries that were not handed over yet, if the server's owner has set a program.
pub fn hand_over_entries(repository: &Repository) -> Result<(), HandoffError> {
    let Some(program) = repository
        .config_string(HANDOFF_SETTING)?
        .filter(|program| !program.is_empty())
    else {
        return Ok(());
    };
    let program = Path::new(&program);
    if !program.is_absolute() {
        return Err(HandoffError::NotAbsolute(program.display().to_string()));
    }
    let deadline = Deadline::after(clock::time_limit("handoff", TIME_LIMIT));
    let _lock = lock::take_named(repository, LOCK_FILE, deadline)?;
    loop {
        let mut handed_over = read_handed_over(repository)?;
        let lines = read_next_entries(repository, &mut handed_over)?;
        if lines.is_empty() {
            return Ok(());
        }
        run_program(repository, program, lines, deadline)?;
        write_handed_over(repository, &handed_over)?;
    }
}

/// Marks all present entries as handed over, unless a record exists, so that the program gets only
/// later ones.
pub(super) fn mark_all_handed_over(repository: &Repository) -> Result<(), HandoffError> {
    let _lock = lock::take(repository)?;
    if repository.common_dir().join(DONE_FILE).exists() {
        return Ok(());
    }
    let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
    write_handed_over(repository, &ledgers.tips)
}

/// Returns the next entries as lines, oldest first, and advances `handed_over` to the last of them.
fn read_next_entries(
    repository: &Repository,
    handed_over: &mut Tips,
) -> Result<Vec<u8>, HandoffError> {
    let mut lines = Vec::new();
    let mut remaining = MAX_BATCH;
    let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
    for (ledger, tip) in ledgers.tips {
        let mut ids = Vec::new();
        for walked in repository.walk_ledger(tip) {
            let id = EntryId(walked?.0.id);
            if handed_over.get(&ledger) == Some(&id) {
                break;
            }
            ids.push(id);
        }
        for id in ids.into_iter().rev().take(remaining) {
            remaining -= 1;
            handed_over.insert(ledger.clone(), id);
            let LedgerCommit::Entry { entry, .. } = repository.read_ledger_commit(&ledger, id)?
            else {
                continue;
            };
            let statement = entry
                .statement()
                .print()
                .map_err(|error| git::Error::Corrupt {
                    what: format!("the entry {id}"),
                    why: error.to_string(),
                })?;
            let statement = serde_json::from_slice(&statement).map_err(HandoffError::Json)?;
            let event = Event {
                entry: id,
                ledger: ledger.clone(),
                statement,
            };
            serde_json::to_writer(
                &mut lines,
                &EventLine {
                    schema: SCHEMA,
                    event: &event,
                },
            )
            .map_err(HandoffError::Json)?;
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

/// Runs the program with these lines as its standard input, and waits for its end until the
/// deadline.
fn run_program(
    repository: &Repository,
    program: &Path,
    lines: Vec<u8>,
    deadline: Deadline,
) -> Result<(), HandoffError> {
    // The program gets no connection to the pusher: a process that it leaves running would keep the
    // push from ending.
    let result = ExternalProgram::new(program)
        .without_variables(&SECRET_VARIABLES)
        .current_dir(repository.git_dir())
        .env("GIT_DIR", repository.git_dir())
        .input(lines)
        .deadline(deadline)
        .run()
        .map_err(HandoffError::Start)?;
    match result.end {
        ProgramEnd::Ended(status) if status.success() => Ok(()),
        ProgramEnd::Ended(status) => Err(HandoffError::Failed(status)),
        ProgramEnd::TimedOut | ProgramEnd::OutputTooLong => Err(HandoffError::TimedOut),
    }
}

/// Reads which entries were handed over.
fn read_handed_over(repository: &Repository) -> Result<Tips, HandoffError> {
    let path = repository.common_dir().join(DONE_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // Without a record, all entries are handed over again: the program can ignore repeated
        // entries, but cannot know of missing ones.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tips::new()),
        Err(source) => return Err(HandoffError::DoneFile { path, source }),
    };
    let parse_line = |line: &str| {
        let (ledger, id) = line.split_once(' ')?;
        Some((ledger.parse().ok()?, EntryId(id.parse().ok()?)))
    };
    Ok(text.lines().filter_map(parse_line).collect())
}

/// Records which entries were handed over.
fn write_handed_over(repository: &Repository, handed_over: &Tips) -> Result<(), HandoffError> {
    let path = repository.common_dir().join(DONE_FILE);
    let lines: Vec<String> = handed_over
        .iter()
        .map(|(ledger, id)| format!("{ledger} {id}\n"))
        .collect();
    replace_file(&path, lines.concat().as_bytes(), 0o600)
        .map_err(|source| HandoffError::DoneFile { path, source })
}
