//! Group 4: a file of an entry's tree edited, dropped or added, trees as only a forger writes them, and messages that are not the entry's.
//!
//! What the tree of a deployment may not say is in `entries::not_the_fold`; here are bytes that git's own tools would not write, and the
//! ledgers besides.

use git_deploy::testing::domain::entry::{Action, Yank};
use git_deploy::testing::domain::id::CommitId;

use crate::harness::attack::a_build;
use crate::harness::forgery::hex;
use crate::harness::member::a_lock;
use crate::harness::{AttackRunner, Member, Project, World};

/// Returns the entries of a tree in their order: mode, name, id.
fn entries(member: &Member<'_>, commit: &str) -> Vec<(String, String, Vec<u8>)> {
    let raw = member.bytes("tree", &member.repo.rev(&format!("{commit}^{{tree}}")));
    let width = member.repo.rev(commit).len() / 2;
    let mut entries = Vec::new();
    let mut rest = &raw[..];
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let nul = rest.iter().position(|byte| *byte == 0).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        entries.push((
            text(&rest[..space]),
            text(&rest[space + 1..nul]),
            rest[nul + 1..nul + 1 + width].to_vec(),
        ));
        rest = &rest[nul + 1 + width..];
    }
    entries
}

fn tree(entries: &[(String, String, Vec<u8>)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(mode, name, id)| [format!("{mode} {name}\0").as_bytes(), id].concat())
        .collect()
}

/// Trees with the same meaning in other bytes, or with two meanings, are refused.
#[test]
fn trees_have_one_spelling() {
    for world in [World::new(), World::sha256()] {
        let project = Project::new(&world, "[environments]\ndev = {}\n");
        let ci = &project.ci;
        ci.deploy(&["record", "dev"]).ok();
        let good = ci
            .build("dev", ci.a_record("HEAD", Some("HEAD")), None, |_| ())
            .to_string();
        let honest = entries(ci, &good);
        let at = |name: &str| {
            honest
                .iter()
                .position(|(_, found, _)| found == name)
                .unwrap()
        };
        let (entry, signature, components) =
            (at("entry.json"), at("entry.json.minisig"), at("components"));
        let attacks = AttackRunner::of(&project);
        let mode = |index: usize, mode: &str| {
            let mut entries = honest.clone();
            entries[index].0 = mode.to_owned();
            entries
        };
        let name = |index: usize, name: &str| {
            let mut entries = honest.clone();
            entries[index].1 = name.to_owned();
            entries
        };
        let add = |index: usize, mode: &str, name: &str, id: &[u8]| {
            let mut entries = honest.clone();
            entries.insert(index, (mode.to_owned(), name.to_owned(), id.to_vec()));
            entries
        };
        let (blob, folder) = (&honest[entry].2, &honest[components].2);
        let other = hex(&ci.object("blob", b"{}\n"));
        let reversed: Vec<_> = honest.iter().rev().cloned().collect();
        let trees = [
            ("a mode with a zero in front", mode(entry, "0100644")),
            ("an executable entry", mode(entry, "100755")),
            ("an entry that others may write", mode(entry, "100664")),
            ("an entry that is a symbolic link", mode(entry, "120000")),
            ("an entry that is a submodule", mode(entry, "160000")),
            (
                "a signature that is a symbolic link",
                mode(signature, "120000"),
            ),
            ("components that are a file", mode(components, "100644")),
            (
                "a folder's mode with a zero in front",
                mode(components, "040000"),
            ),
            ("an entry called otherwise", name(entry, "Entry.json")),
            (
                "components called otherwise",
                name(components, "Components"),
            ),
            (
                "the entry twice, the false one first",
                add(entry, "100644", "entry.json", &other),
            ),
            (
                "the entry twice, the false one last",
                add(entry + 1, "100644", "entry.json", &other),
            ),
            (
                "components twice",
                add(components, "40000", "components", folder),
            ),
            (
                "a file and a folder of one name",
                add(components, "100644", "components", blob),
            ),
            ("turned round", reversed),
            ("a folder .git", add(0, "40000", ".git", folder)),
            ("a folder ..", add(0, "40000", "..", folder)),
            (
                "a name with a slash",
                add(components, "100644", "components/demo/lock.json", blob),
            ),
            (
                "a name of a terminal's",
                add(0, "100644", "\u{1b}[2J", blob),
            ),
            (
                "an empty folder",
                add(entry, "40000", "empty", &hex(&ci.object("tree", b""))),
            ),
            (
                "a lock nobody made",
                add(honest.len(), "100644", "lock.json", blob),
            ),
            (
                "a ledger in a ledger",
                add(
                    components,
                    "160000",
                    "z",
                    &hex(&ci.repo.rev("refs/deploy/dev")),
                ),
            ),
        ];
        for (attack, entries) in &trees {
            attacks.refused_entry(
                attack,
                &["chain"],
                ci,
                "dev",
                &ci.over(&good, &tree(entries)),
            );
        }
        // Of these git itself makes no pack.
        for (attack, entries) in [
            ("an entry that is a folder", mode(entry, "40000")),
            ("a file without a name", add(0, "100644", "", blob)),
        ] {
            let forged = ci.over(&good, &tree(&entries));
            attacks.fails(attack, || ci.push(&[&format!("+{forged}:refs/deploy/dev")]));
        }
        for (attack, bytes) in [
            ("no tree at all", &b"garbage"[..]),
            ("a cut off tree", &tree(&honest)[..60]),
            ("nothing", b""),
        ] {
            let forged = ci.over(&good, bytes);
            attacks.fails(attack, || ci.push(&[&format!("+{forged}:refs/deploy/dev")]));
        }
        ci.push(&[&format!("{good}:refs/deploy/dev")]).ok();
        attacks.finish();
    }
}

/// The message, the people, the time and every header of the commit must follow from the entry.
#[test]
fn messages_must_follow_from_the_entry() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let good = ci
        .build("dev", ci.a_record("HEAD", Some("HEAD")), None, |_| ())
        .to_string();
    let raw = String::from_utf8(ci.bytes("commit", &good)).unwrap();
    let attacks = AttackRunner::of(&project);
    let (before, after) = raw.split_once("\n\n").unwrap();
    let edits: Vec<(&str, Vec<u8>)> = vec![
        ("no message", format!("{before}\n\n").into()),
        ("no end of the headers", format!("{before}\n").into()),
        ("a line more", format!("{raw}\n").into()),
        ("no last newline", raw.trim_end().into()),
        (
            "a trailer more",
            format!("{raw}Deploy-Approved-By: bob\n").into(),
        ),
        (
            "a trailer twice",
            raw.replace("Deploy-By: ci\n", "Deploy-By: ci\nDeploy-By: ci\n")
                .into(),
        ),
        ("a trailer less", raw.replace("Deploy-By: ci\n", "").into()),
        (
            "a trailer of other letters",
            raw.replace("Deploy-By", "deploy-by").into(),
        ),
        (
            "lines as on Windows",
            format!("{before}\n\n{}", after.replace('\n', "\r\n")).into(),
        ),
        ("a NUL", [raw.as_bytes(), b"\0"].concat()),
        (
            "a NUL and more",
            [raw.as_bytes(), b"\0Deploy-By: bob\n"].concat(),
        ),
        (
            "no UTF-8",
            raw.replace("succeeded", "succ\u{0}")
                .replace('\u{0}', "\u{e9}")
                .chars()
                .map(|c| c as u8)
                .collect(),
        ),
        (
            "an encoding",
            raw.replacen("\n\n", "\nencoding ISO-8859-1\n\n", 1).into(),
        ),
        (
            "a signature of git's",
            raw.replacen(
                "\n\n",
                "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n",
                1,
            )
            .into(),
        ),
        (
            "a merged tag",
            raw.replacen("\n\n", "\nmergetag object x\n type commit\n\n", 1)
                .into(),
        ),
        (
            "a header nobody knows",
            raw.replacen("author ", "x-parent 1\nauthor ", 1).into(),
        ),
        (
            "two authors",
            raw.replacen("author ", "author alice <alice@demo> 1 +0000\nauthor ", 1)
                .into(),
        ),
        (
            "two trees",
            raw.replacen(
                "parent ",
                &format!("tree {}\nparent ", ci.repo.rev("HEAD^{tree}")),
                1,
            )
            .into(),
        ),
        (
            "another committer",
            raw.replacen("committer ci", "committer bob", 1).into(),
        ),
        (
            "another project's person",
            raw.replace("ci@demo", "ci@other").into(),
        ),
        ("another second", raw.replace("0000\n", "0001\n").into()),
        (
            "a time with a sign",
            raw.replacen(" +0000\ncommitter", " -0000\ncommitter", 1)
                .into(),
        ),
        (
            "a mark in front",
            ["\u{feff}".as_bytes(), raw.as_bytes()].concat(),
        ),
        (
            "the tree in capitals",
            raw.replacen("tree ", "tree  ", 1).into(),
        ),
        ("author before parents", {
            let (head, rest) = raw.split_once("parent ").unwrap();
            let (parents, rest) = rest.split_once("author ").unwrap();
            let (author, rest) = rest.split_once('\n').unwrap();
            format!("{head}author {author}\nparent {parents}{rest}").into()
        }),
    ];
    for (attack, bytes) in edits {
        assert_ne!(bytes, raw.as_bytes(), "{attack}");
        let forged = ci.object("commit", &bytes);
        let said = attacks.fails(attack, || ci.push(&[&format!("+{forged}:refs/deploy/dev")]));
        // Some of it git takes for no commit; the rest we do.
        let ours =
            said.contains("git-deploy: refused  refs/deploy/dev") && said.contains("✗ chain");
        assert!(
            ours || said.contains("fatal") || said.contains("missing necessary objects"),
            "{attack}: {said}"
        );
    }
    ci.push(&[&format!("{good}:refs/deploy/dev")]).ok();
    attacks.finish();
}

/// No file can be added to ledgers that hold no code.
#[test]
fn ledgers_without_code_take_no_other_files() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n",
    );
    let (alice, ci) = (&project.alice, &project.ci);
    ci.deploy(&["record", "pr-1"]).ok();
    let head = ci.repo.rev("HEAD");
    let yank = Yank {
        commit: Some(CommitId(head.parse().unwrap())),
        digest: None,
        contents: Vec::new(),
        reason: "bad".parse().unwrap(),
    };
    ci.append("evidence", Action::Yank(yank), None, |_| ());
    ci.push(&["refs/deploy/evidence"]).ok();
    let build = ci
        .build("evidence", a_build(ci, &head), None, |_| ())
        .to_string();
    let attacks = AttackRunner::of(&project);
    let file = ci.object("blob", b"{}\n");
    let yanked = format!("yanked/commit/{head}.json");
    let edits: [&[&str]; 5] = [
        &["--force-remove", &yanked],
        &[
            "--add",
            "--cacheinfo",
            &format!("100644,{file},{}", yanked.replace(&head[..4], "0000")),
        ],
        &["--cacheinfo", &format!("100644,{file},{yanked}")],
        &[
            "--add",
            "--cacheinfo",
            &format!("100644,{file},deploy.toml"),
        ],
        &[
            "--add",
            "--cacheinfo",
            &format!("160000,{head},components/demo/commit"),
        ],
    ];
    for edit in edits {
        attacks.refused_entry(
            &format!("evidence: {edit:?}"),
            &["chain"],
            ci,
            "evidence",
            &ci.retree(&build, &[edit]),
        );
    }
    // The state of all ephemeral environments is in one tree: an entry of one of them leaves the others alone.
    let lock = ci
        .build("pr", a_lock(), None, |it| {
            it.environment = Some("pr-1".parse().unwrap());
        })
        .to_string();
    let edits: [&[&str]; 4] = [
        &["--force-remove", "environments/pr-1/expires.json"],
        &[
            "--add",
            "--cacheinfo",
            &format!("100644,{file},environments/pr-2/expires.json"),
        ],
        &[
            "--add",
            "--cacheinfo",
            &format!("100644,{file},expires.json"),
        ],
        &[
            "--add",
            "--cacheinfo",
            &format!("160000,{head},environments/dev/components/demo/commit"),
        ],
    ];
    for edit in edits {
        attacks.refused_entry(
            &format!("pr: {edit:?}"),
            &["chain"],
            ci,
            "pr",
            &ci.retree(&lock, &[edit]),
        );
    }
    // The policy in force is a file of the tree: none but the published one.
    alice.deploy(&["sync"]).ok();
    let text = project.policy("[environments]\ndev = {}\nqa = {}\n");
    let publish = super::forged_entries::publish(alice, &text).to_string();
    let loose = alice.object("blob", text.replace("qa", "qb").as_bytes());
    let old = alice.repo.rev("refs/deploy/policy:deploy.toml");
    let edits: [&[&str]; 4] = [
        &["--cacheinfo", &format!("100644,{loose},deploy.toml")],
        &["--cacheinfo", &format!("100644,{old},deploy.toml")],
        &["--force-remove", "deploy.toml"],
        &[
            "--add",
            "--cacheinfo",
            &format!("100644,{loose},Deploy.toml"),
        ],
    ];
    for edit in edits {
        attacks.refused_entry(
            &format!("policy: {edit:?}"),
            &["chain"],
            alice,
            "policy",
            &alice.retree(&publish, &[edit]),
        );
    }
    attacks.finish();
}
