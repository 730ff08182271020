//! Which part of a state is needed to judge an entry.

use std::collections::BTreeSet;

use crate::domain::entry::Statement;
use crate::domain::name::ComponentName;

/// Which components of a state are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These; everything else of the environment is always needed.
    Components(BTreeSet<ComponentName>),
}

impl Scope {
    /// Returns what [`fold`](super::fold()) and the rules need for a statement: the components that it names; all of them in a pattern's ledger, where
    /// a destroy empties an environment, and environments are small.
    pub fn for_statement(statement: &Statement) -> Self {
        if statement.environment.is_some() {
            return Self::All;
        }
        Self::Components(statement.components())
    }

    /// Checks whether a component is in it.
    #[cfg(any(test, feature = "testing"))]
    pub fn contains(&self, component: &str) -> bool {
        match self {
            Self::All => true,
            Self::Components(names) => names.contains(component),
        }
    }
}
