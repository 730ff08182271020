//! Brings what follows from ledger and policy outside the ledgers, the *projections*, in line with
//! them: the tags of `tag`, and the branch of `advance`.
//!
//! A projection is a function of the ledger on the remote and of two policies: the one in force, and
//! the one that the entry's signer had read. So a run that was killed loses nothing, and a clone that
//! was away for long brings nothing back. Whatever stops a reconciliation, the next one ends with the
//! same refs: tags are only created, branches only move forward, and each push states the old value.

mod advance;
mod remote_refs;
mod tags;

use remote_refs::RemoteRefs;

use super::read_context::find_doubtful_ledgers;
use super::workspace::Workspace;
use super::{CliError, ErrorKind, Ui};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::policy::Environment;
use crate::git;
use crate::ledger::ended_deployments::EndedDeployment;
use crate::ledger::facts::LedgerHistory;
use crate::view::reconcile::{
    Projection, ProjectionKind, ProjectionOutcome, ReconcileReport, UndecidedEnvironment,
};

/// Returns whether the policy asks for a projection of an environment.
pub fn has_projections(rules: &Environment) -> bool {
    rules.advance.is_some() || rules.tag.is_some()
}

/// Brings the projections of one environment or pattern in line with its ledger.
struct Reconciler<'a> {
    workspace: &'a Workspace,
    refs: RemoteRefs<'a>,
    history: LedgerHistory<'a>,
    rules: &'a Environment,
    is_dry_run: bool,
}

/// Brings the projections of environments in line with their ledgers. The workspace must have been
/// synced just now.
pub fn reconcile(
    workspace: &Workspace,
    environments: &[&Environment],
    is_dry_run: bool,
) -> Result<ReconcileReport, CliError> {
    let mut report = ReconcileReport {
        dry_run: is_dry_run,
        ..ReconcileReport::default()
    };
    let projected = environments.iter().filter(|rules| has_projections(rules));
    let projected: Vec<&Environment> = projected.copied().collect();
    if projected.is_empty() {
        return Ok(report);
    }
    let doubtful = find_doubtful_ledgers(workspace)?;
    for rules in projected {
        let reconciler = Reconciler {
            workspace,
            refs: RemoteRefs::new(workspace),
            history: LedgerHistory::new(&workspace.repository),
            rules,
            is_dry_run,
        };
        let why = if doubtful.contains(&rules.ledger) {
            Some("its ledger is not verified, or may lack its newest entries here".to_owned())
        } else {
            let result = reconciler.reconcile(&mut report.projections);
            result.err().map(|error| error.to_string())
        };
        report.undecided.extend(why.map(|why| UndecidedEnvironment {
            environment: rules.display_name(),
            why,
        }));
    }
    Ok(report)
}

/// Fetches, and brings the projections of an environment in line with its ledger, after an entry was
/// written there. Only prints a warning if that fails: the entry is written.
pub fn reconcile_after_entry(ui: &Ui, workspace: &Workspace, env: &EnvRef) {
    let has_none = |workspace: &Workspace| {
        let rules = workspace.policy.environment(env.name());
        !rules.is_some_and(has_projections)
    };
    if has_none(workspace) {
        return;
    }
    let reconciled = workspace.resync(ui).and_then(|synced| {
        let rules = synced.policy.environment(env.name());
        reconcile(&synced, &rules.into_iter().collect::<Vec<_>>(), false)
    });
    match reconciled {
        Ok(report) => print_report(ui, &report),
        Err(error) => ui.eprint_warning(format_args!(
            "{}; to try again: git deploy reconcile {}",
            error.to_sentence(),
            env.name()
        )),
    }
}

/// Prints what was changed on standard output, and what was not on standard error.
pub fn print_report(ui: &Ui, report: &ReconcileReport) {
    for projection in &report.projections {
        let lines = projection.render(ui.width()).join("\n");
        if projection.is_done() {
            ui.print(lines);
        } else {
            ui.eprint(lines);
        }
    }
    for UndecidedEnvironment { environment, why } in &report.undecided {
        ui.eprint_sentence(format_args!(
            "Nothing was reconciled in {environment}: {why}."
        ));
    }
}

/// Returns the error of a reconciliation that is not complete.
pub fn explain_incomplete(report: &ReconcileReport) -> Option<CliError> {
    if report.has(ProjectionOutcome::Refused) {
        let message = "not everything could be brought in line with the ledgers";
        Some(CliError::new(ErrorKind::Denied, message))
    } else if report.has(ProjectionOutcome::Unknown) || !report.undecided.is_empty() {
        let message = "it is unknown whether everything is in line with the ledgers";
        Some(CliError::new(ErrorKind::CannotTell, message).hint("git deploy reconcile"))
    } else {
        None
    }
}

impl Reconciler<'_> {
    fn reconcile(&self, projections: &mut Vec<Projection>) -> git::Result<()> {
        let Some(tip) = self.workspace.tip(&self.rules.ledger)? else {
            return Ok(());
        };
        self.make_tags(tip, projections)?;
        projections.extend(self.advance_branch(tip)?);
        Ok(())
    }

    /// Returns the ended deployments of the ledger, newest first.
    fn ended_deployments(
        &self,
        tip: EntryId,
    ) -> impl Iterator<Item = git::Result<EndedDeployment>> {
        self.history.ended_deployments(&self.rules.ledger, tip)
    }

    /// Returns whether the policy that the signer of an entry had read has the same value for a key
    /// as the policy in force.
    fn has_same_value<T: PartialEq>(
        &self,
        ended: &EndedDeployment,
        value: fn(&Environment) -> &Option<T>,
    ) -> git::Result<bool> {
        let policy = self.history.policy_of(ended.statement())?;
        let rules = policy
            .as_deref()
            .and_then(|policy| policy.environment(&ended.environment));
        Ok(rules.is_some_and(|rules| value(rules) == value(self.rules)))
    }
}

/// Returns a projection that was not tried yet.
fn new_projection(ended: &EndedDeployment, kind: ProjectionKind, commit: CommitId) -> Projection {
    Projection {
        environment: ended.environment.clone(),
        entry: ended.id,
        sequence: ended.statement().sequence,
        kind,
        name: None,
        commit,
        outcome: ProjectionOutcome::WouldDo,
        reasons: Vec::new(),
    }
}
