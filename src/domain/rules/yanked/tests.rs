//! Tests of the rule `yanked`.

use super::*;
use crate::domain::entry::{Image, Outcome, VerificationResult, Yank};
use crate::domain::rules::testing::{
    Case, approve, change, commit, content, deploy, deployment, entry_time, parse, ran, record,
    start, statement, stored_entry,
};
use crate::domain::state::{Slot, SlotKey, Value};

const POLICY: &str = "[environments]\nprod = { approvals = 1 }\n";

fn case() -> Case {
    Case::new(POLICY, "prod", "alice", deploy("catalogue", 1, None))
}

fn yank(case: &mut Case, key: SlotKey) {
    let (commit, digest) = match &key {
        SlotKey::YankedCommit(commit) | SlotKey::YankedContent { commit, .. } => {
            (Some(*commit), None)
        }
        SlotKey::YankedDigest(digest) => (None, Some(digest.clone())),
        other => panic!("{other:?} is not a yank"),
    };
    let action = Action::Yank(Yank {
        commit,
        digest,
        contents: Vec::new(),
        reason: parse("eats data"),
    });
    let mut yanks = State::empty();
    let entry = stored_entry(&statement("evidence", "bob", entry_time(), action));
    yanks.insert(
        Slot {
            environment: None,
            key,
        },
        Value::Entry(entry),
    );
    case.facts.yanks = Some(Ok(yanks));
}

/// A yanked commit is neither deployed nor rolled back to nor approved.
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

/// A yanked artifact is refused under any name, even if the entry names no artifact.
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
    let mut unnamed = case();
    yank(&mut unnamed, SlotKey::YankedDigest(digest));
    unnamed.passes(Rule::Yanked);
    let artifact = Artifact {
        component: parse("catalogue"),
        commit: commit(8),
        content: content(1),
        image,
        builder: None,
    };
    unnamed.facts.evidence = Some(Ok(vec![stored_entry(&statement(
        "evidence",
        "ci",
        entry_time(),
        Action::Artifact(artifact),
    ))]));
    unnamed.fails(Rule::Yanked, "yanked by bob");
}

/// A rollback does not bring back an artifact that was yanked since it ran.
#[test]
fn artifacts_of_an_earlier_release() {
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
    let mut earlier_deployment =
        deployment(DeploymentKind::Deploy, vec![change("catalogue", 1, None)]);
    earlier_deployment.components[0].target.artifacts = vec![Image {
        name: parse("img"),
        digest: digest.clone(),
    }];
    let earlier_deployment = record(
        earlier_deployment,
        Outcome::Succeeded,
        VerificationResult::Passed,
    );
    let earlier = vec![stored_entry(&statement(
        "prod",
        "alice",
        entry_time(),
        earlier_deployment,
    ))];
    case.facts.earlier_runs = [(parse("catalogue"), Ok(earlier))].into();
    case.facts.evidence = None;
    case.passes(Rule::Yanked);
    yank(&mut case, SlotKey::YankedDigest(digest));
    case.fails(Rule::Yanked, "yanked by bob");
}

/// Content that the yank of a commit does not cover stays usable under another commit, even if it ran
/// as the yanked one only: the commit did not bring it.
#[test]
fn content_of_yanked_commits() {
    let policy = "[environments.stage]\n[environments.prod]\npromote_from = \"stage\"\n";
    let again = |to| {
        let mut again = change("catalogue", to, None);
        again.target.content = change("catalogue", 1, None).target.content;
        again
    };
    let wanted = start(1, deployment(DeploymentKind::Deploy, vec![again(2)]));
    let mut case = Case::new(policy, "prod", "alice", wanted);
    case.source(vec![("ci", ran("catalogue", 1, None))]);
    case.passes(Rule::Yanked);
    yank(&mut case, SlotKey::YankedCommit(commit(1)));
    case.passes(Rule::Yanked);
}

/// A yanked content is refused under every commit, of its component only, and in each kind of
/// request; an approval too.
#[test]
fn contents() {
    let covered = |component, number| SlotKey::YankedContent {
        component: parse(component),
        content: content(number),
        commit: commit(9),
    };
    let back = start(
        1,
        deployment(DeploymentKind::Rollback, vec![change("catalogue", 1, None)]),
    );
    let mut glass = case();
    glass.deployment().break_glass = Some(parse("it burns"));
    let mut approval = Case::new(POLICY, "prod", "bob", approve(1, &["catalogue"]));
    let key = (commit(1), parse("catalogue"));
    approval.facts.contents.insert(key, Ok(Some(content(1))));
    for mut case in [
        case(),
        glass,
        Case::new(POLICY, "prod", "alice", back),
        approval,
    ] {
        for other in [covered("catalogue", 2), covered("web", 1)] {
            yank(&mut case, other);
            case.passes(Rule::Yanked);
        }
        yank(&mut case, covered("catalogue", 1));
        let words = "the content of catalogue, with 090909090909, was yanked by bob: eats data";
        case.fails(Rule::Yanked, words);
    }
    let mut missing = Case::new(POLICY, "prod", "bob", approve(1, &["catalogue"]));
    missing.facts.contents.clear();
    missing.unknown(Rule::Yanked, "was not read");
    missing.facts.missing_commits.insert(commit(1));
    missing.passes(Rule::Yanked);
}

/// Without the yanks the answer is "cannot tell".
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
