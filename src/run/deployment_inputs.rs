//! The inputs of a deployment: what it belongs to, and where it comes from.

use crate::domain::entry::{Deployment, Labels, Origin};
use crate::domain::name::Label;
use crate::domain::text::Line;

/// The inputs of a deployment, apart from its description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentInputs {
    /// The change request.
    pub change: Option<Line>,
    /// The release.
    pub release: Option<Label>,
    /// The labels.
    pub labels: Labels,
    /// The CI system, its run and the person who asked.
    pub origin: Origin,
}

impl DeploymentInputs {
    /// Copies the inputs to a deployment.
    pub fn apply_to(&self, deployment: &mut Deployment) {
        deployment.change.clone_from(&self.change);
        deployment.release.clone_from(&self.release);
        deployment.labels.clone_from(&self.labels);
        deployment.origin.clone_from(&self.origin);
    }
}
