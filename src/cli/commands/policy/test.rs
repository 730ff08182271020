//! `git deploy policy test`: checks every past deployment against a proposed policy.

use clap::builder::RangedU64ValueParser;

use super::difference::read_policy_text;
use crate::cli::policy_file::ProposedPolicy;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::time::{Span, Time};
use crate::run::replay::{self, DecisionCounts, ReplayCase, ReplayResult, ReplaySpec};
use crate::view::replay::{self as view, ReplayReport};

/// Replay past deployments under a deploy.toml
///
/// Reports which deployments it would have refused, and which it would newly allow. Each deployment
/// is judged at its own time, with the approvals, checks and promotions that existed then. Newly
/// allowed are deployments that the former rules refused, such as those that used --break-glass.
/// Exits with 1 if an accepted deployment would have been refused. Writes nothing.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy test
  git deploy policy test proposed.toml --since 90d -n 5")]
pub(in crate::cli) struct TestArgs {
    /// The deploy.toml: a file, or a commit that contains one. Defaults to the work tree's
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// Only deployments since WHEN: a span such as 90d, a day such as 2026-03-05, or a time
    #[arg(long, value_name = "WHEN", value_parser = parse_since)]
    since: Option<Time>,
    /// List up to N deployments of each kind, newest first. All are counted
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    number: usize,
}

/// Parses a span back from now, a day or a time.
fn parse_since(text: &str) -> Result<Time, String> {
    let span = || {
        text.parse::<Span>()
            .ok()
            .map(|span| clock::now().minus(span))
    };
    let moment = || {
        text.parse()
            .or_else(|_| format!("{text}T00:00:00Z").parse())
            .ok()
    };
    span()
        .or_else(moment)
        .ok_or_else(|| "neither a span such as 90d, nor a day such as 2026-03-05".to_owned())
}

/// Replays past deployments under the proposed policy, prints the differences, and fails if one
/// would have been refused.
pub(super) fn run(args: &TestArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
    let plan = ReplaySpec {
        proposal: &proposal.policy,
        in_force: &workspace.policy,
        since: args.since,
        max_cases: args.number,
    };
    let replayed = replay::replay(
        &workspace.repository,
        &workspace.project,
        &workspace.tips,
        &plan,
    )
    .context(ErrorKind::CannotTell, "cannot replay the ledgers")?;
    let is_in_force = read_policy_text(workspace)? == proposal.text;
    let replay = build_view(args, workspace, &proposal, is_in_force, replayed);
    if ui.json() {
        ui.print_document("policy-test", &replay)?;
    } else if replay.total.deployments == 0 {
        ui.eprint("there are no deployments to test yet");
    } else {
        ui.print(view::render_text(&replay, ui.width(), &|time| {
            ui.format_time(time)
        }));
    }
    match replay.total {
        DecisionCounts {
            refused: 0,
            undecided: 0,
            ..
        } => Ok(()),
        DecisionCounts { refused: 0, .. } => Err(CliError::reported(ErrorKind::CannotTell)),
        _ => Err(CliError::reported(ErrorKind::Denied)),
    }
}

fn build_view(
    args: &TestArgs,
    workspace: &Workspace,
    proposal: &ProposedPolicy,
    is_in_force: bool,
    replayed: ReplayResult,
) -> ReplayReport {
    let total = replayed
        .counts
        .values()
        .fold(DecisionCounts::default(), |sum, count| sum.plus(*count));
    let environments = replayed
        .counts
        .iter()
        .filter(|(_, count)| count.deployments > 0);
    let environments = environments.map(|(ledger, it)| view::ReplayedEnvironment {
        environment: describe_environment(ledger, &workspace.policy, &proposal.policy),
        counts: *it,
    });
    let cases = |cases: Vec<ReplayCase>| -> Vec<view::ReplayedDeployment> {
        cases
            .into_iter()
            .map(view::ReplayedDeployment::new)
            .collect()
    };
    ReplayReport {
        source: proposal.name.clone(),
        proposed: proposal.digest(),
        is_in_force,
        since: args.since,
        environments: environments.collect(),
        total,
        rules: view::rank_refusals(replayed.rules),
        would_be_refused: cases(replayed.refused),
        would_be_allowed: cases(replayed.allowed),
        unknown: cases(replayed.undecided),
        reassigned_components: find_changed_paths(&workspace.policy, &proposal.policy),
    }
}

/// Returns the name of the environment as either policy writes it, or the ledger's name if neither
/// has it any more.
fn describe_environment(ledger: &LedgerName, in_force: &Policy, proposal: &Policy) -> String {
    let known = in_force
        .environment_of_ledger(ledger)
        .or_else(|| proposal.environment_of_ledger(ledger));
    known.map_or_else(
        || ledger.to_string(),
        crate::domain::policy::Environment::display_name,
    )
}

/// Lists the components that are in both policies with different paths.
fn find_changed_paths(in_force: &Policy, proposal: &Policy) -> Vec<ComponentName> {
    let differs = |name: &&ComponentName| {
        let files = |policy: &Policy| policy.component(name).map(|it| it.paths.clone());
        matches!((files(in_force), files(proposal)), (Some(one), Some(two)) if one != two)
    };
    proposal
        .components
        .keys()
        .filter(differs)
        .cloned()
        .collect()
}
