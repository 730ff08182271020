//! The options of `git deploy record`.

use std::ffi::OsString;

use super::finish::FinishOptions;
use crate::cli::append_report::WriteArgs;
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::outcome::OutcomeArgs;
use crate::domain::name::ComponentName;

/// Record a deployment, and run the command that makes it
///
/// With `-- COMMAND`, checks the rules, records the start, runs the command, and records how it
/// ended. The command gets your environment without the signing key, and your working directory. It
/// is isolated as the environment's `isolation` says. If it fails, the deployment is recorded as
/// failed, and the exit code is 4. If the rules refuse the deployment (1), approvals are missing (5),
/// or that cannot be determined (3), the command is not run.
///
/// Without a command, records a deployment made by another system: a finished one at once, or its
/// start with --start and its end with --finish. A started deployment locks its components until it
/// is finished.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Deploy with the script that you already have, if the rules allow it:
    git deploy record prod -- ./deploy.sh prod

  Record a finished and verified deployment of HEAD:
    git deploy record prod --verification passed

  Record a deployment before and after it runs:
    git deploy record prod --start
    git deploy record prod --finish --outcome succeeded

  Record that one component failed:
    git deploy record prod v1.5.0 --outcome succeeded --outcome api=failed

  Record a rollback:
    git deploy record prod v1.4.1 --rollback")]
pub struct Args {
    #[command(flatten)]
    pub(super) env_rev: EnvRevArgs,
    /// Record that the deployment begins, and lock its components
    #[arg(long, conflicts_with = "finish")]
    pub(super) start: bool,
    /// Record that the started deployment has ended
    #[arg(long, conflicts_with = "what")]
    pub(super) finish: bool,
    /// Record what ran before the ledger existed (admins only)
    ///
    /// No rule checks a baseline. Without --component, covers all components without a history in
    /// the environment.
    #[arg(hide_short_help = true, long, conflicts_with_all = [
        "start", "finish", "all", "destroy", "rollback", "hotfix", "external", "break_glass", "change", "release", "labels", "origin",
        "requested_by",
        "outcome", "failed", "verification", "logs",
    ])]
    pub(super) baseline: bool,
    /// The run to finish. Optional if you have only one
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NUMBER",
        requires = "finish"
    )]
    pub(super) run: Option<u64>,
    #[command(flatten)]
    pub(super) deployment: DeploymentArgs,
    #[command(flatten)]
    pub(super) outcome: OutcomeArgs,
    #[command(flatten)]
    pub(super) write: WriteArgs,
    /// The command that makes the deployment, and its arguments, run without a shell
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["start", "finish", "baseline", "outcome", "failed", "no_verify"])]
    pub(super) command: Vec<OsString>,
}

/// The options that describe the deployment, for a record, a start or a baseline.
#[derive(clap::Args)]
#[group(id = "what", multiple = true)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag on the command line.
pub(super) struct DeploymentArgs {
    /// Only this component (repeatable). Defaults to those that differ
    #[arg(short, long = "component", value_name = "NAME", conflicts_with = "all")]
    pub(super) components: Vec<ComponentName>,
    /// All components, even unchanged ones
    #[arg(hide_short_help = true, long)]
    pub(super) all: bool,
    /// Remove components that the commit no longer has
    #[arg(hide_short_help = true, long)]
    pub(super) destroy: bool,
    /// Mark this as a rollback to a commit that was good in the environment
    #[arg(long, conflicts_with = "hotfix")]
    pub(super) rollback: bool,
    /// A hotfix: exempt from the rules in `hotfix.skip`
    ///
    /// Only allowed on top of the running commit.
    #[arg(long)]
    pub(super) hotfix: bool,
    /// The deployment was made by hand, although git-deploy has the commands for it
    ///
    /// Needed for components with `apply` in deploy.toml (to remove one: with `destroy`), which
    /// `git deploy run` deploys. The entry stores it.
    #[arg(long)]
    pub(super) external: bool,
    /// The version of all components or of one (repeatable)
    #[arg(
        hide_short_help = true,
        long = "version",
        value_name = "[COMPONENT=]VERSION"
    )]
    pub(super) versions: Vec<String>,
    #[command(flatten)]
    pub(super) metadata: MetadataArgs,
}

impl Args {
    /// Returns the options of `--finish`.
    pub(super) fn finish_options(&self) -> FinishOptions<'_> {
        FinishOptions {
            run: self.run,
            outcome: &self.outcome,
            write: &self.write,
        }
    }
}
