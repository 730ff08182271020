//! The options that describe a deployment in its entry, such as its message and its change request.

use crate::cli::args::inputs::InputArgs;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, append_report};
use crate::domain::entry::Deployment;
use crate::domain::name::Person;
use crate::domain::text::{Description, Line};
use crate::ledger::writer::LedgerSnapshot;
use crate::run::new_commits::build_description;

/// The options that describe a deployment, including `--break-glass` with its reason.
#[derive(clap::Args)]
pub struct MetadataArgs {
    /// Override most rules, for a reason that is recorded
    #[arg(long, value_name = "REASON", value_parser = append_report::parse_line)]
    pub break_glass: Option<Line>,
    #[command(flatten)]
    pub inputs: InputArgs,
    /// The person who asked for the deployment
    #[arg(hide_short_help = true, long, value_name = "PERSON")]
    pub requested_by: Option<Person>,
    /// A description. Defaults to the subjects of the new commits, if any
    #[arg(short, long, value_parser = append_report::parse_description)]
    pub message: Option<Description>,
}

impl MetadataArgs {
    /// Copies the options to a deployment, except `inputs` and `requested_by`, which the writer of the
    /// entry adds. Without a message, the description lists the subjects of the commits.
    pub fn apply_to(
        &self,
        deployment: &mut Deployment,
        snapshot: &LedgerSnapshot<'_>,
    ) -> Result<(), CliError> {
        deployment.break_glass.clone_from(&self.break_glass);
        deployment.description = match (&self.message, snapshot.policy) {
            (Some(message), _) => Some(message.clone()),
            (None, Some(policy)) => build_description(snapshot.repository, policy, deployment)
                .context(ErrorKind::CannotTell, "cannot read the deployed commits")?,
            (None, None) => None,
        };
        Ok(())
    }
}
