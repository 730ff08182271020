//! Destroys a whole ephemeral environment: shared by `destroy` and `reap`, and by a failed
//! creation, which is undone.

use super::gate::deed;
use super::{Begun, Compose, Deploying, Plans, Stage};
use crate::cli::deployment_request::Place;
use crate::cli::progress::Progress;
use crate::cli::workspace::Workspace;
use crate::cli::{Failure, Kind, OrFail as _};
use crate::domain::entry::{self, ComponentChange, Deployment, Intent, Target};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::policy::Rollback;
use crate::domain::state::{EnvState, Scope};
use crate::ledger::writer::{Appended, View};
use crate::run::execute::Report;
use crate::view::grouping::counted;
use crate::view::result_text;

/// Computes the deployment that destroys every component of an environment. Returns `None` if the
/// environment does not exist.
///
/// `agrees` decides whether to destroy the environment in its present state.
pub fn everything(
    place: &Place,
    view: &View<'_>,
    agrees: &dyn Fn(EnvState<'_>) -> Result<(), Failure>,
) -> Result<Option<Deployment>, Failure> {
    let state = view
        .state(&place.ledger, &Scope::All)
        .or_fail(Kind::CannotTell, "cannot read the ledger")?;
    let here = state.environment(place.named.as_ref());
    if !here.exists() {
        return Ok(None);
    }
    agrees(here)?;
    let gone = |(component, commit): (&ComponentName, CommitId)| {
        let target = Target {
            component: component.clone(),
            commit,
            content: None,
            version: None,
            artifacts: Vec::new(),
        };
        ComponentChange {
            target,
            from: here.commit(component),
            plan: None,
            intent: Intent::Destroy,
        }
    };
    let components = here.present_commits().into_iter().map(gone).collect();
    Ok(Some(Deployment::new(
        entry::DeploymentKind::Destroy,
        components,
    )))
}

impl Deploying<'_> {
    /// Checks the rules, asks `first` whether to go on, and destroys the environment.
    ///
    /// Returns the finish entry, and as the second value whether every component was destroyed.
    pub fn destroy(
        &self,
        person: &Person,
        compose: &Compose<'_>,
        first: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<(Appended, Result<(), Failure>), Failure> {
        let deployment = self.gate(person, compose)?;
        self.approved(person, compose, &deployment, &Plans::new())?;
        self.tell_untouched(&deployment);
        first()?;
        let stage = Stage::new(self, &deployment)?;
        let progress = Progress::new(self.context, stage.names);
        let begun = self.begin(compose, &deployment, &Plans::new())?;
        let (appended, report) = self.carried(&stage, &progress, &begun, &Plans::new())?;
        Ok((
            appended,
            self.outcome(entry::DeploymentKind::Destroy, &report),
        ))
    }

    /// Prints the components that have no destroy command in the policy. Files that belong to no
    /// component never need one.
    fn tell_untouched(&self, deployment: &Deployment) {
        let policy = &self.workspace.policy;
        let has_none =
            |name: &&ComponentName| policy.component(name).is_none_or(|it| it.destroy.is_none());
        let names = deployment
            .components
            .iter()
            .map(|change| &change.target.component);
        let names = names
            .filter(has_none)
            .filter(|name| **name != ComponentName::rest());
        let names: Vec<&str> = names.map(ComponentName::as_str).collect();
        if !names.is_empty() {
            self.context.say(format_args!(
                "The policy has no destroy command for {}: nothing is executed, and only the record ends.",
                counted(&names)
            ));
        }
    }

    /// Returns whether this run failed to create an ephemeral environment, in which nothing ran
    /// before. Such an environment is destroyed again.
    pub(super) fn is_failed_creation(&self, begun: &Begun, report: &Report) -> bool {
        let deployment = &begun.deployment;
        let is_creation = matches!(
            deployment.kind,
            entry::DeploymentKind::Deploy | entry::DeploymentKind::Hotfix
        ) && deployment
            .components
            .iter()
            .all(|change| change.from.is_none());
        if self.place.named.is_none()
            || !is_creation
            || report.broken.is_empty()
            || report.halted.is_some()
        {
            return false;
        }
        let read = || -> Result<bool, Failure> {
            let state = Workspace::open(self.context)?.state(&self.place.ledger, &Scope::All)?;
            let here = state.environment(self.place.named.as_ref());
            let ours = |name: &ComponentName| {
                deployment
                    .components
                    .iter()
                    .any(|it| it.target.component == *name)
            };
            Ok(here.runs().is_empty() && here.components().into_keys().all(ours))
        };
        // If that cannot be determined, a person decides.
        read().unwrap_or(false)
    }

    /// Destroys what a failed creation left behind. Only prints the command if the policy says to
    /// roll back manually or the run was interrupted.
    pub(super) fn undo_creation(&self, failed: &Appended) {
        let (context, name) = (self.context, &self.place.name);
        let rules = self.workspace.policy.environment(name);
        let manual = rules.is_some_and(|rules| rules.rollback == Rollback::Manual);
        let by_hand = |sentence: &str| {
            context.note(context.with_command(sentence, &format!("git deploy destroy {name}")));
        };
        if manual || self.stop.begins_nothing() {
            return by_hand(&format!("{name} is left as it is. To take it down"));
        }
        context.say(format_args!(
            "Nothing ran in {name} before, so it is taken down again."
        ));
        match self.undone(&failed.statement.by) {
            Ok((appended, result)) => {
                context.say(result_text::how_it_ended(
                    name.as_str(),
                    entry::DeploymentKind::Destroy,
                    &appended.statement.component_results(),
                ));
                if result.is_err() {
                    by_hand("To go on with what is left");
                }
            }
            Err(failure) => {
                context.mention(format_args!(
                    "{} did not come about.",
                    deed(entry::DeploymentKind::Destroy, name)
                ));
                failure
                    .text(context.width())
                    .into_iter()
                    .for_each(|text| context.note(text));
                by_hand("To take it down");
            }
        }
    }

    fn undone(&self, person: &Person) -> Result<(Appended, Result<(), Failure>), Failure> {
        // Opened again, because the failure was written after the first time.
        let workspace = Workspace::open(self.context)?;
        let again = Deploying::within(
            self.context,
            &workspace,
            self.place,
            self.carrying,
            std::sync::Arc::clone(&self.stop),
        );
        let compose = |view: &View<'_>| {
            let gone = || {
                Failure::new(
                    Kind::CannotTell,
                    format!("{} is gone already", self.place.name),
                )
            };
            everything(self.place, view, &|_| Ok(()))?.ok_or_else(gone)
        };
        again.destroy(person, &compose, &|| Ok(()))
    }
}
