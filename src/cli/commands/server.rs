//! `git deploy server`: the commands that a server's owner runs on the server.

mod adopt;
mod check;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::domain::id::PublicKey;
use crate::server::install::{InstallError, Step, Wish, init};
use crate::signing::key::read_public;
use crate::view::symbols::Mark;

/// Make a repository a server that judges what is pushed
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Install the hooks, and say who may publish the first policy
    Init(Init),
    Check(check::Check),
    Adopt(adopt::Adopt),
}

#[derive(Clone, clap::Args)]
struct Init {
    /// The repository, bare as a rule, which must exist
    #[arg(value_name = "REPOSITORY")]
    repository: PathBuf,
    /// A public key, or the file that holds it, whose owner may publish the first policy; can be given several times
    #[arg(long = "admin", value_name = "KEY", value_parser = key)]
    admins: Vec<PublicKey>,
    /// A public key, or the file that holds it, whose owner may publish one policy after all admin keys were lost
    #[arg(long, value_name = "KEY", value_parser = key)]
    recover: Option<PublicKey>,
    /// The host calls no proc-receive, as GitLab does not: update and post-receive stand in for it; not under gitolite, whose update is its own
    #[arg(long)]
    no_proc_receive: bool,
    /// Keep git itself from moving ledgers in the repository, past the other hooks; every push of many refs pays for it
    #[arg(long, conflicts_with = "no_proc_receive")]
    reference_transaction: bool,
    /// A program, by its absolute path, that gets every entry that is accepted from now on, as a line of JSON on standard input
    #[arg(long, value_name = "PROGRAM")]
    handoff: Option<PathBuf>,
}

/// Runs the chosen subcommand.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.verb {
        Verb::Init(init) => run_init(init, context),
        Verb::Check(args) => check::run(args, context),
        Verb::Adopt(args) => adopt::run(args, context),
    }
}

/// Parses a public key, or reads it from the file of that name.
fn key(text: &str) -> Result<PublicKey, String> {
    text.parse().or_else(|error: crate::domain::id::IdError| {
        let path = PathBuf::from(text);
        if path.is_file() {
            read_public(&path).map_err(|error| error.to_string())
        } else {
            Err(error.to_string())
        }
    })
}

pub(in crate::cli) use adopt::Adopted;

/// What was installed.
#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct Document<'a> {
    /// The repository as it was named.
    repository: String,
    /// The steps.
    steps: Vec<StepDocument<'a>>,
    /// What to do next.
    next: &'a str,
}

/// One step.
#[derive(JsonSchema, Serialize)]
struct StepDocument<'a> {
    /// A description of the step.
    what: &'a str,
    /// Whether something was changed; otherwise it was in place already.
    changed: bool,
}

/// Installs the hooks and settings.
fn install(args: &Init) -> Result<Vec<Step>, Failure> {
    let program = std::env::current_exe().or_fail(
        Kind::CannotTell,
        "cannot tell where git-deploy is installed",
    )?;
    let repository = &args.repository;
    let wish = Wish {
        repository,
        admins: &args.admins,
        recovery: args.recover,
        without_proc_receive: args.no_proc_receive,
        reference_transaction: args.reference_transaction,
        handoff: args.handoff.as_deref(),
        program: &program,
    };
    init(&wish).map_err(|error| failed(error, args))
}

fn run_init(args: &Init, context: &Context) -> Result<(), Failure> {
    let steps = install(args)?;
    let repository = &args.repository;
    let next = match args.recover {
        Some(_) => {
            "git deploy policy publish --recover, with that key; then tell everyone, whose next sync asks them to confirm it"
        }
        None => "git deploy init in a clone, which publishes the first policy",
    };
    if context.json() {
        let steps = steps
            .iter()
            .map(|Step { what, changed }| StepDocument {
                what,
                changed: *changed,
            })
            .collect();
        return context.report(
            "server-init",
            &Document {
                repository: repository.display().to_string(),
                steps,
                next,
            },
        );
    }
    for step in &steps {
        let mark = if step.changed { Mark::Yes } else { Mark::None };
        context.print(format_args!("{mark} {}", step.what));
    }
    context.print(format_args!(
        "{} is ready. Next: {next}",
        repository.display()
    ));
    Ok(())
}

fn failed(error: InstallError, args: &Init) -> Failure {
    let path = args.repository.display();
    let failure = |kind| Failure::new(kind, format!("cannot make {path} a server"));
    let failure = match &error {
        InstallError::NoRepository { .. } => failure(Kind::Usage).hint(format!("git init --bare {path}")),
        InstallError::NoAdmin => {
            failure(Kind::Usage).hint(format!("git-deploy server init {path} --admin <public key>"))
        }
        InstallError::Handoff(_) => failure(Kind::Usage).hint("--handoff /usr/local/bin/PROGRAM"),
        InstallError::OtherRoots(root) => {
            failure(Kind::Denied).hint(format!("git-deploy server init {path} --admin {root}, if you trust that key"))
        }
        InstallError::HooksElsewhere(_) => {
            failure(Kind::CannotTell).hint(format!("git -C {path} config core.hooksPath hooks"))
        }
        InstallError::Gitolite(_) => failure(Kind::Usage)
            .hint(format!("git-deploy server init {path}, without --no-proc-receive: gitolite lets proc-receive work")),
        _ => failure(Kind::CannotTell),
    };
    match error {
        InstallError::Git(error) => failure.because(error),
        error => failure.because(error),
    }
}
