//! What is told of a deployment, and to whom it is handed on: notifications, and the branch that follows a success.

use std::collections::BTreeSet;

use super::{Begun, Deploying};
use crate::domain::entry::{self, Deployment, Outcome};
use crate::domain::name::Person;
use crate::domain::policy::Event;
use crate::domain::time::Time;
use crate::git::append::Appended;
use crate::git::remote::PushOutcome;
use crate::run::carry::Report;
use crate::run::notify::Notice;
use crate::run::surroundings::url;

impl Deploying<'_> {
    /// Tells of an event; `more` adds what else is known.
    pub(super) fn tells(
        &self,
        event: Event,
        by: &Person,
        deployment: &Deployment,
        more: impl FnOnce(Notice) -> Notice,
    ) {
        let policy = &self.workspace.policy;
        let Some(rules) = policy.environment(&self.place.name) else { return };
        let name = self.place.name.clone();
        let notice = Notice::new(event, self.context.now(), policy.project.clone(), name).about(deployment);
        let notice = Notice { by: Some(by.clone()), url: url(&self.place.name, rules), ..notice };
        self.notices.send(rules, &more(notice));
    }

    /// Tells that the environment, whose end this person said, expires soon.
    pub fn warns(&self, by: &Person, expires: Time) {
        let deployment = Deployment { expires: Some(expires), ..Deployment::new(entry::Kind::Deploy, Vec::new()) };
        self.tells(Event::AboutToExpire, by, &deployment, |notice| notice);
    }

    /// Tells how it ended.
    pub(super) fn tells_end(&self, begun: &Begun, report: &Report, appended: &Appended) {
        let back = report.results.iter().any(|it| it.outcome == Outcome::RolledBack);
        let event = match (report.is_success(), back) {
            (true, _) => Event::Succeeded,
            (false, true) => Event::RolledBack,
            (false, false) => Event::Failed,
        };
        let failed = report.broken.iter().map(|(name, it)| format!("{} of {name}: {}", it.step.word(), it.why));
        let left = report.left.iter().map(|(name, why)| format!("{name} was not brought back: {why}"));
        let statement = &appended.statement;
        self.tells(event, &statement.by, &begun.deployment, |notice| Notice {
            run: Some(begun.run),
            entry: Some(appended.id),
            reasons: failed.chain(left).collect(),
            ..notice.ended(&statement.ended())
        });
    }

    /// Moves the branch that follows a success, forward only. A failure is told and changes nothing: what runs, runs.
    pub(super) fn advance(&self, deployment: &Deployment) {
        let (workspace, name) = (self.workspace, &self.place.name);
        let branch = workspace.policy.environment(name).and_then(|rules| rules.advance.as_ref());
        let commits: BTreeSet<_> = deployment.changed().map(|change| change.target.commit).collect();
        let forward = matches!(deployment.kind, entry::Kind::Deploy | entry::Kind::Hotfix);
        let (Some(branch), Some(commit), 1, true) = (branch, commits.first(), commits.len(), forward) else { return };
        let (repository, reference) = (&workspace.repository, format!("refs/heads/{branch}"));
        // Without a remote the repository itself is what is pushed to.
        let remote = workspace.remote.as_deref().unwrap_or(".");
        let push = || {
            let before = repository.ls_remote(remote, &[&reference])?.get(&reference).copied();
            repository.push_one(remote, commit.0, &reference, before)
        };
        let short = commit.0.prefix(7);
        let why = match push() {
            Ok(PushOutcome::Accepted { .. }) => {
                return self.context.say(format_args!("The branch {branch} is at {short} now."));
            }
            Ok(PushOutcome::Rejected { messages, .. } | PushOutcome::Unknown { messages, .. }) => messages.join("; "),
            Ok(PushOutcome::LostRace { .. }) => "it has moved meanwhile, or does not lead there".to_owned(),
            Err(error) => error.to_string(),
        };
        let words = format!("The branch {branch} was not moved to {short}: {why}");
        self.context.mention(words.trim_end_matches([':', ' ']));
    }
}
