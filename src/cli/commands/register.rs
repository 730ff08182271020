//! `git deploy register`: registers an artifact that was built from a commit.

use std::path::Path;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::deployment_request::{find_built_component, find_content};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, Artifact, Image};
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::domain::text::Line;
use crate::run::digest;

/// Register an artifact that was built from a commit
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Register an image that was built from HEAD:
    git deploy register ghcr.io/acme/api@sha256:9f86… api

  Register a folder that was built from a tag:
    git deploy register dist web v1.5.0 --name web-dist

  Register a rebuild of what production runs:
    git deploy register build/api.tar.gz --component api --env prod")]
pub struct Args {
    /// An artifact with its digest, or a file or folder
    ///
    /// For example ghcr.io/acme/api@sha256:9f86…. The digest of a file is the SHA-256 of its bytes.
    /// The digest of a folder is the SHA-256 of a list of its files, sorted bytewise by path: for
    /// each file `MODE SHA256 PATH` and a NUL, with git's modes.
    #[arg(value_name = "NAME@DIGEST|PATH")]
    artifact: String,
    /// The component that was built, or the commit [default: HEAD]
    ///
    /// The name of a component means the component, unless --component is given. ENV means the
    /// commit that an environment runs, and ENV:COMPONENT the commit of one component there.
    #[arg(value_name = "COMPONENT|REV")]
    what: Option<String>,
    /// The commit, after a component [default: HEAD]
    rev: Option<String>,
    /// The component that was built. Optional if there is only one
    #[arg(short, long, value_name = "NAME")]
    component: Option<ComponentName>,
    /// Use the commit of the component that this environment runs
    #[arg(long = "env", value_name = "NAME", conflicts_with = "rev")]
    environment: Option<EnvName>,
    /// The artifact's name, for a file or folder. Defaults to the last part of its path
    #[arg(long, value_name = "NAME", value_parser = append_report::parse_line)]
    name: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes an artifact to the ledger `evidence`.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (named, revision) = parse_subject(args, &workspace.policy)?;
    let image = find_artifact(args)?;
    let commit = match &args.environment {
        Some(environment) => find_running_commit(
            &workspace,
            environment,
            &find_built_component(&workspace.policy, named.as_ref())?,
        )?,
        None => workspace.resolve_commit(revision)?,
    };
    let appended = workspace.append(
        ui,
        &LedgerName::evidence(),
        args.write.append_options(),
        &|snapshot| {
            let policy = snapshot
                .policy
                .ok_or_else(|| CliError::new(ErrorKind::CannotTell, "no policy is in force"))?;
            let component = find_built_component(policy, named.as_ref())?;
            let content = find_content(snapshot, policy, commit, &component)?;
            Ok(Action::Artifact(Artifact {
                component,
                commit,
                content,
                image: image.clone(),
                builder: None,
            })
            .into())
        },
    )?;
    let Action::Artifact(artifact) = &appended.statement.action else {
        return Ok(());
    };
    let short = artifact.image.digest.short();
    let sentence = format!(
        "{}@{short} was built from {} ({}).",
        artifact.image.name,
        artifact.component,
        commit.0.prefix(7)
    );
    append_report::report_entry(ui, &sentence, &appended)
}

/// Returns the component, if one is named, and the revision. A first word that names a component of
/// the policy is the component.
fn parse_subject<'a>(
    args: &'a Args,
    policy: &Policy,
) -> Result<(Option<ComponentName>, &'a str), CliError> {
    let is_component = |name: &ComponentName| policy.component_names().contains(name);
    let head = "HEAD";
    match (&args.component, args.what.as_deref(), args.rev.as_deref()) {
        (component, None, _) => Ok((component.clone(), head)),
        (Some(_), Some(_), Some(_)) => Err(CliError::new(
            ErrorKind::Usage,
            "the component is already given by --component: the next argument is the commit",
        )),
        (Some(component), Some(revision), None) => Ok((Some(component.clone()), revision)),
        (None, Some(word), rev) => match (word.parse().ok().filter(is_component), rev) {
            (Some(component), rev) => Ok((Some(component), rev.unwrap_or(head))),
            (None, None) if args.environment.is_none() => Ok((None, word)),
            (None, _) => {
                let names: Vec<String> = policy
                    .component_names()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                Err(CliError::new(
                    ErrorKind::Usage,
                    format!("the policy has no component {word:?}"),
                )
                .because(format!("its components are {}", names.join(", "))))
            }
        },
    }
}

/// Returns the commit of a component that runs in an environment.
fn find_running_commit(
    workspace: &Workspace,
    environment: &EnvName,
    component: &ComponentName,
) -> Result<CommitId, CliError> {
    let (env, _) = workspace.find_environment(environment.as_str())?;
    let state = workspace.read_state(env.ledger(), &Scope::All)?;
    env.state_in(&state).commit(component).ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            format!(
                "{environment} does not run {component} yet: specify the commit that it was built from"
            ),
        )
        .hint(format!("git deploy register ARTIFACT {component} REV"))
    })
}

/// Returns the artifact's name and digest. Computes the digest of a file or folder.
fn find_artifact(args: &Args) -> Result<Image, CliError> {
    if let Some((name, digest)) = args.artifact.rsplit_once('@')
        && let Ok(digest) = digest.parse::<Digest>()
    {
        if args.name.is_some() {
            return Err(CliError::new(
                ErrorKind::Usage,
                "--name is for files and folders: this artifact already has a name",
            ));
        }
        let name = append_report::parse_line(name).map_err(|why| {
            CliError::new(
                ErrorKind::Usage,
                format!("this is not the name of an artifact: {why}"),
            )
        })?;
        return Ok(Image { name, digest });
    }
    let path = Path::new(&args.artifact);
    if path.symlink_metadata().is_err() {
        let message = format!(
            "{:?} is neither an artifact with a digest nor a file or folder",
            args.artifact
        );
        return Err(
            CliError::new(ErrorKind::Usage, message).hint("git deploy register NAME@sha256:…")
        );
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => derive_name(path)?,
    };
    let digest = digest::digest_path(path).context(
        ErrorKind::CannotTell,
        format!("cannot compute the digest of {}", path.display()),
    )?;
    Ok(Image { name, digest })
}

/// Returns the last part of a path, as the artifact's name. Resolves `.` and `..` to the folder's
/// name.
fn derive_name(path: &Path) -> Result<Line, CliError> {
    let nameless = || {
        CliError::new(ErrorKind::Usage, format!("{} has no name", path.display()))
            .hint("--name NAME")
    };
    let resolved = path.canonicalize().context(
        ErrorKind::CannotTell,
        format!("cannot find {}", path.display()),
    )?;
    let name = path
        .file_name()
        .or(resolved.file_name())
        .and_then(|name| name.to_str())
        .ok_or_else(nameless)?;
    name.parse()
        .map_err(|error: crate::domain::text::TextError| nameless().because(error))
}
