//! The first commits of ledgers, whose bytes are computed from the names, ids and keys in them.
//!
//! The genesis of the policy ledger is the root of trust: its id is the project's id. Every other
//! genesis is a pure function of that id and the ledger's name. So two writers who both start a
//! ledger create the same genesis, and a server can compute it too.

use std::collections::BTreeSet;

use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{LedgerName, ProjectName};
use crate::git::error::{Error, Result};
use crate::git::object::ObjectKind;
use crate::git::repo::Repository;

/// The maximum number of root keys.
const MAX_ROOT_KEYS: usize = 100;

/// A project. The genesis of its policy ledger defines it permanently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id: the id of that genesis.
    pub id: EntryId,
    /// Its name.
    pub name: ProjectName,
    /// The keys of the people who may publish the first policy, in bytewise order of their text.
    pub root_keys: Vec<PublicKey>,
}

/// Author and committer of every genesis.
const IDENTITY: &str = "git-deploy <git-deploy@ledger> 0 +0000";

/// Returns the bytes of a genesis with this message.
fn commit_bytes(repository: &Repository, message: &str) -> Vec<u8> {
    let tree = repository.hash_kind().empty_tree();
    format!("tree {tree}\nauthor {IDENTITY}\ncommitter {IDENTITY}\n\n{message}").into_bytes()
}

/// Returns the bytes of a policy ledger's genesis. `nonce` is random, so that two projects with the
/// same name differ.
///
/// # Errors
/// Fails with [`Error::Corrupt`] for no root key, more than 100, or a duplicate, even under another key id.
pub fn project_genesis_bytes(
    repository: &Repository,
    name: &ProjectName,
    nonce: [u8; 16],
    root_keys: &[PublicKey],
) -> Result<Vec<u8>> {
    let corrupt = |why: &str| Error::corrupt(format!("the genesis of the project {name}"), why);
    if root_keys.is_empty() || root_keys.len() > MAX_ROOT_KEYS {
        return Err(corrupt("it must name 1 to 100 root keys"));
    }
    // Keys are compared without their ids.
    if root_keys.iter().collect::<BTreeSet<_>>().len() < root_keys.len() {
        return Err(corrupt("it names a root key twice"));
    }
    let mut roots: Vec<String> = root_keys
        .iter()
        .map(|key| format!("Deploy-Root: {key}\n"))
        .collect();
    roots.sort_unstable();
    let (nonce, roots) = (crate::domain::id::RunId(nonce), roots.concat());
    let message = format!(
        "git-deploy project {name}\n\nDeploy-Project: {name}\nDeploy-Nonce: {nonce}\n{roots}"
    );
    Ok(commit_bytes(repository, &message))
}

/// Returns the bytes of the genesis of another ledger of a project.
pub fn genesis_bytes(repository: &Repository, project: EntryId, ledger: &LedgerName) -> Vec<u8> {
    commit_bytes(
        repository,
        &format!(
            "git-deploy ledger {ledger}\n\nDeploy-Project: {project}\nDeploy-Ledger: {ledger}\n"
        ),
    )
}

impl Project {
    /// Reads the genesis of a policy ledger.
    ///
    /// # Errors
    /// Fails with [`Error::Corrupt`] for a commit that is not a genesis, byte for byte.
    pub fn read(repository: &Repository, id: EntryId) -> Result<Self> {
        let corrupt = |why: &str| Error::corrupt(format!("the genesis {id}"), why);
        let commit = repository.read_commit(id.0)?;
        let message = std::str::from_utf8(commit.message())
            .map_err(|_| corrupt("its message is not UTF-8"))?;
        let values = |key: &str| -> Vec<&str> {
            message
                .lines()
                .filter_map(|line| line.strip_prefix(key))
                .collect()
        };
        let (names, nonces, roots) = (
            values("Deploy-Project: "),
            values("Deploy-Nonce: "),
            values("Deploy-Root: "),
        );
        let ([name], [nonce]) = (&names[..], &nonces[..]) else {
            return Err(corrupt("it names no project"));
        };
        let name: ProjectName = name
            .parse()
            .map_err(|_| corrupt("its project name is invalid"))?;
        let nonce: crate::domain::id::RunId =
            nonce.parse().map_err(|_| corrupt("its nonce is invalid"))?;
        let keys: std::result::Result<Vec<PublicKey>, _> =
            roots.iter().map(|key| key.parse()).collect();
        let root_keys = keys.map_err(|_| corrupt("one of its root keys is not a key"))?;
        if commit.raw != project_genesis_bytes(repository, &name, nonce.0, &root_keys)? {
            return Err(corrupt("its bytes are not those of a genesis"));
        }
        Ok(Self {
            id,
            name,
            root_keys,
        })
    }

    /// Returns the id of the genesis of a ledger.
    pub fn genesis_id(&self, repository: &Repository, ledger: &LedgerName) -> Result<EntryId> {
        if ledger.is_policy() {
            return Ok(self.id);
        }
        repository
            .hash_object(
                ObjectKind::Commit,
                &genesis_bytes(repository, self.id, ledger),
            )
            .map(EntryId)
    }

    /// Returns the project that a policy ledger's tip claims to belong to. A caller that must not
    /// trust this compares the id with a pin and walks the chain.
    pub fn from_policy_tip(repository: &Repository, tip: EntryId) -> Result<Self> {
        match repository.read_ledger_commit(&LedgerName::policy(), tip)? {
            super::LedgerCommit::Genesis => Self::read(repository, tip),
            super::LedgerCommit::Entry { entry, .. } => {
                Self::read(repository, entry.statement().project)
            }
        }
    }
}
