//! `git-deploy server check`: each way in which a server fails to protect is found, and fixed by
//! the commands that it prints.

use insta::assert_snapshot;

use crate::harness::{Project, Repo, Run, World, with_random_keys};

/// Returns all refs and objects, and the configuration, which a check must not change.
fn everything(server: &Repo<'_>) -> String {
    let refs = server.git(&["for-each-ref"]).ok().text();
    let objects = server
        .git(&["cat-file", "--batch-check", "--batch-all-objects"])
        .ok()
        .text();
    let config = std::fs::read_to_string(server.path().join("config")).unwrap();
    format!("{refs}\n{objects}\n{config}")
}

fn check<'w>(server: &Repo<'w>) -> Run<'w> {
    server.deploy(&["server", "check", "."])
}

/// Types a line into a shell, as an operator would.
fn shell<'w>(server: &Repo<'w>, line: &str) -> Run<'w> {
    server.run("sh", &["-c", line])
}

/// A server is protected after `init`, before its first policy and after; the check leaves nothing
/// behind.
#[test]
fn initialised_servers_are_protected() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    project.ci.deploy(&["record", "dev"]).ok();
    let before = everything(&project.server);
    let told = check(&project.server).ok().to_string();
    let mut settings = with_random_keys();
    settings.add_filter(r"/\S*/git-deploy\b", "<BIN>");
    settings.add_filter(r"user \d+", "user <UID>");
    settings.bind(|| assert_snapshot!(told));
    assert_eq!(everything(&project.server), before);
    let found = project
        .server
        .deploy(&["server", "check", "--json"])
        .ok()
        .json();
    assert_eq!(found["protected"], true, "{found:#}");
    assert!(
        found["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["level"] == "ok"),
        "{found:#}"
    );
    project.ci.deploy(&["record", "dev", "--all"]).ok();

    let sha256 = World::sha256();
    let empty = sha256.bare_server("server.git");
    empty
        .deploy(&[
            "server",
            "init",
            ".",
            "--admin",
            &project.alice.key().to_string(),
        ])
        .ok();
    check(&empty).ok();
    sha256
        .command("git-deploy", "x")
        .current_dir(sha256.path().join("home"));
    sha256
        .existing("home", "x")
        .deploy(&["server", "check"])
        .fails(2);
}

/// A repository without hooks accepts the probe, which the check reports and removes.
#[test]
fn a_server_without_hooks_is_reported() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let run = check(&server).fails(1);
    assert!(
        run.text().contains(
            "a push of a made-up ledger was accepted: everyone who can push can write any entry"
        ),
        "{run}"
    );
    assert_eq!(server.git(&["for-each-ref"]).ok().text(), "");
}

/// What is broken, what the check says of it, and whether what it says to type mends it.
const BREACHES: [(&str, &str); 19] = [
    ("rm hooks/pre-receive", "pre-receive is missing"),
    ("rm hooks/proc-receive", "proc-receive is missing"),
    (
        "chmod -x hooks/pre-receive",
        "pre-receive is not executable",
    ),
    (
        "chmod -x hooks/proc-receive",
        "proc-receive is not executable",
    ),
    (
        "printf '#!/bin/sh\\nexit 0\\n' > hooks/pre-receive",
        "pre-receive is another program's",
    ),
    (
        "printf '#!/bin/sh\\nexit 0\\n' > hooks/proc-receive",
        "proc-receive is another program's",
    ),
    (
        "mkdir -p ../elsewhere && git config core.hooksPath ../elsewhere",
        "core.hooksPath points git to",
    ),
    (
        "sed -i '1s,.*,#!/nowhere/git-deploy hook,' hooks/pre-receive",
        "which does not exist: every push of a ledger fails",
    ),
    (
        "printf '#!/bin/sh\\necho git-deploy 0.0.1\\n' > ../old && chmod +x ../old && sed -i \"1s,.*,#!$(realpath ..)/old hook,\" hooks/pre-receive",
        "git-deploy 0.0.1, and this is git-deploy",
    ),
    (
        "git config --fixed-value --unset receive.procReceiveRefs refs/deploy",
        "receive.procReceiveRefs is not refs/deploy",
    ),
    (
        "git config --fixed-value --unset receive.procReceiveRefs refs/heads/hot!fix",
        "receive.procReceiveRefs is missing refs/heads/hot!fix",
    ),
    (
        "git update-ref refs/heads/hot!fix main && git symbolic-ref refs/heads/alias refs/heads/hot!fix",
        "receive.procReceiveRefs is missing refs/heads/alias",
    ),
    (
        "git config --add receive.procReceiveRefs '!:refs/deploy/dev'",
        "which excludes refs",
    ),
    (
        "git symbolic-ref refs/deploy/evidence refs/deploy/dev",
        "refs/deploy/evidence is symbolic",
    ),
    ("ln -s dev refs/deploy/qa", "refs/deploy/qa is symbolic"),
    (
        "mkdir -p info && git rev-parse HEAD > info/grafts",
        "grafts change the history that plain git shows",
    ),
    ("chmod o+w config", "config can be changed by every user"),
    (
        "chmod o+w hooks/pre-receive",
        "hooks/pre-receive can be changed by every user",
    ),
    (
        "git config receive.hideRefs refs/deploy && git config --add receive.hideRefs refs/notes/deploy",
        "ledgers cannot be pushed or fetched",
    ),
];

/// Each breach is found and, but for the last, fixed by the commands that the check prints. None
/// hides the next.
#[test]
fn every_breach_is_found_and_fixed() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nqa = { branch = \"hot!fix\" }\n",
    );
    project.ci.deploy(&["record", "dev"]).ok();
    let server = &project.server;
    for (breach, words) in BREACHES {
        shell(server, breach).ok();
        let run = check(server).fails(1);
        let text = run.text();
        let mut lines = text
            .lines()
            .skip_while(|line| !line.contains(words))
            .skip(1);
        let remedy = lines
            .next()
            .and_then(|line| line.split_once("→ "))
            .map(|(_, remedy)| remedy.to_owned());
        let remedy = remedy.unwrap_or_else(|| panic!("{breach}: {run}"));
        assert!(text.contains("✗ it is not protected"), "{run}");
        if breach != BREACHES[18].0 {
            shell(server, &remedy).ok();
            let mended = check(server);
            assert!(mended.succeeded(), "{breach}\n{remedy}\n{mended}");
        }
    }
    shell(
        server,
        "git config --fixed-value --unset receive.hideRefs refs/deploy",
    )
    .ok();
    // What another tool left as a replacement, a ledger that is none, a root that nobody named.
    shell(
        server,
        "git replace refs/heads/main $(git commit-tree -m x main^{tree})",
    )
    .ok();
    shell(server, "git update-ref refs/deploy/Prod main").ok();
    shell(server, "git config --unset deploy.admin").ok();
    let text = check(server).fails(1).text();
    for words in [
        "1 replace ref changes",
        "refs/deploy/Prod",
        "deploy.admin has no key",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    shell(
        server,
        "git replace -d $(git replace -l) && git update-ref -d refs/deploy/Prod",
    )
    .ok();
    let root = project.alice.key().to_string();
    shell(server, &format!("git-deploy server init . --admin {root}")).ok();
    check(server).ok();
    // A hook that cannot judge lets nothing in, and is no protection that works.
    shell(server, "git config deploy.admin nonsense").ok();
    let text = check(server).fails(1).text();
    assert!(
        text.contains("the hook cannot judge a push: nothing is accepted"),
        "{text}"
    );
    // And a hook that was there before, and says no to everything, hides whether ours would.
    shell(server, &format!("git config deploy.admin {root} && printf '#!/bin/sh\\necho closed >&2; exit 1\\n' > hooks/pre-receive.local && chmod +x hooks/pre-receive.local")).ok();
    let text = check(server).fails(1).text();
    assert!(
        text.contains("refused, and not by git-deploy: closed"),
        "{text}"
    );
    shell(server, "chmod -x hooks/pre-receive.local").ok();
    let text = check(server).ok().text();
    assert!(
        text.contains("pre-receive.local, the previous hook, is not executable"),
        "{text}"
    );
}

/// What could be better is printed with its fix, and is no reason to fail.
#[test]
fn advice_is_no_failure() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let server = &project.server;
    let other = world.bare_server("other.git");
    let alternates = format!(
        "echo {}/objects > objects/info/alternates",
        other.path().display()
    );
    let cases = [
        ("git config --unset core.fsync", "core.fsync excludes"),
        (
            "git config core.fsync committed,reference,-pack",
            "core.fsync excludes",
        ),
        (
            "git config core.fsyncMethod writeout-only",
            "core.fsyncMethod is writeout-only",
        ),
        (
            "git config --unset core.logAllRefUpdates",
            "core.logAllRefUpdates is not always",
        ),
        (
            "git config --unset receive.hideRefs",
            "receive.hideRefs is not refs/notes/deploy",
        ),
        (
            "git config receive.shallowUpdate true",
            "receive.shallowUpdate is on",
        ),
        (
            "git config core.commitGraph false",
            "core.commitGraph is off",
        ),
        (
            "head -c 2000000 /dev/urandom | git hash-object -w --stdin | git pack-objects -q objects/pack/pack",
            "there is no commit-graph",
        ),
        (&*alternates, "some are in another repository"),
        (
            "git remote add --mirror=fetch old ../other.git",
            "git fetch old here would overwrite ledgers",
        ),
        (
            "chmod g+w config",
            "config can be changed, bypassing all hooks, by every user in group",
        ),
    ];
    for (change, words) in cases {
        shell(server, change).ok();
        let run = check(server).ok();
        let text = run.text();
        let line = text.lines().skip_while(|line| !line.contains(words)).nth(1);
        let remedy = line
            .and_then(|line| line.split_once("→ "))
            .unwrap_or_else(|| panic!("{change}: {run}"))
            .1;
        let typed = remedy.split(", where").next().unwrap();
        shell(server, typed).ok();
        let mended = check(server).ok().text();
        assert!(
            mended.ends_with("✓ it is protected"),
            "{change}\n{remedy}\n{mended}"
        );
    }
}
