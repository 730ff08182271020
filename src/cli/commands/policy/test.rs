//! `git deploy policy test`: checks every past deployment against a proposed policy.

use clap::builder::RangedU64ValueParser;

use super::difference::read_policy_text;
use crate::cli::args::moment::Moment;
use crate::cli::policy_file::ProposedPolicy;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::run::replay::{self, DecisionCounts, ReplayCase, ReplayResult, ReplaySpec};
use crate::view::replay::{self as view, ReplayReport};

/// Replay past deployments under a deploy.toml
///
/// Reports which deployments it would newly refuse, and which it would newly allow: those on which the
/// policy in force decides otherwise. Each deployment is judged as of its own time, with the approvals,
/// checks and promotions that existed then, and under the names that its components had. Newly allowed
/// are deployments that the rules of their time refused, such as those that used --break-glass. Exits
/// with 1 if an accepted deployment would newly be refused. Writes nothing.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy test
  git deploy policy test proposed.toml --since 90d -n 5")]
pub(in crate::cli) struct TestArgs {
    /// The deploy.toml: a file, or a commit that contains one. Defaults to that in the work tree
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// Only deployments since WHEN: a span such as 90d, a day such as 2026-03-05, or a time
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// List up to N deployments of each kind, newest first. All are counted
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    number: usize,
}

/// Replays past deployments under the proposed policy, prints the differences, and fails if one
/// would have been refused.
pub(super) fn run(args: &TestArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
    let since = args.since.map(|since| since.before(ui.now()));
    let spec = ReplaySpec {
        proposal: &proposal.policy,
        in_force: &workspace.policy,
        since,
        max_cases: args.number,
    };
    let result = replay::replay(
        &workspace.repository,
        &workspace.project,
        workspace.tips(),
        &spec,
    )
    .context(ErrorKind::CannotTell, "cannot replay the ledgers")?;
    let is_in_force = read_policy_text(workspace)? == proposal.text;
    let report = build_report(since, workspace, &proposal, is_in_force, result);
    if ui.json() {
        ui.print_document("policy-test", &report)?;
    } else if report.total.deployments == 0 {
        ui.eprint("there are no deployments to test yet");
    } else {
        ui.print(view::render_text(&report, ui.width(), &|time| {
            ui.format_time(time)
        }));
    }
    match report.total {
        DecisionCounts {
            refused: 0,
            undecided: 0,
            ..
        } => Ok(()),
        DecisionCounts { refused: 0, .. } => Err(CliError::reported(ErrorKind::CannotTell)),
        _ => Err(CliError::reported(ErrorKind::Denied)),
    }
}

/// Builds the report from the counts and cases of the replay.
fn build_report(
    since: Option<Time>,
    workspace: &Workspace,
    proposal: &ProposedPolicy,
    is_in_force: bool,
    result: ReplayResult,
) -> ReplayReport {
    let total = result
        .counts
        .values()
        .fold(DecisionCounts::default(), |sum, count| sum.plus(*count));
    let environments = result
        .counts
        .iter()
        .filter(|(_, count)| count.deployments > 0);
    let environments = environments.map(|(ledger, counts)| view::ReplayedEnvironment {
        environment: name_environment(ledger, &workspace.policy, &proposal.policy),
        counts: *counts,
    });
    let describe = |cases: Vec<ReplayCase>| -> Vec<view::ReplayedDeployment> {
        cases
            .into_iter()
            .map(view::ReplayedDeployment::new)
            .collect()
    };
    ReplayReport {
        source: proposal.name.clone(),
        proposed: proposal.digest(),
        is_in_force,
        since,
        environments: environments.collect(),
        total,
        rules: view::rank_refusals(result.rules),
        would_be_refused: describe(result.refused),
        would_be_allowed: describe(result.allowed),
        undecided: describe(result.undecided),
        reassigned_components: find_reassigned_components(&workspace.policy, &proposal.policy),
    }
}

/// Returns the display name of the environment, such as `pr-*`, or the name of the ledger if
/// neither policy has the environment.
fn name_environment(ledger: &LedgerName, in_force: &Policy, proposal: &Policy) -> String {
    let environment = in_force
        .environment_of_ledger(ledger)
        .or_else(|| proposal.environment_of_ledger(ledger));
    environment.map_or_else(
        || ledger.to_string(),
        crate::domain::policy::Environment::display_name,
    )
}

/// Lists the components that are in both policies with different paths.
fn find_reassigned_components(in_force: &Policy, proposal: &Policy) -> Vec<ComponentName> {
    let differs = |name: &&ComponentName| {
        let paths = |policy: &Policy| policy.component(name).map(|it| it.paths.clone());
        matches!((paths(in_force), paths(proposal)), (Some(old), Some(new)) if old != new)
    };
    proposal
        .components
        .keys()
        .filter(differs)
        .cloned()
        .collect()
}
