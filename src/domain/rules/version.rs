//! The rule `version`: the entry names the commit's version, which is higher than the running one
//! if the policy requires that.

use std::cmp::Ordering;

use super::context::{Context, or_unknown};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::{Findings, Violation};
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{ComponentChange, VersionTag};
use crate::domain::policy::{VersionRule, VersionSource, compare_versions};
use crate::domain::text::{Line, sanitize};
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Version,
    name: "version",
    description: "The version in the entry is the commit's version, from the tag that the entry names (if versions come from tags), and is higher than the running one if `require_bump` is set.",
    faced_by: RequestKinds::of(&[RequestKind::Deploy, RequestKind::Hotfix, RequestKind::Merge]),
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let required = subject.environment.is_some_and(|it| it.version.is_some());
    required.then_some(FactNeed::Versions).into_iter().collect()
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Version, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let Some(rule) = &ctx.environment()?.version else {
        return Ok(Vec::new());
    };
    let mut findings = Findings::new(Rule::Version);
    for change in ctx.deployment()?.deployed() {
        findings.add(&change.target.component, check_component(ctx, rule, change));
    }
    Ok(findings.checks())
}

fn check_component(
    ctx: &Context<'_>,
    rule: &VersionRule,
    change: &ComponentChange,
) -> Fact<Option<Violation>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let version: Line = if let VersionSource::Command(_) = rule.from {
        match (&change.target.version, ctx.statement) {
            (Some(version), _) => version.clone(),
            (None, Some(_)) => return Ok(Some(Violation::new("it names no version"))),
            // The version that a command prints for a branch's commit is not known yet; the start
            // states it.
            (None, None) => return Ok(None),
        }
    } else {
        let commit_version = match ctx.facts.versions.get(&(commit, component.clone())) {
            Some(commit_version) => commit_version.clone()?,
            None => return Err("the version was not read".to_owned()),
        };
        let Some(commit_version) = commit_version else {
            return Ok(Some(Violation::new(format!(
                "{} has no version: `version.from` in the policy finds none",
                commit.short()
            ))));
        };
        if ctx.statement.is_some() && change.target.version.as_ref() != Some(&commit_version) {
            let named = change.target.version.as_ref().map_or("none", Line::as_str);
            return Ok(Some(Violation::new(format!(
                "it names version {named}, but the commit has {commit_version}"
            ))));
        }
        if let Some(violation) = check_tag(ctx, change) {
            return Ok(Some(violation));
        }
        commit_version
    };
    // A renamed component may still run under an old name.
    let env_state = ctx.environment_state()?;
    let running_version = ctx.policy.names_of(component).find_map(|name| {
        let live = env_state.live_entry(name)?;
        Some(live.statement.component_result(name)?.target.version)
    });
    let running_version = running_version.flatten();
    let Some(running) = running_version.filter(|_| rule.require_bump) else {
        return Ok(None);
    };
    Ok(
        match compare_versions(rule.scheme, running.as_str(), version.as_str()) {
            Ok(Ordering::Greater) => None,
            Ok(_) => Some(Violation::new(format!(
                "{version} is not higher than the running version {running}"
            ))),
            Err(error) => Some(Violation::new(sanitize(&error.to_string()))),
        },
    )
}

/// Checks that the entry names the tag that its version was read from, and none for a version that
/// was read from a file.
fn check_tag(ctx: &Context<'_>, change: &ComponentChange) -> Option<Violation> {
    let target = &change.target;
    let key = (target.commit, target.component.clone());
    let read_tag = ctx.facts.version_tags.get(&key);
    if ctx.statement.is_none() || target.tag.as_ref() == read_tag {
        return None;
    }
    let describe = |tag: Option<&VersionTag>| {
        tag.map_or("no tag".to_owned(), |tag| {
            format!("the tag {} ({})", tag.name, tag.object.short())
        })
    };
    Some(Violation::new(format!(
        "it names {}, but the version is from {}",
        describe(target.tag.as_ref()),
        describe(read_tag)
    )))
}

#[cfg(test)]
mod tests {
    use crate::domain::entry::{Action, DeploymentKind, Outcome, VerificationResult, VersionTag};
    use crate::domain::id::TagObject;
    use crate::domain::rules::testing::{Case, change, commit, deployment, parse, record, start};
    use crate::domain::verdict::Rule;

    const FILE: &str =
        "[environments.prod]\nversion = { from = \"file:VERSION\", require_bump = true }";

    fn deployment_to(number: u8, version: Option<&str>) -> crate::domain::entry::Deployment {
        let mut change = change("catalogue", number, (number > 1).then_some(number - 1));
        change.target.version = version.map(parse);
        deployment(DeploymentKind::Deploy, vec![change])
    }

    fn ran(version: &str) -> Action {
        record(
            deployment_to(1, Some(version)),
            Outcome::Succeeded,
            VerificationResult::Passed,
        )
    }

    fn case(policy: &str, version: Option<&str>, at_commit: Option<&str>) -> Case {
        let mut case = Case::after(
            policy,
            "prod",
            vec![("alice", ran("1.9.0"))],
            "alice",
            start(1, deployment_to(2, version)),
        );
        case.facts
            .versions
            .insert((commit(2), parse("catalogue")), Ok(at_commit.map(parse)));
        case
    }

    /// Versions are compared by number, and the new one must be higher.
    #[test]
    fn bump() {
        case(FILE, Some("1.10.0"), Some("1.10.0")).passes(Rule::Version);
        case(FILE, Some("1.9.0"), Some("1.9.0")).fails(
            Rule::Version,
            "1.9.0 is not higher than the running version 1.9.0",
        );
        case(FILE, Some("new"), Some("new")).fails(Rule::Version, "not a semver version");
        let free = FILE.replace(", require_bump = true", "");
        case(&free, Some("1.0.0"), Some("1.0.0")).passes(Rule::Version);
        let mut first = Case::new(
            FILE,
            "prod",
            "alice",
            start(1, deployment_to(1, Some("0.1.0"))),
        );
        first
            .facts
            .versions
            .insert((commit(1), parse("catalogue")), Ok(Some(parse("0.1.0"))));
        first.passes(Rule::Version);
    }

    /// A component that is renamed does not start its versions again.
    #[test]
    fn renamed_components_keep_their_version() {
        let policy = format!(
            "{FILE}\n[components]\ncore = {{ renamed_from = [\"backend\", \"catalogue\"] }}"
        );
        for (version, passes) in [("1.10.0", true), ("1.9.0", false), ("0.1.0", false)] {
            let mut wanted = deployment_to(2, Some(version));
            wanted.components[0].target.component = parse("core");
            wanted.components[0].from = None;
            let wanted = start(1, wanted);
            let history = vec![("alice", ran("1.9.0"))];
            let mut case = Case::after(&policy, "prod", history, "alice", wanted);
            let key = (commit(2), parse("core"));
            case.facts.versions.insert(key, Ok(Some(parse(version))));
            if passes {
                case.passes(Rule::Version);
            } else {
                case.fails(Rule::Version, "not higher than the running version 1.9.0");
            }
        }
    }

    /// An entry cannot name another version than the commit's.
    #[test]
    fn version_of_the_commit() {
        case(FILE, Some("2.0.0"), Some("1.10.0")).fails(
            Rule::Version,
            "it names version 2.0.0, but the commit has 1.10.0",
        );
        case(FILE, None, Some("1.10.0")).fails(Rule::Version, "names version none");
        case(FILE, Some("2.0.0"), None).fails(Rule::Version, "has no version");
        let mut unread = case(FILE, Some("2.0.0"), None);
        unread.facts.versions.clear();
        unread.unknown(Rule::Version, "not read");
        unread.facts.versions.insert(
            (commit(2), parse("catalogue")),
            Err("no such object".to_owned()),
        );
        unread.unknown(Rule::Version, "no such object");
    }

    /// An entry names the tag that its version was read from, with its object, and only that one.
    #[test]
    fn tags() {
        let policy = "[environments.prod]\nversion = { from = \"tag:v*\" }";
        let tag = |name: &str, object: u8| VersionTag {
            name: parse(name),
            object: TagObject(commit(object).0),
        };
        let rows = [
            (Some(tag("v1.10.0", 9)), Some(tag("v1.10.0", 9)), true),
            (Some(tag("v1.10.0", 8)), Some(tag("v1.10.0", 9)), false),
            (Some(tag("x1.10.0", 9)), Some(tag("v1.10.0", 9)), false),
            (None, Some(tag("v1.10.0", 9)), false),
            (Some(tag("v1.10.0", 9)), None, false),
        ];
        for (named, read, passes) in rows {
            let mut case = case(policy, Some("1.10.0"), Some("1.10.0"));
            case.deployment().components[0].target.tag = named;
            let key = (commit(2), parse("catalogue"));
            case.facts.version_tags = read.map(|tag| (key, tag)).into_iter().collect();
            if passes {
                case.passes(Rule::Version);
            } else {
                case.fails(Rule::Version, "but the version is from");
            }
        }
    }

    /// A version that a command printed cannot be read again, but is compared with the running one.
    #[test]
    fn commands() {
        let policy = "[environments.prod]\nversion = { from = \"command:git describe\", require_bump = true }";
        case(policy, Some("1.10.0"), None).passes(Rule::Version);
        case(policy, Some("1.8.0"), None).fails(Rule::Version, "not higher");
        case(policy, None, None).fails(Rule::Version, "names no version");
    }
}
