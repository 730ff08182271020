//! One result of `server check`: its subject, its severity, and the command that fixes it.

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is as it should be.
    Good,
    /// The repository is protected, but this can be improved.
    Advice,
    /// The repository is not protected.
    Problem,
}

/// The subject of a finding, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// The subject.
    pub subject: CheckSubject,
    /// The severity.
    pub level: Level,
    /// The finding, in one line.
    pub message: String,
    /// The command that fixes it.
    pub remedy: Option<String>,
}
