//! The remote, which is the database where there is one: fetched, pushed to one ref at a time, asked again after silence.
//!
//! Only exit codes and the flags of `--porcelain` are read. Reasons differ from race to race and from forge to forge; what the ref is
//! afterwards tells the truth.

use std::collections::BTreeMap;

use super::command::Output;
use super::error::{Error, Result, for_people};
use super::refs::is_valid_name;
use super::repo::Repository;
use crate::domain::id::Oid;
use crate::domain::text::harmless;
use crate::domain::verdict::{Decision, MESSAGE_PREFIX};

/// git's word, which its manual names, for a ref of which the remote has not said what became of it. Every other failure is a "no".
const UNANSWERED: &[u8] = b"[remote failure]";

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote's ref is at the pushed commit.
    Accepted {
        /// What the remote said, a line each, harmless to show.
        messages: Vec<String>,
    },
    /// Somebody else moved the remote's ref first: fetch, decide again.
    LostRace {
        /// Where it is now.
        found: Option<Oid>,
    },
    /// The remote said no; its ref is where it was.
    Rejected {
        /// Its reasons, a line each, harmless to show.
        messages: Vec<String>,
        /// Whether it only could not tell: a server with our hooks says so in words of ours.
        doubt: bool,
    },
    /// No answer came, or none that can be relied on. The push may have gone in, and may yet: look again before trying again.
    Unknown {
        /// What git wrote for people, harmless to show.
        messages: Vec<String>,
        /// Whether the remote has been asked for certain, and only its answer is missing.
        sent: bool,
    },
}

impl Repository {
    /// Fetches these refspecs from a remote (a name or an address), and removes what they map to and the remote no longer has, so that a
    /// deleted ledger is seen. No tags, no submodules, nothing else that git's settings would add.
    pub fn fetch(&self, remote: &str, refspecs: &[&str]) -> Result<()> {
        self.git("fetch")
            .args([
                "--quiet",
                "--prune",
                "--no-tags",
                "--no-recurse-submodules",
                "--no-write-fetch-head",
            ])
            // Nothing but the given refspecs: the configured ones would move other refs as well.
            .arg("--refmap=")
            .args(["--end-of-options", remote])
            .args(refspecs)
            .run()?
            .ok()?;
        self.mark_fetch();
        Ok(())
    }

    /// Pushes one commit to one full ref of a remote, without force. `expected` is where the caller last saw that ref (`None`: nowhere).
    ///
    /// The remote compares and swaps: a ref that moved meanwhile is not a fast-forward, or has another old value. Afterwards the ref is
    /// looked up again unless the answer was clear.
    pub fn push_one(
        &self,
        remote: &str,
        local: Oid,
        name: &str,
        expected: Option<Oid>,
    ) -> Result<PushOutcome> {
        self.push(remote, local, name, expected, None)
    }

    /// Pushes one commit to one full ref of a remote over whatever is there, if that is still what the caller last saw (`None`: nothing).
    pub fn push_over(
        &self,
        remote: &str,
        local: Oid,
        name: &str,
        expected: Option<Oid>,
    ) -> Result<PushOutcome> {
        let seen = expected.map_or_else(String::new, |seen| seen.to_string());
        self.push(
            remote,
            local,
            name,
            expected,
            Some(format!("--force-with-lease={name}:{seen}")),
        )
    }

    fn push(
        &self,
        remote: &str,
        local: Oid,
        name: &str,
        expected: Option<Oid>,
        force: Option<String>,
    ) -> Result<PushOutcome> {
        if !is_valid_name(name) {
            return Err(Error::Ref {
                name: name.to_owned(),
                why: "git allows no such name",
            });
        }
        if self.config_bool(&format!("remote.{remote}.mirror"))? == Some(true) {
            return Err(Error::Mirror(remote.to_owned()));
        }
        let output = self
            .git("push")
            // Our hook would ask about a push that it is itself part of; others' hooks are about code.
            .args(["--porcelain", "--no-verify", "--no-follow-tags"])
            // A ledger's tree holds commits as submodules do; git must not look for them.
            .arg("--no-recurse-submodules")
            .args(force)
            .args(["--end-of-options", remote, &format!("{local}:{name}")])
            .run()?;
        let messages = remote_lines(&output.stderr);
        match answer(&output, name) {
            // A new ref, a fast-forward, a forced one, or there already.
            Some((b'*' | b' ' | b'+' | b'=', _)) if output.success() => {
                return Ok(PushOutcome::Accepted { messages });
            }
            _ => {}
        }
        let (refused, unanswered) = match answer(&output, name) {
            Some((b'!', summary)) => (summary != UNANSWERED, summary == UNANSWERED),
            _ => (false, false),
        };
        let said = || {
            for_people(&output.stderr)
                .lines()
                .map(str::to_owned)
                .collect()
        };
        let unknown = || PushOutcome::Unknown {
            messages: said(),
            sent: unanswered,
        };
        let Ok(now) = self.ls_remote(remote, &[name]) else {
            return Ok(unknown());
        };
        Ok(match now.get(name).copied() {
            Some(found) if found == local => PushOutcome::Accepted { messages },
            found if refused && found != expected => PushOutcome::LostRace { found },
            _ if refused => PushOutcome::Rejected {
                doubt: is_doubt(&messages),
                messages,
            },
            // Without an answer the push may still be under way, or be in and have others on top.
            _ => unknown(),
        })
    }

    /// Where these refs of a remote are: full names, or prefixes that end in `/*`. What is not there is left out.
    pub fn ls_remote(&self, remote: &str, names: &[&str]) -> Result<BTreeMap<String, Oid>> {
        let output = self
            .git("ls-remote")
            .args(["--quiet", "--refs", "--end-of-options", remote])
            .args(names)
            .run()?
            .ok()?;
        let wanted = |name: &str| {
            names.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                // git takes a name for the end of one: only the ref that was asked for counts.
                None => name == *wanted,
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
            // A name that is not UTF-8 is none that was asked for.
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            let (id, name) = line.split_once('\t').ok_or_else(malformed)?;
            if wanted(name) {
                refs.insert(name.to_owned(), id.parse().map_err(|_| malformed())?);
            }
        }
        Ok(refs)
    }
}

/// The flag and the summary of the line that `--porcelain` prints for a ref: `<flag> TAB <from>:<to> TAB <summary> <words>`.
fn answer<'a>(output: &'a Output, name: &str) -> Option<(u8, &'a [u8])> {
    output.stdout.split(|byte| *byte == b'\n').find_map(|line| {
        let mut parts = line.split(|byte| *byte == b'\t');
        let flag = parts.next()?;
        let to = parts.next()?.rsplit(|byte| *byte == b':').next()?;
        let words = parts.next().unwrap_or_default();
        let summary = words
            .split_inclusive(|byte| *byte == b']')
            .next()
            .unwrap_or_default();
        if to == name.as_bytes() {
            Some((*flag.first()?, summary))
        } else {
            None
        }
    })
}

/// Whether hooks of ours said that they cannot tell, and none that the rules say no.
fn is_doubt(messages: &[String]) -> bool {
    let says = |line: &str, decision: Decision| {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        line.strip_prefix(MESSAGE_PREFIX)
            .is_some_and(|words| words.starts_with(decision.word()))
    };
    let any = |decision| messages.iter().any(|line| says(line, decision));
    any(Decision::CannotTell) && !any(Decision::Refused)
}

/// What the remote said: git sets `remote: ` before it, in every language.
fn remote_lines(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "));
    lines
        .map(|line| harmless(line.trim_end()))
        .take(1_000)
        .collect()
}
