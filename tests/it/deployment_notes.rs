//! What a person reads before a deployment, although no rule forbids it: commits that it takes away,
//! and commits that are not pushed or not committed. And that a record of what git-deploy deploys
//! itself says that it is external.

use crate::harness::{Project, World};

/// Every command that deploys, or decides on a deployment, says what an older commit takes away.
#[test]
fn going_back_is_announced() {
    let world = World::new();
    let policy = "[environments.prod]\nhotfix = {}\napprovals = { required = 1, by = [\"bob\", \"carol\"] }\n\
                  [components.api]\npaths = \"api/**\"\napply = \"true\"\nplan = \"true\"\n";
    let project = Project::new(&world, policy);
    let (bob, ci) = (&project.bob, &project.ci);
    let first = ci.repo.rev("HEAD");
    let deploy = |kind: &[&str]| {
        bob.deploy(&["approve", "prod"]).ok();
        ci.deploy(&[&["run", "prod", "--yes"], kind].concat()).ok();
    };
    deploy(&[]);
    project.push("api/x", "two\n");
    deploy(&[]);
    let third = project.push("api/x", "three\n");
    deploy(&["--hotfix"]);
    let lost = format!(
        "this takes away 2 commits from prod: hotfix {} by alice (Change api/x), ",
        &third[..7]
    );
    for (member, command) in [
        (ci, &["check", "prod", &first][..]),
        (ci, &["plan", "prod", &first]),
        (bob, &["approve", "prod", &first]),
        (ci, &["record", "prod", &first, "--external", "--dry-run"]),
        (ci, &["run", "prod", &first, "--yes"]),
    ] {
        let run = member.deploy(&[command, &["--json"]].concat());
        assert_eq!(run.words_of_err().matches(&lost).count(), 1, "{run}");
        // A program finds in the document what a person reads, also if the rules refuse.
        let document = run.json();
        let [announced] = &document["announcements"].as_array().unwrap()[..] else {
            panic!("{document:#}")
        };
        assert_eq!(announced["kind"], "lostCommits", "{document:#}");
        let commits = announced["commits"].as_array().unwrap();
        assert!(commits.len() == 2 && commits[0] == *third, "{document:#}");
        let message = announced["message"].as_str().unwrap();
        assert!(message.starts_with(&lost), "{document:#}");
    }
    // A squash of what runs takes nothing away.
    let tree = [
        "commit-tree",
        "-m",
        "Squash",
        "-p",
        &first,
        &format!("{third}^{{tree}}"),
    ];
    let squash = project.alice.repo.git(&tree).ok().text();
    let push = format!("{squash}:refs/heads/topic");
    project.alice.push(&[&push]).ok();
    ci.repo.git(&["fetch", "-q", "origin"]).ok();
    let check = ci.deploy(&["check", "prod", &squash]);
    assert!(!check.err().contains("takes away"), "{check}");
}

/// Unpushed commits are announced when they are deployed, and uncommitted changes if `HEAD` is.
#[test]
fn commits_that_others_lack_are_announced() {
    let world = World::new();
    let project = Project::new(&world, "[environments.prod]\n");
    let alice = &project.alice;
    let quiet = alice.deploy(&["check", "prod"]).ok();
    assert!(!quiet.err().contains("warning"), "{quiet}");
    alice.repo.write("api/x", "changed\n");
    let kinds = |command: &[&str]| {
        let document = alice.deploy(command).json();
        let announced = document["announcements"].as_array().cloned();
        let announced = announced.unwrap_or_default();
        let kinds = announced.iter().map(|it| it["kind"].to_string());
        kinds.collect::<Vec<_>>().join(" ")
    };
    for command in ["check", "plan", "record", "approve"] {
        let dry_run = ["--dry-run"];
        let dry_run = &dry_run[..usize::from(matches!(command, "record" | "approve"))];
        let command = [&[command, "prod", "--json"], dry_run].concat();
        assert_eq!(kinds(&command), "\"uncommittedChanges\"", "{command:?}");
    }
    let check = alice.deploy(&["check", "prod"]).ok();
    let dirty = "1 file has uncommitted changes, which HEAD does not contain";
    assert!(check.words_of_err().contains(dirty), "{check}");
    let named = alice.deploy(&["check", "prod", "main"]).ok();
    assert!(!named.err().contains("uncommitted"), "{named}");
    let commit = project.commit("api/x", "two\n");
    let json = kinds(&["record", "prod", "--dry-run", "--json"]);
    assert_eq!(json, "\"unpushedCommit\"");
    let record = alice.deploy(&["record", "prod"]).ok();
    let unpushed = format!("{} is on no branch of the remote", &commit[..7]);
    assert!(record.words_of_err().contains(&unpushed), "{record}");
}

/// A record of a component that git-deploy deploys itself is refused, also its start, unless it says
/// that it is external. Everyone sees that afterwards.
#[test]
fn records_of_own_deployments_are_external() {
    let world = World::new();
    let policy = "[environments.prod]\n[components.api]\npaths = \"api/**\"\napply = \"true\"\n";
    let project = Project::new(&world, policy);
    let ci = &project.ci;
    let commit = ci.repo.rev("HEAD");
    let run = format!("git deploy run prod {} --component api", &commit[..12]);
    project.refused(&["content"], || {
        ci.deploy(&["record", "prod", "--no-verify"])
    });
    for options in [&[][..], &["--start"]] {
        let refused = ci.deploy(&[&["record", "prod"], options].concat()).fails(1);
        let words = refused.words_of_err();
        assert!(
            words.contains(&run) && words.contains("--external"),
            "{refused}"
        );
    }
    ci.deploy(&["record", "prod", "--start", "--external"]).ok();
    let resume = ci.deploy(&["resume", "prod", "--yes"]).fails(2);
    assert!(
        resume.err().contains("git deploy record prod --finish"),
        "{resume}"
    );
    ci.deploy(&["record", "prod", "--finish"]).ok();
    project.push("api/x", "two\n");
    ci.deploy(&["record", "prod", "--external"]).ok();
    let shown = ci.deploy(&["show", "prod", "--json"]).ok().text();
    assert!(shown.contains("\"external\": true"), "{shown}");
    let log = ci.deploy(&["log", "prod", "--json"]).ok().text();
    assert!(log.contains("\"external\": true"), "{log}");
    let note = ci.repo.git(&[
        "fetch",
        "-q",
        "origin",
        "refs/notes/deploy:refs/notes/deploy",
    ]);
    drop(note);
    let note = ci
        .repo
        .git(&["notes", "--ref=deploy", "show", "HEAD"])
        .ok()
        .text();
    assert!(note.contains("external"), "{note}");
    project.audited();
}
