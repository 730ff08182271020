//! What is asked before anything is done: the rules, and the people.

use super::{Compose, Deploying, Plans, meanwhile, with_plans};
use crate::cli::progress::Progress;
use crate::cli::{Context, Failure, Kind};
use crate::domain::entry::{self, Action, Change, Deployment, Start};
use crate::domain::id::RunId;
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::plan::{Made, Planned};
use crate::domain::policy::Event;
use crate::domain::verdict::{Decision, Outcome, Rule, Verdict};
use crate::git::append::View;
use crate::run::carry::Foresight;
use crate::run::notify::Notice;
use crate::run::stop::Stop;
use crate::view::{self, deployed, fold};

/// Asks about a plan that is another than before.
pub(super) struct Asking<'a> {
    pub context: &'a Context,
    pub progress: &'a Progress<'a>,
    pub stop: &'a Stop,
}

impl Foresight for Asking<'_> {
    fn agrees(&self, component: &ComponentName, made: &Made) -> bool {
        let plan = made.of_terraform().map_or_else(|| made.text.clone(), |plan| plan.summary().to_string());
        self.progress.say(&format!("plan of {component}, made anew: {plan}"));
        self.progress.pause(|| {
            let question = format!("The plan of {component} is another now. Apply it?");
            self.context.confirm_unless(&|| self.stop.begins_nothing(), &question).unwrap_or(false)
        })
    }
}

impl Deploying<'_> {
    /// Asks the rules whether the deployment may begin, as far as that can be told before it is planned; shows what it brings.
    pub fn gate(&self, person: &Person, compose: &Compose<'_>) -> Result<Deployment, Failure> {
        let (deployment, verdict) = self.asked(person, compose, &Plans::new())?;
        self.brings(&deployment);
        // Where nothing is planned there is nothing that could be approved, and so nothing to wait for.
        let waits = waits_for_approvals(&verdict) && deployment.changed().next().is_some();
        if !waits {
            self.allowed(&verdict, (person, &deployment))?;
        }
        Ok(deployment)
    }

    /// Says of which components nothing is executed; refuses where that is all of them, because then another system deploys them.
    pub(super) fn executable(&self, deployment: &Deployment) -> Result<(), Failure> {
        let policy = &self.workspace.policy;
        let command = |change: &&Change| {
            let component = policy.component(&change.target.component);
            component.is_some_and(|it| match change.intent {
                entry::Intent::Destroy => it.destroy.is_some(),
                _ => it.apply.is_some(),
            })
        };
        let (_, idle): (Vec<&Change>, Vec<&Change>) = deployment.changed().partition(command);
        // Of what no component owns nothing is ever executed.
        let idle: Vec<&Change> = idle.into_iter().filter(|it| it.target.component != ComponentName::rest()).collect();
        let Some(first) = idle.first() else { return Ok(()) };
        if deployment.changed().any(|change| command(&change)) {
            for change in idle {
                let (name, key) = (&change.target.component, key(change));
                self.context.mention(format_args!("{name} has no {key} in the policy: nothing is executed for it."));
            }
            return Ok(());
        }
        let (name, component, key) = (&self.place.name, &first.target.component, key(first));
        Err(Failure::new(Kind::Usage, format!("the policy does not say how to deploy {component}: nothing was done"))
            .hint(format!(
                "{key} = \"…\" under [components.{component}] in deploy.toml, then git deploy policy publish"
            ))
            .hint(format!("git deploy record {name}, for what another system deploys")))
    }

    /// Asks the rules again, now that there are plans; where only approvals are missing, says whose.
    pub(super) fn approved(
        &self,
        person: &Person,
        compose: &Compose<'_>,
        shown: &Deployment,
        plans: &Plans,
    ) -> Result<(), Failure> {
        let (deployment, verdict) = self.asked(person, compose, plans)?;
        if !deployment.components.iter().map(|it| &it.target).eq(shown.components.iter().map(|it| &it.target)) {
            return Err(meanwhile("what runs has changed"));
        }
        if !waits_for_approvals(&verdict) {
            return self.allowed(&verdict, (person, &deployment));
        }
        for line in view::verdict::lines(&verdict, false, self.context.width()) {
            self.context.note(line);
        }
        self.tells(Event::ApprovalNeeded, person, &deployment, |notice| Notice {
            reasons: reasons(&verdict),
            ..notice
        });
        let failure = Failure::new(Kind::Waiting, format!("the deployment to {} waits for approvals", self.place.name));
        Err(failure.hint(self.approve_command(&deployment)).verdict(verdict))
    }

    /// What an approver types.
    fn approve_command(&self, deployment: &Deployment) -> String {
        let commits: std::collections::BTreeSet<_> = deployment.changed().map(|change| change.target.commit).collect();
        let commit = commits.first().map(|commit| commit.0.prefix(12)).unwrap_or_default();
        let bound = self.binds_plans();
        let plans = deployment.changed().filter_map(|change| Some((&change.target.component, change.plan.as_ref()?)));
        let plans = plans.filter(|_| bound).map(|(component, digest)| format!("--plan {component}={digest}"));
        let words = ["git deploy approve".to_owned(), self.place.name.to_string(), commit].into_iter().chain(plans);
        words.collect::<Vec<_>>().join(" ")
    }

    /// A deployment as it would begin now, and what the rules say of it.
    pub fn asked(
        &self,
        person: &Person,
        compose: &Compose<'_>,
        plans: &Plans,
    ) -> Result<(Deployment, Verdict), Failure> {
        let (statement, verdict) = self.workspace.ask(self.context, person, &self.place.ledger, &|view| {
            let deployment = with_plans(compose(view)?, plans);
            // Nobody will ever see this run.
            Ok(self.draft(Action::Start(Start { run: RunId([0; 16]), deployment })))
        })?;
        // A start deploys something by its very form.
        let deployment = statement.deployment().cloned().ok_or_else(|| Failure::told(Kind::CannotTell))?;
        Ok((deployment, verdict))
    }

    fn allowed(&self, verdict: &Verdict, (by, deployment): (&Person, &Deployment)) -> Result<(), Failure> {
        let name = &self.place.name;
        let (kind, words) = match verdict.decision() {
            Decision::Allowed => return Ok(()),
            Decision::Refused => (Kind::Denied, format!("the rules do not allow it: nothing was deployed to {name}")),
            Decision::CannotTell => {
                (Kind::CannotTell, format!("cannot tell whether the rules allow it: nothing was deployed to {name}"))
            }
        };
        for line in view::verdict::lines(verdict, false, self.context.width()) {
            self.context.note(line);
        }
        if kind == Kind::Denied {
            self.tells(Event::Refused, by, deployment, |notice| Notice { reasons: reasons(verdict), ..notice });
        }
        Err(Failure::new(kind, words).verdict(verdict.clone()))
    }

    fn brings(&self, deployment: &Deployment) {
        let (context, width) = (self.context, self.context.width());
        context.say(heading(deployment, &self.place.name));
        for line in deployed::changes(deployment, width) {
            context.print(line);
        }
        let lines = deployment.description.iter().flat_map(|text| text.as_str().lines());
        for line in lines.flat_map(|line| fold::below("  ", 4, line, width)) {
            context.print(line);
        }
    }

    /// Whether all plans could be made, as far as that is needed now.
    pub(super) fn planned(&self, plans: &Plans) -> Result<(), Failure> {
        let name = &self.place.name;
        let failed = plans.iter().filter(|(_, planned)| matches!(planned, Planned::Failed { .. }));
        let failed: Vec<&str> = failed.map(|(component, _)| component.as_str()).collect();
        if self.stop.begins_nothing() {
            return Err(self.interrupted());
        }
        if !failed.is_empty() {
            let words = format!("{} could not be planned: nothing was deployed to {name}", failed.join(", "));
            return Err(Failure::new(Kind::Command, words));
        }
        for (component, planned) in plans {
            let Planned::Deferred { waits_for } = planned else { continue };
            if self.binds_plans() {
                let words = format!(
                    "{component} cannot be planned before {waits_for} is applied, and approvals bind plans here"
                );
                return Err(Failure::new(Kind::Command, words)
                    .hint(format!("git deploy run {name} --component {waits_for}, and the rest after it")));
            }
            self.context.mention(format_args!("{component} is planned once {waits_for} is applied."));
        }
        Ok(())
    }

    /// Whether the entry that begins the run is of what was planned, under the policy whose commands were run.
    pub(super) fn same(&self, view: &View<'_>, shown: &Deployment, now: &Deployment) -> Result<(), Failure> {
        if view.policy != Some(&*self.workspace.policy) {
            return Err(meanwhile("the policy has changed"));
        }
        let parts = |deployment: &Deployment| {
            let part = |it: &Change| (it.target.clone(), it.from, it.intent);
            deployment.components.iter().map(part).collect::<Vec<_>>()
        };
        if parts(shown) != parts(now) {
            return Err(meanwhile("what runs has changed"));
        }
        Ok(())
    }
}

/// Whether nothing is missing but approvals.
fn waits_for_approvals(verdict: &Verdict) -> bool {
    let mut missing = verdict.checks.iter().filter(|check| check.outcome != Outcome::Pass).peekable();
    missing.peek().is_some() && missing.all(|check| check.rule == Rule::Approvals && check.outcome == Outcome::Fail)
}

/// The key of the command that carries a change out.
fn key(change: &Change) -> &'static str {
    if change.intent == entry::Intent::Destroy { "destroy" } else { "apply" }
}

/// What is missing, for those who are told.
fn reasons(verdict: &Verdict) -> Vec<String> {
    let missing = verdict.checks.iter().filter(|check| check.outcome != Outcome::Pass);
    missing.map(|check| format!("{}: {}", check.rule.name(), check.detail)).collect()
}

/// What is about to be done, and where.
fn heading(deployment: &Deployment, name: &EnvName) -> String {
    match deployment.kind {
        entry::Kind::Deploy => format!("Deploy to {name}:"),
        entry::Kind::Rollback => format!("Roll {name} back:"),
        entry::Kind::Hotfix => format!("Hotfix for {name}:"),
        entry::Kind::Destroy => format!("Destroy {name}:"),
        entry::Kind::Exec => {
            let command = deployment.command.as_ref().map_or("", |command| command.as_str());
            format!("Run in {name}: {command}")
        }
    }
}
