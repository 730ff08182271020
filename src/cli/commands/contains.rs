//! `git deploy contains`: checks whether a change is deployed: by history, by content, or as
//! another commit with the same change.
//!
//! Answers "no" only after examining everything that could prove a "yes". Otherwise the answer is
//! "cannot tell".

mod change_search;
mod reverts;
mod running;

use std::collections::HashMap;

use change_search::{ChangeSearch, SEARCH_LIMIT};

use crate::cli::args::environment::EnvRevArgs;
use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::ComponentName;
use crate::ledger::facts::PathCommits;
use crate::view::contains::{self, ContainmentAnswer, ContainmentReport};

/// Check whether a change is deployed, including cherry-picks
///
/// Finds a change by history, by content, or as another commit that makes the same change. A change
/// that a later commit reverts is not deployed. If REV names an environment, checks whether ENV has
/// everything that it runs. Exits with 0 if all of it is deployed, 1 if not, 3 if that cannot be
/// determined.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Is this fix in production?
    git deploy contains prod 3f2a9c1

  Does prod have everything that stage runs?
    git deploy contains prod stage

  Use it in a script:
    if git deploy contains prod 3f2a9c1; then echo \"deployed\"; fi")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    /// Only this component (repeatable)
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
}

/// Prints whether a change is in an environment, and fails unless it is.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let (name, rev) = args.env_rev.find(&workspace, ui)?;
    let revision = rev.unwrap_or("HEAD");
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    let gatherer = workspace.gatherer();
    let search = ChangeSearch {
        workspace: &workspace,
        snapshot: &snapshot,
        gatherer: &gatherer,
        path_commits: PathCommits::new(&workspace.repository, &workspace.policy, SEARCH_LIMIT),
        patch_ids: HashMap::new(),
    };
    let (subject, components) = search.find_all(revision, &args.components)?;
    let answer = ContainmentReport::overall_answer(&components);
    let report = ContainmentReport {
        environment: snapshot.name().clone(),
        revision: revision.to_owned(),
        answer,
        components,
    };
    if ui.json() {
        ui.print_document("contains", &report)?;
    } else {
        ui.print(contains::render_text(
            &report,
            subject.as_deref(),
            ui.width(),
        ));
        read_context::print_fetch_age(&workspace, ui);
    }
    match answer {
        ContainmentAnswer::Yes => Ok(()),
        ContainmentAnswer::No => Err(CliError::reported(ErrorKind::Denied)),
        ContainmentAnswer::CannotTell => Err(CliError::reported(ErrorKind::CannotTell)),
    }
}
