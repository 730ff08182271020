//! The writer of entries: its repository, remote, person and options, and its result.

use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::Person;
use crate::git::repo::Repository;
use crate::ledger::Project;
use crate::signing::Signer;

/// An entry that was written or, in a dry run, would have been.
#[derive(Debug)]
pub struct AppendedEntry {
    /// Its commit; in a dry run, the commit that it would follow.
    pub id: EntryId,
    /// Its statement.
    pub statement: Statement,
    /// The remote's messages.
    pub messages: Vec<String>,
    /// Why this clone does not have the entry yet, although the remote does. The next sync fetches
    /// it.
    pub local_error: Option<String>,
    /// Why the notes do not contain it yet. The next sync adds it.
    pub notes_error: Option<String>,
    /// Whether this was a dry run: nothing was signed or written.
    pub dry_run: bool,
}

/// Writes entries for one person in one repository.
pub struct LedgerWriter<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The project.
    pub project: &'a Project,
    /// The remote that stores the ledgers, if there is one.
    pub remote: Option<&'a str>,
    /// The person who signs.
    pub person: &'a Person,
    /// Their key. Without one only a dry run is possible.
    pub signer: Option<&'a Signer>,
    /// The options.
    pub options: AppendOptions,
    /// Whether the caller has just synced. Then the first attempt does not sync again.
    pub is_synced: bool,
}

/// Options for writing an entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppendOptions {
    /// Stop before signing, and write nothing. The decision is the real one, so it includes a
    /// fetch.
    pub dry_run: bool,
    /// Push even an entry that the rules refuse in this clone, and let the server decide: for a
    /// clone without enough history. Has no effect without a remote.
    pub no_verify: bool,
    /// Assume that the server's owner has armed a recovery for the signer's key. The server decides
    /// whether that is so.
    pub assume_recovery: bool,
    /// How many times to ask an unavailable remote again after a push without an answer, with pauses
    /// of 1, 2, 4, … seconds. Unattended runners need this, because a later command could not tell
    /// whether an entry on the remote is this one.
    pub unanswered_retries: u32,
}
