//! Plans that fail, plans that have to wait, and components without a plan.

use super::RunFixture;
use crate::harness::{Project, World};

/// `api` can be planned once `db` is there, which it names. Every other failure is an error of its
/// own, though `db` changes at the same time, and nothing is deployed.
#[test]
fn a_plan_that_waits_and_plans_that_fail() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let waits = "test -e $HOME/db || { echo there is no db yet >&2; exit 1; }\n";
    play.change(&[
        ("api/plan", waits),
        ("db/apply", "touch $HOME/db\n"),
        ("db/apply.txt", "\n"),
    ]);
    let planned = play.project.ci.deploy(&["plan", "dev"]).ok();
    assert!(
        planned.text().contains("plan    api  ● waits for db")
            && planned.text().contains("planned after db")
            && !planned.text().contains('✗'),
        "{planned}"
    );
    let json = play
        .project
        .ci
        .deploy(&["plan", "dev", "--json"])
        .ok()
        .json();
    let api = &json["components"][0];
    assert_eq!(
        (&api["state"], &api["waitsFor"][0], &api["output"]),
        (
            &"deferred".into(),
            &"db".into(),
            &"there is no db yet\n".into()
        ),
        "{api:#}"
    );

    let failures = [
        ("echo a typo in line 3 >&2; exit 1\n", "a typo in line 3"),
        ("exit 2\n", "exit status 2"),
        ("echo no db >&2; no-such-program\n", "exit status 127"),
        ("echo no db >&2; kill -9 $$\n", "signal 9"),
        ("cat ../db/apply.txt\n", "db/apply.txt is in the commit"),
    ];
    for (script, error) in failures {
        play.change(&[("api/plan", script)]);
        let planned = play.project.ci.deploy(&["plan", "dev"]).fails(4);
        assert!(
            planned.text().contains(error) && planned.text().contains("✗ api"),
            "{planned}"
        );
        assert!(
            planned
                .words_of_err()
                .contains("api could not be planned for dev"),
            "{planned}"
        );
        play.done();
        let run = play.run(&[]).fails(4);
        assert!(run.text().contains(error), "{run}");
        assert!(
            play.done().iter().all(|step| step.starts_with("plan")),
            "{run}"
        );
    }
    play.change(&[("api/plan", waits)]);
    play.run(&[]).ok();
    assert!(play.ended("dev").starts_with("api succeeded"));
}

/// A plan without plan commands makes no folder, neither for logs nor for checkouts.
#[test]
fn nothing_is_checked_out_without_plan_commands() {
    let world = World::new();
    let policy =
        "[environments]\ndev = {}\n\n[components.web]\npaths = [\"web/**\"]\napply = \"true\"\n";
    let project = Project::new(&world, policy);
    project.alice.repo.write("web/n", "1\n");
    project.alice.repo.git(&["add", "--all"]).ok();
    project.alice.repo.git(&["commit", "-q", "-m", "Web"]).ok();
    let plan = project.alice.deploy(&["plan", "dev"]).ok();
    assert!(plan.text().contains("has no plan command"), "{plan}");
    let folder = world.path().join("caches/alice/git-deploy");
    assert!(!folder.exists(), "{}", folder.display());
}
