//! Each CI system's variables, as its documentation shows them, and hostile values.

use super::*;

/// Returns what the variables lead to.
fn read(variables: &[(&str, &str)]) -> CiOrigin {
    read_ci_origin(&|name| {
        let mut found = variables.iter().filter(|(known, _)| *known == name);
        found
            .next_back()
            .map(|(_, value)| (*value).to_owned())
            .filter(|value| !value.is_empty())
    })
}

/// Writes the record as text: the change request, the origin as JSON, and the warnings.
fn describe(variables: &[(&str, &str)]) -> String {
    let read = read(variables);
    assert_eq!(read.warnings, Vec::<String>::new(), "{variables:?}");
    let change = read.change.map_or_else(String::new, |it| format!("{it} "));
    format!("{change}{}", serde_json::to_string(&read.origin).unwrap())
}

const GITHUB: &[(&str, &str)] = &[
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_SERVER_URL", "https://github.com"),
    ("GITHUB_REPOSITORY", "acme/shop"),
    ("GITHUB_RUN_ID", "1658821493"),
    ("GITHUB_RUN_NUMBER", "3"),
    ("GITHUB_RUN_ATTEMPT", "2"),
    ("GITHUB_ACTOR", "octocat"),
    ("GITHUB_TRIGGERING_ACTOR", "hubot"),
    ("GITHUB_REF", "refs/heads/main"),
];
const GITLAB: &[(&str, &str)] = &[
    ("GITLAB_CI", "true"),
    (
        "CI_JOB_URL",
        "https://gitlab.example.com/acme/shop/-/jobs/71",
    ),
    (
        "CI_PIPELINE_URL",
        "https://gitlab.example.com/acme/shop/-/pipelines/7",
    ),
    ("CI_PROJECT_URL", "https://gitlab.example.com/acme/shop"),
    (
        "CI_REPOSITORY_URL",
        "https://gitlab-ci-token:s3cret@gitlab.example.com/acme/shop.git",
    ),
    ("GITLAB_USER_LOGIN", "alice"),
    ("GITLAB_USER_EMAIL", "alice@example.com"),
    ("CI_COMMIT_BRANCH", "main"),
];
const AZURE: &[(&str, &str)] = &[
    ("TF_BUILD", "True"),
    ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
    ("SYSTEM_TEAMPROJECT", "Web Shop"),
    ("BUILD_BUILDID", "17"),
    ("BUILD_REQUESTEDFOR", "Alice Ångström"),
    ("BUILD_REQUESTEDFOREMAIL", "alice@example.com"),
    (
        "BUILD_REPOSITORY_URI",
        "https://acme@dev.azure.com/acme/Web%20Shop/_git/shop",
    ),
    ("BUILD_SOURCEBRANCH", "refs/heads/main"),
];
const JENKINS: &[(&str, &str)] = &[
    ("JENKINS_URL", "https://jenkins.example.com/"),
    ("BUILD_URL", "https://jenkins.example.com/job/shop/15/"),
    ("GIT_URL", "git@git.example.com:acme/shop.git"),
    ("GIT_BRANCH", "origin/main"),
    ("BUILD_USER_ID", "alice"),
    ("BUILD_USER_EMAIL", "alice@example.com"),
];
const BUILDKITE: &[(&str, &str)] = &[
    ("BUILDKITE", "true"),
    (
        "BUILDKITE_BUILD_URL",
        "https://buildkite.com/acme/shop/builds/1514",
    ),
    ("BUILDKITE_REPO", "git@github.com:acme/shop.git"),
    ("BUILDKITE_BUILD_CREATOR", "Alice"),
    ("BUILDKITE_BUILD_CREATOR_EMAIL", "alice@example.com"),
    ("BUILDKITE_BRANCH", "main"),
    ("BUILDKITE_PULL_REQUEST", "false"),
    ("BUILDKITE_TAG", ""),
];

const GITHUB_RECORD: &str = r#""system":"github","runUrl":"https://github.com/acme/shop/actions/runs/1658821493/attempts/2","actor":"hubot","repository":"https://github.com/acme/shop""#;
const GITEA_RECORD: &str = r#""runUrl":"https://github.com/acme/shop/actions/runs/3","actor":"hubot","repository":"https://github.com/acme/shop","branch":"main"}"#;
const GITLAB_RECORD: &str = r#""system":"gitlab","runUrl":"https://gitlab.example.com/acme/shop/-/jobs/71","actor":"alice","repository":"https://gitlab.example.com/acme/shop""#;
const AZURE_RECORD: &str = r#""system":"azure","runUrl":"https://dev.azure.com/acme/Web%20Shop/_build/results?buildId=17","actor":"Alice Ångström","repository":"https://dev.azure.com/acme/Web%20Shop/_git/shop""#;
const JENKINS_RECORD: &str = r#""system":"jenkins","runUrl":"https://jenkins.example.com/job/shop/15/","actor":"alice","repository":"ssh://git.example.com/acme/shop.git""#;
const BUILDKITE_RECORD: &str = r#""system":"buildkite","runUrl":"https://buildkite.com/acme/shop/builds/1514","actor":"Alice","repository":"ssh://github.com/acme/shop.git""#;
const EMAIL: &str = r#","email":"alice@example.com""#;

/// The table of CI systems: for each one a branch, a tag and a change request.
#[test]
fn variables_of_each_system() {
    let with = |system: &[(&'static str, &'static str)], more: &[(&'static str, &'static str)]| {
        describe(&[system, more].concat())
    };
    let branch = r#","branch":"main""#;
    let tag = r#","tag":"v1.4.2""#;
    for (system, record, email, for_tag, for_change) in [
        (
            GITHUB,
            GITHUB_RECORD,
            "",
            &[("GITHUB_REF", "refs/tags/v1.4.2")][..],
            &[
                ("GITHUB_REF", "refs/pull/17/merge"),
                ("GITHUB_HEAD_REF", "main"),
            ][..],
        ),
        (
            GITLAB,
            GITLAB_RECORD,
            EMAIL,
            &[("CI_COMMIT_BRANCH", ""), ("CI_COMMIT_TAG", "v1.4.2")],
            &[("CI_MERGE_REQUEST_IID", "17")],
        ),
        (
            AZURE,
            AZURE_RECORD,
            EMAIL,
            &[("BUILD_SOURCEBRANCH", "refs/tags/v1.4.2")],
            &[("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "17")],
        ),
        (
            JENKINS,
            JENKINS_RECORD,
            EMAIL,
            &[("BRANCH_NAME", "v1.4.2"), ("TAG_NAME", "v1.4.2")],
            &[("BRANCH_NAME", "PR-17"), ("CHANGE_ID", "17")],
        ),
        (
            BUILDKITE,
            BUILDKITE_RECORD,
            EMAIL,
            &[("BUILDKITE_TAG", "v1.4.2")],
            &[("BUILDKITE_PULL_REQUEST", "17")],
        ),
    ] {
        assert_eq!(with(system, &[]), format!("{{{record}{branch}{email}}}"));
        assert_eq!(with(system, for_tag), format!("{{{record}{tag}{email}}}"));
        // The source branch is not recorded: a fork may call it main.
        assert_eq!(with(system, for_change), format!("17 {{{record}{email}}}"));
    }
    for (name, variable) in [("gitea", "GITEA_ACTIONS"), ("forgejo", "FORGEJO_ACTIONS")] {
        assert_eq!(
            with(GITHUB, &[("GITEA_ACTIONS", "true"), (variable, "true")]),
            format!(r#"{{"system":"{name}",{GITEA_RECORD}"#)
        );
    }
    assert_eq!(read(&[]), CiOrigin::default());
    assert_eq!(read(&[("CI", "true")]), CiOrigin::default());
    assert_eq!(
        describe(&[("JENKINS_URL", "https://jenkins.example.com/")]),
        r#"{"system":"jenkins"}"#
    );
}

/// A value that is not valid is left out, with a warning that does not repeat it. The other values
/// stay.
#[test]
fn hostile_values() {
    let long = "s3cret".repeat(2_000);
    let address = format!("https://gitlab.example.com/{long}");
    for (name, value, left_out) in [
        ("GITLAB_USER_LOGIN", "alice\nDeploy-By: s3cret", "actor"),
        ("GITLAB_USER_LOGIN", "s3cret\u{202e}", "actor"),
        ("GITLAB_USER_LOGIN", &long, "actor"),
        ("GITLAB_USER_EMAIL", "s3cret", "email"),
        ("GITLAB_USER_EMAIL", "a@b\ns3cret", "email"),
        ("CI_JOB_URL", &address, "run-url"),
        ("CI_JOB_URL", "https://x.example.com/s3cret\n", "run-url"),
        ("CI_JOB_URL", "file:///s3cret", "run-url"),
        (
            "CI_JOB_URL",
            "https://bob:s3/cret@x.example.com/",
            "run-url",
        ),
        ("CI_PROJECT_URL", "s3cret", "repository"),
        ("CI_PROJECT_URL", "https://bob:s3cret/x", "repository"),
        ("CI_MERGE_REQUEST_IID", "0", "change request"),
        ("CI_COMMIT_BRANCH", "ma\nin", "branch"),
        ("CI_COMMIT_BRANCH", "refs/heads/main", "branch"),
    ] {
        let read = read(&[GITLAB, &[(name, value)]].concat());
        let [warning] = &read.warnings[..] else {
            panic!("{name}: {:?}", read.warnings)
        };
        assert!(warning.contains(left_out), "{warning}");
        assert!(
            !warning.contains("s3cret") && !warning.contains('\n'),
            "{warning}"
        );
        let json = serde_json::to_string(&read.origin).unwrap();
        assert!(!json.contains("s3"), "{json}");
        assert_eq!(read.origin.system.unwrap().as_str(), "gitlab");
    }
}

/// User names, passwords and queries never enter the record.
#[test]
fn secrets_in_addresses() {
    for (name, value, wanted) in [
        (
            "CI_PROJECT_URL",
            "https://bob:s3cret@x.example.com/shop",
            "https://x.example.com/shop",
        ),
        (
            "CI_PROJECT_URL",
            "https://x.example.com/shop?private_token=s3cret",
            "https://x.example.com/shop",
        ),
        (
            "CI_PROJECT_URL",
            "s3cret@x.example.com:shop",
            "ssh://x.example.com/shop",
        ),
        (
            "CI_JOB_URL",
            "https://bob:s3cret@x.example.com/1",
            "https://x.example.com/1",
        ),
        (
            "CI_JOB_URL",
            "https://x.example.com/?id=7&private_token=s3cret#access_token=s3cret",
            "https://x.example.com/?id=7",
        ),
    ] {
        let read = read(&[GITLAB, &[(name, value)]].concat());
        assert_eq!(read.warnings, Vec::<String>::new());
        let json = serde_json::to_string(&read.origin).unwrap();
        assert!(
            json.contains(&format!("{wanted:?}")) && !json.contains("s3cret"),
            "{json}"
        );
    }
}

/// Two systems contradict each other, so nothing is recorded.
#[test]
fn two_systems() {
    let read = read(&[GITHUB, BUILDKITE].concat());
    assert_eq!(read.origin, Origin::default());
    assert_eq!(read.warnings.len(), 1);
}
