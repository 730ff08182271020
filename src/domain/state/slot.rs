//! Slots: the only paths that the tree of a ledger commit may have, apart from the entry's own two
//! files.
//!
//! Paths are parsed into slots and printed from them, so a tree with any other path has no state
//! and is refused.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::entry::StoredEntry;
use crate::domain::id::{Algorithm, CommitId, Content, Digest};
use crate::domain::name::{ComponentName, EnvName, Person};

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A blob: the byte copy of an entry.
    Entry(Arc<StoredEntry>),
    /// A gitlink: a commit of the code.
    Commit(CommitId),
    /// A blob: the text of a policy, or its key list.
    Bytes(Arc<[u8]>),
}

impl Value {
    /// Returns the entry, if it is one.
    pub fn entry(&self) -> Option<&Arc<StoredEntry>> {
        match self {
            Self::Entry(entry) => Some(entry),
            _ => None,
        }
    }
}

/// One path below the root of an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotKey {
    /// `components/api/commit`, a gitlink: the running commit.
    Commit(ComponentName),
    /// `components/api/live.json`: the entry that deployed the running content.
    Live(ComponentName),
    /// `components/api/last.json`: the entry that ended the newest attempt to deploy the component,
    /// or that removed it.
    LastAttempt(ComponentName),
    /// `components/api/verification.json`: the newest verification after the deployment.
    Verification(ComponentName),
    /// `components/api/unknown.json`: the entry since which the running version is unknown.
    Unknown(ComponentName),
    /// `components/api/lock.json`
    ComponentLock(ComponentName),
    /// `runs/412/start.json`: the start of an unfinished run, by its sequence number.
    RunStart(u64),
    /// `runs/412/owner.json`: the newest start or resume of that run.
    RunOwner(u64),
    /// `approvals/<commit>/bob/17.json`
    Approval {
        /// The approved commit.
        commit: CommitId,
        /// Who approved.
        person: Person,
        /// The sequence of the approval.
        sequence: u64,
    },
    /// `holds/api/<content>.json`: the entry that put the content on hold.
    Hold(ComponentName, Content),
    /// `lock.json`
    Lock,
    /// `expires.json`: the entry that set the expiry of an ephemeral environment.
    Expires,
    /// `yanked/commit/<id>.json`, in `evidence`
    YankedCommit(CommitId),
    /// `yanked/content/api/<content>/<commit>.json`, in `evidence`: the yank of the commit, which
    /// covers this content.
    YankedContent {
        /// The component.
        component: ComponentName,
        /// Its content.
        content: Content,
        /// The yanked commit.
        commit: CommitId,
    },
    /// `yanked/sha256/<hex>.json`, in `evidence`
    YankedDigest(Digest),
    /// `approvals/<sha256>/bob/17.json`, in `policy`
    PolicyApproval {
        /// The SHA-256 of the approved `deploy.toml`.
        digest: Digest,
        /// Who approved.
        person: Person,
        /// The sequence of the approval.
        sequence: u64,
    },
    /// `deploy.toml`, in `policy`
    Policy,
    /// `keys`, in `policy`: the key list of the policy in force.
    Keys,
}

/// A path below the root of a ledger's tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The environment, in a pattern's ledger: the path begins with `environments/<name>/`.
    pub environment: Option<EnvName>,
    /// The path below the root of the environment.
    pub key: SlotKey,
}

impl fmt::Display for Slot {
    /// Writes the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(environment) = &self.environment {
            write!(f, "environments/{environment}/")?;
        }
        match &self.key {
            SlotKey::Commit(component) => write!(f, "components/{component}/commit"),
            SlotKey::Live(component) => write!(f, "components/{component}/live.json"),
            SlotKey::LastAttempt(component) => write!(f, "components/{component}/last.json"),
            SlotKey::Verification(component) => {
                write!(f, "components/{component}/verification.json")
            }
            SlotKey::Unknown(component) => write!(f, "components/{component}/unknown.json"),
            SlotKey::ComponentLock(component) => write!(f, "components/{component}/lock.json"),
            SlotKey::RunStart(sequence) => write!(f, "runs/{sequence}/start.json"),
            SlotKey::RunOwner(sequence) => write!(f, "runs/{sequence}/owner.json"),
            SlotKey::Approval {
                commit,
                person,
                sequence,
            } => write!(f, "approvals/{commit}/{person}/{sequence}.json"),
            SlotKey::Hold(component, content) => write!(f, "holds/{component}/{content}.json"),
            SlotKey::Lock => f.write_str("lock.json"),
            SlotKey::Expires => f.write_str("expires.json"),
            SlotKey::YankedCommit(commit) => write!(f, "yanked/commit/{commit}.json"),
            SlotKey::YankedContent {
                component,
                content,
                commit,
            } => write!(f, "yanked/content/{component}/{content}/{commit}.json"),
            SlotKey::YankedDigest(digest) => write!(
                f,
                "yanked/{}/{}.json",
                digest.algorithm().name(),
                digest.hex()
            ),
            SlotKey::PolicyApproval {
                digest,
                person,
                sequence,
            } => {
                write!(f, "approvals/{}/{person}/{sequence}.json", digest.hex())
            }
            SlotKey::Policy => f.write_str("deploy.toml"),
            SlotKey::Keys => f.write_str("keys"),
        }
    }
}

/// The error for a path that no ledger's tree may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a path that a ledger's tree may have")]
pub struct SlotError(String);

impl Slot {
    /// Parses a path of the ledger of an environment, of a pattern or of `evidence`.
    pub fn parse(path: &str) -> Result<Self, SlotError> {
        let (environment, rest) = match path
            .strip_prefix("environments/")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((name, rest)) => (
                Some(name.parse().map_err(|_| SlotError(path.to_owned()))?),
                rest,
            ),
            None => (None, path),
        };
        let key = parse_key(rest).ok_or_else(|| SlotError(path.to_owned()))?;
        Self { environment, key }.require_canonical(path)
    }

    /// Parses a path of the policy's ledger, where approvals are of a digest, not of a commit.
    pub fn parse_policy(path: &str) -> Result<Self, SlotError> {
        let parse = || {
            let parts: Vec<&str> = path.split('/').collect();
            match parts[..] {
                ["deploy.toml"] => Some(SlotKey::Policy),
                ["keys"] => Some(SlotKey::Keys),
                ["approvals", hex, person, file] => Some(SlotKey::PolicyApproval {
                    digest: Digest::new(Algorithm::Sha256, hex).ok()?,
                    person: person.parse().ok()?,
                    sequence: file.strip_suffix(".json")?.parse().ok()?,
                }),
                _ => None,
            }
        };
        let key = parse().ok_or_else(|| SlotError(path.to_owned()))?;
        Self {
            environment: None,
            key,
        }
        .require_canonical(path)
    }

    /// Returns the slot if it prints as the path that it was parsed from. This refuses paths such
    /// as `runs/007/…`.
    fn require_canonical(self, path: &str) -> Result<Self, SlotError> {
        if self.to_string() == path {
            Ok(self)
        } else {
            Err(SlotError(path.to_owned()))
        }
    }
}

fn parse_key(path: &str) -> Option<SlotKey> {
    fn parse_json_name<T: FromStr>(file: &str) -> Option<T> {
        file.strip_suffix(".json")?.parse().ok()
    }
    let parts: Vec<&str> = path.split('/').collect();
    Some(match parts[..] {
        ["components", component, file] => {
            let component: ComponentName = component.parse().ok()?;
            match file {
                "commit" => SlotKey::Commit(component),
                "live.json" => SlotKey::Live(component),
                "last.json" => SlotKey::LastAttempt(component),
                "verification.json" => SlotKey::Verification(component),
                "unknown.json" => SlotKey::Unknown(component),
                "lock.json" => SlotKey::ComponentLock(component),
                _ => return None,
            }
        }
        ["runs", sequence, "start.json"] => SlotKey::RunStart(sequence.parse().ok()?),
        ["runs", sequence, "owner.json"] => SlotKey::RunOwner(sequence.parse().ok()?),
        ["approvals", commit, person, file] => SlotKey::Approval {
            commit: commit.parse().ok()?,
            person: person.parse().ok()?,
            sequence: parse_json_name(file)?,
        },
        ["holds", component, file] => {
            SlotKey::Hold(component.parse().ok()?, parse_json_name(file)?)
        }
        ["lock.json"] => SlotKey::Lock,
        ["expires.json"] => SlotKey::Expires,
        ["yanked", "commit", file] => SlotKey::YankedCommit(parse_json_name(file)?),
        ["yanked", "content", component, content, file] => SlotKey::YankedContent {
            component: component.parse().ok()?,
            content: content.parse().ok()?,
            commit: parse_json_name(file)?,
        },
        ["yanked", algorithm, file] => SlotKey::YankedDigest(
            Digest::new(algorithm.parse().ok()?, file.strip_suffix(".json")?).ok()?,
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each slot has exactly one path, so a tree cannot contain a file that `fold` does not know.
    #[test]
    fn paths() {
        let id = "2affccc97fa05736482d4523166f70cb561afa11";
        for path in [
            "components/api/commit",
            "components/api/live.json",
            "components/api/last.json",
            "components/api/verification.json",
            "components/api/unknown.json",
            "components/api/lock.json",
            "runs/412/start.json",
            "runs/412/owner.json",
            &format!("approvals/{id}/bob/17.json"),
            &format!("holds/api/{id}.json"),
            "lock.json",
            "expires.json",
            &format!("yanked/commit/{id}.json"),
            &format!("yanked/content/api/{id}/{id}.json"),
            &format!("yanked/sha512/{}.json", "a".repeat(128)),
            "environments/pr-17/lock.json",
            "environments/pr-17/components/api/commit",
        ] {
            assert_eq!(Slot::parse(path).unwrap().to_string(), path);
        }
        for path in [
            "",
            "x",
            "components/api",
            "components/api/other",
            "components/../commit",
            "runs/07/start.json",
            "runs/+7/start.json",
            "lock.json/",
            "/lock.json",
            "environments/pr-17",
            "environments/pr-17/environments/pr-18/lock.json",
            "deploy.toml",
            "keys",
            "yanked/md5/aa.json",
        ] {
            assert!(Slot::parse(path).is_err(), "{path}");
        }
        let approval = format!("approvals/{}/bob/1.json", "b".repeat(64));
        for path in ["deploy.toml", "keys", &approval] {
            assert_eq!(Slot::parse_policy(path).unwrap().to_string(), path);
        }
        for path in ["lock.json", "keys/alice", "keys.json", "Keys"] {
            assert!(Slot::parse_policy(path).is_err(), "{path}");
        }
    }
}
