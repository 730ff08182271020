//! Baselines: entries that record what already runs when an environment or a component first enters
//! the ledgers. Written by `init` and `record --baseline`.
//!
//! A baseline needs only an admin's signature and is not checked by the deployment rules. It
//! therefore leaves out components that already have a history in the ledger.

use std::collections::BTreeMap;

use super::deployment_request::{
    explain_selection_error, find_environment_policy, require_component,
};
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{self, Action, Baseline, Target};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::domain::text::Line;
use crate::ledger::facts::FactGatherer;
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection, build_deployment};

/// One `--running` argument as it was typed: `prod=v1.4.1`, or `prod:api=v1.4.1` for one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineArg {
    environment: EnvName,
    component: Option<ComponentName>,
    revision: String,
}

impl std::str::FromStr for BaselineArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (target, revision) = text
            .split_once('=')
            .ok_or("expected ENV=REV or ENV:COMPONENT=REV")?;
        let (environment, component) = match target.split_once(':') {
            Some((environment, component)) => (environment, Some(component)),
            None => (target, None),
        };
        Ok(Self {
            environment: environment.parse().map_err(|error| format!("{error}"))?,
            component: component
                .map(str::parse)
                .transpose()
                .map_err(|error| format!("{error}"))?,
            revision: revision.to_owned(),
        })
    }
}

/// The commits that run in one environment: one for all components, and others for named
/// components.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaselineCommits {
    /// The commit of every component that is not named.
    pub others: Option<CommitId>,
    /// The commits of the named components.
    pub named: BTreeMap<ComponentName, CommitId>,
}

impl BaselineCommits {
    /// Returns the baseline in which `components`, or all components if none are named, run at
    /// `commit`.
    pub fn new(commit: CommitId, components: &[ComponentName]) -> Self {
        let named = components
            .iter()
            .map(|component| (component.clone(), commit))
            .collect();
        Self {
            others: components.is_empty().then_some(commit),
            named,
        }
    }

    /// Returns the commit of a component, if one was given.
    fn commit_of(&self, component: &ComponentName) -> Option<CommitId> {
        self.named.get(component).copied().or(self.others)
    }

    /// Returns the commit of each component that has files in it.
    ///
    /// # Errors
    ///
    /// Fails if a named component has no file in its commit, or if no component has one.
    pub fn resolve_components(
        &self,
        gatherer: &FactGatherer<'_>,
        policy: &Policy,
        env: &EnvName,
    ) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
        let mut resolved = BTreeMap::new();
        for component in policy.component_names() {
            let Some(commit) = self.commit_of(&component) else {
                continue;
            };
            let content = gatherer.content(policy, commit, &component);
            match content.context(
                ErrorKind::CannotTell,
                format!("cannot read the content of {component}"),
            )? {
                Some(_) => drop(resolved.insert(component, commit)),
                None if self.named.contains_key(&component) => {
                    return Err(explain_absent_component(&component, commit));
                }
                None => {}
            }
        }
        if resolved.is_empty() {
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("the commit to record for {env} has no components"),
            ));
        }
        Ok(resolved)
    }
}

fn explain_absent_component(component: &ComponentName, commit: CommitId) -> CliError {
    CliError::new(
        ErrorKind::Usage,
        format!(
            "{component} has no files in {}, so it cannot be running",
            commit.short()
        ),
    )
}

/// Groups the `--running` arguments by environment and resolves their revisions.
///
/// # Errors
///
/// Fails if an environment or component is unknown, if an environment is ephemeral, or if a
/// component is given two commits.
pub fn resolve_baselines(
    arguments: &[BaselineArg],
    policy: &Policy,
    resolve: &dyn Fn(&str) -> Result<CommitId, CliError>,
) -> Result<BTreeMap<EnvName, BaselineCommits>, CliError> {
    let mut by_environment: BTreeMap<EnvName, BaselineCommits> = BTreeMap::new();
    for argument in arguments {
        let name = &argument.environment;
        match policy.environment(name) {
            None => {
                let names: Vec<String> = policy
                    .environments
                    .keys()
                    .map(ToString::to_string)
                    .collect();
                return Err(CliError::new(
                    ErrorKind::Usage,
                    format!("there is no environment {name}"),
                )
                .because(format!("the policy has {}", names.join(", "))));
            }
            Some(rules) if rules.is_pattern() => {
                return Err(CliError::new(
                    ErrorKind::Usage,
                    format!("{name} is ephemeral, so it cannot have a baseline"),
                ));
            }
            Some(_) => {}
        }
        let commit = resolve(&argument.revision)?;
        let commits = by_environment.entry(name.clone()).or_default();
        let previous = match &argument.component {
            Some(component) => {
                require_component(policy, component)?;
                commits.named.insert(component.clone(), commit)
            }
            None => commits.others.replace(commit),
        };
        if previous.is_some_and(|previous| previous != commit) {
            let subject = argument.component.as_ref().map_or_else(
                || name.to_string(),
                |component| format!("{name}:{component}"),
            );
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("two commits were given for {subject}"),
            ));
        }
    }
    Ok(by_environment)
}

/// Builds the baseline entry of an environment.
///
/// If a commit was given for all components, leaves out those that have a history in the
/// environment. If every component has one, leaves out none, so that the rules refuse the entry
/// with a reason.
pub fn draft_baseline(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    baseline_commits: &BaselineCommits,
    versions: &BTreeMap<ComponentName, Line>,
    comment: Option<Line>,
) -> Result<EntryDraft, CliError> {
    let (policy, rules) = find_environment_policy(env, snapshot)?;
    baseline_commits
        .named
        .keys()
        .try_for_each(|component| require_component(policy, component))?;
    let state = snapshot
        .load_state(env.ledger(), &Scope::All)
        .context(ErrorKind::CannotTell, "cannot read the ledger")?;
    let env_state = env.state_in(&state);
    let resolved = baseline_commits.resolve_components(snapshot.gatherer, policy, env.name())?;
    let has_history = |component: &ComponentName| env_state.has_history(component);
    let only_new = baseline_commits.others.is_some() && !resolved.keys().all(has_history);
    let commits = resolved
        .into_iter()
        .filter(|(component, _)| !(only_new && has_history(component)))
        .collect();
    let spec = DeploymentSpec {
        env,
        rules,
        commits: Commits::Each(commits),
        selection: Selection::All,
        kind: entry::DeploymentKind::Deploy,
        destroy: false,
        leaves_out_manual: false,
        versions: versions.clone(),
        artifact: None,
    };
    let deployment = build_deployment(snapshot, policy, &spec)
        .map_err(|error| explain_selection_error(policy, error))?;
    let components: Vec<Target> = deployment
        .changed()
        .map(|change| change.target.clone())
        .collect();
    let baseline = Baseline {
        components,
        comment,
    };
    Ok(EntryDraft::in_environment(env, Action::Baseline(baseline)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a revision may contain the characters that separate the other parts.
    #[test]
    fn spellings() {
        let parse = |text: &str| text.parse::<BaselineArg>();
        let argument = |component: Option<&str>, revision: &str| BaselineArg {
            environment: "prod".parse().unwrap(),
            component: component.map(|name| name.parse().unwrap()),
            revision: revision.to_owned(),
        };
        assert_eq!(parse("prod=v1.4.1"), Ok(argument(None, "v1.4.1")));
        assert_eq!(
            parse("prod:api=HEAD:x=y"),
            Ok(argument(Some("api"), "HEAD:x=y"))
        );
        for wrong in [
            "prod",
            "=v1",
            "Prod=v1",
            "prod:=v1",
            "policy=v1",
            "prod:../x=v1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
