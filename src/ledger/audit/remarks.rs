//! Collects what is allowed but worth knowing: break-glass deployments, recovered policies, and
//! entries that depend on keys removed later or on tags that are gone.
//!
//! A retired key causes no remark: entries signed with it still count. A removed key may have been
//! stolen.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{AuditRemark, RemarkKind};
use super::index::ChainIndex;
use super::ledger_audit::LedgerAudit;
use super::references::RemovedKeyUses;
use crate::domain::count::{choose, count};
use crate::domain::entry::{
    Action, Artifact, Attestation, Deployment, DeploymentKind, Entry, Publish, Statement,
    StoredEntry, Verified,
};
use crate::domain::history::{History, RunSubject};
use crate::domain::id::{CommitId, EntryId, PublicKey};
use crate::domain::name::{Label, Person};
use crate::domain::policy::{Policy, PredicateType};
use crate::domain::rules::Facts;

/// Collects the remarks on single entries.
pub(super) struct RemarkCollector<'a> {
    pub index: &'a ChainIndex,
    /// The policy in force now. Without it, removed keys are unknown.
    pub present_policy: Option<&'a Policy>,
}

impl RemarkCollector<'_> {
    /// Returns the remarks on one entry with a valid signature. `seen_policy` is the policy
    /// that the entry has seen.
    pub fn collect(
        &self,
        id: EntryId,
        entry: &Entry<Verified>,
        seen_policy: Option<&Policy>,
        facts: &Facts,
    ) -> Vec<AuditRemark> {
        let statement = entry.statement();
        let by = &statement.by;
        let mut texts: Vec<(RemarkKind, String)> = Vec::new();
        // A finish repeats the break-glass reason of its start, but is not a deployment, so it gets
        // no second remark.
        if let Some(reason) = statement
            .deployment()
            .and_then(|it| it.break_glass.as_ref())
        {
            texts.push((
                RemarkKind::BreakGlass,
                format!("{by} used break-glass: \"{reason}\""),
            ));
        }
        if let Action::Publish(publish) = &statement.action {
            if publish.recovered {
                let text = "published this policy after all admin keys were lost, and this repository's owner confirmed it";
                texts.push((RemarkKind::Recovered, format!("{by} {text}")));
            }
            texts.extend(
                publish
                    .admits
                    .iter()
                    .map(|admitted| (RemarkKind::AdmitsEntry, self.describe_admitted(*admitted))),
            );
        }
        texts.extend(
            facts
                .missing_tags
                .values()
                .map(|why| (RemarkKind::MissingTag, format!("cannot re-check: {why}"))),
        );
        let dependencies = self.describe_removed_key_dependencies(statement, seen_policy, facts);
        texts.extend(
            dependencies
                .into_iter()
                .map(|text| (RemarkKind::RemovedKey, text)),
        );
        texts
            .into_iter()
            .map(|(kind, text)| AuditRemark::on_entry(kind, &statement.ledger, id, text))
            .collect()
    }

    /// Counts the entry for its signer in `removed`, if the key that signed it was removed later.
    pub fn count_removed_key(
        &self,
        id: EntryId,
        entry: &Entry<Verified>,
        removed: &mut BTreeMap<Person, RemovedKeyUses>,
    ) {
        if self.is_removed(entry.key()) {
            removed
                .entry(entry.statement().by.clone())
                .or_insert_with(|| RemovedKeyUses::new(id))
                .count += 1;
        }
    }

    /// Describes an entry that a publish admits.
    fn describe_admitted(&self, admitted: EntryId) -> String {
        let chain = self
            .index
            .chains
            .iter()
            .find(|chain| chain.position(admitted).is_some());
        let location = chain.map_or_else(
            || "(in no ledger)".to_owned(),
            |chain| format!("of {}", chain.ledger),
        );
        format!(
            "it admits {} {location}, made under an older policy and not seen by this publish",
            admitted.short()
        )
    }

    /// Checks whether the policy in force no longer lists a key, not even as retired.
    fn is_removed(&self, key: &PublicKey) -> bool {
        self.present_policy
            .is_some_and(|present| present.person_of_key(key).is_none())
    }

    /// Describes each approval, attestation, artifact and run that the entry depends on, if the key
    /// that signed it was removed later.
    fn describe_removed_key_dependencies(
        &self,
        statement: &Statement,
        seen_policy: Option<&Policy>,
        facts: &Facts,
    ) -> BTreeSet<String> {
        let has_removed_key = |stored: &StoredEntry| self.is_removed(&stored.statement.key);
        let text = |what: &str, by: &Person| {
            format!("it depends on {what} by {by}, whose key was removed later")
        };
        // With break-glass or for a rollback, the rules that read evidence are not evaluated.
        let needs_evidence = |it: &&Deployment| {
            it.break_glass.is_none()
                && matches!(it.kind, DeploymentKind::Deploy | DeploymentKind::Hotfix)
        };
        let mut texts = BTreeSet::new();
        for stored in find_named_approvals(statement, facts)
            .into_iter()
            .filter(|stored| has_removed_key(stored))
        {
            texts.insert(text("the approval", &stored.statement.by));
        }
        let (Some(deployment), Some(seen_policy)) =
            (statement.deployment().filter(needs_evidence), seen_policy)
        else {
            return texts;
        };
        for (what, stored) in find_required_evidence(statement, deployment, seen_policy, facts)
            .into_iter()
            .filter(|(_, stored)| has_removed_key(stored))
        {
            texts.insert(text(&what, &stored.statement.by));
        }
        for (what, stored) in find_untrusted_runs(deployment, facts, &has_removed_key) {
            texts.insert(text(&what, &stored.statement.by));
        }
        texts
    }
}

/// Returns the approvals that an entry names.
fn find_named_approvals<'f>(statement: &'f Statement, facts: &'f Facts) -> Vec<&'f StoredEntry> {
    let Some(Ok(state)) = &facts.state else {
        return Vec::new();
    };
    if let Action::Publish(Publish {
        digest,
        approved_by,
        ..
    }) = &statement.action
    {
        let is_named = |stored: &&StoredEntry| match &stored.statement.action {
            Action::PolicyApprove(it) => {
                it.digest == *digest && approved_by.contains(&stored.statement.by)
            }
            _ => false,
        };
        return state
            .policy_approvals()
            .map(AsRef::as_ref)
            .filter(is_named)
            .collect();
    }
    let Some(deployment) = statement.deployment() else {
        return Vec::new();
    };
    // In the ledger of a pattern, the state of each environment is separate.
    let env_state = state.environment(statement.environment.as_ref());
    let is_for_deployment = |commit: CommitId, stored: &StoredEntry| {
        let Action::Approve(approve) = &stored.statement.action else {
            return false;
        };
        let mut changes = deployment.components.iter();
        changes.any(|it| it.target.commit == commit && deployment.purpose_of(it) == approve.purpose)
    };
    let named = env_state.approvals().filter(|(commit, _, stored)| {
        is_for_deployment(*commit, stored) && deployment.approved_by.contains(&stored.statement.by)
    });
    named.map(|(_, _, stored)| &**stored).collect()
}

/// Returns the attestations and artifacts that the rules of the environment required, each with a
/// description of it.
fn find_required_evidence<'f>(
    statement: &Statement,
    deployment: &Deployment,
    seen_policy: &Policy,
    facts: &'f Facts,
) -> Vec<(String, &'f StoredEntry)> {
    let environment_name = statement.environment();
    let environment = environment_name
        .as_ref()
        .and_then(|name| seen_policy.environment(name));
    let (Some(Ok(evidence)), Some(environment)) = (&facts.evidence, environment) else {
        return Vec::new();
    };
    let mut required_evidence = Vec::new();
    for required in &environment.checks {
        // The evidence is sorted newest first, and only the newest attestation of a suite counts.
        let mut suites: BTreeSet<Option<&Label>> = BTreeSet::new();
        for stored in evidence {
            let Action::Attestation(it) = &stored.statement.action else {
                continue;
            };
            let is_required = has_predicate_type(it, &required.predicate_type)
                && it.environment == required.environment
                && (required.suite.is_none() || it.suite == required.suite)
                && seen_policy.may_attest(&stored.statement.by, &required.predicate_type)
                && required
                    .by
                    .as_ref()
                    .is_none_or(|by| by.contains(&stored.statement.by));
            if is_required && suites.insert(it.suite.as_ref()) {
                required_evidence.push((format!("the {}", it.short_type()), &**stored));
            }
        }
    }
    for stored in evidence {
        let Action::Artifact(it) = &stored.statement.action else {
            continue;
        };
        if is_relevant_artifact(deployment, it, environment.artifact_required)
            && seen_policy.artifacts.contains(&stored.statement.by)
        {
            required_evidence.push((format!("the artifact {}", it.image.name), &**stored));
        }
    }
    required_evidence
}

/// Returns the runs that show that a deployed content ran in a previous environment, each with a
/// description, if all such runs there were signed with removed keys. Of these, only the newest is
/// returned.
fn find_untrusted_runs<'f>(
    deployment: &Deployment,
    facts: &'f Facts,
    has_removed_key: &dyn Fn(&StoredEntry) -> bool,
) -> Vec<(String, &'f StoredEntry)> {
    let mut runs = Vec::new();
    let targets = deployment.changed().map(|change| &change.target);
    let logs = targets.flat_map(|target| {
        facts
            .previous_log
            .iter()
            .filter(|((_, component, commit), _)| {
                *component == target.component && *commit == target.commit
            })
            .map(move |((source, ..), log)| (target, source, log))
    });
    for (target, source, log) in logs {
        let (Some(content), Ok(log)) = (target.content, log) else {
            continue;
        };
        let history = History::read(&target.component, log, &|entry| !has_removed_key(entry));
        let periods: Vec<_> = history
            .run_periods_of(RunSubject::Content(content))
            .collect();
        let untrusted = periods.iter().map(|period| period.untrusted);
        if let Some(Some(newest)) = untrusted.clone().next_back()
            && untrusted.clone().all(|entry| entry.is_some())
        {
            runs.push((
                format!("the run of {} in {source}", target.component),
                &**newest,
            ));
        }
    }
    runs
}

/// Checks whether an attestation has this predicate type.
fn has_predicate_type(attestation: &Attestation, kind: &PredicateType) -> bool {
    attestation
        .predicate_type
        .as_str()
        .parse()
        .is_ok_and(|it: PredicateType| it == *kind)
}

/// Checks whether a deployment names an artifact or, if artifacts are `required`, has its content.
fn is_relevant_artifact(deployment: &Deployment, artifact: &Artifact, required: bool) -> bool {
    let mut changed = deployment
        .changed()
        .filter(|change| change.target.component == artifact.component);
    changed.any(|change| {
        let is_named = change
            .target
            .artifacts
            .iter()
            .any(|image| image.digest == artifact.image.digest);
        is_named || required && change.target.content == Some(artifact.content)
    })
}

/// Adds a remark per person about entries signed with keys that were removed later.
pub(super) fn add_removed_key_remarks(audited: &mut LedgerAudit) {
    let ledger = audited.ledger.clone();
    for (person, uses) in std::mem::take(&mut audited.references.removed_keys) {
        let (entries, verb) = (count(uses.count, "entry"), choose(uses.count, "is", "are"));
        let text = format!(
            "{entries} {verb} signed with a key of {person} that was removed; this is the first"
        );
        audited.remarks.push(AuditRemark::on_entry(
            RemarkKind::RemovedKey,
            &ledger,
            uses.first,
            text,
        ));
    }
}
