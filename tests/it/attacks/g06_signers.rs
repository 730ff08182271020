//! Group 6: unknown, removed and foreign keys, people who approve their own work, and invalid
//! signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git_deploy::testing::domain::entry::{Action, ApprovalPurpose, Approve, Statement};
use git_deploy::testing::domain::id::CommitId;
use git_deploy::testing::domain::time::Span;

use crate::harness::attack::an_entry;
use crate::harness::member::a_lock;
use crate::harness::{AttackRunner, Member, Project, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { approvals = 2 }\nqa = { approvals = 1 }\n";

/// Replaces the 8 bytes of the key id in a signature line, which begin at its third byte.
fn with_key_id(signature: &[u8], of: &[u8]) -> Vec<u8> {
    use std::fmt::Write as _;
    let text = std::str::from_utf8(signature).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut bytes = base64(lines[1]);
    bytes[2..10].copy_from_slice(of);
    let mut new = String::new();
    writeln!(
        new,
        "{}\n{}\n{}\n{}",
        lines[0],
        to_base64(&bytes),
        lines[2],
        lines[3]
    )
    .unwrap();
    new.into_bytes()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A stranger's key is refused, even with a known name and key id, and so is a removed key.
#[test]
fn unknown_and_removed_keys_are_refused() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    let mallory = Member::new(&world, &project.server, "mallory");
    mallory
        .repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    let attacks = AttackRunner::of(&project);
    for name in ["mallory", "ci", "alice"] {
        let forged = mallory
            .build("dev", a_lock(), None, |it| it.by = name.parse().unwrap())
            .to_string();
        attacks.refused_entry(
            &format!("a stranger's key as {name}"),
            &["authorization"],
            &mallory,
            "dev",
            &forged,
        );
        let signature = mallory.bytes("blob", &format!("{forged}:entry.json.minisig"));
        for owner in [ci, alice] {
            let copied = with_key_id(&signature, &owner.key().key_id());
            let forged = mallory.refile(&forged, &[("entry.json.minisig", &copied)]);
            attacks.refused_entry(
                &format!("a stranger's key as {name}, with {}'s id", owner.person),
                &["authorization"],
                &mallory,
                "dev",
                &forged,
            );
        }
    }
    // One's own key with another's id on it, and another's name.
    let forged = an_entry(ci, "dev");
    let signature = ci.bytes("blob", &format!("{forged}:entry.json.minisig"));
    let copied = with_key_id(&signature, &alice.key().key_id());
    attacks.refused_entry(
        "one's own key under another's id",
        &["authorization"],
        ci,
        "dev",
        &ci.refile(&forged, &[("entry.json.minisig", &copied)]),
    );
    attacks.refused_entry(
        "in another's name",
        &["authorization"],
        ci,
        "dev",
        &ci.build("dev", a_lock(), None, |it| it.by = "alice".parse().unwrap()),
    );
    // Another's key in the entry, alone or with that person's name.
    let honest = String::from_utf8(ci.bytes("blob", &format!("{forged}:entry.json"))).unwrap();
    let with_key = honest.replace(&ci.key().to_string(), &alice.key().to_string());
    let with_name = with_key.replace("\"by\": \"ci\"", "\"by\": \"alice\"");
    assert!(honest != with_key && with_key != with_name);
    for (name, text) in [("key", &with_key), ("key and name", &with_name)] {
        let statement = Statement::parse(text.as_bytes()).unwrap();
        let signed = ci
            .signer
            .sign(text.as_bytes(), &statement.trusted_comment());
        let signed = signed.unwrap();
        let files: [(&str, &[u8]); 2] = [
            ("entry.json", text.as_bytes()),
            ("entry.json.minisig", &signed),
        ];
        attacks.refused_entry(
            &format!("another's {name} in the entry"),
            &["authorization"],
            ci,
            "dev",
            &ci.refile(&forged, &files),
        );
    }
    // A signature that was made for another entry of the same words, and one of the entry before.
    let other = an_entry(ci, "dev");
    world.advance("1s");
    let later = an_entry(ci, "dev");
    for id in [&other, &later] {
        let signature = ci.bytes("blob", &format!("{id}:entry.json.minisig"));
        let moved = ci.refile(&forged, &[("entry.json.minisig", &signature)]);
        // Signatures are random: the same bytes, signed twice, are signed.
        if id == &other {
            assert_ne!(moved, forged);
        } else {
            attacks.refused_entry(
                "another entry's signature",
                &["authorization"],
                ci,
                "dev",
                &moved,
            );
        }
    }

    // Bob gets a new key; what the old one signs is no more his.
    let old = bob.key().to_string();
    let new = git_deploy::testing::signing::key::generate_key(
        &world.path().join("home/bob-new.key"),
        None,
    )
    .unwrap();
    let text = project.policy("[environments]\ndev = {}\n");
    let retired = text.replace(
        &format!("key = \"{old}\""),
        &format!("key = \"{new}\", retired = [\"{old}\"]"),
    );
    assert_ne!(retired, text);
    alice.deploy(&["sync"]).ok();
    let publish = super::forged_entries::publish(alice, &retired);
    alice.push(&[&format!("{publish}:refs/deploy/policy")]).ok();
    bob.deploy(&["sync"]).ok();
    attacks.refused_entry(
        "a retired key",
        &["authorization"],
        bob,
        "dev",
        &an_entry(bob, "dev"),
    );
    attacks.fails("a retired key, by the program", || {
        bob.deploy(&["lock", "dev", "-m", "x", "--no-verify"])
    });
    attacks.finish();
}

/// A signature file with any other letter, line or ending is refused.
#[test]
fn changed_signature_files_are_refused() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let ci = &project.ci;
    let good = an_entry(ci, "dev");
    let signature =
        String::from_utf8(ci.bytes("blob", &format!("{good}:entry.json.minisig"))).unwrap();
    let lines: Vec<&str> = signature.lines().collect();
    let [untrusted, first, trusted, second] = lines[..] else {
        panic!("{signature}")
    };
    let file = |lines: [&str; 4]| lines.join("\n") + "\n";
    // The last letter before the padding carries bits that no byte needs.
    let malleable = |line: &str| {
        let (head, tail) = line.split_at(line.trim_end_matches('=').len() - 1);
        let at = DIGITS
            .iter()
            .position(|it| *it == tail.as_bytes()[0])
            .unwrap();
        format!("{head}{}{}", char::from(DIGITS[at ^ 1]), &tail[1..])
    };
    let changed = |line: &str, at: usize| {
        let letter = if line.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        format!("{}{letter}{}", &line[..at], &line[at + 1..])
    };
    let legacy = to_base64(&[b"Ed", &base64(first)[2..]].concat());
    let swapped = to_base64(&[&base64(first)[..10], &base64(second)[..]].concat());
    let zeros = to_base64(&[&base64(first)[..10], &[0; 64][..]].concat());
    let mut forgeries: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("a newline", b"\n".to_vec()),
        (
            "another untrusted comment",
            file(["untrusted comment: x", first, trusted, second]).into(),
        ),
        (
            "no untrusted comment",
            format!("{first}\n{trusted}\n{second}\n").into(),
        ),
        (
            "the legacy form",
            file([untrusted, &legacy, trusted, second]).into(),
        ),
        (
            "the global signature as signature",
            file([untrusted, &swapped, trusted, second]).into(),
        ),
        ("zeros", file([untrusted, &zeros, trusted, second]).into()),
        (
            "a zero global signature",
            file([untrusted, first, trusted, &to_base64(&[0; 64])]).into(),
        ),
        (
            "another place in the trusted comment",
            file([untrusted, first, &trusted.replace(" dev ", " qa "), second]).into(),
        ),
        (
            "another number",
            file([untrusted, first, &trusted.replace(" 1 ", " 2 "), second]).into(),
        ),
        (
            "another action",
            file([untrusted, first, &trusted.replace("lock", "unlock"), second]).into(),
        ),
        (
            "a space behind the comment",
            file([untrusted, first, &format!("{trusted} "), second]).into(),
        ),
        (
            "free bits of the first",
            file([untrusted, &malleable(first), trusted, second]).into(),
        ),
        (
            "free bits of the second",
            file([untrusted, first, trusted, &malleable(second)]).into(),
        ),
        (
            "no padding",
            file([untrusted, first, trusted, second.trim_end_matches('=')]).into(),
        ),
        (
            "other base64",
            file([
                untrusted,
                &first.replace('+', "-").replace('/', "_"),
                trusted,
                &(second.replace('+', "-").replace('/', "_") + "="),
            ])
            .into(),
        ),
        (
            "lines as on Windows",
            signature.replace('\n', "\r\n").into(),
        ),
        ("no last newline", signature.trim_end().into()),
        ("a newline more", format!("{signature}\n").into()),
        ("a line more", format!("{signature}x\n").into()),
        ("twice", format!("{signature}{signature}").into()),
        ("a NUL", format!("{signature}\0").into()),
        ("no UTF-8", [signature.as_bytes(), b"\xff\n"].concat()),
        ("a mark in front", format!("\u{feff}{signature}").into()),
        (
            "lines in another order",
            file([trusted, second, untrusted, first]).into(),
        ),
    ];
    for at in [0, 1, 2, 5, 13, 14, 50, 97] {
        forgeries.push((
            "a letter of the first",
            file([untrusted, &changed(first, at), trusted, second]).into(),
        ));
    }
    for at in [0, 40, 85] {
        forgeries.push((
            "a letter of the second",
            file([untrusted, first, trusted, &changed(second, at)]).into(),
        ));
    }
    let attacks = AttackRunner::of(&project);
    for (attack, bytes) in &forgeries {
        assert_ne!(bytes, signature.as_bytes(), "{attack}");
        let forged = ci.refile(&good, &[("entry.json.minisig", bytes)]);
        attacks.refused_entry(attack, &["authorization"], ci, "dev", &forged);
    }
    let long = ci.refile(
        &good,
        &[(
            "entry.json.minisig",
            format!("{signature}{}", "x".repeat(10_000)).as_bytes(),
        )],
    );
    attacks.refused("more than a signature", &["chain"], || {
        ci.push(&[&format!("{long}:refs/deploy/dev")])
    });
    ci.push(&[&format!("{good}:refs/deploy/dev")]).ok();
    attacks.finish();
}

/// Each approval must come from a different person without a part in the change: not a machine, a
/// second key or an author.
#[test]
fn approvals_need_different_uninvolved_people() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    let attacks = AttackRunner::of(&project);
    let approval = |member: &Member<'_>, commit: &str| {
        let commit = CommitId(commit.parse().unwrap());
        let expires = world.now().plus(Span::from_seconds(18_000));
        Action::Approve(Approve {
            commit,
            components: member.components(),
            purpose: ApprovalPurpose::Deploy,
            plans: [].into(),
            expires,
            comment: None,
        })
    };
    let head = ci.repo.rev("HEAD");
    for by in ["ci", "bob"] {
        let forged = ci.build("prod", approval(ci, &head), None, |it| {
            it.by = by.parse().unwrap();
        });
        attacks.refused_entry(
            &format!("a machine as {by}"),
            &["authorization"],
            ci,
            "prod",
            &forged,
        );
    }
    // What bob says twice is said once, however he says it.
    bob.deploy(&["approve", "prod"]).ok();
    world.advance("1m");
    bob.deploy(&["sync"]).ok();
    let twice = bob.append("prod", approval(bob, &head), None, |it| {
        it.requested_by = Some("carol".parse().unwrap());
    });
    bob.push(&[&format!("{twice}:refs/deploy/prod")]).ok();
    let to_prod = || ci.deploy(&["record", "prod", "--no-verify"]);
    attacks.refused("one person twice", &["approvals"], to_prod);
    let names = |names: &[&str]| {
        ci.deploy(&["sync"]).ok();
        ci.build("prod", ci.a_record("HEAD", None), None, |it| {
            let Action::Record(record) = &mut it.action else {
                panic!("not a record")
            };
            record.deployment.approved_by =
                names.iter().map(|name| name.parse().unwrap()).collect();
        })
    };
    attacks.refused_entry(
        "said to be two",
        &["approvals"],
        ci,
        "prod",
        &names(&["bob", "carol"]),
    );
    attacks.fails("said to be one twice", || {
        ci.push(&[&format!("{}:refs/deploy/prod", {
            let good = names(&["bob"]).to_string();
            ci.resigned(&good, |text| {
                text.replace("\"bob\"\n", "\"bob\",\n      \"bob\"\n")
                    .into_bytes()
            })
        })])
    });
    // One key is one person: under two names, or under two ids, no policy has it twice.
    let text = project.policy(POLICY);
    alice.deploy(&["sync"]).ok();
    let (key, other) = (bob.key(), carol.key().to_string());
    let renamed = git_deploy::testing::domain::id::PublicKey::new([9; 8], *key.as_bytes());
    for key in [key, renamed] {
        let text = text.replace(&other, &key.to_string());
        attacks.refused_entry(
            "one key for two",
            &["authorization"],
            alice,
            "policy",
            &super::forged_entries::publish(alice, &text),
        );
    }
    let shared = text.replace("carol@example.com", "BOB@example.com");
    attacks.refused_entry(
        "one address for two",
        &["authorization"],
        alice,
        "policy",
        &super::forged_entries::publish(alice, &shared),
    );
    let cased = text.replace("carol =", "Bob =");
    attacks.refused_entry(
        "one name for two",
        &["authorization"],
        alice,
        "policy",
        &super::forged_entries::publish(alice, &cased),
    );
    carol.deploy(&["approve", "prod"]).ok();
    ci.deploy(&["sync"]).ok();
    to_prod().ok();
    attacks.finish();
}

/// An author, committer or co-author cannot approve the change, whatever `.mailmap` says.
#[test]
fn authors_cannot_approve_their_change() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    ci.deploy(&["record", "qa", "--baseline", "HEAD", "--no-verify"])
        .fails(1);
    alice.deploy(&["record", "qa", "--baseline", "HEAD"]).ok();
    let attacks = AttackRunner::of(&project);
    alice.repo.write(
        ".mailmap",
        "Nobody <nobody@example.com> <bob@example.com>\nCarol <carol@example.com> <bob@example.com>\n",
    );
    alice.repo.git(&["add", "-A"]).ok();
    let commit = |author: &str, message: &str, committer: &str| {
        world.advance("1m");
        alice.repo.write("api/x", message);
        let mut command = alice.repo.command("git");
        let email = format!("{committer}@example.com");
        command
            .env("GIT_AUTHOR_EMAIL", author)
            .env("GIT_COMMITTER_EMAIL", email);
        crate::harness::Run::of(&world, command.args(["commit", "-q", "-a", "-m", message])).ok();
        alice.push(&["HEAD:refs/heads/main"]).ok();
        project.fetch();
    };
    let hidden = [
        ("author", "bob@example.com", "one", "mallory"),
        ("author in capitals", "BOB@Example.COM", "two", "mallory"),
        ("committer", "mallory@example.com", "three", "bob"),
        (
            "co-author",
            "mallory@example.com",
            "four\n\nCo-authored-by: B <bob@example.com>",
            "mallory",
        ),
        (
            "co-author in other letters",
            "mallory@example.com",
            "five\n\nco-AUTHORED-by: B <Bob@example.com>",
            "mallory",
        ),
    ];
    for (role, author, message, committer) in hidden {
        commit(author, message, committer);
        bob.deploy(&["approve", "qa"]).fails(1);
        bob.deploy(&["approve", "qa", "--anyway"]).ok();
        let said = attacks.refused(role, &["approvals"], || {
            ci.deploy(&["record", "qa", "--no-verify"])
        });
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("not by bob: authors and the deployer cannot approve"),
            "{role}: {said}"
        );
        carol.deploy(&["approve", "qa"]).ok();
        ci.deploy(&["record", "qa", "--verification", "passed"])
            .ok();
    }
    // Further back among what is brought in, and through a merge.
    commit("bob@example.com", "six", "mallory");
    commit("mallory@example.com", "seven", "mallory");
    bob.deploy(&["approve", "qa"]).fails(1);
    bob.deploy(&["approve", "qa", "--anyway"]).ok();
    attacks.refused("further back", &["approvals"], || {
        ci.deploy(&["record", "qa", "--no-verify"])
    });
    carol.deploy(&["approve", "qa"]).ok();
    ci.deploy(&["record", "qa", "--verification", "passed"])
        .ok();
    alice
        .repo
        .git(&["checkout", "-q", "-b", "side", "HEAD~1"])
        .ok();
    alice.repo.commit("side", "x\n", "aside");
    let mut command = alice.repo.command("git");
    command.env("GIT_AUTHOR_EMAIL", "bob@example.com");
    crate::harness::Run::of(
        &world,
        command.args(["commit", "-q", "--amend", "--no-edit", "--reset-author"]),
    )
    .ok();
    alice.repo.git(&["checkout", "-q", "main"]).ok();
    alice
        .repo
        .git(&["merge", "-q", "--no-ff", "-m", "Merge", "side"])
        .ok();
    alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    bob.deploy(&["approve", "qa"]).fails(1);
    bob.deploy(&["approve", "qa", "--anyway"]).ok();
    attacks.refused("through a merge", &["approvals"], || {
        ci.deploy(&["record", "qa", "--no-verify"])
    });
    attacks.finish();
}
