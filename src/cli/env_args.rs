//! Determines the environment of a command: the one that is named, or the one that the checked-out
//! branch or the CI job is bound to.
//!
//! Nothing is guessed: if there are two candidates, if the CI variables do not match the checkout,
//! or if a change request has no number, the command fails and asks for the name. Anybody can set
//! CI variables, above all in a change request from a fork. They are therefore parsed as strictly
//! as a name in the policy, and the branch name of a change request is never used.

use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{BranchName, Environment, Policy};
use crate::domain::text::sanitize;

/// `[ENV] [REV]`, as every command about a deployment takes them.
#[derive(clap::Args)]
pub struct EnvRev {
    /// The environment. Defaults to the one of the current branch or CI job
    ///
    /// In CI, the branch, tag or change request that the job runs for determines the environment.
    /// The command fails if none or several match.
    #[arg(value_name = "ENV")]
    env: Option<String>,
    /// The commit to use [default: HEAD]
    ///
    /// A Git revision, ENV for the commit that an environment runs, or ENV:COMPONENT for the commit
    /// of one component there.
    #[arg(value_name = "REV")]
    rev: Option<String>,
}

/// `[ENV]`, as commands that need no commit take it.
#[derive(clap::Args)]
pub struct OnlyEnv {
    /// The environment. Defaults to the one of the current branch or CI job
    ///
    /// In CI, the branch, tag or change request that the job runs for determines the environment.
    /// The command fails if none or several match.
    #[arg(value_name = "ENV")]
    env: Option<String>,
}

impl EnvRev {
    /// Returns the two arguments as they were typed: the environment and the revision.
    pub fn words(&self) -> (Option<&str>, Option<&str>) {
        (self.env.as_deref(), self.rev.as_deref())
    }

    /// Parses the order `COMPONENT ENV`, as in `api prod`, or `all prod` for no particular
    /// component. Returns `None` for any other order.
    pub fn component_first(
        &self,
        workspace: &Workspace,
    ) -> Option<(Option<ComponentName>, EnvName)> {
        let (first, second) = (self.env.as_deref()?, self.rev.as_deref()?);
        let environment = second
            .parse()
            .ok()
            .filter(|name| workspace.policy.environment(name).is_some())?;
        if is_environment(workspace, first) {
            return None;
        }
        if first == "all" {
            return Some((None, environment));
        }
        let component = first
            .parse()
            .ok()
            .filter(|name| workspace.policy.has_component(name))?;
        Some((Some(component), environment))
    }

    /// Determines the environment and returns it with the revision, if one was given.
    ///
    /// A single word that is no environment is the revision, if the environment can be determined
    /// without it.
    pub fn find(
        &self,
        workspace: &Workspace,
        ui: &Ui,
    ) -> Result<(EnvName, Option<&str>), CliError> {
        let (first, rev) = (self.env.as_deref(), self.rev.as_deref());
        match first {
            Some(word) if rev.is_some() || is_environment(workspace, word) => {
                Ok((workspace.find_environment(word)?.0, rev))
            }
            Some(word) => match find_bound(workspace)? {
                Ok(bound) if is_commit(workspace, word) => Ok((report_inferred(ui, bound), first)),
                Ok(_) => Err(explain_no_environment(
                    workspace,
                    word,
                    "it is not a commit in this repository either",
                )),
                Err(why) => {
                    let why = format!("{why}, so the first word names the environment");
                    Err(explain_no_environment(workspace, word, &why))
                }
            },
            None => Ok((infer_environment(workspace, ui)?, None)),
        }
    }
}

impl OnlyEnv {
    /// Returns the argument as if `env` had been typed.
    pub fn of(env: Option<String>) -> Self {
        Self { env }
    }

    /// Returns the argument as it was typed.
    pub fn word(&self) -> Option<&str> {
        self.env.as_deref()
    }

    /// Determines the environment.
    pub fn find(&self, workspace: &Workspace, ui: &Ui) -> Result<EnvName, CliError> {
        match &self.env {
            Some(name) => Ok(workspace.find_environment(name)?.0),
            None => infer_environment(workspace, ui),
        }
    }
}

/// Returns whether a word names an environment of the policy.
fn is_environment(workspace: &Workspace, word: &str) -> bool {
    word.parse::<EnvName>()
        .is_ok_and(|name| workspace.policy.environment(&name).is_some())
}

/// Returns whether a word names a commit, directly or as what an environment runs.
fn is_commit(workspace: &Workspace, word: &str) -> bool {
    let environment = word
        .split_once(':')
        .map_or(word, |(environment, _)| environment);
    is_environment(workspace, environment)
        || matches!(workspace.repository.resolve_revision(word), Ok(Some(_)))
}

fn explain_no_environment(workspace: &Workspace, word: &str, why: &str) -> CliError {
    // Only called for words that name no environment, so this is an error.
    workspace.find_environment(word).err().map_or_else(
        || explain_unbound(workspace, why),
        |failure| failure.because(why),
    )
}

fn infer_environment(workspace: &Workspace, ui: &Ui) -> Result<EnvName, CliError> {
    Ok(report_inferred(
        ui,
        find_bound(workspace)?.map_err(|why| explain_unbound(workspace, &why))?,
    ))
}

/// Prints which environment was chosen and why, so that a wrong choice is noticed.
fn report_inferred(ui: &Ui, bound: BoundEnvironment) -> EnvName {
    ui.eprint_sentence(format_args!("{}, from {}", bound.name, bound.from));
    bound.name
}

fn explain_unbound(workspace: &Workspace, why: &str) -> CliError {
    let names: Vec<String> = workspace
        .policy
        .environments_in_order()
        .into_iter()
        .map(Environment::display_name)
        .collect();
    CliError::new(ErrorKind::Usage, "cannot determine the environment")
        .because(why.to_owned())
        .hint(format!("specify one of: {}", names.join(", ")))
}

/// An environment that was determined without its name, and what it was determined from.
#[derive(Debug, PartialEq, Eq)]
struct BoundEnvironment {
    name: EnvName,
    from: String,
}

/// What a CI job or the checkout is about.
#[derive(Debug, PartialEq, Eq)]
enum Trigger {
    Branch(BranchName),
    Tag(BranchName),
    Change(u64),
}

/// Determines the bound environment, or the reason why there is none.
fn find_bound(workspace: &Workspace) -> Result<Result<BoundEnvironment, String>, CliError> {
    let repository = &workspace.repository;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let occasion = if let Some(said) = read_ci_job(&variable) {
        let head = repository
            .resolve_revision("HEAD")
            .context(ErrorKind::CannotTell, "cannot read HEAD")?
            .map(CommitId);
        said.and_then(|said| said.require_checkout(head))
    } else {
        let branch = repository
            .checked_out_branch()
            .context(ErrorKind::CannotTell, "cannot read HEAD")?;
        let branch = branch.ok_or_else(|| "no branch is checked out here".to_owned());
        branch.and_then(|branch| Ok(Trigger::Branch(branch.parse()?)))
    };
    Ok(occasion.and_then(|occasion| find_environment_for(&workspace.policy, &occasion)))
}

/// Returns the one environment that the policy binds to an occasion, or the reason why there is
/// none.
fn find_environment_for(policy: &Policy, occasion: &Trigger) -> Result<BoundEnvironment, String> {
    let from = match occasion {
        Trigger::Branch(branch) => format!("the branch {branch}"),
        Trigger::Tag(tag) => format!("the tag {tag}"),
        Trigger::Change(number) => format!("the change request {number}"),
    };
    let candidates: Vec<String> = match occasion {
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
        Trigger::Change(number) => policy
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
        [] => Err(format!("{from} is bound to no environment")),
        several => Err(format!("{from} matches {}", several.join(" or "))),
    }
}

/// What a CI system runs a job for.
struct CiJob {
    trigger: Trigger,
    /// The variable that names the job's commit, and its value.
    commit: (&'static str, Option<String>),
}

impl CiJob {
    /// Returns the occasion if it is about the checked-out commit. A job may also be in another
    /// repository, or have checked out another commit.
    fn require_checkout(self, head: Option<CommitId>) -> Result<Trigger, String> {
        let (name, commit) = &self.commit;
        let commit: Option<CommitId> = commit.as_deref().and_then(|text| text.parse().ok());
        match self.trigger {
            // A change request only leads to its own environment, and its commit is a merge that
            // need not be checked out.
            Trigger::Change(_) => Ok(self.trigger),
            _ if head.is_some() && commit == head => Ok(self.trigger),
            _ => Err(format!("{name} is not the commit that is checked out here")),
        }
    }
}

/// Looks up a variable. Empty variables count as unset, as CI systems use them.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;
/// Reads what a CI system runs a job for.
type ReadTrigger = fn(Variables<'_>) -> Result<Trigger, String>;

/// Returns what the CI system runs the job for. Returns `None` outside of a known CI system.
///
/// <https://docs.github.com/actions/reference/workflows-and-actions/variables>,
/// <https://docs.gitlab.com/ci/variables/predefined_variables/>,
/// <https://learn.microsoft.com/azure/devops/pipelines/build/variables>
fn read_ci_job(variable: Variables<'_>) -> Option<Result<CiJob, String>> {
    let is = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let known: [(&str, &str, ReadTrigger); 3] = [
        ("GITHUB_ACTIONS", "GITHUB_SHA", read_github),
        ("GITLAB_CI", "CI_COMMIT_SHA", read_gitlab),
        ("TF_BUILD", "BUILD_SOURCEVERSION", read_azure),
    ];
    let mut here = known.into_iter().filter(|(name, ..)| is(name));
    let (_, commit, read) = here.next()?;
    if here.next().is_some() {
        return Some(Err("the variables of two CI systems are set".to_owned()));
    }
    Some(read(variable).map(|occasion| CiJob {
        trigger: occasion,
        commit: (commit, variable(commit)),
    }))
}

fn read_github(variable: Variables<'_>) -> Result<Trigger, String> {
    let found = parse_reference("GITHUB_REF", variable)?;
    // On `pull_request_target` and after a merge, the job runs for a change request, but its ref is
    // the target branch.
    match found {
        Trigger::Change(_) => Ok(found),
        _ if variable("GITHUB_HEAD_REF").is_some() => {
            Err("GITHUB_REF does not name the change request".to_owned())
        }
        _ => Ok(found),
    }
}

fn read_gitlab(variable: Variables<'_>) -> Result<Trigger, String> {
    for name in ["CI_MERGE_REQUEST_IID", "CI_EXTERNAL_PULL_REQUEST_IID"] {
        if let Some(value) = variable(name) {
            return parse_number(name, &value);
        }
    }
    match (variable("CI_COMMIT_TAG"), variable("CI_COMMIT_BRANCH")) {
        (Some(tag), _) => parse_short_name("CI_COMMIT_TAG", &tag).map(Trigger::Tag),
        (None, Some(branch)) => parse_short_name("CI_COMMIT_BRANCH", &branch).map(Trigger::Branch),
        (None, None) => Err("CI_COMMIT_BRANCH and CI_COMMIT_TAG are not set".to_owned()),
    }
}

fn read_azure(variable: Variables<'_>) -> Result<Trigger, String> {
    // For a repository on GitHub the number differs from the id, and people use the number.
    for name in [
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",
        "SYSTEM_PULLREQUEST_PULLREQUESTID",
    ] {
        if let Some(value) = variable(name) {
            return parse_number(name, &value);
        }
    }
    parse_reference("BUILD_SOURCEBRANCH", variable)
}

/// Parses a full ref: of a branch, a tag, or a change request such as `refs/pull/17/merge`.
fn parse_reference(name: &str, variable: Variables<'_>) -> Result<Trigger, String> {
    let value = variable(name).ok_or_else(|| format!("{name} is not set"))?;
    if let Some(branch) = value.strip_prefix("refs/heads/") {
        parse_short_name(name, branch).map(Trigger::Branch)
    } else if let Some(tag) = value.strip_prefix("refs/tags/") {
        parse_short_name(name, tag).map(Trigger::Tag)
    } else if let Some(rest) = value.strip_prefix("refs/pull/") {
        let stem = rest
            .strip_suffix("/merge")
            .or_else(|| rest.strip_suffix("/head"));
        parse_number(name, stem.unwrap_or(rest))
    } else {
        Err(format!(
            "{name} is neither a branch, a tag nor a change request: {:?}",
            sanitize(&value)
        ))
    }
}

fn parse_short_name(name: &str, value: &str) -> Result<BranchName, String> {
    value.parse().map_err(|_| {
        format!(
            "{name} is not a valid name of a branch or tag: {:?}",
            sanitize(value)
        )
    })
}

/// Parses the number of a change request in its canonical form.
fn parse_number(name: &str, value: &str) -> Result<Trigger, String> {
    let number: Option<u64> = value
        .parse()
        .ok()
        .filter(|number: &u64| *number > 0 && number.to_string() == value);
    number
        .map(Trigger::Change)
        .ok_or_else(|| format!("{name} is not a number: {:?}", sanitize(value)))
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
        let policy = Policy::parse(POLICY).unwrap();
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let head = Some("8f3c2a10aa05736482d4523166f70cb561afa111".parse().unwrap());
        let occasion = read_ci_job(&variable)
            .ok_or("no CI")??
            .require_checkout(head)?;
        find_environment_for(&policy, &occasion)
            .map(|bound| format!("{} from {}", bound.name, bound.from))
    }

    const HEAD: &str = "8f3c2a10aa05736482d4523166f70cb561afa111";

    /// Checks that the variables of each CI system are understood.
    #[test]
    fn what_ci_runs_for() {
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

    /// Checks that unclear or unrelated variables lead to no environment, because a wrong one is
    /// worse than none.
    #[test]
    fn nothing_is_guessed() {
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", HEAD)];
        let why = |more: &[(&'static str, &'static str)]| {
            bound(&[&github[..], more].concat()).unwrap_err()
        };
        assert_eq!(
            why(&[("GITHUB_REF", "refs/heads/feature")]),
            "the branch feature is bound to no environment"
        );
        assert_eq!(
            why(&[("GITHUB_REF", "refs/tags/build-20260305T100211Z")]),
            "the tag build-20260305T100211Z matches dev or qa"
        );
        assert_eq!(
            why(&[("GITHUB_REF", "refs/tags/pr-17_1.0")]),
            "the tag pr-17_1.0 belongs to pr-*, but does not identify one environment"
        );
        // `pull_request_target` runs for a change request on its target branch.
        let target = [
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_HEAD_REF", "feature"),
        ];
        assert_eq!(why(&target), "GITHUB_REF does not name the change request");
        for hostile in [
            "refs/pull/17\u{1b}[2J/merge",
            "refs/pull/017/merge",
            "refs/pull/-1/merge",
            "refs/pull/1/2",
        ] {
            assert!(
                why(&[("GITHUB_REF", hostile)]).starts_with("GITHUB_REF is not a number"),
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
                why(&[("GITHUB_REF", hostile)]).starts_with("GITHUB_REF is not a valid name"),
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
