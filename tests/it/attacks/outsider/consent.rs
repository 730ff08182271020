//! Approvals of one's own work where nothing runs yet, where it was destroyed, and where one's own
//! part is hard to see.

use git_deploy::testing::domain::entry::{Action, Record};
use git_deploy::testing::domain::id::CommitId;

use crate::harness::{AttackRunner, Member, Project, World};

const POLICY: &str = r#"[environments]
dev = {}
[environments.qa]
approvals = { required = 1, by = ["bob", "carol"] }
[environments."pr-*"]
approvals = { required = 1, by = ["bob", "carol"] }
ephemeral = { ttl = "8h", limit = 5 }
[components]
api = { paths = ["api/**"] }
web = { paths = ["web/**"] }
"#;

/// Makes a commit by this person on main, and brings it to all clones.
fn by<'w>(project: &Project<'w>, member: &Member<'w>, files: &[&str], message: &str) -> String {
    project.world.advance("1m");
    member.repo.git(&["fetch", "-q", "origin"]).ok();
    member
        .repo
        .git(&["reset", "-q", "--hard", "origin/main"])
        .ok();
    for file in files {
        member.repo.write(file, message);
        member.repo.git(&["add", "--", file]).ok();
    }
    member
        .repo
        .git(&["commit", "-q", "--allow-empty", "-m", message])
        .ok();
    member.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    project.alice.repo.git(&["fetch", "-q", "origin"]).ok();
    project
        .alice
        .repo
        .git(&["reset", "-q", "--hard", "origin/main"])
        .ok();
    member.repo.rev("HEAD")
}

/// Checks that bob's approval does not count for the client, the server and an audit, and that with
/// carol's the deployment is accepted.
fn not_by_bob(
    project: &Project<'_>,
    attacks: &AttackRunner<'_, '_>,
    what: &str,
    environment: &str,
    more: &[&str],
) {
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    let approve = [&["approve", environment], more].concat();
    let said = bob.deploy(&approve).fails(1);
    assert!(said.err().contains("would not count"), "{what}: {said}");
    bob.deploy(&[&approve[..], &["--anyway"]].concat()).ok();
    let record = [&["record", environment, "--verification", "passed"], more].concat();
    for said in [
        attacks.fails_locally(what, || ci.deploy(&record)),
        attacks.refused(what, &["approvals"], || {
            ci.deploy(&[&record[..], &["--no-verify"]].concat())
        }),
    ] {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("not by bob: authors and the deployer cannot approve"),
            "{what}: {said}"
        );
    }
    carol.deploy(&approve).ok();
    ci.deploy(&record).ok();
}

/// In a first deployment, a new ephemeral environment, a new component or a destroyed one, the
/// author of the commit itself cannot approve it.
#[test]
fn authors_cannot_approve_first_deployments() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    let attacks = AttackRunner::of(&project);
    let refused =
        |what: &str, environment: &str| not_by_bob(&project, &attacks, what, environment, &[]);

    by(&project, bob, &["api/x", "web/x"], "by bob");
    refused("a first deployment", "qa");
    refused("a new ephemeral environment", "pr-1");
    refused("another one", "pr-2");
    by(
        &project,
        alice,
        &["api/x"],
        "by alice\n\nCo-authored-by: B <BOB@example.com>",
    );
    refused("as co-author", "pr-3");
    by(&project, alice, &["api/x"], "by alice");
    // Web still has the content that Bob gave it.
    refused("a component that an earlier commit changed", "pr-4");
    // An approval by a person with no part in the content is enough, also if Bob is further back.
    let api = ["--component", "api"];
    bob.deploy(&[&["approve", "pr-4"], &api[..]].concat()).ok();
    ci.deploy(&[&["record", "pr-4"], &api[..]].concat()).ok();
    bob.deploy(&["approve", "qa"]).fails(1);
    bob.deploy(&["approve", "qa", "--anyway"]).ok();
    attacks.refused("between what runs and the commit", &["approvals"], || {
        ci.deploy(&["record", "qa", "--no-verify"])
    });
    carol.deploy(&["approve", "qa"]).ok();
    ci.deploy(&["record", "qa"]).ok();

    by(&project, bob, &["db/x"], "by bob: a database");
    project.publish(&POLICY.replace("[components]", "[components]\ndb = { paths = [\"db/**\"] }"));
    for member in [bob, carol, ci] {
        member.deploy(&["sync"]).ok();
    }
    refused("a new component", "qa");

    // Web goes, with somebody else's consent, and comes back with Bob's content and his own consent.
    alice.repo.git(&["rm", "-q", "-r", "web"]).ok();
    by_removal(&project);
    carol.deploy(&["approve", "qa", "--destroy"]).ok();
    ci.deploy(&["record", "qa", "--destroy"]).ok();
    by(&project, bob, &["web/x"], "by bob: web is back");
    refused("a component that was destroyed", "qa");

    // Past the hook, an audit finds it.
    by(&project, bob, &["api/x"], "by bob again");
    bob.deploy(&["approve", "qa", "--anyway"]).ok();
    ci.deploy(&["sync"]).ok();
    let good = project.server.rev("refs/deploy/qa");
    let forged = ci.build("qa", consented(ci), None, |_| ());
    ci.push(&[&format!("{forged}:refs/heads/forged")]).ok();
    project
        .server
        .git(&["update-ref", "refs/deploy/qa", &forged.to_string()])
        .ok();
    let audit = project.server.deploy(&["audit"]).fails(1);
    assert!(audit.to_string().contains("approvals"), "{audit}");
    let sync = carol.deploy(&["sync"]);
    assert!(
        !sync.succeeded() && sync.to_string().contains("approvals"),
        "{sync}"
    );
    project
        .server
        .git(&["update-ref", "refs/deploy/qa", &good])
        .ok();
    attacks.finish();
}

/// Makes a commit by alice that removes files.
fn by_removal(project: &Project<'_>) {
    project.world.advance("1m");
    project
        .alice
        .repo
        .git(&["commit", "-q", "-m", "web goes"])
        .ok();
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
}

/// Makes a record of main over the running version of api, approved by bob alone.
fn consented(ci: &Member<'_>) -> Action {
    let bytes = ci.bytes("blob", "refs/deploy/qa:components/api/live.json");
    let statement = git_deploy::testing::domain::entry::Statement::parse(&bytes).unwrap();
    let Action::Record(Record {
        mut deployment,
        results,
        logs,
    }) = statement.action
    else {
        panic!("not a record")
    };
    let head = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    deployment.approved_by = vec!["bob".parse().unwrap()];
    deployment
        .components
        .retain(|change| change.target.component.as_str() == "api");
    let mut results = results;
    results.retain(|result| result.component.as_str() == "api");
    for change in &mut deployment.components {
        change.from = Some(change.target.commit);
        change.target.commit = head;
        change.target.content = Some(git_deploy::testing::domain::id::Content(
            ci.component_content("api").parse().unwrap(),
        ));
    }
    Action::Record(Record {
        deployment,
        results,
        logs,
    })
}

/// Authors are found in a history of many merges with dates up and down, although each commit can
/// be reached in twice as many ways as the one before.
#[test]
fn authors_are_found_behind_many_merges() {
    use std::fmt::Write as _;
    const RUNGS: usize = 1_500;
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, carol, ci) = (&project.alice, &project.carol, &project.ci);
    carol.deploy(&["approve", "qa"]).ok();
    ci.deploy(&["record", "qa"]).ok();
    let now = world.now().as_seconds();
    let (base, mut text) = (project.server.rev("refs/heads/main"), String::new());
    let [mut left, mut right] = [base.clone(), base.clone()];
    for rung in 0..RUNGS {
        let at = now - i64::try_from(rung % 7).unwrap() * 86_400 * 300;
        let who = if rung == 3 {
            "bob <bob@example.com>"
        } else {
            "a <a@x>"
        };
        for side in [1, 2] {
            let merge = if left == right {
                String::new()
            } else {
                format!("merge {right}\n")
            };
            writeln!(text, "commit refs/heads/ladder\nmark :{}\nauthor {who} {at} +0000\ncommitter a <a@x> {at} +0000\ndata 1\n{side}\nfrom {left}\n{merge}M 100644 inline api/x\ndata 2\n{side}\n", rung * 2 + side).unwrap();
        }
        [left, right] = [format!(":{}", rung * 2 + 1), format!(":{}", rung * 2 + 2)];
    }
    alice.repo.write("ladder", &text);
    alice
        .repo
        .run(
            "sh",
            &["-c", "git fast-import --quiet < ladder && rm ladder"],
        )
        .ok();
    // And a merge of hundreds.
    let tip = alice.repo.rev("refs/heads/ladder");
    let tree = alice.repo.rev("refs/heads/ladder^{tree}");
    let mut parents = vec!["-p".to_owned(), tip];
    for number in 0..200 {
        let side = alice
            .repo
            .git(&[
                "commit-tree",
                "-m",
                &format!("side {number}"),
                "-p",
                &base,
                &tree,
            ])
            .ok()
            .text();
        parents.extend(["-p".to_owned(), side]);
    }
    let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
    let octopus = alice
        .repo
        .git(&[&["commit-tree", "-m", "all"][..], &parents, &[&tree]].concat())
        .ok()
        .text();
    alice.push(&[&format!("{octopus}:refs/heads/main")]).ok();
    project.fetch();
    let attacks = AttackRunner::of(&project);
    // A search that goes every way through the history would never end.
    not_by_bob(&project, &attacks, "on the fourth rung", "qa", &[]);
    attacks.finish();
}
