//! The content of the policy's components at commits. Each is computed once.

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

/// One component of a policy. It classifies the paths of a tree for a tree walk.
pub struct PolicyComponent<'a> {
    policy: &'a Policy,
    name: ComponentName,
}

impl<'a> PolicyComponent<'a> {
    /// Returns the component with this name, declared or `rest`.
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

/// The parts of a code commit that facts need.
#[derive(Debug, Clone, Copy)]
pub struct CodeCommit {
    pub tree: Oid,
    /// The committer's time.
    pub time: Time,
}

/// Reads commits of the code.
pub struct CodeReader<'a> {
    repository: &'a Repository,
}

impl<'a> CodeReader<'a> {
    pub fn new(repository: &'a Repository) -> Self {
        Self { repository }
    }

    /// Reads a commit of the code.
    pub fn commit(&self, commit: CommitId) -> Result<CodeCommit> {
        let cache = &self.repository.ledger_cache().code_commits;
        if let Some(cached) = cache.get(&commit) {
            return Ok(cached);
        }
        let read = self.repository.read_commit(commit.0)?;
        let code_commit = CodeCommit {
            tree: read.tree,
            time: read.committer_time,
        };
        cache.insert(commit, code_commit, CACHED_COMMIT_BYTES);
        Ok(code_commit)
    }

    /// Returns the content of a component at a commit; `None` if the component is absent there.
    pub fn content(
        &self,
        policy: &Policy,
        commit: CommitId,
        name: &ComponentName,
    ) -> Result<Option<Content>> {
        let key = (
            self.commit(commit)?.tree,
            Digest::sha256(paths_key(policy, name).as_bytes()),
        );
        let cache = &self.repository.ledger_cache().contents;
        if let Some(cached) = cache.get(&key) {
            return Ok(cached);
        }
        let content = self
            .repository
            .compute_content(key.0, &PolicyComponent::new(policy, name))?;
        cache.insert(key, content, CACHED_CONTENT_BYTES);
        Ok(content)
    }
}

/// Returns a text that is the same for two components only if they own the same paths. No pattern
/// contains a newline.
fn paths_key(policy: &Policy, name: &ComponentName) -> String {
    let join = |paths: &Paths| paths.patterns().join("\n");
    let paths_of = |component: &Component| match &component.paths {
        None => "whole".to_owned(),
        Some(paths) => format!("paths\n{}", join(paths)),
    };
    let own = match policy.component(name) {
        Some(component) => paths_of(component),
        None if *name == ComponentName::rest() && policy.has_rest() => {
            let declared: Vec<String> = policy.components.values().map(paths_of).collect();
            // An empty line separates the components, since no pattern is empty.
            format!("rest\n{}", declared.join("\n\n"))
        }
        None => "nothing".to_owned(),
    };
    let shared = policy.shared.as_ref().map(join).unwrap_or_default();
    format!("{shared}\n\n{own}")
}
