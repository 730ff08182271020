//! `git deploy show`: the path of one commit to production: builds, tests, where it ran, and what
//! blocks it next.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{
    Action, Attestation, AttestationResult, BuildResult, DeploymentKind, StoredEntry, Tone,
    VerificationResult,
};
use crate::domain::history::{AttemptFailure as Fault, History, LatestEvent};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::rules::SKEW;
use crate::domain::time::Time;
use crate::ledger::deployment_history::entries_since;
use crate::ledger::facts::FactGatherer;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};
use crate::view::attestation_text;
use crate::view::show::{
    self, CommitReport, EnvironmentRow, EvidenceRow, NextStep, RunRow, RunState,
};

/// Show the path of a commit to production
///
/// Shows builds, tests, where the commit was deployed, and what blocks its next step.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy show
  git deploy show v1.4.1

  Show the commit that production runs:
    git deploy show prod")]
pub struct Args {
    /// The commit, or the environment that runs it
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
}

/// Prints the path of one commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let id = workspace.resolve_commit(&args.revision)?;
    let commit = workspace
        .repository
        .read_commit(id.0)
        .context(ErrorKind::CannotTell, "cannot read the commit")?;
    let gatherer = workspace.gatherer();
    let teller = CommitReader {
        workspace: &workspace,
        gatherer: &gatherer,
        commit: id,
        at: commit.committer_time,
    };
    let show = CommitReport {
        commit: id,
        subject: String::from_utf8_lossy(commit.message())
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        author: read_context::find_author(&workspace, commit.author()),
        at: commit.committer_time,
        evidence: teller
            .read_evidence()
            .context(ErrorKind::CannotTell, "cannot read the evidence")?,
        environments: teller.read_environments()?,
    };
    if ui.json() {
        return ui.print_document("show", &show);
    }
    ui.print(show::render_text(&show, ui.width(), ui.now(), ui.dates()));
    read_context::print_fetch_age(&workspace, ui);
    Ok(())
}

/// Collects what the ledgers contain about one commit.
struct CommitReader<'a> {
    workspace: &'a Workspace,
    gatherer: &'a FactGatherer<'a>,
    commit: CommitId,
    at: Time,
}

impl CommitReader<'_> {
    /// Returns the evidence about the commit, oldest first.
    fn read_evidence(&self) -> crate::git::Result<Vec<EvidenceRow>> {
        let ledger = LedgerName::evidence();
        let Some(tip) = self.workspace.tips.get(&ledger) else {
            return Ok(Vec::new());
        };
        let found = self.gatherer.history().entries_about(
            &ledger,
            *tip,
            self.commit,
            self.at.minus(SKEW),
        )?;
        Ok(found
            .iter()
            .rev()
            .map(|(id, kept)| summarize_evidence(*id, kept))
            .collect())
    }

    /// Returns the environments in promotion order. Environments of a pattern are included only if
    /// the commit was deployed there.
    fn read_environments(&self) -> Result<Vec<EnvironmentRow>, CliError> {
        let mut reached: BTreeSet<EnvName> = BTreeSet::new();
        let mut stops = Vec::new();
        for snapshot in read_context::read_environments(self.workspace)? {
            let what = || format!("cannot read what ran in {}", snapshot.name());
            let stays = self
                .find_periods(&snapshot)
                .context(ErrorKind::CannotTell, what())?;
            let ran = stays
                .iter()
                .any(|stay| matches!(stay.state, RunState::Runs | RunState::Ran));
            if ran {
                reached.insert(snapshot.name().clone());
            }
            let under_way = stays.iter().any(|stay| stay.state == RunState::Deploying);
            if snapshot.rules.is_pattern() && stays.is_empty() {
                continue;
            }
            let before = snapshot
                .rules
                .promote_from
                .as_ref()
                .filter(|before| !reached.contains(*before));
            let next = match before {
                _ if ran || under_way || snapshot.rules.is_pattern() => None,
                Some(before) => Some(NextStep::After {
                    environment: before.clone(),
                }),
                None => Some(self.ask_rules(&snapshot)),
            };
            stops.push(EnvironmentRow {
                environment: snapshot.name().clone(),
                runs: stays,
                next,
            });
        }
        Ok(stops)
    }

    /// Returns what became of the commit in an environment, for each component.
    fn find_periods(&self, snapshot: &EnvironmentSnapshot<'_>) -> crate::git::Result<Vec<RunRow>> {
        let Some(tip) = self.workspace.tips.get(&snapshot.rules.ledger) else {
            return Ok(Vec::new());
        };
        let (history, since) = (self.gatherer.history(), self.at.minus(SKEW));
        let deeds = entries_since(history, &snapshot.env, *tip, self.commit, since)?;
        let mut stays = Vec::new();
        for component in self.workspace.policy.component_names() {
            let under_way = find_unfinished_run(snapshot, &component, self.commit);
            stays.extend(
                under_way
                    .or_else(|| self.find_period(&component, &History::read(&component, &deeds))),
            );
        }
        Ok(stays)
    }

    /// Returns the newest attempt or run of the commit in the history of a component.
    fn find_period(&self, component: &ComponentName, history: &History<'_>) -> Option<RunRow> {
        let content = self
            .gatherer
            .content(&self.workspace.policy, self.commit, component)
            .ok()
            .flatten();
        if let LatestEvent::Failed(attempt) = history.latest_event(self.commit, content)
            && attempt.commit == self.commit
        {
            let state = match attempt.failure {
                Fault::Failed => RunState::Failed,
                Fault::RolledBack => RunState::RolledBack,
                Fault::Aborted => RunState::Aborted,
            };
            let statement = &attempt.entry.statement;
            return Some(RunRow {
                component: component.clone(),
                state,
                from: statement.at,
                to: None,
                verification: VerificationResult::None,
                by: statement.by.clone(),
            });
        }
        let stay = history.run_periods_of(self.commit).next_back()?;
        Some(RunRow {
            component: component.clone(),
            // The newest period stays open if another commit with the same content followed: this
            // commit's content still runs.
            state: if stay.to.is_none() {
                RunState::Runs
            } else {
                RunState::Ran
            },
            from: stay.from,
            to: stay.to,
            verification: stay.last_verification(),
            by: stay.entry.statement.by.clone(),
        })
    }

    /// Asks the rules whether the commit could be deployed to the environment now.
    fn ask_rules(&self, snapshot: &EnvironmentSnapshot<'_>) -> NextStep {
        let kind = DeploymentKind::Deploy;
        let by = read_context::find_deployer(self.workspace, snapshot.rules, kind);
        let Some(by) = by else {
            return NextStep::CannotTell {
                why: "the policy has no deployers for it".to_owned(),
            };
        };
        let wish = DeploymentSpec {
            env: &snapshot.env,
            rules: snapshot.rules,
            commits: Commits::One(self.commit),
            selection: Selection::WithDependents,
            kind,
            destroy: false,
            versions: BTreeMap::new(),
        };
        match self.workspace.previewer().preview_start(&by, &wish) {
            Ok(answer) => NextStep::Asked {
                verdict: answer.verdict,
            },
            Err(error) => NextStep::CannotTell {
                why: error.to_string(),
            },
        }
    }
}

/// Returns the unfinished run that is deploying the commit, if there is one.
fn find_unfinished_run(
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    commit: CommitId,
) -> Option<RunRow> {
    let here = snapshot.state();
    let run = here.run_changing(component)?;
    let deployment = run.start.statement.deployment()?;
    let mut mine = deployment.changed().map(|change| &change.target);
    mine.find(|target| target.component == *component && target.commit == commit)?;
    let statement = &run.owner.statement;
    Some(RunRow {
        component: component.clone(),
        state: RunState::Deploying,
        from: statement.at,
        to: None,
        verification: VerificationResult::None,
        by: statement.by.clone(),
    })
}

/// Says what an entry of the evidence says. One that has no words here gets those of the log.
fn summarize_evidence(entry: EntryId, kept: &StoredEntry) -> EvidenceRow {
    let (what, good, detail) = match &kept.statement.action {
        Action::Build(it) => match it.result {
            BuildResult::Succeeded => ("built", true, it.component.to_string()),
            BuildResult::Failed => ("built", false, format!("{} failed", it.component)),
        },
        Action::Artifact(it) => {
            let digest = &it.image.digest;
            let short = digest.hex().get(..6).unwrap_or_default();
            (
                "built",
                true,
                format!(
                    "{} {}@{}:{short}…",
                    it.component,
                    it.image.name,
                    digest.algorithm().name()
                ),
            )
        }
        Action::Attestation(it) => summarize_attestation(it),
        Action::Yank(it) => ("yanked", false, format!("\"{}\"", it.reason)),
        Action::Unyank(it) => ("unyanked", true, format!("\"{}\"", it.0.reason)),
        other => {
            let text = other.body().log();
            (text.verb, text.tone != Tone::Bad, text.object)
        }
    };
    let statement = &kept.statement;
    EvidenceRow {
        what,
        positive: good,
        detail,
        by: statement.by.clone(),
        at: statement.at,
        entry,
    }
}

fn summarize_attestation(it: &Attestation) -> (&'static str, bool, String) {
    let good = it.result() == AttestationResult::Passed;
    let what = match it.short_type() {
        "test-result" => "tested",
        "change-review" => "reviewed",
        _ => "attested",
    };
    let suite = it
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" {suite}"));
    let place = it
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" in {environment}"));
    (
        what,
        good,
        format!(
            "{}{suite} {}{place}",
            it.short_type(),
            attestation_text::format_outcome(it)
        ),
    )
}
