//! `git deploy register`: signs what was built from a commit.

use std::path::Path;

use super::composing::{built, content};
use super::workspace::Workspace;
use super::written::{self, How};
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::{Action, Artifact, Image};
use crate::domain::id::Digest;
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::text::Line;
use crate::run::digest;

/// Register an artifact that was built from a commit
#[derive(clap::Args)]
pub struct Args {
    /// An artifact with its digest, such as ghcr.io/acme/api@sha256:9f86…, or a file or folder whose digest is taken
    ///
    /// A file's digest is the SHA-256 of its bytes. A folder's is the SHA-256 of a list with `MODE SHA256 PATH` and a NUL for each
    /// file, in bytewise order of path; modes are git's.
    #[arg(value_name = "NAME@DIGEST|PATH")]
    artifact: String,
    /// The commit it was built from; an environment's name stands for what runs there
    #[arg(default_value = "HEAD")]
    rev: String,
    /// The component that was built; may be left out where there is only one
    #[arg(short, long, value_name = "NAME")]
    component: Option<ComponentName>,
    /// The name of a file or folder as an artifact; without it the last part of its path
    #[arg(long, value_name = "NAME", value_parser = written::line)]
    name: Option<Line>,
    #[command(flatten)]
    how: How,
}

/// Registers.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let commit = workspace.commit(&args.rev)?;
    let image = image(args)?;
    let appended = workspace.append(context, &LedgerName::evidence(), args.how.manner(), &|view| {
        let policy = view.policy.ok_or_else(|| Failure::new(Kind::CannotTell, "no policy is in force"))?;
        let component = built(policy, args.component.as_ref())?;
        let was = content(view, policy, commit, &component)?;
        Ok(Action::Artifact(Artifact { component, commit, content: was, image: image.clone(), builder: None }).into())
    })?;
    let Action::Artifact(artifact) = &appended.statement.action else { return Ok(()) };
    let short = artifact.image.digest.short();
    let sentence =
        format!("{}@{short} was built from {} ({}).", artifact.image.name, artifact.component, commit.0.prefix(7));
    written::tell(context, &sentence, &appended)
}

/// The artifact that is meant.
fn image(args: &Args) -> Result<Image, Failure> {
    if let Some((name, digest)) = args.artifact.rsplit_once('@')
        && let Ok(digest) = digest.parse::<Digest>()
    {
        if args.name.is_some() {
            return Err(Failure::new(Kind::Usage, "--name is for files and folders: this artifact has a name"));
        }
        let name = name.parse().or_fail(Kind::Usage, format!("{name:?} is not the name of an artifact"))?;
        return Ok(Image { name, digest });
    }
    let path = Path::new(&args.artifact);
    if path.symlink_metadata().is_err() {
        let words = format!("{:?} is neither an artifact with a digest nor a file or folder", args.artifact);
        return Err(Failure::new(Kind::Usage, words).hint("git deploy register NAME@sha256:…"));
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => file_name(path)?,
    };
    let digest =
        digest::of_path(path).or_fail(Kind::CannotTell, format!("cannot take the digest of {}", path.display()))?;
    Ok(Image { name, digest })
}

/// The last part of a path; of `.` or `..` that of the folder it stands for.
fn file_name(path: &Path) -> Result<Line, Failure> {
    let nameless = || Failure::new(Kind::Usage, format!("{} gives no name", path.display())).hint("--name NAME");
    let whole = path.canonicalize().or_fail(Kind::CannotTell, format!("cannot find {}", path.display()))?;
    let name = path.file_name().or(whole.file_name()).and_then(|name| name.to_str()).ok_or_else(nameless)?;
    name.parse().map_err(|error: crate::domain::text::TextError| nameless().because(error))
}
