//! The options of every command that runs a deployment.

/// The option of commands that can be tried without changing anything.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DryRunArg {
    /// Show the plan and what the rules say; change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// How to run a deployment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunOptions {
    /// Start no further steps after the first failure
    #[arg(hide_short_help = true, long)]
    pub fail_fast: bool,
    /// Process up to N components at once. Defaults to the policy's `parallel`
    #[arg(hide_short_help = true, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: Option<u32>,
}
