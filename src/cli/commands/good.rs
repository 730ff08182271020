//! `git deploy good`: shows the last known good release of each component, to which a rollback
//! would go back.

use std::collections::BTreeSet;

use crate::cli::args::environment::EnvArg;
use crate::cli::deployment_request::require_component;
use crate::cli::read_context;
use crate::cli::rollback_targets::{build_good_releases, find_attempted};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::ComponentName;
use crate::view::good;

/// Show the last known good release of each component
///
/// A release is good if it succeeded, its newest verification passed, and it is neither on hold nor
/// yanked. A component without a verify command only needs to have succeeded. Exits with 1 if a
/// component has no good release.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy good prod
  git deploy good prod --component api --json")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Only this component (repeatable)
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
}

/// Prints the last known good release of each component, and fails if one of them has none.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let name = args.environment.find(&workspace, ui)?;
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    let mut shown: BTreeSet<ComponentName> = find_attempted(&workspace, &snapshot);
    for component in &args.components {
        if !shown.contains(component) {
            require_component(&workspace.policy, component)?;
        }
    }
    if !args.components.is_empty() {
        shown = args.components.iter().cloned().collect();
    }
    if shown.is_empty() {
        return Err(CliError::new(
            ErrorKind::Denied,
            format!("nothing has been deployed to {} yet", snapshot.name()),
        ));
    }
    let report = build_good_releases(&workspace, &snapshot, shown, &|_, _| true)?;
    if ui.json() {
        ui.print_document("good", &report)?;
    } else {
        ui.print(good::render_text(&report, ui.width(), &|time| {
            ui.format_time(time)
        }));
        read_context::print_fetch_age(&workspace, ui);
    }
    if report.components.iter().all(|it| it.release.is_some()) {
        Ok(())
    } else {
        Err(CliError::reported(ErrorKind::Denied))
    }
}
