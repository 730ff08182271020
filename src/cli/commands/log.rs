//! `git deploy log`: shows deployments, newest first, of all environments or of one.
//!
//! The walk filters ledger commits by their messages, and opens only the entries that pass.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use clap::builder::RangedU64ValueParser;

use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{HistoryRole, RunStep, Statement};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::EntryId;
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::state::{Scope, State};
use crate::git::Repository;
use crate::ledger::facts::{LedgerHistory, WalkedEntry};
use crate::view::log::{self, LogPage};

/// Show deployments, newest first
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Show the latest deployments to production:
    git deploy log prod

  Show everything that happened there:
    git deploy log prod --all

  Show what belongs to a change request:
    git deploy log --change 4711

  Show up to 100 deployments of one component:
    git deploy log --component api -n 100")]
pub struct Args {
    /// Only this environment
    #[arg(value_name = "ENV")]
    environment: Option<String>,
    /// Only deployments of this change request
    #[arg(long, value_name = "ID")]
    change: Option<String>,
    /// Only deployments that this person signed or asked for
    #[arg(long, value_name = "PERSON")]
    by: Option<Person>,
    /// Only deployments of this component (repeatable)
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// Show up to N deployments
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    number: usize,
    /// Show every entry: approvals, locks, verifications, builds, policies and others
    #[arg(long)]
    all: bool,
}

/// Prints the log.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let only = args
        .environment
        .as_deref()
        .map(|name| workspace.find_environment(name))
        .transpose()?;
    let gatherer = workspace.gatherer();
    let mut walks = Vec::new();
    for (ledger, tip) in &workspace.tips {
        let is_shown = match &only {
            Some((env, _)) => env.ledger() == ledger,
            None => args.all || ledger.is_environment(),
        };
        if is_shown {
            let unfinished = find_parents_of_unfinished_starts(
                &workspace.read_state(ledger, &Scope::Components(BTreeSet::new()))?,
            );
            let filter = CommitFilter {
                env: only.as_ref().map(|(env, _)| env.clone()),
                unfinished,
                all: args.all,
                components: args.components.clone(),
            };
            let accepted = gatherer
                .history()
                .walk(*tip)
                .filter(move |walked| filter.accepts(walked));
            walks.push((ledger.clone(), accepted.peekable()));
        }
    }
    let matches =
        |id, statement: &Statement| matches_options(args, gatherer.history(), id, statement);
    let page = merge_newest(&workspace.repository, walks, args.number, &matches)
        .context(ErrorKind::CannotTell, "cannot read the ledgers")?;
    if ui.json() {
        return ui.print_document("log", &page);
    }
    if page.entries.is_empty() {
        let filtered = args.change.is_some() || args.by.is_some() || !args.components.is_empty();
        ui.eprint(if filtered {
            "no deployment matches"
        } else {
            "nothing has been deployed yet"
        });
        return Ok(());
    }
    ui.print(log::render_text(&page, ui.width(), &|time| {
        ui.format_time(time)
    }));
    read_context::print_fetch_age(&workspace, ui);
    if page.truncated {
        let larger = args.number.saturating_mul(5).max(20);
        ui.eprint(format_args!(
            "there are older ones: repeat the command with -n {larger}"
        ));
    }
    Ok(())
}

/// Returns the parents of the start entries of unfinished runs. The parent identifies such
/// a start without opening it.
fn find_parents_of_unfinished_starts(state: &State) -> BTreeSet<EntryId> {
    let members: Vec<EnvName> = state.environments().into_iter().collect();
    std::iter::once(None)
        .chain(members.iter().map(Some))
        .flat_map(|member| state.environment(member).runs())
        .map(|run| run.start.statement.previous)
        .collect()
}

/// Returns whether an entry, or the start that it ends, matches `--by` and `--change`.
fn matches_options(
    args: &Args,
    history: &LedgerHistory<'_>,
    id: EntryId,
    statement: &Statement,
) -> crate::git::Result<bool> {
    if args.by.is_none() && args.change.is_none() {
        return Ok(true);
    }
    let start = match statement.action.run_step() {
        Some(RunStep::Ends { start, .. }) => Some(start),
        Some(RunStep::Starts { .. } | RunStep::Resumes { .. }) | None => None,
    };
    // Sequence numbers have no gaps, so their difference is the number of steps back to the start.
    let steps =
        start.and_then(|start| usize::try_from(statement.sequence.checked_sub(start)?).ok());
    let start = match steps.and_then(|steps| history.walk(id).nth(steps)) {
        Some(walked) => Some(history.entry(&statement.ledger, walked?.id)?),
        None => None,
    };
    let statements =
        || std::iter::once(statement).chain(start.as_deref().map(|entry| &entry.statement));
    let is_by = |person: &Person| {
        statements().any(|it| it.by == *person || it.requested_by.as_ref() == Some(person))
    };
    let has_change = |id: &String| {
        let mut changes = statements().filter_map(|it| it.deployment()?.change.as_ref());
        changes.any(|change| change.as_str() == id)
    };
    Ok(args.by.as_ref().is_none_or(is_by) && args.change.as_ref().is_none_or(has_change))
}

/// Selects the entries of a ledger by their commits alone, without opening the entries.
struct CommitFilter {
    /// The components to show, or all if empty.
    components: Vec<ComponentName>,
    /// The environment to show, or all if `None`.
    env: Option<EnvRef>,
    /// The parents of the starts of unfinished runs.
    unfinished: BTreeSet<EntryId>,
    /// Whether to accept every kind of entry, not only deployments.
    all: bool,
}

impl CommitFilter {
    /// Returns whether the filter accepts a commit. Accepts unreadable commits, so that the error
    /// is reported.
    fn accepts(&self, walked: &crate::git::Result<WalkedEntry>) -> bool {
        let Ok(walked) = walked else { return true };
        let trailers = &walked.trailers;
        let in_environment = self.env.as_ref().is_none_or(|env| env.matches(trailers));
        // The start of a finished run is not shown: its finish is.
        let is_newest_of_run = trailers.action != "start"
            || walked
                .previous
                .is_some_and(|id| self.unfinished.contains(&id));
        let is_deployment = matches!(
            trailers.history_role(),
            HistoryRole::Request | HistoryRole::Outcome
        );
        let named =
            |it: &ComponentName| trailers.components.iter().any(|known| known == it.as_str());
        let has_component = self.components.is_empty() || self.components.iter().any(named);
        in_environment && has_component && (self.all || is_deployment && is_newest_of_run)
    }
}

/// Merges walks, each newest first, into one page of at most `number` entries that `matches`
/// accepts.
fn merge_newest(
    repository: &Repository,
    mut walks: Vec<(
        LedgerName,
        Peekable<impl Iterator<Item = crate::git::Result<WalkedEntry>>>,
    )>,
    number: usize,
    matches: &dyn Fn(EntryId, &Statement) -> crate::git::Result<bool>,
) -> crate::git::Result<LogPage> {
    let mut entries = Vec::new();
    loop {
        let mut next: BTreeMap<_, usize> = BTreeMap::new();
        for (index, (_, walk)) in walks.iter_mut().enumerate() {
            // An error comes first, because the times of the entries after it are unknown.
            let at = match walk.peek() {
                Some(Ok(walked)) => Some(walked.at()),
                Some(Err(_)) => None,
                None => continue,
            };
            next.insert((at.is_none(), at, std::cmp::Reverse(index)), index);
        }
        let Some((_, index)) = next.pop_last() else {
            return Ok(LogPage {
                entries,
                truncated: false,
            });
        };
        let Some((ledger, walk)) = walks.get_mut(index) else {
            continue;
        };
        let Some(walked) = walk.next() else { continue };
        let id = walked?.id;
        let entry = repository.read_entry_for_display(ledger, &repository.read_commit(id.0)?)?;
        if !matches(id, &entry.statement)? {
            continue;
        }
        if entries.len() == number {
            return Ok(LogPage {
                entries,
                truncated: true,
            });
        }
        entries.push(log::describe_entry(id, &entry.statement));
    }
}
