//! `git deploy policy test`: checks every past deployment against a proposed policy.

use clap::builder::RangedU64ValueParser;

use super::in_force;
use crate::cli::policy_file::Proposal;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::clock;
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::time::{Span, Time};
use crate::run::replay::{self, Case, Plan, Replayed};
use crate::view::replay::{self as view, Replay};

/// Replay the past under a deploy.toml: which deployments would it have refused, or newly allowed?
///
/// Each one is judged on what was there when it was made, as if made under the proposal: the approvals, checks and promotions that really were
/// there, at its own time. Newly allowed is what the rules of then refuse, such as a deployment for which somebody broke the glass and
/// need not have. It ends with 1 if a deployment that went in would have been refused. Nothing is written.
#[derive(clap::Args)]
pub(in crate::cli) struct Test {
    /// A file, or a commit whose deploy.toml is meant; without it the work tree's
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// Only deployments since then: a span back from now such as 90d, a day such as 2026-03-05, or a moment
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Time>,
    /// Tell of at most so many deployments of each sort, the newest; all are counted
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    number: usize,
}

/// Parses a span back from now, a day or a time.
fn since(text: &str) -> Result<Time, String> {
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
pub(super) fn run(args: &Test, workspace: &Workspace, context: &Context) -> Result<(), Failure> {
    let proposal = Proposal::open(&workspace.repository, args.source.as_deref(), context)?;
    let plan = Plan {
        proposal: &proposal.policy,
        in_force: &workspace.policy,
        since: args.since,
        number: args.number,
    };
    let replayed = replay::replay(
        &workspace.repository,
        &workspace.project,
        &workspace.tips,
        &plan,
    )
    .or_fail(Kind::CannotTell, "cannot replay the ledgers")?;
    let is_in_force = in_force(workspace)? == proposal.text;
    let replay = shaped(args, workspace, &proposal, is_in_force, replayed);
    if context.json() {
        context.report("policy-test", &replay)?;
    } else if replay.total.deployments == 0 {
        context.note("nothing was deployed yet that could be tried");
    } else {
        context.print(view::text(&replay, context.width(), &|time| {
            context.when(time)
        }));
    }
    match replay.total {
        view::Count {
            refused: 0,
            cannot_tell: 0,
            ..
        } => Ok(()),
        view::Count { refused: 0, .. } => Err(Failure::told(Kind::CannotTell)),
        _ => Err(Failure::told(Kind::Denied)),
    }
}

fn shaped(
    args: &Test,
    workspace: &Workspace,
    proposal: &Proposal,
    is_in_force: bool,
    replayed: Replayed,
) -> Replay {
    let total = replayed
        .counts
        .values()
        .fold(replay::Count::default(), |sum, count| sum.plus(*count));
    let environments = replayed
        .counts
        .iter()
        .filter(|(_, count)| count.deployments > 0);
    let environments = environments.map(|(ledger, it)| view::Environment {
        environment: shown(ledger, &workspace.policy, &proposal.policy),
        count: count(*it),
    });
    let cases = |cases: Vec<Case>| -> Vec<view::Case> {
        cases
            .into_iter()
            .map(|it| view::Case::new(it.id, &it.statement, it.verdict, it.in_force_too))
            .collect()
    };
    Replay {
        name: proposal.name.clone(),
        proposed: proposal.digest(),
        is_in_force,
        since: args.since,
        environments: environments.collect(),
        total: count(total),
        rules: view::refusals(replayed.rules),
        would_be_refused: cases(replayed.refused),
        would_be_allowed: cases(replayed.allowed),
        could_not_be_told: cases(replayed.untold),
        other_files: other_files(&workspace.policy, &proposal.policy),
    }
}

fn count(count: replay::Count) -> view::Count {
    let replay::Count {
        deployments,
        refused,
        allowed,
        untold,
    } = count;
    view::Count {
        deployments,
        refused,
        newly_allowed: allowed,
        cannot_tell: untold,
    }
}

/// Returns the name of the environment as either policy writes it, or the ledger's name if neither
/// has it any more.
fn shown(ledger: &LedgerName, in_force: &Policy, proposal: &Policy) -> String {
    let known = in_force
        .of_ledger(ledger)
        .or_else(|| proposal.of_ledger(ledger));
    known.map_or_else(
        || ledger.to_string(),
        crate::domain::policy::Environment::shown,
    )
}

/// Lists the components that are in both policies with different paths.
fn other_files(in_force: &Policy, proposal: &Policy) -> Vec<ComponentName> {
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
