//! Reads the tags that give a component's versions, and the commits since one of them.

use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::next_version::{ChangeCounts, NewestVersions, TaggedVersion};
use crate::domain::policy::{
    Environment, Policy, VersionRule, VersionScheme, VersionSource, VersionTagPattern,
};
use crate::git;
use crate::ledger::facts::PathCommits;

/// The most commits since a release that are counted.
const MAX_COMMITS: usize = 10_000;

/// Where the versions of a component come from.
pub(super) struct VersionTags<'a> {
    workspace: &'a Workspace,
    component: &'a ComponentName,
    pattern: &'a VersionTagPattern,
    /// How versions are compared.
    pub scheme: VersionScheme,
    /// The commit whose history counts.
    pub head: CommitId,
}

impl<'a> VersionTags<'a> {
    /// Finds the tags of a component in the policy, and `HEAD`.
    pub(super) fn find(
        workspace: &'a Workspace,
        component: &'a ComponentName,
        env: Option<&str>,
    ) -> Result<Self, CliError> {
        let rule = find_rule(workspace, env)?;
        let pattern = match &rule.from {
            VersionSource::Tag(pattern) => pattern,
            VersionSource::File(_) | VersionSource::Command(_) => {
                let message = "the versions come from no tags, so none follows from them";
                return Err(CliError::new(ErrorKind::Usage, message)
                    .because("version.from in deploy.toml is no tag:…"));
            }
        };
        let repository = &workspace.repository;
        let is_shallow = repository.is_shallow().context(
            ErrorKind::CannotTell,
            "cannot tell whether the history is complete",
        )?;
        if is_shallow {
            let message = "this clone is shallow: tags and commits may be missing";
            return Err(
                CliError::new(ErrorKind::CannotTell, message).hint("git fetch --unshallow --tags")
            );
        }
        Ok(Self {
            workspace,
            component,
            pattern,
            scheme: rule.scheme,
            head: workspace.resolve_commit("HEAD")?,
        })
    }

    /// Returns the newest versions whose tags are in the history of `HEAD`.
    pub(super) fn read_newest(&self) -> Result<NewestVersions, CliError> {
        let repository = &self.workspace.repository;
        let tags = self
            .list()
            .context(ErrorKind::CannotTell, "cannot read the tags")?;
        NewestVersions::select(self.scheme, tags, |tag| {
            repository.is_ancestor(tag.commit.0, self.head.0)
        })
        .context(ErrorKind::CannotTell, "cannot read the history of HEAD")
    }

    /// Returns the component's tags, wherever they are.
    fn list(&self) -> git::Result<Vec<TaggedVersion>> {
        let repository = &self.workspace.repository;
        let mut tags = Vec::new();
        for listed in repository.list_all_refs("refs/tags/")? {
            // Tags are matched first: most belong to other components.
            let tag = listed.name.trim_start_matches("refs/tags/");
            let Some(version) = self.pattern.version_of(self.component, tag) else {
                continue;
            };
            // A broken tag is on no commit.
            let Ok(id) = listed.target else { continue };
            if let Some(commit) = repository.peel_to_commit(id)? {
                tags.push(TaggedVersion {
                    tag: tag.to_owned(),
                    version: version.to_owned(),
                    commit: CommitId(commit),
                });
            }
        }
        Ok(tags)
    }

    /// Returns the tag that gives a version.
    pub(super) fn tag_of(&self, version: &str) -> String {
        let pattern = self.pattern.as_str();
        pattern
            .replace("{component}", self.component.as_str())
            .replace('*', version)
    }
}

/// Returns the `version` of the named environment, or the one that all environments with tags have.
fn find_rule<'a>(workspace: &'a Workspace, env: Option<&str>) -> Result<&'a VersionRule, CliError> {
    let policy: &Policy = &workspace.policy;
    if let Some(env) = env {
        let (_, rules) = workspace.find_environment(env)?;
        return rules.version.as_ref().ok_or_else(|| {
            let message = format!("{env} has no version in deploy.toml");
            CliError::new(ErrorKind::Usage, message)
        });
    }
    let from_tags = |rules: &&Environment| {
        let rule = rules.version.as_ref();
        rule.is_some_and(|rule| matches!(rule.from, VersionSource::Tag(_)))
    };
    let rules: Vec<&Environment> = policy.all_environments().filter(from_tags).collect();
    let is_same = |one: &Environment, other: &Environment| {
        let parts = |it: &Environment| it.version.as_ref().map(|it| (it.from.clone(), it.scheme));
        parts(one) == parts(other)
    };
    match rules.split_first() {
        Some((first, rest)) if rest.iter().all(|other| is_same(first, other)) => {
            first.version.as_ref()
        }
        Some(_) => {
            let names: Vec<String> = rules.iter().map(|it| it.display_name()).collect();
            let message = format!(
                "these environments have different tags: {}",
                names.join(", ")
            );
            return Err(CliError::new(ErrorKind::Usage, message).hint("--env ENV"));
        }
        None => None,
    }
    .ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            "no environment takes its versions from tags",
        )
        .because("none has version = { from = \"tag:v*\" } or the like in deploy.toml")
    })
}

/// Counts the commits since a release that touch a component.
pub(super) fn read_changes(
    workspace: &Workspace,
    component: &ComponentName,
    release: CommitId,
    head: CommitId,
) -> Result<ChangeCounts, CliError> {
    let (repository, policy) = (&workspace.repository, &workspace.policy);
    let count = || -> git::Result<Option<ChangeCounts>> {
        let commits = PathCommits::new(repository, policy, MAX_COMMITS);
        let touching = commits.touching(component, head, release)?;
        let mut counts = ChangeCounts::default();
        for id in &touching.commits {
            let commit = repository.read_commit(*id)?;
            counts.add(&String::from_utf8_lossy(commit.message()));
        }
        Ok((!touching.is_truncated).then_some(counts))
    };
    count()
        .context(
            ErrorKind::CannotTell,
            "cannot read the commits since the last release",
        )?
        .ok_or_else(|| {
            let message =
                format!("there are more than {MAX_COMMITS} commits since the last release");
            CliError::new(ErrorKind::CannotTell, message).hint("--next major, minor or patch")
        })
}
