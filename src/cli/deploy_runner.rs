//! Runs deployments from the first check of the rules to the finish entry. Shared by `run`,
//! `promote`, `rollback` and, in part, `resume`.
//!
//! The start entry is the lock. A run that has a start always writes a finish, unless another
//! client has taken the run over.

mod completion;
mod destroy;
mod gate;
mod notifications;
mod preparation;
mod run_ownership;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::append_report;
use super::deployment_request::Place;
use super::progress::Progress;
use super::read_context;
use super::workspace::Workspace;
use super::{Context, Failure, Kind, OrFail as _};
use crate::clock;
use crate::domain::entry::{Action, Deployment, Record, Start};
use crate::domain::id::RunId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::plan::Planned;
use crate::domain::policy::{Bind, Event};
use crate::ledger::writer::{Appended, Draft, Manner, View};
use crate::run::cancellation::Stop;
use crate::run::command_env::Surroundings;
use crate::run::component_steps::Crew;
use crate::run::execute::{self, Report, Task};
use crate::run::notify::Notice;
use crate::run::outcome;
use crate::view::result_text;

pub use destroy::everything;
use notifications::Notices;
pub use preparation::Stage;

/// How a deployment is carried out: the options of every command that does.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Carrying {
    /// Begin nothing more after the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// How many components at once, instead of what the policy says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: Option<u32>,
}

/// Runs a deployment to one environment.
pub struct Deploying<'a> {
    /// Output, options and prompts.
    pub context: &'a Context,
    /// The repository and its project.
    pub workspace: &'a Workspace,
    /// The environment to deploy to.
    pub place: &'a Place,
    /// Who asked for the deployment, if it was another person than the signer.
    pub requested_by: Option<&'a Person>,
    /// The options of the run.
    pub carrying: &'a Carrying,
    /// Whether the user has asked to stop.
    pub stop: Arc<Stop>,
    notices: Notices<'a>,
}

/// Computes the deployment from the present state of the ledger.
pub type Compose<'a> = dyn Fn(&View<'_>) -> Result<Deployment, Failure> + 'a;

/// The plan of each component that was planned.
pub type Plans = BTreeMap<ComponentName, Planned>;

/// A run whose start is written.
pub struct Begun {
    /// The sequence number of its start.
    pub sequence: u64,
    /// The id that the run's entries carry.
    pub run: RunId,
    /// The deployment that its start asks for.
    pub deployment: Deployment,
}

/// Installs the handler of Ctrl-C and returns the flag that it sets.
pub fn listen() -> Result<Arc<Stop>, Failure> {
    let stop = Arc::new(Stop::default());
    let told = |stop: &Stop| {
        let words = if stop.ends_all() {
            "interrupted: what runs is being ended"
        } else {
            "interrupted: nothing new begins, and what runs may end; once more ends it"
        };
        // If standard error is closed, the message is lost.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{words}\n").as_bytes());
    };
    stop.listen(told)
        .or_fail(Kind::CannotTell, "cannot listen to signals")?;
    Ok(stop)
}

impl<'a> Deploying<'a> {
    /// Returns a runner for a deployment to `place`. Ctrl-C stops it from now on.
    ///
    /// # Errors
    ///
    /// Fails if the signal handler cannot be installed.
    pub fn new(
        context: &'a Context,
        workspace: &'a Workspace,
        place: &'a Place,
        carrying: &'a Carrying,
    ) -> Result<Self, Failure> {
        Ok(Self::within(context, workspace, place, carrying, listen()?))
    }

    /// Returns a runner that is part of a larger operation and shares its stop flag.
    pub fn within(
        context: &'a Context,
        workspace: &'a Workspace,
        place: &'a Place,
        carrying: &'a Carrying,
        stop: Arc<Stop>,
    ) -> Self {
        Self {
            context,
            workspace,
            place,
            requested_by: None,
            carrying,
            stop,
            notices: Notices::new(context),
        }
    }

    /// Sets the person who asked for the deployment.
    #[must_use]
    pub fn requested_by(self, person: Option<&'a Person>) -> Self {
        Self {
            requested_by: person,
            ..self
        }
    }
}

impl Deploying<'_> {
    /// Checks the rules, plans, asks the user, and runs the deployment to its finish.
    pub fn deploy(&self, person: &Person, compose: &Compose<'_>) -> Result<(), Failure> {
        let deployment = self.gate(person, compose)?;
        if deployment.changed().next().is_none() {
            return self.ride_along(compose);
        }
        self.executable(&deployment)?;
        if !self.context.can_ask() {
            // Fails now rather than after all the plans have been made.
            return self.context.confirm("Continue?").map(drop);
        }
        let stage = Stage::new(self, &deployment)?;
        let planning = Progress::planning(self.context, stage.names);
        let surroundings = self.surroundings(&stage, None)?;
        let crew = Crew {
            surroundings: &surroundings,
            stop: &self.stop,
            witness: &planning,
        };
        let plans = execute::plan(&deployment, (&stage.site, &crew), self.parallel());
        self.show(&deployment, &plans)?;
        self.planned(&deployment, &plans)?;
        self.tells(
            Event::PlanReady,
            person,
            &with_plans(deployment.clone(), &plans),
            |notice| notice,
        );
        self.approved(person, compose, &deployment, &plans)?;
        if !self.confirm("Continue?")? {
            return Err(Failure::new(Kind::Denied, "nothing was deployed"));
        }
        let begun = self.begin(compose, &deployment, &plans)?;
        self.carry(
            &stage,
            &Progress::new(self.context, stage.names),
            &begun,
            &plans,
        )
    }

    /// Asks the user a question. Ctrl-C at the prompt fails with "nothing was deployed".
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let agreed = self
            .context
            .confirm_unless(&|| self.stop.begins_nothing(), question)?;
        if self.stop.begins_nothing() {
            return Err(self.interrupted());
        }
        Ok(agreed)
    }

    fn interrupted(&self) -> Failure {
        Failure::new(
            Kind::Command,
            format!("interrupted: nothing was deployed to {}", self.place.name),
        )
    }

    /// Plans a deployment and does no more. With `quiet`, prints no progress.
    pub fn plan(&self, deployment: &Deployment, quiet: bool) -> Result<Plans, Failure> {
        let stage = Stage::new(self, deployment)?;
        let progress = if quiet {
            Progress::hidden(self.context)
        } else {
            Progress::planning(self.context, stage.names)
        };
        let surroundings = self.surroundings(&stage, None)?;
        let crew = Crew {
            surroundings: &surroundings,
            stop: &self.stop,
            witness: &progress,
        };
        Ok(execute::plan(
            deployment,
            (&stage.site, &crew),
            self.parallel(),
        ))
    }

    /// Records a deployment in which nothing changes: the commit already has the content that runs.
    fn ride_along(&self, compose: &Compose<'_>) -> Result<(), Failure> {
        let appended = self.append(&|view| {
            let deployment = compose(view)?;
            if deployment.changed().next().is_some() {
                return Err(meanwhile("what runs has changed"));
            }
            let said = outcome::Said {
                outcome: outcome::Word::Succeeded,
                outcomes: BTreeMap::new(),
                verification: crate::domain::entry::VerificationResult::None,
                verifications: BTreeMap::new(),
            };
            let results = outcome::results(&deployment.components, &said)
                .or_fail(Kind::CannotTell, "cannot record it")?;
            Ok(Action::Record(Record {
                deployment,
                results,
                logs: Vec::new(),
            }))
        })?;
        append_report::tell(
            self.context,
            &result_text::ended(
                self.place.name.as_str(),
                &appended.statement.component_results(),
            ),
            &appended,
        )
    }

    /// Writes the start entry of the deployment that was planned. The start is the lock.
    ///
    /// # Errors
    ///
    /// Fails if the policy or the running components changed since the plans were made.
    pub fn begin(
        &self,
        compose: &Compose<'_>,
        shown: &Deployment,
        plans: &Plans,
    ) -> Result<Begun, Failure> {
        let run = RunId(clock::random().or_fail(Kind::CannotTell, "cannot begin a run")?);
        let appended = self.append(&|view| {
            let deployment = with_plans(compose(view)?, plans);
            self.same(view, shown, &deployment)?;
            Ok(Action::Start(Start { run, deployment }))
        })?;
        let Action::Start(start) = &appended.statement.action else {
            return Err(Failure::told(Kind::CannotTell));
        };
        let sequence = appended.statement.sequence;
        self.tells(
            Event::Started,
            &appended.statement.by,
            &start.deployment,
            |notice| Notice {
                run: Some(run),
                entry: Some(appended.id),
                ..notice
            },
        );
        Ok(Begun {
            sequence,
            run,
            deployment: start.deployment.clone(),
        })
    }

    /// Plans the changes of a run that was taken over.
    ///
    /// If approvals bind plans, drops each plan that neither matches the approved one nor is empty.
    pub fn plan_again(
        &self,
        stage: &Stage<'_>,
        progress: &Progress<'_>,
        begun: &Begun,
    ) -> Result<Plans, Failure> {
        let surroundings = self.surroundings(stage, Some(begun.run))?;
        let crew = Crew {
            surroundings: &surroundings,
            stop: &self.stop,
            witness: progress,
        };
        let mut plans = execute::plan(&begun.deployment, (&stage.site, &crew), self.parallel());
        if self.binds_plans() {
            let bound = |component: &ComponentName| {
                let change = begun
                    .deployment
                    .components
                    .iter()
                    .find(|change| change.target.component == *component);
                change.and_then(|change| change.plan.as_ref())
            };
            // Without a plan the component counts as changed, and is not applied.
            plans.retain(|component, planned| match planned {
                Planned::Made(made) => made.is_empty() || Some(&made.digest) == bound(component),
                _ => true,
            });
        }
        Ok(plans)
    }

    /// Applies the plans, verifies the result, rolls back failed components, writes the finish, and
    /// reports the outcome.
    pub fn carry(
        &self,
        stage: &Stage<'_>,
        progress: &Progress<'_>,
        begun: &Begun,
        plans: &Plans,
    ) -> Result<(), Failure> {
        let (appended, mut report) = self.carried(stage, progress, begun, plans)?;
        let (name, kind) = (self.place.name.as_str(), begun.deployment.kind);
        append_report::tell(
            self.context,
            &result_text::how_it_ended(name, kind, &appended.statement.component_results()),
            &appended,
        )?;
        if self.is_failed_creation(begun, &report) {
            // There was no earlier release to roll back to.
            report.left.clear();
            self.undo_creation(&appended);
        } else {
            append_report::on_hold(self.context, &self.place.name, &appended);
        }
        if report.is_success() {
            self.advance(&begun.deployment);
        }
        self.outcome(kind, &report)
    }

    /// Applies the plans, verifies the result, rolls back failed components, and writes the finish.
    ///
    /// # Errors
    ///
    /// Fails without writing anything if another client has taken the run over.
    fn carried(
        &self,
        stage: &Stage<'_>,
        progress: &Progress<'_>,
        begun: &Begun,
        plans: &Plans,
    ) -> Result<(Appended, Report), Failure> {
        let surroundings = self.surroundings(stage, Some(begun.run))?;
        let crew = Crew {
            surroundings: &surroundings,
            stop: &self.stop,
            witness: progress,
        };
        let task = Task {
            deployment: &begun.deployment,
            crew: &crew,
            plans,
            good: &stage.targets(&begun.deployment),
            parallel: self.parallel(),
            fail_fast: self.carrying.fail_fast,
            bound: self.binds_plans(),
        };
        let foresight = gate::Asking {
            context: self.context,
            progress,
            stop: &self.stop,
        };
        let mut ours = run_ownership::Ours::new(self, begun);
        let report = execute::apply(&task, &stage.site, &foresight, &mut || ours.look());
        if let Some(why) = &report.lost {
            return Err(Failure::new(
                Kind::CannotTell,
                "the run is not ours any more: nothing more is written about it",
            )
            .because(why.clone())
            .hint(format!("git deploy status {}", self.place.name)));
        }
        let appended = self.finish(begun, &report)?;
        self.tells_end(begun, &report, &appended);
        Ok((appended, report))
    }

    fn finish(&self, begun: &Begun, report: &Report) -> Result<Appended, Failure> {
        let finish = outcome::finish(
            begun.sequence,
            begun.run,
            &begun.deployment,
            report.results.clone(),
        );
        self.written_down(begun.sequence, &Action::Finish(finish))
    }

    /// Writes the end of a run. Retries for a while, so that a short outage of the remote does not
    /// leave the run open.
    pub fn written_down(&self, sequence: u64, end: &Action) -> Result<Appended, Failure> {
        const TRIES: u32 = 5;
        let mut tries = 0;
        loop {
            match self.append_so(
                Manner {
                    patience: TRIES,
                    ..Manner::default()
                },
                &|_| Ok(end.clone()),
            ) {
                Err(failure)
                    if failure.kind() == Kind::CannotTell
                        && tries < TRIES
                        && !self.stop.ends_all() =>
                {
                    std::thread::sleep(std::time::Duration::from_secs(1 << tries));
                    tries += 1;
                }
                Err(failure) => {
                    let name = &self.place.name;
                    self.context.mention(format_args!(
                        "Run {sequence} in {name} is over, and its end is not written down."
                    ));
                    return Err(failure.hint(format!("git deploy resume {name}")));
                }
                Ok(appended) => return Ok(appended),
            }
        }
    }

    /// Writes one entry.
    pub fn append(
        &self,
        action: &dyn Fn(&View<'_>) -> Result<Action, Failure>,
    ) -> Result<Appended, Failure> {
        self.append_so(Manner::default(), action)
    }

    fn append_so(
        &self,
        manner: Manner,
        action: &dyn Fn(&View<'_>) -> Result<Action, Failure>,
    ) -> Result<Appended, Failure> {
        self.workspace
            .append(self.context, &self.place.ledger, manner, &|view| {
                Ok(self.draft(action(view)?))
            })
    }

    fn draft(&self, action: Action) -> Draft {
        let requested_by = self.requested_by.cloned();
        Draft {
            environment: self.place.named.clone(),
            requested_by,
            ..action.into()
        }
    }

    /// Returns the environment variables and secrets that the policy's commands get.
    pub fn surroundings<'s>(
        &'s self,
        stage: &Stage<'s>,
        run: Option<RunId>,
    ) -> Result<Surroundings<'s>, Failure> {
        let (name, rules) = self.workspace.environment(self.place.name.as_str())?;
        let good = stage
            .good
            .iter()
            .map(|(name, release)| (name.clone(), release.target.commit))
            .collect();
        // The workspace found the name under this environment.
        debug_assert_eq!(name, self.place.name);
        Ok(Surroundings {
            policy: &self.workspace.policy,
            name: &self.place.name,
            rules,
            run,
            good,
        })
    }

    /// Returns how many components are processed at once: from `--parallel`, else from the policy.
    pub fn parallel(&self) -> usize {
        let rules = self.workspace.policy.environment(&self.place.name);
        let parallel = self
            .carrying
            .parallel
            .or(rules.map(|rules| rules.parallel))
            .unwrap_or(1);
        parallel as usize
    }

    /// Returns whether some approval requirement accepts only approvals of a plan.
    pub fn binds_plans(&self) -> bool {
        let rules = self.workspace.policy.environment(&self.place.name);
        rules.is_some_and(|rules| rules.approvals.iter().any(|seat| seat.bind == Bind::Plan))
    }

    /// Reads the environment's present state, as the reading commands do.
    pub fn look(&self) -> Result<read_context::Place<'_>, Failure> {
        let mut places = read_context::places(self.workspace, Some(self.place.name.as_str()))?;
        places.pop().ok_or_else(|| Failure::told(Kind::CannotTell))
    }
}

/// Returns the deployment with the digest of its plan in each change.
pub fn with_plans(mut deployment: Deployment, plans: &Plans) -> Deployment {
    for change in &mut deployment.components {
        if let Some(Planned::Made(made)) = plans.get(&change.target.component) {
            change.plan = Some(made.digest.clone());
        }
    }
    deployment
}

/// Returns the error for a state that has changed since the plans were made.
fn meanwhile(what: &str) -> Failure {
    Failure::new(
        Kind::CannotTell,
        format!("{what} since it was planned: nothing was begun"),
    )
    .hint("the same command again")
}
