//! A server that means harm to its clients: what it answers, prints and holds.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use crate::harness::attack::strange;
use crate::harness::{Project, Run, World, has_tool};

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

/// A web server that answers every request with the same page, as the login page of a network does.
struct LoginPage(Child);

impl LoginPage {
    /// Starts a server in Python, and returns it with its port.
    fn start(page: &str) -> (Self, String) {
        let program = "\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = sys.argv[1].encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(page)))
        self.end_headers()
        self.wfile.write(page)
    do_POST = do_GET
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
";
        let mut child = std::process::Command::new("python3")
            .args(["-c", program, page])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        (Self(child), port.trim().to_owned())
    }
}

impl Drop for LoginPage {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The page of a proxy, which git takes for an empty repository, does not delete what an earlier
/// fetch found: it is "cannot tell", and neither ledgers nor branches are pruned.
#[test]
fn a_login_page_is_no_empty_repository() {
    if !has_tool("python3") {
        return;
    }
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (carol, ci) = (&project.carol, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    carol.deploy(&["sync"]).ok();
    let fetched = ["refs/deploy/", "refs/deploy-incoming/", "refs/remotes/"];
    let refs = || {
        let list = [&["for-each-ref"][..], &fetched].concat();
        carol.repo.git(&list).ok().text()
    };
    let before = refs();
    assert!(
        [
            "refs/deploy/dev",
            "refs/deploy-incoming/dev",
            "refs/remotes/origin/main"
        ]
        .iter()
        .all(|name| before.contains(name)),
        "{before}"
    );
    for page in ["<html>Please log in", "", "<html>\n<body>Please log in\n"] {
        let (_server, port) = LoginPage::start(page);
        let url = format!("http://127.0.0.1:{port}/x.git");
        carol.repo.git(&["remote", "set-url", "origin", &url]).ok();
        for arguments in [&["sync"][..], &["record", "dev", "--all"]] {
            let run = carol.deploy(arguments).fails(3);
            let said = run.words_of_err();
            assert!(said.contains("cannot fetch from origin"), "{page:?}: {run}");
            assert!(!said.contains("lost"), "{page:?}: {run}");
            assert_eq!(refs(), before, "{page:?}: {run}");
        }
        carol.deploy(&["status"]).ok();
    }
    // The control: a ledger and a branch that the server has deleted are noticed.
    let server = &project.server;
    carol
        .repo
        .git(&["remote", "set-url", "origin", &server.url()])
        .ok();
    server.git(&["update-ref", "refs/heads/gone", "main"]).ok();
    carol.deploy(&["sync"]).ok();
    assert!(refs().contains("refs/remotes/origin/gone"));
    server.git(&["update-ref", "-d", "refs/heads/gone"]).ok();
    carol.deploy(&["sync"]).ok();
    assert_eq!(refs(), before);
    server.git(&["update-ref", "-d", "refs/deploy/dev"]).ok();
    let run = carol.deploy(&["sync"]).fails(1);
    assert!(run.err().contains("has lost the ledger dev"), "{run}");
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
