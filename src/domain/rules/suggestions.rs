//! Who can carry out the command that a refusal suggests.
//!
//! A rule suggests what the state needs, whoever asks. This file compares the command with the
//! policy and with the reader: a reader who may not type it must see who may.

use std::collections::BTreeSet;

use super::context::Context;
use crate::domain::name::{EnvName, Person};
use crate::domain::policy::{Environment, Members};
use crate::domain::verdict::Check;

/// Adds to a check who can type its command, unless its reader can. Removes the command if no one
/// can.
///
/// The reader is the signer of the entry. The reader of a refused branch or tag is unknown.
pub(super) fn address(ctx: &Context<'_>, check: Check) -> Check {
    let Some(command) = &check.remedy else {
        return check;
    };
    let able = if check.remedy_by.is_empty() {
        find_able(ctx, command)
    } else {
        Some(check.remedy_by.iter().cloned().collect())
    };
    let Some(able) = able else {
        return check;
    };
    if able.is_empty() {
        return Check {
            detail: format!("{}; the policy lets no one change that", check.detail),
            remedy: None,
            ..check
        };
    }
    let is_reader_able = match ctx.statement {
        Some(statement) => able.contains(&statement.by),
        None => ctx.policy.people.keys().all(|it| able.contains(it)),
    };
    Check {
        remedy_by: able.into_iter().filter(|_| !is_reader_able).collect(),
        ..check
    }
}

/// Returns the people and machines that the policy lets type a command. Returns `None` if everyone
/// can, or if the command is none of git-deploy.
fn find_able(ctx: &Context<'_>, command: &str) -> Option<BTreeSet<Person>> {
    let (_, arguments) = command.rsplit_once("git deploy ")?;
    let words: Vec<&str> = arguments.split(' ').collect();
    let name = words.get(1).and_then(|word| word.parse::<EnvName>().ok());
    let environment = name.and_then(|name| ctx.policy.environment(&name));
    let has = |option: &str| words.contains(&option);
    let members = |find: fn(&Environment) -> &Members| {
        environment.map(|environment| find(environment).persons().clone())
    };
    match *words.first()? {
        "unlock" => Some(find_unlockers(ctx, environment?)),
        "register" => Some(ctx.policy.artifacts.persons().clone()),
        "rollback" => members(|it| &it.rollback_by),
        "run" | "record" if has("--rollback") => members(|it| &it.rollback_by),
        "run" | "record" if has("--hotfix") => {
            let hotfix = environment?.hotfix.as_ref();
            Some(hotfix.map_or_else(BTreeSet::new, |it| it.by.persons().clone()))
        }
        "run" | "record" | "promote" | "destroy" | "expire" => members(|it| &it.deployers),
        _ => None,
    }
}

/// Returns the people who may unlock an environment.
pub(super) fn find_unlockers(ctx: &Context<'_>, environment: &Environment) -> BTreeSet<Person> {
    let admins = ctx.admins().unwrap_or_default();
    ctx.policy.unlockers(environment, admins)
}

#[cfg(test)]
mod tests {
    use crate::domain::entry::Action;
    use crate::domain::name::Person;
    use crate::domain::rules::testing::{Case, approve, change, deploy, deployment, parse, start};
    use crate::domain::verdict::{Check, Rule};

    fn able(check: &Check) -> Vec<&str> {
        check.remedy_by.iter().map(Person::as_str).collect()
    }

    fn lock() -> Action {
        Action::Lock(crate::domain::entry::Lock {
            component: None,
            until: None,
            reason: parse("incident"),
        })
    }

    /// A reader who can type the command sees no names. Everyone else sees who can.
    #[test]
    fn readers_who_cannot_are_told_who_can() {
        let policy = "[environments.prod]\ndeployers = \"ci\"\napprovals = { required = 1, by = [\"bob\", \"carol\"] }\n";
        for (reader, expected) in [
            ("bob", vec![]),
            // The person who made the lock is asked first.
            ("alice", vec!["bob"]),
            ("ci", vec!["bob"]),
            ("dana", vec!["bob"]),
        ] {
            let history = vec![("bob", lock())];
            let case = Case::after(
                policy,
                "prod",
                history,
                reader,
                deploy("catalogue", 1, None),
            );
            let check = case.fails(Rule::Lock, "locked");
            assert_eq!(check.remedy.as_deref(), Some("git deploy unlock prod"));
            assert_eq!(able(&check), expected, "{reader}");
        }
        let case = Case::new(policy, "prod", "ci", deploy("catalogue", 1, None));
        assert_eq!(
            able(&case.fails(Rule::Approvals, "0 of 1")),
            ["bob", "carol"]
        );
    }

    /// Approvals that can never be complete are not asked for.
    #[test]
    fn what_cannot_be_given_is_not_suggested() {
        let policy =
            "[environments.prod]\napprovals = { required = 2, by = [\"bob\", \"carol\"] }\n";
        let start = start(
            1,
            deployment(
                crate::domain::entry::DeploymentKind::Deploy,
                vec![change("catalogue", 1, None)],
            ),
        );
        let mut case = Case::new(policy, "prod", "bob", start);
        let check = case.fails(
            Rule::Approvals,
            "0 of 2: needs 2 more, but only carol is left: authors and the deployer are excluded",
        );
        assert_eq!((check.remedy, check.remedy_by), (None, vec![]));
        case.statement.by = parse("ci");
        let check = case.fails(Rule::Approvals, "0 of 2: needs 2 more, of bob, carol");
        assert_eq!(able(&check), ["bob", "carol"]);
        let given = vec![("carol", approve(1, &["catalogue"]))];
        let case = Case::after(policy, "prod", given, "bob", deploy("catalogue", 1, None));
        let check = case.fails(
            Rule::Approvals,
            "1 of 2: carol ✓, and no eligible approver is left",
        );
        assert_eq!(check.remedy, None);
    }
}
