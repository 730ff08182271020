//! The commands that write: setting up, deciding, recording, with real keys, a real server and its
//! real hooks.

use std::fmt::Write as _;

use crate::harness::{Project, Repo, Run, World, with_random_keys};

/// Returns a repository with one commit, set up without a remote by alice.
fn alone(world: &World) -> Repo<'_> {
    let alice = world.repo("alice");
    alice.commit("api/main.rs", "fn main() {}\n", "Begin");
    alice
        .deploy(&["init", "--name", "shop", "--no-password"])
        .ok();
    alice
}

/// Returns a server that trusts alice's key, and her clone of it, set up.
pub fn served(world: &World) -> (Repo<'_>, Repo<'_>) {
    let server = world.bare_server("server.git");
    let alice = world.clone(&server, "alice");
    alice.commit("api/main.rs", "fn main() {}\n", "Begin");
    let key = alice.deploy(&["key", "new", "--no-password"]).ok().text();
    server
        .deploy(&["server", "init", ".", "--admin", &key])
        .ok();
    alice.deploy(&["init", "--name", "shop"]).ok();
    alice.git(&["push", "-q", "origin", "HEAD"]).ok();
    (server, alice)
}

/// Makes another person's clone, with a key of their own.
pub fn joined<'w>(world: &'w World, server: &Repo<'w>, person: &str) -> (Repo<'w>, String) {
    let repo = world.clone(server, person);
    let file = world.path().join(format!("home/{person}.key"));
    let file = file.to_string_lossy();
    let key = repo
        .deploy(&["key", "new", &file, "--no-password"])
        .ok()
        .text();
    repo.git(&["config", "deploy.key", &file]).ok();
    (repo, key)
}

/// Runs commands one after the other and shows what each said.
fn transcript(repo: &Repo<'_>, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for command in commands {
        writeln!(text, "{}", repo.deploy(command)).unwrap();
    }
    text
}

fn ledgers(repo: &Repo<'_>) -> String {
    repo.git(&["for-each-ref", "refs/deploy", "refs/notes"])
        .ok()
        .text()
}

/// The first minute of a new user; a second `init` changes nothing.
#[test]
fn init_is_repeatable() {
    let world = World::new();
    let alice = world.repo("alice");
    alice.commit("api/main.rs", "fn main() {}\n", "Begin");
    let unasked = alice.deploy(&["init"]).fails(2);
    assert!(unasked.err().contains("--no-password"), "{unasked}");
    assert!(!alice.path().join("deploy.toml").exists());

    let first = alice
        .deploy(&["init", "--env", "test,live", "--no-password"])
        .ok()
        .to_string();
    let policy = std::fs::read_to_string(alice.path().join("deploy.toml")).unwrap();
    let (before, config) = (
        ledgers(&alice),
        std::fs::read(alice.path().join(".git/config")).unwrap(),
    );
    let again = alice.deploy(&["init"]).ok().to_string();
    assert_eq!(
        (
            ledgers(&alice),
            std::fs::read(alice.path().join(".git/config")).unwrap()
        ),
        (before, config)
    );
    with_random_keys().bind(|| insta::assert_snapshot!(format!("{first}\n{policy}\n{again}")));
    // The project's name and id are for ever.
    alice.deploy(&["init", "--name", "other"]).fails(2);
    let document = alice.deploy(&["init", "--json"]).ok().json();
    assert_eq!(
        (&document["project"], &document["made"]),
        (&"alice".into(), &serde_json::json!([]))
    );
    // Without a remote that is said, so that one which is added later is not taken for one that lost the ledgers.
    alice
        .git(&["remote", "add", "origin", "file:///nowhere"])
        .ok();
    alice.deploy(&["record", "test"]).ok();
}

/// The server's owner decides whose policy is the first; the next person joins and trusts it on
/// first use.
#[test]
fn joining_a_server() {
    for world in [World::new(), World::sha256()] {
        let server = world.bare_server("server.git");
        server
            .git(&["config", "receive.hideRefs", "refs/notes/deploy"])
            .ok();
        let alice = world.clone(&server, "alice");
        alice.commit("api/main.rs", "fn main() {}\n", "Begin");
        let key = alice.deploy(&["key", "new", "--no-password"]).ok().text();
        let stranger = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        server
            .deploy(&["server", "init", ".", "--admin", stranger])
            .ok();
        let refused = alice.deploy(&["init", "--name", "shop"]).fails(1);
        assert!(
            refused.err().contains(&format!("--admin {key}")),
            "{refused}"
        );
        assert_eq!(
            (ledgers(&alice), ledgers(&server)),
            (String::new(), String::new())
        );
        assert!(
            !alice.path().join("deploy.toml").exists(),
            "a project that did not begin leaves its rules behind"
        );

        server.git(&["config", "deploy.admin", &key]).ok();
        alice.deploy(&["init", "--name", "shop"]).ok();
        let (bob, _) = joined(&world, &server, "bob");
        let run = bob.deploy(&["init"]).ok();
        assert!(
            run.err().contains("trusted on first use")
                && run.text().contains("administered by alice"),
            "{run}"
        );
        let add = "→ git deploy person add bob --key RW";
        assert!(run.text().contains(add), "{run}");
        let refspecs = bob
            .git(&["config", "--get-all", "remote.origin.fetch"])
            .ok()
            .text();
        assert_eq!(refspecs.matches("refs/deploy-incoming/*").count(), 1);
    }
}

/// A key is readable by its owner only, never overwritten, and asks for no password that cannot be
/// typed.
#[cfg(unix)]
#[test]
fn keys_are_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let alice = world.repo("alice");
    let folder = world.path().join("home/.config/git-deploy");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    alice.deploy(&["key", "show"]).fails(3);
    alice.deploy(&["key", "new"]).fails(2);
    let key = alice.deploy(&["key", "new", "--no-password"]).ok().text();
    assert_eq!(
        (mode(&folder), mode(&folder.join("deploy.key"))),
        (0o700, 0o600)
    );
    assert_eq!(alice.deploy(&["key", "show"]).ok().text(), key);
    let bytes = std::fs::read(folder.join("deploy.key")).unwrap();
    let again = alice.deploy(&["key", "new", "--no-password"]).fails(2);
    assert!(again.err().contains("hint: git deploy key show"), "{again}");
    assert_eq!(std::fs::read(folder.join("deploy.key")).unwrap(), bytes);

    // With a password from the environment; what needs no secret asks for none.
    let file = folder.join("other.key");
    let mut command = alice.command("git-deploy");
    command
        .args(["key", "new"])
        .arg(&file)
        .env("GIT_DEPLOY_PASSWORD", "correct horse");
    let other = Run::of(&world, &mut command).ok().text();
    alice
        .git(&["config", "deploy.key", &file.to_string_lossy()])
        .ok();
    assert_eq!(alice.deploy(&["key", "show"]).ok().text(), other);
    let list = alice.deploy(&["key", "list", "--json"]).ok().json();
    let signs: Vec<_> = list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["publicKey"], &it["signs"]))
        .collect();
    assert_eq!(
        signs,
        [(&other.into(), &true.into()), (&key.into(), &false.into())]
    );
}

/// A day of a team whose deployments another system carries out.
#[test]
fn a_day_of_recording() {
    let world = World::new();
    let (_server, alice) = served(&world);
    alice.deploy(&["record", "dev", "--version", "1.0.0"]).ok();
    alice.commit(
        "api/main.rs",
        "fn main() { login() }\n",
        "Fix login redirect",
    );
    alice.commit("api/lib.rs", "", "Cache tokens");
    let text = transcript(
        &alice,
        &[
            &["record", "dev", "--start"],
            &["record", "dev"],
            &[
                "record",
                "dev",
                "--finish",
                "--verification",
                "passed",
                "--log",
                "https://ci.example.com/1",
            ],
            &["record", "dev", "--finish"],
            &["record", "prod"],
            &["record", "stage", "dev", "--change", "17"],
            &["lock", "prod", "-m", "incident 4711"],
            &["record", "prod"],
            &["unlock", "prod"],
            &["record", "prod", "--failed"],
            &["record", "prod"],
            &[
                "unlock",
                "prod",
                "--commit",
                "stage",
                "-m",
                "the disk was full",
            ],
            &["record", "prod", "stage", "--version", "shop=1.1.0"],
            &["record", "prod", "--rollback"],
            &["record", "dev", "--failed"],
            &[
                "attest",
                "test-result",
                "--result",
                "passed",
                "--suite",
                "unit",
            ],
            &["attest", "provenance", "--result", "passed"],
            &[
                "register",
                "ghcr.io/acme/shop@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ],
            &["register", "api", "prod", "--name", "shop-api"],
            &["sync"],
        ],
    );
    let log = alice
        .git(&["log", "--first-parent", "--format=%s", "refs/deploy/prod"])
        .ok();
    let finish = alice
        .git(&["log", "-1", "--format=%B", "refs/deploy/dev"])
        .ok();
    with_random_keys().bind(|| insta::assert_snapshot!(format!("{text}\n{log}\n{finish}")));
}

/// Permitted people approve what a deployment would change, and the deployment uses it.
#[test]
fn approvals_are_given_and_used() {
    let world = World::new();
    let (server, alice) = served(&world);
    let (bob, key) = joined(&world, &server, "bob");
    bob.deploy(&["init"]).ok();
    let policy = std::fs::read_to_string(alice.path().join("deploy.toml")).unwrap();
    let policy = policy
        .replace(
            "\n[environments]",
            &format!("bob   = \"{key}\"\n\n[environments]"),
        )
        .replace(
            "promote_from = \"stage\"",
            "approvals = { required = 1, expires = \"2d\" }",
        );
    alice.write("deploy.toml", &policy);
    let asked = alice.deploy(&["policy", "publish"]).fails(2);
    assert!(asked.err().contains("--yes"), "{asked}");
    let mut text = transcript(
        &alice,
        &[
            &["policy", "publish", "--yes", "-m", "Bob approves"],
            &["record", "prod"],
        ],
    );
    text += &transcript(
        &bob,
        &[
            &["sync"],
            &["approve", "prod", "--dry-run"],
            &["approve", "prod", "-m", "canary is fine"],
            &["approve", "dev"],
            &["approve", "prod", "-c", "nothing"],
        ],
    );
    text += &transcript(&alice, &[&["record", "prod"], &["approve", "prod"]]);
    with_random_keys().bind(|| insta::assert_snapshot!(text));
}

/// A proposed policy shows its mistakes and its diff; another admin approves its exact bytes.
#[test]
fn policies_are_proposed_and_approved() {
    let world = World::new();
    let (server, alice) = served(&world);
    let (bob, key) = joined(&world, &server, "bob");
    let policy = std::fs::read_to_string(alice.path().join("deploy.toml")).unwrap();
    let two = policy.replace(
        "\n[environments]",
        &format!("bob   = \"{key}\"\n\n[environments]"),
    ) + "\n[policy]\nadmins = [\"alice\", \"bob\"]\napprovals = 1\n";
    alice.write("deploy.toml", &two);
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    alice.write(
        "deploy.toml",
        &two.replace("dev   = {}", "dev   = { soak = 1, approvalz = 2 }"),
    );
    let mut text = transcript(
        &alice,
        &[&["policy", "diff"], &["policy", "publish", "--yes"]],
    );
    alice.write(
        "deploy.toml",
        &two.replace(
            "dev   = {}",
            "dev   = { url = \"https://dev.example.com\" }",
        ),
    );
    alice.git(&["add", "deploy.toml"]).ok();
    alice.git(&["commit", "-q", "-m", "Say where dev is"]).ok();
    alice.git(&["push", "-q", "origin", "HEAD"]).ok();
    bob.deploy(&["init"]).ok();
    bob.git(&["fetch", "-q"]).ok();
    text += &transcript(
        &alice,
        &[&["policy", "diff"], &["policy", "publish", "--yes"]],
    );
    text += &transcript(
        &bob,
        &[
            &["policy", "approve", "origin/main", "-m", "good"],
            &["policy", "approve", "nowhere"],
        ],
    );
    text += &transcript(
        &alice,
        &[
            &["policy", "publish", "--yes", "--dry-run"],
            &["policy", "publish", "--yes"],
            &["policy", "publish"],
        ],
    );
    text += &transcript(&bob, &[&["sync"], &["policy", "show"]]);
    with_random_keys().bind(|| insta::assert_snapshot!(text));
    let shown = bob.deploy(&["policy", "show", "--json"]).ok().json();
    assert_eq!(
        shown["text"].as_str().unwrap(),
        std::fs::read_to_string(alice.path().join("deploy.toml")).unwrap()
    );
}

/// A dry run asks the same rules and leaves no trace, locally or on the server.
#[test]
fn dry_run_writes_nothing() {
    let world = World::new();
    let (server, alice) = served(&world);
    alice.deploy(&["record", "dev"]).ok();
    let before = (ledgers(&alice), ledgers(&server));
    for command in [
        &["record", "dev", "--all"][..],
        &["record", "dev", "--start", "--all"],
        &["lock", "dev", "-m", "x"],
        &["attest", "test-result", "--result", "failed"],
        &["register", "api"],
    ] {
        let document = alice
            .deploy(&[command, &["--dry-run", "--json"]].concat())
            .ok()
            .json();
        assert_eq!(
            (&document["dryRun"], document.get("entry")),
            (&true.into(), None),
            "{document}"
        );
    }
    alice.deploy(&["record", "prod", "--dry-run"]).fails(1);
    assert_eq!((ledgers(&alice), ledgers(&server)), before);
}

/// An environment of a pattern is in the pattern's ledger, and lives only as long as the policy
/// allows.
#[test]
fn ephemeral_environments_expire() {
    let world = World::new();
    let alice = alone(&world);
    let policy = std::fs::read_to_string(alice.path().join("deploy.toml")).unwrap();
    alice.write(
        "deploy.toml",
        &format!("{policy}\n[environments.\"pr-*\"]\nephemeral = {{ ttl = \"8h\", limit = 2 }}\n"),
    );
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    alice.deploy(&["record", "pr-17", "--start"]).ok();
    let run = alice
        .deploy(&["record", "pr-17", "--finish", "--json"])
        .ok()
        .json();
    assert_eq!(
        (&run["ledger"], &run["environment"]),
        (&"pr".into(), &"pr-17".into())
    );
    let start = alice
        .git(&["show", "refs/deploy/pr~1:entry.json"])
        .ok()
        .json();
    assert_eq!(start["predicate"]["expires"], "2026-03-05T18:00:00Z");
    alice
        .deploy(&["lock", "pr-17", "-m", "demo", "-c", "shop"])
        .ok();
    alice
        .deploy(&["lock", "pr-17", "-m", "demo", "-c", "shpo"])
        .fails(2);
    alice.deploy(&["unlock", "pr-17", "-c", "shop"]).ok();
    assert!(
        alice
            .git(&["ls-tree", "-r", "--name-only", "refs/deploy/pr"])
            .ok()
            .text()
            .contains("environments/pr-17/")
    );
}

/// Scripts find the entry by its id, and everything that was signed under one key.
#[test]
fn documents_name_the_entry() {
    let world = World::new();
    let alice = alone(&world);
    let document = alice
        .deploy(&["record", "dev", "--json", "--requested-by", "alice"])
        .ok()
        .json();
    assert_eq!(
        document["entry"].as_str().unwrap(),
        alice.rev("refs/deploy/dev")
    );
    assert_eq!(document["schema"], "git-deploy/entry/v1");
    let signed = alice
        .git(&["show", "refs/deploy/dev:entry.json"])
        .ok()
        .json();
    assert_eq!(document["statement"], signed);
    assert_eq!(signed["predicate"]["requestedBy"], "alice");
}

/// Without a description the subjects are used, however many there are and whatever they contain.
#[test]
fn default_descriptions_list_subjects() {
    let world = World::new();
    let alice = alone(&world);
    alice.deploy(&["record", "dev"]).ok();
    for number in 1..=25 {
        alice.commit(
            "api/main.rs",
            &number.to_string(),
            &format!("Change {number}\u{202e}\u{1b}[2J"),
        );
    }
    alice.deploy(&["record", "dev"]).ok();
    let message = alice
        .git(&["log", "-1", "--format=%B", "refs/deploy/dev"])
        .ok()
        .text();
    let body: Vec<&str> = message
        .lines()
        .skip(2)
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(body.len(), 21);
    assert_eq!(
        (body[0], body[20]),
        ("Change 25\u{fffd}\u{fffd}[2J", "and 5 more")
    );
    // Back again: nothing new is brought.
    alice
        .deploy(&["record", "dev", "HEAD~25", "--rollback"])
        .ok();
    let back = alice
        .git(&["log", "-1", "--format=%s%n%b", "refs/deploy/dev"])
        .ok()
        .text();
    assert!(
        back.starts_with("roll back to") && !back.contains("Change"),
        "{back}"
    );
}

/// Only commits that change a deployed component are described, also if the commit that is deployed
/// changes another one.
#[test]
fn default_descriptions_are_about_the_components() {
    let world = World::new();
    let policy = "[environments]\ndev = {}\n[components]\napi = { paths = \"api\" }\nweb = { paths = \"web\" }\n";
    let project = Project::new(&world, policy);
    let ci = &project.ci;
    project.push("web/x", "one\n");
    ci.deploy(&["record", "dev"]).ok();
    for (file, text) in [("api/x", "two\n"), ("web/x", "two\n")] {
        project.push(file, text);
    }
    let subject = |revision: &str| {
        ci.repo
            .git(&["log", "-1", "--format=%s", revision])
            .ok()
            .text()
    };
    let (web, api) = (subject("HEAD"), subject("HEAD~1"));
    assert_ne!(web, api);
    for (component, own, other) in [("api", &api, &web), ("web", &web, &api)] {
        ci.deploy(&["record", "dev", "--component", component]).ok();
        let text = ci
            .repo
            .git(&["log", "-1", "--format=%b", "refs/deploy/dev"])
            .ok()
            .text();
        assert!(
            text.contains(own) && !text.contains(other),
            "{component}: {text}"
        );
    }
}

/// A server that lost entries is reported, and the known ones stay.
#[test]
fn a_forgetful_server_is_reported() {
    let world = World::new();
    let (server, alice) = served(&world);
    alice.deploy(&["record", "dev"]).ok();
    let first = server.rev("refs/deploy/dev");
    alice.deploy(&["record", "dev", "--all"]).ok();
    let (bob, _) = joined(&world, &server, "bob");
    let document = bob.deploy(&["sync", "--json"]).ok().json();
    let entries: Vec<_> = document["moved"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["ledger"], &it["entries"]))
        .collect();
    assert_eq!(
        entries,
        [(&"policy".into(), &1.into()), (&"dev".into(), &2.into())]
    );
    assert_eq!(
        document["pinned"].as_str().unwrap(),
        bob.git(&["config", "deploy.root"]).ok().text()
    );
    let nothing = bob.deploy(&["sync"]).ok();
    assert_eq!(nothing.text(), "origin has nothing new.");

    let before = ledgers(&bob);
    server.git(&["update-ref", "refs/deploy/dev", &first]).ok();
    let rewound = bob.deploy(&["sync"]).fails(1);
    assert!(
        rewound.err().contains("rewritten the ledger dev"),
        "{rewound}"
    );
    assert_eq!(ledgers(&bob), before);
}

/// An audit without notes says how to restore them, which works also without a remote.
#[test]
fn lost_notes_can_be_restored() {
    let world = World::new();
    let alice = alone(&world);
    alice.deploy(&["record", "dev"]).ok();
    let note = || alice.git(&["notes", "--ref=deploy", "show", "HEAD"]);
    let before = note().ok().text();
    alice.git(&["update-ref", "-d", "refs/notes/deploy"]).ok();
    let audit = alice.deploy(&["audit"]).fails(1);
    assert!(
        audit
            .text()
            .contains("they were deleted, or never written: git deploy notes rebuild"),
        "{audit}"
    );
    alice.deploy(&["notes", "rebuild"]).ok();
    assert_eq!(note().ok().text(), before);
}
