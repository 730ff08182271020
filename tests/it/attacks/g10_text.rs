//! Group 10: malformed, deep and ambiguous entries, and entries that contain terminal sequences.

use git_deploy::testing::domain::entry::{Action, Attestation};
use git_deploy::testing::domain::id::CommitId;

use crate::harness::attack::strange;
use crate::harness::{AttackRunner, Project, World};

/// Another text in place of an honest one, and what it is.
type Edit = (String, Box<dyn Fn(&str) -> Vec<u8>>);

fn with(what: &str, edit: fn(&str) -> Vec<u8>) -> Edit {
    (what.to_owned(), Box::new(edit))
}

/// Replaces the first of these texts with another.
fn put(what: &str, from: &'static str, to: &str) -> Edit {
    let to = to.to_owned();
    let edit = move |text: &str| {
        assert!(text.contains(from), "{from}: {text}");
        text.replacen(from, &to, 1).into_bytes()
    };
    (what.to_owned(), Box::new(edit))
}

/// Tries what is not JSON, not only JSON, or JSON in another spelling.
fn shapes() -> Vec<Edit> {
    let deep =
        |open: &str, close: &str, count: usize| open.repeat(count) + "1" + &close.repeat(count);
    vec![
        with("nothing", |_| vec![]),
        with("null", |_| b"null\n".to_vec()),
        with("a number", |_| b"1\n".to_vec()),
        with("an array", |text| format!("[{text}]\n").into()),
        with("cut off", |text| text.as_bytes()[..text.len() / 2].to_vec()),
        with("two", |text| text.repeat(2).into()),
        with("a brace more", |text| format!("{text}}}\n").into()),
        with("no last newline", |text| text.trim_end().into()),
        with("a newline more", |text| format!("{text}\n").into()),
        with("a space more", |text| format!("{text} ").into()),
        with("a mark in front", |text| format!("\u{feff}{text}").into()),
        with("lines as on Windows", |text| {
            text.replace('\n', "\r\n").into()
        }),
        with("one line", |text| {
            text.lines().map(str::trim_start).collect::<String>().into()
        }),
        with("tabs", |text| text.replace("  ", "\t").into()),
        with("UTF-16", |text| {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }),
        with("a comment", |text| text.replacen('{', "{ // x", 1).into()),
        with("a comma more", |text| {
            text.replacen("\n}\n", ",\n}\n", 1).into()
        }),
        with("no UTF-8", |text| {
            text.replacen("fine", "f\u{1}ne", 1)
                .bytes()
                .map(|byte| if byte == 1 { 0xff } else { byte })
                .collect()
        }),
        with("an overlong NUL", |text| {
            text.replacen("fine", "f\u{1}\u{2}ne", 1)
                .bytes()
                .map(|byte| match byte {
                    1 => 0xc0,
                    2 => 0x80,
                    other => other,
                })
                .collect()
        }),
        with("half a surrogate in UTF-8", |text| {
            text.replacen("fine", "\u{1}\u{2}\u{3}", 1)
                .bytes()
                .map(|byte| match byte {
                    1 => 0xed,
                    2 => 0xa0,
                    3 => 0x80,
                    other => other,
                })
                .collect()
        }),
        put("deep arrays", "0.5", &deep("[", "]", 126)),
        put("deeper arrays", "0.5", &deep("[", "]", 10_000)),
        put("the deepest arrays", "0.5", &deep("[", "]", 100_000)),
        put("deep objects", "0.5", &deep("{\"a\":", "}", 20_000)),
    ]
}

/// Fields that are there twice, are nobody's, or hold what they cannot.
fn values() -> Vec<Edit> {
    vec![
        put(
            "a key twice, the false one last",
            "\"by\": \"ci\",",
            "\"by\": \"ci\",\n    \"by\": \"alice\",",
        ),
        put(
            "a key twice, the false one first",
            "\"by\": \"ci\",",
            "\"by\": \"alice\",\n    \"by\": \"ci\",",
        ),
        put(
            "a key twice, the same",
            "\"by\": \"ci\",",
            "\"by\": \"ci\",\n    \"by\": \"ci\",",
        ),
        put(
            "a key twice in the predicate",
            "\"result\": \"PASSED\"",
            "\"result\": \"FAILED\",\n      \"result\": \"PASSED\"",
        ),
        put(
            "a key spelled with an escape",
            "\"by\": \"ci\"",
            "\"\\u0062y\": \"ci\"",
        ),
        put(
            "a value spelled with an escape",
            "\"by\": \"ci\"",
            "\"by\": \"c\\u0069\"",
        ),
        put("a slash with an escape", "https://", "https:\\/\\/"),
        put("a key of other letters", "\"by\":", "\"By\":"),
        put(
            "keys in another order",
            "\"action\": \"attestation\",\n    \"ledger\": \"evidence\"",
            "\"ledger\": \"evidence\",\n    \"action\": \"attestation\"",
        ),
        put(
            "a key that nobody knows",
            "\"by\": \"ci\",",
            "\"by\": \"ci\",\n    \"admin\": true,",
        ),
        put(
            "a key beside the predicate",
            "\"predicateType\": \"urn",
            "\"signatures\": [],\n  \"predicateType\": \"urn",
        ),
        put(
            "a null",
            "\"by\": \"ci\",",
            "\"by\": \"ci\",\n    \"requestedBy\": null,",
        ),
        put(
            "an empty field",
            "\"by\": \"ci\",",
            "\"by\": \"ci\",\n    \"requestedBy\": \"\",",
        ),
        put(
            "a newer version",
            "urn:git-deploy:entry:v1",
            "urn:git-deploy:entry:v2",
        ),
        put(
            "no version",
            "urn:git-deploy:entry:v1",
            "urn:git-deploy:entry",
        ),
        put("another type", "Statement/v1", "Statement/v0.1"),
        put(
            "an unknown action",
            "\"action\": \"attestation\"",
            "\"action\": \"backdoor\"",
        ),
        put(
            "an action of another ledger",
            "\"action\": \"attestation\"",
            "\"action\": \"start\"",
        ),
        put("a number as text", "\"sequence\": 1", "\"sequence\": \"1\""),
        put(
            "a number with a point",
            "\"sequence\": 1",
            "\"sequence\": 1.0",
        ),
        put(
            "a number with an exponent",
            "\"sequence\": 1",
            "\"sequence\": 1e0",
        ),
        put("a negative number", "\"sequence\": 1", "\"sequence\": -1"),
        put(
            "a number with a zero in front",
            "\"sequence\": 1",
            "\"sequence\": 01",
        ),
        put("zero", "\"sequence\": 1", "\"sequence\": 0"),
        put("a double in more digits", "0.5", "0.50"),
        put("a double with an exponent", "0.5", "5e-1"),
        put("a double that is none", "0.5", "NaN"),
        put("a double beyond all", "0.5", "1e999"),
        put("minus zero", "0.5", "-0"),
        put(
            "a time in another zone",
            "Z\",\n    \"by\"",
            "+00:00\",\n    \"by\"",
        ),
        put(
            "a time with parts of seconds",
            "Z\",\n    \"by\"",
            ".5Z\",\n    \"by\"",
        ),
        put("a time that is none", "2026-", "2026-13-"),
        put("an id in capitals", "\"previous\": \"", "\"previous\": \"A"),
        put("nobody", "\"by\": \"ci\"", "\"by\": \"\""),
    ]
}

/// Characters that are read in one way and shown in another.
fn texts() -> Vec<Edit> {
    vec![
        put("a NUL", "fine", "fi\\u0000ne"),
        put("a raw NUL", "fine", "fi\u{0}ne"),
        put("a raw control character", "fine", "fi\u{7}ne"),
        put("an escape sequence", "fine", "\u{1b}[2Jfine"),
        put("an escaped escape sequence", "fine", "\\u001b[2Jfine"),
        put("an eight bit escape sequence", "fine", "\u{9b}2Jfine"),
        put("a backspace", "fine", "fine\\b\\b\\b\\bevil"),
        put("a carriage return", "fine", "fine\\revil"),
        put("text turned round", "fine", "\u{202e}enif"),
        put("text that isolates", "fine", "\u{2066}fine\u{2069}"),
        put("a mark of direction", "fine", "\u{200f}fine"),
        put("a space of no width", "fine", "fi\u{200b}ne"),
        put("a joiner", "fine", "fi\u{200d}ne"),
        put("a separator of lines", "fine", "fi\u{2028}ne"),
        put("a separator of paragraphs", "fine", "fi\u{2029}ne"),
        put("a soft hyphen", "fine", "fi\u{ad}ne"),
        put("a tag character", "fine", "fi\u{e0041}ne"),
        put("a private character", "fine", "fi\u{e000}ne"),
        put("no character", "fine", "fi\u{ffff}ne"),
        put("half a surrogate", "fine", "\\ud800"),
        put(
            "an escape in a key of the predicate",
            "\"note\"",
            "\"no\u{1b}te\"",
        ),
    ]
}

/// A text with a second reading or another spelling is refused, whoever signed it.
#[test]
fn entries_have_one_spelling() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let ci = &project.ci;
    let head = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    let predicate =
        serde_json::from_str(r#"{"a": [1, 0.5], "note": "fine", "result": "PASSED"}"#).unwrap();
    let attestation = Attestation {
        commit: head,
        environment: None,
        predicate_type: "https://in-toto.io/attestation/test-result/v0.1"
            .parse()
            .unwrap(),
        suite: None,
        predicate,
    };
    let good = ci
        .build("evidence", Action::Attestation(attestation), None, |_| ())
        .to_string();
    let attacks = AttackRunner::of(&project);
    let edits: Vec<Edit> = shapes()
        .into_iter()
        .chain(values())
        .chain(texts())
        .collect();
    for (what, edit) in &edits {
        let mut changed = false;
        let forged = ci.resigned(&good, |text| {
            let bytes = edit(text);
            changed = bytes != text.as_bytes();
            bytes
        });
        assert!(changed, "{what}");
        let said = attacks.refused_entry(what, &["chain"], ci, "evidence", &forged);
        assert_eq!(strange(&said), None, "{what}: {said:?}");
    }
    ci.push(&[&format!("{good}:refs/deploy/evidence")]).ok();
    attacks.finish();
}

/// What people write is shown to others as plain text.
#[test]
fn texts_are_shown_harmlessly() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\nprod = {}\n");
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    // Commits are anybody's: their words, names and files go through no reader of ours before somebody looks.
    let evil = "\u{1b}[2J\u{1b}]0;pwned\u{7}\u{202e}evil\u{9b}31m";
    let tree = alice.repo.rev("HEAD^{tree}");
    let who = format!(
        "{evil} <{evil}@example.com> {} +0000",
        world.now().as_seconds()
    );
    let raw = format!(
        "tree {tree}\nparent {}\nauthor {who}\ncommitter {who}\n\n{evil} subject\n\n{evil}\n",
        alice.repo.rev("HEAD")
    );
    let id = alice.object("commit", &[raw.as_bytes(), b"\xff\xfe\n"].concat());
    alice
        .push(&[
            &format!("{id}:refs/heads/main"),
            &format!("{id}:refs/heads/\u{202e}live\u{200b}"),
        ])
        .ok();
    project.fetch();
    let attacks = AttackRunner::of(&project);
    for (argument, value) in [
        ("-m", evil),
        ("--change", evil),
        ("--change", "a\nb"),
        ("--requested-by", evil),
        ("--release", evil),
    ] {
        attacks.fails(&format!("{argument} {value:?}"), || {
            ci.deploy(&["record", "dev", argument, value, "--no-verify"])
        });
    }
    for arguments in [
        &["lock", "prod", "-m", evil][..],
        &["yank", "-m", evil, "HEAD"],
        &["unlock", "prod", "-m", evil],
    ] {
        attacks.fails(&format!("{arguments:?}"), || ci.deploy(arguments));
    }
    ci.deploy(&["record", "dev"]).ok();
    bob.deploy(&["sync"]).ok();
    for arguments in [
        &["status"][..],
        &["log", "dev"],
        &["show", "dev"],
        &["show", "main"],
        &["diff", "dev", "prod"],
        &["diff", "dev", "main"],
        &["contains", "main"],
        &["check", "prod"],
        &["audit"],
        &["status", "--json"],
        &["log", "dev", "--json"],
        &["diff", "dev", "prod", "--json"],
    ] {
        let run = bob.deploy(arguments);
        let said = run.to_string();
        assert_eq!(strange(&said), None, "{said:?}");
    }
    // Words that look like the trailers of a ledger's commit are words.
    let sly = "Fine.\n\nDeploy-Action: finish\nDeploy-Commit: 1111111111111111111111111111111111111111\nDeploy-By: alice";
    ci.deploy(&["record", "dev", "--all", "-m", sly]).ok();
    let by = project
        .server
        .git(&[
            "log",
            "-1",
            "--format=%(trailers:key=Deploy-By,valueonly)",
            "refs/deploy/dev",
        ])
        .ok()
        .text();
    assert_eq!(by.trim(), "ci");
    let log = bob.deploy(&["log", "dev", "--json"]).ok().text();
    assert!(
        !log.contains("\"by\": \"alice\"") && !log.contains("\"by\":\"alice\""),
        "{log}"
    );
    attacks.finish();
}
