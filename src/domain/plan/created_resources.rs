//! The resources that an apply was to create. Its rollback may destroy these and no others.

use std::collections::BTreeSet;

use super::terraform::{PlannedAction, ResourceChange, TerraformPlan};
use crate::domain::id::Digest;

/// The resources that the applied plans of a component were to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreatedResources {
    /// Addresses at which there was nothing.
    new: BTreeSet<Digest>,
    /// Addresses at which a resource that was in use was to be replaced.
    replaced: BTreeSet<Digest>,
}

impl CreatedResources {
    /// Adds what a plan creates. Called just before it is applied.
    pub fn add_plan(&mut self, plan: &TerraformPlan) {
        for change in plan.changes() {
            match change.action {
                PlannedAction::Create => {
                    self.new.insert(change.id.clone());
                }
                PlannedAction::Replace if !change.is_tainted => {
                    self.replaced.insert(change.id.clone());
                }
                _ => {}
            }
        }
    }

    /// Returns whether the resource that this change destroys was created by the applied plans.
    ///
    /// At an address with a replacement, it may still be the old resource. It is the new one if it
    /// is tainted, which the old one was not.
    fn contains(&self, change: &ResourceChange) -> bool {
        self.new.contains(&change.id) || change.is_tainted && self.replaced.contains(&change.id)
    }
}

impl TerraformPlan {
    /// Returns the addresses of the resources that the plan destroys, or replaces, though the
    /// applied plans did not create them.
    pub fn list_destroyed_except(&self, created: &CreatedResources) -> Vec<&str> {
        let destroys = |it: &&ResourceChange| {
            matches!(it.action, PlannedAction::Destroy | PlannedAction::Replace)
        };
        self.changes()
            .iter()
            .filter(destroys)
            .filter(|it| !created.contains(it))
            .map(|it| it.address.as_str())
            .collect()
    }
}
