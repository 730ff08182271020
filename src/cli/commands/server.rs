//! `git deploy server`: the commands that a server's owner runs on the server.

mod adopt;
mod check;
mod init;

pub(in crate::cli) use adopt::AdoptDocument;
pub(in crate::cli) use init::ServerInitDocument;

use crate::cli::{CliError, Ui};

/// Make a repository a server that judges what is pushed
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ServerCommand,
}

#[derive(clap::Subcommand)]
enum ServerCommand {
    /// Install the hooks, and say who may publish the first policy
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
