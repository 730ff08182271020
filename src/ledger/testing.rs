//! A test project whose people have real keys and write through [`LedgerWriter`], with every
//! rule evaluated.

use std::sync::Arc;

use crate::domain::entry::{Action, Publish};
use crate::domain::id::{CommitId, Digest, EntryId, Oid, PublicKey};
use crate::domain::name::{LedgerName, Person};
use crate::domain::policy::PublishedPolicy;
use crate::git::Repository;
use crate::git::tree::Leaf;
use crate::ledger::chain::ChainMembership;
use crate::ledger::entry_validator::{ChainTip, EntryValidator, ValidatedEntry, ValidationContext};
use crate::ledger::facts::FactGatherer;
use crate::ledger::writer::{
    AppendFailure, AppendOptions, AppendedEntry, EntryDraft, LedgerSnapshot, LedgerWriter,
};
use crate::ledger::{Project, Tips, project_genesis_bytes};
use crate::signing::Signer;
use crate::signing::key::{SecretKey, generate_key, public_key_path, read_public_key};

/// Parses any name or text.
pub(crate) fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// The keys of people, created on first use.
pub(crate) struct TestKeys(tempfile::TempDir);

impl TestKeys {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        let file = self.0.path().join(name);
        if !file.exists() {
            generate_key(&file, None).unwrap();
        }
        file
    }

    pub fn public(&self, name: &str) -> PublicKey {
        read_public_key(&public_key_path(&self.file(name))).unwrap()
    }

    pub fn signer(&self, name: &str) -> Signer {
        Signer::from_key(
            SecretKey::read(&self.file(name), || panic!("asked for a password")).unwrap(),
        )
    }
}

/// Writes the genesis of a project with one root key.
pub(crate) fn create_project(repository: &Repository, root: PublicKey) -> Project {
    let genesis = project_genesis_bytes(repository, &parse("catalogue"), [1; 16], &[root]).unwrap();
    let id = EntryId(repository.write_commit(&genesis).unwrap());
    Project::read(repository, id).unwrap()
}

/// Drafts the publication of a policy. [`TestClone::append`] completes it.
pub(crate) fn draft_publish(text: &str) -> EntryDraft {
    let publish = Publish {
        digest: Digest::sha256(text.as_bytes()),
        keys: Digest::sha256(b""),
        approved_by: Vec::new(),
        description: None,
        admits: Vec::new(),
        recovered: false,
    };
    EntryDraft {
        policy_text: Some(text.as_bytes().into()),
        ..Action::Publish(publish).into()
    }
}

/// A person's clone: the repository they write in, and their key.
pub(crate) struct TestClone<'a> {
    pub repository: &'a Repository,
    pub project: &'a Project,
    pub remote: Option<&'a str>,
    pub person: Person,
    pub signer: Signer,
}

impl TestClone<'_> {
    pub fn append<E>(
        &self,
        ledger: &str,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AppendedEntry, AppendFailure<E>> {
        let writer = LedgerWriter {
            repository: self.repository,
            project: self.project,
            remote: self.remote,
            person: &self.person,
            signer: Some(&self.signer),
            options: AppendOptions::default(),
            is_synced: false,
        };
        writer.append(&parse(ledger), &|view| {
            let mut draft = draft(view)?;
            if let (Action::Publish(publish), Some(text)) = (&mut draft.action, &draft.policy_text)
            {
                let published = PublishedPolicy::new(Arc::clone(text), &self.project.root_keys);
                publish.keys = Digest::sha256(&published.keys);
            }
            Ok(draft)
        })
    }

    /// Appends an entry that must be accepted.
    pub fn write(&self, ledger: &str, draft: &EntryDraft) -> EntryId {
        self.append(ledger, &|_| {
            Ok::<_, std::convert::Infallible>(draft.clone())
        })
        .unwrap()
        .id
    }
}

/// Writes a code commit with these files; `who` is `name <address>`.
pub(crate) fn write_code_commit(
    repository: &Repository,
    files: &[(&str, &str)],
    parents: &[CommitId],
    who: &str,
    at: i64,
) -> CommitId {
    let blob = |text: &str| Leaf::Blob(repository.write_blob(text.as_bytes()).unwrap());
    let edits: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, Some(blob(text))))
        .collect();
    let tree = repository.write_edited_tree(None, &edits).unwrap();
    let parents: Vec<String> = parents
        .iter()
        .map(|parent| format!("parent {parent}\n"))
        .collect();
    let parents = parents.concat();
    let raw = format!(
        "tree {tree}\n{parents}author {who} {at} +0000\ncommitter {who} {at} +0000\n\nchange\n"
    );
    CommitId(repository.write_commit(raw.as_bytes()).unwrap())
}

/// Validates all ledgers from their first entry on, as an audit does, and returns the number of
/// entries. Fails at the first invalid one.
pub(crate) fn validate_all(repository: &Repository, project: &Project) -> usize {
    let tips = repository.tips().unwrap();
    let chains = ChainMembership::new(repository, &tips);
    let contains = |ledger: &LedgerName, id| chains.contains(ledger, id);
    let validator = EntryValidator::new(
        repository,
        FactGatherer::new(repository, project).with_stated_branches(),
        None,
    );
    let mut count = 0;
    for (ledger, tip) in &tips {
        let mut chain_tip: ChainTip = validator.load_tip(ledger, None).unwrap();
        let ids = repository.chain_between(None, *tip).unwrap().unwrap();
        assert_eq!(ids[0], chain_tip.chain.tip, "the genesis of {ledger}");
        for id in &ids[1..] {
            let validated = validator.validate(
                ledger,
                &chain_tip,
                *id,
                ValidationContext::History(&contains),
            );
            chain_tip = expect_accepted(validated, "an audit");
            count += 1;
        }
    }
    count
}

/// Returns the end of the chain after an entry, which must have been accepted.
pub(crate) fn expect_accepted(validated: ValidatedEntry, by: &str) -> ChainTip {
    let ValidatedEntry {
        next_tip,
        verdict,
        stored,
        ..
    } = validated;
    let not_passed: Vec<_> = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != crate::domain::verdict::CheckResult::Pass)
        .collect();
    next_tip.unwrap_or_else(|| panic!("{by} refuses {stored:#?}\nfor {not_passed:#?}"))
}

/// Checks that the notes match the ledgers, and that a rebuild gives the same notes.
pub(crate) fn assert_notes_match(repository: &Repository, tips: &Tips) {
    let tree = || -> Oid {
        let notes = repository.read_ref("refs/notes/deploy").unwrap().unwrap();
        repository.read_commit(notes).unwrap().tree
    };
    assert_eq!(repository.differing_notes(tips).unwrap(), []);
    let before = tree();
    repository.rebuild_notes(tips).unwrap();
    assert_eq!(tree(), before, "rebuilt notes differ from updated ones");
}
