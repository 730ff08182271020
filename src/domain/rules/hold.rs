//! The rule `hold`: content that failed in an environment or was rolled back there is not deployed
//! again until a person lifts the hold.
//!
//! It applies to rollbacks and hotfixes too. Only break glass bypasses it.

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::ComponentChange;
use crate::domain::state::EnvState;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Hold,
    name: "hold",
    description: "No deployed content is on hold. Content is put on hold when it fails in the environment or is rolled back there, until a person lifts the hold with `git deploy unlock`.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Rollback,
        RequestKind::Merge,
    ]),
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let violations = find_holds(ctx).map(|violations| pass_if_none(Rule::Hold, violations));
    or_unknown(Rule::Hold, violations)
}

fn find_holds(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let (deployment, env_state) = (ctx.deployment()?, ctx.environment_state()?);
    Ok(deployment
        .components
        .iter()
        .filter_map(|change| check_hold(ctx, env_state, change))
        .collect())
}

fn check_hold(
    ctx: &Context<'_>,
    env_state: EnvState<'_>,
    change: &ComponentChange,
) -> Option<Check> {
    let target = &change.target;
    let content = target.content?;
    let mut names = ctx.policy.names_of(&target.component);
    let hold = names.find_map(|name| env_state.hold(name, content))?;
    let (commit, environment) = (target.commit.short(), ctx.environment_label());
    let cause = if hold.statement.was_cancelled(&target.component) {
        ": its deployment was cancelled, so it may be deployed in part"
    } else {
        ""
    };
    let why = format!(
        "{} at {commit} is on hold in {environment} since {}{cause}",
        target.component, hold.statement.at
    );
    Some(
        Check::fail(Rule::Hold, why)
            .remedy(format!("git deploy unlock {environment} --commit {commit}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{DeploymentKind, Outcome, VerificationResult};
    use crate::domain::rules::testing::{Case, change, deployment, ran, record, start};

    const POLICY: &str = "[environments]\nprod = { hotfix = {} }\n";

    /// Content that was rolled back is not deployed again by a deploy, hotfix or rollback.
    #[test]
    fn holds() {
        let failed = record(
            deployment(
                DeploymentKind::Deploy,
                vec![change("catalogue", 2, Some(1))],
            ),
            Outcome::RolledBack,
            VerificationResult::None,
        );
        for kind in [
            DeploymentKind::Deploy,
            DeploymentKind::Hotfix,
            DeploymentKind::Rollback,
        ] {
            let history = vec![
                ("alice", ran("catalogue", 1, None)),
                ("alice", failed.clone()),
            ];
            let wanted = start(1, deployment(kind, vec![change("catalogue", 2, Some(1))]));
            let check = Case::after(POLICY, "prod", history, "alice", wanted)
                .fails(Rule::Hold, "on hold in prod since");
            assert_eq!(
                check.remedy.as_deref(),
                Some("git deploy unlock prod --commit 020202020202")
            );
        }
    }
}
