//! Reads the state and history of the previous environment, the one that `promote_from` names.

use super::context::Context;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::RequestContext;
use crate::domain::entry::ComponentChange;
use crate::domain::history::{History, RunPeriod};
use crate::domain::name::EnvName;
use crate::domain::state::EnvState;

/// Returns the need for the log, if there is a previous environment.
///
/// The rule `soak` needs it even in an environment without `soak`: a hotfix that faces that rule
/// and not `previous environment` is still compared with the artifacts that ran there.
pub(super) fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let has_previous = subject
        .environment
        .is_some_and(|it| it.promote_from.is_some());
    has_previous
        .then_some(FactNeed::PreviousLog)
        .into_iter()
        .collect()
}

/// Returns the history of a changed component in the previous environment.
pub(super) fn previous_history<'a>(
    ctx: &Context<'a>,
    change: &ComponentChange,
) -> Fact<History<'a>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    match ctx.facts.previous_log.get(&(component.clone(), commit)) {
        Some(Ok(entries)) => Ok(History::read(component, entries)),
        Some(Err(why)) => Err(why.clone()),
        None => Err("the log of the previous environment was not read".to_owned()),
    }
}

/// Returns the state of the previous environment.
pub(super) fn previous_state<'a>(ctx: &Context<'a>) -> Fact<EnvState<'a>> {
    match &ctx.facts.previous_state {
        Some(Ok(state)) => {
            let name = ctx.environment()?.promote_from.as_ref();
            // A member of a pattern is only a part of its ledger's state.
            let is_member = |name: &&EnvName| {
                ctx.policy
                    .environment(name)
                    .is_some_and(|it| it.ephemeral.is_some())
            };
            Ok(state.environment(name.filter(is_member)))
        }
        Some(Err(why)) => Err(why.clone()),
        None => Err("the state of the previous environment was not read".to_owned()),
    }
}

/// Returns whether a missing verification counts as passed: the policy in force has no `verify` for
/// the component.
pub(super) fn none_counts(ctx: &Context<'_>, change: &ComponentChange) -> bool {
    ctx.policy
        .component(&change.target.component)
        .is_none_or(|component| component.verify.is_none())
}

/// Returns the periods without a component that count for its removal: those that began with its
/// removal at this commit, and the current one.
pub(super) fn find_absences<'h, 'a>(
    history: &'h History<'a>,
    change: &ComponentChange,
) -> impl Iterator<Item = &'h RunPeriod<'a>> {
    let commit = change.target.commit;
    let absences = history
        .run_periods
        .iter()
        .filter(|period| period.content.is_none());
    absences.filter(move |period| period.to.is_none() || period.commits().any(|it| it == commit))
}
