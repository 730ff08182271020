//! It was not taken out of circulation: neither the commit, nor an artifact that it is deployed as.
//!
//! Where an entry names no artifact, those that its content ran as before (a rollback) or was registered with count.

use std::collections::BTreeSet;

use super::{Context, Known, Request, answer, moved, unless};
use crate::domain::entry::{
    Action, Artifact, DeploymentKind, Intent, Statement, StoredEntry, Target,
};
use crate::domain::id::{CommitId, Digest};
use crate::domain::state::State;
use crate::domain::verdict::{Check, Rule};

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(
        Rule::Yanked,
        judge(ctx).map(|against| unless(Rule::Yanked, against)),
    )
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    let yanks = match &ctx.facts.yanks {
        Some(Ok(yanks)) => yanks,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the open yanks were not read".to_owned()),
    };
    let mut commits = BTreeSet::new();
    let mut digests = BTreeSet::new();
    if let Request::Entry {
        statement: Statement {
            action: Action::Approve(it),
            ..
        },
        ..
    } = ctx.request
    {
        // Consent is to a commit; its artifacts are looked at when it is deployed.
        commits.insert(it.commit);
    } else {
        let deployment = ctx.deployment()?;
        let put = deployment
            .components
            .iter()
            .filter(|it| it.intent != Intent::Destroy && moved(it));
        for target in put.map(|change| &change.target) {
            commits.insert(target.commit);
            digests.extend(artifacts(ctx, deployment.kind, target)?);
        }
    }
    Ok(found(yanks, &commits, &digests))
}

fn artifacts(ctx: &Context<'_>, kind: DeploymentKind, target: &Target) -> Known<Vec<Digest>> {
    let digests = |target: &Target| {
        target
            .artifacts
            .iter()
            .map(|image| image.digest.clone())
            .collect::<Vec<_>>()
    };
    if !target.artifacts.is_empty() {
        return Ok(digests(target));
    }
    if kind == DeploymentKind::Rollback
        && let Some(earlier) = ctx.facts.earlier.get(&target.component)
    {
        let ended = earlier
            .clone()?
            .into_iter()
            .filter_map(|kept| kept.statement.component_result(&target.component));
        return Ok(ended
            .filter(|ended| ended.target.content == target.content)
            .flat_map(|ended| digests(&ended.target))
            .collect());
    }
    registered(ctx, |it| {
        it.component == target.component && Some(it.content) == target.content
    })
}

fn registered(ctx: &Context<'_>, which: impl Fn(&Artifact) -> bool) -> Known<Vec<Digest>> {
    let evidence = match &ctx.facts.evidence {
        Some(Ok(evidence)) => evidence,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the evidence was not read".to_owned()),
    };
    let artifacts = evidence
        .iter()
        .filter_map(|kept| match &kept.statement.action {
            Action::Artifact(it) if which(it) => Some(it.image.digest.clone()),
            _ => None,
        });
    Ok(artifacts.collect())
}

fn found(yanks: &State, commits: &BTreeSet<CommitId>, digests: &BTreeSet<Digest>) -> Vec<Check> {
    let of_commits = commits
        .iter()
        .filter_map(|commit| Some((commit.short(), yanks.yanked_commit(*commit)?)));
    let of_digests = digests
        .iter()
        .filter_map(|digest| Some((digest.short(), yanks.yanked_digest(digest)?)));
    of_commits
        .chain(of_digests)
        .map(|(what, yank)| refuse(&what, yank))
        .collect()
}

fn refuse(what: &str, yank: &StoredEntry) -> Check {
    let reason = match &yank.statement.action {
        Action::Yank(it) => it.reason.as_str(),
        _ => "",
    };
    Check::fail(
        Rule::Yanked,
        format!("{what} was yanked by {}: {reason}", yank.statement.by),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{Image, Outcome, VerificationResult, Yank};
    use crate::domain::rules::testing::{
        Case, approve, change, commit, content, deploy, deployment, kept, noon, parse, ran, record,
        start, statement,
    };
    use crate::domain::state::{Slot, SlotKey, Value};

    const POLICY: &str = "[environments]\nprod = { approvals = 1 }\n";

    fn case() -> Case {
        Case::new(POLICY, "prod", "alice", deploy("catalogue", 1, None))
    }

    fn yank(case: &mut Case, place: SlotKey) {
        let (commit, digest) = match &place {
            SlotKey::YankedCommit(commit) => (Some(*commit), None),
            SlotKey::YankedDigest(digest) => (None, Some(digest.clone())),
            other => panic!("{other:?} is no yank"),
        };
        let action = Action::Yank(Yank {
            commit,
            digest,
            reason: parse("eats data"),
        });
        let mut yanks = State::empty();
        let entry = kept(&statement("evidence", "bob", noon(), action));
        yanks.insert(
            Slot {
                environment: None,
                key: place,
            },
            Value::Entry(entry),
        );
        case.facts.yanks = Some(Ok(yanks));
    }

    /// A yanked commit goes nowhere, forward or back, and nobody is asked to approve it.
    #[test]
    fn commits() {
        case().passes(Rule::Yanked);
        let back = start(
            1,
            deployment(DeploymentKind::Rollback, vec![change("catalogue", 1, None)]),
        );
        let mut glass = case();
        glass.deployment().break_glass = Some(parse("it burns"));
        let cases = [
            case(),
            glass,
            Case::new(POLICY, "prod", "alice", back),
            Case::new(POLICY, "prod", "bob", approve(1, &["catalogue"])),
        ];
        for mut case in cases {
            case.passes(Rule::Yanked);
            yank(&mut case, SlotKey::YankedCommit(commit(2)));
            case.passes(Rule::Yanked);
            yank(&mut case, SlotKey::YankedCommit(commit(1)));
            let check = case.fails(Rule::Yanked, "010101010101 was yanked by bob: eats data");
            assert_eq!(check.remedy, None);
        }
    }

    /// A bad artifact is stopped under each name of it, and also where the entry keeps silent about it.
    #[test]
    fn artifacts() {
        let digest = Digest::sha256(b"bad");
        let image = Image {
            name: parse("img"),
            digest: digest.clone(),
        };
        let mut named = case();
        named.deployment().components[0].target.artifacts = vec![image.clone()];
        yank(&mut named, SlotKey::YankedDigest(digest.clone()));
        named.fails(Rule::Yanked, "yanked by bob");
        let mut silent = case();
        yank(&mut silent, SlotKey::YankedDigest(digest));
        silent.passes(Rule::Yanked);
        let artifact = Artifact {
            component: parse("catalogue"),
            commit: commit(8),
            content: content(1),
            image,
            builder: None,
        };
        silent.facts.evidence = Some(Ok(vec![kept(&statement(
            "evidence",
            "ci",
            noon(),
            Action::Artifact(artifact),
        ))]));
        silent.fails(Rule::Yanked, "yanked by bob");
    }

    /// Nor does a rollback bring back what has turned out bad since it ran.
    #[test]
    fn artifacts_of_then() {
        let digest = Digest::sha256(b"bad");
        let back = start(
            1,
            deployment(
                DeploymentKind::Rollback,
                vec![change("catalogue", 1, Some(2))],
            ),
        );
        let mut case = Case::after(
            POLICY,
            "prod",
            vec![("alice", ran("catalogue", 2, None))],
            "alice",
            back,
        );
        let mut then = deployment(DeploymentKind::Deploy, vec![change("catalogue", 1, None)]);
        then.components[0].target.artifacts = vec![Image {
            name: parse("img"),
            digest: digest.clone(),
        }];
        let then = record(then, Outcome::Succeeded, VerificationResult::Passed);
        let earlier = vec![kept(&statement("prod", "alice", noon(), then))];
        case.facts.earlier = [(parse("catalogue"), Ok(earlier))].into();
        case.facts.evidence = None;
        case.passes(Rule::Yanked);
        yank(&mut case, SlotKey::YankedDigest(digest));
        case.fails(Rule::Yanked, "yanked by bob");
    }

    /// What runs and stays does not stop a command, and what goes away is no hindrance to its going.
    #[test]
    fn what_stays() {
        let mut stays = change("catalogue", 1, Some(1));
        stays.intent = Intent::Unchanged;
        let ride = start(1, deployment(DeploymentKind::Deploy, vec![stays]));
        let mut case = Case::after(
            POLICY,
            "prod",
            vec![("alice", ran("catalogue", 1, None))],
            "alice",
            ride,
        );
        yank(&mut case, SlotKey::YankedCommit(commit(1)));
        case.passes(Rule::Yanked);
    }

    /// Without a look at the yanks nothing is let in.
    #[test]
    fn cannot_tell() {
        let mut case = case();
        case.facts.evidence = None;
        case.unknown(Rule::Yanked, "evidence");
        case.facts.yanks = Some(Err("too long a walk".to_owned()));
        case.unknown(Rule::Yanked, "too long");
        case.facts.yanks = None;
        case.unknown(Rule::Yanked, "not read");
    }
}
