//! The content of the policy's components at commits. Each is computed once.

use crate::domain::id::{CommitId, Content, Digest, Oid};
use crate::domain::name::ComponentName;
use crate::domain::policy::{Coverage, Policy, is_shared};
use crate::domain::time::Time;
use crate::git::content::{ComponentPaths, FileOwnership, FolderOwnership};
use crate::git::error::Result;
use crate::git::repo::Repository;

/// One component of a policy, which classifies the paths of a tree.
pub(super) struct PolicyComponent<'a> {
    policy: &'a Policy,
    name: ComponentName,
    /// Looked up once, because many folders are classified.
    declared: Option<&'a crate::domain::policy::Component>,
}

impl<'a> PolicyComponent<'a> {
    pub fn new(policy: &'a Policy, name: &ComponentName) -> Self {
        Self {
            policy,
            name: name.clone(),
            declared: policy.component(name),
        }
    }
}

impl ComponentPaths for PolicyComponent<'_> {
    fn classify_folder(&self, path: &[u8]) -> FolderOwnership {
        let coverage = self.declared.map_or_else(
            || self.policy.coverage(&self.name, path),
            |declared| declared.coverage(path),
        );
        match coverage {
            Coverage::Whole => FolderOwnership::Whole,
            Coverage::Nothing => FolderOwnership::Outside,
            Coverage::Descend => FolderOwnership::Mixed,
        }
    }

    fn classify_file(&self, path: &[u8]) -> FileOwnership {
        // A shared file alone does not make a component present, even if the component's own paths
        // match it.
        let owns = || {
            self.declared.map_or_else(
                || self.policy.owns(&self.name, path),
                |declared| declared.owns(path),
            )
        };
        match (is_shared(path), owns()) {
            (true, _) => FileOwnership::Shared,
            (false, true) => FileOwnership::Owned,
            (false, false) => FileOwnership::Outside,
        }
    }
}

/// Reads commits of the code.
pub(super) struct CodeReader<'a> {
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
        cache.insert(commit, (read.tree, read.committer_time), 150);
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
        cache.insert(key, content, 250);
        Ok(content)
    }
}

/// Returns a cache key that is the same for two components only if they own the same paths. No
/// pattern contains a newline.
fn paths_key(policy: &Policy, name: &ComponentName) -> String {
    let describe_paths = |component: &crate::domain::policy::Component| match &component.paths {
        None => "whole".to_owned(),
        Some(paths) => format!("paths\n{}", paths.patterns().join("\n")),
    };
    match policy.component(name) {
        Some(component) => describe_paths(component),
        None if *name == ComponentName::rest() && policy.has_rest() => {
            let all: Vec<String> = policy.components.values().map(describe_paths).collect();
            // An empty line separates components, because no pattern is empty.
            format!("rest\n{}", all.join("\n\n"))
        }
        None => "nothing".to_owned(),
    }
}
