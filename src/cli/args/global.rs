//! The options that every command has.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::domain::name::ProjectName;

/// The global options. Their ids have a prefix, because a command's own argument of the same id
/// would hide the option.
#[derive(Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// Run as if started in DIR
    #[arg(id = "all-directory", short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Use the ledgers of this remote. Defaults to `deploy.remote`, else `origin`
    #[arg(hide_short_help = true, id = "all-remote", long = "remote", value_name = "NAME", global = true, value_parser = parse_remote_name)]
    pub remote: Option<String>,
    /// Fail unless the repository belongs to this project
    #[arg(
        hide_short_help = true,
        id = "all-project",
        long = "project",
        value_name = "NAME",
        global = true
    )]
    pub project: Option<ProjectName>,
    /// Print one JSON document instead of text
    ///
    /// The document has a versioned schema, see docs/json.md. Progress and messages go to standard
    /// error.
    #[arg(id = "all-json", long = "json", global = true)]
    pub json: bool,
    /// Show times as `relative` or `iso` (RFC 3339). Defaults to relative on a terminal
    #[arg(
        hide_short_help = true,
        id = "all-dates",
        long = "dates",
        value_name = "HOW",
        global = true,
        default_value = "auto",
        hide_default_value = true
    )]
    pub dates: DatesMode,
    /// When to use color
    #[arg(
        hide_short_help = true,
        id = "all-color",
        long = "color",
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_default_value = true
    )]
    pub color: ColorMode,
    /// Answer yes to all questions
    #[arg(
        id = "all-yes",
        short = 'y',
        long = "yes",
        aliases = ["skip-confirm", "skip_confirm"],
        global = true
    )]
    pub yes: bool,
}

/// The values of `--dates`.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum DatesMode {
    #[default]
    Auto,
    Iso,
    Relative,
}

/// The values of `--color`.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ColorMode {
    #[default]
    Auto,
    Always,
    Never,
}

/// Parses the name of a remote. The name is passed to git, where it must not look like an option.
fn parse_remote_name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.starts_with('-') || !text.chars().all(crate::domain::text::is_plain)
    {
        return Err("not a valid remote name");
    }
    Ok(text.to_owned())
}
