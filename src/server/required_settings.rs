//! The git settings of a server, each with the value that the hooks need, the reason, and how
//! serious another value is. `server init`, `server check` and `docs/server.md` read this table.

use super::finding::Level;
use super::handoff::HANDOFF_SETTING;
use super::settings::{ADMIN_SETTING, RECOVERY_SETTING};
use crate::ledger::notes::NOTES_REF;
use crate::ledger::recovery::RECOVERED_SETTING;
use crate::ledger::sync::PIN_SETTING;

/// The value that a setting must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WantedValue {
    /// This value among others. `server init` adds it.
    Contains(&'static str),
    /// Exactly this value. `server init` sets it.
    Equals(&'static str),
    /// This value, or another list that also covers all objects and refs. `server init` sets it if
    /// the setting is unset.
    Covers(&'static str),
    /// Any value but `bad`. `instead` is the value to suggest.
    Not {
        bad: &'static str,
        instead: &'static str,
    },
    /// This value, or unset.
    BoolOrUnset(bool),
    /// The full name of each branch that proc-receive must judge, among other values. `server init`
    /// adds them, and proc-receive keeps them in step with the policy.
    EnforcedBranches,
    /// A value that depends on the server, described in words for the documentation. A separate
    /// function checks it.
    Described(#[cfg_attr(not(test), allow(dead_code))] &'static str),
}

/// A git setting of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequiredSetting {
    /// Its key.
    pub key: &'static str,
    /// The value that it must have.
    pub wanted: WantedValue,
    /// What the value achieves, for the documentation.
    #[cfg_attr(not(test), allow(dead_code))]
    pub why: &'static str,
    /// The severity of another value; `Good` if every value is fine.
    pub level: Level,
    /// The consequence of another value: the second half of the finding.
    pub otherwise: &'static str,
}

impl RequiredSetting {
    /// Returns the finding about another value, for a setting whose value does not depend on the
    /// server.
    pub(super) fn describe_problem(&self) -> String {
        let Self { key, otherwise, .. } = self;
        match self.wanted {
            WantedValue::Contains(value) | WantedValue::Equals(value) => {
                format!("{key} is not {value}: {otherwise}")
            }
            WantedValue::Covers(_) => format!("{key} excludes objects or refs: {otherwise}"),
            WantedValue::Not { bad, .. } => format!("{key} is {bad}: {otherwise}"),
            WantedValue::BoolOrUnset(value) => {
                format!("{key} is {}: {otherwise}", if value { "off" } else { "on" })
            }
            WantedValue::EnforcedBranches | WantedValue::Described(_) => {
                format!("{key} {otherwise}")
            }
        }
    }

    /// Returns the arguments for `git config` that set it to the value, or `None` if the value
    /// depends on the server.
    pub(super) fn config_arguments(&self) -> Option<String> {
        let key = self.key;
        match self.wanted {
            WantedValue::Contains(value) => Some(format!("--add {key} {value}")),
            WantedValue::Equals(value)
            | WantedValue::Covers(value)
            | WantedValue::Not { instead: value, .. } => Some(format!("{key} {value}")),
            WantedValue::BoolOrUnset(value) => Some(format!("{key} {value}")),
            WantedValue::EnforcedBranches | WantedValue::Described(_) => None,
        }
    }
}

/// Lets proc-receive move the ledgers.
pub(super) const PROC_RECEIVE_REFS: RequiredSetting = RequiredSetting {
    key: "receive.procReceiveRefs",
    wanted: WantedValue::Contains("refs/deploy"),
    why: "git hands updates of ledgers to `proc-receive`, which judges, moves and notes them under one lock; not with `--no-proc-receive`",
    level: Level::Problem,
    otherwise: "no hook judges a ledger again when it moves",
};
/// Lets proc-receive move the branches of environments.
pub(super) const PROC_RECEIVE_BRANCHES: RequiredSetting = RequiredSetting {
    key: PROC_RECEIVE_REFS.key,
    wanted: WantedValue::EnforcedBranches,
    why: "git hands updates of these branches to `proc-receive`, which judges them again under the lock when it moves them; not with `--no-proc-receive`",
    level: Level::Problem,
    otherwise: "no hook judges it again when it moves, so its pushes are refused",
};
/// Hides the notes from pushes.
pub(super) const HIDE_REFS: RequiredSetting = RequiredSetting {
    key: "receive.hideRefs",
    wanted: WantedValue::Contains(NOTES_REF),
    why: "pushes cannot change notes; fetches still get them",
    level: Level::Advice,
    otherwise: "the notes make every push of a ledger slower",
};
/// Lists the keys that may begin the project.
pub(super) const ADMINS: RequiredSetting = RequiredSetting {
    key: ADMIN_SETTING,
    wanted: WantedValue::Described("the public keys from `--admin`"),
    why: "who may publish the first policy; without a key nothing is accepted under `refs/deploy/`",
    level: Level::Problem,
    otherwise: "has no key: nothing is accepted under refs/deploy/",
};
/// Sets the key that may recover the project.
pub(super) const RECOVERY_KEY: RequiredSetting = RequiredSetting {
    key: RECOVERY_SETTING,
    wanted: WantedValue::Described("unset, or the public key from `--recover`"),
    why: "who may publish one policy [after all admin keys are lost](#when-all-admin-keys-are-lost)",
    level: Level::Advice,
    otherwise: "may publish one policy in spite of the one in force",
};
/// Sets the folder in which git looks for hooks.
pub(super) const HOOKS_PATH: RequiredSetting = RequiredSetting {
    key: "core.hooksPath",
    wanted: WantedValue::Described("unset, or a folder in the repository"),
    why: "git calls the hooks of this repository",
    level: Level::Problem,
    otherwise: "outside the repository",
};
/// Sets the refs that `git fetch` writes.
pub(super) const REMOTE_FETCH: RequiredSetting = RequiredSetting {
    key: "remote.*.fetch",
    wanted: WantedValue::Described("nothing that writes to `refs/deploy/`"),
    why: "`git fetch` on the server, which calls none of the hooks of a push, overwrites no ledger",
    level: Level::Advice,
    otherwise: "would overwrite ledgers and bypass all hooks",
};
/// Sets the project of the ledgers.
pub(super) const ROOT: RequiredSetting = RequiredSetting {
    key: PIN_SETTING,
    wanted: WantedValue::Described("unset, or the project of the ledgers"),
    why: "audits on the server begin at the right root of trust",
    level: Level::Problem,
    otherwise: "but the project in this repository is",
};

/// All settings, in the order in which `server init` sets them and `server check` looks at them.
pub(super) const SETTINGS: [RequiredSetting; 16] = [
    ADMINS,
    RECOVERY_KEY,
    RequiredSetting {
        key: RECOVERED_SETTING,
        wanted: WantedValue::Described("the keys that have recovered the project"),
        why: "audits accept the policies that these keys published; the hooks write it",
        level: Level::Good,
        otherwise: "",
    },
    ROOT,
    PROC_RECEIVE_REFS,
    PROC_RECEIVE_BRANCHES,
    HIDE_REFS,
    RequiredSetting {
        key: "notes.displayRef",
        wanted: WantedValue::Contains(NOTES_REF),
        why: "`git log` in this repository, and web viewers that call it, show the notes",
        level: Level::Advice,
        otherwise: "git log in this repository does not show the notes",
    },
    RequiredSetting {
        key: "core.logAllRefUpdates",
        wanted: WantedValue::Equals("always"),
        why: "a bare repository keeps a reflog",
        level: Level::Advice,
        otherwise: "there is no reflog of a ref's old values",
    },
    RequiredSetting {
        key: "core.fsync",
        wanted: WantedValue::Covers("committed,reference"),
        why: "accepted pushes survive a power cut; a value that is already set stays",
        level: Level::Advice,
        otherwise: "accepted pushes can be lost in a power cut",
    },
    RequiredSetting {
        key: "core.fsyncMethod",
        wanted: WantedValue::Not {
            bad: "writeout-only",
            instead: "fsync",
        },
        why: "accepted pushes survive a power cut",
        level: Level::Advice,
        otherwise: "accepted pushes can be lost in a power cut",
    },
    RequiredSetting {
        key: "core.commitGraph",
        wanted: WantedValue::BoolOrUnset(true),
        why: "a push stays fast in a long history",
        level: Level::Advice,
        otherwise: "each push reads the history commit by commit",
    },
    RequiredSetting {
        key: "receive.shallowUpdate",
        wanted: WantedValue::BoolOrUnset(false),
        why: "a push from a shallow clone cannot cut off the history",
        level: Level::Advice,
        otherwise: "a push can leave the repository without its history",
    },
    REMOTE_FETCH,
    HOOKS_PATH,
    RequiredSetting {
        key: HANDOFF_SETTING,
        wanted: WantedValue::Described("unset, or the absolute path from `--handoff`"),
        why: "the program that [gets accepted entries](#handing-entries-on)",
        level: Level::Good,
        otherwise: "",
    },
];

#[cfg(test)]
mod documentation;
