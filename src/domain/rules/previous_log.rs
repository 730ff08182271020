//! Reads the states and histories of the previous environments, those that `promote_from` names.

use super::context::Context;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::key_trust::has_listed_key;
use super::request::RequestContext;
use crate::domain::entry::ComponentChange;
use crate::domain::history::{History, RunPeriod, RunSubject};
use crate::domain::name::EnvName;
use crate::domain::policy::PromotionMatch;
use crate::domain::state::EnvState;

/// Returns the need for the log, if there are previous environments.
///
/// The rule `soak` needs the log even in an environment without `soak`: for a hotfix that skips only
/// `previous environment`, the rule `artifact` still reads it.
pub(super) fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let has_previous = subject
        .environment
        .is_some_and(|it| !it.promote_from.is_empty());
    has_previous
        .then_some(FactNeed::PreviousLog)
        .into_iter()
        .collect()
}

/// Returns the history of a changed component in a previous environment.
pub(super) fn previous_history<'a>(
    ctx: &Context<'a>,
    source: &EnvName,
    change: &ComponentChange,
) -> Fact<History<'a>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let key = (source.clone(), component.clone(), commit);
    match ctx.facts.previous_log.get(&key) {
        Some(Ok(entries)) => Ok(History::read(component, entries, &|entry| {
            has_listed_key(ctx.policy, entry)
        })),
        Some(Err(why)) => Err(why.clone()),
        None => Err(format!("the log of {source} was not read")),
    }
}

/// Returns what must have run in each previous environment: the component's commit or its content.
pub(super) fn run_subject(ctx: &Context<'_>, change: &ComponentChange) -> Fact<RunSubject> {
    let target = &change.target;
    let commit = RunSubject::Commit(target.commit);
    Ok(
        match ctx
            .policy
            .promotion_match(ctx.environment()?, &target.component)
        {
            PromotionMatch::Commit => commit,
            PromotionMatch::Content => target.content.map_or(commit, RunSubject::Content),
        },
    )
}

/// Returns the periods in which the content or commit of a change ran in a previous environment,
/// oldest first. If the change names artifacts, a period with other digests does not count: success
/// of one build does not vouch for another build of the same content. A run that was signed with a
/// removed key does not count.
pub(super) fn counted_periods<'h, 'a>(
    ctx: &Context<'a>,
    history: &'h History<'a>,
    change: &ComponentChange,
) -> Fact<Vec<&'h RunPeriod<'a>>> {
    let digests = change.target.digests();
    let subject = run_subject(ctx, change)?;
    let is_same_build = |period: &&RunPeriod<'a>| {
        matches!(subject, RunSubject::Commit(_))
            || digests.is_empty()
            || period
                .entry
                .statement
                .component_result(&change.target.component)
                .is_some_and(|result| result.target.digests() == digests)
    };
    Ok(history
        .run_periods_of(subject)
        .filter(|period| period.untrusted.is_none())
        .filter(is_same_build)
        .collect())
}

/// Returns the state of a previous environment.
pub(super) fn previous_state<'a>(ctx: &Context<'a>, source: &EnvName) -> Fact<EnvState<'a>> {
    match ctx.facts.previous_state.get_key_value(source) {
        Some((source, Ok(state))) => {
            // A member of a pattern is only a part of its ledger's state.
            let is_member = |name: &&EnvName| {
                ctx.policy
                    .environment(name)
                    .is_some_and(|it| it.ephemeral.is_some())
            };
            Ok(state.environment(Some(source).filter(is_member)))
        }
        Some((_, Err(why))) => Err(why.clone()),
        None => Err(format!("the state of {source} was not read")),
    }
}

/// Returns whether a missing verification counts as passed: the policy in force has no `verify` for
/// the component.
pub(super) fn unverified_counts(ctx: &Context<'_>, change: &ComponentChange) -> bool {
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
    absences.filter(move |period| period.to.is_none() || period.commit == commit)
}
