//! `git deploy server`: the commands that a server's owner runs on the server.

mod adopt;
mod check;
mod init;

#[cfg(any(test, feature = "testing"))]
pub(in crate::cli) use adopt::AdoptDocument;
#[cfg(any(test, feature = "testing"))]
pub(in crate::cli) use init::ServerInitDocument;

use crate::cli::{CliError, Ui};

/// Turn a repository into a server that checks pushes
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git-deploy server init shop.git --admin alice.pub
  git-deploy server check shop.git")]
pub struct Args {
    #[command(subcommand)]
    command: ServerCommand,
}

#[derive(clap::Subcommand)]
enum ServerCommand {
    /// Install the hooks, and set who may publish the first policy
    #[command(after_long_help = "\
Examples:
  Create a server:
    git init --bare shop.git
    git-deploy server init shop.git --admin alice.pub

  Install on GitLab, which does not run proc-receive:
    git-deploy server init /srv/shop.git --admin alice.pub --no-proc-receive")]
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Adopt(adopt::AdoptArgs),
}

/// Runs the chosen subcommand.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    match &args.command {
        ServerCommand::Init(args) => init::run(args, ui),
        ServerCommand::Check(args) => check::run(args, ui),
        ServerCommand::Adopt(args) => adopt::run(args, ui),
    }
}
