//! The order in which environments are shown: the order of promotion.

use std::collections::BTreeSet;

use super::{Environment, Policy};
use crate::domain::name::EnvName;

impl Policy {
    /// Returns all environments, each after those that it promotes from. Those that promote from
    /// none are sorted by name, patterns last.
    pub fn environments_in_order(&self) -> Vec<&Environment> {
        let mut ordered = Vec::new();
        let mut added = BTreeSet::new();
        for environment in self.all_environments() {
            self.add_if_ready(environment, &mut added, &mut ordered);
        }
        ordered
    }

    /// Adds an environment if all environments that it promotes from were added, and after it those
    /// that promote from it, directly or indirectly.
    fn add_if_ready<'a>(
        &'a self,
        environment: &'a Environment,
        added: &mut BTreeSet<&'a EnvName>,
        ordered: &mut Vec<&'a Environment>,
    ) {
        let is_ready = environment.promote_from.iter().all(|it| added.contains(it));
        if !is_ready || !added.insert(&environment.name) {
            return;
        }
        ordered.push(environment);
        for next in self.all_environments() {
            if next.promote_from.contains(&environment.name) {
                self.add_if_ready(next, added, ordered);
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
            joined = { promote_from = ["zero", "box"] }
            after = { promote_from = "joined" }
            "pr-*" = { ephemeral = { ttl = "8h", limit = 2 } }
        "#;
        let policy = Policy::parse(text).unwrap();
        let names: Vec<&str> = policy
            .environments_in_order()
            .iter()
            .map(|environment| environment.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["box", "zero", "joined", "after", "mid", "alpha", "pr"]
        );
    }
}
