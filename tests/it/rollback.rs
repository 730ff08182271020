//! `git deploy rollback`: what it goes back to, what it says, and what is on hold afterwards.

use crate::harness::{Project, World};

const POLICY: &str = "[environments]\nprod = { rollback = \"auto\" }\n[components.api]\npaths = \"api/**\"\napply = \"test ! -e broken\"\n";

/// Pushes a change and deploys it.
fn deploy(project: &Project<'_>, text: &str) -> String {
    let commit = project.push("api/x", text);
    project.ci.deploy(&["run", "prod", "--yes"]).ok();
    commit
}

fn running(project: &Project<'_>) -> String {
    let status = project.ci.deploy(&["status", "prod", "--json"]).ok().json();
    let component = &status["environments"][0]["components"][0];
    component["commit"].as_str().unwrap().to_owned()
}

/// The rolled back content is on hold, and the printed command lifts the hold.
#[test]
fn rolled_back_content_is_held() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let first = deploy(&project, "first\n");
    let second = deploy(&project, "two\n");
    let back = project.ci.deploy(&["rollback", "prod", "--yes"]).ok();
    assert_eq!(running(&project), first);
    let unlock = format!("git deploy unlock prod --commit {}", &second[..7]);
    assert!(back.text().contains(&unlock), "{back}");
    project.ci.deploy(&["run", "prod", "--yes"]).fails(1);
    let words: Vec<&str> = unlock.split(' ').skip(2).collect();
    project.bob.deploy(&words).ok();
    project.ci.deploy(&["run", "prod", "--yes"]).ok();
    // The same holds for a rollback that another system made.
    let recorded = ["record", "prod", &first, "--rollback", "--external"];
    let back = project.ci.deploy(&recorded).ok();
    assert!(back.text().contains(&unlock), "{back}");
    project.audited();
}

/// After an automatic rollback there is nothing to do: the release before that is not touched.
#[test]
fn nothing_to_do_after_an_automatic_rollback() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    deploy(&project, "first\n");
    let second = deploy(&project, "two\n");
    project.commit("api/x", "three\n");
    project.push("api/broken", "");
    project.ci.deploy(&["run", "prod", "--yes"]).fails(4);
    for more in [&[][..], &["--component", "api"]] {
        let args = [&["rollback", "prod", "--yes"], more].concat();
        let said = project.ci.deploy(&args).ok();
        assert!(
            said.text().contains("was rolled back automatically"),
            "{said}"
        );
        assert_eq!(running(&project), second);
    }
    // A person may still choose a release.
    let to = ["rollback", "prod", "--to", "HEAD~3", "--yes"];
    project.ci.deploy(&to).ok();
    assert_ne!(running(&project), second);
}

/// Types the suggestions of a screen that begin with this label, in order, and returns their number.
fn type_labelled(project: &Project<'_>, screen: &str, label: &str) -> usize {
    let commands = screen.lines().filter_map(|line| {
        let (found, command) = line.trim().split_once(": ")?;
        (found == label && command.starts_with("git deploy")).then_some(command)
    });
    let mut typed = 0;
    for command in commands {
        let yes = command.replace("git deploy rollback", "git deploy rollback --yes");
        let yes = yes.replace("git deploy run", "git deploy run --yes");
        let person = if command.contains(" unlock ") {
            &project.bob
        } else {
            &project.ci
        };
        person
            .repo
            .run("sh", &["-c", &yes.replace("REV", "HEAD")])
            .ok();
        typed += 1;
    }
    typed
}

/// What is said and suggested after a failure of a new component leads on: those that ran before are
/// rolled back, the new one is deployed again once it is fixed.
#[test]
fn a_failure_without_an_earlier_release_leads_on() {
    let world = World::new();
    let policy = "[environments]\nprod = { rollback = \"manual\" }\n[components]\n\
                  api = { paths = \"api/**\", apply = \"test ! -e broken\" }\n\
                  web = { paths = \"web/**\", apply = \"test ! -e broken\" }\n";
    let project = Project::new(&world, policy);
    let nothing = project.ci.deploy(&["rollback", "prod", "--yes"]).fails(2);
    assert!(
        nothing.err().contains("hint: git deploy run prod"),
        "{nothing}"
    );
    // The first deployment of all fails: there is nothing to go back to.
    project.push("api/broken", "");
    let failed = project.ci.deploy(&["run", "prod", "--yes"]).fails(4);
    assert!(!failed.err().contains("git deploy rollback"), "{failed}");
    let stuck = project.ci.deploy(&["rollback", "prod", "--yes"]).fails(1);
    let said = stuck.words_of_err();
    assert!(said.contains("what runs is unknown"), "{stuck}");
    project.alice.repo.git(&["rm", "-q", "api/broken"]).ok();
    project.push("api/x", "fixed\n");
    assert_eq!(
        type_labelled(&project, &stuck.err(), "with a fixed commit"),
        1
    );
    // A component that ran fails together with a new one.
    project.commit("api/broken", "");
    project.commit("web/x", "one\n");
    project.push("web/broken", "");
    let failed = project.ci.deploy(&["run", "prod", "--yes"]).fails(4);
    let rollback = "hint: git deploy rollback prod";
    assert!(failed.err().contains(rollback), "{failed}");
    let both = ["--component", "api", "--component", "web"];
    let named = [&["rollback", "prod", "--yes"], &both[..]].concat();
    let stuck = project.ci.deploy(&named).fails(1);
    assert!(
        stuck.words_of_err().contains("web cannot be rolled back"),
        "{stuck}"
    );
    assert_eq!(type_labelled(&project, &stuck.err(), "the others"), 1);
    // Alone, the component that ran before is rolled back by the command that the failure prints.
    project
        .alice
        .repo
        .git(&["rm", "-q", "web/broken", "api/broken"])
        .ok();
    project.push("web/x", "fixed\n");
    project.ci.deploy(&["run", "prod", "--yes"]).ok();
    project.push("web/broken", "");
    let failed = project.ci.deploy(&["run", "prod", "--yes"]).fails(4);
    assert!(
        failed.err().contains("hint: git deploy rollback prod"),
        "{failed}"
    );
    assert_eq!(
        type_labelled(&project, &failed.err(), "hint"),
        2,
        "{failed}"
    );
    // The release before the running one is on hold: a person may lift that, or a fixed commit is deployed.
    let held = project
        .ci
        .deploy(&["rollback", "prod", "--yes", "--component", "web"])
        .fails(1);
    assert!(
        held.words_of_err().contains("no earlier good release"),
        "{held}"
    );
    project.audited();
}

/// A yanked release is no target, and the refusal says so.
#[test]
fn yanked_releases_are_named() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let first = deploy(&project, "first\n");
    deploy(&project, "two\n");
    project
        .alice
        .deploy(&["yank", &first, "-m", "leaks memory"])
        .ok();
    let stuck = project.ci.deploy(&["rollback", "prod", "--yes"]).fails(1);
    let expected = format!("{} is yanked: \"leaks memory\"", &first[..12]);
    assert!(stuck.words_of_err().contains(&expected), "{stuck}");
}

/// A rollback to an artifact finds the release that had it, even if the same content ran with
/// another one.
#[test]
fn rollback_to_an_artifact() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let image = |byte: &str| format!("shop/api@sha256:{}", byte.repeat(64));
    let register = |byte: &str, commit: &str| {
        let args = ["register", &image(byte), commit, "--component", "api"];
        project.ci.deploy(&args).ok();
    };
    let first = project.push("api/x", "first\n");
    register("a", &first);
    project.ci.deploy(&["run", "prod", "--yes"]).ok();
    let second = project.push("api/x", "two\n");
    register("b", &second);
    project.ci.deploy(&["run", "prod", "--yes"]).ok();
    let unknown = ["rollback", "prod", "--yes", "--to", &image("c")];
    let said = project.ci.deploy(&unknown).fails(1);
    assert!(
        said.err()
            .contains("no good release in prod had the artifact"),
        "{said}"
    );
    // The name may differ: digests decide.
    let other_name = image("a").replace("shop/api", "mirror/api");
    let to = ["rollback", "prod", "--yes", "--to", &other_name];
    project.ci.deploy(&to).ok();
    assert_eq!(running(&project), first);
    project.audited();
}

/// A commit that never ran stands for the release with the same content: a squash of what ran.
#[test]
fn rollback_to_equal_content() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let first = deploy(&project, "first\n");
    deploy(&project, "two\n");
    let squash = project.push("api/x", "first\n");
    let to = ["rollback", "prod", "--yes", "--to", &squash];
    project.ci.deploy(&to).ok();
    assert_eq!(running(&project), first);
    project.audited();
}
