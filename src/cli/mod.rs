//! The command line: parsing, dispatch, and the code that the commands share. Each command is a
//! file in `commands`.
//!
//! To add a command, add its file, its `mod` line and its line in [`commands!`]: parsing, dispatch,
//! the grouped help, the man pages and the completions follow from these. Help texts are the doc
//! comments that clap reads.

mod append_error;
mod append_report;
mod args;
mod audit_report;
mod baseline;
mod bound_environment;
mod change_search;
mod chosen_deployment;
mod ci_job;
mod commands;
mod default_names;
mod deploy_runner;
mod deployed_branch;
mod deployment_notes;
mod deployment_request;
mod diagnostics;
mod dropped_names;
mod editor;
mod entry_lookup;
mod entry_name;
mod error;
mod expected_project;
mod exposed_secrets;
mod help;
mod key_lookup;
mod ledger_problems;
mod left_out_components;
mod lfs_pointers;
mod missing_emails;
mod pending_approvals;
mod placement;
mod policy_edit;
mod policy_file;
mod policy_warnings;
mod progress;
mod projections;
mod promoted_commits;
mod read_context;
mod repository;
mod required_program;
mod revision;
mod rollback_targets;
mod run_details;
#[cfg(any(test, feature = "testing"))]
pub mod schemas;
mod sync_report;
mod ui;
mod unmatched_paths;
mod unverified_ledgers;
mod workspace;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::domain::text::sanitize;
use args::global::GlobalOptions;
pub use error::{CliError, ErrorContext, ErrorKind};
pub use ui::Ui;

/// Generates the enum of commands, their dispatch, and the groups of the help.
macro_rules! commands {
    ($($group:literal: { $($verb:ident => $file:ident,)+ })+) => {
        #[derive(Subcommand)]
        enum Command {
            $($($verb(commands::$file::Args),)+)+
        }

        impl Command {
            fn run(&self, ui: &Ui) -> Result<(), CliError> {
                match self {
                    $($(Self::$verb(args) => commands::$file::run(args, ui),)+)+
                }
            }
        }

        /// The heading of each group and its number of commands, in the order of the enum.
        const GROUPS: &[(&str, usize)] = &[$(($group, [$(stringify!($verb)),+].len())),+];
    };
}

// The groups in the order of the help.
commands! {
    "Get started": {
        Init => init,
        Demo => demo,
        Key => key,
        Help => help,
    }
    "Inspect": {
        Status => status,
        Log => log,
        Show => show,
        Diff => diff,
        Contains => contains,
        Good => good,
        Version => version,
    }
    "Approve and block": {
        Check => check,
        Approve => approve,
        Revoke => revoke,
        Attest => attest,
        Build => build,
        Register => register,
        Yank => yank,
        Unyank => unyank,
        Lock => lock,
        Unlock => unlock,
    }
    "Deploy": {
        Plan => plan,
        Run => run,
        Promote => promote,
        Rollback => rollback,
        Resume => resume,
        Abort => abort,
        Verify => verify,
        Exec => exec,
        Record => record,
        Expire => expire,
        Destroy => destroy,
        Reap => reap,
        Reconcile => reconcile,
    }
    "Audit": {
        Audit => audit,
        Repair => repair,
    }
    "Administer": {
        Policy => policy,
        Person => person,
        Component => component,
        Environment => environment,
        Server => server,
        Hook => hook,
        Notes => notes,
        Sync => sync,
        Completions => completions,
        Man => man,
    }
}

impl Command {
    /// Returns whether this is a `run` whose first two words are a component and an environment.
    fn is_component_first(&self, ui: &Ui) -> bool {
        matches!(self, Self::Run(args) if args.is_component_first(ui))
    }
}

/// Record, approve and verify deployments in a signed ledger in Git
#[derive(Parser)]
#[command(name = "git-deploy", bin_name = "git deploy", version)]
#[command(disable_help_subcommand = true)]
#[command(after_long_help = "\
Examples:
  Set up a project:
    git deploy init

  Deploy HEAD to an environment, and show what runs where:
    git deploy run dev
    git deploy status")]
struct Cli {
    #[command(flatten)]
    options: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

/// Parses the command line, runs the command, prints its error, and returns the exit code.
pub fn main() -> ExitCode {
    // Before anything else is read or done: the helper must not depend on arguments or variables.
    if let Some(code) = crate::run::isolation::run_if_helper() {
        return code;
    }
    let (cli, unknown_command) = match parse_command_line(std::env::args_os()) {
        Ok(cli) => (cli, None),
        Err(error) => match parse_component_first(&error) {
            Some(cli) => (cli, Some(error)),
            None => return report_clap_error(&error),
        },
    };
    let ui = Ui::new(&cli.options);
    let directory = change_directory(&cli.options);
    if let Some(error) = unknown_command
        && directory.is_ok()
        && !cli.command.is_component_first(&ui)
    {
        return report_clap_error(&error);
    }
    let result = directory
        .and_then(|()| expected_project::check_expected_project(&ui))
        .and_then(|()| cli.command.run(&ui));
    ui.finish(result)
}

/// Prints help or a usage error, and returns the exit code.
fn report_clap_error(error: &clap::Error) -> ExitCode {
    print_clap_error(error);
    if error.use_stderr() {
        report_usage_error(error)
    } else {
        ExitCode::SUCCESS
    }
}

/// Prints help or a usage error. Replaces control characters in arguments that clap repeats,
/// because they may be untrusted.
fn print_clap_error(error: &clap::Error) {
    let mut text = error.render().ansi().to_string();
    for word in std::env::args_os().filter_map(|word| word.into_string().ok()) {
        let sanitized = sanitize(&word);
        if sanitized != word {
            text = text.replace(&word, &sanitized);
            // clap repeats only the value of `--option=VALUE`.
            text = word.split_once('=').map_or(text.clone(), |(_, value)| {
                text.replace(value, &sanitize(value))
            });
        }
    }
    // If the stream is closed, the text is lost.
    let _ = if error.use_stderr() {
        write!(anstream::stderr(), "{text}")
    } else {
        write!(anstream::stdout(), "{text}")
    };
}

/// Returns the exit code of a usage error, which has been printed already. Also prints the JSON
/// document if `--json` is among the arguments.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    if std::env::args_os()
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
    {
        let text = error.render().to_string();
        let first = text
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let message =
            if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                "a command is missing"
            } else {
                first
            };
        let failure = CliError::new(ErrorKind::Usage, message).hint("git deploy --help");
        let ui = Ui::new(&GlobalOptions {
            json: true,
            ..GlobalOptions::default()
        });
        // If this fails, the text above has the same information.
        let _ = failure
            .to_document(Vec::new())
            .map(|body| ui.print_document("error", &body));
    }
    ErrorKind::Usage.into()
}

fn parse_command_line(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // The grouped help is slow to build, so it is only built if parsing fails or help is printed.
    let parsed = Cli::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed
        .or_else(|_| Cli::from_arg_matches(&help::build_command().try_get_matches_from(arguments)?))
}

/// Parses `COMPONENT ENV …`, which is short for `run COMPONENT ENV …`, if `error` says that the first
/// word is no command. Only the policy tells whether the words are a component and an environment.
fn parse_component_first(error: &clap::Error) -> Option<Cli> {
    if error.kind() != clap::error::ErrorKind::InvalidSubcommand {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let index = arguments.iter().skip(1).position(|it| it == &**word)? + 1;
    arguments.insert(index, "run".into());
    let matches = Cli::command().try_get_matches_from(arguments).ok()?;
    Cli::from_arg_matches(&matches).ok()
}

/// Changes to the directory of `-C`, so that every relative path is relative to it.
fn change_directory(options: &GlobalOptions) -> Result<(), CliError> {
    let Some(directory) = &options.directory else {
        return Ok(());
    };
    std::env::set_current_dir(directory).context(
        ErrorKind::Usage,
        format!("cannot change to the directory {}", directory.display()),
    )
}
