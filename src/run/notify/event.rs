//! The content of a notification: one event of one deployment, with everything that any message
//! format needs.

use serde::Serialize;

use crate::domain::address::Address;
use crate::domain::entry::{ComponentChange, ComponentResult, Deployment, DeploymentKind, Outcome};
use crate::domain::id::{CommitId, Digest, EntryId, RunId};
use crate::domain::name::{ComponentName, EnvName, Label, Person, ProjectName};
use crate::domain::policy::NotifyEvent;
use crate::domain::text::{Description, Line, sanitize};
use crate::domain::time::Time;

/// The most components in a message. Receivers may refuse messages larger than about 64 KB.
pub(super) const MAX_COMPONENTS: usize = 100;
/// The most reasons in a message.
const MAX_REASONS: usize = 10;
/// The most authors in a message.
const MAX_AUTHORS: usize = 20;

/// An event and what is known about it. Most fields are optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub event: NotifyEvent,
    /// The time, from the clock of the run.
    pub time: Time,
    /// The project.
    pub project: ProjectName,
    /// The environment.
    pub environment: EnvName,
    /// The kind of deployment.
    pub kind: DeploymentKind,
    /// The commit that is deployed. `None` if an environment is removed or about to expire.
    pub commit: Option<CommitId>,
    /// The components that change. Unchanged ones are not reported.
    pub components: Vec<NoticeComponent>,
    /// The person who deploys.
    pub by: Option<Person>,
    /// The description of the deployment.
    pub description: Option<Description>,
    /// The change request it belongs to.
    pub change: Option<Line>,
    /// The release it belongs to.
    pub release: Option<Label>,
    /// The authors of the new commits, newest first. The names are made safe to show before they are
    /// sent.
    pub authors: Vec<String>,
    /// Why it failed or was refused, or who is asked to approve it. The text is made safe to show
    /// before it is sent.
    pub reasons: Vec<String>,
    /// The run.
    pub run: Option<RunId>,
    /// The entry that records the event.
    pub entry: Option<EntryId>,
    /// The URL of the environment.
    pub url: Option<String>,
    /// The URL of the CI run.
    pub run_url: Option<Address>,
    /// When the ephemeral environment ends.
    pub expires: Option<Time>,
}

impl Notice {
    /// Creates a notice of an event without any details.
    pub fn new(event: NotifyEvent, time: Time, project: ProjectName, environment: EnvName) -> Self {
        Self {
            event,
            time,
            project,
            environment,
            kind: DeploymentKind::Deploy,
            commit: None,
            components: Vec::new(),
            by: None,
            description: None,
            change: None,
            release: None,
            authors: Vec::new(),
            reasons: Vec::new(),
            run: None,
            entry: None,
            url: None,
            run_url: None,
            expires: None,
        }
    }

    /// Adds the deployment: its kind, changes, description, change request, release, CI run and
    /// expiry.
    #[must_use]
    pub fn with_deployment(mut self, deployment: &Deployment) -> Self {
        self.kind = deployment.kind;
        // A former name of a renamed component is neither deployed nor removed.
        self.components = deployment
            .changed()
            .filter(|change| change.renamed_to.is_none())
            .map(NoticeComponent::from)
            .collect();
        self.commit = deployment
            .deployed()
            .next()
            .map(|change| change.target.commit);
        self.description.clone_from(&deployment.description);
        self.change.clone_from(&deployment.change);
        self.release.clone_from(&deployment.release);
        self.run_url.clone_from(&deployment.origin.run_url);
        self.expires = deployment.expires;
        self
    }

    /// Adds how the components ended.
    #[must_use]
    pub fn with_results(mut self, results: &[ComponentResult]) -> Self {
        for part in &mut self.components {
            let result = results
                .iter()
                .find(|result| result.target.component == part.component);
            part.outcome = result.map(|result| result.outcome);
        }
        self
    }

    /// Returns a one-line summary: `prod: failed, catalogue at 2affccc97fa0, by ci`.
    pub fn summary(&self) -> String {
        let (event, mut line) = (
            describe_event(self.event, self.kind),
            self.environment.to_string(),
        );
        line.push_str(": ");
        line.push_str(&event);
        line.push_str(", ");
        line.push_str(self.project.as_str());
        if let Some(commit) = self.commit {
            line.push_str(" at ");
            line.push_str(&commit.short());
        }
        if let Some(by) = &self.by {
            line.push_str(", by ");
            line.push_str(by.as_str());
        }
        line
    }

    /// Returns a 128-bit id over all of the content, so that an event has the same id each time
    /// that it is sent.
    ///
    /// The id is a digest of the JSON of messages. Renaming an item in the code does not change it.
    pub(super) fn id(&self) -> String {
        // A message omits the time and, beyond their limits, components and reasons.
        let content = (
            self.time,
            &self.components,
            &self.reasons,
            self.to_content(&[]),
        );
        // Serializing fails only for maps whose keys are not strings, and there is none.
        let mut bytes = format!("{}\0", env!("CARGO_PKG_NAME")).into_bytes();
        bytes.extend(serde_json::to_vec(&content).unwrap_or_default());
        Digest::sha256(&bytes).hex().chars().take(32).collect()
    }

    /// Returns the content for a message, bounded and with these components.
    pub(super) fn to_content<'a>(&'a self, components: &'a [NoticeComponent]) -> NoticeContent<'a> {
        NoticeContent {
            event: self.event,
            summary: self.summary(),
            project: &self.project,
            environment: &self.environment,
            kind: self.kind,
            commit: self.commit,
            components: components.get(..MAX_COMPONENTS).unwrap_or(components),
            more_components: components.len().saturating_sub(MAX_COMPONENTS),
            by: self.by.as_ref(),
            description: self.description.as_ref(),
            change: self.change.as_ref(),
            release: self.release.as_ref(),
            authors: self.safe_authors(),
            reasons: self.safe_reasons(),
            run: self.run,
            entry: self.entry,
            url: self.url.as_deref(),
            run_url: self.run_url.as_ref(),
            expires: self.expires,
        }
    }

    /// Returns the reasons, made safe to show and bounded.
    pub(super) fn safe_reasons(&self) -> Vec<String> {
        clean_lines(&self.reasons, MAX_REASONS)
    }

    /// Returns the authors, made safe to show and bounded.
    pub(super) fn safe_authors(&self) -> Vec<String> {
        clean_lines(&self.authors, MAX_AUTHORS)
    }
}

/// Returns the first lines, made safe to show and bounded.
fn clean_lines(lines: &[String], limit: usize) -> Vec<String> {
    let clean = |text: &String| sanitize(text).chars().take(Line::LIMIT).collect();
    lines.iter().take(limit).map(clean).collect()
}

/// Describes an event in a few words.
fn describe_event(event: NotifyEvent, kind: DeploymentKind) -> String {
    let deployment = match kind {
        DeploymentKind::Deploy => "deployment",
        DeploymentKind::Rollback => "rollback",
        DeploymentKind::Hotfix => "hotfix",
        DeploymentKind::Destroy => "removal",
        DeploymentKind::Exec => "one-off command",
    };
    match event {
        NotifyEvent::PlanReady => format!("{deployment} planned"),
        NotifyEvent::ApprovalNeeded => format!("{deployment} needs approval"),
        NotifyEvent::Started => format!("{deployment} started"),
        NotifyEvent::Succeeded => format!("{deployment} succeeded"),
        NotifyEvent::Failed => format!("{deployment} failed"),
        NotifyEvent::RolledBack => format!("{deployment} failed and was rolled back"),
        NotifyEvent::Refused => format!("{deployment} refused"),
        NotifyEvent::AboutToExpire => "about to expire".to_owned(),
        NotifyEvent::ApprovalExpires => "an approval is about to expire".to_owned(),
        NotifyEvent::CheckFailed => "a check failed".to_owned(),
        NotifyEvent::OnHold => "content is on hold".to_owned(),
        NotifyEvent::Yanked => "content was yanked".to_owned(),
    }
}

/// A component in a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeComponent {
    /// The component.
    pub component: ComponentName,
    /// The commit that it is to run.
    pub commit: CommitId,
    /// The commit that ran before, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// The digest of its first artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
    /// A summary of its plan: `2 to add, 1 to change, 0 to destroy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Line>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl From<&ComponentChange> for NoticeComponent {
    fn from(change: &ComponentChange) -> Self {
        let target = &change.target;
        Self {
            component: target.component.clone(),
            commit: target.commit,
            from: change.from,
            version: target.version.clone(),
            artifact: target.artifacts.first().map(|image| image.digest.clone()),
            plan: None,
            outcome: None,
        }
    }
}

/// The content of a notice, as it is serialized into messages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NoticeContent<'a> {
    event: NotifyEvent,
    summary: String,
    project: &'a ProjectName,
    environment: &'a EnvName,
    kind: DeploymentKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
    components: &'a [NoticeComponent],
    #[serde(skip_serializing_if = "is_zero")]
    more_components: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a Label>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_url: Option<&'a Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Time>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(number: &usize) -> bool {
    *number == 0
}
