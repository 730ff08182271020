//! The context that a rule's check reads: the request, its facts and the time, with helpers that
//! several rules share.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::facts::{Chain, Fact, Facts};
use super::request::{Request, RequestContext};
use super::rule::Rule;
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{ComponentChange, Deployment, DeploymentKind, Statement, Target};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::policy::{Environment, Policy};
use crate::domain::state::{EnvState, State};
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::Check;

/// A request with its facts and the time at which it is judged.
pub struct Context<'a> {
    /// The policy by which the request is judged.
    pub policy: &'a Policy,
    /// The request.
    pub request: Request<'a>,
    /// The facts about it.
    pub facts: &'a Facts,
    /// The time with which expiries, freeze windows and soak times are compared.
    pub now: Time,
    /// The statement of the entry; `None` for a branch or tag.
    pub statement: Option<&'a Statement>,
    /// The policy's settings for the request's environment; `None` in the ledgers `policy` and
    /// `evidence`, and if the policy has no such environment.
    pub environment: Option<&'a Environment>,
    /// The environment's name in the request. For a member of a pattern such as `pr-*` it is the
    /// member's name, `pr-17`.
    pub environment_name: Option<EnvName>,
    /// The other ledgers that the entry's rules read: `seen` must name their tips. Empty for a
    /// branch or tag.
    pub ledgers_read: BTreeSet<LedgerName>,
    deployment: Fact<Cow<'a, Deployment>>,
}

impl<'a> Context<'a> {
    /// Adds facts, the clock and the ledgers that the rules read to a request.
    pub fn new(
        subject: RequestContext<'a>,
        ledgers_read: BTreeSet<LedgerName>,
        facts: &'a Facts,
        now: Time,
    ) -> Self {
        let mut ctx = Self {
            policy: subject.policy,
            request: subject.request,
            facts,
            now,
            statement: subject.statement,
            environment: subject.environment,
            environment_name: subject.environment_name,
            ledgers_read,
            // Replaced below: it follows from the other fields.
            deployment: Err(String::new()),
        };
        ctx.deployment = match ctx.request {
            Request::Entry { statement, .. } => statement
                .deployment()
                .map(Cow::Borrowed)
                .ok_or_else(|| "the entry deploys nothing".to_owned()),
            Request::Branch { new, .. } | Request::Tag { new, .. } => {
                ctx.hypothetical_deployment(new).map(Cow::Owned)
            }
        };
        ctx
    }

    /// Returns the deployment that is judged: the entry's, or for a branch or tag the one that
    /// would bring its new commit into the environment.
    pub fn deployment(&self) -> Fact<&Deployment> {
        self.deployment.as_deref().map_err(Clone::clone)
    }

    /// Returns the state of the request's ledger before the entry, or of the branch's or tag's
    /// environment.
    pub fn state(&self) -> Fact<&'a State> {
        match &self.facts.state {
            Some(Ok(state)) => Ok(state),
            Some(Err(why)) => Err(why.clone()),
            None => Err("the ledger's state was not read".to_owned()),
        }
    }

    /// Returns what is known about the ledger's chain before the entry.
    pub(super) fn chain(&self) -> Fact<&'a Chain> {
        self.facts
            .chain
            .as_ref()
            .ok_or_else(|| "the ledger's tip was not read".to_owned())
    }

    /// Returns the admins of the policy in force.
    pub(super) fn admins(&self) -> Fact<BTreeSet<Person>> {
        Ok(self.policy.admins(&self.chain()?.root_keys))
    }

    /// Returns the part of [`Context::state`] that belongs to the request's environment.
    pub fn environment_state(&self) -> Fact<EnvState<'a>> {
        let environment = match self.request {
            Request::Entry { statement, .. } => statement.environment.as_ref(),
            Request::Branch { environment, .. } | Request::Tag { environment, .. } => self
                .environment
                .and_then(|settings| settings.ephemeral)
                .map(|_| environment),
        };
        Ok(self.state()?.environment(environment))
    }

    /// Returns the policy's settings for the environment. Only rules about environments call this.
    pub fn environment(&self) -> Fact<&'a Environment> {
        self.environment
            .ok_or_else(|| "the policy has no such environment".to_owned())
    }

    /// Returns the name of the environment for messages and remedies; in the ledgers `policy` and
    /// `evidence`, the ledger's name.
    pub fn environment_label(&self) -> String {
        match (&self.environment_name, self.statement) {
            (Some(name), _) => name.to_string(),
            (None, Some(statement)) => statement.ledger.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Returns the command that deploys a target of this request to an environment. It names the
    /// component if others are deployed at other commits.
    pub(super) fn deploy_command(
        &self,
        environment: impl std::fmt::Display,
        target: &Target,
    ) -> DeployCommand<'a> {
        let command = DeployCommand::new(self.policy, environment).commit(target.commit);
        if self.has_several_commits() {
            command.only([&target.component])
        } else {
            command.chosen_by([&target.component])
        }
    }

    /// Returns whether the request deploys several commits.
    pub(super) fn has_several_commits(&self) -> bool {
        let targets = self.deployment().map(Deployment::targets);
        let commits: BTreeSet<CommitId> =
            targets.into_iter().flatten().map(|it| it.commit).collect();
        commits.len() > 1
    }

    /// Returns the content of a component at a commit; `None` if the component is absent there.
    pub fn content(&self, commit: CommitId, component: &ComponentName) -> Fact<Option<Content>> {
        let not_gathered = || {
            Err(format!(
                "the content of {component} at {} was not read",
                commit.short()
            ))
        };
        self.facts
            .contents
            .get(&(commit, component.clone()))
            .cloned()
            .unwrap_or_else(not_gathered)
    }

    /// Returns whether `commit` is `base` or descends from it.
    pub fn contains(&self, commit: CommitId, base: CommitId) -> Fact<bool> {
        if commit == base {
            return Ok(true);
        }
        let not_gathered = || {
            Err(format!(
                "whether {} contains {} was not looked up",
                commit.short(),
                base.short()
            ))
        };
        self.facts
            .containment
            .get(&(commit, base))
            .cloned()
            .unwrap_or_else(not_gathered)
    }

    /// Returns whether a commit in the history of `commit` has the running content of a component.
    /// The fact is gathered only if `commit` does not contain the running commit.
    pub fn history_has_running_content(
        &self,
        commit: CommitId,
        component: &ComponentName,
    ) -> Fact<bool> {
        let not_gathered = || {
            Err(format!(
                "whether the running content of {component} is in the history of {} was not looked up",
                commit.short()
            ))
        };
        self.facts
            .running_content_in_history
            .get(&(commit, component.clone()))
            .cloned()
            .unwrap_or_else(not_gathered)
    }

    /// Returns the deployment of every component whose content at a commit is not the running one.
    fn hypothetical_deployment(&self, commit: Option<CommitId>) -> Fact<Deployment> {
        let commit = commit.ok_or_else(|| "the ref is deleted".to_owned())?;
        let env_state = self.environment_state()?;
        let mut components = Vec::new();
        for component in self.policy.component_names() {
            let content = self.content(commit, &component)?;
            let from = env_state.commit(&component);
            let is_running = content == env_state.content(&component)
                && env_state.unknown_since(&component).is_none();
            if is_running || content.is_none() && from.is_none() {
                continue;
            }
            let target = Target::new(component, commit, content);
            components.push(ComponentChange::new(target, from));
        }
        Ok(Deployment::new(DeploymentKind::Deploy, components))
    }
}

/// Returns the checks, or one check with the result "cannot tell" if a fact is missing.
pub(super) fn or_unknown(rule: Rule, checks: Fact<Vec<Check>>) -> Vec<Check> {
    checks.unwrap_or_else(|why| vec![Check::unknown(rule, sanitize(&why))])
}

/// Returns the violations, or a pass if there are none.
pub(super) fn pass_if_none(rule: Rule, violations: Vec<Check>) -> Vec<Check> {
    if violations.is_empty() {
        vec![Check::pass(rule, "")]
    } else {
        violations
    }
}
