//! Shared by `run`, `promote` and `rollback`: carries out a deployment of the commits and components
//! that the command has chosen.

use std::collections::BTreeMap;

use super::CliError;
use super::args::metadata::MetadataArgs;
use super::deploy_runner::DeployRunner;
use super::deployment_request::{build_from_spec, find_environment_policy, find_expiry};
use super::left_out_components::LeftOutReport;
use crate::domain::entry::DeploymentKind;
use crate::domain::id::Digest;
use crate::domain::time::Span;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};

/// What a command has chosen to deploy.
pub struct ChosenDeployment<'a> {
    /// The commits to deploy.
    pub commits: Commits,
    /// The components to deploy.
    pub selection: Selection,
    /// The kind of deployment.
    pub kind: DeploymentKind,
    /// Whether to remove components that the commits no longer have.
    pub destroy: bool,
    /// Whether to leave out components that another system deploys.
    pub leaves_out_manual: bool,
    /// The artifact that must be deployed, if one was named.
    pub artifact: Option<Digest>,
    /// The inputs and the requester.
    pub metadata: &'a MetadataArgs,
    /// The lifetime of an ephemeral environment. A rollback does not renew it.
    pub ttl: Option<Span>,
}

impl<'a> ChosenDeployment<'a> {
    /// Carries the deployment out.
    ///
    /// # Errors
    ///
    /// Fails if it fails, or if it left a component out.
    pub fn carry_out(&'a self, runner: DeployRunner<'a>) -> Result<(), CliError> {
        let (person, _) = runner.workspace.find_current_signer()?;
        let inputs = self.metadata.inputs.read(runner.ui)?;
        let runner = runner
            .with_requester(self.metadata.requested_by.as_ref())
            .with_inputs(inputs);
        let (ui, env) = (runner.ui, runner.env);
        let left_out = LeftOutReport::default();
        runner.deploy(
            &person,
            &|snapshot| {
                let (policy, rules) = find_environment_policy(env, snapshot)?;
                let spec = DeploymentSpec {
                    env,
                    rules,
                    commits: self.commits.clone(),
                    selection: self.selection.clone(),
                    kind: self.kind,
                    destroy: self.destroy,
                    leaves_out_manual: self.leaves_out_manual,
                    versions: BTreeMap::new(),
                    artifact: self.artifact.clone(),
                };
                let mut deployment = build_from_spec(snapshot, policy, &spec)?;
                left_out.print(ui, snapshot, policy, &spec)?;
                self.metadata.apply_to(&mut deployment, snapshot)?;
                if self.kind != DeploymentKind::Rollback {
                    deployment.expires = find_expiry(env, snapshot, ui, self.ttl)?;
                }
                Ok(deployment)
            },
            &left_out,
        )?;
        left_out.require_none(env.name())
    }
}
