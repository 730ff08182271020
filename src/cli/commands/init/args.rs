//! The options of `git deploy init`.

use crate::cli::baseline::BaselineArg;
use crate::domain::name::{EnvName, Person, ProjectName};

/// Set up this repository: key, policy, remote and baselines
///
/// Creates a signing key and deploy.toml if they are missing, publishes the first policy, records
/// what is already running, and configures git to fetch the ledgers. If the remote already has a
/// project, joins that project instead. To continue after an interruption, repeat the command:
/// it does not repeat the steps that are already done. If it fails before the policy is in force, it leaves the
/// clone as it was.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Set up a project with the default environments:
    git deploy init

  Choose the environments, and record what production already runs:
    git deploy init --env staging,prod --running prod=v1.4.1

  One component runs another version:
    git deploy init --running prod=v1.4.1 --running prod:api=v1.5.0

  Set up a clone without prompts, as a member of an existing project:
    git deploy init --yes --no-password --pre-push")]
pub struct Args {
    /// The environments in promotion order [default: dev,stage,prod]
    #[arg(long = "env", value_name = "NAME,…", value_delimiter = ',')]
    pub(super) environments: Vec<EnvName>,
    /// Record what an environment already runs (repeatable)
    ///
    /// For example prod=v1.4.1, or prod:api=v1.5.0 for one component. This is recorded as a
    /// baseline, which an admin signs and no rule checks. A later rollback can go back to it.
    #[arg(long, value_name = "ENV[:COMPONENT]=REV")]
    pub(super) running: Vec<BaselineArg>,
    /// The project's permanent name. Defaults to the repository's name
    ///
    /// This is the name of the remote repository or, without a remote, of the folder. On a terminal,
    /// `init` asks.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<ProjectName>,
    /// Your name in deploy.toml. Defaults to the name in your e-mail address
    #[arg(long = "as", value_name = "PERSON")]
    pub(super) person: Option<Person>,
    /// Protect a new key by file permissions only
    #[arg(long)]
    pub(super) no_password: bool,
    /// Install the pre-push hook, which checks pushes before they are sent
    #[arg(long)]
    pub(super) pre_push: bool,
}
