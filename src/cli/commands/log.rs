//! `git deploy log`: shows deployments, newest first, of all environments or of one.
//!
//! The walk filters ledger commits by their messages, and opens only the entries that pass.

mod causal_order;
mod entry_filter;

use std::collections::BTreeSet;

use clap::builder::RangedU64ValueParser;

use causal_order::{EntryMerger, LedgerWalk};
use entry_filter::{Criteria, EntryFilter};

use crate::cli::args::inputs::parse_label;
use crate::cli::run_details::mark_wrapped;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::cli::{append_report, read_context};
use crate::domain::entry::{HistoryRole, Statement};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::EntryId;
use crate::domain::name::{ComponentName, EnvName, Label, Person};
use crate::domain::state::{Scope, State};
use crate::domain::text::Line;
use crate::ledger::facts::WalkedEntry;
use crate::view::log::{self, LogEntry, LogPage};

/// Show deployments, newest first
///
/// With --change, --release, --label or --by, also shows the approvals of these deployments. --by shows
/// everything that the person signed or asked for: also locks, approvals, attestations and policies.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Show the latest deployments to production:
    git deploy log prod

  Show everything that happened there:
    git deploy log prod --all

  Show what belongs to a change request, with its approvals:
    git deploy log --change 4711

  Show everything that a person did:
    git deploy log --by alice

  Show what a person deployed or approved for a ticket:
    git deploy log --by alice --label ticket=OPS-7

  Show up to 100 deployments of one component:
    git deploy log --component api -n 100")]
pub struct Args {
    /// Only this environment
    #[arg(value_name = "ENV")]
    environment: Option<String>,
    /// Only deployments of this change request
    #[arg(long, value_name = "ID", value_parser = append_report::parse_line)]
    change: Option<Line>,
    /// Only deployments of this release
    #[arg(long, value_name = "NAME")]
    release: Option<Label>,
    /// Only deployments with this label (repeatable)
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(Label, Line)>,
    /// Only what this person signed or asked for
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
    let only = only.map(|(env, _)| env);
    if let Some(env) = &only {
        workspace
            .tip(env.ledger())
            .context(ErrorKind::CannotTell, "cannot read the ledger")?;
    }
    let gatherer = workspace.gatherer();
    let criteria = Criteria {
        change: args.change.clone(),
        release: args.release.clone(),
        labels: args.labels.clone(),
        by: args.by.clone(),
    };
    let has_criteria = !criteria.is_empty();
    let includes_all_kinds = args.all || criteria.only_person();
    let mut walks = Vec::new();
    for (ledger, tip) in workspace.tips() {
        let is_shown = match &only {
            Some(env) => env.ledger() == ledger,
            None => includes_all_kinds || ledger.is_environment(),
        };
        if is_shown {
            let state = workspace.read_state(ledger, &Scope::Components(BTreeSet::new()))?;
            let filter = CommitFilter {
                env: only.clone(),
                parents_of_unfinished_starts: find_parents_of_unfinished_starts(&state),
                includes_all: args.all,
                includes_all_kinds,
                with_approvals: has_criteria,
                components: args.components.clone(),
            };
            let accepted = gatherer
                .history()
                .walk(*tip)
                .filter(move |walked| filter.accepts(walked));
            walks.push(LedgerWalk::new(ledger.clone(), accepted));
        }
    }
    let entry_filter = EntryFilter::new(criteria);
    let describe = |id, statement: &Statement| {
        let start = gatherer.history().start_of(statement)?;
        let start = start.as_ref().map(|entry| &entry.statement);
        let is_match = entry_filter.matches(statement, start);
        Ok(is_match.then(|| {
            let entry = log::describe_entry(id, statement, start);
            let details = mark_wrapped(&gatherer, entry.details, statement, start);
            LogEntry { details, ..entry }
        }))
    };
    let page = read_page(
        EntryMerger::new(&workspace.repository, walks),
        args.number,
        &describe,
    )
    .context(ErrorKind::CannotTell, "cannot read the ledgers")?;
    let is_filtered = has_criteria || !args.components.is_empty();
    print_page(ui, &workspace, &page, args.number, is_filtered)
}

/// Prints a page of at most `number` entries, or why it is empty. `is_filtered` says whether the
/// arguments leave out some of the deployments.
fn print_page(
    ui: &Ui,
    workspace: &Workspace,
    page: &LogPage,
    number: usize,
    is_filtered: bool,
) -> Result<(), CliError> {
    if ui.json() {
        return ui.print_document("log", page);
    }
    if page.entries.is_empty() {
        ui.eprint(if is_filtered {
            "nothing matches"
        } else {
            "nothing has been deployed yet"
        });
        return Ok(());
    }
    ui.print(log::render_text(page, ui.width(), &|time| {
        ui.format_time(time)
    }));
    read_context::print_fetch_age(workspace, ui);
    if page.truncated {
        let larger = number.saturating_mul(5).max(20);
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

/// Selects the entries of a ledger by their commits alone, without opening the entries.
struct CommitFilter {
    /// The components to show, or all if empty.
    components: Vec<ComponentName>,
    /// The environment to show, or all if `None`.
    env: Option<EnvRef>,
    /// The parents of the starts of unfinished runs.
    parents_of_unfinished_starts: BTreeSet<EntryId>,
    /// Whether to accept every entry.
    includes_all: bool,
    /// Whether to accept every kind of entry, not only deployments. Of a finished run, accepts only
    /// the end.
    includes_all_kinds: bool,
    /// Whether to accept approvals and their revocations, too.
    with_approvals: bool,
}

impl CommitFilter {
    /// Returns whether the filter accepts a commit. Accepts unreadable commits, so that the error
    /// is reported.
    fn accepts(&self, walked: &crate::git::Result<WalkedEntry>) -> bool {
        let Ok(walked) = walked else { return true };
        let trailers = &walked.trailers;
        let in_environment = self.env.as_ref().is_none_or(|env| env.matches(trailers));
        // The start of a finished run is not shown: its finish is.
        let is_newest_of_its_run = trailers.action != "start"
            || walked
                .previous
                .is_some_and(|id| self.parents_of_unfinished_starts.contains(&id));
        let is_deployment = matches!(
            trailers.history_role(),
            HistoryRole::Request | HistoryRole::Outcome
        );
        let named = |it: &ComponentName| trailers.components.iter().any(|name| name == it.as_str());
        let has_component = self.components.is_empty() || self.components.iter().any(named);
        let is_approval =
            self.with_approvals && matches!(trailers.action.as_str(), "approve" | "revoke");
        in_environment
            && has_component
            && (self.includes_all
                || is_approval
                || (self.includes_all_kinds || is_deployment) && is_newest_of_its_run)
    }
}

/// Reads a page of at most `number` entries. `describe` returns `None` for an entry that is left out.
fn read_page<I: Iterator<Item = crate::git::Result<WalkedEntry>>>(
    mut merger: EntryMerger<'_, I>,
    number: usize,
    describe: &dyn Fn(EntryId, &Statement) -> crate::git::Result<Option<LogEntry>>,
) -> crate::git::Result<LogPage> {
    let mut entries = Vec::new();
    let mut truncated = false;
    while let Some((id, entry)) = merger.next_newest()? {
        let Some(described) = describe(id, &entry.statement)? else {
            continue;
        };
        if entries.len() == number {
            truncated = true;
            break;
        }
        entries.push(described);
    }
    Ok(LogPage { entries, truncated })
}
