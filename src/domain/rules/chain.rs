//! It stands where the chain says: this project, this ledger, this turn, and with the other ledgers as they are.
//!
//! `seen` is what orders ledgers among each other, so an entry must name every ledger that its verdict was read from; a policy that
//! has moved on meanwhile makes it "try again".

use super::{Chain, Context, Known, Request, answer, reads, unless};
use crate::domain::entry::{Action, Statement};
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    let found = chain(ctx).map(|chain| {
        let mut against: Vec<Check> = position(ctx, statement, chain)
            .into_iter()
            .map(fail)
            .collect();
        against.extend(seen(ctx, statement));
        against.extend(all_environments(ctx, statement));
        if let Some(Err(what)) = &ctx.facts.stored_as_computed {
            against.push(fail(format!(
                "what was pushed is not what the entry gives: {}",
                sanitize(what)
            )));
        }
        unless(Rule::Place, against)
    });
    answer(Rule::Place, found)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Place, why)
}

fn chain<'a>(ctx: &Context<'a>) -> Known<&'a Chain> {
    ctx.facts
        .chain
        .as_ref()
        .ok_or_else(|| "the ledger's end was not read".to_owned())
}

fn position(ctx: &Context<'_>, statement: &Statement, chain: &Chain) -> Vec<String> {
    let mut against = Vec::new();
    if statement.project != chain.project {
        against.push(format!(
            "it is of another project: this is {}",
            chain.project.short()
        ));
    }
    if let Some(name) = statement.environment() {
        match ctx.policy.ledger_of(&name) {
            // It ends a run that began there: the state says whether there is one.
            None if statement.action.ends_a_run() => {}
            None => against.push(format!("the policy knows no environment {name}")),
            Some(ledger) if ledger != statement.ledger => {
                against.push(format!(
                    "the ledger of {name} is {ledger}, not {}",
                    statement.ledger
                ));
            }
            Some(_) => {}
        }
    }
    if statement.previous != chain.tip {
        against.push(format!(
            "{} has moved on to {}: try again",
            statement.ledger,
            chain.tip.short()
        ));
    }
    if chain.sequence.checked_add(1) != Some(statement.sequence) {
        against.push(format!(
            "it is numbered {}, after {}",
            statement.sequence, chain.sequence
        ));
    }
    against
}

fn seen(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let mut against = Vec::new();
    for ledger in reads(ctx.policy, statement) {
        if ctx.facts.tips.contains_key(&ledger) && !statement.seen.contains_key(&ledger) {
            against.push(fail(format!(
                "`seen` does not name {ledger}, which it is judged by"
            )));
        }
    }
    // Once seen, always named: else an entry between could hide that the next one has seen less.
    let before = ctx.facts.chain.iter().flat_map(|chain| chain.seen.keys());
    for ledger in before.filter(|ledger| !statement.seen.contains_key(*ledger)) {
        against.push(fail(format!(
            "`seen` leaves out {ledger}, which the entry before it has seen"
        )));
    }
    for ledger in statement.seen.keys() {
        if !ctx.facts.tips.contains_key(ledger) {
            against.push(fail(format!(
                "`seen` names {ledger}, a ledger that does not exist"
            )));
            continue;
        }
        against.extend(match ctx.facts.seen.get(ledger) {
            None => Some(Check::unknown(
                Rule::Place,
                format!("the {ledger} it has seen was not looked up"),
            )),
            Some(Err(why)) => Some(Check::unknown(Rule::Place, sanitize(why))),
            Some(Ok(fact)) if !fact.reachable => Some(fail(format!(
                "what it has seen of {ledger} is not in {ledger}"
            ))),
            Some(Ok(fact)) if !fact.forward => Some(fail(format!(
                "it has seen less of {ledger} than the entry before it"
            ))),
            Some(Ok(fact)) if ledger.is_policy() && !fact.is_tip => {
                Some(fail("another policy has come into force: try again"))
            }
            Some(Ok(_)) => None,
        });
    }
    against
}

/// A policy comes after everything that was done under the one before.
fn all_environments(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let Action::Publish(_) = statement.action else {
        return Vec::new();
    };
    let moved = ctx
        .facts
        .environments_seen
        .iter()
        .filter(|(_, seen)| !**seen);
    let mut against: Vec<Check> = moved
        .map(|(ledger, _)| fail(format!("{ledger} has moved: try again")))
        .collect();
    let mut environments = ctx
        .facts
        .tips
        .keys()
        .filter(|ledger| ledger.is_environment());
    if let Some(ledger) =
        environments.find(|ledger| !ctx.facts.environments_seen.contains_key(*ledger))
    {
        against.push(Check::unknown(
            Rule::Place,
            format!("whether it has seen {ledger} was not looked up"),
        ));
    }
    against
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{Abort, Component, Outcome, VerificationResult};
    use crate::domain::id::{Digest, EntryId, RunId};
    use crate::domain::rules::SeenFact;
    use crate::domain::rules::testing::{
        Case, commit, deploy, finish, noon, oid, parse, policy_text, statement,
    };
    use crate::domain::verdict::Decision;

    const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n";

    type Edit = fn(&mut Case);

    fn case() -> Case {
        Case::new(POLICY, "prod", "alice", deploy("catalogue", 1, None))
    }

    /// An entry cannot be replayed, moved or copied to another place of this or another ledger or project.
    #[test]
    fn one_place_only() {
        case().passes(Rule::Place);
        let edits: [(&str, Edit); 6] = [
            ("another project", |it| {
                it.statement.project = EntryId(oid(9))
            }),
            ("has moved on", |it| it.statement.previous = EntryId(oid(9))),
            ("numbered 2", |it| it.statement.sequence = 2),
            ("no environment qa", |it| it.statement.ledger = parse("qa")),
            ("no environment prod-1", |it| {
                it.statement.environment = Some(parse("prod-1"))
            }),
            ("no environment pr", |it| it.statement.ledger = parse("pr")),
        ];
        for (words, edit) in edits {
            let mut case = case();
            edit(&mut case);
            case.fails(Rule::Place, words);
        }
        let mut foreign = case();
        (foreign.statement.ledger, foreign.statement.environment) =
            (parse("prod"), Some(parse("pr-7")));
        foreign.fails(Rule::Place, "the ledger of pr-7 is pr, not prod");
        let mut last = case();
        last.facts.chain.as_mut().unwrap().sequence = u64::MAX;
        last.fails(Rule::Place, "numbered");
        let mut blind = case();
        blind.facts.chain = None;
        blind.unknown(Rule::Place, "not read");
    }

    /// Nobody chooses what the verdict looks at: an older policy, a ledger left out, one that was rewound or made up.
    #[test]
    fn seen_is_honest() {
        let fact = SeenFact {
            is_tip: true,
            reachable: true,
            forward: true,
        };
        for (ledger, fact, words) in [
            (
                "policy",
                SeenFact {
                    is_tip: false,
                    ..fact
                },
                "another policy has come into force: try again",
            ),
            (
                "dev",
                SeenFact {
                    reachable: false,
                    ..fact
                },
                "not in dev",
            ),
            (
                "evidence",
                SeenFact {
                    forward: false,
                    ..fact
                },
                "seen less of evidence",
            ),
        ] {
            let mut case = case();
            case.facts.seen.insert(parse(ledger), Ok(fact));
            case.fails(Rule::Place, words);
        }
        for ledger in ["policy", "evidence", "dev"] {
            let mut case = case();
            case.statement.seen.remove(ledger);
            case.fails(Rule::Place, &format!("does not name {ledger}"));
            // What does not exist cannot be named.
            case.facts.tips.remove(ledger);
            case.passes(Rule::Place);
        }
        let mut behind = case();
        behind.facts.seen.insert(
            parse("evidence"),
            Ok(SeenFact {
                is_tip: false,
                ..fact
            }),
        );
        behind.passes(Rule::Place);
        behind
            .statement
            .seen
            .insert(parse("nowhere"), EntryId(oid(1)));
        behind.fails(Rule::Place, "does not exist");
        let mut silent = case();
        silent
            .facts
            .chain
            .as_mut()
            .unwrap()
            .seen
            .insert(parse("qa"), EntryId(oid(1)));
        silent.fails(Rule::Place, "leaves out qa");
        let mut blind = case();
        blind.facts.seen.remove("dev");
        blind.unknown(Rule::Place, "dev");
        blind
            .facts
            .seen
            .insert(parse("dev"), Err("too long a walk".to_owned()));
        blind.unknown(Rule::Place, "too long a walk");
    }

    /// What the verdict is read from is exactly what clients name.
    #[test]
    fn what_is_read() {
        let policy = crate::domain::rules::testing::policy(POLICY);
        let names = |ledger: &str, action| -> Vec<String> {
            reads(&policy, &statement(ledger, "alice", noon(), action))
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            names("prod", deploy("catalogue", 1, None)),
            ["dev", "evidence", "policy"]
        );
        assert_eq!(
            names("dev", deploy("catalogue", 1, None)),
            ["evidence", "policy"]
        );
        let lock = || {
            Action::Lock(crate::domain::entry::Lock {
                component: None,
                reason: parse("x"),
            })
        };
        assert_eq!(names("prod", lock()), ["policy"]);
        assert_eq!(names("policy", publish()), ["dev", "pr", "prod"]);
        let yank = crate::domain::entry::Yank {
            commit: Some(commit(1)),
            digest: None,
            reason: parse("x"),
        };
        assert_eq!(names("evidence", Action::Yank(yank)), ["policy"]);
    }

    fn publish() -> Action {
        Action::Publish(crate::domain::entry::Publish {
            digest: Digest::sha256(policy_text(POLICY).as_bytes()),
            approved_by: Vec::new(),
            description: None,
            admits: Vec::new(),
            recovered: false,
        })
    }

    /// No entry made under the old policy can turn up after the new one.
    #[test]
    fn a_policy_has_seen_every_environment() {
        let mut case = Case::new(POLICY, "policy", "alice", publish());
        case.passes(Rule::Place);
        case.facts.environments_seen.insert(parse("dev"), false);
        case.fails(Rule::Place, "dev has moved: try again");
        case.facts.environments_seen.remove("dev");
        case.unknown(Rule::Place, "dev");
    }

    /// What began before a policy dropped its environment is ended, by whoever runs it or an admin; nothing else happens there any more.
    #[test]
    fn a_dropped_environment() {
        const GONE: &str = "[environments]\nother = {}\n";
        for (ledger, environment) in [("prod", None), ("pr", Some("pr-7"))] {
            let begun = deploy("catalogue", 1, None);
            let case = |by: &str, action: &Action| {
                Case::within(
                    GONE,
                    ledger,
                    environment,
                    vec![("ci", begun.clone())],
                    by,
                    action.clone(),
                )
            };
            let end = finish(1, &begun, Outcome::Succeeded, VerificationResult::Passed);
            let what = vec![Component {
                component: parse("catalogue"),
                commit: commit(1),
            }];
            let abort = Abort {
                start: 1,
                run: RunId([1; 16]),
                components: what,
                reason: parse("gone"),
            };
            let abort = Action::Abort(abort);
            for (by, action) in [("ci", &end), ("ci", &abort), ("alice", &abort)] {
                assert_eq!(
                    case(by, action).verdict().decision(),
                    Decision::Allowed,
                    "{by} {}",
                    action.name()
                );
            }
            case("alice", &end).fails(Rule::Signer, "only who started");
            case("bob", &abort).fails(Rule::Signer, "the policy no longer has");
            case("ci", &begun).fails(Rule::Place, "no environment");
            let none = Case::within(GONE, ledger, environment, Vec::new(), "ci", end);
            none.fails(Rule::State, "run 1 is not open");
        }
    }

    /// A tree or message that the entry does not give is refused with what differs.
    #[test]
    fn the_tree_is_the_fold() {
        let mut case = case();
        case.facts.stored_as_computed = Some(Err("components/api\u{1b}/commit".to_owned()));
        assert!(
            !case
                .fails(Rule::Place, "components/api")
                .detail
                .contains('\u{1b}')
        );
        case.facts.stored_as_computed = None;
        case.passes(Rule::Place);
    }
}
