//! One ledger, from its genesis to its tip.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::order::Publish;
use super::{Audited, Finding, Remark};
use crate::domain::entry::{Action, Entry, Statement, Verified};
use crate::domain::id::EntryId;
use crate::domain::name::{LedgerName, Person};
use crate::domain::policy::{PersonSpec, Policy};
use crate::domain::text::{Line, harmless};
use crate::domain::verdict::{Check, Outcome};
use crate::git::chain::Chains;
use crate::git::error::Result;
use crate::git::gather::Gatherer;
use crate::git::judge::{Against, Judge, Judged};
use crate::git::ledger::{Project, Tips};
use crate::git::repo::Repository;

/// Audits ledgers, one after the other, on one thread.
pub(super) struct Auditor<'a> {
    repository: &'a Repository,
    judge: Judge<'a>,
    chains: Chains<'a>,
    /// The policy in force now, where it can be read.
    present: Option<Arc<Policy>>,
}

impl<'a> Auditor<'a> {
    pub fn new(repository: &'a Repository, project: &'a Project, tips: &'a Tips) -> Self {
        let gatherer = Gatherer::new(repository, project).with_branches_as_entered();
        let judge = Judge::new(repository, gatherer, None);
        let present = tips.get(&LedgerName::policy()).and_then(|tip| judge.gatherer.policy_at(*tip).ok().flatten());
        Self { repository, judge, chains: Chains::new(repository, tips), present }
    }

    /// Judges every entry. What stops the walk itself is a finding.
    pub fn audit(&self, ledger: &LedgerName, tip: EntryId, step: &dyn Fn()) -> Audited {
        let mut audited = Audited {
            ledger: ledger.clone(),
            tip,
            entries: 0,
            span: None,
            findings: Vec::new(),
            remarks: Vec::new(),
            seen: Vec::new(),
            publishes: Vec::new(),
        };
        if let Err(error) = self.walk(&mut audited, step) {
            audited.findings.push(Finding::error(Some(ledger), &error));
        }
        audited
    }

    fn walk(&self, audited: &mut Audited, step: &dyn Fn()) -> Result<()> {
        let ledger = audited.ledger.clone();
        let mut ids = self.repository.chain_between(None, audited.tip)?.unwrap_or_default().into_iter();
        let mut head = self.judge.head(&ledger, None)?;
        let first = ids.next();
        if first != Some(head.chain.tip) {
            let what = format!("it does not begin with the genesis {} of this project", head.chain.tip.short());
            audited.findings.push(Finding::fail(&ledger, first, what));
            return Ok(());
        }
        let mut removed = BTreeMap::new();
        for id in ids {
            step();
            let judged =
                self.judge.judge(&ledger, &head, id, Against::Past(&|ledger, id| self.chains.hold(ledger, id)));
            audited.entries += 1;
            audited.findings.extend(judged.verdict.checks.iter().filter_map(|check| finding(&ledger, id, check)));
            let Some(statement) = &judged.statement else {
                let left = "what follows it cannot be judged: its entry cannot be read";
                audited.findings.push(Finding { outcome: Outcome::Unknown, ..Finding::fail(&ledger, Some(id), left) });
                break;
            };
            note(audited, id, statement);
            self.remark(audited, id, &judged, &mut removed);
            head = match judged.head {
                Some(head) => head,
                // It should not be there, and what follows is judged as it stands all the same.
                None => head.after(id, self.repository.read_commit(id.0)?.tree, statement),
            };
        }
        for (person, (count, first)) in removed {
            let entries = if count == 1 { "1 entry is" } else { &format!("{count} entries are") };
            let text = format!("{entries} signed with a key of {person} that was removed; this is the first");
            audited.remarks.push(Remark { ledger: Some(ledger.clone()), entry: Some(first), text });
        }
        Ok(())
    }

    /// What is allowed and should be known.
    fn remark(
        &self,
        audited: &mut Audited,
        id: EntryId,
        judged: &Judged,
        removed: &mut BTreeMap<Person, (usize, EntryId)>,
    ) {
        let Some(entry) = &judged.entry else { return };
        let statement = entry.statement();
        let mut texts = Vec::new();
        if let Some(reason) = broken_glass(statement) {
            texts.push(format!("{} broke the glass: \"{reason}\"", statement.by));
        }
        if matches!(&statement.action, Action::Publish(it) if it.recovered) {
            texts.push(format!(
                "{} published this policy after all admin keys were lost, and this repository's owner vouches for it",
                statement.by
            ));
        }
        texts.extend(
            self.leaned_on(entry)
                .iter()
                .map(|person| format!("it went in on the approval of {person}, whose key was removed since")),
        );
        let ledger = Some(audited.ledger.clone());
        audited.remarks.extend(texts.into_iter().map(|text| Remark { ledger: ledger.clone(), entry: Some(id), text }));
        let key = entry.key();
        if self.present.as_ref().is_some_and(|present| present.person_of_key(key).is_none()) {
            removed.entry(statement.by.clone()).or_insert((0, id)).0 += 1;
        }
    }

    /// The approvers of a deployment none of whose keys of then is listed today.
    fn leaned_on(&self, entry: &Entry<Verified>) -> Vec<Person> {
        let statement = entry.statement();
        let (Some(deployment), Some(present)) = (statement.deployment(), &self.present) else { return Vec::new() };
        let seen = statement.seen.get(&LedgerName::policy());
        let Some(then) = seen.and_then(|tip| self.judge.gatherer.policy_at(*tip).ok().flatten()) else {
            return Vec::new();
        };
        let listed = |spec: &PersonSpec| {
            let mut keys = spec.retired.iter().chain([&spec.key]);
            keys.any(|key| present.person_of_key(key).is_some())
        };
        let gone = |person: &&Person| then.people.get(*person).is_some_and(|spec| !listed(spec));
        deployment.approved_by.iter().filter(gone).cloned().collect()
    }
}

/// Remembers what the order among ledgers is checked by, and the span of time.
fn note(audited: &mut Audited, id: EntryId, statement: &Statement) {
    let first = audited.span.map_or(statement.at, |(first, _)| first);
    audited.span = Some((first, statement.at));
    audited.seen.push((id, statement.seen.get(&LedgerName::policy()).copied()));
    if let Action::Publish(publish) = &statement.action {
        audited.publishes.push(Publish { id, seen: statement.seen.clone(), admits: publish.admits.clone() });
    }
}

fn finding(ledger: &LedgerName, id: EntryId, check: &Check) -> Option<Finding> {
    (check.outcome != Outcome::Pass).then(|| Finding {
        ledger: Some(ledger.clone()),
        entry: Some(id),
        rule: Some(check.rule),
        outcome: check.outcome,
        detail: harmless(&check.detail),
    })
}

/// The reason why an entry broke the rules; a finish repeats its start's, and is not told again.
fn broken_glass(statement: &Statement) -> Option<&Line> {
    statement.deployment()?.break_glass.as_ref()
}
