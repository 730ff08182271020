//! The order in which environments are shown: along the way that code takes.

use std::collections::BTreeSet;

use super::{Environment, Policy};
use crate::domain::name::EnvName;

impl Policy {
    /// All environments, each right after the one that it promotes from; beginnings by name, patterns last among equals.
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
        // A validated policy has no circle; this makes a walk over any policy end.
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

    /// Names say nothing about the way of the code; `promote_from` does.
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
