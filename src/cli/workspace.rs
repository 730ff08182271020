//! The repository as commands see it: the remote that holds the ledgers, the project, the policy in
//! force, and the signer.
//!
//! Everything is looked up on first use, so reading commands need neither a network nor a key.

use std::sync::Arc;

use super::append_error::{explain, synced};
pub use super::diagnostics::problem_line;
use super::key_lookup::find_signer;
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::{Environment, Policy, Standing, nearest};
use crate::domain::state::{Scope, State};
use crate::domain::verdict::Verdict;
use crate::git::Repository;
use crate::ledger::facts::Gatherer;
use crate::ledger::writer::{Appended, Draft, Manner, View, Writer};
use crate::ledger::{Project, StateReader, Tips};
use crate::signing::Signer;

/// The git setting with the remote that holds the ledgers. Empty for none.
pub const REMOTE: &str = "deploy.remote";
/// The hint for a retired key.
const PRESENT_KEY: &str = "git config deploy.key FILE, with the present key";

/// A repository with a project.
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
    /// Whether the ledgers were just synced, before writing.
    synced: bool,
}

/// Opens the repository of the working directory.
pub fn open_repository() -> Result<Repository, Failure> {
    let directory =
        std::env::current_dir().or_fail(Kind::CannotTell, "cannot tell the working directory")?;
    Repository::discover(&directory).map_err(|error| {
        let outside = std::env::var_os("GIT_DIR").is_none()
            && directory.ancestors().all(|it| !it.join(".git").exists())
            || std::env::var_os("GIT_CEILING_DIRECTORIES").is_some();
        match error {
            crate::git::Error::Open { .. } if outside => {
                Failure::new(Kind::CannotTell, "there is no git repository here")
                    .because(format!(
                        "neither {} nor a folder above it is one",
                        directory.display()
                    ))
                    .hint("cd into a clone, or git deploy -C DIR …")
            }
            error => super::diagnostics::unreadable(error),
        }
    })
}

/// Returns the remote that holds the ledgers: that of `--remote`, the configured one, or `origin`
/// if it exists.
///
/// # Errors
///
/// Fails if the named or configured remote does not exist.
pub fn remote(repository: &Repository, context: &Context) -> Result<Option<String>, Failure> {
    let read = |key: &str| {
        repository
            .config_string(key)
            .or_fail(Kind::CannotTell, "cannot read git's configuration")
    };
    if let Some(name) = context.remote() {
        if repository.has_config(&format!("remote.{name}.url")) {
            return Ok(Some(name.to_owned()));
        }
        return Err(
            Failure::new(Kind::Usage, format!("there is no remote called {name}"))
                .hint("git remote -v"),
        );
    }
    match read(REMOTE)? {
        Some(name) if name.is_empty() => Ok(None),
        Some(name) if name.starts_with('-') => Err(Failure::new(
            Kind::Usage,
            format!("{REMOTE} is not the name of a remote"),
        )),
        Some(name) if repository.has_config(&format!("remote.{name}.url")) => Ok(Some(name)),
        Some(name) => Err(Failure::new(
            Kind::Usage,
            format!("there is no remote called {name}, which {REMOTE} says holds the ledgers"),
        )
        .hint("git remote -v")
        .hint(format!("git config {REMOTE} NAME"))),
        None => Ok(repository
            .has_config("remote.origin.url")
            .then(|| "origin".to_owned())),
    }
}

impl Workspace {
    /// Opens the repository and its project. Uses the network only if the project was never fetched
    /// here.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let repository = open_repository()?;
        let remote = remote(&repository, context)?;
        let unknown = repository
            .tip(&LedgerName::policy())
            .or_fail(Kind::CannotTell, "cannot read the ledgers")?
            .is_none();
        if let Some(remote) = remote.as_deref().filter(|_| unknown) {
            let synced = synced(&repository, remote, context)?;
            super::sync_report::trust(&repository, &synced, context)?;
        }
        Self::open_known(repository, remote)
    }

    /// Syncs with the remote and opens the repository, so that new people, environments and commits
    /// are known before an entry is written.
    pub fn open_to_write(context: &Context) -> Result<Self, Failure> {
        let repository = open_repository()?;
        let remote = remote(&repository, context)?;
        if let Some(remote) = &remote {
            let synced = synced(&repository, remote, context)?;
            super::sync_report::trust(&repository, &synced, context)?;
        }
        let workspace = Self::open_known(repository, remote)?;
        Ok(Self {
            synced: true,
            ..workspace
        })
    }

    /// Opens the project as it is known here, without a network.
    ///
    /// # Errors
    ///
    /// Fails if there is no policy, or if the project is not the pinned one.
    pub fn open_known(repository: Repository, remote: Option<String>) -> Result<Self, Failure> {
        let tips = repository
            .tips()
            .or_fail(Kind::CannotTell, "cannot read the ledgers")?;
        let Some(tip) = tips.get(&LedgerName::policy()).copied() else {
            let failure = Failure::new(
                Kind::CannotTell,
                "there is no policy in this repository yet",
            );
            return Err(match remote {
                Some(remote) => failure
                    .because(format!("{remote} has none either"))
                    .hint("git deploy init, to begin"),
                None => failure.hint("git deploy init"),
            });
        };
        let project = Project::of_policy(&repository, tip)
            .or_fail(Kind::CannotTell, "cannot read the project")?;
        let pinned = repository
            .pin()
            .or_fail(Kind::CannotTell, "cannot read the pinned project")?;
        if pinned.is_some_and(|pinned| pinned != project.id) {
            return Err(Failure::new(
                Kind::CannotTell,
                "the policy here is not of the project that this clone trusts",
            )
            .hint("git config deploy.root, and compare it with a colleague's"));
        }
        let policy = Gatherer::new(&repository, &project)
            .policy_at(tip)
            .or_fail(Kind::CannotTell, "cannot read the policy in force")?
            .ok_or_else(|| {
                Failure::new(Kind::CannotTell, "no policy was published yet")
                    .hint("git deploy policy publish")
            })?;
        Ok(Self {
            repository,
            remote,
            project,
            tips,
            policy,
            synced: false,
        })
    }

    /// Returns a reader of the facts about this project.
    pub fn gatherer(&self) -> Gatherer<'_> {
        Gatherer::new(&self.repository, &self.project).with_remote(self.remote.as_deref())
    }

    /// Finds an environment of the policy by its name.
    ///
    /// # Errors
    ///
    /// Fails if there is none, and suggests a similar name.
    pub fn environment(&self, name: &str) -> Result<(EnvName, &Environment), Failure> {
        let unknown = || {
            let names: Vec<String> = self
                .policy
                .all_environments()
                .map(Environment::shown)
                .collect();
            let near = nearest(name, names.iter().map(String::as_str))
                .map_or_else(String::new, |near| format!("; {near}"));
            let known = names.join(", ");
            Failure::new(
                Kind::Usage,
                format!("there is no environment {name:?}: the policy knows {known}{near}"),
            )
        };
        let name: EnvName = name.parse().map_err(|_| unknown())?;
        let environment = self.policy.environment(&name).ok_or_else(unknown)?;
        Ok((name, environment))
    }

    /// Returns the name of an environment as the ledger of its pattern records it. Returns `None`
    /// if the environment has a ledger of its own.
    pub fn named_in_ledger(name: &EnvName, environment: &Environment) -> Option<EnvName> {
        environment.is_pattern().then(|| name.clone())
    }

    /// Reads the state of a ledger. Returns the empty state if the ledger does not exist yet.
    pub fn state(&self, ledger: &LedgerName, scope: &Scope) -> Result<State, Failure> {
        let load = || -> crate::git::Result<State> {
            let Some(tip) = self.tips.get(ledger) else {
                return Ok(State::empty());
            };
            let tree = self.repository.read_commit(tip.0)?.tree;
            StateReader::to_show(&self.repository).load(tree, ledger, scope)
        };
        load().or_fail(Kind::CannotTell, format!("cannot read the ledger {ledger}"))
    }

    /// Returns the person who signs here, the signer, and whether the key is current or retired.
    ///
    /// # Errors
    ///
    /// Fails if the policy does not list the key.
    fn listed(&self) -> Result<(Person, Signer, Standing), Failure> {
        let signer = find_signer(&self.repository)?;
        let key = signer.public_key();
        match self.policy.person_of_key(&key) {
            Some((person, standing)) => Ok((person.clone(), signer, standing)),
            None => Err(Failure::new(
                Kind::Denied,
                format!("the policy lists nobody with the key {key}"),
            )
            .hint("add it under [people] in deploy.toml, then git deploy policy publish")),
        }
    }

    /// Returns the person and the signer for a new entry.
    ///
    /// # Errors
    ///
    /// Fails if the key is retired.
    pub fn signer(&self) -> Result<(Person, Signer), Failure> {
        match self.listed()? {
            (person, signer, Standing::Current) => Ok((person, signer)),
            (person, _, Standing::Retired) => Err(Failure::new(
                Kind::Denied,
                format!("this key of {person} is retired: it signs nothing new"),
            )
            .hint(PRESENT_KEY)),
        }
    }

    /// Writes one entry, or only checks it in a dry run. Prints the verdict if the rules refuse it.
    pub fn append(
        &self,
        context: &Context,
        ledger: &LedgerName,
        manner: Manner,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, Failure>,
    ) -> Result<Appended, Failure> {
        // A retired key may still end its own open run. The rules decide what else it may do.
        let (person, signer, standing) = self.listed()?;
        let appended = self.append_as(context, (&person, &signer), ledger, manner, draft);
        appended.map_err(|failure| match standing {
            Standing::Current => failure,
            Standing::Retired => failure.hint(PRESENT_KEY),
        })
    }

    /// Writes one entry signed by a person whom the policy in force need not list.
    pub fn append_as(
        &self,
        context: &Context,
        (person, signer): (&Person, &Signer),
        ledger: &LedgerName,
        manner: Manner,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, Failure>,
    ) -> Result<Appended, Failure> {
        self.writer(person, Some(signer), manner)
            .append(ledger, draft)
            .map_err(|error| explain(context, error))
    }

    /// Asks the rules about an entry, on the ledgers as of the last fetch. Signs and writes
    /// nothing.
    pub fn ask(
        &self,
        context: &Context,
        person: &Person,
        ledger: &LedgerName,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, Failure>,
    ) -> Result<(Statement, Verdict), Failure> {
        let manner = Manner {
            dry_run: true,
            ..Manner::default()
        };
        self.writer(person, None, manner)
            .ask(ledger, draft)
            .map_err(|error| explain(context, error))
    }

    fn writer<'a>(
        &'a self,
        person: &'a Person,
        signer: Option<&'a Signer>,
        manner: Manner,
    ) -> Writer<'a> {
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

/// Formats the short name of an entry as the notes write it: `prod@3f2a9c1e77`.
pub fn entry_name(ledger: &LedgerName, id: EntryId) -> String {
    format!("{ledger}@{}", id.0.prefix(10))
}
