//! `git deploy abort`: gives an unfinished run up.

use super::composing::Place;
use super::place::OnlyEnv;
use super::workspace::Workspace;
use super::written::{self, How};
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::{Abort, Action, Component, Deployment};
use crate::domain::state::{Run, Scope};
use crate::domain::text::Line;
use crate::git::append::{Appended, Draft};

/// Give an unfinished deployment up: for whoever runs it, an admin or, once it is stale, any deployer
///
/// Nobody knows then what runs of the components that it was changing, until something is deployed there again.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: OnlyEnv,
    /// The run to give up, by its number; without it the only one
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    /// Why, for everybody to read
    #[arg(short, long, value_name = "REASON", value_parser = written::line)]
    message: Line,
    #[command(flatten)]
    how: How,
}

/// Aborts.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let place = match Place::dropped(&workspace, args.at.word()) {
        Some(place) => place,
        None => Place::find(&workspace, args.at.find(&workspace, context)?.as_str())?,
    };
    let appended = workspace.append(context, &place.ledger, args.how.manner(), &|view| {
        let state = view.state(&place.ledger, &Scope::All).or_fail(Kind::CannotTell, "cannot read the ledger")?;
        let run = pick(args, context, &place, state.at(place.named.as_ref()).runs())?;
        let (Some(newest), Some(deployment)) = (run.id(), run.deployment()) else {
            return Err(Failure::new(Kind::CannotTell, format!("the run {} cannot be read", run.sequence)));
        };
        let changed = deployment.changed().map(|change| &change.target);
        let components = changed.map(|it| Component { component: it.component.clone(), commit: it.commit }).collect();
        let abort = Abort { start: run.sequence, run: newest, components, reason: args.message.clone() };
        Ok(Draft { environment: place.named.clone(), ..Action::Abort(abort).into() })
    })?;
    written::tell(context, &sentence(&place, &appended), &appended)
}

/// The run of this number, or the only one.
fn pick<'a>(args: &Args, context: &Context, place: &Place, runs: Vec<Run<'a>>) -> Result<Run<'a>, Failure> {
    let meant = |run: &Run<'_>| args.run.is_none_or(|number| run.sequence == number);
    let mut meant: Vec<Run<'a>> = runs.into_iter().filter(meant).collect();
    let name = &place.name;
    match (meant.pop(), meant.is_empty()) {
        (Some(run), true) => Ok(run),
        (None, _) => {
            let which = args.run.map_or_else(|| "no run".to_owned(), |number| format!("no run {number}"));
            Err(Failure::new(Kind::Usage, format!("{which} is under way in {name}"))
                .hint(format!("git deploy status {name}")))
        }
        (Some(last), false) => {
            meant.push(last);
            let told: Vec<String> = meant.iter().map(|run| told(run, context)).collect();
            let failure = Failure::new(Kind::Usage, format!("which run in {name} is to be given up?"));
            let failure = failure.because(told.join("\n"));
            Err(meant.iter().fold(failure, |failure, run| {
                failure.hint(format!("git deploy abort {name} --run {} -m REASON", run.sequence))
            }))
        }
    }
}

/// One run among several.
fn told(run: &Run<'_>, context: &Context) -> String {
    let changed = run.deployment().into_iter().flat_map(Deployment::changed);
    let names: Vec<&str> = changed.map(|change| change.target.component.as_str()).collect();
    let (by, since) = (&run.owner.statement.by, context.when(run.start.statement.at));
    format!("run {} of {by} changes {}, since {since}", run.sequence, names.join(", "))
}

fn sentence(place: &Place, appended: &Appended) -> String {
    let (name, by) = (&place.name, &appended.statement.by);
    let Action::Abort(abort) = &appended.statement.action else { return String::new() };
    let names: Vec<&str> = abort.components.iter().map(|it| it.component.as_str()).collect();
    let gone = format!("Run {} in {name} is given up by {by}.", abort.start);
    if names.is_empty() {
        return gone;
    }
    format!(
        "{gone} Nobody knows now what runs of {}: git deploy record {name} REV, once it is known.",
        names.join(", ")
    )
}
