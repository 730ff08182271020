//! The order of a deployment's components, from the policy's `depends_on`.

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
        let mut reversed: BTreeMap<_, BTreeSet<ComponentName>> = self
            .predecessors
            .keys()
            .map(|name| (name.clone(), BTreeSet::new()))
            .collect();
        for (name, predecessors) in &self.predecessors {
            for predecessor in predecessors {
                reversed
                    .entry(predecessor.clone())
                    .or_default()
                    .insert(name.clone());
            }
        }
        Self {
            predecessors: reversed,
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
        let mut lengths: BTreeMap<&ComponentName, usize> =
            self.predecessors.keys().map(|name| (name, 1)).collect();
        // For each component: how many of those that wait for it have no known length yet.
        let mut unknown_dependents: BTreeMap<&ComponentName, usize> =
            lengths.keys().map(|name| (*name, 0)).collect();
        for predecessor in self.predecessors.values().flatten() {
            *unknown_dependents.entry(predecessor).or_default() += 1;
        }
        // Begin with the components that no other waits for. A component follows when the lengths
        // of all components that wait for it are known.
        let mut ready: Vec<&ComponentName> = unknown_dependents
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(name, _)| *name)
            .collect();
        while let Some(name) = ready.pop() {
            let length = lengths.get(name).copied().unwrap_or(1) + 1;
            for predecessor in self.predecessors(name) {
                lengths
                    .entry(predecessor)
                    .and_modify(|longest| *longest = length.max(*longest));
                if let Some(count) = unknown_dependents.get_mut(predecessor) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(predecessor);
                    }
                }
            }
        }
        lengths
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
    let (mut predecessors, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut pending: Vec<ComponentName> = direct(name).collect();
    while let Some(next) = pending.pop() {
        if among.contains(&next) {
            predecessors.insert(next);
        } else if seen.insert(next.clone()) {
            pending.extend(direct(&next));
        }
    }
    predecessors
}
