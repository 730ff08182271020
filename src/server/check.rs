//! Checks whether a repository is really protected: inspects its files, hooks, settings, refs and
//! objects, and tries the hooks with a real push.
//!
//! The check changes nothing: the hooks must refuse its push. Each finding comes with the
//! command that fixes it.

mod files;
mod hooks;
mod probe;
mod refs;
mod settings;

use std::path::{Path, PathBuf};

pub use super::finding::{CheckFinding, CheckSubject, Level};
pub use super::location::open_repository;
use super::shell::quote_path;
use crate::git::{self, Repository};

/// The result of a check, in the order of [`CheckSubject`].
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
    // Within a subject, the most severe finding comes first.
    findings.sort_by_key(|finding| (finding.subject, std::cmp::Reverse(finding.level)));
    Ok(CheckReport {
        git_dir: repository.git_dir().to_owned(),
        findings,
    })
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
        let uses_proc_receive = self.check_settings()?;
        self.check_hooks(uses_proc_receive)?;
        self.check_refs()?;
        self.check_objects();
        self.probe_hooks(uses_proc_receive)
    }

    /// Adds a finding that nothing needs to change.
    fn add_good(&mut self, subject: CheckSubject, message: impl Into<String>) {
        self.findings.push(CheckFinding {
            subject,
            level: Level::Good,
            message: message.into(),
            remedy: None,
        });
    }

    /// Adds a finding about a possible improvement.
    fn add_advice(
        &mut self,
        subject: CheckSubject,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add_finding(subject, Level::Advice, message, remedy);
    }

    /// Adds a finding that the repository is not protected.
    fn add_problem(
        &mut self,
        subject: CheckSubject,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add_finding(subject, Level::Problem, message, remedy);
    }

    /// Adds a finding with the command that fixes it.
    fn add_finding(
        &mut self,
        subject: CheckSubject,
        level: Level,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(CheckFinding {
            subject,
            level,
            message: message.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Returns whether no finding about a subject is an advice or a problem.
    fn is_good(&self, subject: CheckSubject) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.subject != subject || finding.level == Level::Good)
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
