//! The authors of the commits that a deployment newly brings to its components. They must not approve
//! it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::FactGatherer;
use super::needs::{FactPlan, FactTarget};
use crate::domain::id::{CommitId, Oid};
use crate::domain::policy::Policy;
use crate::domain::rules::{AuthoredCommit, Facts};
use crate::git::changed_components::ChangeFinder;
use crate::git::error::{Error, Result};
use crate::git::{Commit, MAX_GIVEN};

/// Lists the other commits at which the content of a change was deployed to the previous
/// environments.
fn list_earlier_commits<'f>(
    change: &'f FactTarget,
    facts: &'f Facts,
) -> impl Iterator<Item = CommitId> + 'f {
    let key = (change.commit, change.component.clone());
    let content = facts.contents.get(&key).cloned();
    let content = content.and_then(|content| content.ok().flatten());
    let logs = facts
        .previous_log
        .iter()
        .filter(|((_, component, commit), _)| {
            (component, *commit) == (&change.component, change.commit)
        });
    let results = logs
        .filter_map(|(_, log)| log.as_ref().ok())
        .flatten()
        .filter_map(|entry| entry.statement.component_result(&change.component));
    results
        .map(|result| result.target)
        .filter(move |target| content.is_some() && target.content == content)
        .map(|target| target.commit)
        .filter(|commit| *commit != change.commit)
}

/// The most bytes of the names and addresses of one commit's author, committer and co-authors.
const PEOPLE_LIMIT: usize = 256 << 10;
/// The most bytes of the addresses of all authors of a deployment.
const ADDRESSES_LIMIT: usize = 16 << 20;

/// The longest subject in a message that names a commit, in characters.
const SUBJECT_LENGTH: usize = 60;
/// The most commits that are searched for the one that gave a component its content.
const ORIGIN_LIMIT: usize = 10_000;

/// For each parent of a commit, which components differ from it.
type DifferencesByParent = Rc<[(Option<Oid>, Vec<bool>)]>;

/// A search for the authors of the commits that touch the components of a deployment.
struct AuthorSearch<'s> {
    gatherer: &'s FactGatherer<'s>,
    policy: &'s Policy,
    finder: ChangeFinder<'s>,
    /// The authors found so far, by address, each with the commit that was found first.
    authors: BTreeMap<String, AuthoredCommit>,
    /// The size of their addresses, in bytes.
    size: usize,
    /// How many commits were examined.
    examined: usize,
    differences: HashMap<Oid, DifferencesByParent>,
}

impl FactGatherer<'_> {
    /// Returns the e-mail addresses, in ASCII lower case, of the authors, committers and co-authors
    /// of the newly deployed commits that touch the component, each with one of these commits.
    ///
    /// For each component, these are the commits between its running commit and the new one, even
    /// if another component already runs them, that differ in the component from any of their parents.
    /// A merge can bring back an old content, so one parent with the same content is not enough. If a
    /// component does not run yet, only the commit that gave it its content counts instead of all
    /// history, so that at least its author cannot approve it alone. The authors of each other commit
    /// at which the content was deployed to a previous environment count in the same way, so that a
    /// squash by another person does not hide them. A component that the policy does not have has no
    /// content in any commit, and so no author.
    pub(super) fn read_authors(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &Facts,
    ) -> Result<BTreeMap<String, AuthoredCommit>> {
        let mut search = AuthorSearch {
            gatherer: self,
            policy,
            finder: ChangeFinder::new(self.repository, policy),
            authors: BTreeMap::new(),
            size: 0,
            examined: 0,
            differences: HashMap::new(),
        };
        // Several components may change to one commit from different ones.
        let mut running: BTreeMap<Oid, BTreeMap<Oid, Vec<usize>>> = BTreeMap::new();
        for change in plan.changes.iter().filter(|it| it.changes_content) {
            let name = policy.current_name(&change.component);
            let Ok(component) = search.finder.components().binary_search(name) else {
                continue;
            };
            for commit in list_earlier_commits(change, facts).chain([change.commit]) {
                match change.from {
                    None => search.add_origin(commit.0, component)?,
                    Some(from) => running
                        .entry(commit.0)
                        .or_default()
                        .entry(from.0)
                        .or_default()
                        .push(component),
                }
            }
        }
        for (new, by_old) in running {
            let by_old: Vec<(Oid, Vec<usize>)> = by_old.into_iter().collect();
            for by_old in by_old.chunks(MAX_GIVEN) {
                search.add_between(new, by_old)?;
            }
        }
        Ok(search.authors)
    }

    /// Returns the addresses of the author, committer and co-authors of a commit.
    fn read_addresses(&self, id: Oid) -> Result<Arc<[Arc<str>]>> {
        let cache = &self.repository.ledger_cache().people;
        if let Some(cached) = cache.get(&id) {
            return Ok(cached);
        }
        let commit = self.repository.read_commit(id)?;
        let lines = commit.message().split(|byte| *byte == b'\n');
        let people = [commit.author(), commit.committer()]
            .into_iter()
            .chain(lines.filter_map(parse_co_author));
        let (mut addresses, mut size) = (BTreeSet::new(), 0);
        for ident in people {
            // Checked before anything is copied: a set of short addresses takes many times the
            // memory of the commit.
            size += ident.len();
            if size > PEOPLE_LIMIT {
                return Err(Error::limit_exceeded(
                    format!("the size of the authors and co-authors of commit {id}"),
                    PEOPLE_LIMIT,
                ));
            }
            addresses.extend(parse_addresses(ident));
        }
        // The memory that the cache entry takes, in bytes, with an estimate for the allocations.
        let weight = addresses
            .iter()
            .map(|address| address.len() + 50)
            .sum::<usize>()
            + 100;
        let addresses: Arc<[Arc<str>]> = addresses.into_iter().map(Arc::from).collect();
        cache.insert(id, Arc::clone(&addresses), weight);
        Ok(addresses)
    }
}

impl AuthorSearch<'_> {
    /// Adds the authors of the commits between each of the running commits and the new one that touch
    /// the components that run there.
    fn add_between(&mut self, new: Oid, by_old: &[(Oid, Vec<usize>)]) -> Result<()> {
        let old: Vec<Oid> = by_old.iter().map(|(old, _)| *old).collect();
        let (repository, limit) = (self.gatherer.repository, self.gatherer.new_commits_limit);
        let missing = repository.commits_missing_from_each(new, &old, limit)?;
        self.examined += missing.len();
        if self.examined > limit {
            return Err(Error::limit_exceeded(
                "the number of commits that are newly brought in",
                limit,
            ));
        }
        for (id, missing_from) in missing {
            let addresses = self.gatherer.read_addresses(id)?;
            // The commit is compared with its parents only if that can matter.
            if addresses.iter().all(|it| self.authors.contains_key(&**it)) {
                continue;
            }
            let components: BTreeSet<usize> = by_old
                .iter()
                .enumerate()
                .filter(|(index, _)| missing_from & (1 << index) != 0)
                .flat_map(|(_, (_, components))| components.iter().copied())
                .collect();
            let touches_any = |differs: &Vec<bool>| {
                let mut components = components.iter();
                components.any(|component| differs.get(*component).copied().unwrap_or(true))
            };
            let mut by_parent = self.finder.find_by_parent(id)?.into_iter();
            if by_parent.any(|(_, differs)| touches_any(&differs)) {
                self.add_authors(id)?;
            }
        }
        Ok(())
    }

    /// Adds the authors of the commit that gave a component the content that it has in this commit.
    fn add_origin(&mut self, commit: Oid, component: usize) -> Result<()> {
        let mut id = commit;
        for _ in 0..ORIGIN_LIMIT {
            match self.find_same_parent(id, component) {
                Ok(Some(parent)) => id = parent,
                // The parents of a commit at the boundary of a shallow clone are unknown.
                Ok(None) | Err(Error::Shallow | Error::Missing(_)) => return self.add_authors(id),
                Err(error) => return Err(error),
            }
        }
        self.add_authors(id)?;
        self.add_authors(commit)
    }

    /// Returns the first parent in which a component is the same as in this commit.
    fn find_same_parent(&mut self, id: Oid, component: usize) -> Result<Option<Oid>> {
        let by_parent = if let Some(cached) = self.differences.get(&id) {
            Rc::clone(cached)
        } else {
            let by_parent: DifferencesByParent = self.finder.find_by_parent(id)?.into();
            self.differences.insert(id, Rc::clone(&by_parent));
            by_parent
        };
        let mut same = by_parent
            .iter()
            .filter(|(_, differs)| differs.get(component) == Some(&false));
        Ok(same.next().and_then(|(parent, _)| *parent))
    }

    /// Adds the authors of a commit.
    fn add_authors(&mut self, id: Oid) -> Result<()> {
        let addresses = self.gatherer.read_addresses(id)?;
        let is_new = |address: &&Arc<str>| !self.authors.contains_key(&***address);
        let new: Vec<String> = addresses
            .iter()
            .filter(is_new)
            .map(ToString::to_string)
            .collect();
        let is_person =
            |address: &String| self.policy.person_of_email(address.as_bytes()).is_some();
        let subject = if new.iter().any(is_person) {
            read_short_subject(&self.gatherer.repository.read_commit(id)?)
        } else {
            String::new()
        };
        for address in new {
            self.size += address.len();
            let commit = CommitId(id);
            let subject = subject.clone();
            let authored = AuthoredCommit { commit, subject };
            self.authors.insert(address, authored);
        }
        if self.size > ADDRESSES_LIMIT {
            return Err(Error::limit_exceeded(
                "the size of the addresses of the authors of the new commits",
                ADDRESSES_LIMIT,
            ));
        }
        Ok(())
    }
}

/// Returns the subject of a commit, cut to a length that suits a message.
fn read_short_subject(commit: &Commit) -> String {
    let subject = commit.subject().unwrap_or_default();
    if subject.chars().count() <= SUBJECT_LENGTH {
        return subject;
    }
    let cut: String = subject.chars().take(SUBJECT_LENGTH - 1).collect();
    format!("{}…", cut.trim_end())
}

/// Returns the value of a `Co-authored-by:` line. Such lines count anywhere in a message: a missed
/// co-author could approve their own work.
fn parse_co_author(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"co-authored-by";
    let line = line.trim_ascii_start();
    let (key, rest) = line.split_at_checked(KEY.len())?;
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    key.eq_ignore_ascii_case(KEY).then_some(value)
}

/// Returns every address in `name <address> …`. Brackets inside a name allow several readings, and
/// each counts.
fn parse_addresses(ident: &[u8]) -> Vec<String> {
    let opened = ident.split(|byte| *byte == b'<').skip(1);
    let closed = opened.filter_map(|rest| rest.split(|byte| *byte == b'>').next());
    let addresses: Vec<String> = closed
        .map(normalize_address)
        .filter(|address| !address.is_empty())
        .collect();
    if addresses.is_empty() && ident.contains(&b'@') {
        vec![normalize_address(ident)]
    } else {
        addresses
    }
}

fn normalize_address(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).to_ascii_lowercase()
}
