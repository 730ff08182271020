//! Mistakes in what surrounds a command: keys, remotes, revisions, repositories.

use super::Page;
use crate::harness::{Repo, Run, World};
use crate::write_commands::served;

/// Returns a world in which days pass while the team commits, so that every commit has its own id.
fn begun(world: &World) -> (Repo<'_>, Repo<'_>) {
    let (server, alice) = served(world);
    alice.git(&["add", "deploy.toml"]).ok();
    alice.commit("api/main.rs", "two\n", "Go on");
    alice.git(&["push", "-q", "origin", "HEAD"]).ok();
    alice.deploy(&["record", "dev"]).ok();
    (server, alice)
}

/// A key is missing, cannot be opened, is not a secret key, or belongs to nobody.
#[test]
fn unusable_keys() {
    let world = World::new();
    let (server, alice) = begun(&world);
    let home = world.path().join("home");
    let file = |name: &str| home.join(name).to_string_lossy().into_owned();
    let mut command = alice.command("git-deploy");
    command
        .args(["key", "new", &file("locked.key")])
        .env("GIT_DEPLOY_PASSWORD", "correct horse");
    Run::of(&world, &mut command).ok();
    alice
        .deploy(&["key", "new", &file("stranger.key"), "--no-password"])
        .ok();
    std::fs::copy(file("stranger.key"), file("open.key")).unwrap();
    alice.run("chmod", &["644", &file("open.key")]).ok();
    std::fs::write(file("garbage.key"), "not a key\n").unwrap();

    let mut page = Page::new(&world, vec![&server, &alice]);
    let lock = &["lock", "dev", "-m", "incident"];
    let public = std::fs::read_to_string(file("locked.pub")).unwrap();
    let secret = std::fs::read_to_string(file("locked.key")).unwrap();
    for (words, name) in [
        ("a file that is not there", "nowhere.key"),
        ("a folder", ""),
        ("no key", "garbage.key"),
        ("the public half", "locked.pub"),
        ("a secret that others can read", "open.key"),
        ("a key with a password, and nobody to type it", "locked.key"),
        ("a key of nobody in the policy", "stranger.key"),
    ] {
        alice.git(&["config", "deploy.key", &file(name)]).ok();
        page.say(words);
        page.fails(&alice, if name == "stranger.key" { 1 } else { 3 }, lock);
    }
    alice
        .git(&["config", "deploy.key", &file("locked.key")])
        .ok();
    page.say("the wrong password");
    page.fails_with(&alice, 3, lock, |command| {
        command.env("GIT_DEPLOY_PASSWORD", "wrong horse");
    });
    alice.git(&["config", "--unset", "deploy.key"]).ok();

    page.say("in the environment: garbage, the public half, and a secret without its password");
    for value in ["garbage", &public, &secret] {
        page.fails_with(&alice, 3, lock, |command| {
            command.env("GIT_DEPLOY_KEY", value);
        });
    }
    page.say("a signer without a key, that is not there, and that fails");
    alice
        .git(&["config", "deploy.signer", "/nowhere/sign"])
        .ok();
    page.fails(&alice, 2, lock);
    let own = std::fs::read_to_string(file(".config/git-deploy/deploy.pub")).unwrap();
    alice
        .git(&["config", "deploy.signerKey", own.lines().nth(1).unwrap()])
        .ok();
    page.fails(&alice, 3, lock);
    alice.git(&["config", "deploy.signer", "/bin/false"]).ok();
    page.fails(&alice, 3, lock);
    alice.git(&["config", "deploy.signer", "/bin/true"]).ok();
    page.fails(&alice, 3, lock);
    alice.git(&["config", "--unset", "deploy.signer"]).ok();

    page.say("none at all");
    std::fs::rename(file(".config"), file("moved")).unwrap();
    page.fails(&alice, 3, lock);
    page.fails(&alice, 3, &["key", "show"]);
    page.assert("keys");
}

/// A remote is missing, does not answer or refuses.
#[test]
fn unusable_remotes() {
    let world = World::new();
    let (server, alice) = begun(&world);
    let mut page = Page::new(&world, vec![&server, &alice]);
    let lock = &["lock", "dev", "-m", "incident"];
    let address = |it: &str| drop(alice.git(&["remote", "set-url", "origin", it]).ok());

    page.say("no remote of that name");
    page.fails(
        &alice,
        2,
        &["--remote", "upstream", "lock", "dev", "-m", "incident"],
    );
    alice.git(&["config", "deploy.remote", "upstream"]).ok();
    page.fails(&alice, 2, lock);
    alice.git(&["config", "deploy.remote", "origin"]).ok();
    page.say("a path where nothing is");
    address("file:///nowhere/server.git");
    page.fails(&alice, 3, lock);
    page.fails(&alice, 3, &["sync"]);
    page.say("a host that does not answer");
    address("ssh://git@git.example.com/shop.git");
    let script =
        "echo 'ssh: connect to host git.example.com port 22: Connection refused' >&2; exit 255 #";
    page.fails_with(&alice, 3, lock, |command| {
        command.env("GIT_SSH_COMMAND", script);
    });
    address(&server.url());
    page.say("may be read and not be written");
    alice
        .git(&[
            "remote",
            "set-url",
            "--push",
            "origin",
            "file:///nowhere/server.git",
        ])
        .ok();
    page.fails(&alice, 3, lock);
    alice
        .git(&["config", "--unset", "remote.origin.pushurl"])
        .ok();
    page.say("a mirror");
    alice.git(&["config", "remote.origin.mirror", "true"]).ok();
    page.fails(&alice, 3, lock);
    alice
        .git(&["config", "--unset", "remote.origin.mirror"])
        .ok();
    page.say("another hook of the server says no");
    let hooks = server.path().join("hooks");
    let pre_receive = std::fs::read_to_string(hooks.join("pre-receive")).unwrap();
    server.hook(
        "pre-receive",
        "#!/bin/sh\necho 'The office is closed.' >&2\nexit 1\n",
    );
    page.fails(&alice, 1, lock);
    server.hook("pre-receive", &pre_receive);
    page.say("a ledger that is not what it was");
    let tip = server.rev("refs/deploy/dev");
    server
        .git(&[
            "update-ref",
            "refs/deploy/dev",
            &server.rev("refs/deploy/dev~1"),
        ])
        .ok();
    page.fails(&alice, 3, lock);
    server.git(&["update-ref", "refs/deploy/dev", &tip]).ok();
    page.assert("remotes");
    alice.deploy(lock).ok();
}

/// A word is not a commit, or not one that can be meant.
#[test]
fn unusable_revisions() {
    let world = World::new();
    let (server, alice) = begun(&world);
    let git = |arguments: &[&str]| drop(alice.git(arguments).ok());
    git(&["tag", "files", "HEAD^{tree}"]);
    git(&["tag", "file", "HEAD:api/main.rs"]);
    git(&["tag", "-a", "-m", "Release", "v1"]);
    git(&["tag", "both", "HEAD~1"]);
    git(&["branch", "both"]);
    let mut page = Page::new(&world, vec![&server, &alice]);
    page.say("words");
    for revision in [
        "mian",
        "orgin/main",
        "nowhere",
        "HEAD~99",
        "",
        "--all",
        "main..HEAD",
    ] {
        page.fails(&alice, 2, &["approve", "dev", "--", revision]);
    }
    page.say("ids");
    let elsewhere = "deadbeef".repeat(5);
    for revision in [elsewhere.as_str(), "0000000"] {
        page.fails(&alice, 2, &["approve", "dev", "--", revision]);
    }
    page.say("what is no commit");
    for revision in ["files", "file", "HEAD:api", "main^{tree}"] {
        page.fails(&alice, 2, &["record", "dev", revision]);
    }
    page.say("what could be two");
    page.fails(&alice, 2, &["record", "dev", "both"]);
    page.say("environments and components");
    for arguments in [
        &["record", "pord"][..],
        &["lock", "nowhere", "-m", "x"],
        &["check", "Dev"],
        &["status", "../dev"],
        &["record", "dev", "stage"],
        &["record", "dev", "--component", "shpo"],
        &["approve", "dev"],
        &["record", "dev", "--finish"],
        &["record", "dev", "--rollback"],
    ] {
        page.fails(&alice, 2, arguments);
    }
    page.assert("revisions");

    // What can only mean one commit does, whatever else is called or spelled so.
    for revision in [
        "v1",
        "refs/heads/both",
        "refs/tags/both",
        "HEAD",
        "main",
        "dev",
        &alice.rev("HEAD")[..7],
    ] {
        alice.deploy(&["check", "dev", revision]).ok();
    }
    // Of two commits whose ids begin alike: among 3,000, two that share four digits are as good as certain.
    let one =
        |number| format!("commit refs/heads/many\ncommitter a <a> {number} +0000\ndata 0\n\n");
    alice.write("commits", &(1..=3_000).map(one).collect::<String>());
    alice
        .run("sh", &["-c", "git fast-import --quiet < commits"])
        .ok();
    let ids = alice.git(&["rev-list", "refs/heads/many"]).ok().text();
    let mut starts: Vec<&str> = ids.lines().map(|id| &id[..4]).collect();
    starts.sort_unstable();
    let twins = starts.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0];
    let run = alice.deploy(&["check", "dev", twins]).fails(2);
    assert!(
        run.err().contains("could be any of")
            && run.err().contains("hint: repeat the command with one"),
        "{run}"
    );
}

/// A repository has no commit, uncommitted changes or no branch, or there is none.
#[test]
fn unusable_repositories() {
    let world = World::new();
    let bare = world.path().join("nothing");
    std::fs::create_dir(&bare).unwrap();
    let (nothing, unborn) = (world.existing(&bare, "alice"), world.repo("unborn"));
    let mut page = Page::new(&world, vec![&unborn]);
    page.say("none");
    for command in [&["status"][..], &["init"], &["record", "dev"]] {
        page.fails(&nothing, 3, command);
    }
    page.say("a file that should be one");
    std::fs::write(bare.join(".git"), "gitdir: /nowhere\n").unwrap();
    page.fails(&nothing, 3, &["status"]);
    page.say("without a policy");
    for command in [
        &["status"][..],
        &["record", "dev"],
        &["policy", "publish"],
        &["audit"],
    ] {
        page.fails(&unborn, 3, command);
    }
    page.say("without a commit");
    unborn.deploy(&["init", "--no-password"]).ok();
    for command in ["record", "approve", "check"] {
        page.fails(&unborn, 2, &[command, "dev"]);
    }
    page.fails(&unborn, 2, &["show"]);
    page.say("without a commit, at the remote as well");
    let server = world.bare_server("empty.git");
    let clone = world.clone(&server, "clone");
    page.fails(&clone, 3, &["status"]);
    page.say("a lock that was left behind");
    unborn.commit("api/main.rs", "one\n", "Begin");
    unborn.deploy(&["record", "dev"]).ok();
    let lock = unborn.path().join(".git/refs/deploy/dev.lock");
    std::fs::write(&lock, "").unwrap();
    page.fails(&unborn, 3, &["lock", "dev", "-m", "incident"]);
    std::fs::remove_file(lock).unwrap();
    page.assert("repositories");
}

/// With uncommitted changes, a detached HEAD or a merge in progress the commit is recorded, and
/// nothing else is touched.
#[test]
fn uncommitted_changes_do_not_matter() {
    let world = World::new();
    let (_server, alice) = begun(&world);
    alice.write("api/main.rs", "half a line");
    alice.write("new", "untracked");
    alice.write("staged", "staged");
    alice.git(&["add", "staged"]).ok();
    alice.git(&["checkout", "-q", "--detach"]).ok();
    alice.write(".git/MERGE_HEAD", &format!("{}\n", alice.rev("HEAD~1")));
    let work = || {
        let index = std::fs::read(alice.path().join(".git/index")).unwrap();
        (
            alice.git(&["status", "--porcelain=v2"]).ok().text(),
            index,
            alice.rev("HEAD"),
        )
    };
    let before = work();
    alice.deploy(&["record", "dev", "--all"]).ok();
    alice.deploy(&["status"]).ok();
    assert_eq!(work(), before);
    assert_eq!(
        alice.rev("refs/deploy/dev:components/shop/commit"),
        before.2
    );
}

/// If the remote accepted an entry that this clone cannot fetch, the command does not claim that it
/// was not written.
#[test]
fn an_entry_that_only_the_remote_has_is_reported() {
    let world = World::new();
    let (server, alice) = begun(&world);
    alice.deploy(&["sync"]).ok();
    let lock = alice.path().join(".git/refs/deploy/dev.lock");
    std::fs::write(&lock, "").unwrap();
    let run = alice.deploy(&["lock", "dev", "-m", "incident"]).ok();
    assert!(
        run.text().contains("dev is locked") && run.err().contains("but this clone does not yet"),
        "{run}"
    );
    assert_ne!(alice.rev("refs/deploy/dev"), server.rev("refs/deploy/dev"));
    std::fs::remove_file(lock).unwrap();
    alice.deploy(&["sync"]).ok();
    assert_eq!(alice.rev("refs/deploy/dev"), server.rev("refs/deploy/dev"));
}
