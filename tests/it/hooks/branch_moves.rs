//! How branches of environments move: proc-receive judges and moves those that git hands to it, and
//! a server without it behaves in the same way.

use crate::harness::{Project, World};

const POLICY: &str = r#"[environments.qa]
branch = "main"
deploy_on = "approval"
[environments.uat]
branch = "uat"
deploy_on = "approval"
[environments.trial]
branch = "trial"
deploy_on = "approval"
enforcement = "evaluate"
"#;

/// Returns the branches that git hands over, in order.
fn handed_over(project: &Project<'_>) -> Vec<String> {
    let values = project
        .server
        .git(&["config", "--get-all", "receive.procReceiveRefs"]);
    let text = values.text();
    let branches = text
        .lines()
        .filter_map(|value| value.strip_prefix("refs/heads/"));
    branches.map(str::to_owned).collect()
}

/// A step of the comparison: it prepares commits and records, and returns the push's arguments.
type Step = fn(&Project<'_>) -> Vec<String>;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Commits a change, and records it in these environments.
fn record(project: &Project<'_>, content: &str, environments: &[&str]) -> String {
    let id = project.commit("api/x", content);
    for environment in environments {
        project.alice.deploy(&["record", environment, "--all"]).ok();
    }
    id
}

/// Repeats `server init` for the kind of server that this one is.
fn init(project: &Project<'_>) {
    let has_update_hook = project.server.path().join("hooks/update.local").exists();
    let options: &[&str] = if has_update_hook {
        &["--no-proc-receive"]
    } else {
        &[]
    };
    let arguments = [&["server", "init", "."], options].concat();
    project.server.deploy(&arguments).ok();
}

/// Each form of a push to a branch of an environment.
const STEPS: [(&str, Step); 22] = [
    ("creates a branch", |project| {
        record(project, "two\n", &["qa", "uat"]);
        words(&["HEAD:refs/heads/uat"])
    }),
    ("fast-forwards", |_| words(&["HEAD:refs/heads/main"])),
    ("pushes nothing new", |_| words(&["HEAD:refs/heads/main"])),
    ("moves to what does not run", |project| {
        record(project, "three\n", &[]);
        words(&["HEAD:refs/heads/main"])
    }),
    ("rewinds", |_| words(&["+HEAD~2:refs/heads/main"])),
    ("deletes", |_| words(&[":refs/heads/uat"])),
    ("moves two branches", |project| {
        record(project, "four\n", &["qa", "uat"]);
        words(&["HEAD:refs/heads/main", "HEAD:refs/heads/uat"])
    }),
    ("moves two, one not allowed", |project| {
        record(project, "five\n", &["qa"]);
        words(&["HEAD:refs/heads/main", "HEAD:refs/heads/uat"])
    }),
    ("is atomic, with another branch and a tag", |_| {
        words(&[
            "--atomic",
            "HEAD:refs/heads/main",
            "HEAD:refs/heads/a",
            "HEAD:refs/tags/t",
        ])
    }),
    ("is atomic, with two branches", |project| {
        record(project, "six\n", &["qa", "uat"]);
        words(&["--atomic", "HEAD:refs/heads/uat", "HEAD:refs/heads/main"])
    }),
    ("is atomic, one not allowed", |project| {
        record(project, "seven\n", &["qa"]);
        words(&[
            "--atomic",
            "HEAD:refs/heads/main",
            "HEAD:refs/heads/uat",
            "HEAD:refs/heads/b",
        ])
    }),
    ("is mixed with a ref that the hook update refuses", |_| {
        words(&[
            "HEAD:refs/heads/main",
            "HEAD:refs/heads/refused",
            "HEAD:refs/heads/c",
        ])
    }),
    ("moves what the hook update refuses", |project| {
        record(project, "eight\n", &["qa", "uat"]);
        std::fs::write(project.server.path().join("deny-uat"), "").unwrap();
        words(&["HEAD:refs/heads/main", "HEAD:refs/heads/uat"])
    }),
    ("moves a symbolic ref to a branch", |project| {
        record(project, "nine\n", &["qa"]);
        let alias = ["symbolic-ref", "refs/heads/master", "refs/heads/main"];
        project.server.git(&alias).ok();
        init(project);
        words(&["HEAD:refs/heads/master"])
    }),
    ("has a name below a branch", |_| {
        words(&["HEAD:refs/heads/main/x"])
    }),
    ("creates a branch that is only evaluated", |_| {
        words(&["HEAD:refs/heads/trial"])
    }),
    ("rewinds a branch that is only evaluated", |_| {
        words(&["+HEAD~1:refs/heads/trial"])
    }),
    ("rewinds what git protects", |project| {
        let config = ["config", "receive.denyNonFastForwards", "true"];
        project.server.git(&config).ok();
        words(&["+HEAD~2:refs/heads/trial"])
    }),
    ("deletes a branch that is only evaluated", |_| {
        words(&[":refs/heads/trial"])
    }),
    ("moves what is checked out", |project| {
        record(project, "ten\n", &["qa"]);
        let tree = project.world.path().join("home/tree");
        let tree = tree.to_string_lossy();
        project
            .server
            .git(&["worktree", "add", "-q", &tree, "main"])
            .ok();
        words(&["HEAD:refs/heads/main"])
    }),
    ("updates a work tree", |project| {
        let config = ["config", "receive.denyCurrentBranch", "updateInstead"];
        project.server.git(&config).ok();
        words(&["HEAD:refs/heads/main"])
    }),
    ("ignores a work tree", |project| {
        record(project, "eleven\n", &["qa"]);
        let file = project.world.path().join("home/tree/api/x");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "ten\n");
        let config = ["config", "receive.denyCurrentBranch", "ignore"];
        project.server.git(&config).ok();
        words(&["HEAD:refs/heads/main"])
    }),
];

/// Does all steps on a server, and returns what a pusher, the other hooks and the owner see of each.
fn outcomes(world: &World, options: &[&str]) -> Vec<String> {
    let project = Project::new(world, POLICY);
    let server = &project.server;
    server.hook(
        "update",
        "#!/bin/sh\necho $1 >> update-lines\ntest $1 != refs/heads/refused -a ! -e deny-${1##*/}\n",
    );
    server.hook("post-receive", "#!/bin/sh\ncat >> post-lines\n");
    let arguments = [&["server", "init", "."], options].concat();
    server.deploy(&arguments).ok();
    project.alice.deploy(&["record", "qa", "--all"]).ok();
    let take = |name: &str| {
        let file = server.path().join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(&file);
        let mut lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("refs/deploy/"))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    let do_step = |(what, step): &(&str, Step)| {
        let arguments = step(&project);
        let _ = (take("update-lines"), take("post-lines"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = project
            .alice
            .repo
            .git(&[&["push", "--porcelain", "origin"], &*arguments].concat());
        let results = run.text();
        // The reasons of git and of proc-receive differ.
        let results = results
            .lines()
            .filter(|line| line.contains('\t'))
            .map(|line| line.split(" (").next().unwrap());
        let mut results: Vec<&str> = results.collect();
        results.sort_unstable();
        let refs = server
            .git(&[
                "for-each-ref",
                "--format=%(refname) %(objectname)",
                "refs/heads",
                "refs/tags",
            ])
            .ok()
            .text();
        let log = |name: &str| {
            server
                .git(&["reflog", "show", "--format=%H %gn %gs", name])
                .text()
        };
        let logs = [
            "HEAD",
            "refs/heads/main",
            "refs/heads/uat",
            "refs/heads/trial",
        ]
        .map(log)
        .join("\n");
        format!(
            "{what}\n{}\n\nrefs\n{refs}\n\nupdate\n{}\n\npost-receive\n{}\n\nlogs\n{logs}\n",
            results.join("\n"),
            take("update-lines"),
            take("post-lines")
        )
    };
    let outcomes = STEPS.iter().map(do_step).collect();
    project.audited();
    outcomes
}

/// Every form of a push has the same results whether proc-receive or git moves the branches.
#[test]
fn proc_receive_moves_branches_as_git_does() {
    let [world, other] = [World::new(), World::new()];
    let handed = outcomes(&world, &[]);
    let by_git = outcomes(&other, &["--no-proc-receive"]);
    for (handed, by_git) in handed.iter().zip(&by_git) {
        assert_eq!(handed, by_git);
    }
    // The steps are what they say: these are accepted, at least in part, and no others.
    let accepted = |at: &usize| !handed[*at].contains("post-receive\n\n");
    let accepted: Vec<&str> = (0..STEPS.len())
        .filter(accepted)
        .map(|at| STEPS[at].0)
        .collect();
    assert_eq!(
        accepted,
        [
            "creates a branch",
            "fast-forwards",
            "moves two branches",
            "is atomic, with another branch and a tag",
            "is atomic, with two branches",
            "is mixed with a ref that the hook update refuses",
            "moves what the hook update refuses",
            "moves a symbolic ref to a branch",
            "creates a branch that is only evaluated",
            "rewinds a branch that is only evaluated",
            "deletes a branch that is only evaluated",
            "updates a work tree",
            "ignores a work tree",
        ]
    );
}

/// Git hands over the branches of the policy in force, as far as its rules are enforced, from the
/// moment at which the policy is published.
#[test]
fn the_setting_follows_the_policy() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nqa = {}\n");
    let bound = |branch: &str, more: &str| {
        format!("[environments.qa]\nbranch = \"{branch}\"\ndeploy_on = \"approval\"\n{more}")
    };
    assert_eq!(handed_over(&project), [""; 0]);
    project.alice.deploy(&["record", "qa"]).ok();
    for (policy, expected) in [
        (POLICY, &["main", "uat"][..]),
        (&bound("release/1.x", ""), &["release/1.x"]),
        (&bound("main", "enforcement = \"evaluate\"\n"), &[]),
        (&bound("hot!fix", ""), &["hot!fix"]),
        ("[environments]\nqa = {}\n", &[]),
        (&bound("main", ""), &["main"]),
    ] {
        project.publish(policy);
        assert_eq!(handed_over(&project), expected, "{policy}");
        // An environment's branch moves to what runs, on a server that is in step.
        let branch = expected.first().unwrap_or(&"main");
        let refspec = format!("HEAD:refs/heads/{branch}");
        project.alice.push(&[&refspec]).ok();
        let init = project.server.deploy(&["server", "init", "."]).ok();
        assert!(!init.text().contains("refs/heads removed"), "{init}");
        assert_eq!(handed_over(&project), expected, "{policy}");
        project.server.deploy(&["server", "check", "."]).ok();
    }
    // Values of other refs stay, and without proc-receive none is left.
    let own = ["config", "--add", "receive.procReceiveRefs", "refs/for"];
    project.server.git(&own).ok();
    project.publish(POLICY);
    let args = ["server", "init", ".", "--no-proc-receive"];
    project.server.deploy(&args).ok();
    let left = ["config", "--get-all", "receive.procReceiveRefs"];
    assert_eq!(project.server.git(&left).text(), "refs/for");
    project.audited();
}

/// If the setting cannot follow, the policy is accepted, and the branch does not move until the
/// server's owner has done what the message says.
#[test]
fn a_setting_that_lags_behind_fails_closed() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nqa = {}\n");
    let alice = &project.alice;
    alice.deploy(&["record", "qa"]).ok();
    let lock = project.server.path().join("config.lock");
    std::fs::write(&lock, "").unwrap();
    alice.repo.write("deploy.toml", &project.policy(POLICY));
    let run = alice.deploy(&["policy", "publish", "--yes"]).ok();
    assert!(
        run.words_of_err()
            .contains("accepted, but the server's git does not follow the new policy"),
        "{run}"
    );
    std::fs::remove_file(&lock).unwrap();
    alice.push(&["HEAD:refs/heads/other"]).ok();
    project.commit("api/x", "two\n");
    alice.deploy(&["record", "qa", "--all"]).ok();
    let main = project.server.rev("refs/heads/main");
    let run = alice.push(&["HEAD:refs/heads/main"]).fails(1);
    let said = run.words_of_err();
    assert!(
        said.contains("cannot tell refs/heads/main")
            && said.contains("this server does not hand the branch to proc-receive"),
        "{run}"
    );
    assert_eq!(project.server.rev("refs/heads/main"), main);
    let remedy = said.split("→ ").nth(1).unwrap();
    let remedy: Vec<&str> = remedy.split(' ').take(4).collect();
    assert_eq!(remedy[..3], ["git-deploy", "server", "init"]);
    project.server.deploy(&["server", "init", remedy[3]]).ok();
    alice.push(&["HEAD:refs/heads/main"]).ok();
    project.audited();
}

/// A server whose setting was removed, but which has the hook update, judges the branch there: an
/// entry between the hooks is seen, and an accepted push says nothing.
#[test]
fn without_the_setting_update_judges_again() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, server) = (&project.alice, &project.server);
    alice.deploy(&["record", "qa", "--all"]).ok();
    server
        .deploy(&["server", "init", ".", "--no-proc-receive"])
        .ok();
    let hooks = server.path().join("hooks");
    let update = std::fs::read_to_string(hooks.join("update")).unwrap();
    server.deploy(&["server", "init", "."]).ok();
    server.hook("update", &update);
    let removed = [
        "config",
        "--fixed-value",
        "--unset-all",
        "receive.procReceiveRefs",
        "refs/heads/main",
    ];
    server.git(&removed).ok();
    record(&project, "two\n", &["qa"]);
    let run = alice.push(&["HEAD:refs/heads/main"]).ok();
    assert_eq!(run.err(), "", "{run}");
    record(&project, "three\n", &["qa"]);
    let old = record(&project, "four\n", &[]);
    alice.repo.git(&["reset", "-q", "--hard", "HEAD~1"]).ok();
    // Between pre-receive and our update, qa begins to run something else.
    let ledger = server.rev("refs/deploy/qa");
    alice.repo.git(&["checkout", "-q", &old]).ok();
    alice.deploy(&["record", "qa", "--all"]).ok();
    let next = server.rev("refs/deploy/qa");
    server.git(&["update-ref", "refs/deploy/qa", &ledger]).ok();
    // The record says that the ledger was already further.
    std::fs::remove_dir_all(server.path().join("git-deploy")).unwrap();
    server.git(&["update-ref", "refs/between", &next]).ok();
    server.hook(
        "update.local",
        &format!("#!/bin/sh\ngit update-ref refs/deploy/qa {next}\n"),
    );
    let main = server.rev("refs/heads/main");
    let refspec = format!("{old}~1:refs/heads/main");
    let run = alice.push(&[&refspec]).fails(1);
    assert!(run.words_of_err().contains("✗ branch"), "{run}");
    assert_eq!(server.rev("refs/heads/main"), main);
    server.git(&["update-ref", "-d", "refs/between"]).ok();
    project.audited();
}

/// An atomic push of a branch and of a ref that git then refuses: the branch has moved, as
/// docs/server.md says. What our rules refuse stops the whole push before.
#[test]
fn atomic_pushes_with_refs_that_git_refuses() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, server) = (&project.alice, &project.server);
    server.hook("update", "#!/bin/sh\ntest $1 != refs/heads/no\n");
    let two = record(&project, "two\n", &["qa"]);
    alice
        .push(&["--atomic", "HEAD:refs/heads/main", "HEAD:refs/heads/no"])
        .fails(1);
    assert_eq!(server.rev("refs/heads/main"), two);
    server
        .git(&["rev-parse", "--verify", "-q", "refs/heads/no"])
        .fails(1);
    project.audited();
}
