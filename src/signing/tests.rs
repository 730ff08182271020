//! Tests of keys and signatures: with the real `minisign`, and with invalid signatures.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::key::{
    KeyError, SecretKey, generate_key, parse_public_key, public_key_path, read_public_key,
};
use super::sign::SignError;
use super::verify::{SignatureError, VerifyError};
use super::{Signature, Signer, SigningEnv, verify};
use crate::domain::id::PublicKey;
use crate::test_tools::has_tool;

const MESSAGE: &[u8] = b"{\n  \"_type\": \"https://in-toto.io/Statement/v1\"\n}\n";
const COMMENT: &str = "git-deploy prod 1 start";

/// Creates a folder with a key without a password.
fn create_key() -> (TempDir, Signer) {
    let dir = TempDir::new().unwrap();
    generate_key(&dir.path().join("a.key"), None).unwrap();
    let signer = open_key(&dir.path().join("a.key"));
    (dir, signer)
}

/// Opens a key file without a password.
fn open_key(path: &Path) -> Signer {
    Signer::from_file(path, &SigningEnv::default(), || {
        panic!("asked for a password")
    })
    .unwrap()
}

/// Runs the real minisign with `input` on its standard input; `None` if it failed, else its output.
fn minisign(dir: &Path, args: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new("minisign")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

/// The stock tool can verify our signatures.
#[test]
fn minisign_verifies_ours() {
    if !has_tool("minisign") {
        return;
    }
    let (dir, signer) = create_key();
    let file = signer.sign(MESSAGE, COMMENT).unwrap();
    std::fs::write(dir.path().join("m"), MESSAGE).unwrap();
    std::fs::write(dir.path().join("m.minisig"), file).unwrap();
    let public = signer.public_key().to_string();
    assert_eq!(
        minisign(dir.path(), &["-VQm", "m", "-P", &public], "").unwrap(),
        format!("{COMMENT}\n")
    );
    assert!(minisign(dir.path(), &["-VQm", "m", "-p", "a.pub"], "").is_some());
    std::fs::write(dir.path().join("m"), "other").unwrap();
    assert!(minisign(dir.path(), &["-VQm", "m", "-P", &public], "").is_none());
}

/// A key and a signature of the stock tool are accepted, but not the legacy form or another
/// untrusted comment.
#[test]
fn ours_verifies_minisign() {
    if !has_tool("minisign") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    minisign(dir.path(), &["-GW", "-p", "b.pub", "-s", "b.key"], "").unwrap();
    std::fs::write(path("m"), MESSAGE).unwrap();
    let public = read_public_key(&path("b.pub")).unwrap();
    let sign = |args: &[&str]| {
        let args = [
            &["-S", "-s", "b.key", "-m", "m", "-x", "x", "-t", COMMENT],
            args,
        ]
        .concat();
        minisign(dir.path(), &args, "").unwrap();
        std::fs::read(path("x")).unwrap()
    };
    let valid = sign(&["-c", "signature from git-deploy"]);
    verify(&public, MESSAGE, &valid, COMMENT).unwrap();
    let parse_error = |file: &[u8]| match verify(&public, MESSAGE, file, COMMENT) {
        Err(VerifyError::Malformed(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        parse_error(&sign(&["-l", "-c", "signature from git-deploy"])),
        SignatureError::Legacy
    );
    assert_eq!(parse_error(&sign(&[])), SignatureError::Untrusted);
    let signer = open_key(&path("b.key"));
    assert_eq!(signer.public_key(), public);
    verify(
        &public,
        MESSAGE,
        &signer.sign(MESSAGE, COMMENT).unwrap(),
        COMMENT,
    )
    .unwrap();
}

/// Changing any bit of a signature file invalidates it: otherwise one entry could have two ids.
#[test]
fn every_mutation_is_refused() {
    let (_dir, signer) = create_key();
    let file = signer.sign(MESSAGE, COMMENT).unwrap();
    verify(&signer.public_key(), MESSAGE, &file, COMMENT).unwrap();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            // The comment is not compared: the cryptographic check alone must notice a change.
            let accepted = Signature::parse(&changed)
                .is_ok_and(|changed| changed.verify(&signer.public_key(), MESSAGE).is_ok());
            assert!(!accepted, "byte {at}, bit {bit}");
        }
    }
}

/// A signature is invalid for another message and for another trusted comment.
#[test]
fn message_and_comment_are_bound() {
    let (_dir, signer) = create_key();
    let file = signer.sign(MESSAGE, COMMENT).unwrap();
    let public = signer.public_key();
    assert_eq!(
        verify(&public, b"other", &file, COMMENT),
        Err(VerifyError::Invalid(public))
    );
    assert!(matches!(
        verify(&public, MESSAGE, &file, "git-deploy prod 2 start"),
        Err(VerifyError::Comment { .. })
    ));
    for bad in ["", "two\nlines", " margin", "a\x1b[0m", &"x".repeat(1_001)] {
        assert!(
            matches!(signer.sign(MESSAGE, bad), Err(SignError::Comment(_))),
            "{bad:?}"
        );
    }
    let long = "ü".repeat(1_000);
    verify(
        &public,
        MESSAGE,
        &signer.sign(MESSAGE, &long).unwrap(),
        &long,
    )
    .unwrap();
}

/// A signature has only one encoding: other line ends, spaces or padding would be other bytes, and
/// so another id of the ledger commit.
#[test]
fn other_spellings_are_refused() {
    let (_dir, signer) = create_key();
    let file = String::from_utf8(signer.sign(MESSAGE, COMMENT).unwrap()).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let (second, fourth) = (lines[1], lines[3]);
    let unpadded = fourth.trim_end_matches('=');
    // The last character before the padding has four unused bits.
    let unused_bits_set = format!("{}B==", &unpadded[..unpadded.len() - 1]);
    let mut variants: Vec<Vec<u8>> = [
        file.trim_end().to_owned(),
        format!("{file}\n"),
        format!("{file}x\n"),
        format!("\n{file}"),
        format!("\u{feff}{file}"),
        format!("{file}\0"),
        file.replace('\n', "\r\n"),
        file.replace('\n', "\r"),
        file.replace(COMMENT, &format!("{COMMENT} ")),
        file.replace(COMMENT, &format!("{COMMENT}\r")),
        file.replace(COMMENT, &format!("{COMMENT}\u{200b}")),
        file.replace(COMMENT, ""),
        file.replace("trusted comment: git", "trusted comment:  git"),
        file.replace("untrusted comment", "Untrusted comment"),
        file.replace("from git-deploy", "from git-deploy "),
        file.replace(second, &format!("{second} ")),
        file.replace(second, &format!(" {second}")),
        file.replace(second, second.trim_end_matches('=')),
        file.replace(second, &format!("{second}AAAA")),
        file.replace(second, &second[4..]),
        file.replace(second, &second.replace('R', "-")),
        file.replace(fourth, unpadded),
        file.replace(fourth, &unused_bits_set),
        file.replace(fourth, &fourth[4..]),
        file.replace(COMMENT, &"x".repeat(Signature::LIMIT)),
        String::new(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    variants.push(
        file.as_bytes()
            .iter()
            .map(|byte| if *byte == b'g' { 0xff } else { *byte })
            .collect(),
    );
    for variant in variants {
        assert!(
            Signature::parse(&variant).is_err(),
            "{}",
            String::from_utf8_lossy(&variant)
        );
    }
    assert_eq!(
        Signature::parse(file.as_bytes()).unwrap().as_bytes(),
        file.as_bytes()
    );
}

/// Adding the group's order to `s` gives other bytes that satisfy the same equation. Older
/// libraries accept them.
#[test]
fn malleated_signatures_are_refused() {
    const ORDER: [u8; 16] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14,
    ];
    let (_dir, signer) = create_key();
    let file = String::from_utf8(signer.sign(MESSAGE, COMMENT).unwrap()).unwrap();
    for line in [1, 3] {
        let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
        let mut raw = STANDARD.decode(&lines[line]).unwrap();
        let start = raw.len() - 32;
        let mut carry = 0;
        for (at, byte) in raw[start..].iter_mut().enumerate() {
            let order = if at == 31 {
                0x10
            } else {
                ORDER.get(at).copied().unwrap_or(0)
            };
            let sum = u16::from(*byte) + u16::from(order) + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        lines[line] = STANDARD.encode(raw);
        let changed = lines.join("\n") + "\n";
        let public = signer.public_key();
        assert_eq!(
            verify(&public, MESSAGE, changed.as_bytes(), COMMENT),
            Err(VerifyError::Invalid(public))
        );
    }
}

/// A signer is identified by the key, not by its id: a copied id neither signs for its owner nor
/// keeps the owner from being found.
#[test]
fn copied_key_ids() {
    let ((_dir, alice), (_other, mallory)) = (create_key(), create_key());
    let (alice_key, mallory_key) = (alice.public_key(), mallory.public_key());
    let copy = PublicKey::new(alice_key.key_id(), *mallory_key.as_bytes());
    let file = alice.sign(MESSAGE, COMMENT).unwrap();
    let signature = Signature::parse(&file).unwrap();
    assert_eq!(
        signature.verify(&copy, MESSAGE),
        Err(VerifyError::Invalid(copy))
    );
    assert_eq!(
        signature.verify(&mallory_key, MESSAGE),
        Err(VerifyError::KeyId(mallory_key))
    );
    assert_eq!(signature.verify(&alice_key, MESSAGE), Ok(()));
    assert_eq!(
        signature.verify(&alice_key, b"other"),
        Err(VerifyError::Invalid(alice_key))
    );
    // Alice's key with another id: minisign would refuse it, so it is refused here.
    let renamed = PublicKey::new(mallory_key.key_id(), *alice_key.as_bytes());
    assert_eq!(
        signature.verify(&renamed, MESSAGE),
        Err(VerifyError::KeyId(renamed))
    );
}

/// A key with a password opens only with it, here and in the stock tool. The password in the
/// environment is used before the prompt.
#[test]
fn protected_keys() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.key");
    let public = generate_key(&path, Some("correct horse")).unwrap();
    let empty = SigningEnv::default();
    let opened = Signer::from_file(&path, &empty, || Ok("correct horse".into())).unwrap();
    verify(
        &public,
        MESSAGE,
        &opened.sign(MESSAGE, COMMENT).unwrap(),
        COMMENT,
    )
    .unwrap();
    let contents = std::fs::read_to_string(&path).unwrap();
    let environment = SigningEnv::new(Some(contents.clone()), Some("correct horse".into()));
    assert_eq!(
        Signer::from_file(&path, &environment, || panic!("asked"))
            .unwrap()
            .public_key(),
        public
    );
    assert_eq!(
        Signer::from_environment(&environment)
            .unwrap()
            .unwrap()
            .public_key(),
        public
    );
    let wrong = Signer::from_file(&path, &empty, || Ok("wrong".into()));
    assert!(matches!(wrong, Err(KeyError::WrongPassword)));
    let without_password =
        Signer::from_environment(&SigningEnv::new(Some(contents), Some(String::new())));
    assert!(matches!(without_password, Err(KeyError::NoPassword(_))));
    assert!(
        Signer::from_environment(&SigningEnv::new(Some(String::new()), None))
            .unwrap()
            .is_none()
    );
    assert!(matches!(
        generate_key(&dir.path().join("d.key"), Some("")),
        Err(KeyError::InvalidPassword)
    ));
    if has_tool("minisign") {
        std::fs::write(dir.path().join("m"), MESSAGE).unwrap();
        let args = [
            "-S",
            "-s",
            "c.key",
            "-m",
            "m",
            "-c",
            "signature from git-deploy",
            "-t",
            COMMENT,
        ];
        minisign(dir.path(), &args, "correct horse\n").unwrap();
        verify(
            &public,
            MESSAGE,
            &std::fs::read(dir.path().join("m.minisig")).unwrap(),
            COMMENT,
        )
        .unwrap();
    }
}

/// A secret key file is private from the beginning, is never overwritten, and is not used while
/// others can access it.
#[test]
fn key_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alice.key");
    let public = generate_key(&path, None).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(read_public_key(&public_key_path(&path)).unwrap(), public);
    assert_eq!(
        parse_public_key(&format!("{public}\n")).unwrap().key_id(),
        public.key_id()
    );
    for bad in [
        "",
        "RWx",
        &format!("{public}\n{public}\n"),
        &format!("untrusted comment: x\n{public}\n{public}"),
    ] {
        assert!(parse_public_key(bad).is_err(), "{bad}");
    }

    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        generate_key(&path, None),
        Err(KeyError::Exists(_))
    ));
    std::fs::remove_file(public_key_path(&path)).unwrap();
    assert!(matches!(
        generate_key(&path, None),
        Err(KeyError::Exists(_))
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!public_key_path(&path).exists());

    for exposed in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(exposed)).unwrap();
        let refused = SecretKey::read(&path, || panic!("asked")).unwrap_err();
        assert!(
            matches!(refused, KeyError::Exposed { mode, .. } if mode == exposed),
            "{refused}"
        );
    }
    for bad in ["", "untrusted comment: x\n"] {
        assert!(
            matches!(
                SecretKey::parse(bad, || panic!("asked")),
                Err(KeyError::InvalidSecretKey)
            ),
            "{bad}"
        );
    }
    for public_only in [
        public.to_string(),
        format!("untrusted comment: x\n{public}\n"),
    ] {
        assert!(
            matches!(
                SecretKey::parse(&public_only, || panic!("asked")),
                Err(KeyError::IsPublic)
            ),
            "{public_only}"
        );
    }
}

/// Debug output and errors contain no secret.
#[test]
fn secrets_do_not_show() {
    let (dir, signer) = create_key();
    let contents = std::fs::read_to_string(dir.path().join("a.key")).unwrap();
    let base64 = contents.lines().nth(1).unwrap().to_owned();
    let raw = STANDARD.decode(&base64).unwrap();
    let hex = format!("{:x}{:x}{:x}{:x}", raw[62], raw[63], raw[64], raw[65]);
    let environment = SigningEnv::new(Some(contents.clone()), Some("correct horse".into()));
    let mut damaged = raw;
    damaged[70] ^= 1;
    let damaged = format!("untrusted comment: x\n{}\n", STANDARD.encode(damaged));
    let damaged = SecretKey::parse(&damaged, || panic!("asked")).unwrap_err();
    assert!(matches!(damaged, KeyError::Damaged));
    // If a secret key is given instead of the public one, the error may quote its salt and cost.
    // The key itself begins at byte 62.
    let mistaken = parse_public_key(&contents).unwrap_err();
    let shown = format!("{signer:?} {environment:?} {damaged} {damaged:?} {mistaken} {mistaken:?}");
    for secret in [&base64[83..90], &base64[90..110], &hex, "correct horse"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Creates a signer program with this body of a shell script.
///
/// Another process writes the file: while it is open here, a test that forks would keep it from
/// being run (`ETXTBSY`).
fn create_program(dir: &Path, body: &str, public: PublicKey) -> Signer {
    let script = format!("#!/bin/sh\ncd '{}' || exit 1\n{body}\n", dir.display());
    let written = Command::new("sh")
        .args([
            "-c",
            "printf %s \"$1\" >signer && chmod 700 signer",
            "sh",
            &script,
        ])
        .current_dir(dir)
        .status()
        .unwrap();
    assert!(written.success());
    Signer::from_program(dir.join("signer"), public)
}

/// A program that holds the key can sign, here the stock tool.
#[test]
fn a_program_signs() {
    if !has_tool("minisign") {
        return;
    }
    let (dir, key) = create_key();
    let body = "cat >m && minisign -S -s a.key -m m -c 'signature from git-deploy' -t \"$GIT_DEPLOY_TRUSTED_COMMENT\" \
                >/dev/null && cat m.minisig";
    let signer = create_program(dir.path(), body, key.public_key());
    let message = vec![b'x'; 512 * 1024];
    verify(
        &key.public_key(),
        &message,
        &signer.sign(&message, COMMENT).unwrap(),
        COMMENT,
    )
    .unwrap();
}

/// Whatever a signer program does, only a valid signature is returned, and reading its output ends.
#[test]
fn invalid_output_of_programs() {
    let ((dir, key), (_other, stranger)) = (create_key(), create_key());
    let message = vec![b'x'; 512 * 1024];
    let public = key.public_key();
    let write_signature = |file: Vec<u8>| std::fs::write(dir.path().join("s"), file).unwrap();
    let sign = |body: &str| create_program(dir.path(), body, public).sign(&message, COMMENT);
    write_signature(key.sign(&message, COMMENT).unwrap());
    sign("cat >/dev/null; cat s").unwrap();
    assert!(matches!(
        sign("cat s; exit 3"),
        Err(SignError::Failed { .. })
    ));
    assert!(matches!(
        sign("exec cat /dev/zero"),
        Err(SignError::InvalidSignature(_))
    ));
    assert!(matches!(sign("true"), Err(SignError::InvalidSignature(_))));
    assert!(matches!(
        sign("cat s s"),
        Err(SignError::InvalidSignature(_))
    ));
    write_signature(stranger.sign(&message, COMMENT).unwrap());
    assert!(matches!(
        sign("cat s"),
        Err(SignError::InvalidSignature(VerifyError::KeyId(_)))
    ));
    write_signature(key.sign(b"other", COMMENT).unwrap());
    assert!(matches!(
        sign("cat s"),
        Err(SignError::InvalidSignature(VerifyError::Invalid(_)))
    ));
    write_signature(key.sign(&message, "git-deploy prod 2 start").unwrap());
    assert!(matches!(
        sign("cat s"),
        Err(SignError::InvalidSignature(VerifyError::Comment { .. }))
    ));
    let missing = Signer::from_program(dir.path().join("missing"), public);
    assert!(matches!(
        missing.sign(&message, COMMENT),
        Err(SignError::NotRun { .. })
    ));
}

/// Checks that a key in a variable may be spelled in each way that CI systems and web forms produce,
/// and that nothing else is taken as a key.
#[test]
fn spellings_of_a_key_in_a_variable() {
    let dir = TempDir::new().unwrap();
    let public = generate_key(&dir.path().join("a.key"), None).unwrap();
    let file = std::fs::read_to_string(dir.path().join("a.key")).unwrap();
    let (comment, base64) = file.trim_end().split_once('\n').unwrap();
    let open = |value: &str| {
        let environment = SigningEnv::new(Some(value.to_owned()), None);
        Signer::from_environment(&environment).map(|signer| signer.map(|it| it.public_key()))
    };
    for value in [
        file.clone(),
        file.trim_end().to_owned(),
        file.replace('\n', "\r\n"),
        file.replace('\n', "\r"),
        file.replace('\n', " "),
        file.replace('\n', "\\n"),
        file.replace('\n', "\\r\\n"),
        format!("\n\n{file}\n"),
        format!("  {comment}\n  {base64}  "),
        format!("\"{file}\""),
        base64.to_owned(),
        format!("{base64}\n"),
        format!(" {base64}\r\n"),
        format!("'{base64}'"),
    ] {
        assert_eq!(open(&value).unwrap(), Some(public), "{value:?}");
    }
    let public_file = std::fs::read_to_string(dir.path().join("a.pub")).unwrap();
    for value in [
        &public_file,
        &public_file.replace('\n', " "),
        &public.to_string(),
    ] {
        assert!(matches!(open(value), Err(KeyError::IsPublic)), "{value:?}");
    }
    for value in [
        "garbage".to_owned(),
        comment.to_owned(),
        base64[1..].to_owned(),
        format!("a comment\n{base64}"),
        format!("{base64} {base64}"),
        base64.split_at(100).0.to_owned() + " " + base64.split_at(100).1,
    ] {
        assert!(
            matches!(open(&value), Err(KeyError::InvalidSecretKey)),
            "{value:?}"
        );
    }
    assert_eq!(open("").unwrap(), None);
}
