//! The hook post-receive: writes notes for accepted entries, if proc-receive has not done so, and
//! hands the entries over.
//!
//! A failure here loses no entry: both tasks continue from where they ended last, so the next run
//! catches up.

use super::classify::classify;
use super::handoff::{self, HandoffError};
use super::ref_update::Update;
use super::{Fault, lock};
use crate::git::{Repository, Result as GitResult};

/// The tasks that failed after a push and are not up to date.
#[derive(Debug, Default)]
pub struct Behind {
    /// Why the notes are not.
    pub notes: Option<Fault>,
    /// Why the hand-off is not.
    pub handoff: Option<HandoffError>,
}

/// Writes notes and hands entries over after a push, in the repository that `open` opens if a
/// ledger has moved.
pub fn run(lines: &[u8], open: impl FnOnce() -> GitResult<Repository>) -> Result<Behind, Fault> {
    let updates = Update::parse_all(lines)?;
    if !updates
        .iter()
        .any(|update| classify(&update.name).ledger().is_some())
    {
        return Ok(Behind::default());
    }
    let repository = open()?;
    Ok(Behind {
        notes: notes(&repository).err(),
        handoff: handoff::run(&repository).err(),
    })
}

/// Writes the missing notes.
fn notes(repository: &Repository) -> Result<(), Fault> {
    let _held = lock::take(repository.common_dir())?;
    let tips = repository.tips()?;
    repository.catch_up_notes(&tips)?;
    Ok(())
}
