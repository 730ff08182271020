//! The approvals that are missing at one commit: who can give them and, if there are too few such
//! people, what else can be done.

use std::collections::BTreeSet;

use super::commit_approvals::{CommitApprovals, may_approve};
use super::excluded::ExcludedPersons;
use crate::domain::count::choose;
use crate::domain::entry::DeploymentKind;
use crate::domain::name::Person;
use crate::domain::policy::{ApprovalRequirement, Environment};
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::rules::findings::join_names;
use crate::domain::rules::matching::match_slots;

/// The approvals that are missing at one commit.
pub(super) struct MissingApprovals {
    /// The message: how many approvals are given, and whose approval would count.
    pub detail: String,
    /// Who can give one of them; empty if they cannot all be given.
    pub eligible: BTreeSet<Person>,
    /// The command with which an admin lets more people approve, if they cannot all be given.
    pub policy_command: Option<String>,
}

impl CommitApprovals<'_> {
    /// Returns the missing approvals; `None` if none is missing.
    pub fn describe_missing(&self, ctx: &Context<'_>) -> Fact<Option<MissingApprovals>> {
        let slots = self.slots(&self.approvers);
        let filled = match_slots(&slots).into_iter().flatten().count();
        if filled == slots.len() {
            return Ok(None);
        }
        let excluded = ExcludedPersons::find(ctx, self.requirements)?;
        let eligible = self.eligible_approvers(ctx, filled, &excluded);
        if self.count_reachable(ctx, &excluded) < slots.len() {
            let missing = self.describe_unreachable(ctx, filled, &eligible, &excluded)?;
            return Ok(Some(missing));
        }
        let needs = match (slots.len() - filled, eligible.len()) {
            (1, 1) => format!("needs {}", join_names(&eligible)),
            (1, _) => format!("needs one of {}", join_names(&eligible)),
            (missing, _) => format!("needs {missing} more, of {}", join_names(&eligible)),
        };
        let separator = if filled == 0 { ":" } else { "," };
        let (tally, refused) = (self.describe_tally(), self.describe_refused(true));
        Ok(Some(MissingApprovals {
            detail: format!("{tally}{separator} {needs}{refused}"),
            eligible,
            policy_command: None,
        }))
    }

    /// Describes approvals of which too few can be given, and what else can be done.
    fn describe_unreachable(
        &self,
        ctx: &Context<'_>,
        filled: usize,
        eligible: &BTreeSet<Person>,
        excluded: &ExcludedPersons,
    ) -> Fact<MissingApprovals> {
        let missing = self.slots(&self.approvers).len() - filled;
        let separator = if filled == 0 { ":" } else { "," };
        let excluded = excluded.describe(self.requirements);
        let excluded = excluded.map_or_else(String::new, |it| format!(": {it}"));
        let needs = match eligible.len() {
            0 => format!(", and no eligible approver is left{excluded}"),
            number => format!(
                "{separator} needs {missing} more, but only {} {} left{excluded}",
                join_names(eligible),
                choose(number, "is", "are")
            ),
        };
        let deployers = self.find_other_deployers(ctx)?;
        let (way_out, policy_command) = if deployers.is_empty() {
            let (way_out, command) = self.suggest_policy(ctx);
            (way_out, Some(command))
        } else {
            let way_out = match deployers.len() {
                1 => format!("if {} deploys it, there are", join_names(&deployers)),
                _ => format!("if one of {} deploys it, there are", join_names(&deployers)),
            };
            (format!("{way_out} enough approvers"), None)
        };
        let (tally, refused) = (
            self.describe_tally(),
            self.describe_refused(!eligible.is_empty()),
        );
        Ok(MissingApprovals {
            detail: format!("{tally}{needs}{refused}; {way_out}"),
            eligible: BTreeSet::new(),
            policy_command,
        })
    }

    /// Describes the approvals that were given and do not count. `with_own` includes those that
    /// `prevent_self` excludes.
    fn describe_refused(&self, with_own: bool) -> String {
        let refused = self.refused.iter().filter(|(person, why)| {
            !self.approvers.iter().any(|it| it.contains(*person))
                && (with_own || !why.is_self_approval())
        });
        let refused: Vec<String> = refused
            .take(3)
            .map(|(person, why)| format!("; not by {person}: {why}"))
            .collect();
        refused.concat()
    }

    /// Returns the other deployers for whose deployment enough approvals could be given.
    fn find_other_deployers(&self, ctx: &Context<'_>) -> Fact<BTreeSet<Person>> {
        let kind = ctx.deployment()?.kind;
        let Some(statement) = ctx
            .statement
            .filter(|_| matches!(kind, DeploymentKind::Deploy | DeploymentKind::Destroy))
        else {
            return Ok(BTreeSet::new());
        };
        let before_start = ExcludedPersons::find_before_start(ctx, self.requirements)?;
        let mut found = BTreeSet::new();
        let deployers = ctx.environment()?.deployers.persons().iter();
        for deployer in deployers.filter(|it| **it != statement.by) {
            let excluded = before_start.clone().with_starter(deployer);
            let slots = self.slots(&self.approvers).len();
            if self.count_reachable(ctx, &excluded) == slots {
                found.insert(deployer.clone());
            }
        }
        Ok(found)
    }

    /// Returns how an admin lets more people approve, and the command to begin with.
    fn suggest_policy(&self, ctx: &Context<'_>) -> (String, String) {
        let listed = self.requirements.iter().map(|it| it.by.listed_names());
        let add = "git deploy person add NAME --key FILE --email ADDRESS";
        let way_out = "an admin can add an approver".to_owned();
        for names in listed {
            if names.is_empty() {
                return (way_out, add.to_owned());
            }
            let is_group = |name: &&String| {
                ctx.policy
                    .groups
                    .keys()
                    .any(|group| group.as_str() == name.as_str())
            };
            if let Some(group) = names.iter().find(is_group) {
                return (way_out, format!("{add} --group {group}"));
            }
        }
        let environment = ctx
            .environment
            .map_or_else(String::new, Environment::display_name);
        (
            format!(
                "an admin can add a person to `by` in the approvals of {environment} in deploy.toml, and publish it"
            ),
            "git deploy policy publish".to_owned(),
        )
    }

    /// Returns how many required approvals would be given if everyone approved who may.
    fn count_reachable(&self, ctx: &Context<'_>, excluded: &ExcludedPersons) -> usize {
        let mut with_approvals = self.approvers.clone();
        for (requirement, approvers) in self.requirements.iter().zip(&mut with_approvals) {
            let more = requirement.by.persons().iter();
            let more = more.filter(|person| may_approve(ctx, requirement, person, excluded));
            approvers.extend(more.cloned());
        }
        let slots = self.slots(&with_approvals);
        match_slots(&slots).into_iter().flatten().count()
    }

    /// Returns the people whose approval would fill one more slot.
    fn eligible_approvers(
        &self,
        ctx: &Context<'_>,
        filled: usize,
        excluded: &ExcludedPersons,
    ) -> BTreeSet<Person> {
        let persons: BTreeSet<&Person> = self
            .requirements
            .iter()
            .flat_map(|requirement| requirement.by.persons())
            .collect();
        let would_help = |person: &&Person| {
            let mut with_approval = self.approvers.clone();
            let counts =
                |requirement: &ApprovalRequirement| may_approve(ctx, requirement, person, excluded);
            for (_, approvers) in self
                .requirements
                .iter()
                .zip(&mut with_approval)
                .filter(|(requirement, _)| counts(requirement))
            {
                approvers.insert((*person).clone());
            }
            let slots = self.slots(&with_approval);
            match_slots(&slots).into_iter().flatten().count() > filled
        };
        persons.into_iter().filter(would_help).cloned().collect()
    }
}
