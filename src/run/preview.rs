//! Evaluates the rules for a deployment before anything is signed: for `check`, and for `show`,
//! which lists the environments that a commit has reached.
//!
//! The verdict is that of a writer, on the ledgers as of the last fetch.

use std::cell::RefCell;

use super::build_deployment::{
    DeploymentSpec, LeftOut, SelectionError, build_deployment, list_left_out,
};
use super::deployment_inputs::DeploymentInputs;
use super::new_commits::build_description;
use crate::clock;
use crate::domain::entry::{Action, Deployment, DeploymentKind, Start, Statement};
use crate::domain::id::RunId;
use crate::domain::input_name::{InputName, PurposeField};
use crate::domain::name::Person;
use crate::domain::policy::Environment;
use crate::domain::text::{Description, Line};
use crate::domain::time::Span;
use crate::domain::verdict::Verdict;
use crate::git::repo::Repository;
use crate::ledger::Project;
use crate::ledger::writer::{AppendError, AppendFailure, AppendOptions, EntryDraft, LedgerWriter};

/// A deployment and what the rules decide about it.
#[derive(Debug)]
pub struct Preview {
    /// The entry that would be written.
    pub statement: Statement,
    /// The verdict of the rules.
    pub verdict: Verdict,
    /// The components that a run would leave out. Only [`Previewer::preview_run`] lists them.
    pub left_out: Vec<LeftOut>,
}

impl Preview {
    /// Returns the deployment.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.statement.deployment()
    }
}

/// Why the rules could not be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The components of the deployment could not be determined.
    #[error(transparent)]
    Build(#[from] SelectionError),
    /// The facts could not be read.
    #[error(transparent)]
    Facts(#[from] AppendError),
    /// No policy is in force.
    #[error("no policy is in force")]
    NoPolicy,
}

/// Evaluates the rules for deployments in a repository.
pub struct Previewer<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The project.
    pub project: &'a Project,
    /// The remote whose branches count, if there is one. It is not contacted.
    pub remote: Option<&'a str>,
    /// The inputs of the deployment.
    pub inputs: DeploymentInputs,
    /// The person who requests the deployment, if the signer is another person.
    pub requested_by: Option<Person>,
    /// The reason for breaking glass, if the deployment does.
    pub break_glass: Option<Line>,
    /// The description. Defaults to the subjects of the new commits if the policy requires one.
    pub description: Option<Description>,
    /// The lifetime of an ephemeral environment. Defaults to the policy's maximum.
    pub ttl: Option<Span>,
}

impl Previewer<'_> {
    /// Returns what the rules would decide if this person started the deployment now.
    pub fn preview_start(
        &self,
        person: &Person,
        spec: &DeploymentSpec<'_>,
    ) -> Result<Preview, PreviewError> {
        self.preview(person, spec, false)
    }

    /// Like [`Self::preview_start`], and also lists the components that a run of all components
    /// that differ would leave out.
    pub fn preview_run(
        &self,
        person: &Person,
        spec: &DeploymentSpec<'_>,
    ) -> Result<Preview, PreviewError> {
        self.preview(person, spec, true)
    }

    fn preview(
        &self,
        person: &Person,
        spec: &DeploymentSpec<'_>,
        lists_left_out: bool,
    ) -> Result<Preview, PreviewError> {
        let left_out = RefCell::new(Vec::new());
        let writer = LedgerWriter {
            repository: self.repository,
            project: self.project,
            remote: self.remote,
            person,
            signer: None,
            options: AppendOptions {
                dry_run: true,
                ..AppendOptions::default()
            },
            is_synced: false,
        };
        let result = writer.preview(spec.env.ledger(), &|snapshot| {
            let policy = snapshot.policy.ok_or(PreviewError::NoPolicy)?;
            let mut deployment = build_deployment(snapshot, policy, spec)?;
            let ephemeral = spec.rules.ephemeral;
            deployment.expires = ephemeral.map(|it| clock::now().plus(self.ttl.unwrap_or(it.ttl)));
            deployment.break_glass.clone_from(&self.break_glass);
            deployment.description.clone_from(&self.description);
            self.inputs.apply_to(&mut deployment);
            let message = InputName::Purpose(PurposeField::Message);
            if self.description.is_none() && spec.rules.require.contains(&message) {
                deployment.description = build_description(self.repository, policy, &deployment)
                    .map_err(SelectionError::Git)?;
            }
            if lists_left_out {
                left_out.replace(list_left_out(snapshot, policy, spec)?);
            }
            // The entry is never written, so any run id will do.
            let start = Start {
                run: RunId([0; 16]),
                deployment,
            };
            let draft = EntryDraft::in_environment(spec.env, Action::Start(start));
            Ok(EntryDraft {
                requested_by: self.requested_by.clone(),
                ..draft.naming(&spec.selection.named())
            })
        });
        match result {
            Ok((statement, verdict)) => Ok(Preview {
                statement,
                verdict,
                left_out: left_out.take(),
            }),
            Err(AppendFailure::Draft(error)) => Err(error),
            Err(AppendFailure::Append(error)) => Err(error.into()),
        }
    }
}

/// Returns the first person who may start such a deployment, as the default deployer.
pub fn find_first_deployer(rules: &Environment, kind: DeploymentKind) -> Option<&Person> {
    let members = match kind {
        DeploymentKind::Rollback => &rules.rollback_by,
        DeploymentKind::Hotfix => rules
            .hotfix
            .as_ref()
            .map_or(&rules.deployers, |hotfix| &hotfix.by),
        _ => &rules.deployers,
    };
    members.persons().first()
}
