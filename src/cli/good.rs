//! `git deploy good`: what ran well last, component by component: where one could go back to.

use std::collections::BTreeSet;

use super::look::{self, Place};
use super::place::OnlyEnv;
use super::workspace::Workspace;
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::VerificationResult;
use crate::domain::history::Stay;
use crate::domain::name::ComponentName;
use crate::git::past::newest_good;
use crate::view::good::{self, Component, Good, Release};

/// Show the last known good commit of each component
///
/// Good is what succeeded and was verified by the newest word, is not on hold and is not yanked; where nothing verifies a component, what succeeded.
/// Exits with 1 where a component has none.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: OnlyEnv,
    /// Only this component; can be repeated
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
}

/// Prints what is good.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open(context)?;
    look::problems(&workspace, context)?;
    let name = args.at.find(&workspace, context)?;
    let mut places = look::places(&workspace, Some(name.as_str()))?;
    let Some(place) = places.pop() else { return Err(Failure::told(Kind::CannotTell)) };
    let mut wanted: BTreeSet<ComponentName> = attempted(&workspace, &place);
    for component in &args.components {
        if !wanted.contains(component) {
            super::composing::known(&workspace.policy, component)?;
        }
    }
    if !args.components.is_empty() {
        wanted = args.components.iter().cloned().collect();
    }
    if wanted.is_empty() {
        return Err(Failure::new(Kind::Denied, format!("nothing was deployed to {} yet", place.name)));
    }
    let components = look_back(&workspace, &place, &wanted)?;
    let good = Good { environment: place.name.clone(), components };
    if context.json() {
        context.report("good", &good)?;
    } else {
        context.print(good::text(&good, context.width(), &|time| context.when(time)));
        look::age(&workspace, context);
    }
    if good.components.iter().all(|it| it.good.is_some()) { Ok(()) } else { Err(Failure::told(Kind::Denied)) }
}

/// The components that run, or of which an attempt is known.
fn attempted(workspace: &Workspace, place: &Place<'_>) -> BTreeSet<ComponentName> {
    let here = place.here();
    let mut all: BTreeSet<ComponentName> = here.components().into_keys().cloned().collect();
    all.extend(workspace.policy.component_names().into_iter().filter(|name| here.last(name).is_some()));
    all
}

fn look_back(
    workspace: &Workspace,
    place: &Place<'_>,
    wanted: &BTreeSet<ComponentName>,
) -> Result<Vec<Component>, Failure> {
    let ledger = &place.rules.ledger;
    let member = Workspace::named_in_ledger(&place.name, place.rules);
    let gatherer = workspace.gatherer();
    let judge = |component: &ComponentName, stay: &Stay<'_>| release(workspace, place, component, stay);
    let cannot = "cannot tell what ran well";
    // What was never attempted is not looked for all the way back.
    let known = attempted(workspace, place);
    let open = wanted.iter().filter(|name| known.contains(*name)).cloned().collect();
    let mut found = match workspace.tips.get(ledger) {
        Some(tip) => newest_good(gatherer.history(), (ledger, member.as_ref()), *tip, open, &judge)
            .or_fail(Kind::CannotTell, cannot)?,
        None => std::collections::BTreeMap::new(),
    };
    Ok(wanted.iter().map(|name| Component { component: name.clone(), good: found.remove(name) }).collect())
}

/// The stay as a release, if it is good.
fn release(
    workspace: &Workspace,
    place: &Place<'_>,
    component: &ComponentName,
    stay: &Stay<'_>,
) -> crate::git::Result<Option<Release>> {
    let none_counts = workspace.policy.component(component).is_none_or(|it| it.verify.is_none());
    let (Some(commit), Some(content)) = (stay.commit(), stay.content) else { return Ok(None) };
    let held = place.here().hold(component, content).is_some();
    if held || !stay.is_verified(none_counts) || look::yanks(workspace, [commit])?.yanked_commit(commit).is_some() {
        return Ok(None);
    }
    let ended = stay.entry.statement.ended();
    let target = ended.into_iter().map(|it| it.target).find(|target| target.component == *component);
    Ok(Some(Release {
        commit,
        version: target.and_then(|target| target.version),
        verified: stay.verification() == VerificationResult::Passed,
        runs: stay.to.is_none(),
        from: stay.from,
        to: stay.to,
        by: stay.entry.statement.by.clone(),
        sequence: stay.entry.statement.sequence,
    }))
}
