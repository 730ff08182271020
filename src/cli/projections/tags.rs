//! `tag`: the tags that successes make.
//!
//! A tag is only ever created. Missing ones are created oldest first, so that the search for them can
//! end at the newest deployment whose tags exist.

use std::collections::BTreeMap;

use super::remote_refs::describe_outcome;
use super::{Projection, ProjectionKind, ProjectionOutcome, Reconciler, new_projection};
use crate::domain::id::{CommitId, EntryId, Oid};
use crate::domain::policy::{Placeholder, Template};
use crate::domain::success_tags::{SuccessTag, SuccessTags};
use crate::git;
use crate::git::remote::PushOutcome;
use crate::ledger::ended_deployments::EndedDeployment;

/// How many deployments are compared with the remote's tags at once.
const BATCH: usize = 16;

/// A deployment that succeeded, and its tags.
struct TaggedDeployment {
    ended: EndedDeployment,
    tags: SuccessTags,
}

/// The tags of the remote that have one of the names that were looked for, by full name.
type ExistingTags = BTreeMap<String, Oid>;

impl Reconciler<'_> {
    /// Creates the tags that follow from the ledger and do not exist.
    pub(super) fn make_tags(
        &self,
        tip: EntryId,
        projections: &mut Vec<Projection>,
    ) -> git::Result<()> {
        let Some(template) = &self.rules.tag else {
            return Ok(());
        };
        let mut existing = ExistingTags::new();
        let incomplete = self.find_incomplete(template, tip, &mut existing)?;
        for (index, deployment) in incomplete.iter().enumerate().rev() {
            // An older deployment will not get a name by itself, so only the newest is reported.
            let unnamed = deployment.tags.unnamed.iter().filter(|_| index == 0);
            projections.extend(unnamed.map(|(commit, why)| Projection {
                outcome: ProjectionOutcome::Refused,
                reasons: vec![why.clone()],
                ..new_projection(&deployment.ended, ProjectionKind::Tag, *commit)
            }));
            for tag in &deployment.tags.tags {
                let Some(made) = self.make_tag(tag, &mut existing)? else {
                    continue;
                };
                let is_unknown = made.outcome == ProjectionOutcome::Unknown;
                projections.push(Projection {
                    name: Some(made.name),
                    outcome: made.outcome,
                    reasons: made.reasons,
                    ..new_projection(&deployment.ended, ProjectionKind::Tag, tag.commit)
                });
                if is_unknown {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns the deployments without all of their tags, newest first, and adds the tags that exist
    /// to `existing`.
    ///
    /// Without a timestamp, an older deployment may have given a newer one its tag, so the search goes
    /// on for a while.
    fn find_incomplete(
        &self,
        template: &Template,
        tip: EntryId,
        existing: &mut ExistingTags,
    ) -> git::Result<Vec<TaggedDeployment>> {
        let is_unique = template.contains(Placeholder::Timestamp);
        let mut deployments = self.tagged_deployments(template, tip);
        let (mut incomplete, mut complete_count) = (Vec::new(), 0);
        loop {
            let batch: Vec<TaggedDeployment> = deployments
                .by_ref()
                .take(BATCH)
                .collect::<git::Result<_>>()?;
            if batch.is_empty() {
                return Ok(incomplete);
            }
            existing.extend(self.read_tags(&batch)?);
            for deployment in batch {
                if deployment.is_complete(existing) {
                    complete_count += 1;
                    if is_unique || complete_count >= BATCH {
                        return Ok(incomplete);
                    }
                } else {
                    incomplete.push(deployment);
                }
            }
        }
    }

    /// Returns the successful deployments with their tags, newest first, as long as the policy of
    /// their time asked for tags of this form.
    fn tagged_deployments(
        &self,
        template: &Template,
        tip: EntryId,
    ) -> impl Iterator<Item = git::Result<TaggedDeployment>> {
        let read = move |ended: git::Result<EndedDeployment>| {
            let ended = ended?;
            if !self.has_same_value(&ended, |rules| &rules.tag)? {
                return Ok(None);
            }
            let success = self.history.success_of(&ended)?;
            let tags = success.map_or_else(SuccessTags::default, |it| it.tags(template));
            Ok(Some(TaggedDeployment { ended, tags }))
        };
        self.ended_deployments(tip)
            .map_while(move |ended| read(ended).transpose())
            .filter(|deployment| deployment.as_ref().map_or(true, |it| !it.tags.is_empty()))
    }

    fn read_tags(&self, deployments: &[TaggedDeployment]) -> git::Result<ExistingTags> {
        let tags = deployments.iter().flat_map(|it| &it.tags.tags);
        let names: Vec<String> = tags.flat_map(|tag| &tag.names).map(full_name).collect();
        if names.is_empty() {
            return Ok(ExistingTags::new());
        }
        self.refs.read(names.iter().map(String::as_str))
    }

    /// Creates a tag with the first name that no other tag has. Returns `None` if it exists.
    fn make_tag(
        &self,
        tag: &SuccessTag,
        existing: &mut ExistingTags,
    ) -> git::Result<Option<MadeTag>> {
        if exists(tag, existing) {
            return Ok(None);
        }
        for name in &tag.names {
            let reference = full_name(name);
            if existing.contains_key(&reference) {
                continue;
            }
            let made = |outcome, reasons| MadeTag {
                name: name.clone(),
                outcome,
                reasons,
            };
            if self.is_dry_run {
                existing.insert(reference, tag.commit.0);
                return Ok(Some(made(ProjectionOutcome::WouldDo, Vec::new())));
            }
            match self.refs.push(tag.commit.0, &reference, None)? {
                PushOutcome::LostRace { found: Some(found) } if CommitId(found) == tag.commit => {
                    return Ok(None);
                }
                PushOutcome::LostRace { found: Some(found) } => {
                    existing.insert(reference, found);
                }
                outcome => {
                    let (outcome, reasons) = describe_outcome(outcome);
                    if outcome == ProjectionOutcome::Done {
                        existing.insert(reference, tag.commit.0);
                    }
                    return Ok(Some(made(outcome, reasons)));
                }
            }
        }
        let reasons = vec!["other tags have this name and those with its number".to_owned()];
        Ok(Some(MadeTag {
            name: tag.names.first().cloned().unwrap_or_default(),
            outcome: ProjectionOutcome::Refused,
            reasons,
        }))
    }
}

/// What happened to a tag that did not exist.
struct MadeTag {
    name: String,
    outcome: ProjectionOutcome,
    reasons: Vec<String>,
}

impl TaggedDeployment {
    fn is_complete(&self, existing: &ExistingTags) -> bool {
        let tags = &self.tags;
        tags.unnamed.is_empty() && tags.tags.iter().all(|tag| exists(tag, existing))
    }
}

fn exists(tag: &SuccessTag, existing: &ExistingTags) -> bool {
    let is_there = |name: &String| existing.get(&full_name(name)) == Some(&tag.commit.0);
    tag.names.iter().any(is_there)
}

fn full_name(name: impl AsRef<str>) -> String {
    format!("refs/tags/{}", name.as_ref())
}
