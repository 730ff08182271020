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
    Abort, Action, ApprovalPurpose, Approve, Artifact, Attestation, AttestationResult, Baseline,
    Build, BuildResult, CANCELLED_STATUS, CommandRecord, CommandStep, ComponentAtCommit,
    ComponentChange, ComponentResult, Deployment, DeploymentKind, Expire, Finish, HistoryRole,
    Hold, Image, Labels, LedgerKind, Lock, MAX_COMMANDS, MAX_LABELS, Origin, Outcome,
    PolicyApprove, PolicyRevoke, Publish, Record, RecordedResult, Resume, Revoke, RunStep, Start,
    TEST_COUNTS_KEY, Target, Unlock, Unyank, Verification, VerificationResult, VersionTag, Yank,
    YankedContent, overall_outcome,
};
pub(crate) use action::{ActionInfo, CodeClaim, CommitRole, EnvironmentBody, attempted_results};
pub use invalid::{InvalidError, MAX_BYTES, MAX_PREDICATE};
pub use json::ParseError;
pub(crate) use log_text::Tone;
pub use note_line::{
    UnlistedCommits, format_brought_line, format_note_line, format_taken_out_line,
};
pub use read_trailers::{Trailers, read_trailers};
pub use statement::Statement;
pub use stored::{Entry, StoredEntry, Unverified, Verified};
pub(crate) use subject::Subject;
pub(crate) use trailer::Trailer;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
