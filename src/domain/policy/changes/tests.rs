mod every_value;

use super::*;
use crate::domain::policy::Policy;

fn key(byte: u8) -> PublicKey {
    PublicKey::new([byte; 8], [byte; 32])
}

/// Returns a policy: the people alice, bob and ci, and the rest of the file.
fn policy(rest: &str) -> Policy {
    with_people(
        &format!(
            "alice = \"{}\"\nbob = \"{}\"\nci = {{ key = \"{}\", machine = true }}",
            key(1),
            key(2),
            key(3)
        ),
        rest,
    )
}

fn with_people(people: &str, rest: &str) -> Policy {
    let text = format!("schema = 1\nproject = \"shop\"\n[people]\n{people}\n{rest}");
    Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// Compares two policies and returns a line per change, and one per key.
fn compared(old: &Policy, new: &Policy) -> Vec<String> {
    let describe = |change: &SubjectChange| {
        let head = format!("{:?} {:?} {}", change.kind, change.subject, change.name);
        let keys = change.keys.iter().map(|it| {
            let (before, after) = (it.before.to_list(), it.after.to_list());
            format!("{}: {} → {}", it.key, before.join(","), after.join(","))
        });
        std::iter::once(head.trim_end().to_owned())
            .chain(keys)
            .collect::<Vec<_>>()
    };
    let changes = compare_policies(old, new, &[key(1)]);
    changes.iter().flat_map(describe).collect()
}

/// Checks that another spelling of the same rules is no change.
#[test]
fn other_spellings_change_nothing() {
    let old = policy(
        "[groups]\nteam = [\"alice\", \"bob\"]\n[environments]\ndev = {}\nprod = { promote_from = \"dev\", soak = \"1h\", deployers = \"ci\", approvals = 1 }\n",
    );
    let new = policy(
        "# a comment\n[environments.prod]\npromote_from = [\"dev\"]\nsoak = \"60m\"\ndeployers = [\"ci\"]\nparallel = 4\napprovals = { required = 1, prevent_self = true }\n[environments.dev]\nrollback = \"auto\"\n[groups]\nteam = [\"bob\", \"alice\"]\n[components.shop]\n",
    );
    assert_eq!(compared(&old, &new), [""; 0]);
}

/// Checks that a change names whom it concerns, also through groups and defaults.
#[test]
fn changes_name_those_whom_they_concern() {
    let rest = |team: &str, prod: &str| {
        format!(
            "[groups]\nteam = {team}\n[environments]\ndev = {{ deployers = \"ci\" }}\nprod = {prod}\n"
        )
    };
    let old = policy(&rest("[\"alice\"]", "{ deployers = \"team\" }"));
    let new = policy(&rest(
        "[\"alice\", \"bob\"]",
        "{ deployers = \"team\", approvals = { by = \"team\" } }",
    ));
    assert_eq!(
        compared(&old, &new),
        [
            "Changed Group team",
            "members: alice → alice,bob",
            "Changed Environment prod",
            "deployers: alice → alice,bob",
            "approvals:  → required 1, by (alice, bob)",
        ]
    );
}

/// Checks that people, keys, admins, environments and components that come and go are listed.
#[test]
fn additions_and_removals() {
    let old = with_people(
        &format!("alice = \"{}\"\nbob = \"{}\"", key(1), key(2)),
        "[environments]\ndev = {}\n[components]\nold = { paths = \"old/**\" }\n",
    );
    let new = with_people(
        &format!(
            "alice = {{ key = \"{}\", retired = \"{}\" }}\ncarol = {{ key = \"{}\", emails = \"c@x.org\" }}",
            key(4),
            key(1),
            key(5)
        ),
        "[policy]\nadmins = [\"alice\", \"carol\"]\n[environments]\ndev = {}\n\"pr-*\" = { ephemeral = { ttl = \"8h\", limit = 2 } }\n[components]\nnew = { paths = [\"a/**\", \"b/**\"], renamed_from = \"old\" }\n",
    );
    assert_eq!(
        compared(&old, &new),
        [
            "Changed Person alice".to_owned(),
            format!("key: {} → {}", key(1), key(4)),
            format!("retired:  → {}", key(1)),
            "Removed Person bob".to_owned(),
            "Added Person carol".to_owned(),
            format!("key:  → {}", key(5)),
            "emails:  → c@x.org".to_owned(),
            "Changed Admins".to_owned(),
            "admins: alice → alice,carol".to_owned(),
            "Changed Environment dev".to_owned(),
            "deployers: alice,bob → alice,carol".to_owned(),
            "Added Environment pr-*".to_owned(),
            "ephemeral:  → ttl 8h, limit 2".to_owned(),
            "Added Component new".to_owned(),
            "paths:  → a/**,b/**".to_owned(),
            "renamed_from:  → old".to_owned(),
            "Removed Component old".to_owned(),
            "Changed Project".to_owned(),
            "artifacts: alice,bob → alice,carol".to_owned(),
        ]
    );
}

/// Checks that the address of a webhook, which is a secret, is never shown.
#[test]
fn a_webhook_address_is_not_shown() {
    let old = policy("[environments]\ndev = {}\n");
    let new = policy(
        "[environments]\ndev = { notify = { webhook = \"https://hooks.example.com/s3cret\", on = \"failed\" } }\n",
    );
    let text = compared(&old, &new).join("\n");
    assert!(
        text.contains("notify") && !text.contains("s3cret"),
        "{text}"
    );
}

/// Checks that a changed value of every key of the reference is noticed: the example of each key,
/// compared with a file without the key.
#[test]
fn every_key_is_compared() {
    let rest = "[groups]\nrelease = [\"bob\"]\nsecurity = [\"alice\"]\noncall = [\"bob\"]\n";
    let environment = |line: &str| {
        policy(&format!(
            "{rest}[components.network]\npaths = \"n/**\"\n[environments]\ndev = {{}}\nstage = {{}}\n[environments.prod]\n{line}\n"
        ))
    };
    for key in crate::domain::policy::Environment::TABLE.keys {
        if key.name == "ephemeral" {
            continue;
        }
        let needed = key.needs.map_or(String::new(), |(needed, _)| {
            let value = if needed == "branch" { "main" } else { "stage" };
            format!("{needed} = \"{value}\"\n")
        });
        let old = environment(&needed);
        let new = environment(&format!("{needed}{} = {}", key.name, key.example));
        let lines = compared(&old, &new);
        let is_listed = lines
            .iter()
            .any(|it| it.starts_with(&format!("{}: ", key.name)));
        assert!(is_listed, "{}: {lines:?}", key.name);
    }
}

/// Checks that what weakens a rule is listed, and that no value is taken for a default by its text.
#[test]
fn weakened_rules_are_listed() {
    let prod = |approvals: &str| {
        policy(&format!(
            "[environments]\ndev = {{}}\nprod = {{ approvals = {approvals} }}\n"
        ))
    };
    for (before, after, expected) in [
        (
            "1",
            "{ required = 1, prevent_self = false }",
            "prevent_self false",
        ),
        (
            "1",
            "{ required = 2, prevent_self = false }",
            "prevent_self false",
        ),
        (
            "{ prevent_self = false }",
            "{ prevent_self = true }",
            "prevent_self false",
        ),
        (
            "1",
            "{ prevent_self = \"starter\" }",
            "prevent_self starter",
        ),
    ] {
        let lines = compared(&prod(before), &prod(after)).join("\n");
        assert!(lines.contains(expected), "{before} {after}: {lines}");
    }
    let without = policy("[environments]\ndev = {}\n");
    let added = policy(
        "[environments]\ndev = {}\nprod = { approvals = { prevent_self = false } }\n[components]\nshop = { apply = \"false\" }\n",
    );
    let lines = compared(&without, &added).join("\n");
    assert!(
        lines.contains("prevent_self false") && lines.contains("apply:  → false"),
        "{lines}"
    );
}

/// Checks that another address on the same host is noticed, and that the addresses are not shown.
#[test]
fn another_webhook_address_is_noticed() {
    let notify = |path: &str, format: &str| {
        policy(&format!(
            "[environments]\ndev = {{ notify = {{ webhook = \"https://hooks.example.com/{path}\"{format} }} }}\n"
        ))
    };
    let old = notify("T1", "");
    let lines = compared(&old, &notify("EVIL", "")).join("\n");
    assert!(
        lines.contains("hooks.example.com (address ") && !lines.contains("EVIL"),
        "{lines}"
    );
    let lines = compared(&old, &notify("T1", ", format = \"slack\"")).join("\n");
    assert!(lines.contains("format slack"), "{lines}");
}
