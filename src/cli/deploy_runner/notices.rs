//! The notices of a deployment that its runner sends.

use std::collections::BTreeSet;

use super::runner::DeployRunner;
use crate::domain::entry::{Deployment, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::name::Person;
use crate::domain::policy::NotifyEvent;
use crate::domain::time::Time;
use crate::ledger::writer::AppendedEntry;
use crate::run::command_env::render_url;
use crate::run::new_commits::list_authors;
use crate::run::notify::Notice;

impl DeployRunner<'_> {
    /// Sends a notification of an event. `add_details` may extend it.
    pub(super) fn notify(
        &self,
        event: NotifyEvent,
        by: &Person,
        deployment: &Deployment,
        add_details: impl FnOnce(Notice) -> Notice,
    ) {
        let (name, policy) = (self.env.name(), &self.workspace.policy);
        let rules = policy.environment(name);
        let Some(rules) = rules.filter(|_| !self.is_dry_run) else {
            return;
        };
        let recipients: Vec<_> = rules
            .notify
            .iter()
            .filter(|recipient| !self.not_notified.contains(&recipient.channel))
            .cloned()
            .collect();
        if recipients.iter().all(|it| !it.on.contains(&event)) {
            return;
        }
        let repository = &self.workspace.repository;
        let notice = Notice::new(event, self.ui.now(), policy.project.clone(), name.clone())
            .with_deployment(deployment);
        let notice = Notice {
            by: Some(by.clone()),
            url: render_url(name, rules),
            // A notification without them is better than none.
            authors: list_authors(repository, policy, deployment).unwrap_or_default(),
            ..notice
        };
        let folder = repository.work_dir().unwrap_or(repository.git_dir());
        let isolate = || self.isolate_notifications(rules);
        self.notifications
            .send(&recipients, &add_details(notice), folder, isolate);
    }

    /// Sends a notification that the environment expires soon. `by` is the person who set the
    /// expiry.
    pub fn notify_expiry(&self, by: &Person, expires: Time) {
        let deployment = Deployment {
            expires: Some(expires),
            ..Deployment::new(DeploymentKind::Deploy, Vec::new())
        };
        self.notify(NotifyEvent::AboutToExpire, by, &deployment, |notice| notice);
    }

    /// Sends a notification of the commits that a person's rollback put on hold, if there are any.
    pub(super) fn notify_holds(
        &self,
        held: &BTreeSet<CommitId>,
        rollback: &Deployment,
        appended: &AppendedEntry,
    ) {
        if held.is_empty() {
            return;
        }
        let by = &appended.statement.by;
        self.notify(NotifyEvent::OnHold, by, rollback, |notice| Notice {
            entry: Some(appended.id),
            reasons: held
                .iter()
                .map(|commit| format!("{} was rolled back and is on hold", commit.short()))
                .collect(),
            ..notice
        });
    }
}
