//! Checks whether a repository is really protected: it inspects everything that an operator would
//! have to inspect, and tries the hooks with a real push.
//!
//! Nothing is changed, because the push is one that must be refused. Each finding comes with the
//! command that fixes it.

mod files;
mod hooks;
mod probe;
mod refs;
mod settings;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::git::{self, Error, Repository};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// It is as it should be.
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

/// The result of a check, in the order of [`About`].
#[derive(Debug)]
pub struct CheckReport {
    /// The git folder.
    pub git_dir: PathBuf,
    /// All findings.
    pub findings: Vec<CheckFinding>,
}

impl CheckReport {
    /// Returns whether no finding says that the repository is unprotected.
    pub fn is_protected(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.level != Level::Problem)
    }
}

/// Checks a repository: a bare one, or the top of a worktree. `program` is the one that its hooks
/// should call.
///
/// # Errors
/// There is no repository, or it cannot be read.
pub fn check_server(path: &Path, program: &Path) -> git::Result<CheckReport> {
    let repository = open_repository(path)?;
    let mut inspector = Inspector {
        quoted_path: quote_path(path),
        program,
        repository: &repository,
        findings: Vec::new(),
    };
    inspector.check_all()?;
    let mut findings = inspector.findings;
    // Within a subject, the worst comes first.
    findings.sort_by_key(|finding| (finding.subject, std::cmp::Reverse(finding.level)));
    Ok(CheckReport {
        git_dir: repository.git_dir().to_owned(),
        findings,
    })
}

/// Opens a bare repository, or the one of a worktree's top folder.
pub fn open_repository(path: &Path) -> git::Result<Repository> {
    match Repository::open(path) {
        Err(error @ Error::Open { .. }) => Repository::open(&path.join(".git")).map_err(|_| error),
        other => other,
    }
}

/// Inspects one repository and collects findings.
struct Inspector<'a> {
    repository: &'a Repository,
    program: &'a Path,
    /// The repository's path, quoted for a shell.
    quoted_path: String,
    findings: Vec<CheckFinding>,
}

impl Inspector<'_> {
    /// Runs all checks.
    fn check_all(&mut self) -> git::Result<()> {
        self.check_files();
        let carried_out = self.check_settings()?;
        self.check_hooks(carried_out)?;
        self.check_refs()?;
        self.check_objects();
        self.probe_hooks(carried_out)
    }

    /// Adds a finding that something is as it should be.
    fn add_good(&mut self, about: CheckSubject, what: impl Into<String>) {
        self.findings.push(CheckFinding {
            subject: about,
            level: Level::Good,
            message: what.into(),
            remedy: None,
        });
    }

    /// Adds a finding about a possible improvement.
    fn add_advice(
        &mut self,
        about: CheckSubject,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(CheckFinding {
            subject: about,
            level: Level::Advice,
            message: what.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Adds a finding that the repository is not protected.
    fn add_problem(
        &mut self,
        about: CheckSubject,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(CheckFinding {
            subject: about,
            level: Level::Problem,
            message: what.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Returns whether everything found about a subject is good.
    fn is_good(&self, about: CheckSubject) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.subject != about || finding.level == Level::Good)
    }

    /// Returns a git command for this repository, ready to type.
    fn git_command(&self, command: &str) -> String {
        format!("git -C {} {command}", self.quoted_path)
    }

    /// Returns the command that installs the hooks.
    fn install_command(&self) -> String {
        format!("git-deploy server init {}", self.quoted_path)
    }
}

/// Quotes a path as one word for a shell.
fn quote_path(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+@:,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
