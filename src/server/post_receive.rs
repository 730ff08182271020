//! post-receive: what follows from entries that are in: notes, where proc-receive has not written them, and the hand-off.
//!
//! Nothing that goes wrong here takes an entry back or loses it: both go on from what they covered last, so the next run catches up.

use super::classify::classify;
use super::handoff::{self, HandoffError};
use super::ref_update::Update;
use super::{Fault, lock};
use crate::git::{Repository, Result as GitResult};

/// What lags behind after a push.
#[derive(Debug, Default)]
pub struct Behind {
    /// Why the notes do.
    pub notes: Option<Fault>,
    /// Why the program that entries are handed to does.
    pub handoff: Option<HandoffError>,
}

/// Sees to what follows from a push, in the repository that `open` opens if a ledger has moved.
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

fn notes(repository: &Repository) -> Result<(), Fault> {
    let _held = lock::take(repository.common_dir())?;
    let tips = repository.tips()?;
    repository.catch_up_notes(&tips)?;
    Ok(())
}
