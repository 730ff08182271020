//! Notifies of unused approvals that expire soon.

use crate::cli::deploy_runner::{SharedNotice, notify_environments};
use crate::cli::pending_approvals::list_pending_approvals;
use crate::cli::read_context::read_environments;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::policy::NotifyEvent;
use crate::domain::time::Time;

/// Prints the unused approvals that expire no later than `deadline`, and notifies the recipients of
/// their environments.
pub(super) fn notify_expiring_approvals(
    workspace: &Workspace,
    ui: &Ui,
    deadline: Time,
) -> Result<(), CliError> {
    for snapshot in read_environments(workspace)? {
        let name = snapshot.name();
        for approval in list_pending_approvals(&workspace.policy, snapshot.state(), ui.now()) {
            let (by, approve) = (approval.by, approval.approve);
            if approve.expires > deadline {
                continue;
            }
            let commit = approve.commit;
            let sentence = format!("{by} approved {} for {name}", commit.short());
            ui.print_sentence(format_args!(
                "{sentence}; the approval expires {}.",
                ui.format_time(approve.expires)
            ));
            let notice = SharedNotice {
                event: NotifyEvent::ApprovalExpires,
                by,
                commit: Some(commit),
                describe: &|_| vec![sentence.clone()],
                entry: None,
                expires: Some(approve.expires),
            };
            notify_environments(ui, workspace, [name], &notice);
        }
    }
    Ok(())
}
