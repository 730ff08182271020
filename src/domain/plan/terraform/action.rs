//! The actions of a terraform plan on resources and outputs, and the number of resources per
//! action.

use std::fmt;

use serde::Serialize;

/// What a plan does with a resource or an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlannedAction {
    /// It is created.
    Create,
    /// It is changed in place.
    Update,
    /// It is destroyed and created again, in either order.
    Replace,
    /// It is created again; the old one remains and is no longer managed by terraform.
    CreateAndForget,
    /// It is destroyed.
    Destroy,
    /// It remains and is no longer managed by terraform.
    Forget,
    /// It is read while the plan is applied.
    Read,
    /// It exists, and terraform starts to manage it. Nothing else changes.
    Import,
    /// It gets another address, and nothing else changes.
    Move,
}

impl PlannedAction {
    /// Returns the word that terraform prints: `create`, `destroy`.
    #[cfg(any(test, feature = "testing"))]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::CreateAndForget => "create and forget",
            Self::Destroy => "destroy",
            Self::Forget => "forget",
            Self::Read => "read",
            Self::Import => "import",
            Self::Move => "move",
        }
    }

    /// Returns the symbol that terraform prints before it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create | Self::Import => "+",
            Self::Update | Self::Move => "~",
            Self::Replace => "-/+",
            Self::CreateAndForget => "./+",
            Self::Destroy => "-",
            Self::Forget => ".",
            Self::Read => "<=",
        }
    }
}

/// The number of resources per action. A replacement counts as one added and one destroyed, as in
/// terraform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActionCounts {
    /// Resources that terraform starts to manage.
    pub import: usize,
    /// Resources to create.
    pub add: usize,
    /// Resources to change in place.
    pub change: usize,
    /// Resources to destroy.
    pub destroy: usize,
    /// Resources that remain and are no longer managed by terraform.
    pub forget: usize,
}

impl ActionCounts {
    /// Adds one action on a resource. Imports are counted separately.
    pub(super) fn add_action(&mut self, action: PlannedAction) {
        match action {
            PlannedAction::Create => self.add += 1,
            PlannedAction::Update => self.change += 1,
            PlannedAction::Replace => {
                self.add += 1;
                self.destroy += 1;
            }
            PlannedAction::CreateAndForget => {
                self.add += 1;
                self.forget += 1;
            }
            PlannedAction::Destroy => self.destroy += 1,
            PlannedAction::Forget => self.forget += 1,
            PlannedAction::Read | PlannedAction::Import | PlannedAction::Move => {}
        }
    }
}

/// Writes the counts as terraform does: `2 to add, 1 to change, 0 to destroy`.
impl fmt::Display for ActionCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.import > 0 {
            write!(f, "{} to import, ", self.import)?;
        }
        write!(
            f,
            "{} to add, {} to change, {} to destroy",
            self.add, self.change, self.destroy
        )?;
        if self.forget > 0 {
            write!(f, ", {} to forget", self.forget)?;
        }
        Ok(())
    }
}
