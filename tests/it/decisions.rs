//! Decisions other than approve and lock: revoke, abort, builds, yanks, and evidence from test
//! reports.
//!
//! For a rule the server is asked: the client's own check is skipped with `--no-verify`.

use std::fmt::Write as _;

use crate::harness::{Project, Repo, World, with_random_keys};

/// Runs commands one after the other and shows what each said, but for how old the news is: that is the machine's own hour.
pub fn transcript(repo: &Repo<'_>, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for command in commands {
        let run = repo.deploy(command).to_string();
        let lines = run.lines().filter(|line| !line.starts_with("fetched "));
        lines.for_each(|line| writeln!(text, "{line}").unwrap());
        text.push('\n');
    }
    text
}

/// An approval can be revoked by its giver or an admin, and a deployment that relied on it is then
/// refused.
#[test]
fn revoked_approvals_do_not_count() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = { approvals = { required = 1, by = [\"bob\", \"carol\"] }, deployers = \"ci\" }\n",
    );
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    carol.deploy(&["approve", "prod"]).ok();
    let record = || ci.deploy(&["record", "prod", "--no-verify"]);
    project.refused(&["authorization"], || {
        bob.deploy(&["revoke", "prod", "--of", "carol", "--no-verify"])
    });
    let mut text = transcript(
        &bob.repo,
        &[&["revoke", "prod"], &["revoke", "prod", "--of", "carol"]],
    );
    text += &transcript(
        &carol.repo,
        &[
            &["revoke", "prod", "--dry-run"],
            &["revoke", "prod", "-m", "the canary fell ill"],
            &["revoke", "prod"],
        ],
    );
    project.refused(&["approvals"], record);
    bob.deploy(&["approve", "prod"]).ok();
    text += &transcript(
        &project.alice.repo,
        &[&["revoke", "prod", "main", "--of", "bob"]],
    );
    project.refused(&["approvals"], record);
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    project.audited();
}

/// A yanked commit is not deployed until the person who yanked it, or an admin, restores it; a
/// machine cannot.
#[test]
fn yanked_commits_are_not_deployed() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n",
    );
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    let mut text = transcript(
        &ci.repo,
        &[
            &["yank", "HEAD"],
            &["yank", "nowhere", "-m", "x"],
            &["yank", "HEAD", "-m", "it leaks", "--dry-run"],
            &["yank", "HEAD", "-m", "it leaks"],
            &["yank", "HEAD", "-m", "it leaks"],
        ],
    );
    project.refused(&["yanked"], || {
        ci.deploy(&["record", "prod", "--no-verify"])
    });
    let unyank = ["unyank", "HEAD", "-m", "false alarm", "--no-verify"];
    project.refused(&["authorization"], || ci.deploy(&unyank));
    project.refused(&["authorization"], || bob.deploy(&unyank));
    text += &transcript(
        &alice.repo,
        &[
            &["unyank", "main", "-m", "false alarm"],
            &["unyank", "main", "-m", "again"],
        ],
    );
    ci.deploy(&["record", "prod"]).ok();

    // An artifact, under whatever name; a person takes their own yank back.
    let image = format!("registry.example/demo@sha256:{}", "9f".repeat(32));
    project.push("api/x", "two\n");
    ci.deploy(&["register", &image]).ok();
    text += &transcript(
        &bob.repo,
        &[
            &["yank", &image, "-m", "CVE-2026-1"],
            &["show", "--dates=iso"],
        ],
    );
    project.refused(&["yanked"], || ci.deploy(&["record", "dev", "--no-verify"]));
    let digest = image.rsplit_once('@').unwrap().1;
    project.refused(&["authorization"], || {
        carol.deploy(&["unyank", digest, "-m", "mine?", "--no-verify"])
    });
    let document = bob
        .deploy(&["unyank", digest, "-m", "patched elsewhere", "--json"])
        .ok()
        .json();
    assert_eq!(
        (
            &document["action"],
            &document["statement"]["predicate"]["digest"]
        ),
        (&"unyank".into(), &digest.into())
    );
    ci.deploy(&["record", "dev"]).ok();
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    project.audited();
}

/// A build result is recorded by those who may, and shown with the commit.
#[test]
fn builds_are_recorded_and_shown() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\n[components]\napi = { paths = \"api\" }\nweb = { paths = \"web\" }\n[artifacts]\nby = \"ci\"\n",
    );
    project.refused(&["authorization"], || {
        project.bob.deploy(&["build", "-c", "api", "--no-verify"])
    });
    let text = transcript(
        &project.ci.repo,
        &[
            &["build"],
            &["build", "-c", "web"],
            &["build", "-c", "api", "--dry-run"],
            &[
                "build",
                "-c",
                "api",
                "--failed",
                "--log",
                "https://ci.example.com/1",
            ],
            &["build", "HEAD", "-c", "api"],
            &["show", "--dates=iso"],
        ],
    );
    with_random_keys().bind(|| insta::assert_snapshot!(text));
}

/// A run is aborted by its owner or, after some time, by others; the state of its components is
/// then unknown.
#[test]
fn runs_can_be_aborted() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = { deployers = [\"bob\", \"ci\"], stale_after = \"1h\" }\n[components]\napi = { paths = \"api\" }\nweb = { paths = \"web\" }\n",
    );
    project.push("web/x", "one\n");
    let (bob, ci) = (&project.bob, &project.ci);
    ci.deploy(&["record", "dev", "--start", "-c", "api"]).ok();
    ci.deploy(&["record", "dev", "--start", "-c", "web"]).ok();
    world.advance("5m");
    let mut text = transcript(
        &ci.repo,
        &[
            &["abort", "dev", "-m", "the runner died"],
            &["abort", "dev", "--run", "7", "-m", "x"],
        ],
    );
    project.refused(&["authorization"], || {
        bob.deploy(&[
            "abort",
            "dev",
            "--run",
            "1",
            "-m",
            "too slow",
            "--no-verify",
        ])
    });
    text += &transcript(
        &ci.repo,
        &[
            &[
                "abort",
                "dev",
                "--run",
                "1",
                "-m",
                "the runner died",
                "--dry-run",
            ],
            &["abort", "dev", "--run", "1", "-m", "the runner died"],
        ],
    );
    world.advance("1h");
    text += &transcript(
        &bob.repo,
        &[
            &["abort", "dev", "-m", "it hangs"],
            &["abort", "dev", "-m", "again"],
            &["status", "--dates=iso"],
        ],
    );
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    ci.deploy(&["record", "dev"]).ok();
    project.audited();
}

/// A test report decides a required check: failures stop the commit, none lets it pass.
#[test]
fn reported_tests_decide_checks() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\nprod = { checks = [\"test-result\"] }\n[checks]\ntest-result = { by = \"ci\" }\n",
    );
    let (bob, ci) = (&project.bob, &project.ci);
    let cases = |from: usize, to: usize| {
        let case = |it| format!("<testcase classname=\"shop.Login\" name=\"case {it}\"/>");
        (from..to).map(case).collect::<Vec<_>>().concat()
    };
    let failed = "<testcase classname=\"shop.Cart\" name=\"adds\"><failure message=\"1 is not 2\"/></testcase>";
    let flaky = "<testcase classname=\"shop.Cart\" name=\"adds\"><flakyFailure/></testcase>";
    ci.repo.write(
        "out/one.xml",
        &format!("<testsuite name=\"one\">{}</testsuite>", cases(0, 400)),
    );
    for (file, last) in [
        ("bad", failed),
        ("flaky", flaky),
        ("good", "<testcase name=\"adds\"/>"),
    ] {
        ci.repo.write(
            &format!("out/{file}.xml"),
            &format!("<testsuite>{}{last}</testsuite>", cases(400, 411)),
        );
    }
    ci.repo.write("out/page.xml", "<!DOCTYPE html><html/>");
    let attest = |file: &str| {
        ci.deploy(&[
            "attest",
            "test-result",
            "HEAD",
            "--junit",
            "out/one.xml",
            file,
        ])
    };
    let record = || ci.deploy(&["record", "prod", "--no-verify"]);
    let mut text = attest("out/bad.xml").to_string();
    let said = project.refused(&["checks"], record);
    assert!(
        said.contains("test-result: failed, as attested by ci"),
        "{said}"
    );
    text += &attest("out/flaky.xml").to_string();
    project.refused(&["checks"], record);
    text += &transcript(
        &ci.repo,
        &[
            &["attest", "test-result", "--junit", "out/page.xml"],
            &["attest", "test-result", "--junit", "out/none.xml"],
            &["attest", "provenance", "--junit", "out/one.xml"],
            &["attest", "test-result"],
        ],
    );
    project.refused(&["authorization"], || {
        bob.repo
            .write("one.xml", "<testsuite><testcase name=\"a\"/></testsuite>");
        bob.deploy(&["attest", "test-result", "--junit", "one.xml", "--no-verify"])
    });
    text += &attest("out/good.xml").to_string();
    text += &transcript(&ci.repo, &[&["show", "--dates=iso"], &["record", "prod"]]);
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    let signed = ci
        .repo
        .git(&["show", "refs/deploy/evidence:entry.json"])
        .ok()
        .json();
    let predicate = &signed["predicate"]["predicate"];
    let sum = ci.repo.run("sha256sum", &["out/one.xml"]).ok().text();
    assert_eq!(
        predicate["configuration"][0]["digest"]["sha256"],
        sum.split(' ').next().unwrap()
    );
    assert_eq!(predicate["passedTests"].as_array().unwrap().len(), 412);

    // More tests than an entry has room for.
    ci.repo.write(
        "out/many.xml",
        &format!("<testsuite>{}{failed}</testsuite>", cases(0, 30_000)),
    );
    let many = ci
        .deploy(&["attest", "test-result", "--junit", "out/many.xml"])
        .ok();
    assert!(
        many.err().contains("too many test names") && many.text().contains("FAILED (1 of 30001)"),
        "{many}"
    );
    let signed = ci
        .repo
        .git(&["show", "refs/deploy/evidence:entry.json"])
        .ok()
        .json();
    assert_eq!(
        signed["predicate"]["predicate"]["failedTests"],
        serde_json::json!(["shop.Cart.adds"])
    );
    project.audited();
}

/// An artifact can be registered for a component or a commit: the second word is a component if
/// there is one of that name.
#[test]
fn artifacts_are_registered() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = {}\n[components]\napi = { paths = \"api\" }\nweb = { paths = \"web\" }\n",
    );
    let first = project.push("web/x", "one\n");
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let second = project.push("web/x", "two\n");
    // A branch of a component's name does not get in its way.
    ci.repo.git(&["branch", "web", &first]).ok();
    let image =
        |name: &str, digit: &str| format!("registry.example/{name}@sha256:{}", digit.repeat(64));
    let registered = |arguments: &[&str]| {
        let document = ci
            .deploy(&[&["register"], arguments, &["--json"]].concat())
            .ok()
            .json();
        let artifact = &document["statement"]["predicate"];
        (
            artifact["component"].as_str().unwrap().to_owned(),
            artifact["commit"].as_str().unwrap().to_owned(),
        )
    };
    let [one, two, three] = ["1", "2", "3"].map(|digit| image("web", digit));
    assert_eq!(
        registered(&[&one, "web", "--env", "dev", "--project", "demo"]),
        ("web".to_owned(), first.clone())
    );
    assert_eq!(
        registered(&[&two, "web"]),
        ("web".to_owned(), second.clone())
    );
    assert_eq!(
        registered(&[&image("api", "3"), "dev", "-c", "api"]),
        ("api".to_owned(), first.clone())
    );
    assert_eq!(
        registered(&[&image("other", "4"), "web", "-c", "web", "--dry-run"]),
        ("web".to_owned(), first)
    );
    assert_eq!(
        registered(&[&image("other", "4"), "api", &second]),
        ("api".to_owned(), second)
    );
    let before = project.refs();
    let text = transcript(
        &ci.repo,
        &[
            &["register", &three],
            &["register", &three, "wbe", "--env", "dev"],
            &["register", &three, "web", "--env", "prod"],
            &["register", &three, "web", "HEAD", "--env", "dev"],
            &["register", &three, "web", "HEAD", "-c", "api"],
            &["register", &three, "web", "--project", "shop"],
            &["--project", "shop", "status"],
            &["sync", "--project", "shop"],
            &["init", "--project", "shop"],
        ],
    );
    assert_eq!(project.refs(), before);
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    // A clone that meets its project for the first time with these words is not taken further.
    let new = world.clone(&project.server, "dana");
    let met = new.deploy(&["status", "--project", "shop"]).fails(2);
    assert!(
        met.err().contains("this is the project demo, not shop"),
        "{met}"
    );
}

/// The approval of a policy can be revoked until the policy is in force.
#[test]
fn policy_approvals_can_be_revoked() {
    let world = World::new();
    let rules =
        "[policy]\nadmins = [\"alice\", \"bob\"]\napprovals = 1\n[environments]\ndev = {}\n";
    let project = Project::new(&world, rules);
    let (alice, bob, carol) = (&project.alice, &project.bob, &project.carol);
    let file = |member: &crate::harness::Member<'_>| {
        member.repo.write(
            "deploy.toml",
            &project.policy(&format!("{rules}qa = {{}}\n")),
        );
    };
    for member in [alice, bob] {
        file(member);
    }
    bob.deploy(&["policy", "approve"]).ok();
    let digest = bob.repo.run("sha256sum", &["deploy.toml"]).ok().text();
    let digest = format!("sha256:{}", digest.split(' ').next().unwrap());
    project.refused(&["authorization"], || {
        carol.deploy(&["policy", "revoke", &digest, "--of", "bob", "--no-verify"])
    });
    let text = transcript(
        &bob.repo,
        &[
            &["policy", "revoke", "--dry-run"],
            &["policy", "revoke", "-m", "not before Monday"],
            &["policy", "revoke"],
        ],
    );
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    project.refused(&["approvals"], || {
        alice.deploy(&["policy", "publish", "--yes", "--no-verify"])
    });
    bob.deploy(&["policy", "approve", &digest]).ok();
    alice.deploy(&["policy", "publish", "--yes"]).ok();
}
