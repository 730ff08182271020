//! The hook pre-push: reports in a clone what the server will decide about branches and tags that
//! are bound to environments.
//!
//! It enforces nothing: the server does. It uses the clone's copy of the ledgers, so the caller
//! fetches them first.

use super::classify::{RefKind, classify};
use super::push_judge::{PushJudge, find_project};
use super::ref_update::RefUpdate;
use super::update_verdict::UpdateVerdict;
use super::{HookError, Settings};
use crate::domain::policy::Policy;
use crate::git::Repository;
use crate::ledger::entry_validator::PushContext;

/// Reads git's input about a push: one line `<local ref> <local id> <remote ref> <remote id>` per
/// ref. A local ref may be any revision, with spaces.
pub fn parse_updates(lines: &[u8]) -> Result<Vec<RefUpdate>, HookError> {
    let lines = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let parse_line = |line: &[u8]| {
        let mut parts = line.rsplitn(4, |byte| *byte == b' ');
        let (old, name, new) = (parts.next()?, parts.next()?, parts.next()?);
        RefUpdate::parse(&[old, new, name].join(&b' '))
    };
    lines
        .map(|line| {
            parse_line(line).ok_or(HookError::Protocol(
                "a line of pre-push does not consist of two refs and two ids",
            ))
        })
        .collect()
}

/// Returns whether a push has a branch or a tag that is bound to an environment, or whose name is
/// similar to a bound one.
pub fn concerns_policy(policy: &Policy, updates: &[RefUpdate]) -> bool {
    updates.iter().any(|update| match classify(&update.name) {
        RefKind::Branch(short) => policy
            .environment_of_branch(&short)
            .or_else(|| policy.environment_of_similar_branch(&short))
            .is_some(),
        RefKind::Tag(short) => {
            !policy.environments_of_tag(&short).is_empty()
                || policy.environment_of_similar_tag(&short).is_some()
        }
        _ => false,
    })
}

/// Judges the branches and tags of a push as the server would, on the ledgers of this clone.
pub fn judge(
    repository: &Repository,
    updates: &[RefUpdate],
) -> Result<Vec<UpdateVerdict>, HookError> {
    let settings = Settings::default();
    let present = PushContext::read(repository)?;
    let project = find_project(repository, &present, std::iter::empty())?;
    let judge = PushJudge::new(repository, &settings, project.as_ref(), &present)?.for_clone();
    let mut judgements = Vec::new();
    for update in updates {
        let kind = classify(&update.name);
        if matches!(kind, RefKind::Branch(_) | RefKind::Tag(_)) {
            judge.judge_update(&kind, update, &mut judgements)?;
        }
    }
    Ok(judgements)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A local revision may contain spaces, and a deletion is read as one.
    #[test]
    fn lines() {
        let (one, two, zero) = ("1".repeat(40), "2".repeat(40), "0".repeat(40));
        let text = format!(
            "HEAD^{{/fix a bug}} {one} refs/heads/main {two}\n(delete) {zero} refs/tags/v1 {one}\n"
        );
        let updates = parse_updates(text.as_bytes()).unwrap();
        assert_eq!(
            (updates[0].old, updates[0].new),
            (Some(two.parse().unwrap()), Some(one.parse().unwrap()))
        );
        assert_eq!(
            (&*updates[1].name, updates[1].new),
            (&b"refs/tags/v1"[..], None)
        );
        for bad in ["x\n", &format!("HEAD {one} refs/heads/main\n")] {
            assert!(parse_updates(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
