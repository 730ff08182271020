//! `git deploy component`: adds components to `deploy.toml`.

use crate::cli::policy_edit::{EditArgs, EditSummary, PolicyEdit, explain_edit_error};
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::ComponentName;
use crate::domain::policy::NewValue;

/// Add components to deploy.toml
///
/// The command edits the file and keeps its comments. An edit takes effect when an admin publishes
/// the file.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy component add api --paths 'api/**'")]
pub struct Args {
    #[command(subcommand)]
    command: ComponentCommand,
}

#[derive(clap::Subcommand)]
enum ComponentCommand {
    Add(AddComponentArgs),
}

/// Add a component
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  A component that another system deploys:
    git deploy component add api --paths 'api/**' 'lib/**'

  One that is deployed with a command:
    git deploy component add web --paths 'web/**' --apply ./deploy-web.sh --verify ./check-web.sh

  A component that had another name before:
    git deploy component add web --paths 'web/**' --renamed-from frontend")]
struct AddComponentArgs {
    /// The name
    name: ComponentName,
    /// The files that belong to the component: paths or globs
    #[arg(long, value_name = "GLOB", num_args = 1.., required = true)]
    paths: Vec<String>,
    /// The command that deploys it
    #[arg(long, value_name = "CMD")]
    apply: Option<String>,
    /// The command that shows what `apply` would do
    #[arg(long, value_name = "CMD", requires = "apply")]
    plan: Option<String>,
    /// The command that checks the running version
    #[arg(long, value_name = "CMD")]
    verify: Option<String>,
    /// The command that removes it from an environment
    #[arg(long, value_name = "CMD")]
    destroy: Option<String>,
    /// Deploy this component first (repeatable)
    #[arg(long, value_name = "NAME")]
    depends_on: Vec<ComponentName>,
    /// A name that the component had before (repeatable)
    #[arg(long, value_name = "NAME")]
    renamed_from: Vec<ComponentName>,
    /// How long a single command may run, such as 30m
    #[arg(hide_short_help = true, long, value_name = "SPAN")]
    timeout: Option<String>,
    #[command(flatten)]
    edit: EditArgs,
}

/// Runs the chosen subcommand.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let ComponentCommand::Add(args) = &args.command;
    add_component(args, PolicyEdit::open(ui)?, ui)
}

fn add_component(args: &AddComponentArgs, mut edit: PolicyEdit, ui: &Ui) -> Result<(), CliError> {
    let name = &args.name;
    let has_default = !edit.editor.has_table("components");
    if edit.current.policy.components.contains_key(name) && !has_default {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("there is already a component {name}"),
        )
        .hint("git deploy policy show"));
    }
    let names = |list: &[ComponentName]| list.iter().map(ToString::to_string).collect();
    let mut keys = vec![("paths", NewValue::Array(args.paths.clone()))];
    for (key, list) in [
        ("renamed_from", &args.renamed_from),
        ("depends_on", &args.depends_on),
    ] {
        if !list.is_empty() {
            keys.push((key, NewValue::List(names(list))));
        }
    }
    for (key, text) in [
        ("plan", &args.plan),
        ("apply", &args.apply),
        ("verify", &args.verify),
        ("destroy", &args.destroy),
        ("timeout", &args.timeout),
    ] {
        if let Some(text) = text {
            keys.push((key, NewValue::Text(text.clone())));
        }
    }
    edit.editor
        .add_entry("components", name.as_str(), keys, None)
        .map_err(explain_edit_error)?;
    let mut notes = Vec::new();
    if has_default {
        let default = &edit.current.policy.project;
        notes.push(format!(
            "Until now, the whole tree was one component, {default}. Once a file declares components, only those exist."
        ));
    }
    let summary = EditSummary {
        title: format!("Add the component {name}"),
        notes,
        afterwards: Vec::new(),
    };
    edit.finish(&args.edit, &summary, ui)
}
