//! The remark about components that run in an environment although the policy no longer declares them.

use crate::domain::command_line::component_options;
use crate::domain::count::choose;
use crate::domain::name::{ComponentName, EnvName};
use crate::view::grouping::list_or_count;

/// A remark about undeclared components.
pub struct UndeclaredRemark {
    /// The remark: one sentence without a full stop.
    pub text: String,
    /// The command that removes them.
    pub command: String,
}

impl UndeclaredRemark {
    /// Describes the undeclared components that run in an environment. Returns `None` if there are
    /// none.
    pub fn describe(environment: &EnvName, components: &[ComponentName]) -> Option<Self> {
        if components.is_empty() {
            return None;
        }
        let names: Vec<&str> = components.iter().map(ComponentName::as_str).collect();
        let predicate = choose(
            names.len(),
            "is no longer a component of the policy",
            "are no longer components of the policy",
        );
        Some(Self {
            text: format!("{} {predicate}", list_or_count(&names)),
            command: format!(
                "git deploy record {environment} --destroy{}",
                component_options(components)
            ),
        })
    }
}
