//! Judges one past deployment: as it was made, and as it would have been made under another policy.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::ledger_index::{EntryPosition, LedgerIndex};
use super::replay_spec::ReplaySpec;
use crate::domain::entry::{Deployment, DeploymentKind, Statement, Target};
use crate::domain::id::EntryId;
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, Facts, Request, counting_approvers, evaluate, ledgers_read};
use crate::domain::state::{Scope, State};
use crate::domain::verdict::{Check, CheckResult, Rule, Verdict};
use crate::git::{Error, Repository, Result};
use crate::ledger::facts::FactGatherer;
use crate::ledger::{Project, StateReader, Tips};
use crate::run::build_deployment;

/// The policies under which a past deployment is judged.
pub(super) struct ReplayPolicies {
    /// The policy that was in force.
    original: Arc<Policy>,
    /// The proposal, with the name and the `paths` that each component had at the time.
    pub proposal: Policy,
    /// The policy in force today, with the same replacement.
    pub in_force: Policy,
}

/// Loads past deployments. Each thread has its own.
pub(super) struct PastLoader<'a> {
    repository: &'a Repository,
    project: &'a Project,
    indexes: &'a BTreeMap<LedgerName, LedgerIndex>,
    spec: &'a ReplaySpec<'a>,
    gatherer: FactGatherer<'a>,
    states: StateReader<'a>,
    /// The policies that were loaded, by the policy ledger's tip that the deployments had seen.
    policies: RefCell<HashMap<EntryId, Rc<ReplayPolicies>>>,
}

/// Returns whether `entry` is at or before `tip`, or `None` if unknown. A replay uses only tips
/// that entries recorded and walks no history, so it knows the order only of equal tips.
fn is_at_or_before(_: &LedgerName, tip: EntryId, entry: EntryId) -> Option<bool> {
    (tip == entry).then_some(true)
}

impl<'a> PastLoader<'a> {
    /// Creates a loader for the ledgers in `indexes`.
    pub fn new(
        repository: &'a Repository,
        project: &'a Project,
        indexes: &'a BTreeMap<LedgerName, LedgerIndex>,
        spec: &'a ReplaySpec<'a>,
    ) -> Self {
        let gatherer = FactGatherer::new(repository, project)
            .with_stated_branches()
            .with_order(&is_at_or_before);
        let states = StateReader::for_display(repository);
        Self {
            repository,
            project,
            indexes,
            spec,
            gatherer,
            states,
            policies: RefCell::default(),
        }
    }

    /// Loads a deployment with the chain, the state and the policies of its time.
    pub fn load_deployment(
        &'a self,
        ledger: &LedgerName,
        position: EntryPosition,
    ) -> Result<PastDeployment<'a>> {
        let stored = self
            .repository
            .read_entry_for_display(ledger, &self.repository.read_commit(position.id.0)?)?;
        let statement = stored.statement;
        let before = self.repository.read_commit(position.previous.0)?;
        let chain = Chain {
            project: self.project.id,
            project_name: self.project.name.clone(),
            root_keys: self.project.root_keys.clone(),
            tip: position.previous,
            sequence: statement.sequence.saturating_sub(1),
            at: before.committer_time,
            // This was checked at the time: the tips that an entry has seen only move forward.
            seen: BTreeMap::new(),
        };
        let policies = self.load_policies(&statement)?;
        let scope = [&policies.proposal, &policies.in_force]
            .into_iter()
            .fold(Scope::for_statement(&statement), Scope::with_former_names);
        let state = self.states.load(before.tree, ledger, &scope)?;
        Ok(PastDeployment {
            loader: self,
            statement,
            chain,
            state,
            policies,
        })
    }

    /// Returns the policies under which a statement is judged.
    fn load_policies(&self, statement: &Statement) -> Result<Rc<ReplayPolicies>> {
        let missing = || {
            Error::corrupt(
                format!("entry {} of {}", statement.sequence, statement.ledger),
                "it has seen no policy",
            )
        };
        let tip = *statement
            .seen
            .get(&LedgerName::policy())
            .ok_or_else(missing)?;
        if let Some(cached) = self.policies.borrow().get(&tip) {
            return Ok(Rc::clone(cached));
        }
        let original = self.gatherer.policy_at(tip)?.ok_or_else(missing)?;
        let policies = Rc::new(ReplayPolicies {
            proposal: with_names_and_paths_of(&original, self.spec.proposal),
            in_force: with_names_and_paths_of(&original, self.spec.in_force),
            original,
        });
        self.policies.borrow_mut().insert(tip, Rc::clone(&policies));
        Ok(policies)
    }

    /// Returns the tips of all other ledgers at the time. For ledgers that the decision read, these
    /// are the tips that the entry records as seen.
    fn find_tips(&self, statement: &Statement, original: &Policy) -> Tips {
        let read_ledgers = ledgers_read(original, statement);
        let find_tip = |(ledger, index): (&LedgerName, &LedgerIndex)| {
            let seen = statement.seen.get(ledger).copied();
            let tip = if read_ledgers.contains(ledger) {
                seen
            } else {
                index.find_tip_at(statement.at).or(seen)
            };
            Some((ledger.clone(), tip?)).filter(|(ledger, _)| *ledger != statement.ledger)
        };
        self.indexes.iter().filter_map(find_tip).collect()
    }
}

/// A past deployment with the chain, the state and the policies of its time.
pub(super) struct PastDeployment<'a> {
    loader: &'a PastLoader<'a>,
    pub statement: Statement,
    chain: Chain,
    state: State,
    pub policies: Rc<ReplayPolicies>,
}

impl PastDeployment<'_> {
    /// Returns the verdict under the policy of the time.
    pub fn judge_as_made(&self) -> Verdict {
        self.evaluate_rules(&self.policies.original, self.statement.clone(), |_, _| None)
    }

    /// Returns the verdict under another policy, for the deployment as that policy requires it.
    pub fn judge_under(&self, policy: &Policy) -> Verdict {
        let mut statement = self.statement.clone();
        statement.seen = self.loader.find_tips(&statement, &self.policies.original);
        let lacks_branch_tip = statement
            .deployment()
            .is_some_and(|it| it.branch_tip.is_none());
        let mut verdict = self.evaluate_rules(policy, statement, |statement, facts| {
            let file_check = check_same_files(policy, statement, facts);
            if let Some(deployment) = statement.action.deployment_mut() {
                add_versions_and_artifacts(deployment, facts);
            }
            file_check
        });
        for check in &mut verdict.checks {
            // It is too late to act on a suggestion.
            check.remedy = None;
            if lacks_branch_tip
                && check.rule == Rule::UpToDate
                && check.outcome == CheckResult::Fail
            {
                *check =
                    Check::unknown(Rule::UpToDate, "the entry does not record the branch's tip");
            }
        }
        verdict
    }

    /// Returns the deployment without its break-glass, or `None` if it has none.
    pub fn without_break_glass(&self) -> Option<Self> {
        let mut statement = self.statement.clone();
        statement.action.deployment_mut()?.break_glass.take()?;
        let (chain, state, policies) = (
            self.chain.clone(),
            self.state.clone(),
            Rc::clone(&self.policies),
        );
        Some(Self {
            loader: self.loader,
            statement,
            chain,
            state,
            policies,
        })
    }

    /// Evaluates the rules of a policy at the entry's own time, with the tips that it has seen.
    /// `edit` may change the entry according to the facts. If it returns a check, that check alone
    /// is the verdict.
    fn evaluate_rules(
        &self,
        policy: &Policy,
        mut statement: Statement,
        edit: impl FnOnce(&mut Statement, &Facts) -> Option<Check>,
    ) -> Verdict {
        fn request(statement: &Statement) -> Request<'_> {
            Request::Entry {
                statement,
                key: None,
                policy_text: None,
            }
        }
        let state = Ok(self.state.clone());
        let chain = Some(self.chain.clone());
        let facts = self.loader.gatherer.gather(
            policy,
            &request(&statement),
            &statement.seen,
            chain,
            state,
        );
        if let Some(check) = edit(&mut statement, &facts) {
            return Verdict {
                checks: vec![check],
            };
        }
        let approvers = counting_approvers(policy, &request(&statement), &facts, statement.at)
            .into_iter()
            .collect();
        if let Some(deployment) = statement.action.deployment_mut() {
            deployment.approved_by = approvers;
        }
        evaluate(policy, &request(&statement), &facts, statement.at)
    }
}

/// Returns a policy in which each component has the name and the `paths` that it had in an earlier
/// one. Otherwise each deployment from before a rename would be refused, because its component is
/// not in the policy.
fn with_names_and_paths_of(earlier: &Policy, policy: &Policy) -> Policy {
    let name_then = |name: &ComponentName| {
        let mut names = policy.names_of(name);
        let known = names.find(|it| earlier.component(it).is_some());
        known.unwrap_or(name).clone()
    };
    let mut renamed = policy.clone();
    renamed.components.clear();
    for (name, component) in &policy.components {
        let mut component = component.clone();
        component.name = name_then(name);
        if let Some(old) = earlier.component(&component.name) {
            component.paths.clone_from(&old.paths);
        }
        let mut former = component.renamed_from.iter();
        if former.any(|it| *it == component.name) {
            component.renamed_from = former.cloned().collect();
        }
        component.depends_on = component.depends_on.iter().map(name_then).collect();
        renamed.components.insert(component.name.clone(), component);
    }
    renamed
}

/// Returns an unknown check if a component would consist of other files than at the time, for
/// example `rest` after a component was added or removed.
fn check_same_files(policy: &Policy, statement: &Statement, facts: &Facts) -> Option<Check> {
    let deployment = statement
        .deployment()
        .filter(|it| it.kind != DeploymentKind::Exec)?;
    if deployment
        .components
        .iter()
        .any(|change| !policy.has_component(&change.target.component))
    {
        // Another rule refuses that.
        return None;
    }
    let differs = |target: &&Target| {
        let content = facts
            .contents
            .get(&(target.commit, target.component.clone()));
        target.content.is_some() && content.is_some_and(|it| *it != Ok(target.content))
    };
    let target = deployment
        .components
        .iter()
        .map(|change| &change.target)
        .find(differs)?;
    let why = format!(
        "{} would consist of other files, which were not judged at the time",
        target.component
    );
    Some(Check::unknown(Rule::Content, why))
}

/// Adds the versions and artifacts that the policy requires.
fn add_versions_and_artifacts(deployment: &mut Deployment, facts: &Facts) {
    if deployment.kind == DeploymentKind::Rollback {
        return;
    }
    for change in deployment
        .components
        .iter_mut()
        .filter(|change| !change.is_removal())
    {
        let target = &mut change.target;
        let key = (target.commit, target.component.clone());
        if let Some(Ok(Some(version))) = facts.versions.get(&key) {
            target.version = Some(version.clone());
            target.tag = facts.version_tags.get(&key).cloned();
        }
        if let Some(Ok(evidence)) = facts
            .evidence
            .as_ref()
            .filter(|_| target.artifacts.is_empty())
        {
            target.artifacts = build_deployment::find_artifacts(
                target,
                evidence.iter().map(|stored| &stored.statement.action),
            );
        }
    }
}
