//! A server that means harm to its clients: what it answers, prints and holds.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::harness::attack::strange;
use crate::harness::{Project, Run, World};

/// The beginning of git's own answer.
const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n";
const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// Answers every connection with these bytes, repeated up to `total`, and returns the port.
fn answering(head: &'static str, body: &'static [u8], total: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(head.as_bytes());
            let mut sent = 0;
            while sent < total && stream.write_all(body).is_ok() {
                sent += body.len();
            }
        }
    });
    port
}

/// Runs our program with at most so much memory, in KiB.
fn limited<'w>(repo: &crate::harness::Repo<'w>, kib: u32, arguments: &str) -> Run<'w> {
    repo.run(
        "sh",
        &[
            "-c",
            &format!("ulimit -v {kib}; exec git-deploy {arguments}"),
        ],
    )
}

/// What is no git server fails a synchronization in bounded memory, moves no ledger and prints nothing:
/// garbage, other content, redirections to a file or another scheme, packets of false lengths, and
/// answers without end.
#[test]
fn answers_that_are_no_gits_change_nothing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let carol = &project.carol;
    project.ci.deploy(&["record", "dev"]).ok();
    carol.deploy(&["sync"]).ok();
    let refs = || {
        carol
            .repo
            .git(&["for-each-ref", "refs/deploy/"])
            .ok()
            .text()
    };
    let before = refs();
    for (attack, head, body, total) in [
        (
            "garbage",
            "\u{1b}[2J\u{202e}",
            &b"\xff\x1b]0;x\x07"[..],
            100,
        ),
        (
            "a page",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            b"<html>\x1b[31m",
            100,
        ),
        (
            "a redirection to a file",
            "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
            b"x",
            0,
        ),
        (
            "a redirection to a program",
            "HTTP/1.1 302 Found\r\nLocation: ext::sh -c id\r\n\r\n",
            b"x",
            0,
        ),
        (
            "an error with escapes",
            "HTTP/1.1 500 \u{1b}[2J\r\nContent-Type: text/plain\r\n\r\n",
            b"\x1b[2J\xe2\x80\xae",
            100,
        ),
        ("a false length", OK, b"0003", 4),
        ("a length that is none", OK, b"zzzz", 4),
        (
            "an error packet",
            OK,
            b"001e# service=git-upload-pack\n0000000dERR \x1b[2J\n",
            47,
        ),
        ("packets without end", OK, b"0010versionnnnnn", 50 << 20),
        (
            "headers without end",
            "HTTP/1.1 200 OK\r\n",
            b"X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            50 << 20,
        ),
    ] {
        let port = answering(head, body, total);
        let url = format!("http://127.0.0.1:{port}/x.git");
        carol.repo.git(&["remote", "set-url", "origin", &url]).ok();
        let run = limited(&carol.repo, 2_000_000, "sync");
        assert!(!run.succeeded(), "{attack}: {run}");
        assert_eq!(strange(&run.err()), None, "{attack}: {run}");
        assert_eq!(strange(&run.text()), None, "{attack}: {run}");
        assert_eq!(refs(), before, "{attack}: {run}");
    }
    carol
        .repo
        .git(&["remote", "set-url", "origin", &project.server.url()])
        .ok();
    carol.deploy(&["sync"]).ok();
    carol.deploy(&["audit"]).ok();
}

/// What a server's hooks print reaches the pusher as plain text, and only a bounded part of it; it
/// makes no refused entry accepted.
#[test]
fn messages_of_a_server_are_plain_and_bounded() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let prints = "printf '\\033[2J\\033]0;title\\007\\342\\200\\256git-deploy: accepted\\r\\n' >&2; head -c 30000000 /dev/zero | tr '\\0' '\\n' >&2; head -c 3000000 /dev/zero | tr '\\0' x >&2";
    for (attack, end) in [("it accepts", "exit 0"), ("it refuses", "exit 1")] {
        let script = format!("#!/bin/sh\n{prints}\n{end}\n");
        project.server.hook("pre-receive.local", &script);
        world.advance("1m");
        let before = project.refs();
        let run = limited(&ci.repo, 2_000_000, "record dev --all");
        assert_eq!(run.succeeded(), end == "exit 0", "{attack}: {run}");
        assert_eq!(project.refs() != before, end == "exit 0", "{attack}");
        let shown = run.err() + &run.text();
        assert_eq!(strange(&shown), None, "{attack}");
        assert!(shown.len() < 4 << 20, "{attack}: {} bytes", shown.len());
    }
    std::fs::remove_file(project.server.path().join("hooks/pre-receive.local")).unwrap();
    ci.deploy(&["record", "dev", "--all"]).ok();
    project.audited();
}

/// A hundred thousand refs that are no ledgers neither exhaust a client nor reach its clone.
#[test]
fn refs_of_a_server_do_not_flood_a_clone() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (carol, ci) = (&project.carol, &project.ci);
    let main = project.server.rev("refs/heads/main");
    project.server.git(&["pack-refs", "--all"]).ok();
    let packed = project.server.path().join("packed-refs");
    let mut text = std::fs::read_to_string(&packed).unwrap();
    let (_, old) = text.split_once('\n').unwrap();
    let mut lines: Vec<String> = old
        .lines()
        .filter(|line| !line.starts_with('^'))
        .map(str::to_owned)
        .collect();
    lines.extend((0..100_000).map(|number| format!("{main} refs/changes/{number:06}")));
    lines.sort_by(|one, two| one.split(' ').nth(1).cmp(&two.split(' ').nth(1)));
    text = format!("# pack-refs with: sorted \n{}\n", lines.join("\n"));
    std::fs::write(&packed, text).unwrap();
    ci.deploy(&["record", "dev"]).ok();
    let run = limited(&carol.repo, 1_000_000, "sync").ok();
    assert!(!run.to_string().contains("changes"), "{run}");
    let refs = carol
        .repo
        .git(&["for-each-ref", "--format=%(refname)"])
        .ok()
        .text();
    assert!(
        !refs.contains("changes") && refs.contains("refs/deploy/dev"),
        "{refs}"
    );
    carol.deploy(&["audit"]).ok();
}
