//! Tests with several writers at once: no entry is lost, and each ledger stays one chain.

use super::{AppendError, AppendFailure, EntryDraft};
use crate::clock;
use crate::domain::entry::{Action, ApprovalPurpose, Approve};
use crate::domain::id::CommitId;
use crate::domain::time::Span;
use crate::git::Repository;
use crate::git::tests::TestRepository;
use crate::ledger::Project;
use crate::ledger::sync::sync;
use crate::ledger::testing::{
    TestClone, TestKeys, assert_notes_match, create_project, draft_publish, parse, validate_all,
    write_code_commit,
};

const WRITERS: usize = 4;
const ENTRIES_PER_WRITER: usize = 5;

fn policy(keys: &TestKeys) -> String {
    let key = keys.public("alice");
    format!(
        "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"{key}\"\nbob = \"{}\"\n[environments]\nprod = {{ approvals = 1 }}\n",
        keys.public("bob")
    )
}

/// Returns a repository in which alice writes.
fn alice_in<'a>(
    repository: &'a Repository,
    project: &'a Project,
    remote: Option<&'a str>,
    keys: &TestKeys,
) -> TestClone<'a> {
    TestClone {
        repository,
        project,
        remote,
        person: parse("alice"),
        signer: keys.signer("alice"),
    }
}

/// Returns an approval. Approvals do not block each other, and each adds a line to the note of the
/// commit.
fn draft_approval(commit: CommitId) -> EntryDraft {
    Action::Approve(Approve {
        commit,
        components: vec![parse("catalogue")],
        purpose: ApprovalPurpose::Deploy,
        plans: std::collections::BTreeMap::new(),
        expires: clock::now().plus(Span::from_days(1)),
        comment: None,
    })
    .into()
}

fn write_entries(
    clone: &TestClone<'_>,
    commit: CommitId,
) -> Result<(), AppendFailure<AppendError>> {
    for _ in 0..ENTRIES_PER_WRITER {
        clone.append("prod", &|_| Ok(draft_approval(commit)))?;
    }
    Ok(())
}

/// Checks that the ledger and the notes contain the entries of all writers.
fn assert_complete(repository: &Repository, project: &Project, commit: CommitId) {
    assert_eq!(
        validate_all(repository, project),
        1 + WRITERS * ENTRIES_PER_WRITER
    );
    let tips = repository.tips().unwrap();
    let chain = repository
        .chain_between(None, tips["prod"])
        .unwrap()
        .unwrap();
    assert_eq!(
        chain.len(),
        1 + WRITERS * ENTRIES_PER_WRITER,
        "with the genesis"
    );
    assert_notes_match(repository, &tips);
    assert_eq!(
        repository
            .read_note(commit)
            .unwrap()
            .unwrap()
            .lines()
            .count(),
        WRITERS * ENTRIES_PER_WRITER
    );
}

/// Without a remote the local ref is the database: a writer that loses the race evaluates and signs
/// again.
#[test]
fn writers_in_one_repository() {
    let (scratch, keys) = (TestRepository::bare(), TestKeys::new());
    let repository = scratch.open();
    let project = create_project(&repository, keys.public("alice"));
    let commit_time = clock::now().as_seconds() - 60;
    let commit = write_code_commit(
        &repository,
        &[("a", "1")],
        &[],
        "Ann <ann@example.com>",
        commit_time,
    );
    alice_in(&repository, &project, None, &keys).write("policy", &draft_publish(&policy(&keys)));
    std::thread::scope(|scope| {
        let write_all =
            || write_entries(&alice_in(&scratch.open(), &project, None, &keys), commit).unwrap();
        let threads: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write_all)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_complete(&repository, &project, commit);
    scratch.fsck();
}

/// With a remote without hooks, its refs are the database, even for two processes in one clone.
#[test]
fn writers_in_two_clones() {
    let (server, first, second, keys) = (
        TestRepository::bare(),
        TestRepository::bare(),
        TestRepository::bare(),
        TestKeys::new(),
    );
    for clone in [&first, &second] {
        clone.git(&[
            "remote",
            "add",
            "origin",
            &format!("file://{}", server.path.display()),
        ]);
    }
    let repository = first.open();
    let project = create_project(&repository, keys.public("alice"));
    let commit_time = clock::now().as_seconds() - 60;
    let commit = write_code_commit(
        &repository,
        &[("a", "1")],
        &[],
        "Ann <ann@example.com>",
        commit_time,
    );
    first.git(&[
        "push",
        "--quiet",
        "origin",
        &format!("{commit}:refs/heads/main"),
    ]);
    alice_in(&repository, &project, Some("origin"), &keys)
        .write("policy", &draft_publish(&policy(&keys)));
    sync(&second.open(), "origin").unwrap();
    let write_all = |clone: &TestRepository| {
        write_entries(
            &alice_in(&clone.open(), &project, Some("origin"), &keys),
            commit,
        )
        .unwrap();
    };
    std::thread::scope(|scope| {
        let clones = [&first, &first, &second, &second];
        let threads: Vec<_> = clones
            .into_iter()
            .map(|clone| scope.spawn(|| write_all(clone)))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_complete(&server.open(), &project, commit);
    for clone in [&first, &second] {
        let clone = clone.open();
        sync(&clone, "origin").unwrap();
        assert_eq!(clone.tips().unwrap(), server.open().tips().unwrap());
    }
    server.fsck();
}

/// A publish still names the tips of environments that an earlier policy dropped, so that their
/// entries keep their position in the order.
#[test]
fn a_dropped_environment() {
    let (scratch, keys) = (TestRepository::bare(), TestKeys::new());
    let repository = scratch.open();
    let project = create_project(&repository, keys.public("alice"));
    let alice = alice_in(&repository, &project, None, &keys);
    let with_prod = policy(&keys);
    let without_prod = with_prod.replace("prod = { approvals = 1 }", "dev = {}");
    alice.write("policy", &draft_publish(&with_prod));
    let at = clock::now().as_seconds();
    alice.write(
        "prod",
        &draft_approval(write_code_commit(
            &repository,
            &[("a", "1")],
            &[],
            "bob <bob@example.com>",
            at,
        )),
    );
    alice.write("policy", &draft_publish(&without_prod));
    alice.write(
        "policy",
        &draft_publish(&format!("{without_prod}qa = {{}}\n")),
    );
    assert_eq!(validate_all(&repository, &project), 4);
}
