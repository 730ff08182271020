//! Version: what the entry names is what stands at the commit, and above what runs where that is asked for.

use std::cmp::Ordering;

use super::findings::{Against, Found};
use super::{Context, Known, answer};
use crate::domain::entry::{Change, Intent};
use crate::domain::policy::{VersionRule, VersionSource, compare};
use crate::domain::text::{Line, sanitize};
use crate::domain::verdict::{Check, Rule};

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(Rule::Version, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    let Some(rule) = &ctx.environment()?.version else {
        return Ok(Vec::new());
    };
    let mut found = Found::new(Rule::Version);
    for change in ctx
        .deployment()?
        .changed()
        .filter(|change| change.intent == Intent::Change)
    {
        found.add(&change.target.component, one(ctx, rule, change));
    }
    Ok(found.checks())
}

fn one(ctx: &Context<'_>, rule: &VersionRule, change: &Change) -> Known<Option<Against>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let version: Line = if let VersionSource::Command(_) = rule.from {
        match (&change.target.version, ctx.statement) {
            (Some(version), _) => version.clone(),
            (None, Some(_)) => return Ok(Some(Against::new("it names no version"))),
            // What a command would print of a branch's commit is nobody's to say yet; the start says it.
            (None, None) => return Ok(None),
        }
    } else {
        let read = match ctx.facts.versions.get(&(commit, component.clone())) {
            Some(read) => read.clone()?,
            None => return Err("the version was not read".to_owned()),
        };
        let Some(read) = read else {
            return Ok(Some(Against::new(format!(
                "{} has no version where the policy looks",
                commit.short()
            ))));
        };
        if ctx.statement.is_some() && change.target.version.as_ref() != Some(&read) {
            let named = change.target.version.as_ref().map_or("none", Line::as_str);
            return Ok(Some(Against::new(format!(
                "it names version {named}, and the commit has {read}"
            ))));
        }
        read
    };
    let runs = ctx
        .here()?
        .live(component)
        .and_then(|kept| kept.statement.end_of(component)?.target.version);
    let Some(runs) = runs.filter(|_| rule.require_bump) else {
        return Ok(None);
    };
    Ok(
        match compare(rule.scheme, runs.as_str(), version.as_str()) {
            Ok(Ordering::Greater) => None,
            Ok(_) => Some(Against::new(format!(
                "{version} is not above {runs}, which runs"
            ))),
            Err(error) => Some(Against::new(sanitize(&error.to_string()))),
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::domain::entry::{Action, Kind, Outcome, VerificationResult};
    use crate::domain::rules::testing::{Case, change, commit, deployment, parse, record, start};
    use crate::domain::verdict::Rule;

    const FILE: &str =
        "[environments.prod]\nversion = { from = \"file:VERSION\", require_bump = true }";

    fn to(number: u8, version: Option<&str>) -> crate::domain::entry::Deployment {
        let mut change = change("catalogue", number, (number > 1).then_some(number - 1));
        change.target.version = version.map(parse);
        deployment(Kind::Deploy, vec![change])
    }

    fn ran(version: &str) -> Action {
        record(
            to(1, Some(version)),
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
            start(1, to(2, version)),
        );
        case.facts
            .versions
            .insert((commit(2), parse("catalogue")), Ok(at_commit.map(parse)));
        case
    }

    /// A version is by number above what runs.
    #[test]
    fn bump() {
        case(FILE, Some("1.10.0"), Some("1.10.0")).passes(Rule::Version);
        case(FILE, Some("1.9.0"), Some("1.9.0"))
            .fails(Rule::Version, "1.9.0 is not above 1.9.0, which runs");
        case(FILE, Some("new"), Some("new")).fails(Rule::Version, "not a semver version");
        let free = FILE.replace(", require_bump = true", "");
        case(&free, Some("1.0.0"), Some("1.0.0")).passes(Rule::Version);
        let mut first = Case::new(FILE, "prod", "alice", start(1, to(1, Some("0.1.0"))));
        first
            .facts
            .versions
            .insert((commit(1), parse("catalogue")), Ok(Some(parse("0.1.0"))));
        first.passes(Rule::Version);
    }

    /// Whoever deploys may not make a version up.
    #[test]
    fn what_the_commit_has() {
        case(FILE, Some("2.0.0"), Some("1.10.0")).fails(
            Rule::Version,
            "it names version 2.0.0, and the commit has 1.10.0",
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

    /// A command's version cannot be read again, and is compared still.
    #[test]
    fn commands() {
        let policy = "[environments.prod]\nversion = { from = \"command:git describe\", require_bump = true }";
        case(policy, Some("1.10.0"), None).passes(Rule::Version);
        case(policy, Some("1.8.0"), None).fails(Rule::Version, "not above");
        case(policy, None, None).fails(Rule::Version, "names no version");
    }
}
