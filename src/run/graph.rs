//! Which component waits for which: the part of the policy's `depends_on` that lies between the components of one deployment.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;

/// Components, and for each of them those that come before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    before: BTreeMap<ComponentName, BTreeSet<ComponentName>>,
}

impl Graph {
    /// The order between some components of a policy. One waits also for what it depends on through others that are not among them.
    pub fn new(policy: &Policy, among: &BTreeSet<ComponentName>) -> Self {
        Self {
            before: among
                .iter()
                .map(|name| (name.clone(), needs(policy, among, name)))
                .collect(),
        }
    }

    /// The same components, none of which waits for another.
    pub fn without_order(among: &BTreeSet<ComponentName>) -> Self {
        Self {
            before: among
                .iter()
                .map(|name| (name.clone(), BTreeSet::new()))
                .collect(),
        }
    }

    /// The other way round: as things are taken down.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut before: BTreeMap<_, BTreeSet<ComponentName>> = self
            .before
            .keys()
            .map(|name| (name.clone(), BTreeSet::new()))
            .collect();
        for (name, needs) in &self.before {
            for need in needs {
                before.entry(need.clone()).or_default().insert(name.clone());
            }
        }
        Self { before }
    }

    /// All components.
    pub fn names(&self) -> impl Iterator<Item = &ComponentName> {
        self.before.keys()
    }

    /// Those that come right before a component.
    pub fn before(&self, name: &ComponentName) -> impl Iterator<Item = &ComponentName> {
        self.before.get(name).into_iter().flatten()
    }

    /// For each component the length of the longest way from it to one that nobody waits for, itself counted: whoever has the
    /// longest way ahead begins first.
    pub fn ways(&self) -> BTreeMap<&ComponentName, usize> {
        let mut ways: BTreeMap<&ComponentName, usize> =
            self.before.keys().map(|name| (name, 1)).collect();
        let mut open: BTreeMap<&ComponentName, usize> =
            ways.keys().map(|name| (*name, 0)).collect();
        for need in self.before.values().flatten() {
            *open.entry(need).or_default() += 1;
        }
        // From the ends back, each once those that wait for it are known.
        let mut known: Vec<&ComponentName> = open
            .iter()
            .filter(|(_, open)| **open == 0)
            .map(|(name, _)| *name)
            .collect();
        while let Some(name) = known.pop() {
            let way = ways.get(name).copied().unwrap_or(1) + 1;
            for need in self.before(name) {
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

/// What a component waits for among these: the nearest of them along each of its ways.
fn needs(
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
