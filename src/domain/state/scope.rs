//! The part of a state that is needed to judge an entry.

use std::collections::BTreeSet;

use crate::domain::entry::Statement;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;

/// The components of a state that are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All components.
    All,
    /// The listed components. The parts of the state outside of components are always needed.
    Components(BTreeSet<ComponentName>),
}

impl Scope {
    /// Returns the components that [`fold`](super::fold()) needs for a statement: those that it
    /// names. The rules also need their [former names](Self::with_former_names). Returns all
    /// components for an entry of a pattern's ledger, because a destroy empties an environment.
    pub fn for_statement(statement: &Statement) -> Self {
        if statement.environment.is_some() {
            return Self::All;
        }
        Self::Components(statement.components())
    }

    /// Adds the former names of the components. The rules need them: a renamed component runs under
    /// its former name until it is deployed under the new one.
    #[must_use]
    pub fn with_former_names(self, policy: &Policy) -> Self {
        match self {
            Self::All => Self::All,
            Self::Components(mut names) => {
                let former: Vec<_> = names
                    .iter()
                    .flat_map(|name| policy.former_names(name).iter().cloned())
                    .collect();
                names.extend(former);
                Self::Components(names)
            }
        }
    }

    /// Returns whether the scope includes a component.
    #[cfg(any(test, feature = "testing"))]
    pub fn contains(&self, component: &str) -> bool {
        match self {
            Self::All => true,
            Self::Components(names) => names.contains(component),
        }
    }
}
