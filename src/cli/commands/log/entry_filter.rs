//! Selects entries of the log by change request, release, labels and person.
//!
//! An approval is selected if its commit belongs to a selected deployment. Entries are visited
//! newest first, so a deployment is visited before its approvals.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{Action, Deployment, Statement};
use crate::domain::id::CommitId;
use crate::domain::name::{EnvName, Label, LedgerName, Person};
use crate::domain::text::Line;

/// The criteria of the command line. A criterion that is not given selects every entry.
#[derive(Debug, Default)]
pub(super) struct Criteria {
    /// The change request.
    pub change: Option<Line>,
    /// The release.
    pub release: Option<Label>,
    /// The labels, with their values.
    pub labels: Vec<(Label, Line)>,
    /// The person who signed the entry or asked for the deployment.
    pub by: Option<Person>,
}

/// Selects entries that match the criteria.
#[derive(Debug)]
pub(super) struct EntryFilter {
    criteria: Criteria,
    /// The commits of the deployments that were visited so far, by ledger and environment.
    deployed: RefCell<BTreeMap<(LedgerName, Option<EnvName>), DeployedCommits>>,
}

/// The commits of deployments in one environment.
#[derive(Debug, Default)]
struct DeployedCommits {
    /// The commits of deployments that match all criteria.
    matching: BTreeSet<CommitId>,
    /// The commits of deployments that match all criteria except the person.
    by_anyone: BTreeSet<CommitId>,
}

impl Criteria {
    /// Returns whether no criterion is given.
    pub fn is_empty(&self) -> bool {
        self.by.is_none() && !self.need_deployment()
    }

    /// Returns whether a criterion is about a field that only deployments have.
    fn need_deployment(&self) -> bool {
        self.change.is_some() || self.release.is_some() || !self.labels.is_empty()
    }

    fn matches_deployment(&self, deployment: &Deployment) -> bool {
        (self.change.is_none() || self.change == deployment.change)
            && (self.release.is_none() || self.release == deployment.release)
            && self
                .labels
                .iter()
                .all(|(name, value)| deployment.labels.get(name) == Some(value))
    }

    fn matches_person(&self, statement: &Statement) -> bool {
        let is_involved = |person: &Person| {
            statement.by == *person || statement.requested_by.as_ref() == Some(person)
        };
        self.by.as_ref().is_none_or(is_involved)
    }
}

impl EntryFilter {
    pub fn new(criteria: Criteria) -> Self {
        Self {
            criteria,
            deployed: RefCell::default(),
        }
    }

    /// Returns whether an entry matches. `start` is the start of the run that the entry ends or
    /// resumes. The entries of a ledger must be passed newest first.
    pub fn matches(&self, statement: &Statement, start: Option<&Statement>) -> bool {
        let criteria = &self.criteria;
        let is_of_person = [Some(statement), start]
            .into_iter()
            .flatten()
            .any(|it| criteria.matches_person(it));
        let mut deployed = self.deployed.borrow_mut();
        let environment = (statement.ledger.clone(), statement.environment.clone());
        let commits = deployed.entry(environment).or_default();
        let deployment = statement
            .deployment()
            .or_else(|| start.and_then(Statement::deployment));
        if let Some(deployment) = deployment {
            if !criteria.matches_deployment(deployment) {
                return false;
            }
            let targets = deployment.targets().map(|target| target.commit);
            commits.by_anyone.extend(targets.clone());
            if is_of_person {
                commits.matching.extend(targets);
            }
            return is_of_person;
        }
        let approved = match &statement.action {
            Action::Approve(approve) => Some(approve.commit),
            Action::Revoke(revoke) => Some(revoke.commit),
            _ => None,
        };
        match approved {
            Some(commit) if criteria.need_deployment() => {
                commits.matching.contains(&commit)
                    || is_of_person && commits.by_anyone.contains(&commit)
            }
            Some(commit) => is_of_person || commits.matching.contains(&commit),
            None => is_of_person && !criteria.need_deployment(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::DeploymentKind;
    use crate::domain::rules::testing::{
        approve, change, deployment, entry_time, finish, parse, start, statement,
    };

    /// A deployment of `prod`, its approvals, and another one with its approval; newest first.
    fn entries() -> Vec<(&'static str, Statement, Option<Statement>)> {
        let deployment_of = |number: u8, id: &str, ticket: &str| {
            let mut it = deployment(DeploymentKind::Deploy, vec![change("api", number, None)]);
            it.change = Some(parse(id));
            it.release = Some(parse("r1"));
            it.labels.insert(parse("ticket"), parse(ticket));
            it
        };
        let signed = |by: &str, action| statement("prod", by, entry_time(), action);
        let (first, second) = (
            start(1, deployment_of(1, "CHG-1", "A")),
            start(2, deployment_of(2, "CHG-2", "B")),
        );
        let succeeded = crate::domain::entry::Outcome::Succeeded;
        let none = crate::domain::entry::VerificationResult::None;
        vec![
            ("started", signed("ci", second.clone()), None),
            ("approved 2", signed("bob", approve(2, &["api"])), None),
            (
                "finished",
                signed("alice", finish(1, &first, succeeded, none)),
                Some(signed("ci", first)),
            ),
            ("approved 1", signed("carol", approve(1, &["api"])), None),
            ("approved 3", signed("bob", approve(3, &["api"])), None),
        ]
    }

    /// Approvals are found with the deployments of their commits, and by their signer.
    #[test]
    fn approvals_follow_deployments() {
        let all = "started, approved 2, finished, approved 1, approved 3";
        let label = |value: &str| vec![(parse("ticket"), parse(value))];
        for (criteria, wanted) in [
            (Criteria::default(), all),
            (
                Criteria {
                    change: Some(parse("CHG-1")),
                    ..Criteria::default()
                },
                "finished, approved 1",
            ),
            (
                Criteria {
                    release: Some(parse("r1")),
                    ..Criteria::default()
                },
                "started, approved 2, finished, approved 1",
            ),
            (
                Criteria {
                    labels: label("B"),
                    ..Criteria::default()
                },
                "started, approved 2",
            ),
            (
                Criteria {
                    labels: label("C"),
                    ..Criteria::default()
                },
                "",
            ),
            (
                Criteria {
                    by: Some(parse("bob")),
                    ..Criteria::default()
                },
                "approved 2, approved 3",
            ),
            (
                Criteria {
                    by: Some(parse("alice")),
                    ..Criteria::default()
                },
                "finished, approved 1",
            ),
            (
                Criteria {
                    by: Some(parse("bob")),
                    change: Some(parse("CHG-2")),
                    ..Criteria::default()
                },
                "approved 2",
            ),
            (
                Criteria {
                    by: Some(parse("ci")),
                    labels: label("A"),
                    change: Some(parse("CHG-1")),
                    ..Criteria::default()
                },
                "finished, approved 1",
            ),
        ] {
            let text = format!("{criteria:?}");
            let filter = EntryFilter::new(criteria);
            let found: Vec<&str> = entries()
                .iter()
                .filter(|(_, statement, start)| filter.matches(statement, start.as_ref()))
                .map(|(name, ..)| *name)
                .collect();
            assert_eq!(found.join(", "), wanted, "{text}");
        }
    }
}
