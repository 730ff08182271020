//! The order of a deployment's components: the part of the policy's `depends_on` that lies between
//! them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;

/// Components, each with those that must come before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    predecessors: BTreeMap<ComponentName, BTreeSet<ComponentName>>,
}

impl Graph {
    /// Builds the order between some components of a policy. A component also waits for those that
    /// it depends on through components that are not part of the graph.
    pub fn new(policy: &Policy, among: &BTreeSet<ComponentName>) -> Self {
        Self {
            predecessors: among
                .iter()
                .map(|name| (name.clone(), find_predecessors(policy, among, name)))
                .collect(),
        }
    }

    /// Builds a graph of these components in which none waits for another.
    pub fn unordered(among: &BTreeSet<ComponentName>) -> Self {
        Self {
            predecessors: among
                .iter()
                .map(|name| (name.clone(), BTreeSet::new()))
                .collect(),
        }
    }

    /// Returns the graph in reverse order, for removals and rollbacks.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut before: BTreeMap<_, BTreeSet<ComponentName>> = self
            .predecessors
            .keys()
            .map(|name| (name.clone(), BTreeSet::new()))
            .collect();
        for (name, needs) in &self.predecessors {
            for need in needs {
                before.entry(need.clone()).or_default().insert(name.clone());
            }
        }
        Self {
            predecessors: before,
        }
    }

    /// Returns all components.
    pub fn components(&self) -> impl Iterator<Item = &ComponentName> {
        self.predecessors.keys()
    }

    /// Returns the components that must come directly before a component.
    pub fn predecessors(&self, name: &ComponentName) -> impl Iterator<Item = &ComponentName> {
        self.predecessors.get(name).into_iter().flatten()
    }

    /// Returns the length of the longest path from each component to a component that no other
    /// waits for, counting both ends. The component with the longest path starts first.
    pub fn longest_paths(&self) -> BTreeMap<&ComponentName, usize> {
        let mut ways: BTreeMap<&ComponentName, usize> =
            self.predecessors.keys().map(|name| (name, 1)).collect();
        let mut open: BTreeMap<&ComponentName, usize> =
            ways.keys().map(|name| (*name, 0)).collect();
        for need in self.predecessors.values().flatten() {
            *open.entry(need).or_default() += 1;
        }
        // Walks back from the last components. Each is visited once all that wait for it are known.
        let mut known: Vec<&ComponentName> = open
            .iter()
            .filter(|(_, open)| **open == 0)
            .map(|(name, _)| *name)
            .collect();
        while let Some(name) = known.pop() {
            let way = ways.get(name).copied().unwrap_or(1) + 1;
            for need in self.predecessors(name) {
                ways.entry(need)
                    .and_modify(|known| *known = way.max(*known));
                if let Some(open) = open.get_mut(need) {
                    *open -= 1;
                    if *open == 0 {
                        known.push(need);
                    }
                }
            }
        }
        ways
    }
}

/// Returns the components among these that a component waits for: the nearest on each path of
/// dependencies.
fn find_predecessors(
    policy: &Policy,
    among: &BTreeSet<ComponentName>,
    name: &ComponentName,
) -> BTreeSet<ComponentName> {
    let direct = |name: &ComponentName| {
        policy
            .component(name)
            .into_iter()
            .flat_map(|it| it.depends_on.clone())
    };
    let (mut needs, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<ComponentName> = direct(name).collect();
    while let Some(next) = open.pop() {
        if among.contains(&next) {
            needs.insert(next);
        } else if seen.insert(next.clone()) {
            open.extend(direct(&next));
        }
    }
    needs
}
