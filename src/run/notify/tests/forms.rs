//! Tests of the messages' content, and of their conformance to the specifications.

use serde_json::Value;

use super::{json, notice};
use crate::domain::entry::{
    ComponentChange, ComponentResult, Deployment, DeploymentKind, Image, Outcome, Target,
    VerificationResult,
};
use crate::domain::id::CommitId;
use crate::domain::id::Content;
use crate::domain::policy::NotifyEvent;
use crate::run::notify::{Notice, build_variables, cloudevents, slack};

fn commit(digit: &str) -> CommitId {
    digit.repeat(40).parse().unwrap()
}

fn change(component: &str, from: Option<&str>, is_removal: bool) -> ComponentChange {
    let digest = format!("sha256:{}", "9f".repeat(32)).parse().unwrap();
    let target = Target {
        component: component.parse().unwrap(),
        commit: commit("2"),
        content: (!is_removal).then(|| Content(commit("3").0)),
        version: Some("1.4.2".parse().unwrap()),
        tag: None,
        artifacts: vec![Image {
            name: "ghcr.io/acme/api".parse().unwrap(),
            digest,
        }],
    };
    ComponentChange::new(target, from.map(commit))
}

fn result_of(change: &ComponentChange, outcome: Outcome) -> ComponentResult {
    let verification = VerificationResult::None;
    ComponentResult {
        target: change.target.clone(),
        outcome,
        because: None,
        to: None,
        verification,
    }
}

/// Returns a notice with every field set and a component for every outcome but `Failed`.
fn full(event: NotifyEvent, kind: DeploymentKind) -> Notice {
    let changes = vec![
        change("api", Some("1"), false),
        change("new", None, false),
        change("old", Some("1"), true),
        change("web", Some("1"), false),
    ];
    let outcomes = [
        Outcome::RolledBack,
        Outcome::Succeeded,
        Outcome::Destroyed,
        Outcome::Skipped,
    ];
    let results: Vec<ComponentResult> = changes
        .iter()
        .zip(outcomes)
        .map(|(change, outcome)| result_of(change, outcome))
        .collect();
    let mut deployment = Deployment::new(kind, changes);
    deployment.change = Some("17".parse().unwrap());
    deployment.description = Some(
        "Fix <login> & redirect\nhello @here <!channel>"
            .parse()
            .unwrap(),
    );
    let mut notice = notice(event)
        .with_deployment(&deployment)
        .with_results(&results);
    notice.by = Some("ci".parse().unwrap());
    notice.reasons = vec!["api: verify ended with 7\u{1b}[2J".to_owned()];
    notice.run = Some("0123456789abcdef0123456789abcdef".parse().unwrap());
    notice.url = Some("https://catalogue.example.com/?a&b".to_owned());
    notice
}

fn pretty(events: &[Vec<u8>]) -> String {
    let pretty = |event: &Vec<u8>| serde_json::to_string_pretty(&json(event)).unwrap();
    events.iter().map(pretty).collect::<Vec<_>>().join("\n")
}

/// Names with commas stay apart.
#[test]
fn authors_are_one_per_line() {
    let mut notice = full(NotifyEvent::Started, DeploymentKind::Deploy);
    notice.authors = vec!["Doe, Jane".to_owned(), "Bob\nEve".to_owned()];
    let variables = build_variables(&notice);
    let authors = variables.iter().find(|(name, _)| *name == "DEPLOY_AUTHORS");
    let lines: Vec<&str> = authors.unwrap().1.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "Doe, Jane");
}

#[test]
fn messages() {
    let rolled_back = full(NotifyEvent::RolledBack, DeploymentKind::Deploy);
    insta::assert_snapshot!(
        "cloudevents",
        pretty(&cloudevents::encode_all(&rolled_back))
    );
    insta::assert_snapshot!(
        "slack",
        json(&slack::build_message(&rolled_back))["text"]
            .as_str()
            .unwrap()
    );
    let lines: Vec<String> = build_variables(&rolled_back)
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    insta::assert_snapshot!("variables", lines.join("\n"));
    let types = NotifyEvent::all().into_iter().map(|event| {
        let json = json(&cloudevents::encode_run_event(&full(
            event,
            DeploymentKind::Deploy,
        )));
        format!(
            "{event}: {} {}",
            json["type"].as_str().unwrap(),
            json["data"]["subject"]
        )
    });
    insta::assert_snapshot!("types", types.collect::<Vec<_>>().join("\n"));
    let summaries = NotifyEvent::all()
        .into_iter()
        .map(|event| full(event, DeploymentKind::Deploy).summary());
    insta::assert_snapshot!("summaries", summaries.collect::<Vec<_>>().join("\n"));
}

/// Every event has its required attributes, and an id that is unique and the same in every retry:
/// strict receivers refuse other events, and receivers that drop duplicates compare ids.
#[test]
fn events_follow_the_specifications() {
    let kinds = [
        DeploymentKind::Deploy,
        DeploymentKind::Rollback,
        DeploymentKind::Hotfix,
        DeploymentKind::Destroy,
        DeploymentKind::Exec,
    ];
    let mut ids = std::collections::BTreeSet::new();
    let mut count = 0;
    for event in NotifyEvent::all() {
        for kind in kinds {
            let mut notice = full(event, kind);
            notice.expires = Some(notice.time);
            assert_eq!(
                cloudevents::encode_all(&notice),
                cloudevents::encode_all(&notice.clone()),
                "a retry is the same event"
            );
            for bytes in cloudevents::encode_all(&notice) {
                let event = json(&bytes);
                count += 1;
                assert!(
                    ids.insert(event["id"].as_str().unwrap().to_owned()),
                    "{event}"
                );
                check_event(&event);
            }
        }
    }
    assert_eq!(count, ids.len());
}

/// Checks an event against the specifications.
fn check_event(it: &Value) {
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| panic!("{it}"))
            .to_owned()
    };
    // CloudEvents 1.0.2: required attributes, and names of lower-case letters and digits.
    assert_eq!(it["specversion"], "1.0");
    for name in ["id", "source", "type", "subject", "time", "datacontenttype"] {
        text(&it[name]);
    }
    let plain = |name: &String| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    assert!(it.as_object().unwrap().keys().all(plain), "{it}");
    assert!(
        text(&it["source"]).parse::<http::Uri>().is_ok(),
        "a URI reference"
    );
    // The CloudEvents binding of CDEvents: what the envelope repeats.
    let (context, subject) = (&it["data"]["context"], &it["data"]["subject"]);
    assert_eq!(context["specversion"], "0.5.1");
    for (outer, inner) in [
        ("id", "id"),
        ("source", "source"),
        ("type", "type"),
        ("time", "timestamp"),
    ] {
        assert_eq!(it[outer], context[inner], "{it}");
    }
    assert_eq!(it["subject"], subject["id"]);
    // CDEvents 0.5.1: exactly these parts, and what the content of each type must have.
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        keys(&it["data"]),
        "context customData customDataContentType subject"
    );
    assert_eq!(keys(context), "id source specversion timestamp type");
    assert_eq!(keys(subject), "content id source");
    let kind = text(&it["type"]);
    let content_keys = keys(&subject["content"]);
    let is_known = match kind.split('.').collect::<Vec<_>>()[..] {
        ["dev", "cdevents", "pipelinerun", "started", "0", "3", "0"] => {
            content_keys == "pipelineName uri"
        }
        ["dev", "cdevents", "pipelinerun", "finished", "0", "3", "0"] => {
            ["success", "failure"].contains(&text(&subject["content"]["outcome"]).as_str())
        }
        [
            "dev",
            "cdevents",
            "service",
            "deployed" | "upgraded" | "rolledback",
            "0",
            "3",
            "0",
        ] => {
            content_keys == "artifactId environment"
                && text(&subject["content"]["environment"]["id"]) == "prod"
        }
        ["dev", "cdevents", "service", "removed", "0", "3", "0"] => content_keys == "environment",
        [
            "dev",
            "cdevents",
            "environment",
            "created" | "deleted",
            "0",
            "3",
            "0",
        ] => content_keys.starts_with("name"),
        ["dev", "cdeventsx", subject, _, "0", "1", "0"] => subject.starts_with("gitdeploy-"),
        _ => false,
    };
    assert!(is_known, "{it}");
}

/// Each outcome of a component has its event about a service, which tools that measure deployments
/// count.
#[test]
fn services_and_environments() {
    let types = |notice: &Notice| {
        let short = |event: &Vec<u8>| {
            let event = json(event);
            let kind = event["type"]
                .as_str()
                .unwrap()
                .trim_start_matches("dev.cdevents.")
                .trim_end_matches(".0.3.0")
                .to_owned();
            format!("{kind} {}", event["subject"].as_str().unwrap())
        };
        cloudevents::encode_all(notice)[1..]
            .iter()
            .map(short)
            .collect::<Vec<_>>()
    };
    let services = [
        "service.rolledback api",
        "service.deployed new",
        "service.removed old",
    ];
    assert_eq!(
        types(&full(NotifyEvent::RolledBack, DeploymentKind::Deploy)),
        services
    );
    let types_of_one = |kind, from| {
        let changes = vec![change("api", from, false)];
        let results = [result_of(&changes[0], Outcome::Succeeded)];
        let mut notice = notice(NotifyEvent::Succeeded)
            .with_deployment(&Deployment::new(kind, changes))
            .with_results(&results);
        notice.expires = Some(notice.time);
        types(&notice)
    };
    assert_eq!(
        types_of_one(DeploymentKind::Deploy, Some("1")),
        ["service.upgraded api"]
    );
    assert_eq!(
        types_of_one(DeploymentKind::Deploy, None),
        ["service.deployed api", "environment.created prod"]
    );
    assert_eq!(
        types_of_one(DeploymentKind::Rollback, Some("1")),
        ["service.rolledback api"]
    );
    assert_eq!(types_of_one(DeploymentKind::Exec, Some("1")), [""; 0]);
    let destroyed = types(&full(NotifyEvent::Succeeded, DeploymentKind::Destroy));
    assert_eq!(destroyed.last().unwrap(), "environment.deleted prod");
}

/// Checks that an environment is deleted only after it was created, whichever of its components
/// failed in the first run.
#[test]
fn no_environment_is_deleted_that_was_not_created() {
    use Outcome::{Destroyed, Failed, Skipped, Succeeded};
    let types = |event, kind, parts: &[(Option<&str>, Outcome)]| {
        let names = ["api", "web"];
        let changes: Vec<_> = names
            .iter()
            .zip(parts)
            .map(|(name, (from, _))| change(name, *from, false))
            .collect();
        let results: Vec<_> = changes
            .iter()
            .zip(parts)
            .map(|(change, (_, outcome))| result_of(change, *outcome))
            .collect();
        let mut notice = notice(event)
            .with_deployment(&Deployment::new(kind, changes))
            .with_results(&results);
        notice.expires = Some(notice.time);
        let kinds = cloudevents::encode_all(&notice)
            .into_iter()
            .filter_map(|event| {
                let kind = json(&event)["type"].as_str()?.to_owned();
                Some(kind.strip_prefix("dev.cdevents.environment.")?[..7].to_owned())
            });
        kinds.collect::<Vec<_>>()
    };
    let deploy = DeploymentKind::Deploy;
    let created = ["created"];
    assert_eq!(
        types(
            NotifyEvent::Failed,
            deploy,
            &[(None, Failed), (None, Skipped)]
        ),
        [""; 0]
    );
    assert_eq!(
        types(
            NotifyEvent::Failed,
            deploy,
            &[(None, Succeeded), (None, Failed)]
        ),
        created
    );
    assert_eq!(
        types(NotifyEvent::Succeeded, deploy, &[(None, Succeeded); 2]),
        created
    );
    let later = [(Some("1"), Succeeded), (None, Succeeded)];
    assert_eq!(types(NotifyEvent::Succeeded, deploy, &later), [""; 0]);
    let destroy = DeploymentKind::Destroy;
    let never = [(None, Destroyed); 2];
    assert_eq!(types(NotifyEvent::Succeeded, destroy, &never), [""; 0]);
    let partly = [(Some("1"), Destroyed), (None, Destroyed)];
    assert_eq!(types(NotifyEvent::Succeeded, destroy, &partly), ["deleted"]);
    assert_eq!(types(NotifyEvent::Failed, destroy, &partly), [""; 0]);
}

/// No text from a commit or a command can make a message too long, mention a whole channel, or
/// contain control characters.
#[test]
fn hostile_texts() {
    let mut notice = full(NotifyEvent::Failed, DeploymentKind::Deploy);
    notice.reasons = vec!["&<>@all\u{202e}\u{1b}".repeat(10_000); 500];
    notice.description = Some("&".repeat(10_000).parse().unwrap());
    notice.components = (0..5_000).map(|_| notice.components[0].clone()).collect();
    let text = json(&slack::build_message(&notice))["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        text.len() < 4_000 && text.ends_with("\n…"),
        "{}",
        text.len()
    );
    assert!(
        !text.contains(['<', '>', '\u{202e}', '\u{1b}']) && !text.contains("@all"),
        "{text}"
    );
    assert!(
        text.replace("&amp;", "")
            .replace("&lt;", "")
            .replace("&gt;", "")
            .find('&')
            .is_none(),
        "{text}"
    );
    let event = cloudevents::encode_run_event(&notice);
    assert!(event.len() < 80_000, "{}", event.len());
    let event = json(&event);
    assert_eq!(event["data"]["customData"]["moreComponents"], 4_900);
    assert!(!event.to_string().contains('\u{1b}') && !event.to_string().contains("\\u001b"));
    assert!(
        build_variables(&notice)
            .iter()
            .all(|(_, value)| value.len() < 100_000 && !value.contains('\0'))
    );
}
