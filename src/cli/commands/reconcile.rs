//! `git deploy reconcile`: brings branches and tags in line with the ledgers and the policy.

use crate::cli::projections::{explain_incomplete, print_report, reconcile};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::policy::Environment;

/// Bring branches and tags in line with the ledgers
///
/// The policy can ask for a tag on each success (`tag`), and for a branch that follows them
/// (`advance`). `run` and `record` make them at their end; this command makes what is missing, for
/// example from cron. It fetches first, can be repeated at any time, and never moves a tag. Exits with
/// 1 if a change was refused, and with 3 if a ledger is not verified or the remote did not answer.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Do what is missing in all environments:
    git deploy reconcile

  See what is missing in one:
    git deploy reconcile prod --dry-run")]
pub struct Args {
    /// Only these environments, or patterns such as pr-*
    #[arg(value_name = "ENV")]
    environments: Vec<String>,
    /// Show what is missing, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Reconciles the named environments, or all.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let environments = select_environments(args, &workspace)?;
    let report = reconcile(&workspace, &environments, args.dry_run)?;
    print_report(ui, &report);
    if ui.json() {
        ui.print_document("reconcile", &report)?;
    } else if report.projections.is_empty() && report.undecided.is_empty() {
        ui.print_sentence("Everything is in line with the ledgers.");
    }
    explain_incomplete(&report).map_or(Ok(()), Err)
}

/// Returns the environments and patterns with these names, or all. An environment of a pattern means
/// the pattern, whose environments share a ledger.
fn select_environments<'w>(
    args: &Args,
    workspace: &'w Workspace,
) -> Result<Vec<&'w Environment>, CliError> {
    let mut selected: Vec<&Environment> = Vec::new();
    for name in &args.environments {
        let mut all = workspace.policy.all_environments();
        let rules = match all.find(|rules| rules.display_name() == *name) {
            Some(rules) => rules,
            None => workspace.find_environment(name)?.1,
        };
        if selected.iter().all(|it| it.ledger != rules.ledger) {
            selected.push(rules);
        }
    }
    if args.environments.is_empty() {
        selected.extend(workspace.policy.all_environments());
    }
    Ok(selected)
}
