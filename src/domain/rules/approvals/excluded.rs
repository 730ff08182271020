//! The people whose own approval does not count (`prevent_self`).

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::ApprovalRefusal;
use crate::domain::name::Person;
use crate::domain::policy::{ApprovalRequirement, PreventSelf};
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::{AuthoredCommit, Fact};
use crate::domain::rules::findings::join_names;
use crate::domain::rules::key_trust;

/// The most authors that a message names.
const MAX_AUTHORS: usize = 5;

/// The people whom `prevent_self` may exclude.
#[derive(Clone)]
pub(super) struct ExcludedPersons {
    /// The authors of the new commits, each with one of these; empty if no requirement excludes them.
    authors: BTreeMap<Person, AuthoredCommit>,
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
            BTreeMap::new()
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
        let authored = self.authors.get(person);
        let is_author = prevent_self.excludes_authors() && authored.is_some();
        let is_starter = prevent_self.excludes_starters() && self.starters.contains(person);
        (is_author || is_starter).then(|| match prevent_self {
            PreventSelf::Starter => ApprovalRefusal::Starter,
            PreventSelf::Involved | PreventSelf::Off => {
                ApprovalRefusal::Involved(authored.filter(|_| !is_starter).cloned())
            }
        })
    }

    /// Returns who is excluded by the requirements, and the commit of each author among the people whom
    /// they name, for the message that no eligible approver is left.
    pub fn describe(&self, requirements: &[ApprovalRequirement]) -> Option<String> {
        let mut settings = requirements.iter().map(|it| it.prevent_self);
        if !settings.clone().any(PreventSelf::excludes_authors) {
            let is_starter_excluded = settings.any(PreventSelf::excludes_starters);
            return is_starter_excluded.then(|| {
                "the deployer and the requester are excluded (prevent_self = \"starter\")"
                    .to_owned()
            });
        }
        let is_excluded = |person: &Person| {
            let mut excluding = requirements
                .iter()
                .filter(|it| it.prevent_self.excludes_authors());
            excluding.any(|it| it.by.contains(person))
        };
        let authors = self.authors.iter().filter(|it| is_excluded(it.0));
        let mut authors = authors.take(MAX_AUTHORS).peekable();
        let general = "authors and the deployer are excluded (prevent_self)";
        if authors.peek().is_none() {
            return Some(general.to_owned());
        }
        let each = authors.map(|(person, commit)| format!("{person} is an author of {commit}"));
        Some(format!("{general}: {}", join_names(each)))
    }
}
