//! The repository as commands see it: which remote holds the ledgers, which project and policy are in force, who signs.
//!
//! Everything is found when it is first asked for, so that commands that read work without a network and without a key.

use std::path::PathBuf;
use std::sync::Arc;

pub use super::trouble::problem_line;
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::{Environment, Policy, Standing, nearest};
use crate::domain::state::{Scope, State};
use crate::domain::verdict::{Decision, Verdict};
use crate::git::append::{AppendError, Appended, Draft, Manner, Stopped, View, Writer};
use crate::git::gather::Gatherer;
use crate::git::ledger::{Project, StateReader, Tips};
use crate::git::sync::{Fault, Problem, SyncError, Synced, sync};
use crate::git::{Error as GitError, Repository};
use crate::signing::key::parse_public;
use crate::signing::{Environment as KeyEnvironment, Signer};
use crate::view;

/// git's configuration: the remote that holds the ledgers; empty for none.
pub const REMOTE: &str = "deploy.remote";
/// git's configuration: the file of the secret key.
pub const KEY: &str = "deploy.key";
/// git's configuration: the program that signs instead.
pub const SIGNER: &str = "deploy.signer";
/// git's configuration: that program's public key, or the file it is in.
pub const SIGNER_KEY: &str = "deploy.signerKey";
/// What to type where a key is retired.
const PRESENT_KEY: &str = "git config deploy.key FILE, with the present key";

/// A repository with a project in it.
pub struct Workspace {
    /// The repository.
    pub repository: Repository,
    /// The remote that holds the ledgers, if there is one.
    pub remote: Option<String>,
    /// The project.
    pub project: Project,
    /// The tips of the ledgers.
    pub tips: Tips,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Whether the remote was asked just now, for somebody who writes.
    synced: bool,
}

/// Opens the repository of the working directory.
pub fn open_repository() -> Result<Repository, Failure> {
    let directory = std::env::current_dir().or_fail(Kind::CannotTell, "cannot tell the working directory")?;
    Repository::discover(&directory).map_err(|error| {
        let outside = std::env::var_os("GIT_DIR").is_none()
            && directory.ancestors().all(|it| !it.join(".git").exists())
            || std::env::var_os("GIT_CEILING_DIRECTORIES").is_some();
        match error {
            crate::git::Error::Open { .. } if outside => {
                Failure::new(Kind::CannotTell, "there is no git repository here")
                    .because(format!("neither {} nor a folder above it is one", directory.display()))
                    .hint("cd into a clone, or git deploy -C DIR …")
            }
            error => super::trouble::unreadable(error),
        }
    })
}

/// The remote that holds the ledgers: the one asked for, the configured one, or `origin` where it exists.
pub fn remote(repository: &Repository, context: &Context) -> Result<Option<String>, Failure> {
    let read = |key: &str| repository.config_string(key).or_fail(Kind::CannotTell, "cannot read git's configuration");
    if let Some(name) = context.remote() {
        if repository.has_config(&format!("remote.{name}.url")) {
            return Ok(Some(name.to_owned()));
        }
        return Err(Failure::new(Kind::Usage, format!("there is no remote called {name}")).hint("git remote -v"));
    }
    match read(REMOTE)? {
        Some(name) if name.is_empty() => Ok(None),
        Some(name) if name.starts_with('-') => {
            Err(Failure::new(Kind::Usage, format!("{REMOTE} is not the name of a remote")))
        }
        Some(name) if repository.has_config(&format!("remote.{name}.url")) => Ok(Some(name)),
        Some(name) => Err(Failure::new(
            Kind::Usage,
            format!("there is no remote called {name}, which {REMOTE} says holds the ledgers"),
        )
        .hint("git remote -v")
        .hint(format!("git config {REMOTE} NAME"))),
        None => Ok(repository.has_config("remote.origin.url").then(|| "origin".to_owned())),
    }
}

impl Workspace {
    /// Opens the repository and its project: without a network, unless nothing of the project was ever fetched here.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let repository = open_repository()?;
        let remote = remote(&repository, context)?;
        let unknown =
            repository.tip(&LedgerName::policy()).or_fail(Kind::CannotTell, "cannot read the ledgers")?.is_none();
        if let Some(remote) = remote.as_deref().filter(|_| unknown) {
            let synced = synced(&repository, remote, context)?;
            super::news::trust(&repository, &synced, context)?;
        }
        Self::open_known(repository, remote)
    }

    /// Opens the repository and its project as the remote has it now, so that a person, an environment or a commit that came
    /// meanwhile is known to whoever writes.
    pub fn open_to_write(context: &Context) -> Result<Self, Failure> {
        let repository = open_repository()?;
        let remote = remote(&repository, context)?;
        if let Some(remote) = &remote {
            let synced = synced(&repository, remote, context)?;
            super::news::trust(&repository, &synced, context)?;
        }
        let workspace = Self::open_known(repository, remote)?;
        Ok(Self { synced: true, ..workspace })
    }

    /// Opens the project as far as it is known here.
    pub fn open_known(repository: Repository, remote: Option<String>) -> Result<Self, Failure> {
        let tips = repository.tips().or_fail(Kind::CannotTell, "cannot read the ledgers")?;
        let Some(tip) = tips.get(&LedgerName::policy()).copied() else {
            let failure = Failure::new(Kind::CannotTell, "there is no policy in this repository yet");
            return Err(match remote {
                Some(remote) => failure.because(format!("{remote} has none either")).hint("git deploy init, to begin"),
                None => failure.hint("git deploy init"),
            });
        };
        let project = Project::of_policy(&repository, tip).or_fail(Kind::CannotTell, "cannot read the project")?;
        let pinned = repository.pin().or_fail(Kind::CannotTell, "cannot read the pinned project")?;
        if pinned.is_some_and(|pinned| pinned != project.id) {
            return Err(Failure::new(Kind::CannotTell, "the policy here is not of the project that this clone trusts")
                .hint("git config deploy.root, and compare it with a colleague's"));
        }
        let policy = Gatherer::new(&repository, &project)
            .policy_at(tip)
            .or_fail(Kind::CannotTell, "cannot read the policy in force")?
            .ok_or_else(|| {
                Failure::new(Kind::CannotTell, "no policy was published yet").hint("git deploy policy publish")
            })?;
        Ok(Self { repository, remote, project, tips, policy, synced: false })
    }

    /// Facts from git for this project.
    pub fn gatherer(&self) -> Gatherer<'_> {
        Gatherer::new(&self.repository, &self.project).with_remote(self.remote.as_deref())
    }

    /// An environment that the policy knows, by its name.
    pub fn environment(&self, name: &str) -> Result<(EnvName, &Environment), Failure> {
        let unknown = || {
            let names: Vec<String> = self.policy.all_environments().map(Environment::shown).collect();
            let near =
                nearest(name, names.iter().map(String::as_str)).map_or_else(String::new, |near| format!("; {near}"));
            let known = names.join(", ");
            Failure::new(Kind::Usage, format!("there is no environment {name:?}: the policy knows {known}{near}"))
        };
        let name: EnvName = name.parse().map_err(|_| unknown())?;
        let environment = self.policy.environment(&name).ok_or_else(unknown)?;
        Ok((name, environment))
    }

    /// The environment as a pattern's ledger names it; `None` where the ledger is one environment's.
    pub fn named_in_ledger(name: &EnvName, environment: &Environment) -> Option<EnvName> {
        environment.is_pattern().then(|| name.clone())
    }

    /// The state of a ledger; empty where it does not exist yet.
    pub fn state(&self, ledger: &LedgerName, scope: &Scope) -> Result<State, Failure> {
        let load = || -> crate::git::Result<State> {
            let Some(tip) = self.tips.get(ledger) else { return Ok(State::empty()) };
            let tree = self.repository.read_commit(tip.0)?.tree;
            StateReader::to_show(&self.repository).load(tree, ledger, scope)
        };
        load().or_fail(Kind::CannotTell, format!("cannot read the ledger {ledger}"))
    }

    /// Who signs here, and with what: somebody of the policy, with a key of today or a retired one.
    fn listed(&self) -> Result<(Person, Signer, Standing), Failure> {
        let signer = find_signer(&self.repository)?;
        let key = signer.public_key();
        match self.policy.person_of_key(&key) {
            Some((person, standing)) => Ok((person.clone(), signer, standing)),
            None => Err(Failure::new(Kind::Denied, format!("the policy lists nobody with the key {key}"))
                .hint("add it under [people] in deploy.toml, then git deploy policy publish")),
        }
    }

    /// Who signs here something new, and with what.
    pub fn signer(&self) -> Result<(Person, Signer), Failure> {
        match self.listed()? {
            (person, signer, Standing::Current) => Ok((person, signer)),
            (person, _, Standing::Retired) => {
                Err(Failure::new(Kind::Denied, format!("this key of {person} is retired: it signs nothing new"))
                    .hint(PRESENT_KEY))
            }
        }
    }

    /// Writes one entry, or only tries it; a refusal is printed and becomes a failure.
    pub fn append(
        &self,
        context: &Context,
        ledger: &LedgerName,
        manner: Manner,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, Failure>,
    ) -> Result<Appended, Failure> {
        // A retired key may end its open run, and the rules say what else it may not.
        let (person, signer, standing) = self.listed()?;
        let appended = self.append_as(context, (&person, &signer), ledger, manner, draft);
        appended.map_err(|failure| match standing {
            Standing::Current => failure,
            Standing::Retired => failure.hint(PRESENT_KEY),
        })
    }

    /// The same, signed by somebody whom the policy in force need not list.
    pub fn append_as(
        &self,
        context: &Context,
        (person, signer): (&Person, &Signer),
        ledger: &LedgerName,
        manner: Manner,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, Failure>,
    ) -> Result<Appended, Failure> {
        self.writer(person, Some(signer), manner).append(ledger, draft).map_err(|error| explain(context, error))
    }

    /// What the rules would say of an entry, on the ledgers as of the last fetch; nothing is signed or written.
    pub fn ask(
        &self,
        context: &Context,
        person: &Person,
        ledger: &LedgerName,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, Failure>,
    ) -> Result<(Statement, Verdict), Failure> {
        let manner = Manner { dry_run: true, ..Manner::default() };
        self.writer(person, None, manner).ask(ledger, draft).map_err(|error| explain(context, error))
    }

    fn writer<'a>(&'a self, person: &'a Person, signer: Option<&'a Signer>, manner: Manner) -> Writer<'a> {
        Writer {
            repository: &self.repository,
            project: &self.project,
            remote: self.remote.as_deref(),
            person,
            signer,
            manner,
            synced: self.synced,
        }
    }
}

/// The file of the key that is used where nothing else is configured.
pub fn default_key() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("git-deploy").join("deploy.key"))
}

/// Finds what signs: the environment's key, the configured program, the configured file, the default file.
pub fn find_signer(repository: &Repository) -> Result<Signer, Failure> {
    let read = |key: &str| repository.config_string(key).or_fail(Kind::CannotTell, "cannot read git's configuration");
    let cannot = "cannot use the signing key";
    let environment = KeyEnvironment::read().or_fail(Kind::CannotTell, cannot)?;
    if let Some(signer) = Signer::from_environment(&environment).or_fail(Kind::CannotTell, cannot)? {
        return Ok(signer);
    }
    if let Some(program) = read(SIGNER)? {
        let hint = "git config deploy.signerKey RW…";
        let missing = || {
            Failure::new(Kind::Usage, format!("{SIGNER} is set, and {SIGNER_KEY} is not: whose signature will it be?"))
                .hint(hint)
        };
        let text = read(SIGNER_KEY)?.ok_or_else(missing)?;
        let text = std::fs::read_to_string(&text).unwrap_or(text);
        let key = parse_public(&text).or_fail(Kind::Usage, format!("{SIGNER_KEY} is not a public key"))?;
        return Ok(Signer::from_program(PathBuf::from(program), key));
    }
    let file = match read(KEY)? {
        Some(file) => PathBuf::from(file),
        None => default_key().filter(|file| file.exists()).ok_or_else(|| {
            Failure::new(Kind::CannotTell, "there is no key to sign with")
                .hint("git deploy key new")
                .hint("git config deploy.key FILE")
        })?,
    };
    let prompt = || {
        rpassword::prompt_password(format!("Password of {}: ", file.display()))
            .map_err(|_| std::io::Error::other("there is no terminal to type it at"))
    };
    Signer::from_file(&file, &environment, prompt).map_err(|error| super::trouble::unusable_key(&file, error))
}

/// Says why an entry was not written, in the words and with the exit code of the reason.
pub fn explain(context: &Context, stopped: Stopped<Failure>) -> Failure {
    let error = match stopped {
        Stopped::Draft(failure) => return failure,
        Stopped::Append(error) => error,
    };
    match error {
        AppendError::Refused(refusal) => {
            let place = refusal
                .statement
                .environment()
                .map_or_else(|| refusal.statement.ledger.to_string(), |name| name.to_string());
            let (kind, words) = match refusal.verdict.decision() {
                Decision::CannotTell => {
                    (Kind::CannotTell, "cannot tell whether the rules allow it: nothing was written to")
                }
                _ => (Kind::Denied, "the rules do not allow it: nothing was written to"),
            };
            for line in view::verdict::lines(&refusal.verdict, false, context.width()) {
                context.note(line);
            }
            Failure::new(kind, format!("{words} {place}")).verdict(refusal.verdict)
        }
        AppendError::Rejected(messages) => {
            for line in &messages {
                context.remote_said(line);
            }
            Failure::new(Kind::Denied, "the remote refused the entry: nothing was written").details(messages)
        }
        AppendError::Doubted(messages) => {
            for line in &messages {
                context.remote_said(line);
            }
            Failure::new(Kind::CannotTell, "the remote cannot tell whether the entry may go in: nothing was written")
                .details(messages)
        }
        AppendError::Unanswered(messages) => {
            for line in &messages {
                context.note(line);
            }
            Failure::new(Kind::CannotTell, "the remote did not answer, so the entry may be there or not")
                .hint("git deploy sync")
                .details(messages)
        }
        AppendError::Sync(error) => unsynced(context, error),
        AppendError::Busy => Failure::new(Kind::CannotTell, "others were always faster: nothing was written")
            .hint("the same command again"),
        AppendError::Unpushed(messages) => {
            Failure::new(Kind::CannotTell, "git cannot push to the remote: nothing was written")
                .because(messages.join("\n"))
                .hint("git remote -v, and whether you may push there")
        }
        AppendError::Git(GitError::Locked(lock)) => super::trouble::locked(&lock),
        AppendError::Git(GitError::Mirror(remote)) => {
            let hint = format!("git config --unset remote.{remote}.mirror");
            Failure::new(Kind::CannotTell, GitError::Mirror(remote).to_string()).hint(hint)
        }
        AppendError::Sign(error) => {
            Failure::new(Kind::CannotTell, "the entry could not be signed: nothing was written")
                .because(error)
                .hint("git config deploy.signer, and whether that program signs by hand")
        }
        other => Failure::new(Kind::CannotTell, "cannot write the entry").because(other),
    }
}

/// Brings the ledgers up to date, and says why that cannot be where they were made without a server.
pub fn synced(repository: &Repository, remote: &str, context: &Context) -> Result<Synced, Failure> {
    let cannot = "cannot read what is here";
    let tips = repository.tips().or_fail(Kind::CannotTell, cannot)?;
    let configured = repository.config_string(REMOTE).or_fail(Kind::CannotTell, cannot)?;
    sync(repository, remote).map_err(|error| {
        let none_there = match &error {
            SyncError::Problems(problems) => {
                problems.len() == tips.len() && problems.iter().all(|it| it.fault == Fault::Deleted)
            }
            _ => false,
        };
        let anew = format!("git deploy init, in a new clone of {remote}: the ledgers begin anew there");
        match configured.as_deref() {
            Some("") if none_there => {
                let root = repository.pin().ok().flatten().map_or_else(|| "ID".to_owned(), |root| root.to_string());
                let words = "the ledgers here were made without a server: they come to one by a copy, not by a push";
                let fetch =
                    "git -C REPOSITORY fetch COPY 'refs/deploy/*:refs/deploy/*', from a copy of this repository";
                Failure::new(Kind::Denied, words)
                    .because("a server judges what is pushed by its own clock, and audits a copy instead")
                    .hint(format!("on the server: {fetch}"))
                    .hint(format!("on the server: git-deploy server adopt REPOSITORY --root {root}"))
                    .hint(format!("git deploy init --remote {remote}, after that"))
                    .hint(anew)
            }
            // Nobody has said that there is no server, so it may as well have lost them.
            None if none_there => unsynced(context, error)
                .hint("where they were made without a server, to go on so: git config deploy.remote \"\"")
                .hint(anew),
            _ => unsynced(context, error),
        }
    })
}

/// Says why the remote's ledgers are not believed.
pub fn unsynced(context: &Context, error: SyncError) -> Failure {
    match error {
        SyncError::Shallow(problems) => {
            for problem in &problems {
                context.mention(problem_line(problem));
            }
            super::trouble::shallow()
        }
        SyncError::Problems(problems) if problems.iter().all(Problem::is_open) => {
            for problem in &problems {
                context.mention(problem_line(problem));
            }
            super::trouble::unverifiable(&problems)
        }
        SyncError::Fetch { remote, source } => {
            Failure::new(Kind::CannotTell, format!("cannot fetch from {remote}: nothing was changed"))
                .because(source)
                .hint(format!("git ls-remote {remote}, to see whether it answers"))
        }
        SyncError::Git(GitError::Locked(lock)) => super::trouble::locked(&lock),
        SyncError::Problems(problems) => {
            for problem in &problems {
                context.mention(problem_line(problem));
                if let Fault::Unverified { verdict, .. } = &problem.fault {
                    for line in view::verdict::lines(verdict, false, context.width()) {
                        context.note(line);
                    }
                }
            }
            let words = "the remote's ledgers are not to be believed; the last good ones are kept here";
            let failure = Failure::new(Kind::Denied, words);
            let recovered = super::trouble::recovered(&problems);
            let failure = recovered.into_iter().fold(failure, Failure::hint).hint("git deploy audit");
            failure.details(problems.iter().map(problem_line))
        }
        SyncError::OtherProject { .. } => Failure::new(Kind::Denied, "the remote holds another project's ledgers")
            .because(error)
            .hint("git config deploy.root, and compare it with a colleague's"),
        other => Failure::new(Kind::CannotTell, "cannot bring the ledgers up to date").because(other),
    }
}

/// Short form of an entry for people: `prod@3f2a9c1e77`, as the notes write it.
pub fn entry_name(ledger: &LedgerName, id: EntryId) -> String {
    format!("{ledger}@{}", id.0.prefix(10))
}
