//! Deployments made outside: what ran before there was a ledger, and what a CI records about its
//! own deployments.

use crate::decisions::transcript;
use crate::harness::{Project, Repo, World, with_random_keys};

/// `init` of a project that already runs records once what is running, and a stopped init
/// continues.
#[test]
fn init_records_what_is_running() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let alice = world.clone(&server, "alice");
    alice.commit("api/x", "one\n", "Begin");
    alice.git(&["tag", "v1.4.1"]).ok();
    alice.commit("api/x", "two\n", "Go on");
    let key = alice.deploy(&["key", "new", "--no-password"]).ok().text();
    server
        .deploy(&["server", "init", ".", "--admin", &key])
        .ok();
    let ledgers = |repo: &Repo<'_>| {
        repo.git(&["for-each-ref", "refs/deploy", "refs/notes"])
            .ok()
            .text()
    };
    // What is wrong is told before anything is begun.
    let init = |running: &'static str| {
        vec![
            "init",
            "--name",
            "shop",
            "--env",
            "dev,stage,prod",
            "--running",
            running,
        ]
    };
    let mut text = String::new();
    for wrong in ["prd=v1.4.1", "prod=v9", "prod:api=v1.4.1", "prod"] {
        text += &transcript(&alice, &[&init(wrong)]);
    }
    assert_eq!(
        (ledgers(&alice), ledgers(&server)),
        (String::new(), String::new())
    );
    assert!(!alice.path().join("deploy.toml").exists());

    let whole = [&init("prod=v1.4.1")[..], &["--running", "stage=HEAD"]].concat();
    // The server says no in the middle, before the second baseline.
    let shim = std::fs::read_to_string(server.path().join("hooks/pre-receive")).unwrap();
    server.hook("pre-receive", "#!/bin/sh\nread -r it\ncase $it in *refs/deploy/stage) exit 1 ;; esac\necho \"$it\" | git-deploy hook pre-receive\n");
    let stopped = alice.deploy(&whole).fails(1);
    assert!(
        stopped.err().contains("repeat the command to continue"),
        "{stopped}"
    );
    std::fs::remove_file(alice.path().join("deploy.toml")).unwrap();
    server.hook("pre-receive", &shim);
    text += &transcript(
        &alice,
        &[
            &whole,
            &whole,
            &["init", "--env", "qa"],
            &["log", "--dates=iso"],
        ],
    );
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    assert_eq!(alice.rev("deploy/prod^2"), alice.rev("v1.4.1"));
    // It is there to go back to, and it never ran before the next environment.
    let document = alice
        .deploy(&["init", "--running", "dev:shop=HEAD", "--json"])
        .ok()
        .json();
    let baseline = &document["baselines"][0];
    assert_eq!(
        (&baseline["environment"], &baseline["components"]["shop"]),
        (&"dev".into(), &alice.rev("HEAD").into())
    );
    alice.deploy(&["record", "stage", "dev", "--all"]).fails(1);
    alice.deploy(&["record", "dev", "--all"]).ok();
    alice.deploy(&["record", "prod", "stage"]).fails(1);
    alice.deploy(&["record", "stage", "dev", "--all"]).ok();
    alice.deploy(&["record", "prod", "stage"]).ok();
    alice
        .deploy(&["record", "prod", "v1.4.1", "--rollback"])
        .ok();
}

/// A component that is declared later gets its baseline from an admin, once.
#[test]
fn later_components_get_a_baseline_once() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n",
    );
    let (alice, bob) = (&project.alice, &project.bob);
    alice.deploy(&["record", "prod", "main", "--baseline"]).ok();
    project.push("web/x", "one\n");
    project.publish("[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n[components]\napi = { paths = \"api\" }\nweb = { paths = \"web\" }\nold = { paths = \"old\" }\n");
    project.refused(&["authorization"], || {
        bob.deploy(&["record", "prod", "main", "--baseline", "--no-verify"])
    });
    let mut text = transcript(
        &alice.repo,
        &[
            &["record", "prod", "--baseline"],
            &["record", "prod", "main", "--baseline", "--failed"],
            &["record", "prod", "main", "--baseline", "-c", "old"],
            &[
                "record",
                "prod",
                "main",
                "--baseline",
                "-c",
                "api",
                "--version",
                "1.4.1",
                "-m",
                "as the wiki says",
                "--dry-run",
            ],
            &[
                "record",
                "prod",
                "main",
                "--baseline",
                "-c",
                "api",
                "--version",
                "1.4.1",
                "-m",
                "as the wiki says",
            ],
            &["record", "prod", "main", "--baseline"],
        ],
    );
    project.refused(&["state"], || {
        alice.deploy(&[
            "record",
            "prod",
            "main",
            "--baseline",
            "-c",
            "api",
            "--no-verify",
        ])
    });
    text += &transcript(
        &alice.repo,
        &[
            &["record", "prod", "main", "--baseline"],
            &["log", "prod", "--dates=iso"],
        ],
    );
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    project.audited();
}

/// What a CI records about its own deployments: for whom, of what, where the logs are, and how each
/// component ended.
#[test]
fn a_ci_records_its_deployments() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\n[components]\napi = { paths = \"api\" }\ndb = { paths = \"db\" }\nweb = { paths = \"web\" }\n",
    );
    project.push("db/x", "one\n");
    project.push("web/x", "one\n");
    let (bob, ci) = (&project.bob, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    for file in ["api/x", "db/x", "web/x"] {
        project.push(file, "two\n");
    }
    let start = [
        "record",
        "dev",
        "--start",
        "--change",
        "CHG 17",
        "--release",
        "spring",
        "--requested-by",
        "bob",
    ];
    let mut text = transcript(
        &ci.repo,
        &[
            &[
                &start[..],
                &[
                    "--version",
                    "2.0.0",
                    "--version",
                    "db=7",
                    "-m",
                    "Spring cleaning",
                ],
            ]
            .concat(),
            &["record", "dev", "--finish", "--outcome", "db=broken"],
            &[
                "record",
                "dev",
                "--finish",
                "--outcome",
                "db=failed",
                "--outcome",
                "db=skipped",
            ],
            &["record", "dev", "--finish", "--outcome", "rest=failed"],
        ],
    );
    let busy = bob.deploy(&["record", "dev"]).fails(1);
    assert!(
        busy.words_of_err().contains("wait until ci finishes it") && !busy.err().contains("→"),
        "{busy}"
    );
    let end = [
        "record",
        "dev",
        "--finish",
        "--outcome",
        "db=failed",
        "--outcome",
        "web=skipped",
    ];
    let logs = [
        "--verification",
        "passed",
        "--log",
        "https://ci.example.com/1",
        "--log",
        "https://ci.example.com/2",
    ];
    text += &transcript(
        &ci.repo,
        &[&[&end[..], &logs].concat(), &["log", "dev", "--dates=iso"]],
    );
    text += &ci
        .repo
        .git(&["log", "-2", "--format=%B", "refs/deploy/dev"])
        .ok()
        .text();
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    let finish = ci
        .repo
        .git(&["show", "refs/deploy/dev:entry.json"])
        .ok()
        .json();
    let finish = &finish["predicate"];
    assert_eq!(finish["logs"].as_array().unwrap().len(), 2);
    let ended: Vec<_> = finish["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["component"].as_str().unwrap(),
                it["outcome"].as_str().unwrap(),
                it["verification"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        ended,
        [
            ("api", "succeeded", "passed"),
            ("db", "failed", "none"),
            ("web", "skipped", "none")
        ]
    );
    project.audited();
}
