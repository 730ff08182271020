//! Unusual forms of signatures, entries, names and commits that the other groups do not cover.

use git_deploy::testing::domain::entry::{Action, Attestation};
use git_deploy::testing::domain::id::CommitId;
use git_deploy::testing::domain::time::Span;

use super::super::g06_signers::{base64, to_base64};
use crate::harness::attack::{a_build, an_entry};
use crate::harness::{AttackRunner, Project, World};

/// The order of the group that signatures are computed in, least byte first: added to the second half of a signature, the sum is still right.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A signature with another checksum, key id, comment, or with parts of another good signature is
/// refused.
#[test]
fn signatures_have_one_form() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let ci = &project.ci;
    let main = ci.repo.rev("HEAD");
    let good = an_entry(ci, "dev");
    let file = |id: &str| {
        String::from_utf8(ci.bytes("blob", &format!("{id}:entry.json.minisig"))).unwrap()
    };
    let signature = file(&good);
    let other = file(
        &ci.build("evidence", a_build(ci, &main), None, |_| ())
            .to_string(),
    );
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let with = |at: usize, line: &str| {
        let mut lines = lines(&signature);
        line.clone_into(&mut lines[at]);
        lines.join("\n") + "\n"
    };
    let raw = base64(&lines(&signature)[1]);
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut raw = raw.clone();
        edit(&mut raw);
        with(1, &to_base64(&raw))
    };
    let higher = edited(&|raw| {
        let mut carry = 0;
        for (byte, more) in raw[42..74].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
    });
    let first = &lines(&signature)[1];
    let attacks = AttackRunner::of(&project);
    for (attack, text) in [
        ("another sum", higher),
        ("no key's id", edited(&|raw| raw[2..10].fill(0))),
        (
            "an unknown algorithm",
            edited(&|raw| raw[..2].copy_from_slice(b"EE")),
        ),
        (
            "the global signature of another",
            with(3, &lines(&other)[3]),
        ),
        ("the comment of another", with(2, &lines(&other)[2])),
        ("the signature of another", with(1, &lines(&other)[1])),
        ("all of another", other),
        (
            "an order to the terminal",
            with(
                0,
                "untrusted comment: \u{1b}[2J\u{1b}]0;pwned\u{7} signature by alice",
            ),
        ),
        ("turned round", with(0, "untrusted comment: \u{202e}evil")),
        ("a NUL in front", with(0, "untrusted comment: a\0b")),
        (
            "an order in the trusted comment",
            with(2, &format!("{} \u{1b}[2J", lines(&signature)[2])),
        ),
        ("a space in front", with(1, &format!(" {first}"))),
        ("a space behind", with(1, &format!("{first} "))),
        (
            "a line break inside",
            with(1, &format!("{}\n{}", &first[..40], &first[40..])),
        ),
        ("an empty line", with(1, &format!("\n{first}"))),
    ] {
        let forged = ci.refile(&good, &[("entry.json.minisig", text.as_bytes())]);
        let said = attacks.refused_entry(attack, &["authorization"], ci, "dev", &forged);
        assert_eq!(
            crate::harness::attack::strange(&said),
            None,
            "{attack}: {said:?}"
        );
    }
    ci.push(&[&format!("{good}:refs/deploy/dev")]).ok();
    attacks.finish();
}

/// A time, a number, a key and a text each have one spelling.
#[test]
fn values_have_one_spelling() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let ci = &project.ci;
    let commit = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    let attestation = Attestation {
        commit,
        environment: None,
        predicate_type: "https://in-toto.io/attestation/test-result/v0.1"
            .parse()
            .unwrap(),
        suite: None,
        predicate: serde_json::from_str(r#"{"note": "fine", "result": "PASSED"}"#).unwrap(),
    };
    let good = ci
        .build("evidence", Action::Attestation(attestation), None, |_| ())
        .to_string();
    let at = world.now().to_string();
    let attacks = AttackRunner::of(&project);
    let entry = |attack: &str, from: &str, to: &str| {
        let forged = ci.resigned(&good, |text| {
            assert!(text.contains(from), "{attack}: {text}");
            text.replacen(from, to, 1).into_bytes()
        });
        let said = attacks.refused_entry(attack, &["chain"], ci, "evidence", &forged);
        assert_eq!(
            crate::harness::attack::strange(&said),
            None,
            "{attack}: {said:?}"
        );
    };
    let time = |other: String| entry(&other, &at, &other);
    let head = at.trim_end_matches('Z');
    for other in [
        format!("{head}.999Z"),
        format!("{head}.0Z"),
        at.to_lowercase(),
        at.replace('T', " "),
        format!("+{at}"),
        format!("{}60Z", &head[..head.len() - 2]),
        format!("{}24:00:00Z", &at[..11]),
        at.replace(['-', ':'], ""),
        format!("{head}-00:00"),
        format!("{head}Z[UTC]"),
        format!(" {at}"),
    ] {
        time(other);
    }
    let passed = "\"result\": \"PASSED\"";
    let more =
        |attack: &str, what: &str| entry(attack, passed, &format!("\"z\": {what}, {passed}"));
    entry(
        "the same key in another spelling",
        passed,
        &format!("\"resul\\u0074\": \"FAILED\", {passed}"),
    );
    for (attack, what) in [
        ("a number of 5,000 digits", "9".repeat(5_000)),
        ("a number without bounds", "1e400".to_owned()),
        (
            "20,000 keys",
            format!(
                "{{{}}}",
                (0..20_000)
                    .map(|at| format!("\"k{at}\":1"))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        ),
        ("a comment", "1 // x\n".to_owned()),
        (
            "half a surrogate the wrong way round",
            "\"\\udc00\\ud800\"".to_owned(),
        ),
    ] {
        more(attack, &what);
    }
    // Fillers and marks that show nothing, or something over everything around them.
    for (attack, text) in [
        ("a next line", "fi\u{85}ne".to_owned()),
        ("no space", "fi\u{feff}ne".to_owned()),
        ("a word joiner", "fi\u{2060}ne".to_owned()),
    ] {
        entry(attack, "fine", &text);
    }
    ci.push(&[&format!("{good}:refs/deploy/evidence")]).ok();
    attacks.finish();
}

/// An environment of a pattern has a matching name and an allowed lifetime, and is in the pattern's
/// ledger.
#[test]
fn pattern_environments_keep_their_limits() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = {}\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n",
    );
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "pr-1"]).ok();
    let lock = || crate::harness::member::a_lock();
    let next = ci
        .build("pr", lock(), None, |it| {
            it.environment = Some("pr-1".parse().unwrap());
        })
        .to_string();
    let attacks = AttackRunner::of(&project);
    let long = format!("pr-{}", "a".repeat(80));
    for name in [
        "prod",
        "dev",
        "stage",
        "pr",
        "pr-2",
        "policy",
        "qr-1",
        "pr-",
        "pr-A",
        "pr-1 ",
        "pr-*",
        "pr-..",
        "../prod",
        "pr-\u{e9}",
        "pr-1\\n",
        "pr-.lock",
        "pr-1/x",
        "PR-1",
        &long,
    ] {
        let forged = ci.resigned(&next, |text| {
            text.replace(
                "\"environment\": \"pr-1\"",
                &format!("\"environment\": \"{name}\""),
            )
            .into()
        });
        attacks.refused_entry(name, &["chain"], ci, "pr", &forged);
    }
    let without = ci.resigned(&next, |text| {
        text.replace("    \"environment\": \"pr-1\",\n", "").into()
    });
    attacks.refused_entry("no environment", &["chain"], ci, "pr", &without);
    attacks.refused_entry(
        "its ledger as a ledger of its own",
        &["chain"],
        ci,
        "pr-1",
        &next,
    );
    ci.push(&[&format!("{next}:refs/deploy/pr")]).ok();
    attacks.finish();
}

/// If one clock is five minutes ahead, others can go on at once, and nothing else is accepted that
/// early.
#[test]
fn a_fast_clock_locks_nobody_out() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let (bob, ci) = (&project.bob, &project.ci);
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    bob.deploy(&["sync"]).ok();
    let main = bob.repo.rev("HEAD");
    let attacks = AttackRunner::of(&project);
    for ahead in [299, 299, 300] {
        let early = bob.append("evidence", a_build(bob, &main), None, |it| {
            it.at = world.now().plus(Span::from_seconds(ahead));
        });
        bob.push(&[&format!("{early}:refs/deploy/evidence")]).ok();
    }
    for ahead in [301, 310, 3_600] {
        let late = bob.build("evidence", a_build(bob, &main), None, |it| {
            it.at = world.now().plus(Span::from_seconds(ahead));
        });
        attacks.refused_entry(&format!("{ahead} s"), &["time"], bob, "evidence", &late);
    }
    // Whoever goes on is as late as the entry before.
    for _ in 0..2 {
        ci.deploy(&["attest", "test-result", "--result", "passed"])
            .ok();
        ci.deploy(&["record", "dev", "--all", "--verification", "passed"])
            .ok();
    }
    world.advance("6m");
    attacks.finish();
}

/// Malformed commits that git accepts, below an honest one, stop nothing and hide no author.
#[test]
fn malformed_ancestors_hide_nobody() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nqa = { approvals = { required = 1, by = [\"bob\", \"carol\"] } }\n",
    );
    let (server, bob, carol, ci) = (&project.server, &project.bob, &project.carol, &project.ci);
    carol.deploy(&["approve", "qa"]).ok();
    ci.deploy(&["record", "qa"]).ok();
    let main = server.rev("refs/heads/main");
    let changed = carol.object("blob", b"y");
    let tree = carol.object(
        "tree",
        &[b"100644 x\0", &crate::harness::forgery::hex(&changed)[..]].concat(),
    );
    let now = world.now().as_seconds();
    let commit = |author: &str, committer: &str, more: &str| {
        format!("tree {tree}\nparent {main}\n{author}\n{committer}\n{more}\nm\n").into_bytes()
    };
    let (a, c) = (
        format!("author a <a@x> {now} +0000"),
        format!("committer a <a@x> {now} +0000"),
    );
    let odd: Vec<(&str, Vec<u8>)> = vec![
        ("no author", commit("xuthor a <a@x> 1 +0000", &c, "")),
        ("no committer", commit(&a, "xommitter a <a@x> 1 +0000", "")),
        ("no address", commit("author a 1 +0000", &c, "")),
        ("no time", commit("author a <a@x>", "committer a <a@x>", "")),
        (
            "a time beyond all",
            commit(&a, "committer a <a@x> 99999999999999999999999 +0000", ""),
        ),
        (
            "the last time",
            commit(&a, &format!("committer a <a@x> {} +0000", i64::MAX), ""),
        ),
        (
            "a time before all",
            commit(&a, "committer a <a@x> -5 +0000", ""),
        ),
        ("a NUL", commit("author a\0b <a@x> 1 +0000", &c, "")),
        (
            "a header of 3 MB",
            commit(&a, &c, &format!("x {}\n", "A".repeat(3_000_000))),
        ),
        ("no end of a signature", commit(&a, &c, "gpgsig x\n y\n")),
        (
            "a parent twice",
            commit(&format!("parent {main}\n{a}"), &c, ""),
        ),
        (
            "no message",
            format!("tree {tree}\nparent {main}\n{a}\n{c}\n").into_bytes(),
        ),
        (
            "Bob in brackets",
            commit(&format!("author a <<bob@example.com>> {now} +0000"), &c, ""),
        ),
        (
            "Bob beside another",
            commit(
                &format!("author a <a@x> <bob@example.com> {now} +0000"),
                &c,
                "",
            ),
        ),
    ];
    let contents = carol.object("blob", b"x");
    let other = carol.object(
        "tree",
        &[b"100644 x\0", &crate::harness::forgery::hex(&contents)[..]].concat(),
    );
    for (at, (what, bytes)) in odd.iter().enumerate() {
        let id = carol.object("commit", bytes);
        let honest = carol
            .repo
            .git(&["commit-tree", "-m", what, "-p", &id, &other])
            .ok()
            .text();
        let branch = format!("{honest}:refs/heads/odd-{at}");
        carol.push(&[&branch]).ok();
        for member in [bob, ci] {
            member.repo.git(&["fetch", "-q", "origin"]).ok();
        }
        bob.deploy(&["approve", "qa", &honest, "--anyway"]).ok();
        if what.starts_with("Bob") {
            project.refused(&["approvals"], || {
                ci.deploy(&["record", "qa", &honest, "--no-verify"])
            });
        } else {
            ci.deploy(&["sync"]).ok();
            ci.deploy(&["record", "qa", &honest, "--dry-run"]).ok();
        }
        ci.deploy(&["check", "dev", &honest]).ok();
        bob.deploy(&["diff", "qa", &honest]).ok();
    }
    // git fsck has its own opinion of such commits, so the end is another here than elsewhere.
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    carol.deploy(&["sync"]).ok();
    carol.deploy(&["audit"]).ok();
}
