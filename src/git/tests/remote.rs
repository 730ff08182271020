//! Tests of fetches and pushes with a real server: accepted, refused, after a lost race, and
//! without an answer.

use std::fmt::Write as _;

use super::TestRepository;
use crate::domain::id::Oid;
use crate::git::PushOutcome;

const NAME: &str = "refs/deploy/prod";

/// A server and a client that has it as `origin`, with two commits in the client.
struct Pair {
    server: TestRepository,
    client: TestRepository,
    first: Oid,
    second: Oid,
}

fn create_pair() -> Pair {
    let (server, client) = (TestRepository::bare(), TestRepository::bare());
    client.git(&["remote", "add", "origin", server.path.to_str().unwrap()]);
    let first = client.commit(&[], "first", 1);
    let second = client.commit(&[first], "second", 2);
    Pair {
        server,
        client,
        first,
        second,
    }
}

/// Installs a pre-receive hook on the server.
fn install_hook(server: &TestRepository, script: &str) {
    let path = server.path.join("hooks/pre-receive");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// A push is accepted, also when it is repeated. The server's messages are passed on, made safe to
/// print.
#[test]
fn accepted() {
    let Pair {
        server,
        client,
        first,
        second,
    } = create_pair();
    install_hook(&server, "printf 'thanks \\033[31mall\\n' >&2");
    let repository = client.open();
    let outcome = repository.push_ref("origin", first, NAME, None).unwrap();
    assert_eq!(
        outcome,
        PushOutcome::Accepted {
            messages: vec!["thanks \u{fffd}[31mall".to_owned()]
        }
    );
    for _ in 0..2 {
        let outcome = repository
            .push_ref("origin", second, NAME, Some(first))
            .unwrap();
        assert!(
            matches!(outcome, PushOutcome::Accepted { .. }),
            "{outcome:?}"
        );
    }
    assert_eq!(server.oid(&["rev-parse", NAME]), second);
    assert_eq!(
        repository.read_ref(NAME).unwrap(),
        None,
        "only the caller moves the local ref"
    );
    let heads = repository
        .ls_remote("origin", &[NAME, "refs/heads/*"])
        .unwrap();
    assert_eq!(
        heads.into_iter().collect::<Vec<_>>(),
        [(NAME.to_owned(), second)]
    );
}

/// A race is lost to a writer that pushed a longer ledger, a fork of it, or its first entry.
#[test]
fn lost_races() {
    let Pair {
        server,
        client,
        first,
        second,
    } = create_pair();
    let repository = client.open();
    let fork = client.commit(&[first], "fork", 3);
    client.git(&["push", "--quiet", "origin", &format!("{second}:{NAME}")]);
    for (mine, expected) in [(fork, Some(first)), (first, None), (fork, None)] {
        let outcome = repository.push_ref("origin", mine, NAME, expected).unwrap();
        assert_eq!(
            outcome,
            PushOutcome::LostRace {
                found: Some(second)
            }
        );
    }
    assert_eq!(server.oid(&["rev-parse", NAME]), second);
}

/// A hook's refusal is not a lost race: a retry would not help, and the user must see the reasons.
#[test]
fn rejected() {
    let Pair {
        server,
        client,
        first,
        ..
    } = create_pair();
    install_hook(&server, "echo 'git-deploy: refused' >&2; exit 1");
    let outcome = client.open().push_ref("origin", first, NAME, None).unwrap();
    assert_eq!(
        outcome,
        PushOutcome::Rejected {
            messages: vec!["git-deploy: refused".to_owned()],
            is_undecided: false
        }
    );
    assert!(server.git(&["for-each-ref"]).is_empty());
}

/// A push without an answer has an unknown outcome, unless the remote turns out to have the commit.
#[test]
fn no_answer() {
    let Pair {
        server,
        client,
        first,
        second,
    } = create_pair();
    let repository = client.open();
    client.git(&["remote", "add", "dead", "/nonexistent/repository"]);
    let outcome = repository.push_ref("dead", first, NAME, None).unwrap();
    assert!(
        matches!(&outcome, PushOutcome::Unknown { messages, .. } if !messages.is_empty()),
        "{outcome:?}"
    );
    assert!(repository.ls_remote("dead", &[NAME]).is_err());
    assert!(
        repository
            .fetch("dead", &["+refs/deploy/*:refs/deploy-incoming/*"])
            .is_err()
    );
    // The connection ends without an answer, before and after the server moves the ref.
    client.git(&["push", "--quiet", "origin", &format!("{first}:{NAME}")]);
    client.git(&["config", "remote.origin.receivepack", "false"]);
    let outcome = repository
        .push_ref("origin", second, NAME, Some(first))
        .unwrap();
    assert!(
        matches!(outcome, PushOutcome::Unknown { .. }),
        "{outcome:?}"
    );
    server.git(&[
        "fetch",
        "--quiet",
        client.path.to_str().unwrap(),
        &second.to_string(),
    ]);
    server.git(&["update-ref", NAME, &second.to_string()]);
    let outcome = repository
        .push_ref("origin", second, NAME, Some(first))
        .unwrap();
    assert!(
        matches!(outcome, PushOutcome::Accepted { .. }),
        "{outcome:?}"
    );
}

/// A fetch updates only the given refs, whatever the settings, and removes refs that the remote
/// deleted.
#[test]
fn fetch_updates_given_refs() {
    let Pair {
        server,
        client,
        first,
        second,
    } = create_pair();
    client.git(&[
        "push",
        "--quiet",
        "origin",
        &format!("{first}:{NAME}"),
        &format!("{second}:refs/heads/main"),
    ]);
    client.git(&[
        "push",
        "--quiet",
        "origin",
        &format!("{second}:refs/tags/v1"),
        &format!("{first}:refs/deploy/qa"),
    ]);
    client.git(&["config", "fetch.prune", "false"]);
    let repository = client.open();
    let fetch = || {
        repository
            .fetch("origin", &["+refs/deploy/*:refs/deploy-incoming/*"])
            .unwrap();
    };
    fetch();
    let listed = || repository.list_refs("refs/deploy-incoming/").unwrap();
    let incoming = |name: &str| format!("refs/deploy-incoming/{name}");
    assert_eq!(
        listed(),
        [(incoming("prod"), first), (incoming("qa"), first)]
    );
    server.git(&["update-ref", "-d", "refs/deploy/qa"]);
    server.git(&["update-ref", NAME, &second.to_string()]);
    fetch();
    assert_eq!(listed(), [(incoming("prod"), second)]);
    assert_eq!(repository.list_refs("refs/tags/").unwrap(), []);
}

/// A commit without its empty tree, left by a fetch that was killed, is complete after the next one,
/// which finds that git has all it asks for.
#[test]
fn fetch_completes_commits_of_the_empty_tree() {
    let (server, client) = (TestRepository::bare(), TestRepository::bare());
    client.git(&["remote", "add", "origin", server.path.to_str().unwrap()]);
    let id = server.commit(&[], "genesis", 1);
    server.git(&["update-ref", NAME, &id.to_string()]);
    let mut command = super::plain_git(&client.path);
    command.args(["hash-object", "-w", "-t", "commit", "--stdin"]);
    let commit = server.git(&["cat-file", "commit", &id.to_string()]);
    super::run(command, commit.as_bytes());
    client
        .open()
        .fetch("origin", &["+refs/deploy/*:refs/deploy-incoming/*"])
        .unwrap();
    client.fsck();
}

/// A remote's name that looks like an option is still a name.
#[test]
fn option_like_names() {
    let Pair { client, first, .. } = create_pair();
    let mark = client.sibling_path("mark");
    let hostile = format!("--upload-pack=touch {}", mark.display());
    let repository = client.open();
    assert!(repository.fetch(&hostile, &["refs/heads/main"]).is_err());
    assert!(
        repository
            .ls_remote(&hostile, &["refs/heads/main"])
            .is_err()
    );
    assert!(matches!(
        repository.push_ref(&hostile, first, NAME, None),
        Ok(PushOutcome::Unknown { .. })
    ));
    assert!(
        repository
            .push_ref("origin", first, "refs/x:refs/y", None)
            .is_err()
    );
    assert!(
        repository
            .push_ref("origin", first, "--force", None)
            .is_err()
    );
    assert!(!mark.exists());
}

/// A fetch of one new ledger entry receives a few objects if the clone has the code that the entry
/// is about, however much newer it is than the last deployment. Git's default receives all of it.
#[test]
fn code_is_not_sent_again() {
    let (server, client) = (TestRepository::bare(), TestRepository::bare());
    let begin: i64 = 1_700_000_000;
    let mut stream = String::new();
    for mark in 1..=2_000 {
        let time = begin + mark * 100;
        let file = format!("{}/{mark}", mark % 50);
        let text = format!("content {mark}");
        let length = text.len();
        let _ = write!(
            stream,
            "commit refs/heads/main\nmark :{mark}\ncommitter a <a@b> {time} +0000\ndata 1\nc\nM 100644 inline {file}\ndata {length}\n{text}\n"
        );
    }
    // The ledgers are newer than the code, and their entries are about old commits.
    for (offset, ledger) in [(0, "prod"), (1, "stage"), (2, "dev")] {
        for entry in 0..60 {
            let time = begin + 200_000 + entry * 50 + offset;
            let code = if entry == 0 {
                String::new()
            } else {
                format!("merge :{}\n", 100 + entry)
            };
            let _ = write!(
                stream,
                "commit refs/deploy/{ledger}\ncommitter a <a@b> {time} +0000\ndata 1\ne\n{code}M 100644 inline entry\ndata 10\n{time}\n"
            );
        }
    }
    let mut command = super::plain_git(&server.path);
    command.args(["fast-import", "--quiet"]);
    super::run(command, stream.as_bytes());
    client.git(&[
        "remote",
        "add",
        "origin",
        &format!("file://{}", server.path.display()),
    ]);
    let refspecs = [
        "+refs/heads/*:refs/remotes/origin/*",
        "+refs/deploy/*:refs/deploy-incoming/*",
    ];
    client.open().fetch("origin", &refspecs).unwrap();
    let by_default = client.sibling_path("default.git");
    std::fs::create_dir(&by_default).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(client.path.join("."))
        .arg(&by_default)
        .status();
    assert!(copied.unwrap().success());

    // One more deployment, of a commit that the client has.
    let tip = server.oid(&["rev-parse", NAME]);
    let code = server.oid(&["rev-parse", "refs/heads/main~100"]);
    let next = server.commit(&[tip, code], "next", begin + 209_000);
    server.git(&["update-ref", NAME, &next.to_string()]);
    // Objects that are sent again are stored again.
    let count = |path: &std::path::Path| -> usize {
        let listed = super::git_in(path, &["count-objects", "-v"]);
        let counts = listed.lines().filter_map(|line| {
            line.strip_prefix("count: ")
                .or(line.strip_prefix("in-pack: "))
        });
        counts.map(|count| count.parse::<usize>().unwrap()).sum()
    };
    let before = count(&client.path);
    client.open().fetch("origin", &refspecs).unwrap();
    let received = count(&client.path) - before;
    assert!((1..=5).contains(&received), "{received} objects");
    let arguments = [
        "-c",
        "fetch.unpackLimit=1",
        "fetch",
        "--quiet",
        "origin",
        refspecs[0],
        refspecs[1],
    ];
    super::git_in(&by_default, &arguments);
    let received = count(&by_default) - before;
    assert!(received > 1_000, "git has a better default: {received}");
}
