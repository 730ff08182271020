//! A `deploy.toml` with each kind of mistake: where, what, and what to do about it.

use std::fmt::Write as _;

use super::Page;
use crate::harness::{Repo, Run, World, with_random_keys};

/// A policy without a mistake; the keys are put in for their names.
const POLICY: &str = r#"schema  = 1
project = "shop"

[people]
alice = "<alice>"
bob   = { key = "<bob>", emails = ["bob@example.com"] }
ci    = { key = "<ci>", machine = true }

[groups]
release = ["alice", "bob"]

[environments]
dev   = {}
stage = { promote_from = "dev" }
prod  = { promote_from = "stage", approvals = 1 }

[components.api]
paths = ["api/**"]

[components.web]
paths = ["web/**"]
"#;

/// A text in [`POLICY`], and the mistake that replaces it.
type Mistake = (&'static str, &'static str);

const NAMES: &[Mistake] = &[
    ("dev   = {}", "dev   = { approvalz = 1 }"),
    ("dev   = {}", "dev   = { colour = \"red\" }"),
    ("[groups]", "[group]"),
    ("promote_from = \"stage\"", "promote_from = \"stag\""),
    (
        "approvals = 1",
        "approvals = { required = 1, by = \"bbo\" }",
    ),
    ("approvals = 1", "deployers = [\"relase\", \"carol\"]"),
    (
        "paths = [\"api/**\"]",
        "paths = [\"api/**\"]\ndepends_on = \"wbe\"",
    ),
    ("release = [", "bob = ["),
    ("dev   = {}", "dev   = {}\ndev   = {}"),
    ("dev   = {}", "Dev   = {}"),
    ("dev   = {}", "policy = {}\ndev   = {}"),
    ("[components.web]", "[components.rest]"),
];

const PEOPLE: &[Mistake] = &[
    ("<bob>", "<alice>"),
    ("<bob>", "RWbad"),
    ("emails = [\"bob@example.com\"]", "emails = [\"bob\"]"),
    ("emails = [\"bob@example.com\"]", "retired = \"<ci>\""),
    ("release = [\"alice\", \"bob\"]", "release = []"),
    (
        "release = [\"alice\", \"bob\"]",
        "release = [\"alice\", \"release\"]",
    ),
    ("approvals = 1", "deployers = []"),
];

const APPROVALS: &[Mistake] = &[
    ("approvals = 1", "approvals = 3"),
    ("approvals = 1", "approvals = 99"),
    ("approvals = 1", "approvals = -1"),
    ("approvals = 1", "approvals = \"two\""),
    ("approvals = 1", "approvals = { by = \"ci\" }"),
    (
        "approvals = 1",
        "approvals = [{ by = \"bob\" }, { by = \"bob\" }]",
    ),
    ("approvals = 1", "approvals = 2, deployers = \"release\""),
    ("approvals = 1", "checks = \"test-resul\""),
    (
        "[groups]",
        "[policy]\nadmins = \"alice\"\napprovals = 1\n\n[groups]",
    ),
];

const CIRCLES: &[Mistake] = &[
    ("dev   = {}", "dev   = { promote_from = \"prod\" }"),
    ("dev   = {}", "dev   = { promote_from = \"dev\" }"),
    (
        "/**\"]\n\n[components.web]",
        "/**\"]\ndepends_on = \"web\"\n\n[components.web]\ndepends_on = \"api\"",
    ),
    (
        "dev   = {}",
        "dev   = { branch = \"main\" }\nqa    = { branch = \"main\" }",
    ),
    (
        "dev   = {}",
        "dev   = {}\n\"pr-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }\n\"pr-x-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }",
    ),
    (
        "dev   = {}",
        "dev   = {}\n\"dev-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }",
    ),
    ("dev   = {}", "dev   = {}\n\"pr-*\" = {}"),
    ("dev   = {}", "dev   = {}\n\"*\" = {}"),
];

const VALUES: &[Mistake] = &[
    ("\"web/**\"", "\"web/[**\""),
    ("\"web/**\"", "\"/web/**\""),
    ("\"web/**\"", "\"../web\""),
    ("approvals = 1", "soak = \"1 hour\""),
    ("approvals = 1", "soak = 3600"),
    (
        "approvals = 1",
        "freeze = { start = \"Fri 16:00\", end = \"Mon 08:00\", timezone = \"Europe/Lundon\" }",
    ),
    (
        "approvals = 1",
        "freeze = { start = \"Friday 4pm\", end = \"Mon 08:00\" }",
    ),
    ("approvals = 1", "version = { from = \"VERSION\" }"),
    ("approvals = 1", "tag = \"{verison}\""),
    ("approvals = 1", "url = \"ftp://shop.example.com\""),
    ("dev   = {}", "dev   = \"yes\""),
    ("dev   = {}", "dev   = { branch = \"a b\" }"),
];

const FILES: &[Mistake] = &[
    ("schema  = 1\n", ""),
    ("schema  = 1", "schema  = 2"),
    ("project = \"shop\"\n", ""),
    ("\"shop\"", "\"Shop\""),
    ("dev   = {}", "dev   = {"),
    ("dev   = {}", "dev   = yes"),
    (
        "dev   = {}",
        "<<<<<<< HEAD\ndev   = {}\n=======\ndev   = { soak = \"1h\" }\n>>>>>>> topic",
    ),
    (
        "dev   = {}",
        "dev   = { soak = 5, approvalz = 1, branch = \"a b\" }\nDev   = {}",
    ),
];

/// Returns a project of alice alone, and a policy of three people with keys.
fn begun(world: &World) -> (Repo<'_>, String) {
    let alice = world.repo("alice");
    alice.commit("api/main.rs", "fn main() {}\n", "Begin");
    alice
        .deploy(&["init", "--name", "shop", "--no-password"])
        .ok();
    let key = |name: &str| {
        let file = world.path().join(format!("home/{name}.key"));
        alice
            .deploy(&["key", "new", &file.to_string_lossy(), "--no-password"])
            .ok()
            .text()
    };
    let own = alice.deploy(&["key", "show"]).ok().text();
    let policy = POLICY.to_owned();
    alice.write("keys", &format!("{own} {} {}", key("bob"), key("ci")));
    (alice, policy)
}

/// Puts real keys into the text.
fn with_keys(alice: &Repo<'_>, text: &str) -> String {
    let keys = std::fs::read_to_string(alice.path().join("keys")).unwrap();
    let pairs = ["<alice>", "<bob>", "<ci>"]
        .into_iter()
        .zip(keys.split(' '));
    pairs.fold(text.to_owned(), |text, (name, key)| text.replace(name, key))
}

/// Returns what publishing such a file prints, and checks that it changes nothing.
#[track_caller]
fn said(page: &Page<'_>, alice: &Repo<'_>, bytes: &[u8]) -> String {
    std::fs::write(alice.path().join("deploy.toml"), bytes).unwrap();
    let before = page.everything();
    let run = alice.deploy(&["policy", "publish", "--yes"]).fails(1);
    assert_eq!(page.everything(), before, "{run}");
    let words = run.err();
    let count = words
        .lines()
        .filter(|line| line.starts_with("deploy.toml"))
        .count();
    assert!(
        count > 0
            && words.contains(&format!(
                "error: deploy.toml is not a valid policy: {count} error"
            )),
        "{run}"
    );
    words
        .lines()
        .filter(|line| !line.starts_with("error: ") && !line.starts_with("  hint: "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Each mistake is reported with its place and a suggestion, and nothing comes into force.
#[test]
fn every_mistake_is_explained() {
    let world = World::new();
    let (alice, policy) = begun(&world);
    let page = Page::new(&world, vec![&alice]);
    alice.write("deploy.toml", &with_keys(&alice, &policy));
    alice.deploy(&["policy", "diff"]).ok();
    let pages = [
        ("names", NAMES),
        ("people", PEOPLE),
        ("approvals", APPROVALS),
        ("circles", CIRCLES),
        ("values", VALUES),
        ("files", FILES),
    ];
    for (name, mistakes) in pages {
        let mut text = String::new();
        for (right, wrong) in mistakes {
            assert!(policy.contains(right), "{right}");
            let words = said(
                &page,
                &alice,
                with_keys(&alice, &policy.replacen(right, wrong, 1)).as_bytes(),
            );
            let shown = if wrong.is_empty() {
                format!("(without {right})")
            } else {
                (*wrong).to_owned()
            };
            writeln!(
                text,
                "{}\n\n{words}\n",
                shown
                    .trim_end()
                    .lines()
                    .map(|line| format!("    {line}"))
                    .collect::<Vec<_>>()
                    .join("\n")
            )
            .unwrap();
        }
        with_random_keys().bind(|| insta::assert_snapshot!(format!("policy_{name}"), text));
    }
}

/// A policy that is missing, too long or not text is reported with the next step.
#[test]
fn unreadable_policy_files() {
    let world = World::new();
    let (alice, policy) = begun(&world);
    let mut page = Page::new(&world, vec![&alice]);
    let publish = &["policy", "publish", "--yes"];
    let file = alice.path().join("deploy.toml");
    let long = vec![b'#'; (1 << 20) + 1];
    for (words, bytes) in [
        ("not UTF-8", &b"schema = 1\nproject = \"\xff\"\n"[..]),
        (
            "a byte that is none of a text",
            b"schema = 1\nproject = \"a\0b\"\n",
        ),
        ("too long", &long),
        ("empty", b""),
    ] {
        page.say(words);
        std::fs::write(&file, bytes).unwrap();
        page.fails(&alice, 1, publish);
    }
    page.say("none");
    std::fs::remove_file(&file).unwrap();
    page.fails(&alice, 3, publish);
    page.say("a folder");
    std::fs::create_dir(&file).unwrap();
    page.fails(&alice, 3, publish);
    std::fs::remove_dir(&file).unwrap();
    page.say("another project's");
    alice.write(
        "deploy.toml",
        &with_keys(&alice, &policy.replace("\"shop\"", "\"other\"")),
    );
    page.fails(&alice, 1, publish);
    page.say("without whoever publishes it");
    let stranger = with_keys(
        &alice,
        &policy
            .replace("alice = \"<alice>\"\n", "")
            .replace("\"alice\", ", ""),
    );
    alice.write("deploy.toml", &stranger);
    page.fails(&alice, 1, publish);
    page.say("of a commit, a file and a revision that are none");
    alice.write("deploy.toml", &with_keys(&alice, &policy));
    page.fails(&alice, 2, &["policy", "diff", "nowhere"]);
    page.fails(&alice, 3, &["policy", "diff", "HEAD"]);
    page.say("without anybody to ask");
    page.fails(&alice, 2, &["policy", "publish"]);
    page.assert("policy_no_file");
    assert!(Run::of(&world, alice.command("git-deploy").args(publish)).succeeded());
}
