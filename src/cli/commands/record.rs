//! `git deploy record`: records a deployment that another system carries out.
//!
//! It records either a finished deployment at once, or its start with `--start` and its end with
//! `--finish`. A start also locks its components.

use std::collections::BTreeMap;

use crate::cli::append_report::{self, How};
use crate::cli::baseline::{self, Runs};
use crate::cli::deployment_request::{DeploymentRequest, Place, deployment, known, selection};
use crate::cli::env_args::EnvRev;
use crate::cli::key_lookup;
use crate::cli::metadata_args::Purpose;
use crate::cli::outcome_args::Ending;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::clock;
use crate::domain::entry::{self, Action, Deployment, Finish, Record, Start};
use crate::domain::id::{CommitId, RunId};
use crate::domain::name::{ComponentName, Person};
use crate::domain::policy::Policy;
use crate::domain::state::{OpenRun, Scope};
use crate::domain::text::Line;
use crate::ledger::writer::{Draft, View};
use crate::run::build_deployment::Selection;
use crate::run::outcome;
use crate::view::result_text;

/// Write down a deployment that another system carried out, or begins and ends
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: EnvRev,
    /// The deployment begins: nobody else may deploy these components until its --finish
    #[arg(long, conflicts_with = "finish")]
    start: bool,
    /// The deployment that was begun with --start is over; REV picks the run that deploys it
    #[arg(long, conflicts_with = "what")]
    finish: bool,
    /// It ran already when the environment or its components came under the ledger: an admin's word, and no deployment
    ///
    /// Without --component it is of all components that have no history in the environment yet.
    #[arg(long, conflicts_with_all = [
        "start", "finish", "all", "destroy", "rollback", "hotfix", "break_glass", "change", "release", "requested_by",
        "outcome", "failed", "verification", "logs",
    ])]
    baseline: bool,
    /// The run that is over, by its number; without it the only one that is yours
    #[arg(long, value_name = "NUMBER", requires = "finish")]
    run: Option<u64>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    end: Ending,
    #[command(flatten)]
    how: How,
}

/// What is deployed, and why: of a record or a start.
#[derive(clap::Args)]
#[group(id = "what", multiple = true)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag of its own on the command line.
struct What {
    /// The component; can be repeated; without it those whose content differs from what runs
    #[arg(short, long = "component", value_name = "NAME", conflicts_with = "all")]
    components: Vec<ComponentName>,
    /// All components, whether they differ or not
    #[arg(long)]
    all: bool,
    /// Remove components that the commit no longer has
    #[arg(long)]
    destroy: bool,
    /// It goes back to a commit that ran well here before
    #[arg(long, conflicts_with = "hotfix")]
    rollback: bool,
    /// It repairs what runs
    #[arg(long)]
    hotfix: bool,
    /// The version, of all components or of one; can be repeated
    #[arg(long = "version", value_name = "[COMPONENT=]VERSION")]
    versions: Vec<String>,
    #[command(flatten)]
    purpose: Purpose,
}

/// Writes a record, a start, a finish or a baseline, depending on the options.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let (word, rev) = args.at.words();
    if let Some(place) = Place::dropped(&workspace, word).filter(|_| args.finish) {
        return finish(args, context, &workspace, &place, rev);
    }
    let (name, rev) = args.at.find(&workspace, context)?;
    let place = Place::find(&workspace, name.as_str())?;
    if args.finish {
        return finish(args, context, &workspace, &place, rev);
    }
    let name = &place.name;
    let unnamed = match (args.what.rollback, args.baseline) {
        _ if rev.is_some() => None,
        (true, _) => Some((
            "a rollback goes to",
            format!("git deploy record {name} REV --rollback"),
        )),
        (_, true) => Some((
            "a baseline is of",
            format!("git deploy record {name} REV --baseline"),
        )),
        _ => None,
    };
    if let Some((what, command)) = unnamed {
        return Err(
            Failure::new(Kind::Usage, format!("{what} a commit that is named")).hint(command),
        );
    }
    let commit = workspace.commit(rev.unwrap_or("HEAD"))?;
    if args.baseline {
        return baseline(args, context, &workspace, &place, commit);
    }
    let appended = workspace.append(context, &place.ledger, args.how.manner(), &|view| {
        let deployment = composed(args, context, &place, view, commit)?;
        let action = if args.start {
            let run = RunId(clock::random().or_fail(Kind::CannotTell, "cannot begin a run")?);
            Action::Start(Start { run, deployment })
        } else {
            let results = args.end.results(&deployment.components)?;
            Action::Record(Record {
                deployment,
                results,
                logs: args.end.logs.clone(),
            })
        };
        let requested_by = args.what.purpose.requested_by.clone();
        Ok(Draft {
            environment: place.named.clone(),
            requested_by,
            ..action.into()
        })
    })?;
    let name = place.name.as_str();
    let sentence = match &appended.statement.action {
        Action::Start(start) => {
            result_text::started(name, &start.deployment, appended.statement.sequence)
        }
        _ => result_text::ended(name, &appended.statement.component_results()),
    };
    append_report::tell(context, &sentence, &appended)?;
    append_report::on_hold(context, &place.name, &appended);
    Ok(())
}

/// Computes the deployment to record or to start.
fn composed(
    args: &Args,
    context: &Context,
    place: &Place,
    view: &View<'_>,
    commit: CommitId,
) -> Result<Deployment, Failure> {
    let what = &args.what;
    let (policy, _) = place.rules(view)?;
    let wanted = DeploymentRequest {
        commit,
        selection: if what.all {
            Selection::All
        } else {
            selection(&what.components)
        },
        kind: match (what.rollback, what.hotfix) {
            (true, _) => entry::DeploymentKind::Rollback,
            (_, true) => entry::DeploymentKind::Hotfix,
            _ => entry::DeploymentKind::Deploy,
        },
        destroy: what.destroy,
        versions: &versions(&what.versions, policy)?,
    };
    let mut deployment = deployment(place, view, &wanted)?;
    what.purpose.add(&mut deployment, view)?;
    // Every deployment to an ephemeral environment renews its time to live.
    deployment.expires = place.expiry(view, context, None)?;
    Ok(deployment)
}

/// Writes a baseline.
fn baseline(
    args: &Args,
    context: &Context,
    workspace: &Workspace,
    place: &Place,
    commit: CommitId,
) -> Result<(), Failure> {
    let what = &args.what;
    let comment = what
        .purpose
        .message
        .as_ref()
        .map(|message| message.as_str().parse::<Line>());
    let comment = comment
        .transpose()
        .or_fail(Kind::Usage, "the remark on a baseline is one line")?;
    let runs = Runs::new(commit, &what.components);
    let appended = workspace.append(context, &place.ledger, args.how.manner(), &|view| {
        let versions = versions(&what.versions, place.rules(view)?.0)?;
        baseline::baseline(place, view, &runs, &versions, comment.clone())
    })?;
    let ended = result_text::ended(place.name.as_str(), &appended.statement.component_results());
    append_report::tell(
        context,
        &format!("{ended} It did so before, says {}.", appended.statement.by),
        &appended,
    )
}

/// Parses the `--version` options: one version for all components, or `COMPONENT=VERSION`.
fn versions(given: &[String], policy: &Policy) -> Result<BTreeMap<ComponentName, Line>, Failure> {
    let mut versions = BTreeMap::new();
    let version = |text: &str| -> Result<Line, Failure> {
        let version: Line = text
            .parse()
            .or_fail(Kind::Usage, format!("{text:?} is not a version"))?;
        if text.contains(char::is_whitespace) {
            return Err(Failure::new(
                Kind::Usage,
                format!("the version {text:?} holds white space"),
            ));
        }
        Ok(version)
    };
    // The version for all components comes first, so that one for a component overrides it in any
    // order.
    let (single, all): (Vec<&String>, Vec<&String>) =
        given.iter().partition(|text| text.contains('='));
    if all.len() > 1 {
        return Err(
            Failure::new(Kind::Usage, "there are two versions for all components")
                .hint("--version COMPONENT=VERSION"),
        );
    }
    for text in all {
        let version = version(text)?;
        versions.extend(
            policy
                .component_names()
                .into_iter()
                .map(|name| (name, version.clone())),
        );
    }
    for (name, text) in single.into_iter().filter_map(|text| text.split_once('=')) {
        let component: ComponentName = name
            .parse()
            .or_fail(Kind::Usage, format!("{name:?} is not a component"))?;
        known(policy, &component)?;
        versions.insert(component, version(text)?);
    }
    Ok(versions)
}

/// Writes the finish of a run that `--start` began.
fn finish(
    args: &Args,
    context: &Context,
    workspace: &Workspace,
    place: &Place,
    rev: Option<&str>,
) -> Result<(), Failure> {
    let commit = rev.map(|revision| workspace.commit(revision)).transpose()?;
    let source = key_lookup::source(Some(&workspace.repository))?;
    let key = key_lookup::public_key(Some(&workspace.repository), &source)?;
    let appended = workspace.append(context, &place.ledger, args.how.manner(), &|view| {
        let me = view
            .policy
            .and_then(|policy| policy.person_of_key(&key))
            .map(|(person, _)| person);
        let state = view
            .state(&place.ledger, &Scope::All)
            .or_fail(Kind::CannotTell, "cannot read the ledger")?;
        let runs = state.environment(place.named.as_ref()).runs();
        let run = pick(args, place, runs, me, commit)?;
        Ok(Draft {
            environment: place.named.clone(),
            ..Action::Finish(finished(args, run)?).into()
        })
    })?;
    append_report::tell(
        context,
        &result_text::ended(place.name.as_str(), &appended.statement.component_results()),
        &appended,
    )?;
    append_report::on_hold(context, &place.name, &appended);
    Ok(())
}

/// Finds the run to finish: the one of `--run`, or the only one that this signer owns; of `commit`,
/// if one is given.
fn pick<'a>(
    args: &Args,
    place: &Place,
    runs: Vec<OpenRun<'a>>,
    me: Option<&Person>,
    commit: Option<CommitId>,
) -> Result<OpenRun<'a>, Failure> {
    let meant = |run: &OpenRun<'_>| match args.run {
        Some(number) => run.sequence == number,
        None => Some(&run.owner.statement.by) == me,
    };
    let of_commit = |run: &OpenRun<'_>| {
        commit.is_none_or(|commit| run.start.statement.deployed_commits().contains(&commit))
    };
    let runs: Vec<OpenRun<'a>> = runs
        .into_iter()
        .filter(|run| meant(run) && of_commit(run))
        .collect();
    match runs[..] {
        [run] => Ok(run),
        [] => Err(Failure::new(
            Kind::Usage,
            format!("no such run is under way in {}", place.name),
        )
        .hint(format!("git deploy status {}", place.name))),
        _ => {
            let numbers: Vec<String> = runs.iter().map(|run| run.sequence.to_string()).collect();
            Err(Failure::new(
                Kind::Usage,
                format!("which run is over: {}?", numbers.join(", ")),
            )
            .hint("--run NUMBER"))
        }
    }
}

/// Builds the finish of a run from its start and the outcome options.
fn finished(args: &Args, run: OpenRun<'_>) -> Result<Finish, Failure> {
    let (Some(newest), Some(deployment)) = (run.id(), run.deployment()) else {
        return Err(Failure::new(
            Kind::CannotTell,
            format!("the run {} cannot be read", run.sequence),
        ));
    };
    if deployment.kind == entry::DeploymentKind::Exec {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "run {} is a one-off command, whose own end is its finish",
                run.sequence
            ),
        ));
    }
    let results = args.end.results(&deployment.components)?;
    Ok(Finish {
        logs: args.end.logs.clone(),
        ..outcome::finish(run.sequence, newest, deployment, results)
    })
}
