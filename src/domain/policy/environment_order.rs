//! The order in which environments are shown: the order of promotion.

use std::collections::BTreeSet;

use super::{Environment, Policy};
use crate::domain::name::EnvName;

impl Policy {
    /// Returns all environments, each after the one that it promotes from. Those that promote from
    /// none are sorted by name, patterns last.
    pub fn environments_in_order(&self) -> Vec<&Environment> {
        let mut ordered = Vec::new();
        let mut seen = BTreeSet::new();
        for environment in self.all_environments() {
            if self.previous_environment(environment).is_none() {
                self.add_with_followers(environment, &mut seen, &mut ordered);
            }
        }
        ordered
    }

    /// Returns the environment that an environment promotes from.
    fn previous_environment(&self, environment: &Environment) -> Option<&Environment> {
        self.environment(environment.promote_from.as_ref()?)
    }

    /// Adds an environment, and after it those that promote from it, directly or indirectly.
    fn add_with_followers<'a>(
        &'a self,
        environment: &'a Environment,
        seen: &mut BTreeSet<&'a EnvName>,
        ordered: &mut Vec<&'a Environment>,
    ) {
        // A validated policy has no cycle. This check makes the walk end anyway.
        if !seen.insert(&environment.name) {
            return;
        }
        ordered.push(environment);
        for next in self.all_environments() {
            let previous = self.previous_environment(next);
            if previous.is_some_and(|previous| previous.name == environment.name) {
                self.add_with_followers(next, seen, ordered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order follows `promote_from`, not the names.
    #[test]
    fn order_follows_promotion() {
        let text = r#"
            schema = 1
            project = "catalogue"
            [people]
            alice = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
            [environments]
            zero = {}
            alpha = { promote_from = "mid" }
            mid = { promote_from = "zero" }
            box = {}
            "pr-*" = { ephemeral = { ttl = "8h", limit = 2 } }
        "#;
        let policy = Policy::parse(text).unwrap();
        let names: Vec<&str> = policy
            .environments_in_order()
            .iter()
            .map(|environment| environment.name.as_str())
            .collect();
        assert_eq!(names, ["box", "zero", "mid", "alpha", "pr"]);
    }
}
