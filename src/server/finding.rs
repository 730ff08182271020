//! One result of `server check`: its subject, its severity, and the command that fixes it.

use schemars::JsonSchema;
use serde::Serialize;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Nothing needs to change.
    #[serde(rename = "ok")]
    Good,
    /// The repository is protected, but this can be improved.
    Advice,
    /// The repository is not protected.
    #[serde(rename = "bad")]
    Problem,
}

/// The subject of a finding, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckSubject {
    /// The owner of the files, and who may change them.
    Files,
    /// The hooks.
    Hooks,
    /// The configuration.
    Settings,
    /// The refs.
    Refs,
    /// The storage of the objects.
    Objects,
    /// A push that must be refused.
    Probe,
}

impl CheckSubject {
    /// Returns the subject's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Hooks => "hooks",
            Self::Settings => "settings",
            Self::Refs => "refs",
            Self::Objects => "objects",
            Self::Probe => "probe",
        }
    }
}

/// One result of the check.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckFinding {
    /// The subject.
    pub subject: CheckSubject,
    /// The severity.
    pub level: Level,
    /// The finding, in one line.
    #[serde(rename = "detail")]
    pub message: String,
    /// The command that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
