//! Tests of the text, Markdown and JSON of plans, and of their comparison.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::component::clean_output;
use super::difference::ComparisonError;
use super::markdown::MAX_COMMENT_BYTES;
use super::*;
use crate::domain::id::Digest;
use crate::domain::name::ComponentName;
use crate::domain::plan::{self, Plan, PlanKind, PlanOutput, PlanResult};

const COMMIT: &str = "8f3c2a1caa05736482d4523166f70cb561afa111";
const BEFORE: &str = "77aa001caa05736482d4523166f70cb561afa111";
/// Hostile text: the end of a fence, a heading, a mention, HTML, a link, a command for the forge,
/// terminal escapes, and bidirectional marks.
const HOSTILE: &str = "```\n````\n~~~\n# Approved\n@alice #1 <img src=x> </details> <!-- |\n/approve\n\u{1b}]0;x\u{7}\u{1b}[2J\
                       \u{202e}evil\u{2028}\r\n[x](https://e.example) www.e.example\n";

fn name(name: &str) -> ComponentName {
    name.parse().unwrap()
}

fn transition() -> ComponentTransition {
    ComponentTransition {
        from: BEFORE.parse().ok(),
        to: COMMIT.parse().ok(),
        from_version: "1.4.1".parse().ok(),
        to_version: "1.4.2".parse().ok(),
    }
}

fn terraform(changes: &Value, outputs: &Value) -> plan::TerraformPlan {
    let json =
        json!({ "format_version": "1.2", "resource_changes": changes, "output_changes": outputs });
    plan::TerraformPlan::parse(json.to_string().as_bytes()).unwrap()
}

fn planned(component: &str, planned: PlanResult) -> ComponentPlan {
    ComponentPlan::from_plan(
        &Plan {
            component: name(component),
            commit: COMMIT.parse().unwrap(),
            result: planned,
        },
        transition(),
    )
}

fn text_plan(component: &str, text: &str) -> ComponentPlan {
    let plan = PlanOutput {
        digest: Digest::sha256(text.as_bytes()),
        kind: PlanKind::Text,
        text: text.to_owned(),
    };
    planned(component, PlanResult::Planned(plan))
}

fn plans(components: Vec<ComponentPlan>) -> DeploymentPlan {
    DeploymentPlan {
        environment: "stage".parse().unwrap(),
        commit: COMMIT.parse().unwrap(),
        components,
        left_out: Vec::new(),
        announcements: Vec::new(),
        verdict: None,
        comparison: None,
    }
}

/// Returns plans with every possible state of a component.
fn sample() -> DeploymentPlan {
    let change = |address: &str, actions: &[&str]| json!({ "address": address, "change": { "actions": actions } });
    let network = terraform(
        &json!([
            change("terraform_data.net", &["update"]),
            change("terraform_data.old[\"a\"]", &["delete", "create"])
        ]),
        &json!({ "cidr": { "actions": ["update"] } }),
    );
    let printed = "\u{1b}[1mTerraform will perform the following actions:\u{1b}[0m\n\n  # terraform_data.net will be updated\n";
    let failed = PlanResult::Failed {
        reason: "it ended with exit code 1".to_owned(),
        output: "Error: no such subnet\n\n  on main.tf line 3\n".to_owned(),
    };
    plans(vec![
        planned(
            "network",
            PlanResult::Planned(PlanOutput::from_terraform(network, printed.to_owned())),
        ),
        planned(
            "database",
            PlanResult::Planned(PlanOutput::from_terraform(
                terraform(&json!([]), &json!({})),
                "No changes.".to_owned(),
            )),
        ),
        planned(
            "api",
            PlanResult::Deferred {
                waits_for: vec![name("database"), name("network")],
                reason: "it ended with exit code 1".to_owned(),
                output: "Error: there is no state of the network\n".to_owned(),
            },
        ),
        planned("queue", failed),
        text_plan("chart", "deploy the chart\n"),
        ComponentPlan::without_plan(
            name("docs"),
            PlanState::Unplanned,
            ComponentTransition {
                to: COMMIT.parse().ok(),
                ..ComponentTransition::default()
            },
        ),
        ComponentPlan::without_plan(
            name("legacy"),
            PlanState::Destroyed,
            ComponentTransition {
                to: None,
                to_version: None,
                ..transition()
            },
        ),
    ])
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Checks the text on which approvers rely: it must show everything that a plan would do, at any
/// width.
#[test]
fn on_a_terminal() {
    assert_snapshot!(
        "text",
        plain(&render_text(&sample(), PlanDetail::Changes, None))
    );
    assert_snapshot!(
        "text_full",
        plain(&render_text(&sample(), PlanDetail::Output, Some(60)))
    );
    let many: Vec<Value> = (0..50)
        .map(|it| json!({ "address": format!("a.b[{it}]"), "change": { "actions": ["create"] } }))
        .collect();
    let plan = PlanOutput::from_terraform(terraform(&Value::from(many), &json!({})), String::new());
    let shown = plain(&render_text(
        &plans(vec![planned("api", PlanResult::Planned(plan))]),
        PlanDetail::Changes,
        None,
    ));
    assert!(
        shown.contains("a.b[19]") && !shown.contains("a.b[20]") && shown.ends_with("and 30 more"),
        "{shown}"
    );
}

/// Checks the comment for a change request.
#[test]
fn on_a_change_request() {
    assert_snapshot!("markdown", render_markdown(&sample()));
}

/// Checks the document against its schema, on which scripts rely.
#[test]
fn as_a_document() {
    let document = crate::view::json::render_document("plan", &sample()).unwrap();
    assert_snapshot!("json", document);
    let schema = crate::view::json::build_schema::<DeploymentPlan>("plan", "");
    jsonschema::validate(&schema, &serde_json::from_str(&document).unwrap()).unwrap();
}

/// Checks that output of a plan command cannot control a terminal, mention people, or end its fence
/// or its section.
#[test]
fn hostile_text() {
    let failed = PlanResult::Failed {
        reason: HOSTILE.to_owned(),
        output: HOSTILE.to_owned(),
    };
    let mut hostile = plans(vec![text_plan("api", HOSTILE), planned("web", failed)]);
    let earlier =
        crate::view::json::render_document("plan", &plans(vec![text_plan("api", "other\n")]))
            .unwrap();
    hostile.comparison = compare_plans(
        earlier.as_bytes(),
        &hostile.environment,
        &hostile.components,
    )
    .ok();
    let document = crate::view::json::render_document("plan", &hostile).unwrap();
    let markdown = render_markdown(&hostile);
    for shown in [
        plain(&render_text(&hostile, PlanDetail::Output, Some(80))),
        document,
        markdown.clone(),
    ] {
        assert!(
            shown
                .chars()
                .all(|it| it == '\n' || crate::domain::text::is_plain(it)),
            "{shown}"
        );
    }
    assert_snapshot!("markdown_hostile", markdown);
    let mut fence = None;
    let mut outside = String::new();
    for line in markdown.lines() {
        let ticks = line.chars().take_while(|it| *it == '`').count();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            None => outside.extend([line, "\n"]),
            // Up to three spaces and enough backticks end a fence.
            Some(open)
                if line
                    .trim_start()
                    .chars()
                    .take_while(|it| *it == '`')
                    .count()
                    >= open =>
            {
                fence = None;
            }
            Some(_) => assert!(!line.starts_with('/'), "{line}"),
        }
    }
    assert_eq!(fence, None);
    assert_eq!(outside.matches("<details>").count(), 3);
    assert_eq!(outside.matches("</details>").count(), 3);
    assert_eq!(
        outside.matches('#').count(),
        2 + outside.matches("&#").count()
    );
    for bad in ["@", "<img", "<!--", "](", "www.", "://", "`"] {
        assert!(!outside.contains(bad), "{bad}: {outside}");
    }
    assert_eq!(clean_output(&"x".repeat(5_000)).chars().count(), 1_002);
}

/// Checks that a long comment is shortened, and says so: forges refuse long comments, and then no
/// plan would be visible.
#[test]
fn long_comments() {
    let long = (0..5_000)
        .map(|number| format!("line {number} `of` many\n"))
        .collect::<Vec<_>>()
        .concat();
    let ticks = format!("{}\n", "`".repeat(900)).repeat(30);
    let failed = |long: &str| PlanResult::Failed {
        reason: "`|@".repeat(500),
        output: long.to_owned(),
    };
    let two = render_markdown(&plans(vec![
        text_plan("api", &long),
        planned("web", failed(&long)),
        text_plan("small", "one line\n"),
    ]));
    assert!(
        two.len() <= MAX_COMMENT_BYTES && two.len() > MAX_COMMENT_BYTES - 5_000,
        "{}",
        two.len()
    );
    assert!(
        two.contains(" line 0 `of` many\n")
            && two.contains(" line 4999 `of` many\n")
            && two.contains(" one line\n")
    );
    assert!(two.contains("lines are not shown. The log has everything."));
    let long = &long[..2_000];
    for count in [60, 200, 1_000] {
        let version = "|".repeat(1_000).parse().ok();
        let components = (0..count).map(|number| match number % 3 {
            0 => text_plan(&format!("c{number}"), long),
            1 => ComponentPlan {
                transition: ComponentTransition {
                    to_version: version.clone(),
                    ..transition()
                },
                ..text_plan(&format!("c{number}"), &ticks)
            },
            _ => planned(&format!("c{number}"), failed(long)),
        });
        let all = render_markdown(&plans(components.collect()));
        assert!(all.len() <= MAX_COMMENT_BYTES, "{count}: {}", all.len());
        assert!(all.contains("not shown for lack of space"), "{count}");
        assert_eq!(
            all.matches("<details>").count(),
            all.matches("</details>").count()
        );
    }
}

/// Checks the differences from earlier plans: digests decide, texts explain.
#[test]
fn differences() {
    let mut same = text_plan("same", "printed in another order\n");
    same.digest = text_plan("same", "once\n").digest;
    let mut value = text_plan("value", "(sensitive value)\n");
    value.digest = Some(Digest::sha256(b"another"));
    let old = plans(vec![
        text_plan("same", "once\n"),
        text_plan("value", "(sensitive value)\n"),
        text_plan("api", "one\ntwo\nthree\n"),
        text_plan("gone", "x\n"),
    ]);
    let mut now = plans(vec![
        same,
        value,
        text_plan("api", "one\n2\nthree\n"),
        text_plan("new", "y\n"),
        sample().components.remove(3),
    ]);
    let earlier = crate::view::json::render_document("plan", &old).unwrap();
    now.comparison =
        Some(compare_plans(earlier.as_bytes(), &now.environment, &now.components).unwrap());
    assert_snapshot!(
        "differences_text",
        plain(&render_text(&now, PlanDetail::Changes, Some(80)))
    );
    assert_snapshot!("differences_markdown", render_markdown(&now));
    assert_snapshot!(
        "differences_json",
        serde_json::to_string_pretty(&now.comparison).unwrap()
    );
    let same = compare_plans(earlier.as_bytes(), &old.environment, &old.components).unwrap();
    assert!(same.differences.is_empty());
    let other = "prod".parse().unwrap();
    assert!(matches!(
        compare_plans(earlier.as_bytes(), &other, &[]),
        Err(ComparisonError::Environment(_))
    ));
    assert!(matches!(
        compare_plans(b"{\"schema\":\"git-deploy/log/v1\"}", &other, &[]),
        Err(ComparisonError::Kind(_))
    ));
    assert!(matches!(
        compare_plans(b"{}", &other, &[]),
        Err(ComparisonError::Json(_))
    ));
}
