//! Tests of the rule `chain`: an entry fits one position of one ledger.

use super::*;
use crate::domain::entry::{Abort, ComponentAtCommit, Outcome, VerificationResult};
use crate::domain::id::{Digest, EntryId, RunId};
use crate::domain::rules::SeenFact;
use crate::domain::rules::ledgers_read;
use crate::domain::rules::testing::{
    Case, commit, deploy, entry_time, finish, oid, parse, policy_text, statement,
};
use crate::domain::verdict::Decision;

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n";

type Edit = fn(&mut Case);

fn case() -> Case {
    Case::new(POLICY, "prod", "alice", deploy("catalogue", 1, None))
}

/// An entry cannot be replayed, or copied to another position, ledger or project.
#[test]
fn one_position_only() {
    case().passes(Rule::Chain);
    let edits: [(&str, Edit); 6] = [
        ("another project", |it| {
            it.statement.project = EntryId(oid(9));
        }),
        ("has moved on", |it| it.statement.previous = EntryId(oid(9))),
        ("sequence number is 2", |it| it.statement.sequence = 2),
        ("no environment qa", |it| it.statement.ledger = parse("qa")),
        ("no environment prod-1", |it| {
            it.statement.environment = Some(parse("prod-1"));
        }),
        ("no environment pr", |it| it.statement.ledger = parse("pr")),
    ];
    for (words, edit) in edits {
        let mut case = case();
        edit(&mut case);
        case.fails(Rule::Chain, words);
    }
    let mut foreign = case();
    (foreign.statement.ledger, foreign.statement.environment) =
        (parse("prod"), Some(parse("pr-7")));
    foreign.fails(Rule::Chain, "the ledger of pr-7 is pr, not prod");
    let mut last = case();
    last.facts.chain.as_mut().unwrap().sequence = u64::MAX;
    last.fails(Rule::Chain, "sequence number");
    let mut blind = case();
    blind.facts.chain = None;
    blind.unknown(Rule::Chain, "not read");
}

/// A signer cannot choose what the verdict is based on: an older policy, or a ledger that is left
/// out, rewound or invented, is refused.
#[test]
fn seen_is_honest() {
    let fact = SeenFact {
        is_tip: true,
        is_reachable: true,
        is_forward: true,
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
                is_reachable: false,
                ..fact
            },
            "not in dev",
        ),
        (
            "evidence",
            SeenFact {
                is_forward: false,
                ..fact
            },
            "older tip of evidence",
        ),
    ] {
        let mut case = case();
        case.facts.seen.insert(parse(ledger), Ok(fact));
        case.fails(Rule::Chain, words);
    }
    for ledger in ["policy", "evidence", "dev"] {
        let mut case = case();
        case.statement.seen.remove(ledger);
        case.fails(Rule::Chain, &format!("does not name {ledger}"));
        // A ledger that does not exist need not be named.
        case.facts.tips.remove(ledger);
        case.passes(Rule::Chain);
    }
    let mut behind = case();
    behind.facts.seen.insert(
        parse("evidence"),
        Ok(SeenFact {
            is_tip: false,
            ..fact
        }),
    );
    behind.passes(Rule::Chain);
    behind
        .statement
        .seen
        .insert(parse("nowhere"), EntryId(oid(1)));
    behind.fails(Rule::Chain, "does not exist");
    let mut silent = case();
    silent
        .facts
        .chain
        .as_mut()
        .unwrap()
        .seen
        .insert(parse("qa"), EntryId(oid(1)));
    silent.fails(Rule::Chain, "lacks qa");
    let mut blind = case();
    blind.facts.seen.remove("dev");
    blind.unknown(Rule::Chain, "dev");
    blind
        .facts
        .seen
        .insert(parse("dev"), Err("too long a walk".to_owned()));
    blind.unknown(Rule::Chain, "too long a walk");
}

/// Clients name exactly the ledgers that the rules read.
#[test]
fn ledgers_that_are_read() {
    let policy = crate::domain::rules::testing::policy(POLICY);
    let names = |ledger: &str, action| -> Vec<String> {
        ledgers_read(&policy, &statement(ledger, "alice", entry_time(), action))
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
            until: None,
            reason: parse("x"),
        })
    };
    assert_eq!(names("prod", lock()), ["policy"]);
    assert_eq!(names("policy", publish()), ["dev", "pr", "prod"]);
    let yank = crate::domain::entry::Yank {
        commit: Some(commit(1)),
        digest: None,
        contents: Vec::new(),
        reason: parse("x"),
    };
    assert_eq!(names("evidence", Action::Yank(yank)), ["policy"]);
}

fn publish() -> Action {
    Action::Publish(crate::domain::entry::Publish {
        digest: Digest::sha256(policy_text(POLICY).as_bytes()),
        keys: Digest::sha256(b""),
        approved_by: Vec::new(),
        description: None,
        admits: Vec::new(),
        recovered: false,
    })
}

/// A `publish` must name the tip of every environment: no entry under the old policy can appear
/// later.
#[test]
fn a_policy_has_seen_every_environment() {
    let mut case = Case::new(POLICY, "policy", "alice", publish());
    case.passes(Rule::Chain);
    case.facts.environments_seen.insert(parse("dev"), false);
    case.fails(Rule::Chain, "dev has moved: try again");
    case.facts.environments_seen.remove("dev");
    case.unknown(Rule::Chain, "dev");
}

/// A run that began before the policy dropped its environment can be ended by its runner or an
/// admin; nothing else is allowed there.
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
        let components = vec![ComponentAtCommit {
            component: parse("catalogue"),
            commit: commit(1),
        }];
        let abort = Abort {
            start: 1,
            run: RunId([1; 16]),
            components,
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
        case("alice", &end).fails(Rule::Authorization, "only the person who started");
        case("bob", &abort).fails(Rule::Authorization, "the policy no longer has");
        case("ci", &begun).fails(Rule::Chain, "no environment");
        let none = Case::within(GONE, ledger, environment, Vec::new(), "ci", end);
        none.fails(Rule::State, "run 1 is not open");
    }
}

/// A tree or message that differs from the computed one is refused, and the refusal names the
/// difference.
#[test]
fn stored_equals_computed() {
    let mut case = case();
    case.facts.stored_as_computed = Some(Err("components/api\u{1b}/commit".to_owned()));
    assert!(
        !case
            .fails(Rule::Chain, "components/api")
            .detail
            .contains('\u{1b}')
    );
    case.facts.stored_as_computed = None;
    case.passes(Rule::Chain);
}
