//! Group 15: yanked content under another name.

use git_deploy::testing::domain::entry::{Action, Unyank, Yank, YankedContent};
use git_deploy::testing::domain::id::{CommitId, Content};

use crate::harness::{Project, World};

const POLICY: &str = r#"[environments]
dev = {}
stage = { promote_from = "dev" }
qa = { approvals = 1, break_glass = { by = "bob" } }

[components.api]
paths = ["api/**"]

[components.web]
paths = ["web/**"]
"#;

/// Makes an empty commit by alice on main, and brings it to all clones.
fn push_empty_commit(project: &Project<'_>) -> String {
    project.world.advance("1m");
    let repo = &project.alice.repo;
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Again"])
        .ok();
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    repo.rev("HEAD")
}

/// Returns the content of a component whose paths are one folder: a tree with that folder alone.
fn content(project: &Project<'_>, commit: &str, folder: &str) -> Content {
    let repo = &project.carol.repo;
    let (prefix, tree) = (format!("--prefix={folder}/"), format!("{commit}:{folder}"));
    repo.git(&["read-tree", "--empty"]).ok();
    repo.git(&["read-tree", &prefix, &tree]).ok();
    let content = repo.git(&["write-tree"]).ok().text();
    repo.git(&["read-tree", "HEAD"]).ok();
    Content(content.parse().unwrap())
}

/// The content of a yanked commit is deployed nowhere: neither as an empty commit, nor as a squash,
/// nor by a rollback, a redeployment, an emergency or with an approval; until it is unyanked.
#[test]
fn yanked_content_returns_under_no_name() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    let good = project.push("web/x", "good\n");
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "stage"]).ok();
    let bad = project.push("web/x", "bad\n");
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "stage"]).ok();
    let again = push_empty_commit(&project);
    ci.deploy(&["record", "dev", "--all"]).ok();
    ci.deploy(&["record", "stage", "--all"]).ok();

    alice.deploy(&["sync"]).ok();
    let said = alice.deploy(&["yank", &bad, "-m", "eats data"]).ok();
    let said = said.words_of_err();
    assert!(
        said.contains("Its content of web is yanked under any commit.")
            && said.contains("dev still runs it (web)"),
        "{said}"
    );
    ci.deploy(&["sync"]).ok();
    let refused = |attempt: &[&str]| {
        let said = project.refused(&["yanked"], || {
            ci.deploy(&[attempt, &["--no-verify"]].concat())
        });
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains(&format!(
                "the content of web, with {}, was yanked by alice: eats data",
                &bad[..12]
            )),
            "{said}"
        );
    };
    let status = ci.deploy(&["status"]).ok().text();
    assert!(status.contains("eats data"), "{status}");
    refused(&["record", "dev", "--all"]);
    refused(&["record", "stage", "--all"]);
    let next = project.push("web/x", "next\n");
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "stage"]).ok();
    refused(&["record", "stage", &again, "--rollback"]);
    let releases = ci.deploy(&["rollback", "stage", "--list"]).ok().text();
    // A line below the table may say that no other release has run.
    let listed = releases.lines().filter(|line| !line.starts_with(' '));
    assert!(
        !listed.into_iter().any(|line| line.contains(&again[..7])),
        "{releases}"
    );
    // A squash: another commit of the same tree, on another parent, that never ran anywhere.
    let tree = format!("{bad}^{{tree}}");
    let squash = ["commit-tree", "-m", "Squash", "-p", &good, &tree];
    let squash = alice.repo.git(&squash).ok().text();
    alice.push(&[&format!("{squash}:refs/heads/topic")]).ok();
    project.fetch();
    refused(&["record", "dev", &squash]);
    let glass = ["record", "qa", &squash, "--break-glass", "it burns"];
    bob.deploy(&["sync"]).ok();
    project.refused(&["yanked"], || {
        bob.deploy(&[&glass[..], &["--no-verify"]].concat())
    });
    project.refused(&["yanked"], || {
        bob.deploy(&["approve", "qa", &squash, "--no-verify"])
    });
    // Another component of the same commit is not yanked.
    bob.deploy(&["approve", "qa", &squash, "--component", "api"])
        .ok();
    ci.deploy(&["record", "qa", &squash, "--component", "api"])
        .ok();

    ci.deploy(&["record", "stage", &good, "--rollback"]).ok();
    let note = ci
        .repo
        .git(&["notes", "--ref", "deploy", "show", &bad])
        .ok();
    assert!(
        note.text().contains("web  \"eats data\""),
        "{}",
        note.text()
    );
    alice.deploy(&["unyank", &bad, "-m", "false alarm"]).ok();
    ci.deploy(&["record", "dev", &squash]).ok();
    ci.deploy(&["record", "dev", &next]).ok();
    project.audited();
}

/// Content that succeeded before the yanked commit is not its fault; content that the commit did not
/// bring cannot be yanked with it, nor can a part of a yank be lifted.
#[test]
fn a_yank_covers_what_the_commit_brought() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    let good = project.push("web/x", "good\n");
    ci.deploy(&["record", "dev"]).ok();
    project.push("web/x", "other\n");
    ci.deploy(&["record", "dev"]).ok();
    // It goes back to content that ran, and changes api.
    project.commit("web/x", "good\n");
    let revert = {
        let repo = &alice.repo;
        repo.write("api/x", "bad\n");
        repo.git(&["add", "api/x"]).ok();
        repo.git(&["commit", "-q", "--amend", "--no-edit"]).ok();
        alice.push(&["HEAD:refs/heads/main"]).ok();
        project.fetch();
        repo.rev("HEAD")
    };
    ci.deploy(&["record", "dev"]).ok();
    bob.deploy(&["sync"]).ok();
    let id = |commit: &str| CommitId(commit.parse().unwrap());
    let yank = |commit: &str, contents: &[(&str, &str)]| Yank {
        commit: Some(id(commit)),
        digest: None,
        contents: contents
            .iter()
            .map(|(component, at)| YankedContent {
                component: component.parse().unwrap(),
                content: content(&project, at, component),
            })
            .collect(),
        reason: "bad".parse().unwrap(),
    };
    let later = push_empty_commit(&project);
    for contents in [&[("api", &*good)], &[("web", &*later)]] {
        let forged = Action::Yank(yank(&later, contents));
        let id = bob.build("evidence", forged, None, |_| ());
        project.refused_entry(&["content"], bob, "evidence", &id);
    }
    let said = bob.deploy(&["yank", &revert, "-m", "bad"]).ok();
    let said = said.words_of_err();
    let kept = format!(
        "Its content of web is not yanked: it ran in dev before, as {}.",
        &good[..7]
    );
    assert!(
        said.contains("Its content of api is yanked under any commit.") && said.contains(&kept),
        "{said}"
    );
    for contents in [&[][..], &[("web", &*revert)]] {
        let part = Action::Unyank(Unyank(yank(&revert, contents)));
        let id = bob.build("evidence", part, None, |_| ());
        project.refused_entry(&["state"], bob, "evidence", &id);
    }
    let said = project.refused(&["yanked"], || {
        ci.deploy(&["record", "dev", &later, "--all", "--no-verify"])
    });
    assert!(
        said.contains("the content of api") && !said.contains("the content of web"),
        "{said}"
    );
    bob.deploy(&["unyank", &revert, "-m", "fine"]).ok();
    ci.deploy(&["record", "dev", &later, "--all"]).ok();
    project.audited();
}
