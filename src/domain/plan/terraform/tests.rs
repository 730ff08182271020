//! Tests of reading terraform plans: actions, emptiness, digests and hostile input.

use serde_json::{Value, json};

use super::*;
use crate::domain::plan::CreatedResources;

fn plan(changes: &Value, outputs: &Value) -> Value {
    let applyable = *changes != json!([]) || *outputs != json!({});
    json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": changes, "output_changes": outputs,
        "timestamp": "2026-01-01T00:00:00Z", "applyable": applyable, "complete": true, "errored": false,
    })
}

fn read(json: &Value) -> Result<TerraformPlan, TerraformError> {
    TerraformPlan::parse(json.to_string().as_bytes())
}

fn change(address: &str, actions: &[&str]) -> Value {
    json!({ "address": address, "change": { "actions": actions, "before": { "password": "hunter2" } } })
}

/// Checks that each kind of action counts: a rollback continues only if nothing would be destroyed,
/// and an empty plan is not applied.
#[test]
fn actions() {
    let all = [
        change("a.create", &["create"]),
        change("a.update", &["update"]),
        change("a.replace", &["delete", "create"]),
        change("a.replace[1]", &["create", "delete"]),
        change("a.delete", &["delete"]),
        change("a.forget", &["forget"]),
        change("data.a.read", &["read"]),
        change("a.same", &["no-op"]),
        json!({ "address": "a.import", "change": { "actions": ["no-op"], "importing": { "id": "x" } } }),
        json!({ "address": "a.both", "change": { "actions": ["update"], "importing": { "id": "x" } } }),
        json!({ "address": "a.new", "previous_address": "a.old", "change": { "actions": ["no-op"] } }),
        json!({ "address": "a.create", "deposed": "0123abcd", "change": { "actions": ["delete"] } }),
    ];
    let outputs = json!({ "same": { "actions": ["no-op"] }, "url": { "actions": ["update"], "after": "hunter2" } });
    let terraform = read(&plan(&Value::from(all.to_vec()), &outputs)).unwrap();
    assert_eq!(
        terraform.action_counts().to_string(),
        "2 to import, 3 to add, 2 to change, 4 to destroy, 1 to forget"
    );
    let listed: Vec<String> = terraform
        .changes()
        .iter()
        .map(|it| format!("{} {}", it.action.symbol(), it.address))
        .collect();
    assert_eq!(
        listed,
        [
            "+ a.create",
            "~ a.update",
            "-/+ a.replace",
            "-/+ a.replace[1]",
            "- a.delete",
            ". a.forget",
            "<= data.a.read",
            "+ a.import",
            "~ a.both",
            "~ a.new",
            "- a.create (deposed object 0123abcd)"
        ]
    );
    assert_eq!(
        terraform.outputs(),
        [OutputChange {
            name: "url".to_owned(),
            action: PlannedAction::Update
        }]
    );
    assert!(!format!("{terraform:?}").contains("hunter2"));
    for (actions, destroys) in [
        (["delete"].as_slice(), true),
        (&["create", "delete"], true),
        (&["forget"], false),
        (&["create"], false),
    ] {
        let terraform = read(&plan(&json!([change("a.b", actions)]), &json!({}))).unwrap();
        assert_eq!(
            (terraform.destroys(), terraform.is_empty()),
            (destroys, false),
            "{actions:?}"
        );
    }
}

/// Checks that a rollback may destroy exactly what the applied plan was to create: nothing that was
/// there before, whatever was to be done with it, and nothing that only looks the same.
#[test]
fn destroyed_by_a_rollback() {
    let long = |end: &str| format!("a.b[\"{}{end}\"]", "x".repeat(400));
    let with = |address: &str, actions: &[&str], key: &str, value: &str| {
        let mut change = change(address, actions);
        change[key] = value.into();
        change
    };
    let tainted = |address: &str, actions: &[&str]| {
        with(address, actions, "action_reason", "replace_because_tainted")
    };
    let replace = ["delete", "create"];
    let import =
        json!({ "address": "a.b", "change": { "actions": ["no-op"], "importing": { "id": "x" } } });
    let read_change = |change: &Value| read(&plan(&json!([change]), &json!({}))).unwrap();
    let cases = [
        // What the apply created.
        (change("a.b", &["create"]), change("a.b", &["delete"]), true),
        (change("a.b", &["create"]), change("a.b", &replace), true),
        (change("a.b", &["create"]), tainted("a.b", &replace), true),
        (
            change(&long("1"), &["create"]),
            change(&long("1"), &["delete"]),
            true,
        ),
        // The new resource of a replacement that failed half-way.
        (change("a.b", &replace), tainted("a.b", &replace), true),
        (
            change("a.b", &replace),
            tainted("a.b", &["create", "delete"]),
            true,
        ),
        // Nothing is destroyed.
        (change("a.b", &["update"]), change("a.b", &["update"]), true),
        (change("a.b", &["delete"]), change("a.b", &["create"]), true),
        (change("a.b", &["create"]), change("a.b", &["forget"]), true),
        // What was there before.
        (change("a.b", &replace), change("a.b", &replace), false),
        (
            change("a.b", &["update"]),
            change("a.b", &["delete"]),
            false,
        ),
        (change("a.b", &["update"]), tainted("a.b", &replace), false),
        (tainted("a.b", &replace), tainted("a.b", &replace), false),
        (
            change("a.b", &["create", "forget"]),
            change("a.b", &["delete"]),
            false,
        ),
        (change("a.b", &["no-op"]), change("a.b", &["delete"]), false),
        (import, change("a.b", &["delete"]), false),
        // Something else.
        (
            change("a.c", &["create"]),
            change("a.b", &["delete"]),
            false,
        ),
        (
            change("a.b[0]", &["create"]),
            change("a.b[1]", &["delete"]),
            false,
        ),
        (
            change(&long("1"), &["create"]),
            change(&long("2"), &["delete"]),
            false,
        ),
        (
            change("a.b", &["create"]),
            with("a.b", &["delete"], "deposed", "0123abcd"),
            false,
        ),
    ];
    for (applied, rollback, allowed) in cases {
        let mut created = CreatedResources::default();
        created.add_plan(&read_change(&applied));
        let rollback_plan = read_change(&rollback);
        let destroyed = rollback_plan.list_destroyed_except(&created);
        assert_eq!(destroyed.is_empty(), allowed, "{applied} {rollback}");
    }
    // Masked names are no identity either.
    let masked = |change: &Value| read_change(change).mask_names(&|_| "***".to_owned());
    let mut created = CreatedResources::default();
    created.add_plan(&masked(&change("a.b", &["create"])));
    let rollback = masked(&change("a.c", &["delete"]));
    assert_eq!(rollback.list_destroyed_except(&created), ["***"]);
}

/// Checks that failing checks are listed by address, without their messages, which may contain values.
#[test]
fn failing_checks() {
    let mut plan = plan(&json!([]), &json!({}));
    let check = |name: &str, status: &str| {
        json!({
            "address": { "kind": "check", "name": name, "to_display": format!("check.{name}") },
            "status": status,
            "instances": [{ "problems": [{ "message": "the password is hunter2" }] }],
        })
    };
    plan["checks"] = json!([
        check("health", "fail"),
        check("fine", "pass"),
        check("later", "unknown"),
        check("broken", "error")
    ]);
    let plan = read(&plan).unwrap();
    assert_eq!(plan.failing_checks(), ["check.health", "check.broken"]);
    assert!(!format!("{plan:?}").contains("hunter2"));
}

/// Checks that only a plan that terraform calls empty counts as empty.
#[test]
fn emptiness() {
    let no_op = json!([change("a.same", &["no-op"])]);
    let read_with = |key: &str, value: Value| {
        let mut plan = plan(&json!([]), &json!({}));
        plan["resource_changes"] = no_op.clone();
        plan[key] = value;
        read(&plan).unwrap()
    };
    let drifted = read_with("resource_drift", json!([change("a.same", &["update"])]));
    assert!(drifted.is_empty() && drifted.drift_count() == 1);
    assert!(
        read_with("applyable", Value::Null).is_empty(),
        "terraform before 1.8 does not set it"
    );
    assert!(
        !read_with("applyable", json!(true)).is_empty(),
        "there is something that is not listed, such as a refresh"
    );
    assert!(
        !read_with("resource_changes", json!([change("a.b", &["create"])])).is_empty(),
        "even if `applyable` is false"
    );
    let outputs = read_with(
        "output_changes",
        json!({ "url": { "actions": ["create"] } }),
    );
    assert!(outputs.changes_outputs() && !outputs.is_empty());
    assert!(!read_with("action_invocations", json!([{}])).is_empty());
}

/// Checks that a plan is refused if its effect is not fully known.
#[test]
fn refused() {
    let error_with = |key: &str, value: Value| {
        let mut plan = plan(&json!([]), &json!({}));
        plan[key] = value;
        read(&plan).unwrap_err()
    };
    assert!(matches!(
        error_with("errored", json!(true)),
        TerraformError::Errored
    ));
    assert!(matches!(
        error_with("complete", json!(false)),
        TerraformError::Incomplete
    ));
    assert!(matches!(
        error_with("deferred_changes", json!([{}])),
        TerraformError::Incomplete
    ));
    for version in ["2.0", "0.2", "", "10.1"] {
        assert!(
            matches!(
                error_with("format_version", json!(version)),
                TerraformError::Format(_)
            ),
            "{version}"
        );
    }
    for actions in [&["delete", "delete"][..], &["explode"], &[]] {
        let error = error_with("resource_changes", json!([change("a.\u{1b}b", actions)]));
        assert!(
            matches!(&error, TerraformError::Action { address, .. } if address == "a.\u{fffd}b"),
            "{actions:?}"
        );
    }
    for bad in [
        "",
        "[]",
        "{}",
        "null",
        "{\"format_version\":\"1.2\"",
        "{\"format_version\":\"1.2\"} {}",
    ] {
        assert!(
            matches!(
                TerraformPlan::parse(bad.as_bytes()),
                Err(TerraformError::Json(_))
            ),
            "{bad}"
        );
    }
}

/// Checks the digest that approvals bind: it is equal for equal plans, and every changed value
/// changes it.
#[test]
fn digests() {
    let digest_of = |text: &str| {
        TerraformPlan::parse(text.as_bytes())
            .unwrap()
            .digest()
            .clone()
    };
    let (tail, more) = (
        r#""x":{"n":[1, 12345678901234567890123,"a \" } , b"]}"#,
        r#""timestamp":"now","#,
    );
    let first = digest_of(&format!(r#"{{"format_version":"1.2",{more}{tail}}}"#));
    for same in [
        format!("{{{tail},\n\t\"format_version\" : \"1.2\"}}\n"),
        format!(
            r#"{{"format_version":"1.2","relevant_attributes":[{{"a":["b",","]}}],{tail},"timestamp":"then"}}"#
        ),
    ] {
        assert_eq!(digest_of(&same), first, "{same}");
    }
    let text = format!(r#"{{"format_version":"1.2",{tail}}}"#);
    assert_eq!(
        digest_of(&text),
        Digest::sha256(text.replace("1, 1", "1,1").as_bytes())
    );
    for (from, to) in [
        ("0123,", "0124,"),
        ("a \\\" }", "a\\\" }"),
        ("\"n\"", "\"timestamp\""),
        ("[1, ", "[1, 1, "),
        ("\"x\":{", "\"timestamp\":\"now\",\"y\":{"),
        ("\"1.2\"", "\"1.3\""),
    ] {
        assert!(text.contains(from));
        assert_ne!(digest_of(&text.replace(from, to)), first, "{from}");
    }
}

/// Checks that addresses are sanitized and masked: they are untrusted and may contain secrets.
#[test]
fn hostile_addresses() {
    let address = format!("a.b[\"\u{1b}[2J\u{202e}{}\"]", "x".repeat(10_000));
    let terraform = read(&plan(&json!([change(&address, &["create"])]), &json!({}))).unwrap();
    let shown = &terraform.changes()[0].address;
    assert!(
        shown.starts_with("a.b[\"\u{fffd}[2J\u{fffd}xx") && shown.chars().count() == 301,
        "{shown}"
    );
    let masked = terraform.mask_names(&|text| text.replace("xxx", "***"));
    assert!(!masked.changes()[0].address.contains("xxx"));
}

/// Checks that saved terraform plans are recognized, and nothing else: `terraform apply` must get
/// only its own plans.
#[test]
fn saved_plans() {
    let header = |signature: &[u8], length: u8, name: &[u8]| {
        let mut bytes = vec![0; 26];
        bytes[..signature.len()].copy_from_slice(signature);
        bytes.extend([length, 0, 0, 0]);
        bytes.extend(name);
        bytes
    };
    assert!(is_saved_terraform_plan(&header(
        b"PK\x03\x04",
        6,
        b"tfplan"
    )));
    for other in [
        header(b"PK\x03\x04", 7, b"tfplans"),
        header(b"PK\x03\x04", 6, b"tfplaN"),
        header(b"PK\x05\x06", 6, b"tfplan"),
        header(b"PK\x03\x04", 6, b"tfpla"),
        b"{\"tfplan\":1}".to_vec(),
        Vec::new(),
    ] {
        assert!(!is_saved_terraform_plan(&other), "{other:?}");
    }
}
