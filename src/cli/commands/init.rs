//! `git deploy init`: sets up a repository step by step. Steps that are already done are skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::append_error::{explain, synced};
use crate::cli::append_report::with_entry;
use crate::cli::baseline::{self, Running, Runs};
use crate::cli::deployment_request::Place;
use crate::cli::key_lookup::{self, Source, default_key, find_signer};
use crate::cli::policy_file::{FILE, Proposal, write_new};
use crate::cli::workspace::{REMOTE, Workspace, entry_name, open_repository, remote};
use crate::cli::{Context, Failure, Kind, OrFail as _, default_names, sync_report};
use crate::clock;
use crate::domain::id::{CommitId, EntryId, PublicKey};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person, ProjectName};
use crate::domain::policy::{MAX_BYTES, Policy, Standing};
use crate::domain::state::Scope;
use crate::git::Repository;
use crate::ledger::facts::Gatherer;
use crate::ledger::sync::{LEDGERS, PIN};
use crate::ledger::writer::{Manner, Writer};
use crate::ledger::{Link, Project, project_bytes};
use crate::server::install::init_clone;
use crate::signing::Signer;
use crate::view::result_text;

/// Set this repository up: a key, deploy.toml, the first policy, what already runs, and the fetching of the ledgers
///
/// What is there already is left as it is, so it can be run again, and goes on where it was stopped. Where the remote has a project,
/// that one is joined.
#[derive(clap::Args)]
pub struct Args {
    /// The environments, from the first to the last: each one promotes into the next; without it dev, stage and prod
    #[arg(long = "env", value_name = "NAME,…", value_delimiter = ',')]
    environments: Vec<EnvName>,
    /// What runs in an environment already, such as prod=v1.4.1, or prod:api=v1.4.1 of one component; can be repeated
    ///
    /// It is written down as a baseline: an admin's word, which no rule judges. A rollback may go back to it.
    #[arg(long, value_name = "ENV[:COMPONENT]=REV")]
    running: Vec<Running>,
    /// The project's name, which never changes; without it the name of the remote repository or of the folder
    #[arg(long, value_name = "NAME")]
    name: Option<ProjectName>,
    /// Who you are in deploy.toml; without it the first part of git's e-mail address
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<Person>,
    /// Protect a new key by file permissions alone
    #[arg(long)]
    no_password: bool,
    /// Install the hook pre-push here: it tells of a branch or tag of an environment what the server will say, before it is pushed
    #[arg(long)]
    pre_push: bool,
}

/// What was set up.
#[derive(JsonSchema, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Done {
    /// The project.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<ProjectName>,
    /// The project's genesis, which identifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<EntryId>,
    /// The public key that signs here.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKey>,
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    /// Who may change the policy.
    admins: Vec<Person>,
    /// What was created: `key`, `pre-push`, `deploy.toml`, `policy`.
    made: Vec<&'static str>,
    /// The baselines that were recorded.
    baselines: Vec<Baselined>,
}

/// What an environment already ran.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Baselined {
    /// The environment.
    environment: EnvName,
    /// The commit of the baseline entry.
    entry: EntryId,
    /// The commit of each component.
    components: BTreeMap<ComponentName, CommitId>,
}

/// Sets up the repository: creates a key if there is none, configures git, and joins the project or
/// begins a new one.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let repository = open_repository()?;
    let remote = remote(&repository, context)?;
    let mut done = Done {
        remote: remote.clone(),
        ..Done::default()
    };
    let source = key_lookup::source(Some(&repository))?;
    if source == Source::Nothing {
        let file = default_key().ok_or_else(|| {
            Failure::new(Kind::Usage, "there is no home folder to put a key into")
                .hint("git deploy key new FILE")
                .hint("git config deploy.key FILE")
        })?;
        let key = key_lookup::make(&file, args.no_password)?;
        done.made.push("key");
        context.print(format_args!(
            "Made the key {}. Its public half:\n  {key}",
            file.display()
        ));
    }
    if let Some(remote) = &remote {
        // Syncs first: if the ledgers here cannot go to this remote, git's configuration stays as
        // it is.
        let synced = synced(&repository, remote, context)?;
        configure(&repository, Some(remote))?;
        if !synced.moved.is_empty() && !context.json() {
            sync_report::tell(&repository, remote, &synced, context)?;
        }
    } else {
        configure(&repository, None)?;
    }
    if args.pre_push {
        install_hook(&repository, context)?;
        done.made.push("pre-push");
    }
    let tips = repository
        .tips()
        .or_fail(Kind::CannotTell, "cannot read the ledgers")?;
    if tips.contains_key(&LedgerName::policy()) {
        return join(args, context, done);
    }
    begin(args, context, &repository, done)
}

/// Configures where the ledgers are, and that `git fetch` fetches them.
///
/// Also records that there is no remote: a remote that is added later then does not look as if it
/// had lost its ledgers.
fn configure(repository: &Repository, remote: Option<&str>) -> Result<(), Failure> {
    let cannot = "cannot change git's configuration";
    repository
        .set_config(REMOTE, remote.unwrap_or_default())
        .or_fail(Kind::CannotTell, cannot)?;
    let Some(remote) = remote else { return Ok(()) };
    let key = format!("remote.{remote}.fetch");
    let there = repository
        .config_strings(&key)
        .or_fail(Kind::CannotTell, cannot)?;
    if !there.iter().any(|refspec| refspec == LEDGERS) {
        repository
            .add_config(&key, LEDGERS)
            .or_fail(Kind::CannotTell, cannot)?;
    }
    Ok(())
}

/// Installs the pre-push hook.
fn install_hook(repository: &Repository, context: &Context) -> Result<(), Failure> {
    let cannot = "cannot install the hook pre-push";
    let program = std::env::current_exe().or_fail(Kind::CannotTell, cannot)?;
    for step in init_clone(repository, &program).or_fail(Kind::CannotTell, cannot)? {
        context.print(format_args!("{}", step.what));
    }
    Ok(())
}

/// Joins the existing project: pins it, and prints its admins and the next steps.
fn join(args: &Args, context: &Context, mut done: Done) -> Result<(), Failure> {
    // Opened again, because the pin and the remote were written after the first time.
    let workspace = Workspace::open(context)?;
    if let Some(name) = called(args, context).filter(|name| **name != workspace.project.name) {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "this is the project {}, and never {name}",
                workspace.project.name
            ),
        ));
    }
    let policy = &workspace.policy;
    declared(&args.environments, policy, "the policy in force")?;
    let runs = baseline::understand(&args.running, policy, &|revision| {
        workspace.commit(revision)
    })?;
    runs.iter()
        .try_for_each(|(name, runs)| runs.there(&workspace.gatherer(), policy, name).map(drop))?;
    let pin = || {
        workspace
            .repository
            .set_config(PIN, &workspace.project.id.to_string())
    };
    if workspace
        .repository
        .pin()
        .or_fail(Kind::CannotTell, "cannot read the pinned project")?
        .is_none()
    {
        pin().or_fail(Kind::CannotTell, "cannot pin the project")?;
    }
    let source = key_lookup::source(Some(&workspace.repository))?;
    let key = key_lookup::public_key(Some(&workspace.repository), &source)?;
    let admins = workspace.policy.admins(&workspace.project.root_keys);
    done.admins = admins.into_iter().collect();
    done.public_key = Some(key);
    done.project = Some(workspace.project.name.clone());
    done.root = Some(workspace.project.id);
    let admins: Vec<&str> = done.admins.iter().map(Person::as_str).collect();
    let admins = admins.join(", ");
    context.say(format_args!(
        "This is the project {}; its policy is in the hands of {admins}.",
        workspace.project.name
    ));
    match workspace.policy.person_of_key(&key) {
        Some((person, Standing::Current)) => {
            context.print(format_args!("You are {person}."));
            if let Some(file) = restored(&workspace, person)? {
                done.made.push(FILE);
                context.say(format_args!("{file} was missing and is there again: git add {file} && git commit"));
            }
        }
        Some((person, Standing::Retired)) => context.print(format_args!("Your key is a retired one of {person}.")),
        // Without a listed key no baseline can be signed: the error of `signer` explains how to be
        // listed.
        None if !runs.is_empty() => drop(workspace.signer()?),
        None => context.print(format_args!(
            "The policy does not list your key. Add a line under [people] in {FILE}, for {admins} to publish:\n  {} = \"{key}\"",
            person(args, &workspace.repository).map_or_else(|_| "you".to_owned(), |person| person.to_string())
        )),
    }
    written(&workspace, context, &runs, &mut done)?;
    context.print("Next: git deploy status");
    finish(context, &done)
}

/// Begins a new project: writes its genesis, publishes its first policy, and records the baselines.
fn begin(
    args: &Args,
    context: &Context,
    repository: &Repository,
    mut done: Done,
) -> Result<(), Failure> {
    let signer = find_signer(repository)?;
    let key = signer.public_key();
    let (proposal, missing) = proposal(args, context, repository, key)?;
    let person = match proposal.policy.person_of_key(&key) {
        Some((person, Standing::Current)) => person.clone(),
        _ => {
            return Err(Failure::new(
                Kind::Usage,
                format!("{FILE} does not list your key, so you could not publish it"),
            )
            .hint(format!("a line under [people]: you = \"{key}\"")));
        }
    };
    let runs = baseline::understand(&args.running, &proposal.policy, &|revision| {
        resolve(repository, revision)
    })?;
    let project = genesis(repository, &proposal.policy.project, key)?;
    let gatherer = Gatherer::new(repository, &project);
    runs.iter()
        .try_for_each(|(name, runs)| runs.there(&gatherer, &proposal.policy, name).map(drop))?;
    publish(context, repository, &project, &proposal, (&person, &signer))?;
    repository
        .set_config(PIN, &project.id.to_string())
        .or_fail(Kind::CannotTell, "cannot pin the project")?;
    if let Some(file) = &missing {
        // Written last, so that a failure leaves no file behind. An existing file is never
        // overwritten.
        write_new(file, proposal.text.as_bytes())
            .or_fail(Kind::CannotTell, format!("cannot write {}", file.display()))?;
        done.made.push(FILE);
    }
    done.made.push("policy");
    done.project = Some(project.name.clone());
    done.root = Some(project.id);
    done.public_key = Some(key);
    done.admins = vec![person.clone()];
    context.say(format_args!(
        "The first policy of {} is in force; you are its admin, {person}.",
        project.name
    ));
    if missing.is_some() {
        context.print(format_args!(
            "{FILE} is new and not committed yet: git add {FILE} && git commit"
        ));
    }
    if !runs.is_empty() {
        // Opened again, because the pin and the policy exist only now.
        written(&Workspace::open(context)?, context, &runs, &mut done)?;
        context.print("Next: git deploy status");
    } else if let Some(first) = first_environment(&proposal.policy) {
        context.print(format_args!("Next: git deploy record {first}"));
    }
    finish(context, &done)
}

/// Writes the baselines of the environments that have no history. A repeated `init` continues where
/// the last one stopped.
fn written(
    workspace: &Workspace,
    context: &Context,
    all: &BTreeMap<EnvName, Runs>,
    done: &mut Done,
) -> Result<(), Failure> {
    for (name, runs) in all {
        let place = Place::find(workspace, name.as_str())?;
        let state = workspace.state(&place.ledger, &Scope::All)?;
        let here = state.environment(None);
        let there = runs.there(&workspace.gatherer(), &workspace.policy, name)?;
        if there.keys().all(|component| here.has_history(component)) {
            context.mention(format_args!(
                "{name} has a history already, and is left as it is: git deploy log {name}"
            ));
            continue;
        }
        let appended = workspace.append(context, &place.ledger, Manner::default(), &|view| {
            baseline::baseline(&place, view, runs, &BTreeMap::new(), None)
        });
        let appended = appended.map_err(|failure| {
            failure.hint("git deploy init with the same words, to go on from here")
        })?;
        let ended = appended.statement.component_results();
        let entry = entry_name(&place.ledger, appended.id);
        context.print(with_entry(
            context,
            &result_text::ended(name.as_str(), &ended),
            &entry,
        ));
        let components = ended
            .into_iter()
            .map(|it| (it.target.component, it.target.commit))
            .collect();
        done.baselines.push(Baselined {
            environment: name.clone(),
            entry: appended.id,
            components,
        });
    }
    Ok(())
}

/// Restores a missing `deploy.toml` from the first policy, and returns its name if it did.
///
/// The file is missing if an earlier `init` was stopped between publishing the policy and writing
/// the file.
fn restored(workspace: &Workspace, person: &Person) -> Result<Option<&'static str>, Failure> {
    let (repository, cannot) = (&workspace.repository, "cannot read the policy in force");
    let (Some(folder), Some(tip)) = (
        repository.work_dir(),
        workspace.tips.get(&LedgerName::policy()),
    ) else {
        return Ok(None);
    };
    let link = repository
        .read_link(&LedgerName::policy(), *tip)
        .or_fail(Kind::CannotTell, cannot)?;
    let Link::Entry { commit, entry, .. } = link else {
        return Ok(None);
    };
    let statement = entry.statement();
    let first = statement.sequence == 1 && statement.by == *person;
    let tracked = || -> crate::git::Result<bool> {
        let Some(head) = repository.resolve("HEAD")? else {
            return Ok(false);
        };
        Ok(repository
            .file_at(repository.read_commit(head)?.tree, FILE, MAX_BYTES)?
            .is_some())
    };
    let file = folder.join(FILE);
    if !first || file.symlink_metadata().is_ok() || tracked().or_fail(Kind::CannotTell, cannot)? {
        return Ok(None);
    }
    let text = repository
        .file_at(commit.tree, FILE, MAX_BYTES)
        .or_fail(Kind::CannotTell, cannot)?;
    let Some(text) = text else { return Ok(None) };
    write_new(&file, &text)
        .or_fail(Kind::CannotTell, format!("cannot write {}", file.display()))?;
    Ok(Some(FILE))
}

/// Checks that the policy has the environments named with `--env`. `init` does not change an
/// existing policy.
fn declared(environments: &[EnvName], policy: &Policy, place: &str) -> Result<(), Failure> {
    let Some(missing) = environments
        .iter()
        .find(|name| policy.environment(name).is_none())
    else {
        return Ok(());
    };
    Err(Failure::new(
        Kind::Usage,
        format!("there is no environment {missing} in {place}"),
    )
    .hint(format!("{missing} = {{}}, under [environments] in {FILE}"))
    .hint("git deploy policy publish"))
}

fn resolve(repository: &Repository, revision: &str) -> Result<CommitId, Failure> {
    let found = repository
        .resolve(revision)
        .or_fail(Kind::CannotTell, format!("cannot resolve {revision:?}"))?;
    found.map(CommitId).ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            format!("{revision:?} is no commit in this repository"),
        )
        .hint("git fetch --tags")
    })
}

/// Returns the first environment that promotes from no other one.
fn first_environment(policy: &Policy) -> Option<&EnvName> {
    policy
        .environments
        .values()
        .find(|environment| environment.promote_from.is_none())
        .map(|environment| &environment.name)
}

fn finish(context: &Context, done: &Done) -> Result<(), Failure> {
    if context.json() {
        context.report("init", done)
    } else {
        Ok(())
    }
}

/// Reads the `deploy.toml` of the work tree. If there is none, composes one, and also returns the
/// path to write it to.
fn proposal(
    args: &Args,
    context: &Context,
    repository: &Repository,
    key: PublicKey,
) -> Result<(Proposal, Option<PathBuf>), Failure> {
    let folder = repository.work_dir().ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            "a bare repository has no work tree to put deploy.toml into: run this in a clone",
        )
    })?;
    let file = folder.join(FILE);
    if file.symlink_metadata().is_ok() {
        let proposal = Proposal::open(repository, None, context)?;
        if let Some(name) = called(args, context).filter(|name| **name != proposal.policy.project) {
            let written = &proposal.policy.project;
            return Err(Failure::new(
                Kind::Usage,
                format!("{FILE} says that the project is {written}, not {name}"),
            ));
        }
        declared(&args.environments, &proposal.policy, FILE)?;
        return Ok((proposal, None));
    }
    let name = match called(args, context) {
        Some(name) => name.clone(),
        None => default_names::project_name(repository, context)?,
    };
    let environments = match &args.environments[..] {
        [] => ["dev", "stage", "prod"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
        named => named.to_vec(),
    };
    let text = Policy::starter(&name, &[(person(args, repository)?, key)], &environments);
    // Checked before it is written: for example, two environments of the same name make no valid
    // policy.
    let proposal = Proposal::parse(FILE.to_owned(), text.as_bytes(), context)?;
    Ok((proposal, Some(file)))
}

/// Returns the project name given with `--name` or `--project`.
fn called<'a>(args: &'a Args, context: &'a Context) -> Option<&'a ProjectName> {
    args.name.as_ref().or(context.project())
}

/// Returns the person given with `--as`, else the one that git's e-mail address suggests.
fn person(args: &Args, repository: &Repository) -> Result<Person, Failure> {
    args.person
        .clone()
        .map_or_else(|| default_names::person(repository), Ok)
}

/// Writes the genesis of a new project.
fn genesis(
    repository: &Repository,
    name: &ProjectName,
    key: PublicKey,
) -> Result<Project, Failure> {
    let nonce = clock::random().or_fail(Kind::CannotTell, "cannot begin a project")?;
    let write = || -> crate::git::Result<Project> {
        repository.write_tree(b"")?;
        let id = repository.write_commit(&project_bytes(repository, name, nonce, &[key])?)?;
        Project::read(repository, EntryId(id))
    };
    write().or_fail(Kind::CannotTell, "cannot begin a project")
}

/// Publishes the first policy of a new project.
fn publish(
    context: &Context,
    repository: &Repository,
    project: &Project,
    proposal: &Proposal,
    (person, signer): (&Person, &Signer),
) -> Result<(), Failure> {
    let remote = remote(repository, context)?;
    let writer = Writer {
        repository,
        project,
        remote: remote.as_deref(),
        person,
        signer: Some(signer),
        manner: Manner::default(),
        synced: true,
    };
    let written = writer.append(&LedgerName::policy(), &|view| {
        if view.policy.is_some() || view.head.chain.sequence > 0 {
            return Err(Failure::new(
                Kind::Denied,
                "somebody else has begun this project meanwhile",
            )
            .hint("git deploy init"));
        }
        Ok(proposal.draft(None, false))
    });
    written.map(drop).map_err(|error| {
        let failure = explain(context, error);
        if failure.kind() == Kind::Denied && remote.is_some() {
            let key = signer.public_key();
            return failure.hint(format!(
                "on the server, once: git-deploy server init REPOSITORY --admin {key}"
            ));
        }
        failure
    })
}
