//! Ephemeral environments, from the first deployment of a change request to the last reaper, with a
//! real server and shell components that make and remove folders.

use std::path::PathBuf;

use crate::harness::{Project, Run, World};

/// What a CI says about a change request, besides its number.
const CI: [(&str, &str); 2] = [("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", "0")];

/// Returns a policy with three dependent components. Each makes a folder, and writes its name down
/// when it removes it. A file in the folder's place breaks both.
fn policy(world: &World, more: &str) -> String {
    let root = world.path().join("running");
    std::fs::create_dir_all(&root).unwrap();
    let root = root.display();
    let server = world.path().join("server.git");
    let component = |name: &str, depends_on: &str| {
        format!(
            "[components.{name}]\npaths = [\"{name}/**\"]\n{depends_on}\n\
             apply = \"\"\"\ngit --git-dir {server} cat-file -e refs/deploy/pr:environments/$DEPLOY_ENV/expires.json\n\
             mkdir -p {root}/$DEPLOY_ENV/{name} && ! grep -q broken x\"\"\"\n\
             destroy = \"\"\"\nsleep 0.3; test ! -e {root}/killed-{name} || kill -9 $PPID; test ! -e {root}/stuck-{name} && rm -rf {root}/$DEPLOY_ENV/{name} && \
             echo $DEPLOY_ENV {name} >> {root}/order\"\"\"\n",
            server = server.display()
        )
    };
    let components = [
        ("api", "depends_on = \"db\""),
        ("db", "depends_on = \"net\""),
        ("net", ""),
    ];
    let components: String = components
        .iter()
        .map(|(name, before)| component(name, before))
        .collect();
    format!(
        "[environments.prod]\n[environments.\"pr-*\"]\nephemeral = {{ ttl = \"8h\", limit = 2 }}\n{more}\n\n{components}"
    )
}

fn begin<'w>(world: &'w World, more: &str) -> Project<'w> {
    let project = Project::new(world, &policy(world, more));
    project.alice.repo.commit("db/x", "one\n", "Begin db");
    project.push("net/x", "one\n");
    project
}

/// Returns the components that exist in an environment.
fn running(world: &World, name: &str) -> Vec<String> {
    let folder = world.path().join("running").join(name);
    let found = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<String> = found
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    found
}

fn order(world: &World) -> String {
    std::fs::read_to_string(world.path().join("running/order"))
        .unwrap_or_default()
        .replace('\n', ", ")
}

/// Lets the destruction of a component fail, `stuck`, or kill whoever destroys it, `killed`, as long as the file is there.
fn lies_in_wait(world: &World, how: &str, component: &str) -> PathBuf {
    let path = world
        .path()
        .join("running")
        .join(format!("{how}-{component}"));
    std::fs::write(&path, "").unwrap();
    path
}

/// Returns the environments in the ledger.
fn known(project: &Project<'_>) -> String {
    let all = project
        .server
        .git(&["ls-tree", "--name-only", "refs/deploy/pr:environments"]);
    if all.succeeded() {
        all.text()
    } else {
        String::new()
    }
}

/// Runs a command as CI does for change request 17.
fn in_ci<'w>(project: &Project<'w>, arguments: &[&str]) -> Run<'w> {
    let mut command = project.ci.repo.command("git-deploy");
    command
        .envs(CI)
        .env("GITHUB_REF", "refs/pull/17/merge")
        .args(arguments);
    Run::of(project.world, &mut command)
}

fn expires(project: &Project<'_>, name: &str) -> String {
    project.ci.deploy(&["sync"]).ok();
    let status = project.ci.deploy(&["status", name, "--json"]).ok().json();
    status["environments"][0]["expires"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// A change request has its own environment from its first deployment until it is closed; each
/// further deployment renews it. Its expiry is recorded before anything is created: each apply
/// looks for it on the server.
#[test]
fn created_renewed_and_closed() {
    let world = World::new();
    let told = world.path().join("running/told").display().to_string();
    let notify = format!(
        "notify = {{ command = \"echo $DEPLOY_EVENT $DEPLOY_ENV >> {told}\", on = \"about-to-expire\" }}"
    );
    let project = begin(&world, &notify);
    assert!(
        in_ci(&project, &["run", "--change", "17", "--yes"])
            .ok()
            .err()
            .contains("pr-17, from the change request 17")
    );
    assert_eq!(running(&world, "pr-17"), ["api", "db", "net"]);
    let in_hours = |hours: u64| {
        world
            .now()
            .plus(git_deploy::testing::domain::time::Span::from_seconds(
                hours * 3_600,
            ))
            .to_string()
    };
    assert_eq!(expires(&project, "pr-17"), in_hours(8));
    project.push("api/x", "two\n");
    world.advance("1h");
    in_ci(&project, &["run", "--yes"]).ok();
    assert_eq!(expires(&project, "pr-17"), in_hours(8));
    in_ci(&project, &["run", "--yes", "--ttl", "2h"]).ok();
    assert_eq!(
        expires(&project, "pr-17"),
        in_hours(2),
        "also where nothing differs"
    );
    in_ci(&project, &["expire", "+4h", "-m", "a demonstration"]).ok();
    assert_eq!(expires(&project, "pr-17"), in_hours(4));
    project.bob.deploy(&["expire", "pr-17", &in_hours(5)]).ok();
    let too_long = project.bob.deploy(&["expire", "pr-17", "+9h"]).fails(1);
    assert!(
        too_long
            .words_of_err()
            .contains("(ttl 8h) hint: git deploy expire pr-17 +8h"),
        "{too_long}"
    );
    project.bob.deploy(&["expire", "prod", "+1h"]).fails(1);
    project.bob.deploy(&["expire", "pr-17", "soon"]).fails(2);
    project.bob.deploy(&["expire", "pr-18", "+1h"]).fails(1);
    let warned = project
        .bob
        .deploy(&["reap", "--warn", "5h", "--json"])
        .ok()
        .json();
    assert_eq!(warned["environments"][0]["outcome"], "notified");
    assert_eq!(
        std::fs::read_to_string(world.path().join("running/told")).unwrap(),
        "about-to-expire pr-17\n"
    );
    assert!(
        project
            .bob
            .deploy(&["reap", "--warn", "1h"])
            .ok()
            .text()
            .starts_with("No environment expires")
    );
    let mut status = project.bob.repo.command("git-deploy");
    let status = Run::of(
        &world,
        status
            .args(["status", "--dates", "relative"])
            .env("COLUMNS", "80"),
    )
    .ok();
    assert!(
        status.text().contains("pr-17 expires in 5 hours"),
        "{status}"
    );

    in_ci(&project, &["destroy"]).fails(2);
    let gone = in_ci(&project, &["destroy", "--yes", "-m", "merged"]).ok();
    assert!(gone.text().contains("pr-17 is destroyed"), "{gone}");
    assert_eq!(order(&world), "pr-17 api, pr-17 db, pr-17 net, ");
    assert_eq!(
        (running(&world, "pr-17"), known(&project).as_str()),
        (vec![], "")
    );
    let absent = in_ci(&project, &["destroy", "--yes", "--json"]).ok().json();
    assert_eq!(absent["environments"][0]["outcome"], "absent");
    project.ci.deploy(&["destroy", "prod", "--yes"]).fails(2);
    project.audited();
}

/// No more ephemeral environments exist than the policy allows, and a refusal says which one to
/// close. Nothing is promoted from them.
#[test]
fn their_number_is_limited() {
    let world = World::new();
    let project = begin(&world, "");
    for (name, ttl) in [("pr-1", "3h"), ("pr-2", "2h")] {
        project
            .ci
            .deploy(&["run", name, "--ttl", ttl, "--yes"])
            .ok();
    }
    let refused = || {
        project
            .ci
            .deploy(&["run", "pr-3", "--yes"])
            .fails(1)
            .words_of_err()
    };
    assert!(refused().contains(
        "2 of at most 2 environments exist: pr-2 expires first → git deploy destroy pr-2"
    ));
    world.advance("2h");
    assert!(
        refused()
            .contains("2 of at most 2 environments exist, and pr-2 has expired → git deploy reap")
    );
    assert!(running(&world, "pr-3").is_empty());
    project.ci.deploy(&["run", "pr-1", "--yes"]).ok();
    let dry = project.ci.deploy(&["reap", "--dry-run"]).ok().text();
    assert!(dry.starts_with("pr-2 expired "), "{dry}");
    project.ci.deploy(&["reap"]).ok();
    project.ci.deploy(&["run", "pr-3", "--yes"]).ok();
    let text = policy(&world, "").replace(
        "[environments.prod]",
        "[environments.prod]\npromote_from = \"pr-1\"",
    );
    project
        .alice
        .repo
        .write("deploy.toml", &project.policy(&text));
    assert!(
        project
            .alice
            .deploy(&["policy", "publish", "--yes"])
            .fails(1)
            .err()
            .contains("nothing is promoted from")
    );
}

/// A component that cannot be destroyed is recorded as failed, its dependencies stay, and the next
/// attempt continues; a stuck environment stops no other from being reaped.
#[test]
fn failed_destruction_is_retried() {
    let world = World::new();
    let project = begin(&world, "");
    project.ci.deploy(&["run", "pr-1", "--yes"]).ok();
    let in_the_way = lies_in_wait(&world, "stuck", "db");
    let failed = project
        .ci
        .deploy(&["destroy", "pr-1", "--yes", "--json"])
        .fails(4);
    assert_eq!(failed.json()["environments"][0]["outcome"], "failed");
    assert!(
        failed
            .words_of_err()
            .contains("the destruction of pr-1 failed because: destroy of db"),
        "{failed}"
    );
    assert_eq!(
        (order(&world).as_str(), running(&world, "pr-1")),
        ("pr-1 api, ", vec!["db".into(), "net".into()])
    );
    std::fs::remove_file(in_the_way).unwrap();
    project
        .ci
        .deploy(&["run", "pr-2", "--yes", "--ttl", "1h"])
        .ok();
    world.advance("9h");

    let in_the_way = lies_in_wait(&world, "stuck", "net");
    project
        .bob
        .deploy(&["lock", "pr-2", "-m", "looking into it"])
        .ok();
    let locked = project.ci.deploy(&["reap"]).fails(4).words_of_err();
    assert!(
        locked.contains("2 of 2 expired environments could not be destroyed: pr-2, pr-1"),
        "{locked}"
    );
    assert!(locked.contains("pr-2 is locked by bob"), "{locked}");
    assert_eq!(order(&world), "pr-1 api, pr-1 db, ");
    std::fs::remove_file(in_the_way).unwrap();
    assert!(
        project
            .ci
            .deploy(&["reap", "pr-1"])
            .ok()
            .text()
            .contains("pr-1 is destroyed")
    );
    project.ci.deploy(&["reap", "pr-*"]).fails(1);
    project.bob.deploy(&["unlock", "pr-2"]).ok();
    project.ci.deploy(&["reap", "prod"]).fails(2);
    project.ci.deploy(&["reap"]).ok();
    assert_eq!(known(&project), "");
    assert_eq!(
        project.ci.deploy(&["reap"]).ok().text(),
        "No environment has expired."
    );
    project.audited();
}

/// If the program is killed while it destroys, the environment is locked and somebody else can
/// continue.
#[test]
fn a_killed_destruction_is_resumed() {
    let world = World::new();
    let project = begin(&world, "");
    project.ci.deploy(&["run", "pr-1", "--yes"]).ok();
    let in_the_way = lies_in_wait(&world, "killed", "db");
    assert!(!project.ci.deploy(&["destroy", "pr-1", "--yes"]).succeeded());
    std::fs::remove_file(in_the_way).unwrap();
    project.bob.deploy(&["sync"]).ok();
    assert!(
        project
            .bob
            .deploy(&["status", "pr-1"])
            .ok()
            .text()
            .contains("being destroyed")
    );
    for verb in ["run", "destroy"] {
        assert!(
            project
                .bob
                .deploy(&[verb, "pr-1", "--yes"])
                .fails(1)
                .words_of_err()
                .contains("is unfinished")
        );
    }
    let resumed = project
        .bob
        .deploy(&["resume", "pr-1", "--yes", "--take-over", "-m", "lost"])
        .ok();
    assert!(resumed.text().contains("pr-1 is destroyed"), "{resumed}");
    assert_eq!(
        (running(&world, "pr-1"), known(&project).as_str()),
        (vec![], "")
    );
    project.audited();
}

/// Of concurrent reapers one destroys an environment and the others leave it alone; an unfinished
/// run does not keep it alive forever.
#[test]
fn one_reaper_destroys() {
    let world = World::new();
    let project = begin(&world, "");
    project.ci.deploy(&["run", "pr-1", "--yes"]).ok();
    project
        .ci
        .deploy(&["record", "pr-2", "--external", "--start"])
        .ok();
    world.advance("9h");
    let runs: Vec<Run<'_>> = std::thread::scope(|scope| {
        let reap = |member| {
            scope.spawn(move || -> Run<'_> { crate::harness::Member::deploy(member, &["reap"]) })
        };
        let threads: Vec<_> = [&project.alice, &project.bob, &project.ci]
            .map(reap)
            .into_iter()
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let said: String = runs.into_iter().map(|run| run.ok().text() + "\n").collect();
    assert_eq!(said.matches("pr-1 is destroyed").count(), 1, "{said}");
    assert_eq!(said.matches("pr-2 is destroyed").count(), 1, "{said}");
    assert!(said.contains("in pr-2 is aborted"), "{said}");
    assert_eq!(known(&project), "");
    project.audited();
}

/// Recording what already runs renews the environment. A refusal of that is reported, although
/// there is nothing to deploy.
#[test]
fn a_refused_renewal_is_an_error() {
    let world = World::new();
    let project = begin(&world, "deployers = \"ci\"");
    project.ci.deploy(&["record", "pr-1", "--external"]).ok();
    world.advance("1h");
    let before = expires(&project, "pr-1");
    let refused = project
        .bob
        .deploy(&["record", "pr-1", "--external"])
        .fails(1);
    assert!(refused.err().contains("✗ authorization"), "{refused}");
    assert_eq!(expires(&project, "pr-1"), before);
    project.ci.deploy(&["record", "pr-1", "--external"]).ok();
    assert_ne!(expires(&project, "pr-1"), before);
}

/// If the first deployment fails, everything that was attempted is removed, and nothing else.
#[test]
fn a_failed_creation_is_removed() {
    let world = World::new();
    let project = begin(&world, "");
    project.push("db/x", "broken\n");
    let failed = project.ci.deploy(&["run", "pr-1", "--yes"]).fails(4);
    assert!(
        failed
            .text()
            .contains("pr-1 did not exist before, so it is destroyed."),
        "{failed}"
    );
    assert_eq!(
        (order(&world).as_str(), known(&project).as_str()),
        ("pr-1 db, pr-1 net, ", ""),
        "{failed}"
    );
    // One that cannot be taken down either is left, as far as it goes, and shown.
    let in_the_way = lies_in_wait(&world, "stuck", "db");
    let failed = project.ci.deploy(&["run", "pr-1", "--yes"]).fails(4);
    assert!(
        failed.words_of_err().contains("git deploy destroy pr-1"),
        "{failed}"
    );
    let status = project.ci.deploy(&["status", "pr-1", "--json"]).ok().json();
    let components = status["environments"][0]["components"].as_array().unwrap();
    let state = |name| {
        components
            .iter()
            .find(|it| it["component"] == name)
            .map(|it| it["state"].clone())
    };
    assert_eq!(
        (state("db"), state("net")),
        (Some("unknown".into()), Some("live".into())),
        "{status}"
    );
    std::fs::remove_file(in_the_way).unwrap();
    project.ci.deploy(&["destroy", "pr-1", "--yes"]).ok();
    assert_eq!(known(&project), "");

    project.push("db/x", "two\n");
    project.ci.deploy(&["run", "pr-1", "--yes"]).ok();
    project.push("db/x", "broken again\n");
    project.ci.deploy(&["run", "pr-1", "--yes"]).fails(4);
    assert_eq!(running(&world, "pr-1"), ["api", "db", "net"]);

    project.publish(&policy(&world, "rollback = \"manual\""));
    let left = project.ci.deploy(&["run", "pr-2", "--yes"]).fails(4);
    assert!(
        left.words_of_err()
            .contains("pr-2 is left as it is. To destroy it: git deploy destroy pr-2"),
        "{left}"
    );
    assert_eq!(running(&world, "pr-2"), ["db", "net"]);
    project.ci.deploy(&["destroy", "pr-2", "--yes"]).ok();
    assert_eq!(
        (running(&world, "pr-2"), known(&project).as_str()),
        (vec![], "pr-1")
    );
    project.audited();
}
