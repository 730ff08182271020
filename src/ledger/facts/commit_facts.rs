//! Facts from the history of the code: how commits lie to each other and to the environment's branch, and who wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::needs::Ask;
use super::{Branches, Gatherer, words};
use crate::domain::id::{CommitId, Oid};
use crate::domain::policy::{BranchName, DeployOn};
use crate::domain::rules::{Facts, Known};
use crate::git::error::{Error, Result};

impl Gatherer<'_> {
    /// Looks up whether a commit contains another, once.
    pub(super) fn contains(&self, commit: CommitId, base: CommitId, facts: &mut Facts) {
        let known = || {
            self.repository
                .is_ancestor(base.0, commit.0)
                .map_err(|error| words(&error))
        };
        facts.contains.entry((commit, base)).or_insert_with(known);
    }

    /// Whether each commit contains what runs.
    pub(super) fn direction(&self, ask: &Ask<'_>, facts: &mut Facts) {
        for it in &ask.moves {
            if let Some(from) = it.from {
                self.contains(it.commit, from, facts);
            }
        }
    }

    /// The tip of the environment's branch, and how the commits lie to it.
    pub(super) fn branch(&self, ask: &Ask<'_>, facts: &mut Facts) {
        let Some((_, rules)) = &ask.place else { return };
        let Some(branch) = &rules.branch else { return };
        let tip = match &self.branches {
            Branches::AsEntered => Ok(ask.named_tip.or(ask.step.and_then(|(_, old)| old))),
            Branches::Local => self.branch_tip(branch, None),
            Branches::Remote(remote) => self.branch_tip(branch, Some(remote)),
        };
        // The entry names a tip, too, and an audit knows no other.
        let tips: BTreeSet<CommitId> = tip
            .as_ref()
            .ok()
            .copied()
            .flatten()
            .into_iter()
            .chain(ask.named_tip)
            .collect();
        for it in &ask.moves {
            for tip in &tips {
                if rules.up_to_date {
                    self.contains(it.commit, *tip, facts);
                }
                if rules.deploy_on == DeployOn::Merge {
                    self.contains(*tip, it.commit, facts);
                }
            }
        }
        facts.branch_tip = Some(tip);
    }

    fn branch_tip(&self, branch: &BranchName, remote: Option<&str>) -> Known<Option<CommitId>> {
        let remote = remote.map(|remote| format!("refs/remotes/{remote}/{branch}"));
        let read = || {
            for name in remote.into_iter().chain([branch.reference()]) {
                if let Some(id) = self.repository.read_ref(&name)? {
                    let commit = self.repository.peel_to_commit(id)?;
                    let commit = commit
                        .ok_or_else(|| Error::corrupt(name.clone(), "it leads to no commit"))?;
                    return Ok(Some(CommitId(commit)));
                }
            }
            Ok(None)
        };
        read().map_err(|error: Error| words(&error))
    }

    /// The addresses of everyone who had a hand in the commits that are newly brought in, in ASCII lower case.
    ///
    /// A component brings in all that lies between what it runs and its commit, also what another component runs already: its own part
    /// of that is new to it. Where nothing of it runs, all of history is new, and whoever made the commit itself stands for it: who wrote
    /// the newest of it must not let it in alone.
    pub(super) fn authors(&self, ask: &Ask<'_>) -> Result<BTreeSet<String>> {
        let changed = || ask.moves.iter().filter(|it| it.changed);
        let steps = changed().filter_map(|it| Some((it.commit, it.from?)));
        // Many components go to one commit, each from its own.
        let mut olds: BTreeMap<CommitId, BTreeSet<Oid>> = BTreeMap::new();
        for (new, old) in steps {
            olds.entry(new).or_default().insert(old.0);
        }
        let mut commits: BTreeSet<Oid> = changed()
            .filter(|it| it.from.is_none())
            .map(|it| it.commit.0)
            .collect();
        for (new, old) in olds {
            let old: Vec<Oid> = old.into_iter().collect();
            commits.extend(self.repository.commits_missing_from(
                new.0,
                &old,
                self.authors_limit,
            )?);
            if commits.len() > self.authors_limit {
                let what = "the number of commits that are newly brought in".to_owned();
                return Err(Error::LimitExceeded {
                    what,
                    limit: self.authors_limit as u64,
                });
            }
        }
        let mut found = BTreeSet::new();
        for id in commits {
            for address in self.people(id)?.iter() {
                if !found.contains(&**address) {
                    found.insert(address.to_string());
                }
            }
        }
        Ok(found)
    }

    /// The addresses of everyone who had a hand in a commit.
    fn people(&self, id: Oid) -> Result<Arc<[Arc<str>]>> {
        let memory = &self.repository.ledger_cache().people;
        if let Some(known) = memory.get(&id) {
            return Ok(known);
        }
        let commit = self.repository.read_commit(id)?;
        let mut found: BTreeSet<String> = addresses(commit.author()).into_iter().collect();
        found.extend(addresses(commit.committer()));
        for line in commit.message().split(|byte| *byte == b'\n') {
            found.extend(co_author(line).into_iter().flat_map(addresses));
        }
        let weight = found
            .iter()
            .map(|address| address.len() + 50)
            .sum::<usize>()
            + 100;
        let found: Arc<[Arc<str>]> = found.into_iter().map(Arc::from).collect();
        memory.insert(id, Arc::clone(&found), weight);
        Ok(found)
    }
}

/// What follows `Co-authored-by:`, anywhere in a message: leaving one out would let an author approve.
fn co_author(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"co-authored-by";
    let line = line.trim_ascii_start();
    let (key, rest) = line.split_at_checked(KEY.len())?;
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    key.eq_ignore_ascii_case(KEY).then_some(value)
}

/// Every address in `name <address> …`: with brackets inside a name there are several readings, and each counts.
fn addresses(ident: &[u8]) -> Vec<String> {
    let opened = ident.split(|byte| *byte == b'<').skip(1);
    let closed = opened.filter_map(|rest| rest.split(|byte| *byte == b'>').next());
    let found: Vec<String> = closed
        .map(address)
        .filter(|address| !address.is_empty())
        .collect();
    if found.is_empty() && ident.contains(&b'@') {
        vec![address(ident)]
    } else {
        found
    }
}

fn address(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).to_ascii_lowercase()
}
