//! `git deploy environment`: adds environments to `deploy.toml`.

use crate::cli::policy_edit::{
    EditArgs, EditSummary, PolicyEdit, explain_edit_error, explain_unknown,
};
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::EnvName;
use crate::domain::policy::{NewValue, Policy};

/// Add environments to deploy.toml
///
/// The command edits the file and keeps its comments. An edit takes effect when an admin publishes
/// the file.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy environment add stage --after dev")]
pub struct Args {
    #[command(subcommand)]
    command: EnvironmentCommand,
}

#[derive(clap::Subcommand)]
enum EnvironmentCommand {
    Add(AddEnvironmentArgs),
}

/// Add an environment, or a pattern of ephemeral ones
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  An environment between two others:
    git deploy environment add qa --after stage --before prod

  An environment for each change request:
    git deploy environment add 'pr-*' --ttl 8h --limit 20")]
struct AddEnvironmentArgs {
    /// The name, or a pattern such as 'pr-*'
    name: String,
    /// What is deployed must have succeeded in this environment before (repeatable)
    #[arg(long, value_name = "ENV")]
    after: Vec<EnvName>,
    /// Let this environment promote from the new one
    #[arg(long, value_name = "ENV", requires = "after")]
    before: Option<EnvName>,
    /// The number of approvals that a deployment needs
    #[arg(long, value_name = "N")]
    approvals: Option<u32>,
    /// How long a commit must have run in the environment before, such as 1h
    #[arg(hide_short_help = true, long, value_name = "SPAN", requires = "after")]
    soak: Option<String>,
    /// Who may deploy: a person or a group (repeatable). Defaults to everyone
    #[arg(long = "deployer", value_name = "NAME")]
    deployers: Vec<String>,
    /// An attestation that a commit needs, such as test-result (repeatable)
    #[arg(hide_short_help = true, long = "check", value_name = "TYPE")]
    checks: Vec<String>,
    /// The branch that belongs to the environment
    #[arg(hide_short_help = true, long, value_name = "BRANCH")]
    branch: Option<String>,
    /// The address of the running environment
    #[arg(hide_short_help = true, long, value_name = "URL")]
    url: Option<String>,
    /// How long an environment of a pattern lives, such as 8h
    #[arg(long, value_name = "SPAN", requires = "limit")]
    ttl: Option<String>,
    /// How many environments of a pattern may exist at the same time
    #[arg(long, value_name = "N", requires = "ttl")]
    limit: Option<u32>,
    #[command(flatten)]
    edit: EditArgs,
}

/// Runs the chosen subcommand.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let EnvironmentCommand::Add(args) = &args.command;
    add_environment(args, PolicyEdit::open(ui)?, ui)
}

fn add_environment(
    args: &AddEnvironmentArgs,
    mut edit: PolicyEdit,
    ui: &Ui,
) -> Result<(), CliError> {
    let name = &args.name[..];
    let policy = &edit.current.policy;
    if policy
        .all_environments()
        .any(|it| it.display_name() == name)
    {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("there is already an environment {name}"),
        )
        .hint("git deploy policy show"));
    }
    for known in args.after.iter().chain(&args.before) {
        require_environment(policy, known)?;
    }
    let mut apply = || {
        let after = args.after.last().map(EnvName::as_str);
        edit.editor
            .add_entry("environments", name, args.keys(), after)?;
        if let (Some(before), Ok(new)) = (&args.before, name.parse()) {
            edit.editor.promote_from(before, args.after.last(), &new)?;
        }
        Ok(())
    };
    apply().map_err(explain_edit_error)?;
    let summary = EditSummary {
        title: format!("Add the environment {name}"),
        notes: Vec::new(),
        afterwards: Vec::new(),
    };
    edit.finish(&args.edit, &summary, ui)
}

fn require_environment(policy: &Policy, name: &EnvName) -> Result<(), CliError> {
    if policy.environments.contains_key(name) {
        return Ok(());
    }
    let names = policy.environments.keys().map(EnvName::as_str);
    Err(explain_unknown("environment", name.as_str(), names))
}

impl AddEnvironmentArgs {
    /// Returns the keys of the new environment.
    fn keys(&self) -> Vec<(&'static str, NewValue)> {
        let mut keys = Vec::new();
        let after: Vec<String> = self.after.iter().map(ToString::to_string).collect();
        for (key, list) in [("promote_from", &after), ("deployers", &self.deployers)] {
            if !list.is_empty() {
                keys.push((key, NewValue::List(list.clone())));
            }
        }
        if let Some(soak) = &self.soak {
            keys.push(("soak", NewValue::Text(soak.clone())));
        }
        if let Some(approvals) = self.approvals {
            keys.push(("approvals", NewValue::Number(approvals)));
        }
        if !self.checks.is_empty() {
            keys.push(("checks", NewValue::List(self.checks.clone())));
        }
        for (key, text) in [("branch", &self.branch), ("url", &self.url)] {
            if let Some(text) = text {
                keys.push((key, NewValue::Text(text.clone())));
            }
        }
        if let (Some(ttl), Some(limit)) = (&self.ttl, self.limit) {
            let limits = vec![
                ("ttl", NewValue::Text(ttl.clone())),
                ("limit", NewValue::Number(limit)),
            ];
            keys.push(("ephemeral", NewValue::Table(limits)));
        }
        keys
    }
}
