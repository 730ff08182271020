//! The properties of entries that every reader relies on.

use proptest::prelude::*;

use super::samples::statement;
use super::{
    Action, ActionInfo, CommitRole, HistoryRole, LedgerKind, ParseError, Statement,
    format_note_line, read_trailers,
};
use crate::domain::id::{EntryId, Oid};

proptest! {
    /// A statement has exactly one spelling. Otherwise two signatures could cover the same
    /// statement.
    #[test]
    fn parse_of_print_is_the_identity(statement in statement()) {
        let bytes = statement.print().unwrap();
        prop_assert_eq!(&Statement::parse(&bytes).unwrap(), &statement);
        prop_assert_eq!(Statement::parse(&bytes).unwrap().print().unwrap(), bytes);
    }

    /// A changed byte results in another statement or an error, never in the same statement.
    #[test]
    fn every_byte_matters(statement in statement(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = statement.print().unwrap();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = Statement::parse(&bytes) {
            // Keys are equal if their 32 bytes are, whatever the key id.
            prop_assert!(other != statement || other.key.key_id() != statement.key.key_id());
        }
    }

    /// Arbitrary bytes are refused and do not crash the parser.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Statement::parse(&bytes).is_err());
    }

    /// A walk that reads trailers instead of entries finds every commit, whatever a description
    /// contains.
    #[test]
    fn trailers_name_every_commit(statement in statement()) {
        let message = statement.message();
        let trailers = read_trailers(&message);
        let mut named = trailers.commits.clone();
        named.sort_unstable();
        named.dedup();
        prop_assert_eq!(named, statement.commits());
        prop_assert_eq!(trailers.action, statement.action.name());
        prop_assert_eq!(trailers.environment, statement.environment().map(|it| it.to_string()));
        prop_assert!(message.ends_with('\n') && !message.ends_with("\n\n") && !message.contains('\r'));
    }

    /// `ids` lists every object id in the statement, so that a reader checks the length of each.
    #[test]
    fn ids_are_complete(statement in statement()) {
        fn words(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
            match value {
                serde_json::Value::String(text) => drop(found.insert(text.clone())),
                serde_json::Value::Array(items) => items.iter().for_each(|item| words(item, found)),
                serde_json::Value::Object(fields) => fields.values().for_each(|field| words(field, found)),
                _ => {}
            }
        }
        let json: serde_json::Value = serde_json::from_slice(&statement.print().unwrap()).unwrap();
        let mut written = std::collections::BTreeSet::new();
        words(&json["predicate"], &mut written);
        written.retain(|word| word.parse::<Oid>().is_ok());
        let named: std::collections::BTreeSet<String> = statement.ids().iter().map(Oid::to_string).collect();
        prop_assert_eq!(named, written);
    }

    /// An action's constants agree with its fields: readers select entries by the constants, then
    /// use the fields.
    #[test]
    fn infos_agree_with_fields(statement in statement()) {
        let info = statement.action.info();
        let kind = LedgerKind::from(&statement.ledger);
        prop_assert_eq!(kind, statement.action.ledger_kind());
        prop_assert_eq!(ActionInfo::find(kind, info.name).map(|it| it.history), Some(info.history));
        prop_assert!(info.commits != CommitRole::None || statement.commits().is_empty());
        prop_assert_eq!(info.history == HistoryRole::Request, statement.deployment().is_some());
        prop_assert!(statement.component_results().is_empty() || info.history != HistoryRole::None);
        prop_assert!(!statement.action.ends_a_run() || info.history == HistoryRole::Outcome);
        for result in statement.component_results() {
            prop_assert_eq!(statement.commit_of(&result.target.component), Some(result.target.commit));
            prop_assert_eq!(statement.component_result(&result.target.component), Some(result));
        }
    }

    /// The subjects include every commit that the entry is about, since generic in-toto tools
    /// search them.
    #[test]
    fn subjects_name_every_commit(statement in statement()) {
        let bytes = statement.print().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let named: Vec<&str> = json["subject"].as_array().unwrap().iter().filter_map(|it| it["digest"]["gitCommit"].as_str()).collect();
        for commit in statement.commits() {
            prop_assert!(named.contains(&commit.to_string().as_str()), "{commit}");
        }
    }

    /// A note is one line. It exists for each commit that the entry is about, and for no other.
    #[test]
    fn one_note_per_commit(statement in statement()) {
        let id = EntryId(Oid::from_bytes(&[9; 20]).unwrap());
        for commit in statement.commits() {
            let line = format_note_line(&statement, id, commit, &[]).unwrap();
            prop_assert!(!line.contains('\n') && line.ends_with(&format!("{}@0909090909", statement.ledger)), "{}", line);
        }
        let other = crate::domain::id::CommitId(Oid::from_bytes(&[77; 20]).unwrap());
        prop_assert_eq!(format_note_line(&statement, id, other, &[]), None);
    }
}

/// Each action's name is unique in its kind of ledger, and FORMAT.md lists its fields.
#[test]
fn each_action_is_documented() {
    let format = include_str!("../../../FORMAT.md");
    let fields = format.split("### Fields").nth(1).unwrap();
    let fields = fields.split("\n## ").next().unwrap();
    for (kind, info) in ActionInfo::ALL {
        let ledger = match kind {
            LedgerKind::Environment => "environment",
            LedgerKind::Evidence => "`evidence`",
            LedgerKind::Policy => "`policy`",
        };
        let mut current = "";
        let documented = fields.lines().any(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let (first, second) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
            if !first.is_empty() {
                current = first;
            }
            let mut words = second.split(", ");
            current == ledger && words.any(|word| word == format!("`{}`", info.name))
        });
        assert!(
            documented,
            "FORMAT.md has no row for {} of {ledger}",
            info.name
        );
        let has_same_name =
            |(other, it): &&(LedgerKind, ActionInfo)| other == kind && it.name == info.name;
        assert_eq!(
            ActionInfo::ALL.iter().filter(has_same_name).count(),
            1,
            "{}",
            info.name
        );
    }
}

const LOCK: &str = r#"{
  "_type": "https://in-toto.io/Statement/v1",
  "subject": [
    {
      "name": "prod",
      "digest": {
        "gitCommit": "2222222222222222222222222222222222222222"
      }
    }
  ],
  "predicateType": "urn:git-deploy:entry:v1",
  "predicate": {
    "at": "2026-03-05T10:02:11Z",
    "by": "bob",
    "key": "RWQDAwMDAwMDAwQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    "action": "lock",
    "ledger": "prod",
    "project": "1111111111111111111111111111111111111111",
    "previous": "2222222222222222222222222222222222222222",
    "sequence": 7,
    "seen": {
      "policy": "3333333333333333333333333333333333333333"
    },
    "component": "api",
    "reason": "incident 4711"
  }
}
"#;

/// The exact spelling is fixed, so that an updated library cannot change the signed bytes.
#[test]
fn spelling_is_fixed() {
    let statement = Statement::parse(LOCK.as_bytes()).unwrap();
    assert_eq!(statement.print().unwrap(), LOCK.as_bytes());
    assert_eq!(statement.trusted_comment(), "git-deploy prod 7 lock");
    assert_eq!(
        statement.identity(&"catalogue".parse().unwrap()),
        "bob <bob@catalogue>"
    );
    assert_eq!(
        statement.message(),
        "lock api in prod\n\nincident 4711\n\nDeploy-Action: lock\nDeploy-Environment: prod\nDeploy-Component: api\nDeploy-By: bob\n"
    );
}

/// The line of the key in [`LOCK`].
const KEY: &str = "    \"key\": \"RWQDAwMDAwMDAwQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\",\n";

/// Other spellings of the same statement, unknown fields and invalid values are refused.
#[test]
fn other_spellings_are_refused() {
    let edits = [
        ("\"action\": \"lock\"", "\"action\": \"explode\""),
        ("\"action\": \"lock\"", "\"action\": \"publish\""),
        ("\"sequence\": 7", "\"sequence\": 7.0"),
        ("\"sequence\": 7", "\"sequence\": 07"),
        ("\"sequence\": 7", "\"sequence\": 0"),
        ("\"sequence\": 7", "\"sequence\": -1"),
        ("\"by\": \"bob\"", "\"by\": \"bob\",\n    \"by\": \"alice\""),
        (
            "\"by\": \"bob\"",
            "\"by\": \"bob\",\n    \"requestedBy\": null",
        ),
        ("\"by\": \"bob\"", "\"by\": \"b\\u006fb\""),
        ("\"by\": \"bob\"", "\"by\": \"Bob\""),
        ("\"by\": \"bob\"", "\"by\": \"../bob\""),
        // A key that is missing, of small order, or in another place.
        (KEY, ""),
        (
            KEY,
            &KEY.replace(
                "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
                &"A".repeat(42),
            ),
        ),
        (
            "    \"by\": \"bob\",\n",
            &format!("{KEY}    \"by\": \"bob\",\n"),
        ),
        ("incident 4711", "incident\\n4711"),
        ("incident 4711", "incident \u{202e}4711"),
        ("incident 4711", "incident \\u001b[2J"),
        ("incident 4711", "incident 4711\",\n    \"more\": \"x"),
        ("incident 4711", ""),
        ("2026-03-05T10:02:11Z", "2026-03-05T10:02:11+00:00"),
        ("\"policy\": \"33", "\"prod\": \"33"),
        ("\"policy\": \"33", "\"evidence\": \"33"),
        ("  \"predicateType\"", " \"predicateType\""),
        ("entry:v1", "entry:v2"),
        ("Statement/v1", "Statement/v0.1"),
        ("}\n}\n", "}\n}"),
        ("}\n}\n", "}\n}\n\n"),
    ];
    for (from, to) in edits {
        let text = LOCK.replacen(from, to, 1);
        assert_ne!(text, LOCK, "{from}");
        assert!(Statement::parse(text.as_bytes()).is_err(), "{to}");
    }
    let mut invalid = LOCK.as_bytes().to_vec();
    let at = LOCK.find("incident").unwrap();
    invalid[at] = 0xff;
    assert!(Statement::parse(&invalid).is_err(), "invalid UTF-8");
}

/// Large or deeply nested input is refused before it exhausts memory or the stack.
#[test]
fn large_and_deep_input_is_refused() {
    let large = vec![b' '; super::MAX_BYTES + 1];
    assert!(matches!(
        Statement::parse(&large),
        Err(ParseError::TooLarge(_))
    ));
    let deep = LOCK.replace(
        "\"reason\": \"incident 4711\"",
        &format!(
            "\"reason\": {}1{}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
    );
    assert!(matches!(
        Statement::parse(deep.as_bytes()),
        Err(ParseError::Json(_))
    ));
}

/// Policies and key lists are named by their SHA-256. The tree of the policy's ledger has no path
/// for another digest, so an approval of one would make the ledger unreadable.
#[test]
fn policies_are_named_by_their_sha256() {
    let statement = |action: Action| {
        let mut statement = Statement::parse(LOCK.as_bytes()).unwrap();
        statement.ledger = "policy".parse().unwrap();
        statement.seen.clear();
        statement.action = action;
        statement
    };
    let (good, other) = (
        format!("sha256:{}", "a".repeat(64)),
        format!("sha512:{}", "a".repeat(128)),
    );
    let read = |name: &str, fields: &serde_json::Value| match name {
        "publish" => Action::Publish(serde_json::from_value(fields.clone()).unwrap()),
        "approve" => Action::PolicyApprove(serde_json::from_value(fields.clone()).unwrap()),
        _ => Action::PolicyRevoke(serde_json::from_value(fields.clone()).unwrap()),
    };
    for (name, mut fields, keys) in [
        (
            "publish",
            serde_json::json!({ "digest": good, "keys": good }),
            &["digest", "keys"][..],
        ),
        (
            "approve",
            serde_json::json!({ "digest": good }),
            &["digest"],
        ),
        (
            "revoke",
            serde_json::json!({ "digest": good, "approver": "bob" }),
            &["digest"],
        ),
    ] {
        statement(read(name, &fields)).print().unwrap();
        for key in keys {
            fields[*key] = other.as_str().into();
            assert!(
                statement(read(name, &fields)).print().is_err(),
                "{name} {key}"
            );
            fields[*key] = good.as_str().into();
        }
    }
}

/// The deepest predicate that can be printed can be read: otherwise an unreadable entry could be
/// signed.
#[test]
fn deepest_predicate_can_be_read() {
    let attest = |arrays: usize| {
        let predicate =
            (0..arrays).fold(serde_json::json!(1), |value, _| serde_json::json!([value]));
        let mut statement = Statement::parse(LOCK.as_bytes()).unwrap();
        statement.ledger = "evidence".parse().unwrap();
        statement.action = Action::Attestation(
            serde_json::from_value(serde_json::json!({
                "commit": "22".repeat(20), "predicateType": "urn:x", "predicate": { "a": predicate }
            }))
            .unwrap(),
        );
        statement
    };
    let deepest = attest(124);
    assert_eq!(
        Statement::parse(&deepest.print().unwrap()).unwrap(),
        deepest
    );
    assert!(attest(125).print().is_err());
}

/// The labels and the origin of a deployment, and the commands of a run, are limited and fit it.
#[test]
fn inputs_and_commands_are_limited() {
    use serde_json::{Value, json};

    let id = "22".repeat(20);
    let target = |more: Value| {
        let mut target = json!({ "component": "api", "commit": id, "content": id });
        let (all, more) = (target.as_object_mut().unwrap(), more.as_object().unwrap());
        all.extend(more.clone());
        target
    };
    let run = "00".repeat(16);
    let prints = |action: Action| {
        let mut statement = Statement::parse(LOCK.as_bytes()).unwrap();
        statement.action = action;
        let printed = statement.print();
        if let Ok(bytes) = &printed {
            assert_eq!(Statement::parse(bytes).unwrap(), statement);
        }
        printed.is_ok()
    };
    let start = |field: &str, value: Value| {
        let mut fields = json!({ "run": run, "kind": "deploy", "components": [target(json!({}))] });
        fields[field] = value;
        serde_json::from_value(fields).is_ok_and(|start| prints(Action::Start(start)))
    };
    let labels = |count: usize| -> Value {
        let label = |it: usize| (format!("l{it}"), "x".into());
        Value::Object((0..count).map(label).collect())
    };
    let finish = |kind: &str, status: Option<u8>, commands: &[(&str, &str)]| {
        let command = |(component, step): &(&str, &str)| {
            json!({
                "component": component, "step": step, "status": 1, "milliseconds": 2,
                "output": format!("sha256:{}", "ab".repeat(32)), "size": 3
            })
        };
        let outcome = if kind == "exec" {
            "executed"
        } else {
            "succeeded"
        };
        let result = target(json!({ "outcome": outcome, "verification": "none" }));
        let mut fields = json!({
            "start": 1, "run": run, "kind": kind, "components": [result],
            "commands": commands.iter().map(command).collect::<Vec<_>>()
        });
        if let Some(status) = status {
            fields["status"] = status.into();
        }
        serde_json::from_value(fields).is_ok_and(|finish| prints(Action::Finish(finish)))
    };
    let long = "x".repeat(1_001);
    for (is_valid, accepted) in [
        (true, start("labels", labels(16))),
        (false, start("labels", labels(17))),
        (false, start("labels", json!({ "Ticket": "x" }))),
        (false, start("labels", json!({ "ticket": "a\nb" }))),
        (false, start("labels", json!({ "ticket": long }))),
        (true, start("origin", json!({ "branch": "main" }))),
        (false, start("origin", json!({ "branch": "a b" }))),
        (false, start("origin", json!({ "system": "Git Hub" }))),
        (false, start("origin", json!({ "actor": long }))),
        (false, start("origin", json!({ "email": "bob" }))),
        (
            false,
            start(
                "origin",
                json!({ "runUrl": "https://bob:x@ci.example.com/" }),
            ),
        ),
        (
            true,
            finish("deploy", None, &[("api", "apply"), ("api", "rollback")]),
        ),
        (true, finish("deploy", None, &[("api", "apply"); 128])),
        (false, finish("deploy", None, &[("api", "apply"); 129])),
        (false, finish("deploy", None, &[("web", "apply")])),
        (false, finish("deploy", None, &[("api", "exec")])),
        (false, finish("deploy", None, &[("api", "plan")])),
        (true, finish("exec", Some(0), &[("api", "exec")])),
        (false, finish("exec", Some(0), &[("api", "apply")])),
    ] {
        assert_eq!(accepted, is_valid);
    }
    // An empty object is spelled as no object.
    let bytes = LOCK.replace("\"component\"", "\"origin\": {},\n    \"component\"");
    assert!(Statement::parse(bytes.as_bytes()).is_err());
}

/// A note shows the beginning of a long change request.
#[test]
fn long_references_are_shortened_in_notes() {
    let id = "22".repeat(20);
    let fields = serde_json::json!({
        "run": "00".repeat(16), "kind": "deploy",
        "components": [{ "component": "api", "commit": id, "content": id }],
        "change": "é".repeat(61), "labels": { "ticket": "x".repeat(60) }
    });
    let mut statement = Statement::parse(LOCK.as_bytes()).unwrap();
    statement.action = Action::Start(serde_json::from_value(fields).unwrap());
    let commit = id.parse().unwrap();
    let line = format_note_line(&statement, statement.previous, commit, &[]).unwrap();
    let wanted = format!(
        "api  change {}…, ticket={} ",
        "é".repeat(60),
        "x".repeat(60)
    );
    assert!(line.contains(&wanted), "{line}");
}
