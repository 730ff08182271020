//! Determines the environment of a command: the one that is named, or the one that the checked-out
//! branch or the CI job is bound to.
//!
//! If the environment cannot be determined for certain, the command fails and asks for the name.

use crate::cli::bound_environment::{BoundEnvironment, Purpose, find_bound};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::Environment;

/// `[ENV] [REV]`, the arguments of commands about a deployment.
#[derive(clap::Args)]
pub struct EnvRevArgs {
    /// The environment. Defaults to the one of the current branch or CI job
    ///
    /// In CI, the branch, tag or change request that the job runs for determines the environment. For
    /// a change request, check, diff and plan look at the environment of its target branch; other
    /// commands mean its own environment, such as pr-17. The command fails if none or several match.
    #[arg(value_name = "ENV")]
    env: Option<String>,
    /// The commit to use [default: HEAD]
    ///
    /// A Git revision, ENV for the commit that an environment runs, or ENV:COMPONENT for the commit
    /// of one component there.
    #[arg(value_name = "REV")]
    rev: Option<String>,
}

/// `[ENV]`, the argument of commands that need no commit.
#[derive(clap::Args)]
pub struct EnvArg {
    /// The environment. Defaults to the one of the current branch or CI job
    ///
    /// In CI, the branch, tag or change request that the job runs for determines the environment.
    /// The command fails if none or several match.
    #[arg(value_name = "ENV")]
    env: Option<String>,
}

impl EnvRevArgs {
    /// Returns the two arguments as they were typed: the environment and the revision.
    pub fn as_typed(&self) -> (Option<&str>, Option<&str>) {
        (self.env.as_deref(), self.rev.as_deref())
    }

    /// Parses the reversed order `COMPONENT ENV`, as in `api prod`. `all prod` selects no
    /// particular component. Returns `None` if the arguments are not in this order.
    pub fn parse_component_first(
        &self,
        workspace: &Workspace,
    ) -> Option<(Option<ComponentName>, EnvName)> {
        let (first, second) = (self.env.as_deref()?, self.rev.as_deref()?);
        let environment = second
            .parse()
            .ok()
            .filter(|name| workspace.policy.environment(name).is_some())?;
        if is_environment(workspace, first) {
            return None;
        }
        if first == "all" {
            return Some((None, environment));
        }
        let component = first
            .parse()
            .ok()
            .filter(|name| workspace.policy.has_component(name))?;
        Some((Some(component), environment))
    }

    /// Determines the environment and returns it with the revision, if one was given.
    ///
    /// A single word that is not an environment is the revision, if the environment can be
    /// determined without it.
    pub fn find(
        &self,
        workspace: &Workspace,
        ui: &Ui,
    ) -> Result<(EnvName, Option<&str>), CliError> {
        self.find_for(Purpose::Act, workspace, ui)
    }

    /// Like [`Self::find`], for a command that reviews a proposed deployment: in the CI job of a
    /// change request, the environment is that of its target branch.
    pub fn find_reviewed_environment(
        &self,
        workspace: &Workspace,
        ui: &Ui,
    ) -> Result<(EnvName, Option<&str>), CliError> {
        self.find_for(Purpose::Review, workspace, ui)
    }

    fn find_for(
        &self,
        purpose: Purpose,
        workspace: &Workspace,
        ui: &Ui,
    ) -> Result<(EnvName, Option<&str>), CliError> {
        let (first, rev) = (self.env.as_deref(), self.rev.as_deref());
        match first {
            Some(word) if rev.is_some() || is_environment(workspace, word) => {
                Ok((workspace.find_environment(word)?.0.name().clone(), rev))
            }
            Some(word) => match find_bound(workspace, purpose)? {
                Ok(bound) if is_commit(workspace, word) => Ok((report_inferred(ui, bound), first)),
                Ok(_) => Err(explain_no_environment(
                    workspace,
                    word,
                    "it is not a commit in this repository either",
                )),
                Err(why) => {
                    let why = format!("{why}, so the first word names the environment");
                    Err(explain_no_environment(workspace, word, &why))
                }
            },
            None => Ok((infer_environment(purpose, workspace, ui)?, None)),
        }
    }
}

impl EnvArg {
    /// Returns the argument as if `env` had been typed.
    pub fn new(env: Option<String>) -> Self {
        Self { env }
    }

    /// Returns the argument as it was typed.
    pub fn as_typed(&self) -> Option<&str> {
        self.env.as_deref()
    }

    /// Determines the environment.
    pub fn find(&self, workspace: &Workspace, ui: &Ui) -> Result<EnvName, CliError> {
        match &self.env {
            Some(name) => Ok(workspace.find_environment(name)?.0.name().clone()),
            None => infer_environment(Purpose::Act, workspace, ui),
        }
    }
}

/// Returns whether a word names an environment of the policy.
fn is_environment(workspace: &Workspace, word: &str) -> bool {
    word.parse::<EnvName>()
        .is_ok_and(|name| workspace.policy.environment(&name).is_some())
}

/// Returns whether a word names a commit: a Git revision, or an environment that runs one.
fn is_commit(workspace: &Workspace, word: &str) -> bool {
    let environment = word
        .split_once(':')
        .map_or(word, |(environment, _)| environment);
    is_environment(workspace, environment)
        || matches!(workspace.repository.resolve_revision(word), Ok(Some(_)))
}

fn explain_no_environment(workspace: &Workspace, word: &str, why: &str) -> CliError {
    // The word names no environment, so this lookup fails with the message to show.
    workspace.find_environment(word).err().map_or_else(
        || explain_unbound(workspace, why),
        |failure| failure.because(why),
    )
}

fn infer_environment(
    purpose: Purpose,
    workspace: &Workspace,
    ui: &Ui,
) -> Result<EnvName, CliError> {
    Ok(report_inferred(
        ui,
        find_bound(workspace, purpose)?.map_err(|why| explain_unbound(workspace, &why))?,
    ))
}

/// Prints which environment was chosen and why, so that a wrong choice is noticed. Returns its
/// name.
fn report_inferred(ui: &Ui, bound: BoundEnvironment) -> EnvName {
    ui.eprint_sentence(format_args!("{}, from {}", bound.name, bound.from));
    bound.name
}

fn explain_unbound(workspace: &Workspace, why: &str) -> CliError {
    let names: Vec<String> = workspace
        .policy
        .environments_in_order()
        .into_iter()
        .map(Environment::display_name)
        .collect();
    CliError::new(ErrorKind::Usage, "cannot determine the environment")
        .because(why.to_owned())
        .hint(format!("specify one of: {}", names.join(", ")))
}
