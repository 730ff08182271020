//! Several writers at once: nobody's entry is lost, and the ledger stays one line.

use super::{AppendError, AppendFailure, EntryDraft};
use crate::clock;
use crate::domain::entry::{Action, Approve};
use crate::domain::id::CommitId;
use crate::domain::time::Span;
use crate::git::Repository;
use crate::git::tests::Scratch;
use crate::ledger::Project;
use crate::ledger::sync::sync;
use crate::ledger::testing::{
    TestClone, TestKeys, assert_notes_match, create_project, draft_publish, parse, validate_all,
    write_code_commit,
};

const WRITERS: usize = 4;
const EACH: usize = 5;

fn policy(keys: &TestKeys) -> String {
    let key = keys.public("alice");
    format!(
        "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"{key}\"\nbob = \"{}\"\n[environments]\nprod = {{ approvals = 1 }}\n",
        keys.public("bob")
    )
}

fn desk<'a>(
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

/// A consent: it never stands in another's way, and each is a line in the note of the same commit.
fn consent(commit: CommitId) -> EntryDraft {
    Action::Approve(Approve {
        commit,
        components: vec![parse("catalogue")],
        plans: std::collections::BTreeMap::new(),
        expires: clock::now().plus(Span::from_days(1)),
        comment: None,
    })
    .into()
}

fn write(desk: &TestClone<'_>, commit: CommitId) -> Result<(), AppendFailure<AppendError>> {
    for _ in 0..EACH {
        desk.append("prod", &|_| Ok(consent(commit)))?;
    }
    Ok(())
}

fn complete(repository: &Repository, project: &Project, commit: CommitId) {
    assert_eq!(validate_all(repository, project), 1 + WRITERS * EACH);
    let tips = repository.tips().unwrap();
    let chain = repository
        .chain_between(None, tips["prod"])
        .unwrap()
        .unwrap();
    assert_eq!(chain.len(), 1 + WRITERS * EACH, "with the genesis");
    assert_notes_match(repository, &tips);
    assert_eq!(
        repository
            .read_note(commit)
            .unwrap()
            .unwrap()
            .lines()
            .count(),
        WRITERS * EACH
    );
}

/// Without a remote the local ref is the database: whoever loses the race decides and signs again.
#[test]
fn writers_in_one_repository() {
    let (scratch, keys) = (Scratch::bare(), TestKeys::new());
    let repository = scratch.open();
    let project = create_project(&repository, keys.public("alice"));
    let begun = clock::now().as_seconds() - 60;
    let commit = write_code_commit(
        &repository,
        &[("a", "1")],
        &[],
        "Ann <ann@example.com>",
        begun,
    );
    desk(&repository, &project, None, &keys).write("policy", &draft_publish(&policy(&keys)));
    std::thread::scope(|scope| {
        let one = || write(&desk(&scratch.open(), &project, None, &keys), commit).unwrap();
        let threads: Vec<_> = (0..WRITERS).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    complete(&repository, &project, commit);
    scratch.fsck();
}

/// With a remote that has no hooks its refs are the database, also for two processes in one clone.
#[test]
fn writers_in_two_clones() {
    let (server, first, second, keys) = (
        Scratch::bare(),
        Scratch::bare(),
        Scratch::bare(),
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
    let begun = clock::now().as_seconds() - 60;
    let commit = write_code_commit(
        &repository,
        &[("a", "1")],
        &[],
        "Ann <ann@example.com>",
        begun,
    );
    first.git(&[
        "push",
        "--quiet",
        "origin",
        &format!("{commit}:refs/heads/main"),
    ]);
    desk(&repository, &project, Some("origin"), &keys)
        .write("policy", &draft_publish(&policy(&keys)));
    sync(&second.open(), "origin").unwrap();
    let one = |clone: &Scratch| {
        write(
            &desk(&clone.open(), &project, Some("origin"), &keys),
            commit,
        )
        .unwrap();
    };
    std::thread::scope(|scope| {
        let clones = [&first, &first, &second, &second];
        let threads: Vec<_> = clones
            .into_iter()
            .map(|clone| scope.spawn(|| one(clone)))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    complete(&server.open(), &project, commit);
    for clone in [&first, &second] {
        let clone = clone.open();
        sync(&clone, "origin").unwrap();
        assert_eq!(clone.tips().unwrap(), server.open().tips().unwrap());
    }
    server.fsck();
}

/// A policy still names the tips of environments that the one before it dropped: what was done there keeps its place in the order.
#[test]
fn a_dropped_environment() {
    let (scratch, keys) = (Scratch::bare(), TestKeys::new());
    let repository = scratch.open();
    let project = create_project(&repository, keys.public("alice"));
    let desk = desk(&repository, &project, None, &keys);
    let with = policy(&keys);
    let without = with.replace("prod = { approvals = 1 }", "dev = {}");
    desk.write("policy", &draft_publish(&with));
    let at = clock::now().as_seconds();
    desk.write(
        "prod",
        &consent(write_code_commit(
            &repository,
            &[("a", "1")],
            &[],
            "bob <bob@example.com>",
            at,
        )),
    );
    desk.write("policy", &draft_publish(&without));
    desk.write("policy", &draft_publish(&format!("{without}qa = {{}}\n")));
    assert_eq!(validate_all(&repository, &project), 4);
}
