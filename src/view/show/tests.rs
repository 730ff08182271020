//! Tests of the text of `git deploy show`.

use super::*;
use crate::domain::entry::VerificationResult;
use crate::domain::id::EntryId;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Rule, Verdict};
use crate::view::deployment_details::DeploymentDetails;
use crate::view::time::TimeStyle;

fn time(text: &str) -> Time {
    format!("2026-03-05T{text}:00Z").parse().unwrap()
}

fn run(state: RunState, from: &str, to: Option<&str>, by: &str) -> RunRow {
    RunRow {
        component: "api".parse().unwrap(),
        state,
        with: None,
        reverted_by: None,
        from: time(from),
        to: to.map(time),
        verification: VerificationResult::Passed,
        by: by.parse().unwrap(),
        details: DeploymentDetails::default(),
    }
}

/// Checks the text of a commit in every state: evidence, environments, and the next command.
#[test]
fn path_of_a_commit() {
    let environment = |name: &str, runs, next| EnvironmentRow {
        environment: name.parse().unwrap(),
        runs,
        next,
    };
    let verdict = Verdict {
        checks: vec![
            Check::pass(Rule::Authorization, ""),
            Check::fail(Rule::Approvals, "1 of 2: bob ✓, needs one of carol, dana")
                .remedy("git deploy approve prod 8f3c2a1"),
            Check::fail(Rule::Soak, "22 minutes left"),
        ],
    };
    let evidence = |what, detail: &str| EvidenceRow {
        what,
        positive: true,
        detail: detail.to_owned(),
        by: "ci".parse().unwrap(),
        at: time("09:00"),
        entry: EntryId("3f2a9c10aa05736482d4523166f70cb561afa111".parse().unwrap()),
    };
    let show = CommitReport {
        commit: "8f3c2a10aa05736482d4523166f70cb561afa111".parse().unwrap(),
        subject: "Fix login redirect".to_owned(),
        author: "alice".to_owned(),
        at: time("09:00"),
        evidence: vec![
            evidence("built", "api ghcr.io/acme/api@sha256:9d5c71…"),
            evidence("tested", "test-result PASSED (412)"),
        ],
        environments: vec![
            environment(
                "dev",
                vec![run(RunState::Ran, "09:31", Some("10:40"), "alice")],
                None,
            ),
            environment(
                "stage",
                vec![run(RunState::Runs, "10:02", None, "ci")],
                None,
            ),
            environment(
                "prod",
                Vec::new(),
                Some(NextStep::Evaluated {
                    by: "ci".parse().unwrap(),
                    not_for: None,
                    with: None,
                    command: "git deploy run prod 8f3c2a1e5d6b".to_owned(),
                    verdict,
                }),
            ),
            environment(
                "far",
                Vec::new(),
                Some(NextStep::After {
                    environment: "prod".parse().unwrap(),
                }),
            ),
        ],
    };
    let text = render_text(&show, None, time("11:00"), TimeStyle::Relative);
    assert_eq!(
        anstream::adapter::strip_str(&text).to_string(),
        "8f3c2a1  Fix login redirect                 alice, 2 hours ago\n  \
               ✓ built     api ghcr.io/acme/api@sha256:9d5c71…   ci, 2 hours ago\n  \
               ✓ tested    test-result PASSED (412)      ci, 2 hours ago\n  \
               ✓ dev       ran 09:31–10:40               alice\n  \
               ● stage     runs since 10:02, verified    ci\n  \
               ✗ prod      would be refused:\n      \
                   approvals   1 of 2: bob ✓, needs one of carol, dana   → git deploy approve prod 8f3c2a1\n      \
                   soak        22 minutes left\n  \
               – far       prod comes first"
    );
    let json = serde_json::to_value(&show).unwrap();
    assert_eq!(json["environments"][2]["next"]["decision"], "refused");
}
