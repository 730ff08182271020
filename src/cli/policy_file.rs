//! Reads and checks a proposed `deploy.toml` from the work tree, a file or a commit. Shared by
//! `init` and `policy`.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::count::count;
use crate::domain::entry::{Action, Publish};
use crate::domain::id::{Digest, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::{MAX_BYTES, Policy};
use crate::domain::text::Description;
use crate::git::Repository;
use crate::input_file::open_regular_file;
use crate::ledger::writer::EntryDraft;

/// The name of the policy file.
pub const POLICY_FILE: &str = "deploy.toml";

/// A valid `deploy.toml`.
pub struct ProposedPolicy {
    /// Where it comes from, for messages.
    pub name: String,
    /// Its exact text.
    pub text: String,
    /// The parsed policy.
    pub policy: Policy,
}

/// Writes a new `deploy.toml` atomically. Never overwrites a file.
pub fn write_new_file(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // The user's umask reduces these permissions, as for every file in a work tree.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder
        .prefix(".deploy.toml-")
        .tempfile_in(file.parent().unwrap_or(Path::new(".")))?;
    temporary.write_all(text)?;
    temporary
        .persist_noclobber(file)
        .map(drop)
        .map_err(|error| error.error)
}

impl ProposedPolicy {
    /// Reads the proposed policy from `source`, a file or a commit. Without `source`, reads it from
    /// the work tree.
    pub fn open(repository: &Repository, source: Option<&str>, ui: &Ui) -> Result<Self, CliError> {
        let (name, bytes) = match source {
            Some(file) if Path::new(file).is_file() => {
                (file.to_owned(), read_file(repository, Path::new(file))?)
            }
            Some(revision) => (
                format!("{revision}:{POLICY_FILE}"),
                read_revision(repository, revision)?,
            ),
            None => {
                let folder = repository.work_dir().ok_or_else(|| {
                    CliError::new(
                        ErrorKind::Usage,
                        "there is no work tree here to take deploy.toml from",
                    )
                    .hint("repeat the command with a commit or a file")
                })?;
                (
                    POLICY_FILE.to_owned(),
                    read_file(repository, &folder.join(POLICY_FILE))?,
                )
            }
        };
        Self::parse(name, &bytes, ui)
    }

    /// Parses a policy, and prints every error in it.
    pub fn parse(name: String, bytes: &[u8], ui: &Ui) -> Result<Self, CliError> {
        let policy = Policy::from_bytes(bytes).map_err(|errors| {
            let errors = errors.errors();
            for error in errors {
                ui.eprint_sentence(error);
            }
            let number = count(errors.len(), "error");
            CliError::new(
                ErrorKind::Denied,
                format!("{name} is not a valid policy: {number}"),
            )
            .with_details(errors.iter().map(ToString::to_string))
            .hint("fix the file, then: git deploy policy diff")
        })?;
        // A valid policy is UTF-8.
        Ok(Self {
            name,
            text: String::from_utf8_lossy(bytes).into_owned(),
            policy,
        })
    }

    /// Returns the digest that approvals and the publish entry sign.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text.as_bytes())
    }

    /// Returns the draft of the entry that publishes this policy in a project with these root keys.
    /// `is_recovery` states that all admin keys were lost.
    pub fn draft_publish(
        &self,
        root_keys: &[PublicKey],
        description: Option<Description>,
        is_recovery: bool,
    ) -> EntryDraft {
        let publish = Publish {
            digest: self.digest(),
            keys: self.policy.key_list_digest(root_keys),
            approved_by: Vec::new(),
            description,
            admits: Vec::new(),
            recovered: is_recovery,
        };
        EntryDraft {
            policy_text: Some(Arc::from(self.text.as_bytes())),
            ..Action::Publish(publish).into()
        }
    }
}

fn read_file(repository: &Repository, path: &Path) -> Result<Vec<u8>, CliError> {
    let message = || format!("cannot read {}", path.display());
    let file = open_regular_file(path).map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let failure = CliError::new(ErrorKind::CannotTell, message()).because(error);
        // Another project must not begin where one exists.
        let has_policy = !matches!(repository.tip(&LedgerName::policy()), Ok(None));
        match (is_missing, has_policy) {
            (true, true) => failure.hint(format!("git deploy policy show > {POLICY_FILE}")),
            (true, false) => failure.hint("git deploy init"),
            (false, _) => failure,
        }
    })?;
    let mut bytes = Vec::new();
    // One byte more than the limit, so that the parser reports that the file is too large.
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .context(ErrorKind::CannotTell, message())?;
    Ok(bytes)
}

fn read_revision(repository: &Repository, revision: &str) -> Result<Vec<u8>, CliError> {
    let message = || format!("cannot read {POLICY_FILE} of {revision:?}");
    let commit = repository
        .resolve_revision(revision)
        .context(ErrorKind::CannotTell, message())?
        .ok_or_else(|| {
            CliError::new(
                ErrorKind::Usage,
                format!("{revision:?} is neither a file nor a commit in this repository"),
            )
            .hint("git fetch")
        })?;
    let tree = repository
        .read_commit(commit)
        .context(ErrorKind::CannotTell, message())?
        .tree;
    let bytes = repository
        .read_file_at(tree, POLICY_FILE, MAX_BYTES)
        .context(ErrorKind::CannotTell, message())?;
    bytes.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("there is no {POLICY_FILE} in {revision:?}"),
        )
        .hint(format!("git add {POLICY_FILE} && git commit"))
    })
}
