//! The tags of successful deployments. Their names follow from the entry that ended the deployment
//! and from the environment's `tag`, so that clients and servers derive the same names.

use std::collections::BTreeSet;

use super::entry::{ComponentResult, DeploymentKind, Outcome, Statement, Target};
use super::id::CommitId;
use super::name::EnvName;
use super::policy::{
    Placeholder, Template, refname_problem, replace_bad_characters, tag_timestamp,
};
use super::time::Time;

/// The value of `{branch}` if neither the start nor the policy names a branch.
const NO_BRANCH: &str = "detached";

/// A deployment that succeeded at least in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// The environment.
    pub environment: EnvName,
    /// The time of the entry that ended it.
    pub at: Time,
    /// The sequence number of that entry.
    pub sequence: u64,
    /// The branch that it was made from, if it is known.
    pub branch: Option<String>,
    /// How its components ended.
    results: Vec<ComponentResult>,
}

/// A tag that follows from a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessTag {
    /// The commit that it marks.
    pub commit: CommitId,
    /// Its possible short names. If another tag has the first name, the entry's sequence number is
    /// appended, and so on.
    pub names: Vec<String>,
}

/// The tags that follow from a success.
#[derive(Debug, Default)]
pub struct SuccessTags {
    /// One for each commit, or for each component if the template names it.
    pub tags: Vec<SuccessTag>,
    /// The commits whose tag has no valid name, and why.
    pub unnamed: Vec<(CommitId, String)>,
}

impl SuccessTags {
    /// Returns whether no tag follows.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.unnamed.is_empty()
    }
}

impl Success {
    /// Reads the entry that ends a deployment or a rollback, without the branch. Returns `None` for
    /// any other entry, and if no component was deployed.
    pub fn read(statement: &Statement) -> Option<Self> {
        let deploys = matches!(
            statement.ended_kind()?,
            DeploymentKind::Deploy | DeploymentKind::Hotfix | DeploymentKind::Rollback
        );
        let results = statement.component_results();
        (deploys && results.iter().any(is_deployed)).then_some(Self {
            environment: statement.environment()?,
            at: statement.at,
            sequence: statement.sequence,
            branch: None,
            results,
        })
    }

    /// Derives the tags. A commit has one only if everything that was deployed at it succeeded; if the
    /// template names the component, each component counts for itself.
    pub fn tags(&self, template: &Template) -> SuccessTags {
        let is_per_component = template.contains(Placeholder::Component);
        let failed: BTreeSet<CommitId> = self
            .results
            .iter()
            .filter(|result| !is_per_component && !result.is_success())
            .map(|result| result.target.commit)
            .collect();
        let mut named: Vec<(CommitId, String)> = Vec::new();
        let mut unnamed: Vec<(CommitId, String)> = Vec::new();
        for result in self.results.iter().filter(|result| is_deployed(result)) {
            let commit = result.target.commit;
            if failed.contains(&commit) {
                continue;
            }
            let (list, text) = match self.name(template, &result.target) {
                Ok(name) => (&mut named, name),
                Err(why) => (&mut unnamed, why),
            };
            if !list.contains(&(commit, text.clone())) {
                list.push((commit, text));
            }
        }
        let has_name = |commit| named.iter().any(|(other, _)| *other == commit);
        unnamed.retain(|(commit, _)| is_per_component || !has_name(*commit));
        let tags = named
            .iter()
            .map(|(commit, name)| SuccessTag {
                commit: *commit,
                names: self.possible_names(name, &named),
            })
            .collect();
        SuccessTags { tags, unnamed }
    }

    /// Returns the names to try for a tag: as many as there are commits with this name, and one more
    /// for a tag of another entry.
    fn possible_names(&self, name: &str, named: &[(CommitId, String)]) -> Vec<String> {
        let namesakes = named.iter().filter(|(_, other)| other == name).count();
        let sequence = self.sequence;
        let numbered = (2..=namesakes).map(|number| format!("{name}.{sequence}.{number}"));
        [name.to_owned(), format!("{name}.{sequence}")]
            .into_iter()
            .chain(numbered)
            .collect()
    }

    fn name(&self, template: &Template, target: &Target) -> Result<String, String> {
        let value = |placeholder| {
            Some(match placeholder {
                Placeholder::Timestamp => tag_timestamp(self.at),
                Placeholder::Env => self.environment.to_string(),
                Placeholder::Branch => {
                    replace_bad_characters(self.branch.as_deref().unwrap_or(NO_BRANCH))
                }
                Placeholder::Version => {
                    replace_bad_characters(target.version.as_ref()?.as_str()).replace('/', "-")
                }
                Placeholder::Component => target.component.to_string(),
                Placeholder::Commit => target.commit.to_string(),
            })
        };
        let name = template.render(value).map_err(|placeholder| {
            let (component, env) = (&target.component, &self.environment);
            format!(
                "{component} has no {} in {env}, which {template} needs",
                placeholder.name()
            )
        })?;
        match refname_problem(&name) {
            Some(problem) => Err(format!("{name:?} is not a valid tag: {problem}")),
            None => Ok(name),
        }
    }
}

fn is_deployed(result: &ComponentResult) -> bool {
    result.outcome == Outcome::Succeeded && result.is_success()
}

#[cfg(test)]
mod tests;
