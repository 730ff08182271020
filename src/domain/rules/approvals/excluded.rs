//! The people whose own approval does not count (`prevent_self`).

use std::collections::BTreeSet;

use super::refusal::ApprovalRefusal;
use crate::domain::name::Person;
use crate::domain::policy::{ApprovalRequirement, PreventSelf};
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::rules::key_trust;

/// The people whom `prevent_self` may exclude.
pub(super) struct ExcludedPersons {
    /// The authors of the new commits; empty if no requirement excludes them.
    authors: BTreeSet<Person>,
    /// The starter and the requester.
    starters: BTreeSet<Person>,
}

impl ExcludedPersons {
    /// Returns the people whom the requirements may exclude from approving a request.
    ///
    /// # Errors
    ///
    /// Fails if a requirement excludes authors and they are unknown.
    pub fn find(ctx: &Context<'_>, requirements: &[ApprovalRequirement]) -> Fact<Self> {
        let starters = key_trust::starters(ctx);
        Ok(Self {
            starters,
            ..Self::find_before_start(ctx, requirements)?
        })
    }

    /// Returns the same for a deployment that has no starter yet.
    pub fn find_before_start(
        ctx: &Context<'_>,
        requirements: &[ApprovalRequirement],
    ) -> Fact<Self> {
        let needs_authors = requirements
            .iter()
            .any(|it| it.prevent_self.excludes_authors());
        let authors = if needs_authors {
            key_trust::authors(ctx)?
        } else {
            BTreeSet::new()
        };
        Ok(Self {
            authors,
            starters: BTreeSet::new(),
        })
    }

    /// Adds the person who is to start the deployment.
    #[must_use]
    pub fn with_starter(mut self, person: &Person) -> Self {
        self.starters.insert(person.clone());
        self
    }

    /// Returns why a requirement excludes a person; `None` if it does not.
    pub fn refuse(&self, prevent_self: PreventSelf, person: &Person) -> Option<ApprovalRefusal> {
        let is_excluded = prevent_self.excludes_authors() && self.authors.contains(person)
            || prevent_self.excludes_starters() && self.starters.contains(person);
        is_excluded.then_some(match prevent_self {
            PreventSelf::Starter => ApprovalRefusal::Starter,
            PreventSelf::Involved | PreventSelf::Off => ApprovalRefusal::Involved,
        })
    }
}

/// Returns who is excluded by the requirements, for the message that no eligible approver is left.
pub(super) fn describe_excluded(requirements: &[ApprovalRequirement]) -> Option<&'static str> {
    let mut settings = requirements.iter().map(|it| it.prevent_self);
    if settings.clone().any(PreventSelf::excludes_authors) {
        Some("authors and the deployer are excluded (prevent_self)")
    } else {
        settings
            .any(PreventSelf::excludes_starters)
            .then_some("the deployer and the requester are excluded (prevent_self = \"starter\")")
    }
}
