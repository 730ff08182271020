//! The order in which environments are shown: in the direction of promotion.

use std::collections::BTreeSet;

use super::{Environment, Policy};
use crate::domain::name::EnvName;

impl Policy {
    /// Returns all environments, each after the one that it promotes from. Those that promote from
    /// none are sorted by name, patterns last.
    pub fn environments_in_order(&self) -> Vec<&Environment> {
        let mut ordered = Vec::new();
        let mut seen = BTreeSet::new();
        let from = |environment: &Environment| {
            environment
                .promote_from
                .as_ref()
                .and_then(|before| self.environment(before))
                .map(|before| &before.name)
        };
        for environment in self
            .all_environments()
            .filter(|environment| from(environment).is_none())
        {
            self.follow(environment, &mut seen, &mut ordered);
        }
        ordered
    }

    fn follow<'a>(
        &'a self,
        environment: &'a Environment,
        seen: &mut BTreeSet<&'a EnvName>,
        ordered: &mut Vec<&'a Environment>,
    ) {
        // A validated policy has no circle. This check ends the walk over any policy.
        if !seen.insert(&environment.name) {
            return;
        }
        ordered.push(environment);
        for next in self.all_environments() {
            let before = next
                .promote_from
                .as_ref()
                .and_then(|before| self.environment(before));
            if before.is_some_and(|before| before.name == environment.name) {
                self.follow(next, seen, ordered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order follows `promote_from`, not the names.
    #[test]
    fn along_the_chain() {
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
