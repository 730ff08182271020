//! `git-deploy server init`: turns a repository into a server that checks pushes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::PublicKey;
use crate::server::install::{InstallError, InstallOptions, InstallStep, init_server};
use crate::signing::key::read_public_key;
use crate::view::symbols::Mark;

#[derive(Clone, clap::Args)]
pub(super) struct InitArgs {
    /// The repository, usually a bare one, which must exist
    #[arg(value_name = "REPOSITORY")]
    pub(super) repository: PathBuf,
    /// A public key, or its file, that may publish the first policy (repeatable)
    #[arg(long = "admin", value_name = "KEY", value_parser = parse_key)]
    pub(super) admins: Vec<PublicKey>,
    /// A public key, or its file, that may publish one policy after all admin keys were lost
    #[arg(hide_short_help = true, long, value_name = "KEY", value_parser = parse_key)]
    pub(super) recover: Option<PublicKey>,
    /// For hosts that do not run proc-receive, such as GitLab
    ///
    /// The hooks update and post-receive replace it. Not for gitolite, which uses update itself.
    #[arg(hide_short_help = true, long)]
    pub(super) no_proc_receive: bool,
    /// Also block ref updates that bypass the other hooks
    ///
    /// Slows down every push of many refs.
    #[arg(hide_short_help = true, long, conflicts_with = "no_proc_receive")]
    pub(super) reference_transaction: bool,
    /// Pass each accepted entry to this program, as a line of JSON on standard input
    ///
    /// The path must be absolute.
    #[arg(hide_short_help = true, long, value_name = "PROGRAM")]
    pub(super) handoff: Option<PathBuf>,
}

/// Parses a public key, or reads it from the file of that name.
fn parse_key(text: &str) -> Result<PublicKey, String> {
    text.parse().or_else(|error: crate::domain::id::IdError| {
        let path = PathBuf::from(text);
        if path.is_file() {
            read_public_key(&path).map_err(|error| error.to_string())
        } else {
            Err(error.to_string())
        }
    })
}

/// What was installed.
#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct ServerInitDocument<'a> {
    /// The path of the repository, as it was typed.
    repository: String,
    /// The steps.
    steps: Vec<StepDocument<'a>>,
    /// What to do next.
    next: &'a str,
}

/// One step.
#[derive(JsonSchema, Serialize)]
pub(super) struct StepDocument<'a> {
    /// A description of the step.
    pub(super) what: &'a str,
    /// Whether something was changed. If not, it was already in place.
    pub(super) changed: bool,
}

/// Installs the hooks and settings.
pub(super) fn install_server(args: &InitArgs) -> Result<Vec<InstallStep>, CliError> {
    let program = std::env::current_exe().context(
        ErrorKind::CannotTell,
        "cannot tell where git-deploy is installed",
    )?;
    let repository = &args.repository;
    let options = InstallOptions {
        repository,
        admins: &args.admins,
        recovery: args.recover,
        without_proc_receive: args.no_proc_receive,
        reference_transaction: args.reference_transaction,
        handoff: args.handoff.as_deref(),
        program: &program,
    };
    init_server(&options).map_err(|error| explain_install_error(error, args))
}

/// Converts the steps of an installation to the form of the JSON document.
pub(super) fn describe_steps(steps: &[InstallStep]) -> Vec<StepDocument<'_>> {
    steps
        .iter()
        .map(|step| StepDocument {
            what: &step.message,
            changed: step.was_changed,
        })
        .collect()
}

/// Prints the steps of an installation.
pub(super) fn print_steps(ui: &Ui, steps: &[InstallStep]) {
    for step in steps {
        let mark = if step.was_changed {
            Mark::Yes
        } else {
            Mark::None
        };
        ui.print(format_args!("{mark} {}", step.message));
    }
}

/// Installs the hooks and settings, and prints the steps.
pub(super) fn run(args: &InitArgs, ui: &Ui) -> Result<(), CliError> {
    let steps = install_server(args)?;
    let repository = &args.repository;
    let next = match args.recover {
        Some(_) => "git deploy policy publish --recover",
        None => "git deploy init",
    };
    if ui.json() {
        let steps = describe_steps(&steps);
        return ui.print_document(
            "server-init",
            &ServerInitDocument {
                repository: repository.display().to_string(),
                steps,
                next,
            },
        );
    }
    print_steps(ui, &steps);
    ui.print(format_args!(
        "{} is ready. Next, in a clone: {next}",
        repository.display()
    ));
    Ok(())
}

/// Turns the reason why the installation failed into the command's error.
fn explain_install_error(error: InstallError, args: &InitArgs) -> CliError {
    let path = args.repository.display();
    let new_error = |kind| CliError::new(kind, format!("cannot turn {path} into a server"));
    let explained = match &error {
        InstallError::NoRepository { .. } => {
            new_error(ErrorKind::Usage).hint(format!("git init --bare {path}"))
        }
        InstallError::NoAdmin => new_error(ErrorKind::Usage).hint(format!(
            "git-deploy server init {path} --admin <public key>"
        )),
        InstallError::HandoffNotAbsolute(_) => {
            new_error(ErrorKind::Usage).hint("--handoff /usr/local/bin/PROGRAM")
        }
        InstallError::OtherRoots(root) => new_error(ErrorKind::Denied).hint(format!(
            "if you trust that key: git-deploy server init {path} --admin {root}"
        )),
        InstallError::HooksElsewhere(_) => new_error(ErrorKind::CannotTell)
            .hint(format!("git -C {path} config core.hooksPath hooks")),
        InstallError::Gitolite(_) => new_error(ErrorKind::Usage).hint(format!(
            "without --no-proc-receive, which gitolite does not need: git-deploy server init {path}"
        )),
        _ => new_error(ErrorKind::CannotTell),
    };
    match error {
        InstallError::Git(error) => explained.because(error),
        error => explained.because(error),
    }
}
