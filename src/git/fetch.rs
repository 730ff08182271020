//! Fetches from a remote. A ref that is broken, here or there, stops only what needs it: git itself
//! stops at it.

use std::collections::BTreeMap;

use super::error::{Error, Result};
use super::refs::is_valid_ref_name;
use super::repo::Repository;
use crate::domain::id::Oid;

/// How git tells the remote in a fetch what this clone has already. With its default algorithm, git
/// first offers the newest commits, which are those of the ledgers, and says nothing about branches
/// that have not moved. The remote then sends all code again that is newer than the last deployment.
const NEGOTIATION: &str = "fetch.negotiationAlgorithm=skipping";

/// The most refs of a remote with missing objects that are left out: it names one at a time.
const MAX_MISSING_OBJECTS: usize = 10;

/// Who removes refs here that the remote no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pruning {
    /// Git, as part of the fetch.
    ByGit,
    /// They are removed already.
    Done,
}

impl Repository {
    /// Fetches refspecs from a remote (a name or an address). Also removes local targets that the
    /// remote no longer has, so that a deleted ledger is noticed. Fetches no tags, submodules or
    /// anything else that git's settings would add.
    ///
    /// Leaves out refs that are broken here or on the remote. Returns those of the remote.
    ///
    /// # Errors
    /// Fails and removes nothing if the answer lists no refs at all, although an earlier fetch found
    /// some. With git's dumb HTTP protocol, the page of a proxy looks like an empty repository.
    pub fn fetch(&self, remote: &str, refspecs: &[&str]) -> Result<Vec<String>> {
        let Some(known) = self.find_fetched_ref(refspecs)? else {
            return self.fetch_refs(remote, refspecs);
        };
        // Git removes nothing if the remote lacks a ref that is named in full.
        let with_known = [refspecs, &[known.as_str()]].concat();
        let failure = match self.fetch_refs(remote, &with_known) {
            // Git exits with 1 if it could not move a ref here, and with 128 for other failures.
            Err(failure) if !matches!(failure, Error::CommandFailed { code: Some(1), .. }) => {
                failure
            }
            result => return result,
        };
        match self.ls_remote(remote, &["refs/*"]) {
            Err(_) => Err(failure),
            Ok(refs) if refs.is_empty() => Err(Error::NoRefs),
            // The first answer was incomplete.
            Ok(refs) if refs.contains_key(&known) => self.fetch_refs(remote, &with_known),
            Ok(_) => self.fetch_refs(remote, refspecs),
        }
    }

    /// Returns the remote's name of a ref that an earlier fetch of these refspecs found; the first
    /// refspec that has one decides.
    fn find_fetched_ref(&self, refspecs: &[&str]) -> Result<Option<String>> {
        for refspec in refspecs {
            let patterns = refspec.trim_start_matches('+').split_once(':');
            let Some((source, target)) = patterns.and_then(|(source, target)| {
                source.strip_suffix('*').zip(target.strip_suffix('*'))
            }) else {
                continue;
            };
            // The target can end in the beginning of a name.
            let folder = target.rfind('/').and_then(|end| target.get(..=end));
            let listed = self.list_all_refs(folder.unwrap_or(target))?;
            let names = listed.iter().filter_map(|listed| {
                let name = listed.name.strip_prefix(target)?;
                // Git itself adds a symbolic ref, the remote's default branch.
                listed.target.is_ok().then_some(name)
            });
            if let Some(name) = names.min() {
                return Ok(Some(format!("{source}{name}")));
            }
        }
        Ok(None)
    }

    /// Fetches refspecs. If that fails because refs are broken, here or on the remote, leaves them
    /// alone and fetches the others. Returns those of the remote.
    fn fetch_refs(&self, remote: &str, refspecs: &[&str]) -> Result<Vec<String>> {
        self.store_empty_tree()?;
        let mut failure = match self.run_fetch(remote, refspecs, &[], &[], Pruning::ByGit) {
            Err(failure @ Error::CommandFailed { .. }) => failure,
            result => return result.map(|()| Vec::new()),
        };
        self.require_valid_packed_refs()?;
        let here = self.find_broken_refs();
        let listed = self.ls_remote(remote, &["refs/*"]).unwrap_or_default();
        let mut there: Vec<String> = Vec::new();
        for attempt in 0..MAX_MISSING_OBJECTS {
            let is_new = |(name, id): &(&String, &Oid)| {
                !there.contains(*name) && self.is_broken_there(**id, &failure)
            };
            let new = listed.iter().filter(is_new);
            let new: Vec<String> = new.map(|(name, _)| name.clone()).collect();
            if new.is_empty() && (attempt > 0 || here.is_empty()) {
                break;
            }
            there.extend(new);
            // Git stops before it fetches if it cannot remove what the remote lacks.
            let pruning = if self.prune(refspecs, &listed) {
                Pruning::Done
            } else {
                Pruning::ByGit
            };
            failure = match self.run_fetch(remote, refspecs, &here, &there, pruning) {
                Err(failure @ Error::CommandFailed { .. }) => failure,
                result => return result.map(|()| there),
            };
        }
        Err(failure)
    }

    /// Checks whether the remote lists this id for a ref that is broken there: zeros for a malformed
    /// file, and for a missing object an id that its refusal names, in any language.
    fn is_broken_there(&self, id: Oid, refusal: &Error) -> bool {
        let is_refused = matches!(refusal, Error::CommandFailed { stderr, .. } if stderr.contains(&id.to_string()));
        id.is_zero() || (is_refused && !self.exists(id))
    }

    /// Lists the refs here that make git stop: their names are not allowed, their files are malformed,
    /// or the objects that they point to are missing.
    fn find_broken_refs(&self) -> Vec<String> {
        let refs = self.list_all_refs("refs/").unwrap_or_default();
        let broken = refs.into_iter().filter(|listed| match &listed.target {
            Ok(id) => !self.exists(*id),
            Err(_) => true,
        });
        let misnamed = self.find_misnamed_refs().into_iter();
        let misnamed = misnamed.filter_map(|error| match error {
            Error::BrokenRef { name, .. } => Some(name),
            _ => None,
        });
        broken
            .map(|listed| listed.name)
            .chain(misnamed)
            .map(|name| find_hidden_part(&name).to_owned())
            .collect()
    }

    /// Removes the targets of refspecs that the remote does not list, as git does, if git cannot: it
    /// stops at a file there with a name that it does not allow. Returns whether that was done.
    fn prune(&self, refspecs: &[&str], listed: &BTreeMap<String, Oid>) -> bool {
        let misnamed = self.find_misnamed_refs();
        let is_blocking = |name: &str| find_source(refspecs, name).is_some();
        let blocks =
            |error: &Error| matches!(error, Error::BrokenRef { name, .. } if is_blocking(name));
        // A remote without refs is not one that has answered.
        if listed.is_empty() || !misnamed.iter().any(blocks) {
            return false;
        }
        for present in self.list_all_refs("refs/").unwrap_or_default() {
            let source = find_source(refspecs, &present.name);
            if present.target.is_ok() && source.is_some_and(|it| !listed.contains_key(&it)) {
                // If this fails, the ref stays until the next fetch.
                let _ = self
                    .git("update-ref")
                    .args(["--no-deref", "-d", &present.name])
                    .run();
            }
        }
        true
    }

    /// Runs `git fetch` once, without the refs that are broken here or on the remote.
    fn run_fetch(
        &self,
        remote: &str,
        refspecs: &[&str],
        here: &[String],
        there: &[String],
        pruning: Pruning,
    ) -> Result<()> {
        // Otherwise git stops at the first ref whose object it cannot read.
        let hidden = here.iter().map(|name| format!("fetch.hideRefs={name}"));
        let settings: Vec<String> = std::iter::once(NEGOTIATION.to_owned())
            .chain(hidden)
            .collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let sources = here
            .iter()
            .filter(|name| is_valid_ref_name(name))
            .filter_map(|name| find_source(refspecs, name))
            .chain(there.iter().cloned());
        let excluded = sources.map(|name| format!("^{name}"));
        self.git_with_settings(&settings, "fetch")
            .args([
                "--quiet",
                match pruning {
                    Pruning::ByGit => "--prune",
                    Pruning::Done => "--no-prune",
                },
                "--no-tags",
                "--no-recurse-submodules",
                "--no-write-fetch-head",
            ])
            // Only the given refspecs: the configured ones would move other refs as well.
            .arg("--refmap=")
            .args(["--end-of-options", remote])
            .args(refspecs)
            .args(excluded)
            .run()?
            .into_stdout()?;
        Ok(())
    }
}

/// Returns the part of a ref's name to hide from git: the folder of a name that is not UTF-8.
fn find_hidden_part(name: &str) -> &str {
    let end = name.find(char::REPLACEMENT_CHARACTER);
    let folder = end.and_then(|end| name.get(..end)?.rsplit_once('/'));
    folder.map_or(name, |(folder, _)| folder)
}

/// Returns the remote's ref that these refspecs fetch to `target`.
fn find_source(refspecs: &[&str], target: &str) -> Option<String> {
    refspecs.iter().find_map(|refspec| {
        let (source, pattern) = refspec.trim_start_matches('+').split_once(':')?;
        let rest = target.strip_prefix(pattern.strip_suffix('*')?)?;
        Some(format!("{}{rest}", source.strip_suffix('*')?))
    })
}
