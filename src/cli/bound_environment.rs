//! Finds the environment that the policy binds to the checked-out branch, or to the branch, tag or
//! change request that a CI job runs for.
//!
//! Nothing is guessed. Finds no environment if there are two candidates, if the CI variables do not
//! match the checkout, or if a change request has no number.

use super::ci_job::{Trigger, read_ci_job, read_variable};
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::CommitId;
use crate::domain::name::EnvName;
use crate::domain::policy::{Environment, Policy};

/// An environment that was determined from a branch, tag or change request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BoundEnvironment {
    pub(super) name: EnvName,
    /// What it was determined from, in words: `the branch main`.
    pub(super) from: String,
}

/// What a command does with the environment. This determines which environment a change request leads
/// to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It writes an entry, or reads about one environment: a change request means its own
    /// environment.
    Act,
    /// It reviews a proposed deployment: a change request means the environment of the branch that
    /// it is to be merged into.
    Review,
}

/// Returns whether a CI job determines the environment.
pub(super) fn is_in_ci_job() -> bool {
    read_ci_job(&read_variable).is_some()
}

/// Determines the bound environment. The inner error is the reason why there is none.
pub(super) fn find_bound(
    workspace: &Workspace,
    purpose: Purpose,
) -> Result<Result<BoundEnvironment, String>, CliError> {
    let repository = &workspace.repository;
    let trigger = if let Some(job) = read_ci_job(&read_variable) {
        let head = repository
            .resolve_revision("HEAD")
            .context(ErrorKind::CannotTell, "cannot read HEAD")?
            .map(CommitId);
        job.and_then(|job| job.require_checkout(head))
    } else {
        let branch = repository
            .checked_out_branch()
            .context(ErrorKind::CannotTell, "cannot read HEAD")?;
        let branch = branch.ok_or_else(|| "no branch is checked out here".to_owned());
        branch.and_then(|branch| Ok(Trigger::Branch(branch.parse()?)))
    };
    Ok(trigger.and_then(|trigger| find_environment_for(&workspace.policy, &trigger, purpose)))
}

/// Returns the one environment that the policy binds to a trigger, or the reason why there is none.
fn find_environment_for(
    policy: &Policy,
    trigger: &Trigger,
    purpose: Purpose,
) -> Result<BoundEnvironment, String> {
    let target = find_target(policy, trigger);
    if let (Purpose::Review, Some(target)) = (purpose, &target) {
        return Ok(BoundEnvironment {
            name: target.environment.name.clone(),
            from: target.branch.clone(),
        });
    }
    let from = match trigger {
        Trigger::Branch(branch) => format!("the branch {branch}"),
        Trigger::Tag(tag) => format!("the tag {tag}"),
        Trigger::Change { number, .. } => format!("the change request {number}"),
    };
    let candidates: Vec<String> = match trigger {
        Trigger::Branch(branch) => policy
            .environment_of_branch(branch.as_str())
            .into_iter()
            .map(Environment::display_name)
            .collect(),
        Trigger::Tag(tag) => policy
            .environments_of_tag(tag.as_str())
            .into_iter()
            .map(Environment::display_name)
            .collect(),
        Trigger::Change { number, .. } => policy
            .patterns
            .keys()
            .map(|prefix| format!("{prefix}-{number}"))
            .collect(),
    };
    match &candidates[..] {
        [name] => match name.parse() {
            Ok(name) => Ok(BoundEnvironment { name, from }),
            // The tag belongs to a pattern and does not identify one environment of it.
            Err(_) => Err(format!(
                "{from} belongs to {name}, but does not identify one environment"
            )),
        },
        [] => Err(match target {
            // Without its name on the command line, nothing is deployed to this environment.
            Some(MergeTarget {
                environment,
                branch,
            }) => format!(
                "{from} is bound to no environment, and {branch} to {}, which must be named",
                environment.display_name()
            ),
            None => format!("{from} is bound to no environment"),
        }),
        several => Err(format!(
            "{from} matches several environments: {}",
            several.join(", ")
        )),
    }
}

/// The environment of the branch that a change request is to be merged into.
struct MergeTarget<'p> {
    environment: &'p Environment,
    /// The branch, in words: `the target branch main of the change request 17`.
    branch: String,
}

/// Finds the environment of a change request's target branch. Returns `None` if the trigger is not a
/// change request, or if the branch has no environment.
fn find_target<'p>(policy: &'p Policy, trigger: &Trigger) -> Option<MergeTarget<'p>> {
    let Trigger::Change {
        number,
        target: Some(branch),
    } = trigger
    else {
        return None;
    };
    let environment = policy.environment_of_branch(branch.as_str())?;
    let branch = format!("the target branch {branch} of the change request {number}");
    Some(MergeTarget {
        environment,
        branch,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        schema = 1
        project = "catalogue"
        [people]
        alice = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
        [environments]
        dev = { tag = "build-{timestamp}" }
        qa = { tag = "build-{timestamp}" }
        prod = { branch = "main", tag = "{version}.{env}" }
        "pr-*" = { ephemeral = { ttl = "8h", limit = 2 }, tag = "{env}_{version}" }
    "#;

    /// Returns the environment that these variables lead to, or the reason why there is none.
    fn bound(variables: &[(&str, &str)]) -> Result<String, String> {
        bound_for(Purpose::Act, POLICY, variables)
    }

    fn bound_for(
        purpose: Purpose,
        policy: &str,
        variables: &[(&str, &str)],
    ) -> Result<String, String> {
        let policy = Policy::parse(policy).unwrap();
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let head = Some("8f3c2a10aa05736482d4523166f70cb561afa111".parse().unwrap());
        let trigger = read_ci_job(&variable)
            .ok_or("no CI")??
            .require_checkout(head)?;
        find_environment_for(&policy, &trigger, purpose)
            .map(|bound| format!("{} from {}", bound.name, bound.from))
    }

    const HEAD: &str = "8f3c2a10aa05736482d4523166f70cb561afa111";

    /// Checks that the variables of each CI system are understood.
    #[test]
    fn triggers_of_ci_jobs() {
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", HEAD)];
        let gitlab = [("GITLAB_CI", "true"), ("CI_COMMIT_SHA", HEAD)];
        let azure = [("TF_BUILD", "True"), ("BUILD_SOURCEVERSION", HEAD)];
        let with = |system: &[(&'static str, &'static str)],
                    more: &[(&'static str, &'static str)]| {
            bound(&[system, more].concat()).unwrap()
        };
        let (main, tag, change) = (
            "prod from the branch main",
            "prod from the tag 1.2.prod",
            "pr-17 from the change request 17",
        );
        assert_eq!(with(&github, &[("GITHUB_REF", "refs/heads/main")]), main);
        assert_eq!(with(&github, &[("GITHUB_REF", "refs/tags/1.2.prod")]), tag);
        // A fork may call its branch main: the change request decides.
        assert_eq!(
            with(
                &github,
                &[
                    ("GITHUB_REF", "refs/pull/17/merge"),
                    ("GITHUB_HEAD_REF", "main")
                ]
            ),
            change
        );
        assert_eq!(with(&gitlab, &[("CI_COMMIT_BRANCH", "main")]), main);
        assert_eq!(with(&gitlab, &[("CI_COMMIT_TAG", "1.2.prod")]), tag);
        assert_eq!(
            with(
                &gitlab,
                &[("CI_MERGE_REQUEST_IID", "17"), ("CI_COMMIT_BRANCH", "main")]
            ),
            change
        );
        assert_eq!(
            with(&azure, &[("BUILD_SOURCEBRANCH", "refs/heads/main")]),
            main
        );
        assert_eq!(
            with(&azure, &[("BUILD_SOURCEBRANCH", "refs/tags/1.2.prod")]),
            tag
        );
        assert_eq!(
            with(&azure, &[("BUILD_SOURCEBRANCH", "refs/pull/17/merge")]),
            change
        );
        let github_on_azure = [
            ("SYSTEM_PULLREQUEST_PULLREQUESTID", "991"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "17"),
        ];
        assert_eq!(with(&azure, &github_on_azure), change);
    }

    /// A change request is reviewed for the environment of its target branch, and deploys only to its
    /// own: without a pattern, the refusal names both.
    #[test]
    fn change_requests_are_reviewed_for_their_target() {
        let without_pattern: String = POLICY
            .lines()
            .filter(|line| !line.contains("pr-*"))
            .collect::<Vec<_>>()
            .join("\n");
        let systems: [&[(&str, &str)]; 5] = [
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_REF", "refs/pull/17/merge"),
                ("GITHUB_BASE_REF", "TARGET"),
            ],
            &[
                ("GITLAB_CI", "true"),
                ("CI_MERGE_REQUEST_IID", "17"),
                ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "TARGET"),
            ],
            &[
                ("GITLAB_CI", "true"),
                ("CI_EXTERNAL_PULL_REQUEST_IID", "17"),
                ("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME", "TARGET"),
            ],
            &[
                ("TF_BUILD", "True"),
                ("SYSTEM_PULLREQUEST_PULLREQUESTID", "17"),
                ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/TARGET"),
            ],
            &[
                ("TF_BUILD", "True"),
                ("BUILD_SOURCEBRANCH", "refs/pull/17/merge"),
                ("SYSTEM_PULLREQUEST_TARGETBRANCH", "TARGET"),
            ],
        ];
        let (own, target) = (
            "pr-17 from the change request 17",
            "prod from the target branch main of the change request 17",
        );
        let neither = "the change request 17 is bound to no environment";
        let both = format!(
            "{neither}, and the target branch main of the change request 17 to prod, which must be named"
        );
        let rows: [(Purpose, &str, &str, Result<&str, &str>); 6] = [
            (Purpose::Review, POLICY, "main", Ok(target)),
            (Purpose::Act, POLICY, "main", Ok(own)),
            // No environment belongs to the target.
            (Purpose::Review, POLICY, "other", Ok(own)),
            (Purpose::Review, &without_pattern, "main", Ok(target)),
            (Purpose::Act, &without_pattern, "main", Err(&both)),
            (Purpose::Act, &without_pattern, "other", Err(neither)),
        ];
        for variables in systems {
            for (purpose, policy, branch, expected) in rows {
                let values: Vec<(&str, String)> = variables
                    .iter()
                    .map(|(name, value)| (*name, value.replace("TARGET", branch)))
                    .collect();
                let values: Vec<(&str, &str)> = values
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                let bound = bound_for(purpose, policy, &values);
                let bound = bound.as_deref().map_err(String::as_str);
                assert_eq!(bound, expected, "{purpose:?} {values:?}");
            }
            let mut hostile = variables.to_vec();
            for variable in &mut hostile {
                if variable.1.contains("TARGET") {
                    variable.1 = "--force";
                }
            }
            let reason = bound_for(Purpose::Review, POLICY, &hostile).unwrap_err();
            assert!(reason.contains("is not a valid branch"), "{reason}");
        }
    }

    /// Checks that unclear or unrelated variables lead to no environment, because a wrong one is
    /// worse than none.
    #[test]
    fn nothing_is_guessed() {
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", HEAD)];
        let reason = |more: &[(&'static str, &'static str)]| {
            bound(&[&github[..], more].concat()).unwrap_err()
        };
        assert_eq!(
            reason(&[("GITHUB_REF", "refs/heads/feature")]),
            "the branch feature is bound to no environment"
        );
        assert_eq!(
            reason(&[("GITHUB_REF", "refs/tags/build-20260305T100211Z")]),
            "the tag build-20260305T100211Z matches several environments: dev, qa"
        );
        assert_eq!(
            reason(&[("GITHUB_REF", "refs/tags/pr-17_1.0")]),
            "the tag pr-17_1.0 belongs to pr-*, but does not identify one environment"
        );
        // `pull_request_target` runs for a change request on its target branch.
        let target = [
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_HEAD_REF", "feature"),
        ];
        assert_eq!(
            reason(&target),
            "GITHUB_REF does not name the change request"
        );
        for hostile in [
            "refs/pull/17\u{1b}[2J/merge",
            "refs/pull/017/merge",
            "refs/pull/-1/merge",
            "refs/pull/1/2",
        ] {
            assert!(
                reason(&[("GITHUB_REF", hostile)]).starts_with("GITHUB_REF is not a number"),
                "{hostile}"
            );
        }
        for hostile in [
            "refs/heads/--force",
            "refs/heads/a\u{202e}b",
            "refs/heads/a b",
            "refs/heads/",
        ] {
            assert!(
                reason(&[("GITHUB_REF", hostile)])
                    .starts_with("GITHUB_REF is not a valid branch or tag name"),
                "{hostile}"
            );
        }
        // The job is in another repository, or has checked out another commit.
        let elsewhere = [
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_SHA", &HEAD.replace('8', "9")),
            ("CI_COMMIT_BRANCH", "main"),
        ];
        assert_eq!(
            bound(&elsewhere).unwrap_err(),
            "CI_COMMIT_SHA is not the commit that is checked out here"
        );
        let two = [
            ("GITLAB_CI", "true"),
            ("TF_BUILD", "True"),
            ("CI_COMMIT_BRANCH", "main"),
        ];
        assert!(bound(&two).unwrap_err().contains("two CI systems"));
    }
}
