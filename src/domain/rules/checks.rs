//! Checks: each attestation that the environment asks for is there, and the latest of it is good.
//!
//! Of a check without a suite the latest of every suite must be good; of one without an environment only attestations count that
//! name none. The latest is taken among those who may vouch, whoever of them it is.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Against, list, moment};
use super::{Context, Known, answer, key_trust};
use crate::domain::entry::{Action, Attestation, AttestationResult, Kept};
use crate::domain::id::CommitId;
use crate::domain::name::Label;
use crate::domain::policy::{PredicateType, RequiredCheck};
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::Checks;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(RULE, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    let required = &ctx.environment()?.checks;
    let commits: BTreeSet<CommitId> = ctx
        .deployment()?
        .changed()
        .map(|change| change.target.commit)
        .collect();
    if required.is_empty() {
        return Ok(Vec::new());
    }
    let mut checks = Vec::new();
    for (required, commit) in required
        .iter()
        .flat_map(|required| commits.iter().map(move |commit| (required, *commit)))
    {
        match one(ctx, required, commit) {
            Ok(None) => {}
            Ok(Some(against)) => checks.push(against.check(RULE)),
            Err(why) => checks.push(Check::unknown(RULE, sanitize(&why))),
        }
    }
    Ok(if checks.is_empty() {
        vec![Check::pass(RULE, list(required.iter().map(label)))]
    } else {
        checks
    })
}

fn label(required: &RequiredCheck) -> String {
    let suite = required
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" {suite}"));
    let place = required
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" in {environment}"));
    format!("{}{suite}{place}", required.predicate_type)
}

fn remedy(required: &RequiredCheck, commit: CommitId) -> String {
    let suite = required
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" --suite {suite}"));
    let place = required
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" --env {environment}"));
    format!(
        "git deploy attest {} {}{suite}{place}",
        required.predicate_type,
        commit.short()
    )
}

fn one(ctx: &Context<'_>, required: &RequiredCheck, commit: CommitId) -> Known<Option<Against>> {
    let evidence = match &ctx.facts.evidence {
        Some(Ok(evidence)) => evidence,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the evidence was not read".to_owned()),
    };
    let mut newest: BTreeMap<Option<&Label>, (&Kept, AttestationResult)> = BTreeMap::new();
    for kept in evidence {
        let Action::Attestation(it) = &kept.statement.action else {
            continue;
        };
        if it.commit == commit
            && !newest.contains_key(&it.suite.as_ref())
            && counts(ctx, required, kept, it)?
        {
            newest.insert(it.suite.as_ref(), (kept, it.result()));
        }
    }
    let what = label(required);
    if let Some((kept, _)) = newest
        .values()
        .find(|(_, result)| *result == AttestationResult::Failed)
    {
        let (by, at) = (&kept.statement.by, moment(kept.statement.at, ctx.now));
        return Ok(Some(
            Against::new(format!("{what}: failed, says {by} ({at})"))
                .remedy(remedy(required, commit)),
        ));
    }
    Ok(newest.is_empty().then(|| {
        let detail = format!(
            "{what}: none for {} from {}",
            commit.short(),
            accepted(ctx, required)
        );
        Against::new(detail).remedy(remedy(required, commit))
    }))
}

/// Whether an attestation is one that the check asks for, from somebody who may give it.
fn counts(
    ctx: &Context<'_>,
    required: &RequiredCheck,
    kept: &Kept,
    it: &Attestation,
) -> Known<bool> {
    let by = &kept.statement.by;
    let asked = it
        .predicate_type
        .as_str()
        .parse()
        .is_ok_and(|kind: PredicateType| kind == required.predicate_type)
        && it.environment == required.environment
        && (required.suite.is_none() || it.suite == required.suite);
    let may = ctx.policy.may_vouch(by, &required.predicate_type)
        && required.by.as_ref().is_none_or(|it| it.contains(by));
    if !asked || !may || !key_trust::counts(ctx, kept)? {
        return Ok(false);
    }
    // Nobody passes their own change; that they fail it is taken from them.
    let review =
        required.predicate_type == PredicateType::change_review() && !ctx.policy.is_machine(by);
    Ok(!review
        || it.result() == AttestationResult::Failed
        || !key_trust::involved(ctx)?.contains(by))
}

/// Whose word counts, in words.
fn accepted(ctx: &Context<'_>, required: &RequiredCheck) -> String {
    let all = ctx.policy.people.keys();
    let may = all.filter(|person| {
        ctx.policy.may_vouch(person, &required.predicate_type)
            && required
                .by
                .as_ref()
                .is_none_or(|members| members.contains(person))
    });
    let may = list(may);
    if may.is_empty() {
        "anyone, and nobody may".to_owned()
    } else {
        may
    }
}

#[cfg(test)]
mod tests;
