//! `git deploy diff` without arguments: compares each environment with the one before it.

use super::{Args, print_diff, read_diff};
use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::EnvName;
use crate::view::deployment_diff::PromotionDiffs;

/// Prints what a promotion would change in each environment.
pub(super) fn run(workspace: &Workspace, args: &Args, ui: &Ui) -> Result<(), CliError> {
    let pairs = find_pairs(workspace);
    if pairs.is_empty() {
        let error = CliError::new(
            ErrorKind::Usage,
            "no environment is promoted from another one",
        );
        let rules = workspace.policy.environments_in_order();
        return Err(match rules.first() {
            Some(first) => error.hint(format!("git deploy diff {}", first.display_name())),
            None => error,
        });
    }
    let mut environments = Vec::new();
    for (name, previous) in &pairs {
        let snapshot = read_context::read_environment(workspace, previous.as_str())?;
        if snapshot.state().components().is_empty() {
            ui.eprint_sentence(format_args!(
                "nothing runs in {previous} yet, so there is nothing to promote to {name}"
            ));
            continue;
        }
        environments.push(read_diff(workspace, name, previous.as_str(), args)?);
    }
    if ui.json() {
        return ui.print_document("promotion-diffs", &PromotionDiffs { environments });
    }
    for (index, diff) in environments.iter().enumerate() {
        if index > 0 {
            ui.print("");
        }
        print_diff(diff, args, ui);
    }
    read_context::print_fetch_age(workspace, ui);
    Ok(())
}

/// Returns each environment with the one before it: the last of those that it is promoted from.
fn find_pairs(workspace: &Workspace) -> Vec<(EnvName, EnvName)> {
    let order = workspace.policy.environments_in_order();
    let mut pairs = Vec::new();
    for (index, rules) in order.iter().enumerate() {
        let mut earlier = order.iter().take(index).rev();
        let previous = earlier.find(|it| rules.promote_from.contains(&it.name));
        if let Some(previous) = previous.filter(|it| !rules.is_pattern() && !it.is_pattern()) {
            pairs.push((rules.name.clone(), previous.name.clone()));
        }
    }
    pairs
}
