//! Notices as structured `CloudEvents` 1.0 that carry `CDEvents` 0.5.1.
//!
//! A notice becomes one event about the run, and one for each component (a service in the terms of
//! `CDEvents`) that the run deploys or removes. Tools that measure deployments read the latter. If
//! `CDEvents` has no type for an event, its type is a custom one, `dev.cdeventsx.gitdeploy-…`.

use serde_json::{Value, json};

use super::event::{Notice, NoticeComponent};
use crate::domain::entry::{DeploymentKind, Outcome};
use crate::domain::policy::NotifyEvent;

/// The media type of one event.
pub(super) const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// Returns the event about the run, then those about services and the environment, each ready to be
/// sent.
pub(super) fn encode_all(notice: &Notice) -> Vec<Vec<u8>> {
    let services = notice
        .components
        .iter()
        .filter_map(|part| build_service_event(notice, part));
    std::iter::once(build_run_event(notice))
        .chain(services)
        .chain(build_environment_event(notice))
        .map(|event| to_bytes(&event))
        .collect()
}

/// Returns only the event about the run.
pub(super) fn encode_run_event(notice: &Notice) -> Vec<u8> {
    to_bytes(&build_run_event(notice))
}

fn to_bytes(event: &Value) -> Vec<u8> {
    event.to_string().into_bytes()
}

/// Builds the event about the run.
fn build_run_event(notice: &Notice) -> Value {
    let Notice {
        project,
        environment,
        ..
    } = notice;
    let run = notice
        .run
        .map_or_else(|| notice.id(), |run| run.to_string());
    let content = |outcome: Option<&str>| {
        let mut content = json!({
            "pipelineName": format!("{project}/{environment}"), "uri": format!("git-deploy:{project}/{environment}/{run}"),
        });
        if let Some(outcome) = outcome {
            content["outcome"] = outcome.into();
        }
        if outcome == Some("failure") && !notice.reasons.is_empty() {
            content["errors"] = notice.safe_reasons().join("\n").into();
        }
        content
    };
    let (kind, content) = match notice.event {
        NotifyEvent::PlanReady => ("dev.cdeventsx.gitdeploy-plan.ready.0.1.0", json!({})),
        NotifyEvent::ApprovalNeeded => ("dev.cdeventsx.gitdeploy-approval.needed.0.1.0", json!({})),
        NotifyEvent::Started => ("dev.cdevents.pipelinerun.started.0.3.0", content(None)),
        NotifyEvent::Succeeded => (
            "dev.cdevents.pipelinerun.finished.0.3.0",
            content(Some("success")),
        ),
        NotifyEvent::Failed | NotifyEvent::RolledBack => (
            "dev.cdevents.pipelinerun.finished.0.3.0",
            content(Some("failure")),
        ),
        NotifyEvent::Refused => (
            "dev.cdeventsx.gitdeploy-deployment.refused.0.1.0",
            json!({}),
        ),
        NotifyEvent::AboutToExpire => (
            "dev.cdeventsx.gitdeploy-environment.expiring.0.1.0",
            json!({}),
        ),
        NotifyEvent::ApprovalExpires => {
            ("dev.cdeventsx.gitdeploy-approval.expiring.0.1.0", json!({}))
        }
        NotifyEvent::CheckFailed => ("dev.cdeventsx.gitdeploy-check.failed.0.1.0", json!({})),
        NotifyEvent::OnHold => ("dev.cdeventsx.gitdeploy-content.held.0.1.0", json!({})),
        NotifyEvent::Yanked => ("dev.cdeventsx.gitdeploy-content.yanked.0.1.0", json!({})),
    };
    let subject = match notice.event {
        NotifyEvent::AboutToExpire => environment.to_string(),
        _ => run,
    };
    build_event(notice, "", kind, &subject, &content, &notice.components)
}

/// Builds the event about a component, as a service in its environment. Returns `None` if the
/// service did not change.
fn build_service_event(notice: &Notice, part: &NoticeComponent) -> Option<Value> {
    let predicate = match (part.outcome?, notice.kind, part.from) {
        (Outcome::Failed | Outcome::Skipped | Outcome::Executed, _, _)
        | (Outcome::Succeeded, DeploymentKind::Exec, _) => {
            return None;
        }
        (Outcome::Succeeded, DeploymentKind::Rollback, Some(_)) | (Outcome::RolledBack, _, _) => {
            "rolledback"
        }
        (Outcome::Succeeded, _, Some(_)) => "upgraded",
        (Outcome::Succeeded, _, None) => "deployed",
        (Outcome::Destroyed, _, _) => "removed",
    };
    let mut content =
        json!({ "environment": { "id": notice.environment, "source": build_source(notice) } });
    if predicate != "removed" {
        content["artifactId"] = build_package_url(notice, part).into();
    }
    let kind = format!("dev.cdevents.service.{predicate}.0.3.0");
    Some(build_event(
        notice,
        part.component.as_str(),
        &kind,
        part.component.as_str(),
        &content,
        std::slice::from_ref(part),
    ))
}

/// Builds the event about an environment that was created or deleted. Returns `None` for any other
/// notice.
///
/// An environment is created by the first run that leaves something running in it, even if other
/// components of that run failed, and is deleted only if it was created.
fn build_environment_event(notice: &Notice) -> Option<Value> {
    let parts = || notice.components.iter();
    let name = notice.environment.as_str();
    let is_first = notice.expires.is_some() && parts().all(|part| part.from.is_none());
    let is_created = is_first && parts().any(|part| part.outcome == Some(Outcome::Succeeded));
    let is_deleted =
        notice.event == NotifyEvent::Succeeded && parts().any(|part| part.from.is_some());
    let (kind, mut content) = match notice.kind {
        DeploymentKind::Destroy if is_deleted => (
            "dev.cdevents.environment.deleted.0.3.0",
            json!({ "name": name }),
        ),
        DeploymentKind::Destroy | DeploymentKind::Exec => return None,
        _ if is_created => (
            "dev.cdevents.environment.created.0.3.0",
            json!({ "name": name }),
        ),
        _ => return None,
    };
    if let (false, Some(url)) = (notice.kind == DeploymentKind::Destroy, &notice.url) {
        content["uri"] = url.as_str().into();
    }
    Some(build_event(notice, "*", kind, name, &content, &[]))
}

/// Returns the running component as a package URL. After a rollback that is the previous commit,
/// whose artifact is not known here.
fn build_package_url(notice: &Notice, part: &NoticeComponent) -> String {
    let (commit, artifact) = match part.outcome {
        Some(Outcome::RolledBack) => (part.from.unwrap_or(part.commit), None),
        _ => (part.commit, part.artifact.as_ref()),
    };
    let checksum = artifact
        .map(|digest| format!("?checksum={digest}"))
        .unwrap_or_default();
    format!(
        "pkg:generic/{}/{}@{commit}{checksum}",
        notice.project, part.component
    )
}

/// Returns the source of the events: the project's environment.
fn build_source(notice: &Notice) -> String {
    format!("/git-deploy/{}/{}", notice.project, notice.environment)
}

/// Builds an event and its envelope. The same event always gets the same id. `id_suffix`
/// distinguishes the events of one notice.
fn build_event(
    notice: &Notice,
    id_suffix: &str,
    kind: &str,
    subject: &str,
    content: &Value,
    components: &[NoticeComponent],
) -> Value {
    let (source, time) = (build_source(notice), notice.time);
    let id = if id_suffix.is_empty() {
        notice.id()
    } else {
        format!("{}-{id_suffix}", notice.id())
    };
    json!({
        "specversion": "1.0", "id": id, "source": source, "type": kind, "subject": subject, "time": time,
        "datacontenttype": "application/json",
        "data": {
            "context": { "specversion": "0.5.1", "id": id, "source": source, "type": kind, "timestamp": time },
            "subject": { "id": subject, "source": source, "content": content },
            "customData": notice.to_content(components), "customDataContentType": "application/json",
        },
    })
}
