//! A component waits for a dependency that changed and cannot be deployed, in this run and in later
//! ones, and the exit code tells a part from the whole.

use super::{BackgroundRun, RunFixture, waiting};
use crate::harness::World;

/// After a failure, the same command again neither deploys the dependents alone nor succeeds.
#[test]
fn a_failed_dependency_is_waited_for() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.run(&[]).ok();
    let files = ["api/n", "db/n", "web/n"].map(|file| (file, "2\n"));
    play.change(&[&files[..], &[("db/apply", "test $(cat n) = 1\n")]].concat());
    play.run(&[]).fails(4);
    assert_eq!(
        play.ended("dev"),
        "api skipped because db, db rolledBack, web succeeded"
    );
    play.done();
    let entries = play.entries("dev");
    let left_out = "api is left out: it depends on db, which is on hold";

    // Nothing of what is left can be deployed.
    let again = play.run(&[]).fails(1);
    assert!(
        again.words_of_err().contains(&format!("{left_out}.")),
        "{again}"
    );
    assert_eq!((play.done(), play.entries("dev")), (vec![], entries));
    let check = play.project.ci.deploy(&["check", "dev"]).fails(1);
    let in_check = "a run would leave api out: it depends on db, which is on hold";
    assert!(check.text().contains(in_check), "{check}");

    let planned = |more: &[&str]| play.project.ci.deploy(&[&["plan", "dev"], more].concat());
    assert!(planned(&[]).text().contains(left_out));
    let markdown = planned(&["--format", "markdown"]);
    assert!(
        markdown
            .text()
            .contains("<code>api</code> is left out: it depends on db, which is on hold."),
        "{markdown}"
    );
    let json = planned(&["--json"]).json();
    assert_eq!(json["leftOut"][0]["component"], "api");
    let both = planned(&["--format", "markdown", "--json"]).fails(2);
    assert!(both.err().contains("cannot be used together"), "{both}");
    play.done();

    // A part of it can.
    play.change(&[("web/n", "3\n")]);
    let partly = play.run(&[]).fails(6);
    let words = partly.words_of_err();
    for expected in [
        left_out,
        "db is left out: it is on hold",
        "the deployment to dev is partial: api, db were not deployed",
    ] {
        assert!(words.contains(expected), "{partly}");
    }
    assert!(play.done().iter().all(|step| step.contains(" web ")));
    let check = play.project.ci.deploy(&["check", "dev", "--json"]).fails(1);
    let left_out = &check.json()["leftOut"];
    assert_eq!(
        (&left_out[0]["component"], &left_out[0]["after"]),
        (&"api".into(), &"db".into())
    );
    assert_eq!(left_out[0]["reason"], "it depends on db, which is on hold");

    // A person may know that it does not need the dependency.
    play.run(&["--component", "api"]).ok();
    assert_eq!(play.ended("dev"), "api succeeded");
    let files = ["api/n", "db/n"].map(|file| (file, "3\n"));
    play.change(&[&files[..], &[("db/apply", "true\n")]].concat());
    play.run(&[]).ok();
    assert_eq!(play.ended("dev"), "api succeeded, db succeeded");
    play.project.audited();
}

/// Whatever blocks a dependency, direct or not, its dependents wait until it is there.
#[test]
fn a_blocked_dependency_is_waited_for() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.run(&[]).ok();
    for (number, dependency) in [("2", "db"), ("3", "net")] {
        let lock = ["lock", "dev", "--component", dependency, "-m", "Not now"];
        play.project.alice.deploy(&lock).ok();
        let files = ["api/n", "web/n"].map(|file| (file, number));
        let file = format!("{dependency}/n");
        play.change(&[&files[..], &[(file.as_str(), number)]].concat());
        let run = play.run(&[]).fails(6);
        let words = run.words_of_err();
        assert!(
            words.contains(&format!(
                "api is left out: it depends on {dependency}, which is locked."
            )) && words.contains(&format!("{dependency} is left out: it is locked.")),
            "{run}"
        );
        assert_eq!(play.ended("dev"), "web succeeded");
        play.run(&[]).fails(1);
        let unlock = ["unlock", "dev", "--component", dependency, "-m", "Now"];
        play.project.alice.deploy(&unlock).ok();
        play.run(&[]).ok();
        assert!(play.ended("dev").contains("api succeeded, db succeeded"));
    }

    // A locked dependency that does not change blocks no component.
    let lock = ["lock", "dev", "--component", "db", "-m", "Not now"];
    play.project.alice.deploy(&lock).ok();
    play.change(&[("api/n", "4\n")]);
    play.run(&[]).ok();
    assert_eq!(play.ended("dev"), "api succeeded");
    let unlock = ["unlock", "dev", "--component", "db", "-m", "Now"];
    play.project.alice.deploy(&unlock).ok();

    play.change(&[
        ("api/n", "5\n"),
        ("db/n", "5\n"),
        ("db/apply", &waiting("db")),
    ]);
    let ci = &play.project.ci.repo;
    let first = BackgroundRun::begin(ci, &["run", "dev", "--yes", "--component", "db"]);
    play.wait_for("db.there");
    let check = play.project.ci.deploy(&["check", "dev"]).fails(1);
    assert!(
        check.text().contains(
            "a run would leave api out: it depends on db, which is being deployed by run "
        ),
        "{check}"
    );
    play.touch("db");
    first.ends_with(0);
    play.run(&[]).ok();
    assert_eq!(play.ended("dev"), "api succeeded");
    play.project.audited();
}

/// A failed command matters more than a plan that was not accepted, that more than missing
/// approvals, and those more than components that were left out.
#[test]
fn the_most_serious_exit_code_wins() {
    let world = World::new();
    let environments = "[environments]\ndev = {}\nqa = { approvals = [{ required = 1, by = [\"bob\"], bind = \"plan\" }] }\n";
    let play = RunFixture::new(&world, environments, &[]);
    let qa = |approves: bool, code: i32| {
        let arguments = ["run", "qa", "--yes", "--parallel", "4"];
        let run = play.project.ci.deploy(&arguments).fails(code);
        if approves {
            let words = run.words_of_err();
            let (_, command) = words.rsplit_once(": git deploy approve ").unwrap();
            let command = format!("approve {command}");
            let words: Vec<&str> = command.split(' ').collect();
            play.project.bob.deploy(&words).ok();
        }
        run
    };
    let lock = ["lock", "qa", "--component", "net", "-m", "Not now"];
    play.project.alice.deploy(&lock).ok();
    // 5 over 6, and 6 once there are approvals.
    let waits = qa(true, 5);
    assert!(
        waits
            .words_of_err()
            .contains("net is left out: it is locked."),
        "{waits}"
    );
    qa(false, 6);
    assert_eq!(play.ended("qa"), "web succeeded");
    let unlock = ["unlock", "qa", "--component", "net", "-m", "Now"];
    play.project.alice.deploy(&unlock).ok();
    // The plan of db has changed once net is there, so it is not applied: 5. If web fails at the same
    // time: 4.
    for (web, code) in [("true\n", 5), ("exit 3\n", 4)] {
        play.change(&[
            ("web/apply", web),
            ("net/apply", "echo $DEPLOY_COMMIT > $HOME/net\n"),
            ("db/plan", "cat $HOME/net || true\n"),
            ("net/n", web),
            ("db/n", web),
        ]);
        qa(true, 5);
        let refused = qa(false, code);
        assert!(
            play.ended("qa").contains("db skipped"),
            "{refused}\n{}",
            play.ended("qa")
        );
    }
    // 4 over 6.
    let lock = ["lock", "dev", "--component", "net", "-m", "Not now"];
    play.project.alice.deploy(&lock).ok();
    let failed = play.run(&[]).fails(4);
    assert!(
        failed
            .words_of_err()
            .contains("net is left out: it is locked."),
        "{failed}"
    );
}
