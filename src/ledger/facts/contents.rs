//! The content of the policy's components at commits. Each is computed once.

use super::FactGatherer;
use crate::domain::id::{CommitId, Content, Digest, Oid};
use crate::domain::name::ComponentName;
use crate::domain::policy::{Component, Coverage, FileOwnership, Paths, Policy};
use crate::domain::time::Time;
use crate::git::content::ComponentPaths;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// The memory that a cached code commit takes, in bytes.
const CACHED_COMMIT_BYTES: usize = 150;
/// The memory that the cached content of a component takes, in bytes.
const CACHED_CONTENT_BYTES: usize = 250;

/// One component of a policy; tells a tree walk which paths belong to it.
pub struct PolicyComponent<'a> {
    policy: &'a Policy,
    name: ComponentName,
}

impl<'a> PolicyComponent<'a> {
    /// Names a component of a policy, declared or `rest`.
    pub fn new(policy: &'a Policy, name: &ComponentName) -> Self {
        Self {
            policy,
            name: name.clone(),
        }
    }
}

impl ComponentPaths for PolicyComponent<'_> {
    fn classify_folder(&self, path: &[u8]) -> Coverage {
        self.policy.coverage(&self.name, path)
    }

    fn classify_file(&self, path: &[u8], is_link: bool) -> FileOwnership {
        self.policy.file_ownership(&self.name, path, is_link)
    }
}

/// Reads commits of the code.
pub struct CodeReader<'a> {
    repository: &'a Repository,
}

impl<'a> CodeReader<'a> {
    pub fn new(repository: &'a Repository) -> Self {
        Self { repository }
    }

    /// Returns the tree and the committer's time of a commit.
    pub fn commit(&self, commit: CommitId) -> Result<(Oid, Time)> {
        let cache = &self.repository.ledger_cache().code_commits;
        if let Some(known) = cache.get(&commit) {
            return Ok(known);
        }
        let read = self.repository.read_commit(commit.0)?;
        cache.insert(
            commit,
            (read.tree, read.committer_time),
            CACHED_COMMIT_BYTES,
        );
        Ok((read.tree, read.committer_time))
    }

    /// Returns the content of a component at a commit; `None` if the component is absent there.
    pub fn content(
        &self,
        policy: &Policy,
        commit: CommitId,
        name: &ComponentName,
    ) -> Result<Option<Content>> {
        let key = (
            self.commit(commit)?.0,
            Digest::sha256(paths_key(policy, name).as_bytes()),
        );
        let cache = &self.repository.ledger_cache().contents;
        if let Some(known) = cache.get(&key) {
            return Ok(known);
        }
        let content = self
            .repository
            .compute_content(key.0, &PolicyComponent::new(policy, name))?;
        cache.insert(key, content, CACHED_CONTENT_BYTES);
        Ok(content)
    }
}

impl FactGatherer<'_> {
    /// Returns the content of a component at a commit; `None` if the component is absent there.
    pub fn content(
        &self,
        policy: &Policy,
        commit: CommitId,
        component: &ComponentName,
    ) -> Result<Option<Content>> {
        self.code.content(policy, commit, component)
    }

    /// Returns the content of a component at the first parent of a commit; `None` if the component
    /// is absent there, or the commit has no parent.
    pub fn parent_content(
        &self,
        policy: &Policy,
        commit: CommitId,
        component: &ComponentName,
    ) -> Result<Option<Content>> {
        let parents = self.repository.read_commit(commit.0)?.parents;
        match parents.first() {
            Some(parent) => self.content(policy, CommitId(*parent), component),
            None => Ok(None),
        }
    }
}

/// Returns a text that is the same for two components only if they own the same paths. No pattern
/// contains a newline.
fn paths_key(policy: &Policy, name: &ComponentName) -> String {
    let join = |paths: &Paths| paths.patterns().join("\n");
    let written = |component: &Component| match &component.paths {
        None => "whole".to_owned(),
        Some(paths) => format!("paths\n{}", join(paths)),
    };
    let own = match policy.component(name) {
        Some(component) => written(component),
        None if *name == ComponentName::rest() && policy.has_rest() => {
            let all: Vec<String> = policy.components.values().map(written).collect();
            // An empty line separates the components, since no pattern is empty.
            format!("rest\n{}", all.join("\n\n"))
        }
        None => "nothing".to_owned(),
    };
    let shared = policy.shared.as_ref().map(join).unwrap_or_default();
    format!("{shared}\n\n{own}")
}
