//! The entries of the test vectors: every action, and each of its fields at least once.
//!
//! No rules are evaluated, so a server would refuse some of the entries.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::entry::Action;
use crate::domain::id::Digest;
use crate::domain::name::{EnvName, LedgerName};

/// A commit of the code, and the tree that stands for every component's content at it.
pub struct Code {
    pub commit: String,
    pub content: String,
}

/// One entry to be written.
pub struct Step {
    pub ledger: LedgerName,
    pub environment: Option<EnvName>,
    pub by: &'static str,
    pub action: Action,
    pub policy: Option<&'static [u8]>,
}

const POLICIES: [&[u8]; 2] = [
    include_bytes!("../../../testdata/vectors/deploy-1.toml"),
    include_bytes!("../../../testdata/vectors/deploy-2.toml"),
];
const IMAGE: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn read<T: DeserializeOwned>(fields: Value) -> T {
    serde_json::from_value(fields).unwrap()
}

/// Returns the entries to write, about these three code commits.
pub fn script(code: &[Code]) -> Vec<Step> {
    let [one, two, three] = code else {
        panic!("three commits")
    };
    let mut steps = vec![publish(0, json!({ "digest": digest(0) }))];
    steps.extend(evidence(one, two, three));
    steps.extend(locks_and_approvals(one, two, three));
    steps.extend(runs(one, two, three));
    steps.extend(more_runs(one, two, three));
    steps.extend(ephemeral(two));
    steps.extend(policy(one));
    steps.push(ending_lock());
    steps
}

fn digest(policy: usize) -> String {
    Digest::sha256(POLICIES[policy]).to_string()
}

fn step(ledger: &str, by: &'static str, action: Action) -> Step {
    let environment = (ledger == "pr").then(|| "pr-17".parse().unwrap());
    Step {
        ledger: ledger.parse().unwrap(),
        environment,
        by,
        action,
        policy: None,
    }
}

fn publish(policy: usize, mut fields: Value) -> Step {
    // Replaced by the key list's digest, which depends on the project's root keys.
    fields["keys"] = digest(policy).into();
    Step {
        policy: Some(POLICIES[policy]),
        ..step("policy", "alice", Action::Publish(read(fields)))
    }
}

fn prod(by: &'static str, action: Action) -> Step {
    step("prod", by, action)
}

fn evidence(one: &Code, two: &Code, three: &Code) -> Vec<Step> {
    let predicate = json!({
        "result": "PASSED", "b": [1, -2, 1.5, 1e300, 1e-7, 18_446_744_073_709_551_615_u64, 1e16, 0.1], "a": { "é": "tab\tline\n\"q\" \\ /", "Z": null },
        "empty": [], "none": {}, "yes": true
    });
    let digest = format!("sha512:{}", "ab".repeat(64));
    let contents = json!([
        { "component": "api", "content": three.content }, { "component": "web", "content": two.content }
    ]);
    [
        Action::Build(read(
            json!({ "component": "api", "commit": one.commit, "result": "succeeded", "log": "https://ci.example.com/1" }),
        )),
        Action::Build(read(json!({ "component": "api", "commit": three.commit, "result": "failed" }))),
        Action::Artifact(read(json!({
            "component": "api", "commit": one.commit, "content": one.content,
            "name": "ghcr.io/acme/api", "digest": IMAGE, "builder": "github-actions"
        }))),
        Action::Attestation(read(json!({
            "commit": one.commit, "environment": "prod", "suite": "e2e",
            "predicateType": "https://in-toto.io/attestation/test-result/v0.1", "predicate": predicate
        }))),
        Action::Attestation(read(json!({
            "commit": two.commit, "predicateType": "urn:git-deploy:change-review:v1",
            "predicate": { "unresolved": 1, "approvals": 2 }
        }))),
        Action::Yank(read(json!({ "digest": digest, "reason": "built on a compromised machine" }))),
        Action::Yank(read(json!({ "commit": two.commit, "contents": contents, "reason": "leaks" }))),
        Action::Yank(read(json!({ "commit": three.commit, "contents": contents, "reason": "loses orders" }))),
        Action::Unyank(read(json!({ "commit": three.commit, "contents": contents, "reason": "it was the test that was wrong" }))),
    ]
    .map(|action| step("evidence", "ci", action))
    .into()
}

fn locks_and_approvals(one: &Code, two: &Code, three: &Code) -> Vec<Step> {
    let approve = |code: &Code, components: &[&str], more: Value, expires: &str| {
        let mut fields = json!({
            "commit": code.commit, "components": components, "expires": expires, "comment": "CHG-1234 canary ok"
        });
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Action::Approve(read(fields))
    };
    let all = ["api", "db", "web"];
    vec![
        prod(
            "alice",
            Action::Baseline(read(json!({
                "components": [
                    { "component": "api", "commit": one.commit, "content": one.content, "version": "1.4.1" },
                    { "component": "web", "commit": one.commit, "content": one.content }
                ],
                "comment": "as it runs today"
            }))),
        ),
        prod(
            "bob",
            Action::Lock(read(
                json!({ "component": "api", "reason": "incident 4711" }),
            )),
        ),
        prod(
            "bob",
            Action::Unlock(read(json!({ "component": "api", "comment": "over" }))),
        ),
        // Expired by the next entry, which drops it.
        prod(
            "bob",
            approve(
                three,
                &["api"],
                json!({ "purpose": "exec", "command": IMAGE }),
                "2026-03-05T08:13:30Z",
            ),
        ),
        prod(
            "bob",
            approve(
                two,
                &all,
                json!({ "purpose": "deploy", "plans": { "api": IMAGE } }),
                "2026-03-12T08:00:00Z",
            ),
        ),
        prod(
            "carol",
            approve(
                two,
                &all,
                json!({ "purpose": "destroy" }),
                "2026-03-12T08:00:00Z",
            ),
        ),
        prod(
            "carol",
            Action::Revoke(read(
                json!({ "commit": two.commit, "approver": "carol", "comment": "not so fast" }),
            )),
        ),
    ]
}

fn ending_lock() -> Step {
    let fields =
        json!({ "component": "api", "until": "2026-03-06T08:00:00Z", "reason": "load test" });
    prod("bob", Action::Lock(read(fields)))
}

fn runs(one: &Code, two: &Code, _: &Code) -> Vec<Step> {
    let run = "000102030405060708090a0b0c0d0e0f";
    let resumed_run = "101112131415161718191a1b1c1d1e1f";
    let artifacts = json!([{ "name": "ghcr.io/acme/api", "digest": IMAGE }]);
    let labels = json!({ "region": "eu-west-1", "ticket": "OPS-7" });
    let description =
        "Promote 1.4.2 after canary.\n\nDeploy-Commit: this is no trailer\n--- nor the end";
    let api = json!({ "component": "api", "commit": two.commit, "content": two.content, "version": "1.4.2", "tag": { "name": "api/v1.4.2", "object": two.commit }, "artifacts": artifacts });
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        all
    };
    let db = json!({ "component": "db", "commit": two.commit, "content": two.content });
    vec![
        prod(
            "ci",
            Action::Start(read(json!({
                "run": run, "kind": "deploy",
                "components": [
                    with(&api, json!({ "from": one.commit, "plan": IMAGE })),
                    db,
                ],
                "approvedBy": ["bob"], "change": "CHG-1234", "release": "2026.1", "labels": labels,
                "origin": {
                    "system": "github", "runUrl": "https://ci.example.com/runs/2?attempt=1", "actor": "Alice Ångström",
                    "repository": "ssh://git.example.com/acme/shop.git", "branch": "main", "tag": "v1.4.2",
                    "email": "alice@example.com"
                },
                "description": description, "branchTip": two.commit
            }))),
        ),
        prod(
            "bob",
            Action::Resume(read(json!({ "start": 8, "run": resumed_run }))),
        ),
        prod(
            "bob",
            Action::Finish(read(json!({
                "start": 8, "run": resumed_run, "kind": "deploy",
                "components": [
                    with(&api, json!({ "outcome": "succeeded", "verification": "passed" })),
                    with(&db, json!({ "outcome": "failed", "verification": "none" })),
                ],
                "approvedBy": ["bob"], "change": "CHG-1234", "labels": labels, "description": description,
                "commands": [
                    { "component": "api", "step": "apply", "status": 0, "milliseconds": 41_730, "output": IMAGE, "size": 2_048 },
                    { "component": "db", "step": "apply", "status": 137, "milliseconds": 60_000, "output": IMAGE, "size": 0 },
                    { "component": "api", "step": "verify", "status": 0, "milliseconds": 250, "output": IMAGE, "size": 12 }
                ],
                "logs": ["https://ci.example.com/2"]
            }))),
        ),
        prod(
            "ci",
            Action::Verification(read(json!({
                "components": [{ "component": "api", "commit": two.commit }, { "component": "web", "commit": one.commit }],
                "verification": "failed", "comment": "errors rise", "logs": ["https://ci.example.com/3"]
            }))),
        ),
        prod(
            "bob",
            Action::Record(read(json!({
                "kind": "rollback",
                "components": [{
                    "component": "api", "commit": one.commit, "content": one.content, "version": "1.4.1",
                    "from": two.commit
                }],
                "breakGlass": "prod is down",
                "results": [{ "component": "api", "outcome": "succeeded", "verification": "passed" }],
                "logs": ["https://ci.example.com/4"]
            }))),
        ),
        prod(
            "alice",
            Action::Unlock(read(json!({
                "commit": two.commit, "holds": [{ "component": "api", "content": two.content }], "comment": "fixed"
            }))),
        ),
    ]
}

fn more_runs(one: &Code, two: &Code, three: &Code) -> Vec<Step> {
    let runs = ["20", "30", "40", "50"].map(|byte| byte.repeat(16));
    let api = json!({ "component": "api", "commit": three.commit, "content": three.content });
    let web = json!({ "component": "web", "commit": two.commit });
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        all
    };
    let api_change = with(&api, json!({ "from": one.commit }));
    let web_destroy = with(&web, json!({ "from": one.commit }));
    let web_running = json!({ "component": "web", "commit": one.commit, "content": one.content });
    let start = |run: usize, kind: &str, components: Value, command: Option<&str>| {
        let mut fields = json!({ "run": runs[run], "kind": kind, "components": components });
        if let Some(command) = command {
            fields["command"] = command.into();
        }
        prod("bob", Action::Start(read(fields)))
    };
    let finish = |start: u64, run: usize, kind: &str, components: Value, status: Option<u8>| {
        let mut fields =
            json!({ "start": start, "run": runs[run], "kind": kind, "components": components });
        if let Some(status) = status {
            fields["status"] = status.into();
        }
        prod("bob", Action::Finish(read(fields)))
    };
    vec![
        start(0, "deploy", json!([api_change]), None),
        prod(
            "bob",
            Action::Abort(read(json!({
                "start": 14,
                "run": runs[0],
                "components": [{ "component": "api", "commit": three.commit }],
                "reason": "the runner died"
            }))),
        ),
        prod(
            "bob",
            Action::Lock(read(json!({ "reason": "stocktaking" }))),
        ),
        prod("bob", Action::Unlock(read(json!({})))),
        start(1, "exec", json!([web_running]), Some("rake db:migrate")),
        finish(
            18,
            1,
            "exec",
            json!([with(
                &web_running,
                json!({ "outcome": "executed", "verification": "none" })
            )]),
            Some(3),
        ),
        start(2, "deploy", json!([api_change, web_destroy]), None),
        finish(
            20,
            2,
            "deploy",
            json!([
                with(
                    &api,
                    json!({ "outcome": "rolledBack", "to": one.commit, "verification": "failed" })
                ),
                with(
                    &web,
                    json!({ "outcome": "skipped", "because": "api", "verification": "none" })
                ),
            ]),
            None,
        ),
        start(3, "deploy", json!([web_destroy]), None),
        finish(
            22,
            3,
            "deploy",
            json!([with(
                &web,
                json!({ "outcome": "destroyed", "verification": "none" })
            )]),
            None,
        ),
    ]
}

fn ephemeral(two: &Code) -> Vec<Step> {
    let runs = ["60", "70"].map(|byte| byte.repeat(16));
    [
        Action::Start(read(json!({
            "run": runs[0], "kind": "hotfix", "expires": "2026-03-05T16:00:00Z",
            "components": [{ "component": "api", "commit": two.commit, "content": two.content }]
        }))),
        Action::Finish(read(json!({
            "start": 1, "run": runs[0], "kind": "hotfix",
            "components": [{
                "component": "api", "commit": two.commit, "content": two.content, "outcome": "succeeded", "verification": "none"
            }]
        }))),
        Action::Expire(read(json!({ "expires": "2026-03-05T20:00:00Z", "comment": "for the review" }))),
        Action::Start(read(json!({
            "run": runs[1], "kind": "destroy",
            "components": [{ "component": "api", "commit": two.commit, "from": two.commit }]
        }))),
        Action::Finish(read(json!({
            "start": 4, "run": runs[1], "kind": "destroy",
            "components": [{ "component": "api", "commit": two.commit, "outcome": "destroyed", "verification": "none" }]
        }))),
    ]
    .map(|action| step("pr", "ci", action))
    .into()
}

fn policy(one: &Code) -> Vec<Step> {
    let approve = |by| {
        step(
            "policy",
            by,
            Action::PolicyApprove(read(
                json!({ "digest": digest(1), "comment": "previews, at last" }),
            )),
        )
    };
    vec![
        approve("bob"),
        approve("carol"),
        step(
            "policy",
            "alice",
            Action::PolicyRevoke(read(
                json!({ "digest": digest(1), "approver": "carol", "comment": "left the team" }),
            )),
        ),
        publish(
            1,
            json!({
                "digest": digest(1), "approvedBy": ["bob"], "description": "Preview environments.\nTwo at most.",
                // Any id will do: admitted entries are not read here.
                "admits": [one.commit]
            }),
        ),
        publish(0, json!({ "digest": digest(0), "recovered": true })),
    ]
}
