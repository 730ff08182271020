//! Lists the refs of a remote, and pushes one ref at a time. If there is a remote, its refs are the
//! authoritative ledgers.
//!
//! Only exit codes and the lines of `--porcelain` are parsed. The reason for a failed push is
//! worded differently by each forge and for each race, so after an unclear push the remote's ref is
//! read again.

use std::collections::BTreeMap;

use super::command::GitOutput;
use super::error::{Error, Result, printable_tail};
use super::refs::is_valid_ref_name;
use super::repo::Repository;
use crate::domain::id::Oid;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Decision, MESSAGE_PREFIX};

/// Git's summary, documented in its manual, for a ref whose result the remote did not report. Every
/// other failure is a refusal.
const UNANSWERED: &[u8] = b"[remote failure]";

/// The most messages of a remote that are kept.
const MAX_MESSAGES: usize = 1_000;

/// The outcome of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote's ref is at the pushed commit.
    Accepted {
        /// The remote's messages, one per line, safe to print.
        messages: Vec<String>,
    },
    /// Another writer moved the remote's ref first: fetch and decide again.
    LostRace {
        /// Where the ref is now.
        found: Option<Oid>,
    },
    /// The remote refused; its ref has not moved.
    Rejected {
        /// The remote's messages, one per line, safe to print.
        messages: Vec<String>,
        /// Whether the remote could not decide. A server with our hooks says so in a fixed phrase.
        is_undecided: bool,
    },
    /// There was no reliable answer. The remote may have accepted the push, or may still accept it:
    /// check before trying again.
    Unknown {
        /// Git's messages, safe to print.
        messages: Vec<String>,
        /// Whether the remote certainly received the push, and only its answer is missing.
        is_received: bool,
    },
}

impl Repository {
    /// Pushes one commit to one full ref of a remote, without force. `expected` is where the caller
    /// last saw that ref (`None`: it did not exist).
    ///
    /// The remote refuses the push if its ref has moved: the push is then not a fast-forward, or
    /// the ref's old value differs. Unless the answer is clear, the remote's ref is read again.
    pub fn push_ref(
        &self,
        remote: &str,
        commit: Oid,
        name: &str,
        expected: Option<Oid>,
    ) -> Result<PushOutcome> {
        self.push(remote, commit, name, expected, None)
    }

    /// Pushes one commit to one full ref of a remote, replacing its value, provided that it is
    /// still `expected` (`None`: it does not exist).
    pub fn push_with_lease(
        &self,
        remote: &str,
        commit: Oid,
        name: &str,
        expected: Option<Oid>,
    ) -> Result<PushOutcome> {
        let expected_id = expected.map_or_else(String::new, |id| id.to_string());
        self.push(
            remote,
            commit,
            name,
            expected,
            Some(format!("--force-with-lease={name}:{expected_id}")),
        )
    }

    /// Pushes one commit to one ref, optionally with a `--force-with-lease` argument, and finds out
    /// the outcome.
    fn push(
        &self,
        remote: &str,
        commit: Oid,
        name: &str,
        expected: Option<Oid>,
        lease: Option<String>,
    ) -> Result<PushOutcome> {
        if !is_valid_ref_name(name) {
            return Err(Error::InvalidRef {
                name: name.to_owned(),
                why: "git does not allow this name",
            });
        }
        if self.config_bool(&format!("remote.{remote}.mirror"))? == Some(true) {
            return Err(Error::Mirror(remote.to_owned()));
        }
        let output = self
            .git("push")
            // Our pre-push hook is for pushes that people type, and other hooks are about code.
            .args(["--porcelain", "--no-verify", "--no-follow-tags"])
            // A ledger's tree contains commits like a submodule's; git must not look for them.
            .arg("--no-recurse-submodules")
            .args(lease)
            .args(["--end-of-options", remote, &format!("{commit}:{name}")])
            .run()?;
        Ok(self.determine_outcome(remote, commit, name, expected, &output))
    }

    /// Finds out what a push did, from git's output and, unless that is clear, from the remote.
    fn determine_outcome(
        &self,
        remote: &str,
        commit: Oid,
        name: &str,
        expected: Option<Oid>,
        output: &GitOutput,
    ) -> PushOutcome {
        let messages = parse_remote_messages(&output.stderr);
        let (is_refused, is_unanswered) = match parse_push_status(output, name) {
            // A new ref, a fast-forward, a forced update, or up to date already.
            Some((b'*' | b' ' | b'+' | b'=', _)) if output.is_success() => {
                return PushOutcome::Accepted { messages };
            }
            Some((b'!', summary)) => (summary != UNANSWERED, summary == UNANSWERED),
            _ => (false, false),
        };
        let unknown = || PushOutcome::Unknown {
            messages: printable_tail(&output.stderr)
                .lines()
                .map(str::to_owned)
                .collect(),
            is_received: is_unanswered,
        };
        let Ok(refs) = self.ls_remote(remote, &[name]) else {
            return unknown();
        };
        match refs.get(name).copied() {
            Some(id) if id == commit => PushOutcome::Accepted { messages },
            // A ref that is broken there has an id of zeros: no other writer moved it.
            found if is_refused && found != expected && !found.is_some_and(|id| id.is_zero()) => {
                PushOutcome::LostRace { found }
            }
            _ if is_refused => PushOutcome::Rejected {
                is_undecided: is_undecided(&messages),
                messages,
            },
            // Without an answer the push may still be under way, or the remote may have accepted it
            // and further entries after it.
            _ => unknown(),
        }
    }

    /// Returns the objects that these refs of a remote point to. Names are full, or prefixes ending
    /// in `/*`. Missing refs are left out.
    pub fn ls_remote(&self, remote: &str, names: &[&str]) -> Result<BTreeMap<String, Oid>> {
        let output = self
            .git("ls-remote")
            .args(["--quiet", "--refs", "--end-of-options", remote])
            .args(names)
            .run()?
            .into_stdout()?;
        let is_requested = |name: &str| {
            names
                .iter()
                .any(|requested| match requested.strip_suffix('*') {
                    Some(prefix) => name.starts_with(prefix),
                    // Git also matches a name as the end of longer ones: keep only exact matches.
                    None => name == *requested,
                })
        };
        let mut refs = BTreeMap::new();
        for line in output
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let malformed = || {
                Error::corrupt(
                    "the answer of git ls-remote",
                    "a line is not an id and a name",
                )
            };
            // All requested names are UTF-8, so this line is for another ref.
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            let (id, name) = line.split_once('\t').ok_or_else(malformed)?;
            if is_requested(name) {
                refs.insert(name.to_owned(), id.parse().map_err(|_| malformed())?);
            }
        }
        Ok(refs)
    }
}

/// Returns the flag and the summary of the line that `--porcelain` prints for a ref:
/// `<flag> TAB <from>:<to> TAB <summary> <words>`.
fn parse_push_status<'a>(output: &'a GitOutput, name: &str) -> Option<(u8, &'a [u8])> {
    output.stdout.split(|byte| *byte == b'\n').find_map(|line| {
        let mut parts = line.split(|byte| *byte == b'\t');
        let flag = parts.next()?;
        let destination = parts.next()?.rsplit(|byte| *byte == b':').next()?;
        let words = parts.next().unwrap_or_default();
        let summary = words
            .split_inclusive(|byte| *byte == b']')
            .next()
            .unwrap_or_default();
        if destination == name.as_bytes() {
            Some((*flag.first()?, summary))
        } else {
            None
        }
    })
}

/// Checks whether hooks of ours reported that they cannot tell, and none reported a refusal.
fn is_undecided(messages: &[String]) -> bool {
    let says = |line: &str, decision: Decision| {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        line.strip_prefix(MESSAGE_PREFIX)
            .is_some_and(|words| words.starts_with(decision.word()))
    };
    let has_message = |decision| messages.iter().any(|line| says(line, decision));
    has_message(Decision::CannotTell) && !has_message(Decision::Refused)
}

/// Returns the remote's messages. Git puts `remote: ` before each, in every language.
fn parse_remote_messages(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "));
    lines
        .map(|line| sanitize(line.trim_end()))
        .take(MAX_MESSAGES)
        .collect()
}
