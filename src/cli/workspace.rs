//! The repository as commands see it: the remote that holds the ledgers, the project, the policy in
//! force, and the signer.
//!
//! The signing key is opened only to write an entry, so reading commands need no key. They need a
//! network only if the project was never fetched.

use std::sync::Arc;

use super::append_error::{explain_append_error, sync_usable_ledgers};
use super::exposed_secrets::refuse_exposed_secrets;
use super::key_lookup::{find_public_key, find_source, open_signer};
use super::ledger_problems::report_misnamed;
use super::repository::{find_remote, hint_unused_remotes, open_repository};
use super::unverified_ledgers::{
    describe_local_problem, explain_local_error, suggest_local_remedies,
};
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, Statement};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, NameError, Person};
use crate::domain::policy::{Environment, KeyStatus, Policy, suggest_nearest};
use crate::domain::state::{Scope, State};
use crate::domain::verdict::Verdict;
use crate::git::Repository;
use crate::ledger::facts::FactGatherer;
use crate::ledger::local_ledgers::LocalLedgers;
use crate::ledger::sync::LedgerProblem;
use crate::ledger::writer::{
    AppendOptions, AppendedEntry, EntryDraft, LedgerSnapshot, LedgerWriter,
};
use crate::ledger::{Project, StateReader, Tips};
use crate::run::deployment_inputs::DeploymentInputs;
use crate::run::preview::Previewer;
use crate::signing::Signer;
use crate::view::grouping;

/// The hint for a retired key.
const RETIRED_KEY_HINT: &str = "with the current key: git config deploy.key FILE";

/// A repository with a project.
pub struct Workspace {
    /// The repository.
    pub repository: Repository,
    /// The remote that holds the ledgers, if there is one.
    pub remote: Option<String>,
    /// The project.
    pub project: Project,
    /// The ledgers, as far as they are verified.
    ledgers: LocalLedgers,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Whether the ledgers were just synced, before writing.
    is_synced: bool,
}

impl Workspace {
    /// Opens the repository and its project. Uses the network only if the project was never fetched
    /// in this clone.
    pub fn open(ui: &Ui) -> Result<Self, CliError> {
        let repository = open_repository()?;
        let remote = find_remote(&repository, ui)?;
        // If the ref is broken, the project was fetched; what follows reports it.
        let was_never_fetched = matches!(repository.tip(&LedgerName::policy()), Ok(None));
        if let Some(remote) = remote.as_deref().filter(|_| was_never_fetched) {
            let synced = sync_usable_ledgers(&repository, remote, ui)?;
            super::sync_report::report_trust(&repository, &synced, ui)?;
            super::sync_report::report_restored(&synced, ui);
        }
        let workspace = Self::open_offline(repository, remote)?;
        workspace.warn_about_unverified(ui);
        Ok(workspace)
    }

    /// Syncs with the remote and opens the repository, so that new people, environments and commits
    /// are known before an entry is written.
    pub fn open_to_write(ui: &Ui) -> Result<Self, CliError> {
        let repository = open_repository()?;
        let remote = find_remote(&repository, ui)?;
        if let Some(remote) = &remote {
            let synced = sync_usable_ledgers(&repository, remote, ui)?;
            super::sync_report::report_trust(&repository, &synced, ui)?;
            super::sync_report::report_restored(&synced, ui);
        }
        let workspace = Self::open_offline(repository, remote)?;
        workspace.warn_about_unverified(ui);
        Ok(Self {
            is_synced: true,
            ..workspace
        })
    }

    /// Syncs again, and returns the project as it is now. Git's configuration stays frozen if it is.
    pub fn resync(&self, ui: &Ui) -> Result<Self, CliError> {
        if let Some(remote) = &self.remote {
            sync_usable_ledgers(&self.repository, remote, ui)?;
        }
        let repository = self.repository.share().fork();
        let workspace = Self::open_offline(repository, self.remote.clone())?;
        Ok(Self {
            is_synced: true,
            ..workspace
        })
    }

    /// Opens the project as this clone has it, without a network.
    ///
    /// # Errors
    ///
    /// Fails if there is no policy, or if the project is not the pinned one.
    pub fn open_offline(repository: Repository, remote: Option<String>) -> Result<Self, CliError> {
        let ledgers = repository
            .local_ledgers()
            .map_err(|error| explain_local_error(&repository, error))?;
        ledgers
            .require([&LedgerName::policy()])
            .map_err(|error| explain_local_error(&repository, error))?;
        let Some(tip) = ledgers.tips.get(&LedgerName::policy()).copied() else {
            let failure = CliError::new(
                ErrorKind::CannotTell,
                "there is no policy in this repository yet",
            );
            return Err(match remote {
                Some(remote) => failure
                    .because(format!("{remote} has none either"))
                    .hint("git deploy init"),
                None => hint_unused_remotes(&repository, failure),
            });
        };
        let project = Project::from_policy_tip(&repository, tip)
            .context(ErrorKind::CannotTell, "cannot read the project")?;
        let pinned = repository
            .pinned_project()
            .context(ErrorKind::CannotTell, "cannot read the pinned project")?;
        if pinned.is_some_and(|pinned| pinned != project.id) {
            return Err(CliError::new(
                ErrorKind::CannotTell,
                "the policy here belongs to another project than the one that this clone trusts",
            )
            .hint("compare with a colleague's clone: git config deploy.root"));
        }
        let policy = FactGatherer::new(&repository, &project)
            .policy_at(tip)
            .context(ErrorKind::CannotTell, "cannot read the policy in force")?
            .ok_or_else(|| {
                CliError::new(ErrorKind::CannotTell, "no policy was published yet")
                    .hint("git deploy policy publish")
            })?;
        Ok(Self {
            repository,
            remote,
            project,
            ledgers,
            policy,
            is_synced: false,
        })
    }

    /// Prints which ledgers are left out because their refs are not verified, and how to fix that.
    fn warn_about_unverified(&self, ui: &Ui) {
        report_misnamed(ui, &self.repository.find_misnamed_ledger_refs());
        for problem in self.unverified_ledgers() {
            ui.eprint_warning(describe_local_problem(problem));
        }
        for hint in suggest_local_remedies(&self.repository, self.unverified_ledgers()) {
            ui.eprint(format_args!("  → {hint}"));
        }
    }

    /// Returns a reader of the facts about this project.
    pub fn gatherer(&self) -> FactGatherer<'_> {
        FactGatherer::new(&self.repository, &self.project)
            .with_remote(self.remote.as_deref())
            .with_unverified(self.ledgers.unverified())
    }

    /// Returns a previewer, which evaluates the rules for a start without writing it.
    pub fn previewer(&self) -> Previewer<'_> {
        Previewer {
            inputs: DeploymentInputs::default(),
            requested_by: None,
            break_glass: None,
            description: None,
            ttl: None,
            repository: &self.repository,
            project: &self.project,
            remote: self.remote.as_deref(),
        }
    }

    /// Returns the verified tips of the ledgers.
    pub fn tips(&self) -> &Tips {
        &self.ledgers.tips
    }

    /// Returns the ledgers whose refs are not verified, which are left out.
    pub fn unverified_ledgers(&self) -> &[LedgerProblem] {
        &self.ledgers.problems
    }

    /// Returns the tip of a ledger, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Fails if its ref is not verified.
    pub fn tip(&self, ledger: &LedgerName) -> crate::git::Result<Option<EntryId>> {
        self.ledgers.tip(ledger)
    }

    /// Finds an environment of the policy by its name.
    ///
    /// # Errors
    ///
    /// Fails if there is none, and suggests a similar name, or names what no environment's name may
    /// have.
    pub fn find_environment(&self, name: &str) -> Result<(EnvRef, &Environment), CliError> {
        let unknown = || {
            let names: Vec<String> = self
                .policy
                .all_environments()
                .map(Environment::display_name)
                .collect();
            let suggestion = suggest_nearest(name, names.iter().map(String::as_str))
                .map_or_else(String::new, |nearest| format!("; {nearest}"));
            let list = names.join(", ");
            CliError::new(
                ErrorKind::Usage,
                format!("there is no environment {name:?}: the policy has {list}{suggestion}"),
            )
        };
        let name: EnvName = name.parse().map_err(|error: NameError| {
            // A pattern is no help to someone who typed the name of one of its environments.
            let declared = self.policy.environments.keys().map(EnvName::as_str);
            if name.is_empty() || suggest_nearest(name, declared).is_some() {
                return unknown();
            }
            CliError::new(
                ErrorKind::Usage,
                format!("no environment can have this name: {error}"),
            )
        })?;
        EnvRef::find(&self.policy, &name).ok_or_else(unknown)
    }

    /// Reads the state of a ledger. Returns the empty state if the ledger does not exist yet.
    pub fn read_state(&self, ledger: &LedgerName, scope: &Scope) -> Result<State, CliError> {
        let load = || -> crate::git::Result<State> {
            let Some(tip) = self.tip(ledger)? else {
                return Ok(State::empty());
            };
            let tree = self.repository.read_commit(tip.0)?.tree;
            StateReader::for_display(&self.repository).load(tree, ledger, scope)
        };
        load().context(
            ErrorKind::CannotTell,
            format!("cannot read the ledger {ledger}"),
        )
    }

    /// Returns the person who signs here, the signer, and whether the signer's key is current or
    /// retired.
    ///
    /// # Errors
    ///
    /// Fails if the policy does not list the key.
    fn find_listed_signer(&self) -> Result<(Person, Signer, KeyStatus), CliError> {
        let signer = open_signer(&self.repository)?;
        let key = signer.public_key();
        let (person, status) = self.find_owner(&key)?;
        Ok((person, signer, status))
    }

    /// Returns the person who signs here, by the public key. Does not open the secret key if the
    /// public one can be read.
    pub fn identify_signer(&self) -> Result<Person, CliError> {
        let repository = Some(&self.repository);
        let key = find_public_key(repository, &find_source(repository)?)?;
        Ok(self.find_owner(&key)?.0)
    }

    /// Returns the owner of a key, and whether the key is current or retired.
    ///
    /// # Errors
    ///
    /// Fails if the policy does not list the key.
    fn find_owner(&self, key: &PublicKey) -> Result<(Person, KeyStatus), CliError> {
        match self.policy.person_of_key(key) {
            Some((person, status)) => Ok((person.clone(), status)),
            None => Err(CliError::new(
                ErrorKind::Denied,
                format!("the policy does not list the key {key}"),
            )
            .because(format!(
                "{} can add it under [people] in deploy.toml",
                grouping::list_alternatives(self.policy.admins(&self.project.root_keys))
            ))
            .hint("git deploy key show")),
        }
    }

    /// Returns the person and the signer for a new entry.
    ///
    /// # Errors
    ///
    /// Fails if the key is retired.
    pub fn find_current_signer(&self) -> Result<(Person, Signer), CliError> {
        match self.find_listed_signer()? {
            (person, signer, KeyStatus::Current) => Ok((person, signer)),
            (person, _, KeyStatus::Retired) => Err(CliError::new(
                ErrorKind::Denied,
                format!("this key of {person} is retired and cannot sign new entries"),
            )
            .hint(RETIRED_KEY_HINT)),
        }
    }

    /// Writes one entry, or only checks it in a dry run. Prints the verdict if the rules refuse it.
    pub fn append(
        &self,
        ui: &Ui,
        ledger: &LedgerName,
        options: AppendOptions,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, CliError>,
    ) -> Result<AppendedEntry, CliError> {
        // A retired key may still end its own open run. The rules decide what else it may do.
        let (person, signer, status) = self.find_listed_signer()?;
        let appended = self.append_as(ui, &person, &signer, ledger, options, draft);
        appended.map_err(|failure| match status {
            KeyStatus::Current => failure,
            KeyStatus::Retired => failure.hint(RETIRED_KEY_HINT),
        })
    }

    /// Writes one entry signed by this person. The policy in force need not list the person yet.
    pub fn append_as(
        &self,
        ui: &Ui,
        person: &Person,
        signer: &Signer,
        ledger: &LedgerName,
        options: AppendOptions,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, CliError>,
    ) -> Result<AppendedEntry, CliError> {
        self.build_writer(person, Some(signer), options)
            .append(ledger, &|snapshot| self.check_draft(draft(snapshot)?))
            .map_err(|error| explain_append_error(ui, error))
    }

    /// Evaluates the rules for an entry on the ledgers as of the last fetch. Signs and writes
    /// nothing.
    pub fn evaluate_rules(
        &self,
        ui: &Ui,
        person: &Person,
        ledger: &LedgerName,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, CliError>,
    ) -> Result<(Statement, Verdict), CliError> {
        let options = AppendOptions {
            dry_run: true,
            ..AppendOptions::default()
        };
        self.build_writer(person, None, options)
            .preview(ledger, &|snapshot| self.check_draft(draft(snapshot)?))
            .map_err(|error| explain_append_error(ui, error))
    }

    /// Returns the draft if it records no secret that is known here. The end of a run is always
    /// recorded: its texts are masked output.
    fn check_draft(&self, draft: EntryDraft) -> Result<EntryDraft, CliError> {
        if !matches!(draft.action, Action::Finish(_)) {
            refuse_exposed_secrets(&self.policy, &draft.action)?;
        }
        Ok(draft)
    }

    fn build_writer<'a>(
        &'a self,
        person: &'a Person,
        signer: Option<&'a Signer>,
        options: AppendOptions,
    ) -> LedgerWriter<'a> {
        LedgerWriter {
            repository: &self.repository,
            project: &self.project,
            remote: self.remote.as_deref(),
            person,
            signer,
            options,
            is_synced: self.is_synced,
        }
    }
}
