//! The options of every command that carries a deployment out.

/// How a deployment is carried out: the options of every command that does.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunOptions {
    /// Start no further steps after the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Process up to N components at once. Defaults to the policy's `parallel`
    #[arg(hide_short_help = true, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: Option<u32>,
}
