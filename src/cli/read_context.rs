//! Shared by the read-only commands: reading environments, identifying the user, and reporting
//! problems of the remote.
//!
//! Nothing here uses the network, or opens a secret key other than the one in `GIT_DEPLOY_KEY`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::ledger_problems::{describe_problem, report_junk, suggest_fixes};
use super::unverified_ledgers::describe_local_problem;
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui, key_lookup};
use crate::domain::entry::{DeploymentKind, Target};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::policy::{Environment, Policy};
use crate::domain::state::{EnvState, Scope, SlotKey, State};
use crate::domain::text::Line;
use crate::ledger::StateReader;
use crate::ledger::sync::find_known_problems;
use crate::run::preview::find_first_deployer;
use crate::signing::key::{public_key_path, read_public_key};
use crate::view;

/// An existing environment with the state of its ledger.
pub struct EnvironmentSnapshot<'a> {
    /// The environment.
    pub env: EnvRef,
    /// Its rules.
    pub rules: &'a Environment,
    state: Rc<State>,
}

impl EnvironmentSnapshot<'_> {
    /// Returns the environment's name: `pr-17` if the rules are those of `pr-*`.
    pub fn name(&self) -> &EnvName {
        self.env.name()
    }

    /// Returns the environment's part of the state.
    pub fn state(&self) -> EnvState<'_> {
        self.env.state_in(&self.state)
    }

    /// Returns the running target of a component, with the commit at which it was last recorded.
    pub fn running(&self, component: &ComponentName) -> Option<Target> {
        let state = self.state();
        let target = state
            .live_entry(component)?
            .statement
            .component_result(component)?
            .target;
        Some(Target {
            commit: state.commit(component)?,
            ..target
        })
    }

    /// Returns the version of a running component.
    pub fn version(&self, component: &ComponentName) -> Option<Line> {
        self.running(component)?.version
    }
}

/// Reads one environment of the policy.
///
/// # Errors
///
/// Fails if the policy has none of this name, or if its ledger cannot be read.
pub fn read_environment<'a>(
    workspace: &'a Workspace,
    name: &str,
) -> Result<EnvironmentSnapshot<'a>, CliError> {
    let (env, rules) = workspace.find_environment(name)?;
    let state = Rc::new(workspace.read_state(env.ledger(), &Scope::All)?);
    Ok(EnvironmentSnapshot { env, rules, state })
}

/// Reads the environments in promotion order. A pattern is replaced by its existing environments.
/// Leaves out environments whose ledger is not verified, about which opening the workspace warned.
pub fn read_environments(workspace: &Workspace) -> Result<Vec<EnvironmentSnapshot<'_>>, CliError> {
    let mut snapshots = Vec::new();
    let unverified = workspace.unverified_ledgers();
    for rules in workspace.policy.environments_in_order() {
        if unverified.iter().any(|it| it.ledger == rules.ledger) {
            continue;
        }
        let state = Rc::new(workspace.read_state(&rules.ledger, &Scope::All)?);
        let names = if rules.is_pattern() {
            state.environments()
        } else {
            [rules.name.clone()].into()
        };
        snapshots.extend(names.iter().map(|name| EnvironmentSnapshot {
            env: EnvRef::new(name, rules),
            rules,
            state: Rc::clone(&state),
        }));
    }
    Ok(snapshots)
}

/// Reads which of these commits, and of these contents of components, are yanked.
pub fn read_yanks(
    workspace: &Workspace,
    commits: impl IntoIterator<Item = CommitId>,
    contents: impl IntoIterator<Item = (ComponentName, Content)>,
) -> crate::git::Result<State> {
    let ledger = LedgerName::evidence();
    let Some(tip) = workspace.tip(&ledger)? else {
        return Ok(State::empty());
    };
    let tree = workspace.repository.read_commit(tip.0)?.tree;
    let commits: BTreeSet<CommitId> = commits.into_iter().collect();
    let contents: BTreeSet<(ComponentName, Content)> = contents.into_iter().collect();
    StateReader::new(&workspace.repository).load_yanks(
        tree,
        &ledger,
        commits.into_iter().map(SlotKey::YankedCommit),
        contents,
    )
}

/// The problems of ledgers that a command has reported.
pub struct ReportedProblems {
    /// One line per problem.
    pub lines: Vec<String>,
    /// The ledgers that may lack their newest entries here.
    pub ledgers: BTreeSet<LedgerName>,
}

/// Prints the problems of the remote's ledgers as of the last fetch on standard error. Returns
/// them, also those of the ledgers here.
pub fn report_problems(workspace: &Workspace, ui: &Ui) -> Result<ReportedProblems, CliError> {
    let problems = find_known_problems(&workspace.repository);
    let problems = problems.context(
        ErrorKind::CannotTell,
        "cannot compare the ledgers with the remote's",
    )?;
    let mut remote_lines: Vec<String> = problems.iter().map(describe_problem).collect();
    for line in &remote_lines {
        ui.eprint_warning(line);
    }
    for hint in suggest_fixes(&problems, ui) {
        ui.eprint(format_args!("  → {hint}"));
    }
    if let Some(remote) = &workspace.remote {
        remote_lines.extend(report_junk(&workspace.repository, remote, ui));
    }
    let local = workspace.unverified_ledgers().iter();
    Ok(ReportedProblems {
        ledgers: problems.into_iter().map(|it| it.ledger).collect(),
        lines: local
            .map(describe_local_problem)
            .chain(remote_lines)
            .collect(),
    })
}

/// Returns the ledgers that are not verified, or may lack their newest entries here.
pub fn find_doubtful_ledgers(workspace: &Workspace) -> Result<BTreeSet<LedgerName>, CliError> {
    let mut remote = Vec::new();
    if workspace.remote.is_some() {
        remote = find_known_problems(&workspace.repository).context(
            ErrorKind::CannotTell,
            "cannot compare the ledgers with the remote's",
        )?;
    }
    let local = workspace.unverified_ledgers().iter();
    let ledgers = local.chain(&remote).map(|problem| problem.ledger.clone());
    Ok(ledgers.collect())
}

/// Prints when the ledgers were last fetched, if a remote holds them and that was more than a minute
/// ago, so that the user notices old data.
pub fn print_fetch_age(workspace: &Workspace, ui: &Ui) {
    if workspace.remote.is_none() {
        return;
    }
    let fetched = workspace.repository.last_sync_time();
    let age = view::status::render_age(fetched, ui.now(), &|time| ui.format_time(time));
    if let Some(line) = age {
        ui.print(line);
    }
}

/// Returns the author in `ident`, which has git's form `Name <address> …`: the person whom the
/// policy lists with the address, else the name.
pub fn find_author(workspace: &Workspace, ident: &[u8]) -> String {
    let mut parts = ident.splitn(2, |byte| *byte == b'<');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default())
        .trim()
        .to_owned();
    let address = parts
        .next()
        .and_then(|rest| rest.split(|byte| *byte == b'>').next())
        .unwrap_or_default();
    workspace
        .policy
        .person_of_email(address)
        .map_or(name, ToString::to_string)
}

/// Returns the person for whom a deployment is checked: the user, else the first person who may
/// start it.
pub fn find_deployer(
    workspace: &Workspace,
    rules: &Environment,
    kind: DeploymentKind,
) -> Option<Person> {
    identify_user(workspace).or_else(|| find_first_deployer(rules, kind).cloned())
}

/// Returns the user as a person of the policy: by the key in `GIT_DEPLOY_KEY`, which would sign, else
/// by the configured public key, else by git's e-mail address.
pub fn identify_user(workspace: &Workspace) -> Option<Person> {
    let repository = &workspace.repository;
    let variable_key = || {
        let source = key_lookup::find_source(Some(repository)).ok()?;
        let is_variable = source == key_lookup::KeySource::Variable;
        is_variable
            .then(|| key_lookup::find_public_key(Some(repository), &source).ok())
            .flatten()
    };
    let read = |key: &str| repository.config_string(key).ok().flatten();
    let signer_key = read(key_lookup::SIGNER_KEY_SETTING)
        .and_then(|text| key_lookup::read_signer_key(&text).ok());
    let key_file = || {
        read(key_lookup::KEY_SETTING)
            .map(|file| key_lookup::resolve_key_file(Some(repository), &file))
            .or_else(key_lookup::default_key_path)
    };
    let key = variable_key().or(signer_key);
    let key = key.or_else(|| read_public_key(&public_key_path(&key_file()?)).ok());
    let by_key = key
        .and_then(|key| workspace.policy.person_of_key(&key))
        .map(|(person, _)| person);
    let by_address = || {
        read("user.email").and_then(|address| workspace.policy.person_of_email(address.as_bytes()))
    };
    by_key.or_else(by_address).cloned()
}

/// Returns the components that run in an environment, or may have left something behind there, but
/// are not in the policy, under any name.
pub fn find_undeclared(policy: &Policy, state: EnvState<'_>) -> Vec<ComponentName> {
    let is_undeclared =
        |name: &&ComponentName| !policy.has_component(name) && policy.renamed_to(name).is_none();
    state
        .present_commits()
        .into_keys()
        .filter(is_undeclared)
        .cloned()
        .collect()
}

/// Returns the components that run in an environment under an old name, with the new one.
pub fn find_renamed(
    policy: &Policy,
    state: EnvState<'_>,
) -> BTreeMap<ComponentName, ComponentName> {
    let find_new = |old: &ComponentName| Some((old.clone(), policy.renamed_to(old)?.clone()));
    state
        .components()
        .into_keys()
        .filter_map(find_new)
        .collect()
}
