//! The CI systems: how a job recognizes its system, and the variables that describe the job.
//!
//! <https://docs.github.com/actions/reference/workflows-and-actions/variables>,
//! <https://docs.gitlab.com/ci/variables/predefined_variables/>,
//! <https://learn.microsoft.com/azure/devops/pipelines/build/variables>,
//! <https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables>,
//! <https://buildkite.com/docs/pipelines/configure/environment-variables>,
//! <https://docs.gitea.com/usage/actions/actions-variables>,
//! <https://forgejo.org/docs/latest/user/actions/reference/>

use super::trigger::{Trigger, read_azure, read_buildkite, read_github, read_gitlab, read_jenkins};
use super::variables::VariableLookup;

/// A CI system.
///
/// `run_url`, `actor`, `repository` and `email` are alternatives: the first one whose variables are
/// all set counts. In an alternative, `{NAME}` stands for the value of a variable.
pub(super) struct CiSystem {
    /// The name that entries record.
    pub name: &'static str,
    /// Returns whether the variables show that a job of the system is running.
    pub is_active: fn(VariableLookup<'_>) -> bool,
    /// The variable that names the job's commit. Without one, the job does not determine an
    /// environment.
    pub commit: Option<&'static str>,
    /// Reads the branch, tag or change request that the job runs for. Returns `None` if the job
    /// names none.
    pub read_trigger: fn(VariableLookup<'_>) -> Option<Result<Trigger, String>>,
    /// The address of the run.
    pub run_url: &'static [&'static str],
    /// The user who triggered the run.
    pub actor: &'static [&'static str],
    /// The address of the repository.
    pub repository: &'static [&'static str],
    /// The e-mail address of that user.
    pub email: &'static [&'static str],
}

/// All systems.
pub(super) const SYSTEMS: &[CiSystem] = &[
    CiSystem {
        name: "github",
        // Gitea and Forgejo also set the variables of GitHub.
        is_active: |variable| {
            is_true(variable, "GITHUB_ACTIONS") && !is_gitea(variable) && !is_forgejo(variable)
        },
        run_url: &[
            "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}",
            "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
        ],
        ..GITHUB_VARIABLES
    },
    CiSystem {
        name: "gitea",
        is_active: |variable| is_gitea(variable) && !is_forgejo(variable),
        ..GITHUB_VARIABLES
    },
    CiSystem {
        name: "forgejo",
        is_active: is_forgejo,
        ..GITHUB_VARIABLES
    },
    CiSystem {
        name: "gitlab",
        is_active: |variable| is_true(variable, "GITLAB_CI"),
        commit: Some("CI_COMMIT_SHA"),
        read_trigger: |variable| Some(read_gitlab(variable)),
        run_url: &["{CI_JOB_URL}", "{CI_PIPELINE_URL}"],
        actor: &["{GITLAB_USER_LOGIN}"],
        // The address in CI_REPOSITORY_URL contains the job's token.
        repository: &["{CI_PROJECT_URL}"],
        email: &["{GITLAB_USER_EMAIL}"],
    },
    CiSystem {
        name: "azure",
        is_active: |variable| is_true(variable, "TF_BUILD"),
        commit: Some("BUILD_SOURCEVERSION"),
        read_trigger: |variable| Some(read_azure(variable)),
        run_url: &[
            "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        ],
        actor: &["{BUILD_REQUESTEDFOR}"],
        repository: &["{BUILD_REPOSITORY_URI}"],
        email: &["{BUILD_REQUESTEDFOREMAIL}"],
    },
    CiSystem {
        name: "jenkins",
        is_active: |variable| variable("JENKINS_URL").is_some(),
        commit: None,
        read_trigger: read_jenkins,
        run_url: &["{BUILD_URL}"],
        // These variables come from the plugin "build user vars".
        actor: &["{BUILD_USER_ID}"],
        repository: &["{GIT_URL}"],
        email: &["{BUILD_USER_EMAIL}"],
    },
    CiSystem {
        name: "buildkite",
        is_active: |variable| is_true(variable, "BUILDKITE"),
        // In a build that a person started, the branch need not contain the commit.
        commit: None,
        read_trigger: read_buildkite,
        run_url: &["{BUILDKITE_BUILD_URL}"],
        actor: &["{BUILDKITE_BUILD_CREATOR}"],
        repository: &["{BUILDKITE_REPO}"],
        email: &["{BUILDKITE_BUILD_CREATOR_EMAIL}"],
    },
];

/// The reason if the variables match two CI systems, so that the job's own system is unclear.
pub(super) const TWO_SYSTEMS: &str = "the variables of two CI systems are set";

/// The variables that GitHub, Gitea and Forgejo share. In the URL of a run, Gitea and Forgejo use the
/// number of the run within its repository.
const GITHUB_VARIABLES: CiSystem = CiSystem {
    name: "github",
    is_active: |_| false,
    commit: Some("GITHUB_SHA"),
    read_trigger: |variable| Some(read_github(variable)),
    run_url: &["{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_NUMBER}"],
    // The user who repeated a run, or else the one who caused it.
    actor: &["{GITHUB_TRIGGERING_ACTOR}", "{GITHUB_ACTOR}"],
    repository: &["{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}"],
    email: &[],
};

fn is_true(variable: VariableLookup<'_>, name: &str) -> bool {
    variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn is_gitea(variable: VariableLookup<'_>) -> bool {
    is_true(variable, "GITEA_ACTIONS")
}

fn is_forgejo(variable: VariableLookup<'_>) -> bool {
    is_true(variable, "FORGEJO_ACTIONS")
}
