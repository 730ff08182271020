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

use crate::git::{self, Error, Repository};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is as it should be.
    Good,
    /// The repository is protected, but this can be improved.
    Advice,
    /// The repository is not protected.
    Bad,
}

/// The subject of a finding, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
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

impl About {
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
pub struct Finding {
    /// The subject.
    pub about: About,
    /// The severity.
    pub level: Level,
    /// The finding, in one line.
    pub what: String,
    /// The command that fixes it.
    pub remedy: Option<String>,
}

/// The result of a check, in the order of [`About`].
#[derive(Debug)]
pub struct Checked {
    /// The git folder.
    pub git_dir: PathBuf,
    /// All findings.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Returns whether no finding says that the repository is unprotected.
    pub fn is_protected(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.level != Level::Bad)
    }
}

/// Checks a repository: a bare one, or the top of a worktree. `program` is the one that its hooks
/// should call.
///
/// # Errors
/// There is no repository, or it cannot be read.
pub fn check(path: &Path, program: &Path) -> git::Result<Checked> {
    let repository = open(path)?;
    let mut inspector = Inspector {
        shown: quoted(path),
        program,
        repository: &repository,
        findings: Vec::new(),
    };
    inspector.look()?;
    let mut findings = inspector.findings;
    // Within a subject, the worst comes first.
    findings.sort_by_key(|finding| (finding.about, std::cmp::Reverse(finding.level)));
    Ok(Checked {
        git_dir: repository.git_dir().to_owned(),
        findings,
    })
}

/// Opens a bare repository, or the one of a worktree's top folder.
pub fn open(path: &Path) -> git::Result<Repository> {
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
    shown: String,
    findings: Vec<Finding>,
}

impl Inspector<'_> {
    /// Runs all checks.
    fn look(&mut self) -> git::Result<()> {
        self.files();
        let carried_out = self.settings()?;
        self.hooks(carried_out)?;
        self.refs()?;
        self.objects();
        self.probe(carried_out)
    }

    /// Adds a finding that something is as it should be.
    fn good(&mut self, about: About, what: impl Into<String>) {
        self.findings.push(Finding {
            about,
            level: Level::Good,
            what: what.into(),
            remedy: None,
        });
    }

    /// Adds a finding about a possible improvement.
    fn advise(&mut self, about: About, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding {
            about,
            level: Level::Advice,
            what: what.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Adds a finding that the repository is not protected.
    fn bad(&mut self, about: About, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding {
            about,
            level: Level::Bad,
            what: what.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Returns whether everything found about a subject is good.
    fn is_well(&self, about: About) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.about != about || finding.level == Level::Good)
    }

    /// Returns a git command for this repository, ready to type.
    fn git(&self, command: &str) -> String {
        format!("git -C {} {command}", self.shown)
    }

    /// Returns the command that installs the hooks.
    fn install(&self) -> String {
        format!("git-deploy server init {}", self.shown)
    }
}

/// Quotes a path as one word for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+@:,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
