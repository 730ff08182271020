//! Tests of the rule `artifact`: an artifact is built once, registered by an accepted signer, and
//! the same in every environment.

use crate::domain::entry::{Action, Artifact, DeploymentKind, Image, Outcome, VerificationResult};
use crate::domain::id::Digest;
use crate::domain::rules::testing::{
    Case, change, commit, content, deployment, fold_history, parse, record, start,
};
use crate::domain::verdict::Rule;

const REQUIRED: &str = "[environments.stage]\n[environments.prod]\nartifact = \"required\"\n[artifacts]\nby = \"ci\"\n";

fn image(build: &str) -> Image {
    Image {
        name: parse("ghcr.io/acme/api"),
        digest: Digest::sha256(build.as_bytes()),
    }
}

fn registered(commit_number: u8, content_number: u8, build: &str) -> Action {
    Action::Artifact(Artifact {
        component: parse("catalogue"),
        commit: commit(commit_number),
        content: content(content_number),
        image: image(build),
        builder: None,
    })
}

fn deployment_with(kind: DeploymentKind, builds: &[&str]) -> crate::domain::entry::Deployment {
    let mut change = change("catalogue", 1, None);
    change.target.artifacts = builds.iter().map(|build| image(build)).collect();
    deployment(kind, vec![change])
}

fn case(policy: &str, builds: &[&str], evidence: Vec<(&str, Action)>) -> Case {
    let mut case = Case::new(
        policy,
        "prod",
        "alice",
        start(1, deployment_with(DeploymentKind::Deploy, builds)),
    );
    case.evidence(evidence);
    case
}

/// A deployed artifact must be registered for the component's content, at this or another commit.
#[test]
fn required() {
    let a = || ("ci", registered(1, 1, "a"));
    case(REQUIRED, &["a"], vec![a()]).passes(Rule::Artifact);
    case(REQUIRED, &["a"], vec![("ci", registered(2, 1, "a"))]).passes(Rule::Artifact);
    case(REQUIRED, &["a"], vec![("ci", registered(1, 2, "a"))])
        .fails(Rule::Artifact, "none is registered for its content");
    case(REQUIRED, &["b"], vec![a()]).fails(Rule::Artifact, "is not registered for its content");
    case(REQUIRED, &[], vec![a()]).fails(Rule::Artifact, "the entry names none");
    case(REQUIRED, &["a"], vec![a(), ("ci", registered(1, 1, "b"))])
        .fails(Rule::Artifact, "is registered with 2 digests");
}

/// Only registrations by accepted signers count, signed with a key that the policy still lists.
#[test]
fn accepted() {
    case(REQUIRED, &["a"], vec![("alice", registered(1, 1, "a"))])
        .fails(Rule::Artifact, "none is registered");
    let mut stolen = case(
        REQUIRED,
        &["a"],
        vec![("ci:mallory", registered(1, 1, "a"))],
    );
    stolen.fails(Rule::Artifact, "none is registered");
    stolen.facts.evidence = None;
    stolen.unknown(Rule::Artifact, "not read");
}

/// An unregistered artifact is refused even if none is required; if the policy names no one to
/// register artifacts, all are accepted.
#[test]
fn not_required() {
    let named = REQUIRED.replace("artifact = \"required\"\n", "");
    case(&named, &[], vec![]).passes(Rule::Artifact);
    case(&named, &["a"], vec![]).fails(Rule::Artifact, "not registered");
    assert_eq!(
        case("[environments.prod]", &["a"], vec![]).checks(Rule::Artifact),
        []
    );
}

/// Another build of the same content is refused, because it did not run in the previous
/// environment.
#[test]
fn promoted() {
    let policy = REQUIRED.replace(
        "[environments.prod]\n",
        "[environments.prod]\npromote_from = \"stage\"\n",
    );
    let evidence = || vec![("ci", registered(1, 1, "a")), ("ci", registered(2, 1, "b"))];
    let recorded = |build| {
        record(
            deployment_with(DeploymentKind::Deploy, &[build]),
            Outcome::Succeeded,
            VerificationResult::Passed,
        )
    };
    case(&policy, &["a"], evidence())
        .source(vec![("ci", recorded("a"))])
        .passes(Rule::Artifact);
    case(&policy, &["b"], evidence())
        .source(vec![("ci", recorded("a"))])
        .fails(Rule::Artifact, "stage ran ghcr.io/acme/api@sha256:");
    case(&policy, &["a"], evidence()).unknown(Rule::Artifact, "not read");
    // It ran there before it was registered, so the deployment there must be recorded again.
    let bare = record(
        deployment_with(DeploymentKind::Deploy, &[]),
        Outcome::Succeeded,
        VerificationResult::Passed,
    );
    let check = case(&policy, &["a"], evidence())
        .source(vec![("ci", bare)])
        .fails(Rule::Artifact, "stage ran none");
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy record stage 010101010101 --component catalogue")
    );
}

/// A second name for a digest changes nothing, in whichever environment and order it is registered
/// or used.
#[test]
fn second_names() {
    let policy = REQUIRED.replace(
        "[environments.prod]\n",
        "[environments.prod]\npromote_from = \"stage\"\n",
    );
    let other_name = |build| Image {
        name: parse("ghcr.io/acme/api:latest"),
        ..image(build)
    };
    let first = || ("ci", registered(1, 1, "a"));
    let second = |build| {
        let mut action = registered(1, 1, build);
        if let Action::Artifact(artifact) = &mut action {
            artifact.image = other_name(build);
        }
        ("ci", action)
    };
    let deploys = |images: &[Image], kind| {
        let mut change = change("catalogue", 1, None);
        change.target.artifacts = images.to_vec();
        deployment(kind, vec![change])
    };
    let recorded = |images: &[Image]| {
        let deployment = deploys(images, DeploymentKind::Deploy);
        record(deployment, Outcome::Succeeded, VerificationResult::Passed)
    };
    let spellings = [
        vec![image("a")],
        vec![other_name("a")],
        vec![image("a"), other_name("a")],
    ];
    for registrations in [
        vec![first()],
        vec![second("a")],
        vec![first(), second("a")],
        vec![second("a"), first()],
    ] {
        for ran in &spellings {
            for named in &spellings {
                let start = start(1, deploys(named, DeploymentKind::Deploy));
                let mut case = Case::new(&policy, "prod", "alice", start);
                case.evidence(registrations.clone());
                case.source(vec![("ci", recorded(ran))])
                    .passes(Rule::Artifact);
                // Another digest is refused under any name.
                let mut registrations = registrations.clone();
                registrations.push(second("b"));
                case.evidence(registrations);
                case.deployment().components[0].target.artifacts = vec![other_name("b")];
                drop(case.fails(Rule::Artifact, ""));
                let back = deploys(named, DeploymentKind::Rollback);
                let back = crate::domain::rules::testing::start(1, back);
                let mut case = Case::new(REQUIRED, "prod", "alice", back);
                let (_, log) = fold_history("prod", None, vec![("ci", recorded(ran))]);
                case.facts.earlier_runs.insert(parse("catalogue"), Ok(log));
                case.passes(Rule::Artifact);
            }
        }
    }
    let mut registering = Case::new(REQUIRED, "evidence", "ci", second("a").1);
    registering.evidence(vec![first()]).passes(Rule::Artifact);
}

/// A rollback must deploy the artifact of the release that it restores.
#[test]
fn rollback() {
    let earlier = record(
        deployment_with(DeploymentKind::Deploy, &["a"]),
        Outcome::Succeeded,
        VerificationResult::Passed,
    );
    for (build, is_same) in [("a", true), ("b", false)] {
        let mut case = Case::new(
            REQUIRED,
            "prod",
            "alice",
            start(1, deployment_with(DeploymentKind::Rollback, &[build])),
        );
        case.unknown(
            Rule::Artifact,
            "the earlier runs in this environment were not read",
        );
        let (_, log) = fold_history("prod", None, vec![("ci", earlier.clone())]);
        case.facts.earlier_runs.insert(parse("catalogue"), Ok(log));
        if is_same {
            case.passes(Rule::Artifact);
        } else {
            drop(case.fails(Rule::Artifact, "the earlier release had"));
        }
    }
}

/// A second build under the same name is refused when it is registered, not when it is deployed.
#[test]
fn registering() {
    let mut case = Case::new(REQUIRED, "evidence", "ci", registered(1, 1, "b"));
    case.passes(Rule::Artifact);
    case.evidence(vec![("ci", registered(1, 1, "a"))])
        .fails(Rule::Artifact, "is already registered for 010101010101");
    case.evidence(vec![("ci", registered(1, 1, "b"))])
        .passes(Rule::Artifact);
    case.evidence(vec![("ci", registered(2, 1, "a"))])
        .passes(Rule::Artifact);
    case.evidence(vec![("alice", registered(1, 1, "a"))])
        .passes(Rule::Artifact);
}
