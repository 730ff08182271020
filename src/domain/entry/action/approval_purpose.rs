//! What an approval is for.

use serde::{Deserialize, Serialize};

use crate::domain::id::Digest;
use crate::domain::text::Line;

/// What an approval is for. An approval for one purpose authorises no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "lowercase")]
pub enum ApprovalPurpose {
    /// To deploy the components, with any kind of deployment that does not remove them.
    Deploy,
    /// To remove the components from the environment.
    Destroy,
    /// To run one command in the components.
    Exec {
        /// The SHA-256 of the command line.
        command: Digest,
    },
}

impl ApprovalPurpose {
    /// Returns the purpose of an approval of this command line.
    pub fn of_command(command: &Line) -> Self {
        Self::Exec {
            command: Digest::sha256(command.as_str().as_bytes()),
        }
    }
}
