//! The command that deploys something, for messages that suggest it.
//!
//! git-deploy itself applies a component that has an `apply` command, with `git deploy run`. The
//! deployments of other components are carried out elsewhere and recorded with `git deploy record`.
//! Recording a deployment that was not carried out would make the ledger untrue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::command_line::component_options;
use super::entry::DeploymentKind;
use super::id::CommitId;
use super::name::{ComponentName, EnvName};
use super::policy::Policy;
use super::state::EnvState;

/// Stands for the command of `git deploy record ENV -- COMMAND`, which entries do not store. There is no
/// such program, so nothing is recorded if it is typed as printed.
pub const COMMAND_PLACEHOLDER: &str = "COMMAND";

/// A command that deploys to an environment. By default it deploys every component that differs at
/// `HEAD`.
#[derive(Debug, Clone)]
pub struct DeployCommand<'a> {
    policy: &'a Policy,
    environment: String,
    /// The commit as it is typed, after a space; empty for `HEAD`.
    revision: String,
    kind: DeploymentKind,
    /// The components that it names; all, if empty.
    components: Vec<ComponentName>,
    /// The components whose commands decide between `run` and `record`; all, if empty.
    deciding: Vec<ComponentName>,
    /// Text in place of the names of the components.
    placeholder: Option<&'static str>,
    includes_running: bool,
    was_verified: bool,
    options: String,
    /// The components that a person's own command deployed last.
    wrapped: BTreeSet<ComponentName>,
    /// The command that makes the deployment, quoted for a shell.
    own_command: Option<String>,
}

impl<'a> DeployCommand<'a> {
    /// Returns the command that deploys `HEAD`.
    pub fn new(policy: &'a Policy, environment: impl fmt::Display) -> Self {
        Self {
            policy,
            environment: environment.to_string(),
            revision: String::new(),
            kind: DeploymentKind::Deploy,
            components: Vec::new(),
            deciding: Vec::new(),
            placeholder: None,
            includes_running: false,
            was_verified: false,
            options: String::new(),
            wrapped: BTreeSet::new(),
            own_command: None,
        }
    }

    /// Deploys this commit.
    #[must_use]
    pub fn commit(mut self, commit: CommitId) -> Self {
        self.revision = format!(" {}", commit.short());
        self
    }

    /// Lets the person fill in the commit.
    #[must_use]
    pub fn any_commit(mut self) -> Self {
        " REV".clone_into(&mut self.revision);
        self
    }

    /// Makes it a deployment of this kind: a rollback, a hotfix or a removal. Other kinds change
    /// nothing.
    #[must_use]
    pub fn kind(mut self, kind: DeploymentKind) -> Self {
        self.kind = kind;
        self
    }

    /// Names the components to deploy.
    #[must_use]
    pub fn only<'n>(mut self, components: impl IntoIterator<Item = &'n ComponentName>) -> Self {
        self.components = components.into_iter().cloned().collect();
        self
    }

    /// Writes `text` instead of the options that name components, for a caller that knows them only
    /// later. `component` is one of them.
    #[must_use]
    pub fn only_later(self, component: &ComponentName, text: &'static str) -> Self {
        Self {
            placeholder: Some(text),
            ..self.chosen_by([component])
        }
    }

    /// Lets these components decide whether git-deploy carries the deployment out.
    #[must_use]
    pub fn chosen_by<'n>(
        mut self,
        components: impl IntoIterator<Item = &'n ComponentName>,
    ) -> Self {
        self.deciding = components.into_iter().cloned().collect();
        self
    }

    /// Also deploys components that run there already.
    #[must_use]
    pub fn including_running(mut self) -> Self {
        self.includes_running = true;
        self
    }

    /// Records that the verification passed. `git deploy run` verifies by itself.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.was_verified = true;
        self
    }

    /// Adds options, as they are typed.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Leaves room for the command that makes the deployment, if one of its components was last
    /// deployed in this environment with `git deploy record ENV -- COMMAND`.
    #[must_use]
    pub fn deployed_in(mut self, state: EnvState<'_>) -> Self {
        let names = self.policy.component_names();
        let is_wrapped = |name: &&ComponentName| {
            let mut names = self.policy.names_of(name);
            names.any(|name| state.ran_commands(name))
        };
        self.wrapped = names.iter().filter(is_wrapped).cloned().collect();
        self
    }

    /// Makes the deployment with this command, quoted for a shell.
    #[must_use]
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.own_command = Some(command.into());
        self
    }

    /// Returns the command after `--`, which makes a deployment that git-deploy does not carry out.
    /// Returns `None` if another system makes it.
    pub fn own_command(&self) -> Option<&str> {
        if self.is_run() {
            return None;
        }
        let deciding = self.deciding();
        let is_wrapped = if deciding.is_empty() {
            !self.wrapped.is_empty()
        } else {
            deciding.iter().any(|name| self.wrapped.contains(name))
        };
        let placeholder = is_wrapped.then_some(COMMAND_PLACEHOLDER);
        self.own_command.as_deref().or(placeholder)
    }

    /// Returns the components that decide how the deployment is made; none, if all do.
    fn deciding(&self) -> &[ComponentName] {
        if self.deciding.is_empty() {
            &self.components
        } else {
            &self.deciding
        }
    }

    /// Returns whether git-deploy carries the deployment out: the policy has the command that it
    /// needs for one of the components.
    pub fn is_run(&self) -> bool {
        let is_removal = self.kind == DeploymentKind::Destroy;
        let has_command = |name: &ComponentName| carries_out(self.policy, name, is_removal);
        let deciding = self.deciding();
        if deciding.is_empty() {
            self.policy.component_names().iter().any(has_command)
        } else {
            deciding.iter().any(has_command)
        }
    }
}

impl fmt::Display for DeployCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (environment, revision) = (&self.environment, &self.revision);
        let is_run = self.is_run();
        if is_run && self.kind == DeploymentKind::Rollback {
            write!(f, "git deploy rollback {environment}")?;
            if !revision.is_empty() {
                write!(f, " --to{revision}")?;
            }
        } else {
            let verb = if is_run { "run" } else { "record" };
            write!(f, "git deploy {verb} {environment}{revision}")?;
            f.write_str(match self.kind {
                DeploymentKind::Rollback => " --rollback",
                DeploymentKind::Hotfix => " --hotfix",
                DeploymentKind::Destroy => " --destroy",
                _ => "",
            })?;
            // A component that is named is deployed in any case.
            let names_components = self.placeholder.is_some() || !self.components.is_empty();
            if self.includes_running && !names_components {
                f.write_str(" --all")?;
            }
            if self.was_verified && !is_run {
                f.write_str(" --verification passed")?;
            }
        }
        match self.placeholder {
            Some(text) => write!(f, " {text}")?,
            None => f.write_str(&component_options(&self.components))?,
        }
        if !self.options.is_empty() {
            write!(f, " {}", self.options)?;
        }
        if let Some(command) = self.own_command() {
            write!(f, " -- {command}")?;
        }
        Ok(())
    }
}

/// Returns the commands that deploy or remove components, one for each commit. A component is given with
/// its commit, and with whether it is removed. The options are added as they are typed.
pub fn list_deploy_commands<'n>(
    policy: &Policy,
    environment: &EnvName,
    kind: DeploymentKind,
    options: &str,
    components: impl IntoIterator<Item = (CommitId, bool, &'n ComponentName)>,
) -> Vec<String> {
    let mut groups: BTreeMap<(CommitId, bool), Vec<&ComponentName>> = BTreeMap::new();
    for (commit, is_removal, name) in components {
        groups.entry((commit, is_removal)).or_default().push(name);
    }
    let command = |((commit, is_removal), names): ((CommitId, bool), Vec<&ComponentName>)| {
        let kind = if is_removal {
            DeploymentKind::Destroy
        } else {
            kind
        };
        let command = DeployCommand::new(policy, environment).commit(commit);
        command.kind(kind).only(names).options(options).to_string()
    };
    groups.into_iter().map(command).collect()
}

/// Returns the components that another system deploys, if git-deploy deploys others. Files that belong to
/// no component are deployed with either.
pub fn find_manual_components(policy: &Policy) -> Option<Vec<ComponentName>> {
    let mut names = policy.component_names();
    names.remove(&ComponentName::rest());
    let is_run = |name: &ComponentName| carries_out(policy, name, false);
    let (run, manual): (Vec<_>, Vec<_>) = names.into_iter().partition(is_run);
    (!run.is_empty() && !manual.is_empty()).then_some(manual)
}

/// Returns whether git-deploy itself deploys or removes a component: the policy has the command for
/// it.
pub fn carries_out(policy: &Policy, component: &ComponentName, is_removal: bool) -> bool {
    policy.component(component).is_some_and(|it| {
        if is_removal {
            it.destroy.is_some()
        } else {
            it.apply.is_some()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Oid;
    use crate::domain::rules::testing;

    /// Nothing that git-deploy applies itself is suggested to be recorded, and nothing else to be
    /// run.
    #[test]
    fn the_policy_decides_between_run_and_record() {
        let policy = testing::policy(
            "[environments]\nprod = {}\n[components]\n\
             web = { paths = \"web/**\", apply = \"true\", destroy = \"true\" }\n\
             api = { paths = \"api/**\" }\n",
        );
        let commit = CommitId(Oid::from_bytes(&[1; 20]).unwrap());
        let (web, api): (ComponentName, ComponentName) =
            ("web".parse().unwrap(), "api".parse().unwrap());
        let new = || DeployCommand::new(&policy, "prod").commit(commit);
        for (command, expected) in [
            (new(), "run prod 010101010101"),
            (new().only([&web]), "run prod 010101010101 --component web"),
            (
                new().only([&api]),
                "record prod 010101010101 --component api",
            ),
            (new().chosen_by([&api]), "record prod 010101010101"),
            (
                new().only([&api]).kind(DeploymentKind::Rollback),
                "record prod 010101010101 --rollback --component api",
            ),
            (
                new().only([&web]).kind(DeploymentKind::Rollback),
                "rollback prod --to 010101010101 --component web",
            ),
            (
                new().only([&web]).kind(DeploymentKind::Hotfix),
                "run prod 010101010101 --hotfix --component web",
            ),
            (
                new().only([&web]).kind(DeploymentKind::Destroy),
                "run prod 010101010101 --destroy --component web",
            ),
            (
                new().only([&api]).kind(DeploymentKind::Destroy),
                "record prod 010101010101 --destroy --component api",
            ),
            (
                new().chosen_by([&web]).including_running().verified(),
                "run prod 010101010101 --all",
            ),
            (
                new().chosen_by([&api]).including_running().verified(),
                "record prod 010101010101 --all --verification passed",
            ),
            (
                new().only([&api]).including_running().verified(),
                "record prod 010101010101 --verification passed --component api",
            ),
            (
                new().only_later(&api, "NAMES").options("--change 7"),
                "record prod 010101010101 NAMES --change 7",
            ),
            (new().any_commit().chosen_by([&api]), "record prod REV"),
            (DeployCommand::new(&policy, "prod"), "run prod"),
            (
                new()
                    .only([&api])
                    .with_command("./deploy.sh 'a b'")
                    .options("--change 7"),
                "record prod 010101010101 --component api --change 7 -- ./deploy.sh 'a b'",
            ),
            (
                new().only([&web]).with_command("x"),
                "run prod 010101010101 --component web",
            ),
        ] {
            assert_eq!(command.to_string(), format!("git deploy {expected}"));
        }
    }
}
