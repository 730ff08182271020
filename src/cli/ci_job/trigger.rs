//! Reads the branch, tag or change request that a CI job runs for.
//!
//! Anyone can set CI variables, especially in a change request from a fork. They are therefore
//! parsed as strictly as a name in the policy, and the branch name of a change request is never
//! used. Its target branch only determines which environment is displayed, never where to deploy.

use super::variables::Variables;
use crate::domain::policy::BranchName;
use crate::domain::text::sanitize;

/// The branch, tag or change request that a CI job runs for, or the branch that is checked out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Trigger {
    Branch(BranchName),
    /// A tag. The rules for its name are those for a branch.
    Tag(BranchName),
    /// A change request.
    Change {
        /// Its number.
        number: u64,
        /// The branch that it is to be merged into, if the CI system names it.
        target: Option<BranchName>,
    },
}

pub(super) fn read_github(variable: Variables<'_>) -> Result<Trigger, String> {
    let trigger = parse_reference("GITHUB_REF", variable)?;
    // On `pull_request_target` and after a merge, the job runs for a change request, but its ref is
    // the target branch.
    match trigger {
        Trigger::Change { .. } => with_target(trigger, "GITHUB_BASE_REF", variable),
        _ if variable("GITHUB_HEAD_REF").is_some() => {
            Err("GITHUB_REF does not name the change request".to_owned())
        }
        _ => Ok(trigger),
    }
}

pub(super) fn read_gitlab(variable: Variables<'_>) -> Result<Trigger, String> {
    for (name, target) in [
        (
            "CI_MERGE_REQUEST_IID",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
        ),
        (
            "CI_EXTERNAL_PULL_REQUEST_IID",
            "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME",
        ),
    ] {
        if let Some(value) = variable(name) {
            return with_target(parse_change_request(name, &value)?, target, variable);
        }
    }
    match (variable("CI_COMMIT_TAG"), variable("CI_COMMIT_BRANCH")) {
        (Some(tag), _) => parse_branch_or_tag("CI_COMMIT_TAG", &tag).map(Trigger::Tag),
        (None, Some(branch)) => {
            parse_branch_or_tag("CI_COMMIT_BRANCH", &branch).map(Trigger::Branch)
        }
        (None, None) => Err("CI_COMMIT_BRANCH and CI_COMMIT_TAG are not set".to_owned()),
    }
}

/// Azure's variable with the target branch of a change request: a full ref for a repository on Azure,
/// a short name for one on GitHub.
const AZURE_TARGET: &str = "SYSTEM_PULLREQUEST_TARGETBRANCH";

pub(super) fn read_azure(variable: Variables<'_>) -> Result<Trigger, String> {
    // For a repository on GitHub the number differs from the id. Environments are named after the
    // number.
    for name in [
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",
        "SYSTEM_PULLREQUEST_PULLREQUESTID",
    ] {
        if let Some(value) = variable(name) {
            return with_target(parse_change_request(name, &value)?, AZURE_TARGET, variable);
        }
    }
    let trigger = parse_reference("BUILD_SOURCEBRANCH", variable)?;
    with_target(trigger, AZURE_TARGET, variable)
}

/// Adds the target branch in the variable `name` to a change request.
fn with_target(trigger: Trigger, name: &str, variable: Variables<'_>) -> Result<Trigger, String> {
    let Trigger::Change { number, .. } = trigger else {
        return Ok(trigger);
    };
    let target = variable(name).map(|value| {
        let short = value.strip_prefix("refs/heads/").unwrap_or(&value);
        parse_branch_or_tag(name, short)
    });
    let target = target.transpose()?;
    Ok(Trigger::Change { number, target })
}

/// Reads the variables of a multibranch project, or else those of the Git plugin.
pub(super) fn read_jenkins(variable: Variables<'_>) -> Option<Result<Trigger, String>> {
    if let Some(number) = variable("CHANGE_ID") {
        return Some(parse_change_request("CHANGE_ID", &number));
    }
    if let Some(tag) = variable("TAG_NAME") {
        return Some(parse_branch_or_tag("TAG_NAME", &tag).map(Trigger::Tag));
    }
    let branch = |name: &str, value: &str| parse_branch_or_tag(name, value).map(Trigger::Branch);
    if let Some(value) = variable("BRANCH_NAME") {
        return Some(branch("BRANCH_NAME", &value));
    }
    let value = variable("GIT_BRANCH")?;
    let value = value.strip_prefix("origin/").unwrap_or(&value);
    Some(branch("GIT_BRANCH", value))
}

pub(super) fn read_buildkite(variable: Variables<'_>) -> Option<Result<Trigger, String>> {
    // The value is "false" if there is no pull request.
    let number = variable("BUILDKITE_PULL_REQUEST").filter(|value| value != "false");
    if let Some(number) = number {
        return Some(parse_change_request("BUILDKITE_PULL_REQUEST", &number));
    }
    if let Some(tag) = variable("BUILDKITE_TAG") {
        return Some(parse_branch_or_tag("BUILDKITE_TAG", &tag).map(Trigger::Tag));
    }
    let value = variable("BUILDKITE_BRANCH")?;
    Some(parse_branch_or_tag("BUILDKITE_BRANCH", &value).map(Trigger::Branch))
}

/// Parses the variable `name`, which contains the full ref of a branch, a tag, or a change request
/// such as `refs/pull/17/merge`.
fn parse_reference(name: &str, variable: Variables<'_>) -> Result<Trigger, String> {
    let value = variable(name).ok_or_else(|| format!("{name} is not set"))?;
    if let Some(branch) = value.strip_prefix("refs/heads/") {
        parse_branch_or_tag(name, branch).map(Trigger::Branch)
    } else if let Some(tag) = value.strip_prefix("refs/tags/") {
        parse_branch_or_tag(name, tag).map(Trigger::Tag)
    } else if let Some(rest) = value.strip_prefix("refs/pull/") {
        let stem = rest
            .strip_suffix("/merge")
            .or_else(|| rest.strip_suffix("/head"));
        parse_change_request(name, stem.unwrap_or(rest))
    } else {
        Err(format!(
            "{name} is neither a branch, a tag nor a change request: {:?}",
            sanitize(&value)
        ))
    }
}

fn parse_branch_or_tag(name: &str, value: &str) -> Result<BranchName, String> {
    value.parse().map_err(|_| {
        format!(
            "{name} is not a valid branch or tag name: {:?}",
            sanitize(value)
        )
    })
}

/// Parses the number of a change request in its canonical form.
fn parse_change_request(name: &str, value: &str) -> Result<Trigger, String> {
    let number: Option<u64> = value
        .parse()
        .ok()
        .filter(|number: &u64| *number > 0 && number.to_string() == value);
    number
        .map(|number| Trigger::Change {
            number,
            target: None,
        })
        .ok_or_else(|| format!("{name} is not a number: {:?}", sanitize(value)))
}
