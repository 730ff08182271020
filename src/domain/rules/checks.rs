//! The rule `checks`: each required attestation exists, and the latest one passed.
//!
//! If a check names no suite, the latest attestation of every suite must have passed. If a check
//! names no environment, only attestations without an environment count. The latest attestation is
//! that of any accepted signer.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::{Violation, format_moment, join_names};
use super::key_trust;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{Action, Attestation, AttestationResult, StoredEntry};
use crate::domain::id::CommitId;
use crate::domain::name::{Label, Person};
use crate::domain::policy::{PredicateType, RequiredCheck};
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Checks,
    name: "checks",
    description: "For each check that the environment requires, an accepted signer attested a result for the commit, and the latest result passed. An attestation whose predicate states a `result` that is not a success has failed, whatever its type.",
    faced_by: RequestKinds::of(&[RequestKind::Deploy, RequestKind::Hotfix, RequestKind::Merge]),
    hotfix_skip: None,
    reads: &[OtherLedger::Evidence],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let required = subject.environment.map_or(&[][..], |it| &it.checks);
    let mut needs = Vec::new();
    if !required.is_empty() {
        needs.push(FactNeed::Evidence);
    }
    let review = PredicateType::change_review();
    if required.iter().any(|check| check.predicate_type == review) {
        needs.push(FactNeed::Authors);
    }
    needs
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Checks, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let required_checks = &ctx.environment()?.checks;
    let commits: BTreeSet<CommitId> = ctx
        .deployment()?
        .changed()
        .map(|change| change.target.commit)
        .collect();
    if required_checks.is_empty() {
        return Ok(Vec::new());
    }
    let mut checks = Vec::new();
    for (required, commit) in required_checks
        .iter()
        .flat_map(|required| commits.iter().map(move |commit| (required, *commit)))
    {
        match check_attestation(ctx, required, commit) {
            Ok(None) => {}
            Ok(Some(violation)) => checks.push(violation.check(Rule::Checks)),
            Err(why) => checks.push(Check::unknown(Rule::Checks, sanitize(&why))),
        }
    }
    Ok(if checks.is_empty() {
        vec![Check::pass(
            Rule::Checks,
            join_names(required_checks.iter().map(describe_required)),
        )]
    } else {
        checks
    })
}

fn describe_required(required: &RequiredCheck) -> String {
    let suite = required
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" {suite}"));
    let environment = required
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" in {environment}"));
    format!("{}{suite}{environment}", required.predicate_type)
}

fn attest_command(required: &RequiredCheck, commit: CommitId) -> String {
    let suite = required
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" --suite {suite}"));
    let environment = required
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" --env {environment}"));
    // Only for tests can a result be given as an option.
    let statement = if required.predicate_type == PredicateType::test_result() {
        "--result passed"
    } else {
        "--predicate FILE"
    };
    format!(
        "git deploy attest {} {}{suite}{environment} {statement}",
        required.predicate_type,
        commit.short()
    )
}

fn check_attestation(
    ctx: &Context<'_>,
    required: &RequiredCheck,
    commit: CommitId,
) -> Fact<Option<Violation>> {
    let evidence = match &ctx.facts.evidence {
        Some(Ok(evidence)) => evidence,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the evidence was not read".to_owned()),
    };
    let mut newest_by_suite: BTreeMap<Option<&Label>, (&StoredEntry, AttestationResult)> =
        BTreeMap::new();
    for entry in evidence {
        let Action::Attestation(attestation) = &entry.statement.action else {
            continue;
        };
        let suite = attestation.suite.as_ref();
        if attestation.commit == commit
            && !newest_by_suite.contains_key(&suite)
            && is_accepted(ctx, required, entry, attestation)?
        {
            newest_by_suite.insert(suite, (entry, attestation.result()));
        }
    }
    let check_label = describe_required(required);
    if let Some((entry, _)) = newest_by_suite
        .values()
        .find(|(_, result)| *result == AttestationResult::Failed)
    {
        let (by, at) = (
            &entry.statement.by,
            format_moment(entry.statement.at, ctx.now),
        );
        return Ok(Some(
            Violation::new(format!("{check_label}: failed, as attested by {by} ({at})"))
                .remedy(attest_command(required, commit))
                .remedy_by(find_accepted_signers(ctx, required)?),
        ));
    }
    if !newest_by_suite.is_empty() {
        return Ok(None);
    }
    let accepted = find_accepted_signers(ctx, required)?;
    let (commit_label, names) = (commit.short(), join_names(&accepted));
    Ok(Some(if accepted.is_empty() {
        Violation::new(format!(
            "{check_label}: none for {commit_label}, and the policy has no eligible signer; an admin can add one under [checks] in deploy.toml, and publish it"
        ))
        .remedy("git deploy policy publish")
        .remedy_by(ctx.admins().unwrap_or_default())
    } else {
        Violation::new(format!(
            "{check_label}: none for {commit_label} from {names}"
        ))
        .remedy(attest_command(required, commit))
        .remedy_by(accepted)
    }))
}

/// Returns whether an attestation is the required one, from an accepted signer.
fn is_accepted(
    ctx: &Context<'_>,
    required: &RequiredCheck,
    entry: &StoredEntry,
    attestation: &Attestation,
) -> Fact<bool> {
    let by = &entry.statement.by;
    let is_required = attestation
        .predicate_type
        .as_str()
        .parse()
        .is_ok_and(|kind: PredicateType| kind == required.predicate_type)
        && attestation.environment == required.environment
        && (required.suite.is_none() || attestation.suite == required.suite);
    let may_attest = ctx.policy.may_attest(by, &required.predicate_type)
        && required
            .by
            .as_ref()
            .is_none_or(|members| members.contains(by));
    if !is_required || !may_attest || !key_trust::has_listed_key(ctx.policy, entry) {
        return Ok(false);
    }
    // Authors and the deployer cannot pass their own change, but they can fail it.
    let is_review =
        required.predicate_type == PredicateType::change_review() && !ctx.policy.is_machine(by);
    Ok(!is_review
        || attestation.result() == AttestationResult::Failed
        || !key_trust::involved_persons(ctx)?.contains(by))
}

/// Returns the people and machines whose passed result would count.
fn find_accepted_signers(ctx: &Context<'_>, required: &RequiredCheck) -> Fact<BTreeSet<Person>> {
    let involved = if required.predicate_type == PredicateType::change_review() {
        key_trust::involved_persons(ctx)?
    } else {
        BTreeSet::new()
    };
    let is_accepted = |person: &&Person| {
        let may_sign = required
            .by
            .as_ref()
            .is_none_or(|members| members.contains(person));
        may_sign
            && ctx.policy.may_attest(person, &required.predicate_type)
            && (ctx.policy.is_machine(person) || !involved.contains(*person))
    };
    let accepted = ctx.policy.people.keys().filter(is_accepted);
    Ok(accepted.cloned().collect())
}

#[cfg(test)]
mod tests;
