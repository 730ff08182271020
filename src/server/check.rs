//! Whether a repository is really protected: what an operator would have to look at, looked at, and the hooks tried by a real push.
//!
//! Nothing is changed: the push is one that must be refused. Each finding comes with what to type about it.

mod files;
mod hooks;
mod probe;
mod refs;
mod settings;

use std::path::{Path, PathBuf};

use crate::git::{self, Error, Repository};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// It protects, and could be better.
    Advice,
    /// It does not protect.
    Bad,
}

/// What is looked at, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Whose files they are, and who may change them.
    Files,
    /// The hooks.
    Hooks,
    /// The configuration.
    Settings,
    /// The refs.
    Refs,
    /// Where the objects are.
    Objects,
    /// A push that must be refused.
    Probe,
}

impl About {
    /// Its word.
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

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub about: About,
    /// How much it matters.
    pub level: Level,
    /// What was found, in one line.
    pub what: String,
    /// What to type about it.
    pub remedy: Option<String>,
}

/// What was found, in the order of [`About`].
#[derive(Debug)]
pub struct Checked {
    /// The git folder.
    pub git_dir: PathBuf,
    /// All findings.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether nothing is bad.
    pub fn is_protected(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.level != Level::Bad)
    }
}

/// Looks at a repository: a bare one, or the top of a worktree. `program` is the one that its hooks should call.
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
    // Of one thing the worst comes first.
    findings.sort_by_key(|finding| (finding.about, std::cmp::Reverse(finding.level)));
    Ok(Checked {
        git_dir: repository.git_dir().to_owned(),
        findings,
    })
}

/// Opens a bare repository, or the one of a worktree's top.
pub fn open(path: &Path) -> git::Result<Repository> {
    match Repository::open(path) {
        Err(error @ Error::Open { .. }) => Repository::open(&path.join(".git")).map_err(|_| error),
        other => other,
    }
}

/// Looks at one repository and writes down what it finds.
struct Inspector<'a> {
    repository: &'a Repository,
    program: &'a Path,
    /// The repository's path as a shell takes it.
    shown: String,
    findings: Vec<Finding>,
}

impl Inspector<'_> {
    fn look(&mut self) -> git::Result<()> {
        self.files();
        let carried_out = self.settings()?;
        self.hooks(carried_out)?;
        self.refs()?;
        self.objects();
        self.probe(carried_out)
    }

    fn good(&mut self, about: About, what: impl Into<String>) {
        self.findings.push(Finding {
            about,
            level: Level::Good,
            what: what.into(),
            remedy: None,
        });
    }

    fn advise(&mut self, about: About, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding {
            about,
            level: Level::Advice,
            what: what.into(),
            remedy: Some(remedy.into()),
        });
    }

    fn bad(&mut self, about: About, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding {
            about,
            level: Level::Bad,
            what: what.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Whether nothing but good was found about something.
    fn is_well(&self, about: About) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.about != about || finding.level == Level::Good)
    }

    /// A git command in this repository, for typing.
    fn git(&self, command: &str) -> String {
        format!("git -C {} {command}", self.shown)
    }

    /// The command that installs.
    fn install(&self) -> String {
        format!("git-deploy server init {}", self.shown)
    }
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+@:,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
