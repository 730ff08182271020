//! Warns about Git LFS pointers, which the commands of a component find in the place of files.

use super::Ui;
use super::workspace::Workspace;
use crate::domain::entry::{Deployment, Target};
use crate::domain::text::sanitize;
use crate::git;
use crate::ledger::facts::PolicyComponent;

/// Prints a warning for each deployed component with commands that has Git LFS pointers.
///
/// Says nothing about files that cannot be read: the checkout fails on them.
pub fn report_lfs_pointers(ui: &Ui, workspace: &Workspace, deployment: &Deployment) {
    for change in deployment.components.iter().filter(|it| !it.is_removal()) {
        let target = &change.target;
        let component = workspace.policy.component(&target.component);
        let has_command = component.is_some_and(|it| {
            [&it.plan, &it.apply, &it.verify, &it.destroy]
                .into_iter()
                .any(Option::is_some)
        });
        if !has_command {
            continue;
        }
        let paths = list_lfs_pointers(workspace, target).unwrap_or_default();
        if let Some((first, others)) = paths.split_first() {
            let more = match others.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            ui.eprint_warning(format_args!(
                "{} at {} has Git LFS pointers instead of files: {first}{more}. Its commands find the pointers, because a checkout runs no filters.",
                target.component,
                target.commit.0.prefix(7),
            ));
        }
    }
}

fn list_lfs_pointers(workspace: &Workspace, target: &Target) -> git::Result<Vec<String>> {
    let repository = &workspace.repository;
    let tree = repository.read_commit(target.commit.0)?.tree;
    let paths = PolicyComponent::new(&workspace.policy, &target.component);
    let files = repository.list_component_files(tree, &paths)?;
    let pointers = repository.find_lfs_pointers(&files)?.into_iter();
    Ok(pointers
        .map(|file| sanitize(&String::from_utf8_lossy(&file.path)))
        .collect())
}
