//! `git deploy reap`: destroys expired ephemeral environments, on a schedule.
//!
//! Several reapers may run at the same time: the first one that starts on an environment destroys
//! it, and the others skip it.

use std::cell::RefCell;
use std::sync::Arc;

use crate::cli::deploy_runner::{Carrying, Deploying, everything, listen};
use crate::cli::deployment_request::Place;
use crate::cli::read_context;
use crate::cli::workspace::{Workspace, entry_name};
use crate::cli::{Context, Failure, Kind, OrFail as _, append_report};
use crate::domain::entry::{self, Abort, Action, ComponentAtCommit};
use crate::domain::name::{EnvName, Person};
use crate::domain::policy::Environment as Rules;
use crate::domain::state::{EnvState, OpenRun, Scope};
use crate::domain::time::{Span, Time};
use crate::ledger::writer::View;
use crate::run::cancellation::Stop;
use crate::view::destroyed::{Destroyed, Environment, Outcome};
use crate::view::result_text;

/// The reason that an abort by the reaper gives.
const REASON: &str = "the environment has expired, and nobody has ended the run";

/// The message if there is nothing to do.
const NONE: &str = "No environment has expired.";

/// Destroy the ephemeral environments that have expired, without asking; for a timer
///
/// What failed is tried again the next time, and the others go on meanwhile. Exits with 4 where one of the policy's commands failed. A run that
/// nobody has ended is given up once the policy calls it stale.
#[derive(clap::Args)]
pub struct Args {
    /// Only those of this pattern, such as pr-*, or this one
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// Only say which have expired, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Only tell those whom the policy notifies what expires within this time: on a timer of the same time each is told once
    #[arg(long, value_name = "SPAN", conflicts_with = "dry_run")]
    warn: Option<Span>,
    #[command(flatten)]
    carrying: Carrying,
}

/// An environment that has expired or is about to.
struct Expired {
    place: Place,
    at: Time,
    /// Who set the expiry.
    by: Person,
}

/// Destroys expired environments, or reports them with `--dry-run` or `--warn`.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let now = context.now();
    if let Some(span) = args.warn {
        let mut all = expired(args, &workspace, now.plus(span))?;
        all.retain(|it| it.at > now);
        return warn(args, &workspace, context, &all);
    }
    let all = expired(args, &workspace, now)?;
    if args.dry_run {
        return would(context, &all, Outcome::Due);
    }
    if all.is_empty() {
        context.say(NONE);
    }
    let mut report = Destroyed::default();
    let mut failures = Vec::new();
    if !all.is_empty() {
        let (person, _) = workspace.signer()?;
        let reaper = Reaper {
            context,
            workspace: &workspace,
            carrying: &args.carrying,
            person,
            stop: listen()?,
        };
        for it in &all {
            if reaper.stop.begins_nothing() {
                failures.push((it.place.name.clone(), Failure::told(Kind::Command)));
                continue;
            }
            let (end, failure) = reaper.reap(it);
            report.environments.push(end);
            failures.extend(failure.map(|failure| (it.place.name.clone(), failure)));
        }
    }
    if context.json() {
        context.report("destroyed", &report)?;
    }
    verdict(all.len(), &failures)
}

/// Returns the environments that expire no later than `by_then`, sorted by expiry.
fn expired(args: &Args, workspace: &Workspace, by_then: Time) -> Result<Vec<Expired>, Failure> {
    let policy = &workspace.policy;
    if let Some(word) = &args.pattern {
        let is_pattern = policy.patterns.values().any(|rules| rules.shown() == *word);
        let is_one = || {
            word.parse::<EnvName>()
                .is_ok_and(|name| policy.environment(&name).is_some_and(Rules::is_pattern))
        };
        if !is_pattern && !is_one() {
            let patterns: Vec<String> = policy.patterns.values().map(Rules::shown).collect();
            let known = if patterns.is_empty() {
                "none".to_owned()
            } else {
                patterns.join(", ")
            };
            return Err(Failure::new(
                Kind::Usage,
                format!("{word:?} is no pattern of ephemeral environments"),
            )
            .because(format!("the policy knows {known}")));
        }
    }
    let wanted = |it: &read_context::Place<'_>| {
        args.pattern
            .as_ref()
            .is_none_or(|word| *word == it.rules.shown() || *word == it.name.as_str())
    };
    let mut all = Vec::new();
    for it in read_context::places(workspace, None)?
        .iter()
        .filter(|it| it.rules.is_pattern() && wanted(it))
    {
        let here = it.here();
        if let Some((at, kept)) = here
            .expires()
            .filter(|at| *at <= by_then)
            .zip(here.expiry_entry())
        {
            let place = Place::find(workspace, it.name.as_str())?;
            all.push(Expired {
                place,
                at,
                by: kept.statement.by.clone(),
            });
        }
    }
    all.sort_by(|one, other| (one.at, &one.place.name).cmp(&(other.at, &other.place.name)));
    Ok(all)
}

/// Notifies the recipients that the policy names of environments that are about to expire.
fn warn(
    args: &Args,
    workspace: &Workspace,
    context: &Context,
    all: &[Expired],
) -> Result<(), Failure> {
    let stop = listen()?;
    for it in all {
        Deploying::within(
            context,
            workspace,
            &it.place,
            &args.carrying,
            Arc::clone(&stop),
        )
        .warns(&it.by, it.at);
    }
    would(context, all, Outcome::Expiring)
}

/// Prints which environments have expired or are about to.
fn would(context: &Context, all: &[Expired], outcome: Outcome) -> Result<(), Failure> {
    let (verb, none) = match outcome {
        Outcome::Expiring => ("expires", "No environment expires within this time."),
        _ => ("expired", NONE),
    };
    for it in all {
        context.say(format_args!(
            "{} {verb} {}.",
            it.place.name,
            context.when(it.at)
        ));
    }
    if all.is_empty() {
        context.say(none);
    }
    if !context.json() {
        return Ok(());
    }
    let due = |it: &Expired| end(it, outcome, None);
    context.report(
        "destroyed",
        &Destroyed {
            dry_run: true,
            environments: all.iter().map(due).collect(),
        },
    )
}

fn end(of: &Expired, outcome: Outcome, why: Option<String>) -> Environment {
    Environment {
        name: of.place.name.clone(),
        expires: Some(of.at),
        outcome,
        why,
        entry: None,
    }
}

/// Returns the error that summarizes all failures. Its exit code is that of the most serious
/// failure.
fn verdict(all: usize, failures: &[(EnvName, Failure)]) -> Result<(), Failure> {
    let kinds = [
        Kind::Command,
        Kind::CannotTell,
        Kind::Waiting,
        Kind::Denied,
        Kind::Usage,
    ];
    let worst = kinds
        .into_iter()
        .find(|kind| failures.iter().any(|(_, failure)| failure.kind() == *kind));
    let Some(kind) = worst else { return Ok(()) };
    if all == 1 {
        // The only failure has been printed already.
        return Err(Failure::told(kind));
    }
    let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
    let words = format!(
        "{} of {all} expired environments could not be destroyed: {}",
        names.len(),
        names.join(", ")
    );
    Err(Failure::new(kind, words).hint("git deploy reap, which tries again"))
}

/// Destroys expired environments.
struct Reaper<'a> {
    context: &'a Context,
    workspace: &'a Workspace,
    carrying: &'a Carrying,
    person: Person,
    stop: Arc<Stop>,
}

impl Reaper<'_> {
    /// Destroys one environment. Returns what became of it and the failure, if any.
    fn reap(&self, it: &Expired) -> (Environment, Option<Failure>) {
        let context = self.context;
        // The reason to skip the environment, as found by the last attempt.
        let leave: RefCell<Option<String>> = RefCell::default();
        match self.destroy(it, &leave) {
            Ok((environment, result)) => (environment, result.err()),
            Err(failure) => {
                if let Some(why) = leave.into_inner() {
                    context.say(format_args!("{} is left alone: {why}.", it.place.name));
                    return (end(it, Outcome::Left, Some(why)), None);
                }
                let text = failure.text(None);
                let plain = text
                    .as_ref()
                    .map(|text| anstream::adapter::strip_str(text).to_string());
                failure
                    .text(context.width())
                    .into_iter()
                    .for_each(|text| context.note(text));
                (end(it, Outcome::Refused, plain), Some(failure))
            }
        }
    }

    fn destroy(
        &self,
        it: &Expired,
        leave: &RefCell<Option<String>>,
    ) -> Result<(Environment, Result<(), Failure>), Failure> {
        let place = &it.place;
        let deploying = Deploying::within(
            self.context,
            self.workspace,
            place,
            self.carrying,
            Arc::clone(&self.stop),
        );
        let alone = |why: String| {
            *leave.borrow_mut() = Some(why);
            Failure::told(Kind::CannotTell)
        };
        let agrees = |here: EnvState<'_>| match reprieve(here, self.context.now()) {
            Some(why) => Err(alone(why)),
            None => Ok(()),
        };
        self.give_up(&deploying, &alone)?;
        let compose = |view: &View<'_>| {
            everything(place, view, &agrees)?
                .ok_or_else(|| alone("somebody has destroyed it meanwhile".to_owned()))
        };
        let (appended, result) = deploying.destroy(&self.person, &compose, &|| Ok(()))?;
        let sentence = result_text::how_it_ended(
            place.name.as_str(),
            entry::DeploymentKind::Destroy,
            &appended.statement.component_results(),
        );
        self.context.print(append_report::with_entry(
            self.context,
            &sentence,
            &entry_name(&place.ledger, appended.id),
        ));
        let environment = match &result {
            Ok(()) => end(it, Outcome::Destroyed, None),
            Err(failure) => {
                failure
                    .text(self.context.width())
                    .into_iter()
                    .for_each(|text| self.context.note(text));
                end(it, Outcome::Failed, Some(sentence))
            }
        };
        Ok((
            Environment {
                entry: Some(appended.id),
                ..environment
            },
            result,
        ))
    }

    /// Aborts stale runs, whose owners are gone.
    fn give_up(
        &self,
        deploying: &Deploying<'_>,
        alone: &dyn Fn(String) -> Failure,
    ) -> Result<(), Failure> {
        let look = deploying.look()?;
        let is_over = |run: &OpenRun<'_>| {
            run.owner.statement.at.plus(look.rules.stale_after) <= self.context.now()
        };
        for run in look.here().runs().into_iter().filter(is_over) {
            let (Some(newest), Some(deployment)) = (run.id(), run.deployment()) else {
                continue;
            };
            let changed = deployment.changed().map(|change| &change.target);
            let components = changed
                .map(|it| ComponentAtCommit {
                    component: it.component.clone(),
                    commit: it.commit,
                })
                .collect();
            let reason = REASON
                .parse()
                .or_fail(Kind::CannotTell, "cannot give a run up")?;
            let abort = Abort {
                start: run.sequence,
                run: newest,
                components,
                reason,
            };
            deploying.append(&|view| {
                let state = view.state(&deploying.place.ledger, &Scope::All);
                let state = state.or_fail(Kind::CannotTell, "cannot read the ledger")?;
                match state
                    .environment(deploying.place.named.as_ref())
                    .run(run.sequence)
                {
                    Some(now) if now.id() == Some(newest) => Ok(Action::Abort(abort.clone())),
                    _ => Err(alone("somebody else is at it".to_owned())),
                }
            })?;
            let (name, by) = (&deploying.place.name, &run.owner.statement.by);
            self.context.say(format_args!(
                "Run {} of {by} in {name} is given up: {REASON}.",
                run.sequence
            ));
        }
        Ok(())
    }
}

/// Returns the reason to skip an environment, if there is one.
fn reprieve(here: EnvState<'_>, now: Time) -> Option<String> {
    if here.expires().is_some_and(|end| end > now) {
        return Some("somebody has given it more time meanwhile".to_owned());
    }
    let run = here.runs().into_iter().next()?;
    let by = &run.owner.statement.by;
    Some(match run.deployment().map(|deployment| deployment.kind) {
        Some(entry::DeploymentKind::Destroy) => {
            format!("{by} is destroying it, with run {}", run.sequence)
        }
        _ => format!("run {} of {by} is under way there", run.sequence),
    })
}
