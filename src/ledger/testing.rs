//! A test project whose people have real keys and write through `Writer`, with every rule
//! evaluated.

use crate::domain::entry::{Action, Publish};
use crate::domain::id::{CommitId, Digest, EntryId, Oid, PublicKey};
use crate::domain::name::{LedgerName, Person};
use crate::git::Repository;
use crate::git::tree::Leaf;
use crate::ledger::chain::Chains;
use crate::ledger::entry_validator::{Against, Head, Judge, Judged};
use crate::ledger::facts::Gatherer;
use crate::ledger::writer::{Appended, Draft, Manner, Stopped, View, Writer};
use crate::ledger::{Project, Tips, project_bytes};
use crate::signing::Signer;
use crate::signing::key::{SecretKey, generate, public_file, read_public};

/// Parses any name or text.
pub(crate) fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// The keys of people, created on first use.
pub(crate) struct Keys(tempfile::TempDir);

impl Keys {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        let file = self.0.path().join(name);
        if !file.exists() {
            generate(&file, None).unwrap();
        }
        file
    }

    pub fn public(&self, name: &str) -> PublicKey {
        read_public(&public_file(&self.file(name))).unwrap()
    }

    pub fn signer(&self, name: &str) -> Signer {
        Signer::from_key(
            SecretKey::read(&self.file(name), || panic!("asked for a password")).unwrap(),
        )
    }
}

/// Writes the genesis of a project with one root key.
pub(crate) fn found(repository: &Repository, root: PublicKey) -> Project {
    let genesis = project_bytes(repository, &parse("catalogue"), [1; 16], &[root]).unwrap();
    let id = EntryId(repository.write_commit(&genesis).unwrap());
    Project::read(repository, id).unwrap()
}

/// Drafts the publication of a policy.
pub(crate) fn publish(text: &str) -> Draft {
    let publish = Publish {
        digest: Digest::sha256(text.as_bytes()),
        approved_by: Vec::new(),
        description: None,
        admits: Vec::new(),
        recovered: false,
    };
    Draft {
        policy_text: Some(text.as_bytes().into()),
        ..Action::Publish(publish).into()
    }
}

/// A person's clone: the repository they write in, and their key.
pub(crate) struct Desk<'a> {
    pub repository: &'a Repository,
    pub project: &'a Project,
    pub remote: Option<&'a str>,
    pub person: Person,
    pub signer: Signer,
}

impl Desk<'_> {
    pub fn append<E>(
        &self,
        ledger: &str,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, E>,
    ) -> Result<Appended, Stopped<E>> {
        let writer = Writer {
            repository: self.repository,
            project: self.project,
            remote: self.remote,
            person: &self.person,
            signer: Some(&self.signer),
            manner: Manner::default(),
            synced: false,
        };
        writer.append(&parse(ledger), draft)
    }

    /// Appends an entry that must be accepted.
    pub fn write(&self, ledger: &str, draft: &Draft) -> EntryId {
        self.append(ledger, &|_| {
            Ok::<_, std::convert::Infallible>(draft.clone())
        })
        .unwrap()
        .id
    }
}

/// Writes a code commit with these files; `who` is `name <address>`.
pub(crate) fn code(
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
    let tree = repository.edit(None, &edits).unwrap();
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
pub(crate) fn audit(repository: &Repository, project: &Project) -> usize {
    let tips = repository.tips().unwrap();
    let chains = Chains::new(repository, &tips);
    let holds = |ledger: &LedgerName, id| chains.hold(ledger, id);
    let judge = Judge::new(
        repository,
        Gatherer::new(repository, project).with_branches_as_entered(),
        None,
    );
    let mut count = 0;
    for (ledger, tip) in &tips {
        let mut head: Head = judge.head(ledger, None).unwrap();
        let ids = repository.chain_between(None, *tip).unwrap().unwrap();
        assert_eq!(ids[0], head.chain.tip, "the genesis of {ledger}");
        for id in &ids[1..] {
            let judged = judge.judge(ledger, &head, *id, Against::Past(&holds));
            head = accepted(judged, "an audit");
            count += 1;
        }
    }
    count
}

/// Returns the end of the chain after an entry, which must have been accepted.
pub(crate) fn accepted(judged: Judged, by: &str) -> Head {
    let Judged {
        head,
        verdict,
        kept,
        ..
    } = judged;
    let bad: Vec<_> = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != crate::domain::verdict::Outcome::Pass)
        .collect();
    head.unwrap_or_else(|| panic!("{by} refuses {kept:#?}\nfor {bad:#?}"))
}

/// Checks that the notes match the ledgers, and that a rebuild gives the same notes.
pub(crate) fn notes_hold(repository: &Repository, tips: &Tips) {
    let tree = || -> Oid {
        let notes = repository.read_ref("refs/notes/deploy").unwrap().unwrap();
        repository.read_commit(notes).unwrap().tree
    };
    assert_eq!(repository.differing_notes(tips).unwrap(), []);
    let before = tree();
    repository.rebuild_notes(tips).unwrap();
    assert_eq!(
        tree(),
        before,
        "notes made anew differ from those that grew"
    );
}
