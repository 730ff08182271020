//! The deployment that the options of `git deploy record` ask for.

use super::args::Args;
use super::versions::parse_versions;
use crate::cli::deployment_request::{
    DeploymentRequest, build_requested, find_environment_policy, find_expiry,
    select_named_or_differing,
};
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::{self, Deployment};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::rules;
use crate::ledger::writer::LedgerSnapshot;
use crate::run::build_deployment::Selection;

/// Fails if a start covers components that git-deploy deploys itself, without `--external`.
pub(super) fn refuse_unmarked_start(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    deployment: &Deployment,
) -> Result<(), CliError> {
    let (policy, _) = find_environment_policy(env, snapshot)?;
    let refusal = rules::refuse_unmarked_record(policy, env.name().as_str(), deployment);
    refusal.map_or(Ok(()), |check| {
        let error = CliError::new(ErrorKind::Denied, check.detail);
        Err(check.remedy.into_iter().fold(error, CliError::hint))
    })
}

/// Computes the deployment to record or to start.
pub(super) fn build_recorded_deployment(
    args: &Args,
    ui: &Ui,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Deployment, CliError> {
    let options = &args.deployment;
    let (policy, _) = find_environment_policy(env, snapshot)?;
    let request = DeploymentRequest {
        commit,
        selection: if options.all {
            Selection::All
        } else {
            select_named_or_differing(&options.components)
        },
        kind: match (options.rollback, options.hotfix) {
            (true, _) => entry::DeploymentKind::Rollback,
            (_, true) => entry::DeploymentKind::Hotfix,
            _ => entry::DeploymentKind::Deploy,
        },
        destroy: options.destroy,
        versions: &parse_versions(&options.versions, policy)?,
    };
    let mut deployment = build_requested(env, snapshot, &request)?;
    deployment.external = options.external;
    options.metadata.apply_to(&mut deployment, snapshot)?;
    // Every deployment to an ephemeral environment renews its time to live.
    deployment.expires = find_expiry(env, snapshot, ui, None)?;
    Ok(deployment)
}
