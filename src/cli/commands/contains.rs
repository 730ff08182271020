//! `git deploy contains`: checks whether a change is deployed to one or several environments.

use crate::cli::args::environment::find_environments_and_revision;
use crate::cli::change_search::{ChangeSearch, CodeHistory};
use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::ComponentName;
use crate::view::contains::{self, ContainmentAnswer, ContainmentReport, EnvironmentContainment};

/// Check whether a change is deployed, including cherry-picks
///
/// Finds a change by history, by content, or as another commit that makes the same change. Looks in
/// the components that the commit changes (a merge: those that differ from its first parent), or if it
/// changes none, in all. A change that a later commit reverts is not deployed. A revert names the commit,
/// or a merge that brought it, in the words of `git revert`, and makes the inverse change; if it makes
/// another one, the answer is "cannot tell". If REV names an environment, checks whether the other
/// environments have everything that it runs.
///
/// The answer is also "cannot tell" if more than 2,000 deployed commits could make the same change: those
/// that change the same file, or for an environment, the same component. Exits with 0 if all of it is
/// deployed to every environment, 1 if not, 3 if that cannot be determined.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Is this fix in production?
    git deploy contains prod 3f2a9c1

  Is it in every environment?
    git deploy contains 3f2a9c1

  Is it in both of these?
    git deploy contains stage prod 3f2a9c1

  Does prod have everything that stage runs?
    git deploy contains prod stage

  Use it in a script:
    if git deploy contains prod 3f2a9c1; then echo \"deployed\"; fi")]
pub struct Args {
    /// The environments, and the commit to look for
    ///
    /// Without an environment, checks every environment of the policy, apart from those of a pattern.
    /// Without a commit, looks for HEAD. Of several words, the last one is the commit: a Git revision,
    /// ENV for everything that an environment runs, or ENV:COMPONENT for the commit of one component
    /// there.
    #[arg(value_name = "ENV")]
    words: Vec<String>,
    /// Only this component (repeatable)
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
}

/// Prints whether a change is in the environments, and fails unless it is in all of them.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    let problems = read_context::report_problems(&workspace, ui)?;
    let (names, revision) = find_environments_and_revision(&workspace, &args.words)?;
    let (gatherer, history) = (workspace.gatherer(), CodeHistory::new(&workspace));
    let (mut environments, mut subject) = (Vec::new(), None);
    let mut lacks_entries = false;
    for name in names {
        let snapshot = read_context::read_environment(&workspace, name.as_str())?;
        lacks_entries |= problems.ledgers.contains(snapshot.env.ledger());
        let search = ChangeSearch::new(&workspace, &snapshot, &gatherer, &history);
        let (found_subject, components) = search.find_all(revision, &args.components)?;
        subject = found_subject;
        environments.push(EnvironmentContainment::new(name, components));
    }
    let answer = if lacks_entries {
        // What is shown for each environment holds only up to its last valid entry.
        ContainmentAnswer::CannotTell
    } else {
        ContainmentAnswer::combine(environments.iter().map(|it| it.answer))
    };
    let report = ContainmentReport {
        revision: revision.to_owned(),
        answer,
        environments,
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
