//! `git deploy init`: sets a repository up, step by step; what is there already is left as it is.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::keys::{self, Source};
use super::proposal::{FILE, Proposal};
use super::workspace::{REMOTE, Workspace, default_key, explain, find_signer, open_repository, remote, synced};
use super::{Context, Failure, Kind, OrFail as _, news};
use crate::clock;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, Person, ProjectName};
use crate::domain::policy::{Policy, Standing};
use crate::git::Repository;
use crate::git::append::{Manner, Writer};
use crate::git::ledger::{Project, project_bytes};
use crate::git::sync::{LEDGERS, PIN};
use crate::signing::Signer;

/// Set this repository up: a key, deploy.toml, the first policy, and the fetching of the ledgers
///
/// What is there already is left as it is, so it can be run again. Where the remote has a project, that one is joined.
#[derive(clap::Args)]
pub struct Args {
    /// The environments, from the first to the last: each one promotes into the next
    #[arg(long = "env", value_name = "NAME,…", value_delimiter = ',', default_value = "dev,stage,prod")]
    environments: Vec<EnvName>,
    /// The project's name, which never changes; without it the name of the remote repository or of the folder
    #[arg(long, value_name = "NAME")]
    name: Option<ProjectName>,
    /// Who you are in deploy.toml; without it the first part of git's e-mail address
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<Person>,
    /// Protect a new key by file permissions alone
    #[arg(long)]
    no_password: bool,
}

/// What was done, for people and for `--json`.
#[derive(JsonSchema, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    /// The project.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<ProjectName>,
    /// Its genesis, by which it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<EntryId>,
    /// The key that signs here.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKey>,
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    /// Who may change the policy.
    admins: Vec<Person>,
    /// What was made: `key`, `deploy.toml`, `policy`.
    made: Vec<&'static str>,
}

/// Sets the repository up.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let repository = open_repository()?;
    let remote = remote(&repository, context)?;
    let mut done = Done { remote: remote.clone(), ..Done::default() };
    let source = keys::source(Some(&repository))?;
    if source == Source::Nothing {
        let file = default_key().ok_or_else(|| {
            Failure::new(Kind::Usage, "there is no home folder to put a key into")
                .hint("git deploy key new FILE")
                .hint("git config deploy.key FILE")
        })?;
        let key = keys::make(&file, args.no_password)?;
        done.made.push("key");
        context.print(format_args!("Made the key {}. Its public half:\n  {key}", file.display()));
    }
    if let Some(remote) = &remote {
        // Before anything is configured: what cannot go to this remote stays as it is.
        let synced = synced(&repository, remote, context)?;
        configure(&repository, Some(remote))?;
        if !synced.moved.is_empty() && !context.json() {
            news::tell(&repository, remote, &synced, context)?;
        }
    } else {
        configure(&repository, None)?;
    }
    let tips = repository.tips().or_fail(Kind::CannotTell, "cannot read the ledgers")?;
    if tips.contains_key(&LedgerName::policy()) {
        return join(args, context, done);
    }
    begin(args, context, &repository, done)
}

/// Tells git where the ledgers are and that they are to be fetched. Without a remote that is said, too, so that a remote which is
/// added later is not taken for one that has lost them.
fn configure(repository: &Repository, remote: Option<&str>) -> Result<(), Failure> {
    let cannot = "cannot change git's configuration";
    repository.set_config(REMOTE, remote.unwrap_or_default()).or_fail(Kind::CannotTell, cannot)?;
    let Some(remote) = remote else { return Ok(()) };
    let key = format!("remote.{remote}.fetch");
    let there = repository.config_strings(&key).or_fail(Kind::CannotTell, cannot)?;
    if !there.iter().any(|refspec| refspec == LEDGERS) {
        repository.add_config(&key, LEDGERS).or_fail(Kind::CannotTell, cannot)?;
    }
    Ok(())
}

/// There is a project already: says whose it is and what is left to do.
fn join(args: &Args, context: &Context, mut done: Done) -> Result<(), Failure> {
    // Opened anew: the pin and the remote were written since.
    let workspace = Workspace::open(context)?;
    if let Some(name) = args.name.as_ref().filter(|name| **name != workspace.project.name) {
        return Err(Failure::new(
            Kind::Usage,
            format!("this is the project {}, and never {name}", workspace.project.name),
        ));
    }
    let pin = || workspace.repository.set_config(PIN, &workspace.project.id.to_string());
    if workspace.repository.pin().or_fail(Kind::CannotTell, "cannot read the pinned project")?.is_none() {
        pin().or_fail(Kind::CannotTell, "cannot pin the project")?;
    }
    let source = keys::source(Some(&workspace.repository))?;
    let key = keys::public_key(Some(&workspace.repository), &source)?;
    let admins = workspace.policy.admins(&workspace.project.root_keys);
    done.admins = admins.into_iter().collect();
    done.public_key = Some(key);
    done.project = Some(workspace.project.name.clone());
    done.root = Some(workspace.project.id);
    let admins: Vec<&str> = done.admins.iter().map(Person::as_str).collect();
    let admins = admins.join(", ");
    context
        .print(format_args!("This is the project {}; its policy is in the hands of {admins}.", workspace.project.name));
    match workspace.policy.person_of_key(&key) {
        Some((person, Standing::Current)) => context.print(format_args!("You are {person}.")),
        Some((person, Standing::Retired)) => context.print(format_args!("Your key is a retired one of {person}.")),
        None => context.print(format_args!(
            "The policy does not list your key. Add a line under [people] in {FILE}, for {admins} to publish:\n  {} = \"{key}\"",
            person(args, &workspace.repository).map_or_else(|_| "you".to_owned(), |person| person.to_string())
        )),
    }
    finish(context, &done)
}

/// There is no project yet: makes one.
fn begin(args: &Args, context: &Context, repository: &Repository, mut done: Done) -> Result<(), Failure> {
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
    let project = genesis(repository, &proposal.policy.project, key)?;
    publish(context, repository, &project, &proposal, (&person, &signer))?;
    repository.set_config(PIN, &project.id.to_string()).or_fail(Kind::CannotTell, "cannot pin the project")?;
    if let Some(file) = &missing {
        // Only now: a project that did not begin leaves nothing behind. And never over a file that came meanwhile.
        let written = File::create_new(file).and_then(|mut file| file.write_all(proposal.text.as_bytes()));
        written.or_fail(Kind::CannotTell, format!("cannot write {}", file.display()))?;
        done.made.push(FILE);
    }
    done.made.push("policy");
    done.project = Some(project.name.clone());
    done.root = Some(project.id);
    done.public_key = Some(key);
    done.admins = vec![person.clone()];
    context.print(format_args!("The first policy of {} is in force; you are its admin, {person}.", project.name));
    if missing.is_some() {
        context.print(format_args!("{FILE} is new and not committed yet: git add {FILE} && git commit"));
    }
    if let Some(first) = first_environment(&proposal.policy) {
        context.print(format_args!("Next: git deploy record {first}"));
    }
    finish(context, &done)
}

/// Where a deployment can begin.
fn first_environment(policy: &Policy) -> Option<&EnvName> {
    policy
        .environments
        .values()
        .find(|environment| environment.promote_from.is_none())
        .map(|environment| &environment.name)
}

fn finish(context: &Context, done: &Done) -> Result<(), Failure> {
    if context.json() { context.report("init", done) } else { Ok(()) }
}

/// The `deploy.toml` of the work tree; where there is none a new one, and the file to write it into.
fn proposal(
    args: &Args,
    context: &Context,
    repository: &Repository,
    key: PublicKey,
) -> Result<(Proposal, Option<PathBuf>), Failure> {
    let folder = repository.work_dir().ok_or_else(|| {
        Failure::new(Kind::Usage, "a bare repository has no work tree to put deploy.toml into: run this in a clone")
    })?;
    let file = folder.join(FILE);
    if file.symlink_metadata().is_ok() {
        let proposal = Proposal::open(repository, None, context)?;
        if let Some(name) = args.name.as_ref().filter(|name| **name != proposal.policy.project) {
            let written = &proposal.policy.project;
            return Err(Failure::new(Kind::Usage, format!("{FILE} says that the project is {written}, not {name}")));
        }
        return Ok((proposal, None));
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => project_name(repository, context)?,
    };
    let text = Policy::starter(&name, &[(person(args, repository)?, key)], &args.environments);
    // Checked before it is written: two environments of one name, say, make no policy.
    let proposal = Proposal::parse(FILE.to_owned(), text.as_bytes(), context)?;
    Ok((proposal, Some(file)))
}

/// Writes the genesis of a new project.
fn genesis(repository: &Repository, name: &ProjectName, key: PublicKey) -> Result<Project, Failure> {
    let nonce = clock::random().or_fail(Kind::CannotTell, "cannot begin a project")?;
    let write = || -> crate::git::Result<Project> {
        repository.write_tree(b"")?;
        let id = repository.write_commit(&project_bytes(repository, name, nonce, &[key])?)?;
        Project::read(repository, EntryId(id))
    };
    write().or_fail(Kind::CannotTell, "cannot begin a project")
}

/// Publishes the first policy.
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
            return Err(
                Failure::new(Kind::Denied, "somebody else has begun this project meanwhile").hint("git deploy init")
            );
        }
        Ok(proposal.draft(None))
    });
    written.map(drop).map_err(|error| {
        let failure = explain(context, error);
        if failure.kind() == Kind::Denied && remote.is_some() {
            let key = signer.public_key();
            return failure.hint(format!("on the server, once: git-deploy server init REPOSITORY --admin {key}"));
        }
        failure
    })
}

/// Who somebody is where nothing was said: the first part of git's e-mail address.
fn person(args: &Args, repository: &Repository) -> Result<Person, Failure> {
    if let Some(person) = &args.person {
        return Ok(person.clone());
    }
    let unknown = || Failure::new(Kind::Usage, "cannot tell your name from git's e-mail address").hint("--as NAME");
    let output = repository.git("var").arg("GIT_AUTHOR_IDENT").run().or_fail(Kind::CannotTell, "cannot ask git")?;
    let identity = String::from_utf8_lossy(&output.stdout).into_owned();
    let address = identity.rsplit_once('<').and_then(|(_, rest)| rest.split_once('@')).map(|(local, _)| local);
    // A forge's own addresses have a number before the name: 1234+alice@users.noreply.github.com.
    let local = address.map(|local| local.rsplit('+').next().unwrap_or(local)).ok_or_else(unknown)?;
    as_name(local).ok_or_else(unknown)
}

/// What the project is called where nothing was said: as the remote repository, or as the folder.
fn project_name(repository: &Repository, context: &Context) -> Result<ProjectName, Failure> {
    let url = match remote(repository, context)? {
        Some(remote) => keys::setting(Some(repository), &format!("remote.{remote}.url"))?,
        None => None,
    };
    let of_url = url.as_deref().and_then(|url| as_name(last_part(url)));
    let folder =
        repository.work_dir().and_then(|folder| folder.file_name()).map(|name| name.to_string_lossy().into_owned());
    of_url
        .or_else(|| folder.as_deref().and_then(as_name))
        .ok_or_else(|| Failure::new(Kind::Usage, "cannot tell the project's name").hint("--name NAME"))
}

/// `catalogue` of `git@example.com:shop/catalogue.git`.
fn last_part(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let last = url.rsplit(['/', ':']).next().unwrap_or(url);
    last.strip_suffix(".git").unwrap_or(last)
}

/// A text as a name: in lower case, with a dash for whatever a name may not hold.
fn as_name<T: std::str::FromStr>(text: &str) -> Option<T> {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = text.to_ascii_lowercase().chars().map(allowed).collect();
    name.trim_matches(['.', '_', '-']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name is for ever, so what a URL or a folder gives must be the one that people would write.
    #[test]
    fn names() {
        for (url, name) in [
            ("git@example.com:shop/Catalogue.git", "catalogue"),
            ("https://example.com/shop/my shop/", "my-shop"),
            ("ssh://host/~/x.y.git", "x.y"),
            ("host:repo", "repo"),
        ] {
            assert_eq!(as_name::<ProjectName>(last_part(url)), name.parse().ok(), "{url}");
        }
        assert_eq!(as_name::<ProjectName>("日本"), None);
    }
}
