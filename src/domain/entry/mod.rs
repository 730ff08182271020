//! Entries: the contents of a ledger, one signed statement per commit.
//!
//! An entry is an in-toto Statement v1
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>). Its exact bytes are
//! signed and stored; [`Statement`] is their parsed form. Every statement has exactly one spelling:
//! a parsed statement prints to the same bytes. `FORMAT.md` lists the fields.

mod action;
mod headline;
mod invalid;
mod json;
mod log_text;
mod message;
mod note;
mod note_line;
mod read_trailers;
mod statement;
mod stored;
mod subject;
mod trailer;
mod validate;

pub use action::{
    Abort, Action, Approve, Artifact, Attestation, AttestationResult, Baseline, Build, BuildResult,
    ComponentAtCommit, ComponentChange, ComponentResult, Deployment, DeploymentKind, Expire,
    Finish, HistoryRole, Hold, Image, LedgerKind, Lock, Outcome, PolicyApprove, PolicyRevoke,
    Publish, Record, RecordedResult, Resume, Revoke, RunStep, Start, TEST_COUNTS_KEY, Target,
    Unlock, Unyank, Verification, VerificationResult, VersionTag, Yank, YankedContent,
    overall_outcome,
};
pub(crate) use action::{ActionInfo, CodeClaim, CommitRole, EnvironmentBody};
pub use invalid::{InvalidError, MAX_BYTES, MAX_PREDICATE};
pub use json::ParseError;
pub(crate) use log_text::Tone;
pub(crate) use note::Note;
pub use note_line::note_line;
pub use read_trailers::{Trailers, read_trailers};
pub use statement::Statement;
pub use stored::{Entry, StoredEntry, Unverified, Verified};
pub(crate) use subject::Subject;
pub(crate) use trailer::Trailer;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
