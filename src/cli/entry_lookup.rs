//! Finds entries by the names that messages and logs print: `prod@3f2a9c1e77`, or the id alone.

use super::entry_name::format_entry_name;
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::LedgerName;

/// The fewest digits of an id that can name an entry.
const MIN_DIGITS: usize = 4;

/// The file that each commit of a ledger contains.
const ENTRY_FILE: &str = "entry.json";
/// No entry is larger.
const ENTRY_LIMIT: usize = crate::domain::entry::MAX_BYTES;

/// An entry of a verified ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEntry {
    /// The ledger.
    pub ledger: LedgerName,
    /// The ledger commit.
    pub id: EntryId,
}

impl Workspace {
    /// Finds the entry that a word names: `LEDGER@ID`, or an id that names no commit of the code, each
    /// possibly shortened. Returns `None` if the word is no such name.
    ///
    /// # Errors
    ///
    /// Fails if there is no such entry in the ledgers here, or if there are several.
    pub fn find_entry(&self, word: &str) -> Result<Option<FoundEntry>, CliError> {
        let (ledger, digits) = match word.split_once('@') {
            Some((ledger, digits)) => match ledger.parse::<LedgerName>() {
                Ok(ledger) => (Some(ledger), digits),
                Err(_) => return Ok(None),
            },
            None => (None, word),
        };
        let is_id = digits.len() >= MIN_DIGITS && digits.bytes().all(|it| it.is_ascii_hexdigit());
        if !is_id || ledger.is_none() && !self.may_be_entry(digits)? {
            return Ok(None);
        }
        let mut found = self.find_with_prefix(ledger.as_ref(), &digits.to_ascii_lowercase())?;
        match (found.pop(), found.pop()) {
            (Some(entry), None) => Ok(Some(entry)),
            (None, _) if ledger.is_none() => Ok(None),
            (None, _) => Err(CliError::new(
                ErrorKind::Usage,
                format!("this clone has no entry {word}"),
            )
            .hint("git deploy sync")
            .hint("git deploy log --all")),
            (Some(one), Some(other)) => {
                let names = [&one, &other].map(|it| format_entry_name(&it.ledger, it.id));
                let message = format!("{word} could be {} or {}", names[0], names[1]);
                Err(CliError::new(ErrorKind::Usage, message))
            }
        }
    }

    /// Fails if a commit is an entry of a ledger: it is no commit of the code, and nothing can be
    /// deployed from it.
    pub fn refuse_entry_as_commit(&self, word: &str, commit: CommitId) -> Result<(), CliError> {
        if commit.0 == self.project.id.0 {
            let message = format!("{word} is the genesis of the project, not a commit of the code");
            return Err(CliError::new(ErrorKind::Usage, message).hint("git deploy policy show"));
        }
        if !self.has_entry_file(commit)? {
            return Ok(());
        }
        let found = self.find_with_prefix(None, &commit.0.to_string())?;
        found.first().map_or(Ok(()), |entry| {
            let name = format_entry_name(&entry.ledger, entry.id);
            Err(CliError::new(
                ErrorKind::Usage,
                format!("{word} is the entry {name}, not a commit of the code"),
            )
            .hint(format!("git deploy show {name}")))
        })
    }

    /// Returns whether digits may be the id of an entry: they name neither an environment nor a commit
    /// of the code.
    fn may_be_entry(&self, digits: &str) -> Result<bool, CliError> {
        let environment = digits.parse().ok();
        if environment.is_some_and(|name| EnvRef::find(&self.policy, &name).is_some()) {
            return Ok(false);
        }
        let resolved = self
            .repository
            .resolve_revision(digits)
            .context(ErrorKind::CannotTell, format!("cannot resolve {digits:?}"))?;
        resolved.map_or(Ok(true), |id| self.has_entry_file(CommitId(id)))
    }

    /// Returns whether the tree of a commit has the file of an entry. The code may have one, too.
    fn has_entry_file(&self, commit: CommitId) -> Result<bool, CliError> {
        let read = || {
            let tree = self.repository.read_commit(commit.0)?.tree;
            self.repository.read_file_at(tree, ENTRY_FILE, ENTRY_LIMIT)
        };
        match read() {
            Ok(file) => Ok(file.is_some()),
            Err(crate::git::Error::LimitExceeded { .. }) => Ok(false),
            Err(error) => Err(error).context(ErrorKind::CannotTell, "cannot read the commit"),
        }
    }

    /// Returns the entries, of one ledger or of all, whose ids begin with these digits.
    fn find_with_prefix(
        &self,
        only: Option<&LedgerName>,
        digits: &str,
    ) -> Result<Vec<FoundEntry>, CliError> {
        let gatherer = self.gatherer();
        let mut found = Vec::new();
        let tips = self.tips().iter();
        for (ledger, tip) in tips.filter(|(ledger, _)| only.is_none_or(|it| it == *ledger)) {
            for walked in gatherer.history().walk(*tip) {
                let walked = walked.context(
                    ErrorKind::CannotTell,
                    format!("cannot read the ledger {ledger}"),
                )?;
                if walked.id.0.to_string().starts_with(digits) {
                    found.push(FoundEntry {
                        ledger: ledger.clone(),
                        id: walked.id,
                    });
                }
            }
        }
        Ok(found)
    }
}
