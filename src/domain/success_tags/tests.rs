//! Tests of the tags that follow from an entry.

use super::*;
use crate::domain::entry::{Action, ComponentChange, VerificationResult};
use crate::domain::policy::Policy;
use crate::domain::rules::testing::{
    change, commit, deployment, entry_time, finish, parse, policy, record, statement,
};

/// Returns the template of prod's tags.
fn template(text: &str) -> (Policy, Template) {
    let policy = policy(&format!("[environments.prod]\ntag = \"{text}\"\n"));
    let template = policy.environment(&parse("prod")).unwrap().tag.clone();
    (policy, template.unwrap())
}

/// Returns a change of a component, with a version.
fn versioned(component: &str, to: u8, version: &str) -> ComponentChange {
    let mut change = change(component, to, None);
    change.target.version = Some(parse(version));
    change
}

/// Returns the success that an action states as entry 10 of prod, on a branch.
fn success(action: Action, branch: Option<&str>) -> Option<Success> {
    let mut success = Success::read(&statement("prod", "ci", entry_time(), action))?;
    success.branch = branch.map(str::to_owned);
    Some(success)
}

/// Returns the record of a verified success of these changes.
fn recorded(changes: Vec<ComponentChange>) -> Action {
    let deployment = deployment(DeploymentKind::Deploy, changes);
    record(deployment, Outcome::Succeeded, VerificationResult::Passed)
}

/// Returns the tags of a success as text: the commit's number, and the first name.
fn tags(text: &str, success: &Success) -> Vec<(CommitId, String)> {
    let (policy, template) = template(text);
    let prod = policy.environment(&parse("prod")).unwrap();
    let SuccessTags { tags, .. } = success.tags(&template);
    for name in tags.iter().flat_map(|tag| &tag.names) {
        assert!(prod.claims_tag(name), "{text} does not claim {name}");
    }
    tags.into_iter()
        .map(|tag| (tag.commit, tag.names[0].clone()))
        .collect()
}

/// The names are those of the design, and the environment's template recognises each of them, also
/// with a number.
#[test]
fn names_follow_from_the_entry() {
    for (text, branch, version, wanted) in [
        (
            "{timestamp}_{env}_{branch}",
            Some("main"),
            "1.4.2",
            "20260305T100000Z_prod_main",
        ),
        (
            "{timestamp}_{env}_{branch}",
            Some("feature/ä-1"),
            "1.4.2",
            "20260305T100000Z_prod_feature/ä-1",
        ),
        (
            "{timestamp}_{env}_{branch}",
            Some("bad:name~1"),
            "1.4.2",
            "20260305T100000Z_prod_bad-name-1",
        ),
        (
            "{timestamp}_{env}_{branch}",
            None,
            "1.4.2",
            "20260305T100000Z_prod_detached",
        ),
        (
            "{version}.{timestamp}.{env}",
            None,
            "1.4.2",
            "1.4.2.20260305T100000Z.prod",
        ),
        (
            "{version}.{timestamp}.{env}",
            None,
            "1.0~rc1/2",
            "1.0-rc1-2.20260305T100000Z.prod",
        ),
        (
            "{component}/v{version}",
            None,
            "2026.03.1",
            "api/v2026.03.1",
        ),
        (
            "{env}-{commit}",
            None,
            "1",
            "prod-0101010101010101010101010101010101010101",
        ),
    ] {
        let success = success(recorded(vec![versioned("api", 1, version)]), branch).unwrap();
        let wanted = vec![(commit(1), wanted.to_owned())];
        assert_eq!(tags(text, &success), wanted, "{text}");
    }
}

/// There is one tag for each commit, or each component if the template names it.
#[test]
fn one_tag_per_commit() {
    let all = || {
        let changes = vec![
            versioned("api", 1, "1.0.0"),
            versioned("db", 1, "1.0.0"),
            versioned("web", 2, "2.0.0"),
        ];
        success(recorded(changes), Some("main")).unwrap()
    };
    let on = |number, name: &str| (commit(number), name.to_owned());
    assert_eq!(
        tags("{version}.{timestamp}.{env}", &all()),
        [
            on(1, "1.0.0.20260305T100000Z.prod"),
            on(2, "2.0.0.20260305T100000Z.prod")
        ]
    );
    assert_eq!(
        tags("{component}-{env}", &all()),
        [on(1, "api-prod"), on(1, "db-prod"), on(2, "web-prod")]
    );
    // Two commits with one name: there are enough names for both, and for a tag of another entry.
    let (_, template) = template("{timestamp}_{env}");
    let tags = all().tags(&template).tags;
    assert_eq!(tags.len(), 2);
    for tag in tags {
        assert_eq!(
            tag.names,
            [
                "20260305T100000Z_prod",
                "20260305T100000Z_prod.10",
                "20260305T100000Z_prod.10.2"
            ]
        );
    }
}

/// What failed, in part or in its verification, and what deploys nothing has no tag.
#[test]
fn failures_have_no_tag() {
    use DeploymentKind::{Deploy, Destroy, Hotfix, Rollback};
    use VerificationResult::{Failed, None as Unverified, Passed};
    let deploys = |kind, outcome, verification| {
        let start =
            crate::domain::rules::testing::start(1, deployment(kind, vec![change("api", 1, None)]));
        let success = success(finish(9, &start, outcome, verification), None);
        success.map(|success| tags("{timestamp}_{env}", &success).len())
    };
    for kind in [Deploy, Hotfix, Rollback] {
        for verification in [Passed, Unverified] {
            assert_eq!(deploys(kind, Outcome::Succeeded, verification), Some(1));
        }
        assert_eq!(deploys(kind, Outcome::Succeeded, Failed), None);
        for outcome in [Outcome::Failed, Outcome::Skipped, Outcome::RolledBack] {
            assert_eq!(deploys(kind, outcome, Unverified), None);
        }
    }
    assert_eq!(deploys(Destroy, Outcome::Destroyed, Unverified), None);

    // One of three components failed. Its commit has no tag, and the other one has.
    let mut action = recorded(vec![
        change("api", 1, None),
        change("db", 1, None),
        change("web", 2, None),
    ]);
    if let Action::Record(record) = &mut action {
        record.results[1].outcome = Outcome::Failed;
        record.results[1].verification = VerificationResult::None;
    }
    let success = success(action, None).unwrap();
    let name = |name: &str| name.to_owned();
    assert_eq!(
        tags("{timestamp}_{env}", &success),
        [(commit(2), name("20260305T100000Z_prod"))]
    );
    assert_eq!(
        tags("{component}-{env}", &success),
        [(commit(1), name("api-prod")), (commit(2), name("web-prod"))]
    );
}

/// A commit whose tag has no name is reported, unless another component gives it one.
#[test]
fn missing_values_are_reported() {
    let (_, template) = template("{version}.{timestamp}.{env}");
    let only = success(recorded(vec![change("api", 1, None)]), None).unwrap();
    let SuccessTags { tags, unnamed } = only.tags(&template);
    assert!(tags.is_empty());
    let why = "api has no version in prod, which {version}.{timestamp}.{env} needs";
    assert_eq!(unnamed, [(commit(1), why.to_owned())]);
    let both = recorded(vec![change("api", 1, None), versioned("web", 1, "1.0")]);
    let SuccessTags { tags, unnamed } = success(both, None).unwrap().tags(&template);
    assert_eq!((tags.len(), unnamed.len()), (1, 0));
    let dots = recorded(vec![versioned("api", 1, "1..0")]);
    let SuccessTags { unnamed, .. } = success(dots, None).unwrap().tags(&template);
    assert!(unnamed[0].1.contains("is not a valid tag"), "{unnamed:?}");
}
