//! The inputs of deployments: what a CI job provides, what an environment requires, the commands of
//! a run, and how `log` and `show` present and find them.

use serde_json::{Value, json};

use crate::harness::{Member, Project, Run, World};
use crate::run::RunFixture;

const POLICY: &str = "[environments]
prod = { require = [\"change\", \"run-url\", \"label:ticket\"], approvals = { required = 1, by = [\"bob\", \"carol\"] } }
dev = {}

[components.api]
paths = [\"api/**\"]
apply = 'echo deployed; echo token s3cret >&2'
verify = 'true'
";

/// The variables of a job of GitLab for a merge request. Some values are hostile.
const GITLAB: &[(&str, &str)] = &[
    ("GITLAB_CI", "true"),
    ("CI", "true"),
    (
        "CI_JOB_URL",
        "https://gitlab.example.com/acme/shop/-/jobs/71",
    ),
    (
        "CI_PROJECT_URL",
        "https://oauth2:s3cret@gitlab.example.com/acme/shop?token=s3cret",
    ),
    ("CI_MERGE_REQUEST_IID", "17"),
    ("CI_COMMIT_BRANCH", "main"),
    ("GITLAB_USER_LOGIN", "carol\nDeploy-By: s3cret"),
    ("GITLAB_USER_EMAIL", "carol@example.com"),
];

/// Runs git-deploy in a CI job with these variables.
fn deploy_in_ci<'w>(
    member: &Member<'w>,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Run<'w> {
    let mut command = member.repo.command("git-deploy");
    command.args(arguments).envs(variables.iter().copied());
    Run::of(member.repo.world(), &mut command)
}

/// Returns the predicate of the entry that is this many entries before the newest.
fn predicate(project: &Project<'_>, ledger: &str, back: usize) -> Value {
    let place = format!("refs/deploy/{ledger}~{back}:entry.json");
    let run = project.server.git(&["cat-file", "blob", &place]).ok();
    run.json()["predicate"].clone()
}

/// A deployment in GitLab states what the environment requires, and the server refuses one that
/// does not.
#[test]
fn required_inputs_from_gitlab() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (bob, ci) = (&project.bob, &project.ci);
    bob.deploy(&["approve", "prod"]).ok();

    // Outside of CI, everything is missing. The hint names each option.
    let refused = ci.deploy(&["run", "prod", "--yes"]).fails(1);
    let said = refused.words_of_err();
    assert!(
        said.contains("does not state change, run-url, label:ticket"),
        "{refused}"
    );
    assert!(
        said.contains("--change ID --origin run-url=VALUE --label ticket=VALUE"),
        "{refused}"
    );
    project.refused(&["inputs"], || {
        ci.deploy(&[
            "record",
            "prod",
            "--external",
            "--change",
            "17",
            "--no-verify",
        ])
    });
    ci.deploy(&["check", "prod"]).fails(1);
    // A job provides the change request and its address. A flag provides the rest.
    deploy_in_ci(ci, GITLAB, &["run", "prod", "--yes"]).fails(1);
    let options = [
        "--label",
        "ticket=OPS-7",
        "--label",
        "region=eu",
        "--release",
        "r1",
    ];
    deploy_in_ci(ci, GITLAB, &[&["check", "prod"], &options[..]].concat()).ok();
    let run = deploy_in_ci(
        ci,
        GITLAB,
        &[&["run", "prod", "--yes"], &options[..]].concat(),
    )
    .ok();
    assert!(
        run.words_of_err()
            .contains("warning: the input actor from {GITLAB_USER_LOGIN} is not recorded"),
        "{run}"
    );

    let start = predicate(&project, "prod", 1);
    assert_eq!(start["change"], "17");
    assert_eq!(
        start["labels"],
        json!({ "region": "eu", "ticket": "OPS-7" })
    );
    assert_eq!(
        start["origin"],
        json!({
            "system": "gitlab",
            "runUrl": "https://gitlab.example.com/acme/shop/-/jobs/71",
            "repository": "https://gitlab.example.com/acme/shop",
            "email": "carol@example.com"
        })
    );
    let finish = predicate(&project, "prod", 0);
    assert_eq!(
        (&finish["change"], &finish["labels"]),
        (&start["change"], &start["labels"])
    );
    let commands = finish["commands"].as_array().unwrap();
    let steps: Vec<&Value> = commands.iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["apply", "verify"]);
    assert_eq!(commands[0]["status"], 0);
    assert_eq!(commands[0]["size"], "deployed\ntoken s3cret\n".len());

    // Flags override the job. A rollback and a one-off command face the rule, too.
    ci.deploy(&["exec", "prod", "--", "true"]).fails(1);
    bob.deploy(&["approve", "prod", "--component", "api", "--anyway"])
        .ok();
    let override_job = ["--change", "CHG-9", "--origin", "actor=dana"];
    let arguments = [
        &[
            "record",
            "prod",
            "HEAD",
            "--rollback",
            "--external",
            "--label",
            "ticket=OPS-8",
        ][..],
        &override_job,
        &["-c", "api"],
    ];
    deploy_in_ci(ci, GITLAB, &arguments.concat()).ok();
    let record = predicate(&project, "prod", 0);
    assert_eq!(
        (&record["change"], &record["origin"]["actor"]),
        (&json!("CHG-9"), &json!("dana"))
    );
    assert_eq!(record["origin"]["system"], "gitlab");
    project.audited();
}

/// Invalid options are usage errors, and no secret enters through them.
#[test]
fn invalid_options() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let long = format!("ticket={}", "x".repeat(10_000));
    let seventeen: Vec<String> = (0..17).map(|it| format!("--label=l{it}=x")).collect();
    let seventeen: Vec<&str> = seventeen.iter().map(String::as_str).collect();
    for options in [
        &["--label", "ticket"][..],
        &["--label", "Ticket=1"],
        &["--label", "ticket=a\nb"],
        &["--label", &long],
        &["--label", "ticket=1", "--label", "ticket=2"],
        &["--origin", "nothing=1"],
        &["--origin", "run-url=https://bob:s3cret@ci.example.com/1"],
        &[
            "--origin",
            "run-url=https://ci.example.com/1?private_token=s3cret",
        ],
        &["--origin", "actor=https://bob:s3cret@ci.example.com/1"],
        &["--change", "https://bob:s3cret@git.example.com/pull/1"],
        &["--change", "https://git.example.com/pull/1?token=s3cret"],
        &["--label", "ticket=https://git.example.com/1?sig=s3cret"],
        &["--log", "https://ci.example.com/1?access_token=s3cret"],
        &["-m", "see https://bob:s3cret@ci.example.com/1"],
        &["--origin", "run-url=javascript:alert(1)"],
        &["--origin", "email=nobody"],
        &["--origin", "branch=a b"],
        &seventeen,
    ] {
        let arguments = [&["record", "dev"], options].concat();
        project.ci.deploy(&arguments).fails(2);
    }
    project
        .ci
        .deploy(&["log", "dev", "--label", "ticket"])
        .fails(2);
    // The other options with an address, and a recorded command.
    let digest = format!(
        "https://bob:s3cret@example.com/api@sha256:{}",
        "0".repeat(64)
    );
    for arguments in [
        &[
            "log",
            "--change",
            "https://git.example.com/pull/1?token=s3cret",
        ][..],
        &[
            "build",
            "--failed",
            "--log",
            "https://ci.example.com/1?token=s3cret",
        ],
        &[
            "attest",
            "test-result",
            "--result",
            "passed",
            "--url",
            "https://ci.example.com/?jwt=s3cret",
        ],
        &["register", &digest],
        &[
            "lock",
            "dev",
            "-m",
            "https://ci.example.com/1?apikey=s3cret",
        ],
        &[
            "exec",
            "dev",
            "--",
            "curl",
            "https://bob:s3cret@example.com/",
        ],
    ] {
        let refused = project.ci.deploy(arguments).fails(2);
        assert!(
            refused
                .words_of_err()
                .contains("because an entry is permanent"),
            "{refused}"
        );
    }
}

/// `log` finds deployments and their approvals by change request, release, label and person, and
/// shows their inputs, as do `show` and the notes.
#[test]
fn filters_and_views() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\nprod = { approvals = { required = 1, by = [\"bob\", \"carol\"] } }\n",
    );
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    bob.deploy(&["approve", "prod", "-m", "first"]).ok();
    ci.deploy(&[
        "record",
        "prod",
        "--change",
        "CHG-1",
        "--release",
        "r1",
        "--label",
        "ticket=A",
    ])
    .ok();
    project.push("api/x", "two\n");
    carol.deploy(&["approve", "prod", "-m", "second"]).ok();
    let options = [
        "--change",
        "CHG-2",
        "--release",
        "r1",
        "--label",
        "ticket=B",
    ];
    let origin = [
        "--requested-by",
        "alice",
        "--origin",
        "run-url=https://ci.example.com/2",
        "--origin",
        "actor=alice",
    ];
    ci.deploy(&[&["record", "prod", "--start"], &options[..], &origin].concat())
        .ok();
    ci.deploy(&["record", "prod", "--finish"]).ok();
    bob.deploy(&["sync"]).ok();

    let find = |options: &[&str]| {
        let document = bob
            .deploy(&[&["log", "--json"], options].concat())
            .ok()
            .json();
        let entries = document["entries"].as_array().unwrap().iter();
        let texts = entries.map(|it| {
            let of = it["change"]
                .as_str()
                .or(it["summary"].as_str())
                .unwrap()
                .trim_matches('"');
            format!("{} {of}", it["action"].as_str().unwrap())
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    let summary = |action: &str, by: &str| {
        let document = bob.deploy(&["log", "--json", "--all"]).ok().json();
        let entries = document["entries"].as_array().unwrap().clone();
        let found = entries
            .iter()
            .find(|it| it["action"] == action && it["by"] == by)
            .unwrap();
        let summary = found["summary"].as_str().unwrap();
        format!("{action} {}", summary.trim_matches('"'))
    };
    let (by_bob, by_carol) = (summary("approve", "bob"), summary("approve", "carol"));
    let published = summary("publish", "alice");
    for (options, wanted) in [
        (&[][..], "finish CHG-2, record CHG-1".to_owned()),
        (&["--change", "CHG-1"], format!("record CHG-1, {by_bob}")),
        (&["--change", "CHG-2"], format!("finish CHG-2, {by_carol}")),
        (
            &["--release", "r1"],
            format!("finish CHG-2, {by_carol}, record CHG-1, {by_bob}"),
        ),
        (
            &["--label", "ticket=B"],
            format!("finish CHG-2, {by_carol}"),
        ),
        (
            &["--label", "ticket=B", "--label", "ticket=A"],
            String::new(),
        ),
        (
            &["--by", "alice"],
            format!("finish CHG-2, {by_carol}, {published}"),
        ),
        (&["--by", "bob"], by_bob.clone()),
        (&["--by", "bob", "--change", "CHG-2"], String::new()),
        (&["--by", "carol", "--release", "r1"], by_carol.clone()),
        (&["--change", "CHG-1", "-n", "1"], "record CHG-1".to_owned()),
    ] {
        assert_eq!(find(options), wanted, "{options:?}");
    }

    let log = bob.deploy(&["log", "prod"]).ok().text();
    assert!(log.contains("change CHG-2, release r1, ticket=B"), "{log}");
    let show = bob.deploy(&["show", "prod"]).ok().text();
    for words in [
        "change CHG-2, release r1, ticket=B",
        "run https://ci.example.com/2, actor alice",
    ] {
        assert!(show.contains(words), "{show}");
    }
    let document = bob.deploy(&["show", "prod", "--json"]).ok().json();
    let run = &document["environments"][0]["runs"][0];
    assert_eq!(
        run["origin"]["runUrl"], "https://ci.example.com/2",
        "{run:#}"
    );
    let notes = bob.repo.git(&["log", "-1", "--notes=deploy", "prod", "--"]);
    let notes = if notes.succeeded() {
        notes.text()
    } else {
        bob.repo
            .git(&["log", "-1", "--notes=deploy", "origin/main"])
            .ok()
            .text()
    };
    assert!(notes.contains("change CHG-2, ticket=B"), "{notes}");
    project.audited();
}

/// The finish lists each command that ran, also the failed ones and those of the rollback, with the
/// digest of what the log contains.
#[test]
fn commands_of_a_run() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = { exec_by = \"ci\" }\n", &[]);
    play.run(&["-c", "web"]).ok();
    play.change(&[
        ("web/apply", "echo two; echo three >&2\n"),
        ("web/verify", "exit 3\n"),
        ("web/n", "2\n"),
    ]);
    play.run(&["-c", "web"]).fails(4);
    let finish = play.newest("dev");
    let commands = finish["commands"].as_array().unwrap();
    let text = |it: &Value| {
        format!(
            "{} {} {}",
            it["component"].as_str().unwrap(),
            it["step"].as_str().unwrap(),
            it["status"]
        )
    };
    assert_eq!(
        commands.iter().map(text).collect::<Vec<_>>(),
        [
            "web apply 0",
            "web verify 3",
            "web rollback 0",
            "web verifyRollback 0"
        ]
    );
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        (&commands[1]["output"], &commands[1]["size"]),
        (&json!(empty), &json!(0))
    );
    assert_eq!(commands[0]["size"], "two\nthree\n".len());
    let show = play.project.ci.deploy(&["show", "HEAD"]).ok().text();
    assert!(
        show.contains("verify of web") && show.contains("(exit status 3)"),
        "{show}"
    );

    let ci = &play.project.ci;
    ci.deploy(&[
        "exec",
        "dev",
        "-c",
        "web",
        "--yes",
        "--",
        "sh",
        "-c",
        "echo out; exit 7",
    ])
    .fails(4);
    let finish = play.newest("dev");
    assert_eq!(finish["status"], 7);
    let command = &finish["commands"][0];
    assert_eq!(
        (&command["step"], &command["status"]),
        (&json!("exec"), &json!(7))
    );
    // `printf 'out\n' | sha256sum`
    assert_eq!(
        command["output"],
        "sha256:54034ac5c6e9ea95734ec2b729fd6d62abf64af34a9f9ce5d466cb788191a73d"
    );
}
