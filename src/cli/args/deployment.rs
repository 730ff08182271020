//! What to deploy and how: the options that `run`, `promote`, `plan` and `check` share.

use crate::cli::args::metadata::MetadataArgs;
use crate::domain::entry::DeploymentKind;
use crate::domain::name::ComponentName;
use crate::domain::time::Span;

/// What to deploy and how.
#[derive(clap::Args)]
pub struct DeploymentArgs {
    /// Only this component (repeatable)
    ///
    /// Even if it is unchanged. Defaults to all components that differ from what the environment runs.
    #[arg(short, long = "component", value_name = "NAME", conflicts_with = "all")]
    pub components: Vec<ComponentName>,
    /// All components, even unchanged ones
    #[arg(hide_short_help = true, long)]
    pub all: bool,
    /// Remove components that the commit no longer has
    ///
    /// With `promote`: those that the previous environment has removed.
    #[arg(long)]
    pub destroy: bool,
    /// A hotfix: skips the rules in `hotfix.skip`
    ///
    /// Only allowed on top of the running commit.
    #[arg(long)]
    pub hotfix: bool,
    /// The lifetime of an ephemeral environment, like 4h
    ///
    /// Counts from now. Defaults to the policy's maximum.
    #[arg(hide_short_help = true, long, value_name = "SPAN")]
    pub ttl: Option<Span>,
    #[command(flatten)]
    pub metadata: MetadataArgs,
}

impl DeploymentArgs {
    /// Returns the kind of deployment.
    pub fn kind(&self) -> DeploymentKind {
        if self.hotfix {
            DeploymentKind::Hotfix
        } else {
            DeploymentKind::Deploy
        }
    }
}
