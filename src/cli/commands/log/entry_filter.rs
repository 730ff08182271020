//! Selects entries of the log by change request, release, labels and person.
//!
//! An approval is selected if a selected deployment relied on it. Entries are visited newest first,
//! so a deployment is visited before its approvals.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::domain::entry::{Action, Approve, Deployment, Outcome, Revoke, Statement, Target};
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
    /// The deployments that were visited so far and whose approvals can still follow, by ledger and
    /// environment.
    deployments: RefCell<BTreeMap<EnvironmentKey, Vec<VisitedDeployment>>>,
}

/// A ledger, and the environment in it if the ledger is that of a pattern.
type EnvironmentKey = (LedgerName, Option<EnvName>);

/// A deployment whose approvals can still follow.
#[derive(Debug)]
struct VisitedDeployment {
    deployment: Deployment,
    /// Whether it succeeded, which uses its approvals up.
    has_succeeded: bool,
    selection: EntrySelection,
}

/// Which of the criteria a deployment matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntrySelection {
    /// All of them.
    Selected,
    /// All except the person.
    ByAnyone,
    /// None, or only some.
    LeftOut,
}

impl VisitedDeployment {
    /// Returns whether the deployment relied on an approval by a person.
    fn relied_on(&self, approver: &Person, approve: &Approve) -> bool {
        self.deployment.approved_by.contains(approver)
            && self.deployment.components.iter().any(|change| {
                change.target.commit == approve.commit
                    && approve.components.contains(&change.target.component)
                    && self.deployment.purpose_of(change) == approve.purpose
            })
    }

    /// Returns whether the deployment was of the commit whose approvals were withdrawn. It cannot have
    /// relied on them.
    fn is_of_revoked(&self, revoke: &Revoke) -> bool {
        let mut targets = self.deployment.targets();
        targets.any(|target| target.commit == revoke.commit)
    }

    /// Returns whether a newer deployment can no longer have relied on the approvals of this one's
    /// targets.
    fn uses_up_approvals_of(&self, newer: &Self) -> bool {
        let targets: Vec<&Target> = self.deployment.targets().collect();
        self.has_succeeded
            && newer.deployment.targets().all(|it| {
                targets
                    .iter()
                    .any(|target| target.component == it.component && target.commit == it.commit)
            })
    }
}

impl Criteria {
    /// Returns whether no criterion is given.
    pub fn is_empty(&self) -> bool {
        self.by.is_none() && !self.need_deployment()
    }

    /// Returns whether the person is the only criterion.
    pub fn only_person(&self) -> bool {
        self.by.is_some() && !self.need_deployment()
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
            deployments: RefCell::default(),
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
        let mut deployments = self.deployments.borrow_mut();
        let environment = (statement.ledger.clone(), statement.environment.clone());
        let visited = deployments.entry(environment).or_default();
        let deployment = statement
            .deployment()
            .or_else(|| start.and_then(Statement::deployment));
        if let Some(deployment) = deployment {
            let selection = match (criteria.matches_deployment(deployment), is_of_person) {
                (true, true) => EntrySelection::Selected,
                (true, false) => EntrySelection::ByAnyone,
                (false, _) => EntrySelection::LeftOut,
            };
            let this = VisitedDeployment {
                deployment: deployment.clone(),
                has_succeeded: has_succeeded(statement),
                selection,
            };
            visited.retain(|newer| !this.uses_up_approvals_of(newer));
            visited.push(this);
            return selection == EntrySelection::Selected;
        }
        let has = |selection: EntrySelection, relies: &dyn Fn(&VisitedDeployment) -> bool| {
            let mut matching = visited.iter().filter(|it| it.selection == selection);
            matching.any(relies)
        };
        let relies: &dyn Fn(&VisitedDeployment) -> bool = match &statement.action {
            Action::Approve(approve) => &|it| it.relied_on(&statement.by, approve),
            Action::Revoke(revoke) => &|it| it.is_of_revoked(revoke),
            _ => return is_of_person && !criteria.need_deployment(),
        };
        has(EntrySelection::Selected, relies)
            || is_of_person
                && (!criteria.need_deployment() || has(EntrySelection::ByAnyone, relies))
    }
}

/// Returns whether a deployment ended with a success, after which its approvals do not count again.
fn has_succeeded(statement: &Statement) -> bool {
    let status = match &statement.action {
        Action::Finish(finish) => finish.status,
        _ => None,
    };
    let mut results = statement.component_results().into_iter();
    results.any(|it| match it.outcome {
        Outcome::Succeeded | Outcome::Destroyed => true,
        Outcome::Executed => status == Some(0),
        Outcome::Failed | Outcome::Skipped | Outcome::RolledBack => false,
    })
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
        let deployment_of = |number: u8, approver: &str, id: &str, ticket: &str| {
            let mut it = deployment(DeploymentKind::Deploy, vec![change("api", number, None)]);
            it.approved_by = vec![parse(approver)];
            it.change = Some(parse(id));
            it.release = Some(parse("r1"));
            it.labels.insert(parse("ticket"), parse(ticket));
            it
        };
        let signed = |by: &str, action| statement("prod", by, entry_time(), action);
        let (first, second) = (
            start(1, deployment_of(1, "carol", "CHG-1", "A")),
            start(2, deployment_of(2, "bob", "CHG-2", "B")),
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

    /// An approval belongs to the deployments that relied on it: not to others of the same commit.
    #[test]
    fn approvals_of_other_changes_are_left_out() {
        let none = crate::domain::entry::VerificationResult::None;
        for (later, earlier, wanted) in [
            // Each success uses up the approval before it.
            (
                ("bob", Outcome::Succeeded),
                ("bob", Outcome::Succeeded),
                "finished 2, approved 2",
            ),
            // A failure does not, so the next attempt relies on it as well.
            (
                ("bob", Outcome::Succeeded),
                ("bob", Outcome::RolledBack),
                "finished 2, approved 2, approved 1",
            ),
            // The deployment names whose approvals count.
            (
                ("bob", Outcome::Succeeded),
                ("carol", Outcome::RolledBack),
                "finished 2, approved 2, approved 1",
            ),
            (
                ("carol", Outcome::Succeeded),
                ("bob", Outcome::RolledBack),
                "finished 2",
            ),
        ] {
            let finished = |run: u8, change_id: &str, (approver, outcome): (&str, Outcome)| {
                let mut it = deployment(DeploymentKind::Deploy, vec![change("api", 1, None)]);
                it.approved_by = vec![parse(approver)];
                it.change = Some(parse(change_id));
                let begun = start(run, it);
                let ended = finish(u64::from(run), &begun, outcome, none);
                let signed = |action| statement("prod", "ci", entry_time(), action);
                (signed(ended), Some(signed(begun)))
            };
            let approved = || {
                let approval = approve(1, &["api"]);
                (statement("prod", "bob", entry_time(), approval), None)
            };
            let entries = [
                ("finished 2", finished(2, "CHG-2", later)),
                ("approved 2", approved()),
                ("finished 1", finished(1, "CHG-1", earlier)),
                ("approved 1", approved()),
            ];
            let filter = EntryFilter::new(Criteria {
                change: Some("CHG-2".parse().unwrap()),
                ..Criteria::default()
            });
            let found: Vec<&str> = entries
                .iter()
                .filter(|(_, (statement, start))| filter.matches(statement, start.as_ref()))
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(found.join(", "), wanted, "{later:?}, {earlier:?}");
        }
    }
}
