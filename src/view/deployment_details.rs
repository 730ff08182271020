//! The details of a deployment that `log` and `show` present: its change request, release, labels and
//! origin, its commands and its logs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::address::Address;
use crate::domain::email::Email;
use crate::domain::entry::{Action, CommandRecord, CommandStep, Deployment, Origin, Statement};
use crate::domain::id::Digest;
use crate::domain::input_name::OriginField;
use crate::domain::name::{ComponentName, Label};
use crate::domain::policy::Policy;
use crate::domain::text::{Description, Line};

/// The inputs of a deployment and its commands. A field without a value is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDetails {
    /// The change request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Line>,
    /// The release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Label>,
    /// The labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Label, Line>,
    /// Where the deployment comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginDetails>,
    /// The description of the deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Whether the deployment was made outside git-deploy, although the policy has the commands for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// The commands that were executed for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandDetails>,
    /// Where its logs are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

/// Where a deployment comes from, as its signer states it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginDetails {
    /// The CI system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Label>,
    /// The address of the CI run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_url: Option<Address>,
    /// The user of the CI system who triggered the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Line>,
    /// The address of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Address>,
    /// The branch that the run is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Line>,
    /// The tag that triggered the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Line>,
    /// The e-mail address of the person who asked for the deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
}

/// A command of a run.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandDetails {
    /// The component that it ran for.
    pub component: ComponentName,
    /// The part of the run.
    pub step: CommandStep,
    /// Whether it was given to `git deploy record`. Otherwise it is a command of the policy, or that of
    /// an `exec`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wrapped: bool,
    /// Its exit status, as a shell reports it.
    pub status: u8,
    /// How long it ran.
    pub milliseconds: u64,
    /// The SHA-256 of its masked output.
    pub output: Digest,
    /// The size of that output, in bytes.
    pub size: u64,
}

impl From<&Origin> for OriginDetails {
    fn from(origin: &Origin) -> Self {
        Self {
            system: origin.system.clone(),
            run_url: origin.run_url.clone(),
            actor: origin.actor.clone(),
            repository: origin.repository.clone(),
            branch: origin.branch.clone(),
            tag: origin.tag.clone(),
            email: origin.email.clone(),
        }
    }
}

impl From<&CommandRecord> for CommandDetails {
    fn from(command: &CommandRecord) -> Self {
        Self {
            component: command.component.clone(),
            step: command.step,
            wrapped: false,
            status: command.status,
            milliseconds: command.milliseconds,
            output: command.output.clone(),
            size: command.size,
        }
    }
}

impl DeploymentDetails {
    /// Collects the details from an entry and, if the entry ends or resumes a run, from its start.
    pub fn new(statement: &Statement, start: Option<&Statement>) -> Self {
        let deployment = statement
            .deployment()
            .or_else(|| start.and_then(Statement::deployment));
        let (commands, logs) = match &statement.action {
            Action::Finish(finish) => (&finish.commands[..], &finish.logs[..]),
            Action::Record(record) => (&[][..], &record.logs[..]),
            Action::Verification(verification) => (&[][..], &verification.logs[..]),
            _ => (&[][..], &[][..]),
        };
        Self {
            commands: commands.iter().map(CommandDetails::from).collect(),
            logs: logs.to_vec(),
            ..deployment.map(Self::of_deployment).unwrap_or_default()
        }
    }

    fn of_deployment(deployment: &Deployment) -> Self {
        Self {
            change: deployment.change.clone(),
            release: deployment.release.clone(),
            labels: deployment.labels.clone(),
            origin: (!deployment.origin.is_empty()).then(|| (&deployment.origin).into()),
            description: deployment.description.clone(),
            external: deployment.external,
            commands: Vec::new(),
            logs: Vec::new(),
        }
    }

    /// Marks the commands that `git deploy record` wrapped: those for steps for which the policy of the
    /// deployment has no command, and those of an external deployment.
    #[must_use]
    pub fn mark_wrapped(mut self, policy: &Policy) -> Self {
        for command in &mut self.commands {
            let component = policy.component(&command.component);
            let has_command = match command.step {
                CommandStep::Apply => component.is_some_and(|it| it.apply.is_some()),
                CommandStep::Destroy => component.is_some_and(|it| it.destroy.is_some()),
                _ => true,
            };
            command.wrapped = self.external && command.step != CommandStep::Exec || !has_command;
        }
        self
    }

    /// Returns whether a command of a step failed that the policy or the command line may have given.
    pub fn has_failed_command(&self) -> bool {
        self.commands.iter().any(|command| command.status != 0)
    }

    /// Returns the details without the commands of other components.
    #[must_use]
    pub fn only_for(mut self, component: &ComponentName) -> Self {
        self.commands
            .retain(|command| command.component == *component);
        self
    }

    /// Returns the change request, the release and the labels in one line. Returns an empty text if there
    /// are none.
    pub fn summarize(&self) -> String {
        let change = self.change.iter().map(|it| format!("change {it}"));
        let release = self.release.iter().map(|it| format!("release {it}"));
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<String> = change.chain(release).chain(labels).collect();
        parts.join(", ")
    }

    /// Returns the details as phrases for the log, without the fields of the origin except the address
    /// of the CI run.
    pub fn to_phrases(&self) -> Vec<String> {
        let mut phrases = Vec::new();
        phrases.extend(self.describe_description());
        phrases.extend(self.describe_external());
        phrases.extend(Some(self.summarize()).filter(|it| !it.is_empty()));
        let run_url = self.origin.as_ref().and_then(|it| it.run_url.as_ref());
        phrases.extend(run_url.map(|url| format!("run {url}")));
        phrases.extend(self.describe_failures());
        phrases.extend(self.logs.iter().map(|log| format!("log {log}")));
        phrases
    }

    /// Returns the first line of the description and the number of the others.
    fn describe_description(&self) -> Option<String> {
        let description = self.description.as_ref()?.as_str();
        let mut lines = description.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next()?;
        Some(match lines.count() {
            0 => format!("\"{first}\""),
            others => format!("\"{first}\" and {others} more"),
        })
    }

    fn describe_external(&self) -> Option<String> {
        self.external
            .then(|| "external: made outside git-deploy".to_owned())
    }

    /// Returns the failed commands in one phrase. Leaves out that of an `exec`, whose status the log
    /// shows.
    fn describe_failures(&self) -> Option<String> {
        let failed = self
            .commands
            .iter()
            .filter(|command| command.status != 0 && command.step != CommandStep::Exec);
        let mut commands: Vec<String> = failed.map(CommandDetails::describe_failure).collect();
        // A wrapped command is recorded for each component.
        commands.dedup();
        (!commands.is_empty()).then(|| commands.join(", "))
    }

    /// Returns the details as lines of text. Lists only failed commands.
    pub fn to_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.describe_description());
        lines.extend(self.describe_external());
        let summary = self.summarize();
        lines.extend((!summary.is_empty()).then_some(summary));
        lines.extend(self.origin.as_ref().map(OriginDetails::to_text));
        lines.extend(self.describe_failures());
        lines.extend(self.logs.iter().map(|log| format!("log {log}")));
        lines
    }
}

impl OriginDetails {
    /// Returns the fields in one line: `github, actor octocat, branch main, …`.
    fn to_text(&self) -> String {
        let text = |field: OriginField| match field {
            OriginField::System => self.system.as_ref().map(ToString::to_string),
            OriginField::RunUrl => self.run_url.as_ref().map(|it| format!("run {it}")),
            OriginField::Actor => self.actor.as_ref().map(|it| format!("actor {it}")),
            OriginField::Repository => self.repository.as_ref().map(|it| format!("from {it}")),
            OriginField::Branch => self.branch.as_ref().map(|it| format!("branch {it}")),
            OriginField::Tag => self.tag.as_ref().map(|it| format!("tag {it}")),
            OriginField::Email => self.email.as_ref().map(|it| format!("e-mail {it}")),
        };
        let parts: Vec<String> = OriginField::ALL.iter().filter_map(|it| text(*it)).collect();
        parts.join(", ")
    }
}

impl CommandDetails {
    /// Describes a failed command: its step and its component, or that it was wrapped, and its exit
    /// status. The ledger does not store the words of a wrapped command, which may contain secrets.
    fn describe_failure(&self) -> String {
        let (component, step) = (&self.component, self.step.name());
        if self.wrapped {
            return format!(
                "the command given to record failed (exit status {})",
                self.status
            );
        }
        format!("{step} of {component} failed (exit status {})", self.status)
    }
}
