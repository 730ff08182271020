//! What happens after a failure: components are skipped by name, rolled back, held, retried, or
//! ended when their time is over.

use std::path::Path;

use super::{BackgroundRun, RunFixture};
use crate::harness::World;

/// Dependents of a failed component are skipped and others continue; the failed one is rolled back,
/// and stays on hold while others are deployed.
#[test]
fn a_failure_skips_its_dependents() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    // The first deployment of all: there is nothing to go back to.
    play.change(&[("web/apply", "exit 3\n")]);
    let run = play.run(&[]).fails(4);
    assert!(
        run.words_of_err()
            .contains("web was not rolled back: no earlier good release is known"),
        "{run}"
    );
    assert!(
        run.words_of_err().contains("apply of web: exit status 3"),
        "{run}"
    );
    assert_eq!(
        play.ended("dev"),
        "api succeeded, db succeeded, net succeeded, web failed"
    );
    play.change(&[("web/apply", "true\n")]);
    play.run(&[]).ok();
    play.done();

    let files = ["api/n", "db/n", "net/n", "web/n"].map(|file| (file, "2\n"));
    play.change(&[&files[..], &[("db/apply", "test $(cat n) = 1\n")]].concat());
    let run = play.run(&[]).fails(4);
    assert_eq!(
        play.ended("dev"),
        "api skipped because db, db rolledBack, net succeeded, web succeeded",
        "{run}"
    );
    let done = play.done();
    let back: Vec<&str> = done
        .iter()
        .map(String::as_str)
        .filter(|it| it.contains(" db "))
        .collect();
    // Planned once more after `net` has changed, and on the way back.
    assert_eq!(
        back,
        [
            "plan db 2",
            "plan db 2",
            "apply db 2",
            "plan db 1",
            "apply db 1",
            "verify db 1"
        ]
    );
    assert!(
        done.iter().all(|it| !it.starts_with("apply api")),
        "{done:?}"
    );

    // On hold is what failed, and nothing else.
    play.change(&[("web/n", "3\n")]);
    let run = play.run(&[]).fails(6);
    assert!(
        run.words_of_err().contains("db is left out: it is on hold"),
        "{run}"
    );
    assert!(play.ended("dev").contains("web succeeded"), "{run}");
    assert!(
        !play.done().iter().any(|it| it.starts_with("apply db")),
        "{run}"
    );
    let run = play.run(&["--component", "db"]).fails(1);
    assert!(run.words_of_err().contains("hold"), "{run}");

    // With --fail-fast nothing begins after it.
    let files = ["net/n", "web/n"].map(|file| (file, "4\n"));
    play.change(&[&files[..], &[("net/apply", "test $(cat n) != 4\n")]].concat());
    play.done();
    play.run(&[
        "--fail-fast",
        "--parallel",
        "1",
        "--component",
        "net",
        "--component",
        "web",
    ])
    .fails(4);
    assert_eq!(play.ended("dev"), "net rolledBack, web skipped");
    assert!(!play.done().iter().any(|it| it.starts_with("apply web")));
    play.nothing_left();
    play.project.audited();
}

/// The policy decides what is rolled back, in reverse order, each component once.
#[test]
fn rollbacks_follow_the_policy() {
    let world = World::new();
    let environments =
        "[environments]\ndev = { rollback = \"all\" }\nqa = { rollback = \"manual\" }\n";
    let play = RunFixture::new(&world, environments, &[]);
    play.project.ci.deploy(&["run", "dev", "--yes"]).ok();
    play.project.ci.deploy(&["run", "qa", "--yes"]).ok();
    play.done();
    let files = ["api/n", "db/n", "net/n"].map(|file| (file, "2\n"));
    // `api` fails on its way, `db` on its way back.
    let scripts = [
        ("api/verify", "test $(cat n) = 1\n"),
        (
            "db/apply",
            "test \"$DEPLOY_PREVIOUS_COMMIT\" != \"$(cat $HOME/two)\"\n",
        ),
    ];
    let two = play.change(&[&files[..], &scripts].concat());
    play.run(&["--parallel", "1"]).fails(4);
    assert_eq!(
        play.ended("dev"),
        "api rolledBack, db rolledBack, net rolledBack"
    );
    let changed = |done: Vec<String>| {
        done.into_iter()
            .filter(|it| it.starts_with("apply"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        changed(play.done()),
        [
            "apply net 2",
            "apply db 2",
            "apply api 2",
            "apply api 1",
            "apply db 1",
            "apply net 1"
        ]
    );

    let run = play
        .project
        .ci
        .deploy(&["run", "qa", "--yes", "--parallel", "1"])
        .fails(4);
    assert_eq!(
        play.ended("qa"),
        "api failed, db succeeded, net succeeded",
        "{run}"
    );
    assert_eq!(
        changed(play.done()),
        ["apply net 2", "apply db 2", "apply api 2"]
    );
    // A person goes back from there; `db` is attempted once and no more.
    std::fs::write(play.home("two"), two).unwrap();
    let run = play.project.ci.deploy(&["rollback", "qa", "--yes"]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(changed(play.done()), ["apply api 1"], "{run}");
    play.nothing_left();
    play.project.audited();
}

/// A rollback is attempted once: a component that fails again is left, reported, and stops the
/// rollback of its dependencies.
#[test]
fn a_failed_rollback_is_reported() {
    let world = World::new();
    let play = RunFixture::new(
        &world,
        "[environments]\ndev = { rollback = \"all\" }\n",
        &[("db", "retries = 2")],
    );
    // Where this file is, nothing of `db` works.
    play.change(&[("db/apply", "! test -e $HOME/broken\n")]);
    play.run(&[]).ok();
    play.done();
    let files = ["db/n", "net/n"].map(|file| (file, "2\n"));
    play.change(
        &[
            &files[..],
            &[(
                "db/verify",
                "test $(cat n) = 1 || { touch $HOME/broken; false; }\n",
            )],
        ]
        .concat(),
    );
    let run = play.run(&[]).fails(4);
    assert_eq!(
        play.ended("dev"),
        "api skipped because db, db failed, net succeeded",
        "{run}"
    );
    let done: Vec<String> = play
        .done()
        .into_iter()
        .filter(|it| it.starts_with("apply"))
        .collect();
    assert_eq!(done, ["apply net 2", "apply db 2", "apply db 1"]);
    let told = run.words_of_err();
    assert!(
        told.contains("db was not rolled back: its apply failed: exit status 1"),
        "{run}"
    );
    assert!(
        told.contains("net was not rolled back: db could not be rolled back"),
        "{run}"
    );
}

/// A failed step is retried as often as the policy says, on a new plan each time; a step that takes
/// too long is ended with everything that it started, and its output can be read meanwhile.
#[test]
fn retries_and_timeouts() {
    let world = World::new();
    let more = [("net", "retries = 1"), ("web", "timeout = \"8s\"")];
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &more);
    let stubborn = "sh -c 'trap \"\" TERM; echo $$ > $HOME/stubborn; while :; do sleep 1; done' &\necho at it\nsleep 60\n";
    play.change(&[
        (
            "net/apply",
            "test -e $HOME/second || { touch $HOME/second; false; }\n",
        ),
        ("web/apply", stubborn),
    ]);
    let background = BackgroundRun::begin(&play.project.ci.repo, &["run", "dev", "--yes"]);
    let stubborn = play.text("stubborn");
    play.logged("web.run.log", "at it");
    let told = background.ends_with(4);
    assert!(told.contains("apply of web: timed out"), "{told}");
    let state = std::fs::read_to_string(Path::new("/proc").join(stubborn.trim()).join("stat"))
        .unwrap_or_default();
    // Whoever it is left to may not have buried it yet.
    assert!(
        state.is_empty() || state.contains(") Z "),
        "what it had started goes on: {state}"
    );
    assert_eq!(
        play.ended("dev"),
        "api succeeded, db succeeded, net succeeded, web failed"
    );
    let done: Vec<String> = play
        .done()
        .into_iter()
        .filter(|it| it.contains(" net "))
        .collect();
    assert_eq!(
        done,
        [
            "plan net 1",
            "apply net 1",
            "plan net 1",
            "apply net 1",
            "verify net 1"
        ]
    );
    play.nothing_left();
}

/// A component whose secret cannot be read is not touched: it is skipped, keeps its state and is not
/// put on hold. If an earlier attempt ran its command, its state is unknown.
#[test]
fn a_missing_secret_changes_nothing() {
    let world = World::new();
    let secret = "secrets = { TOKEN = \"cat $HOME/token\" }\nretries = 1";
    let play = RunFixture::new(
        &world,
        "[environments]\ndev = { rollback = \"manual\" }\n",
        &[("web", secret)],
    );
    let status = || {
        let status = play.project.ci.deploy(&["status", "dev", "--json"]);
        let document = status.ok().json();
        let environment = document["environments"][0].clone();
        let mut components = environment["components"].as_array().unwrap().iter();
        let web = components.find(|it| it["component"] == "web").unwrap();
        (web["state"].clone(), environment["holds"].clone())
    };
    std::fs::write(play.home("token"), "1234567890").unwrap();
    play.run(&[]).ok();
    std::fs::remove_file(play.home("token")).unwrap();
    play.change(&[("web/n", "2\n")]);
    let run = play.run(&[]).fails(4);
    assert!(run.words_of_err().contains("secret TOKEN failed"), "{run}");
    assert_eq!(play.ended("dev"), "web skipped");
    assert_eq!(status(), ("live".into(), serde_json::Value::Null));
    // The second attempt lacks the secret.
    std::fs::write(play.home("token"), "1234567890").unwrap();
    play.change(&[("web/apply", "rm $HOME/token; exit 1\n")]);
    play.run(&[]).fails(4);
    assert_eq!(play.ended("dev"), "web failed");
    assert_eq!(status().0, "unknown");
}
