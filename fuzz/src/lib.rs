//! The fuzzed functions: one for each reader of untrusted bytes. Each takes arbitrary bytes and
//! panics if a guarantee does not hold.
//!
//! A function checks only what holds for every input: a value that was read prints to the same
//! bytes, two readers of one format agree, and error messages are safe to show. The test suite runs
//! the corpus through the same functions.

use std::collections::BTreeSet;

use git_deploy::testing::domain::entry::{Statement, StoredEntry, format_note_line, read_trailers};
use git_deploy::testing::domain::id::{CommitId, Oid, PublicKey};
use git_deploy::testing::domain::policy::{Environment, FileOwnership, PathIndex, Paths, Policy};
use git_deploy::testing::domain::text::is_plain;
use git_deploy::testing::domain::time::{Span, Time};
use git_deploy::testing::git::{self, Commit, tree_entries};
use git_deploy::testing::ledger::notes as projection;
use git_deploy::testing::server::classify::{RefKind, classify};
use git_deploy::testing::server::deadline::HookDeadline;
use git_deploy::testing::server::ref_update::RefUpdate;
use git_deploy::testing::server::{pre_receive, proc_receive};
use git_deploy::testing::signing::Signature;

/// Checks `entry.json`: a statement has exactly one spelling, and everything derived from it has
/// the right form.
pub fn entry(data: &[u8]) {
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(
            statement.print().ok().as_deref(),
            Some(data),
            "what was read prints to other bytes"
        );
        made_of(&statement);
    }
    // A mutation rarely hits the one allowed spelling. So this also reads other spellings: the
    // result must either be a valid statement or fail to print.
    if let Ok(kept) = StoredEntry::parse_trusted(data)
        && let Ok(bytes) = kept.statement.print()
    {
        assert_eq!(
            Statement::parse(&bytes).ok().as_ref(),
            Some(&kept.statement),
            "what was printed reads otherwise"
        );
        made_of(&kept.statement);
    }
}

/// Checks the message, the trusted comment and the notes of a statement.
fn made_of(statement: &Statement) {
    let message = statement.message();
    let found = read_trailers(&message);
    let named: BTreeSet<CommitId> = found.commits.iter().copied().collect();
    assert!(
        named.iter().eq(&statement.commits()),
        "the message names other commits than the entry"
    );
    assert_eq!(found.action, statement.action.name());
    assert_eq!(
        found.environment,
        statement.environment().map(|name| name.to_string())
    );
    assert!(
        message.ends_with('\n') && message.chars().all(|it| it == '\n' || is_plain(it)),
        "{message:?}"
    );
    assert!(statement.trusted_comment().chars().all(is_plain));
    let id = statement.previous;
    let lines: Vec<String> = statement
        .commits()
        .into_iter()
        .filter_map(|commit| format_note_line(statement, id, commit, &[]))
        .collect();
    assert_eq!(lines.len(), named.len(), "a commit has no note");
    assert!(
        lines.iter().all(|line| line.chars().all(is_plain)),
        "{lines:?}"
    );
}

/// Checks `entry.json.minisig`: a signature has exactly one spelling, is never valid without its
/// key, and `minisign-verify` reads every signature that we accept.
pub fn signature(data: &[u8]) {
    let signature = match Signature::parse(data) {
        Ok(signature) => signature,
        Err(error) => return shown(&error.to_string()),
    };
    assert_eq!(signature.as_bytes(), data);
    assert!(signature.trusted_comment().chars().all(is_plain));
    let text = std::str::from_utf8(data).expect("it was read as text");
    minisign_verify::Signature::decode(text).expect("the stock library reads it");
    // The base point is a public key whose secret key is unknown.
    let mut point = [0x66; 32];
    point[0] = 0x58;
    assert!(
        signature
            .verify(&PublicKey::new(signature.key_id(), point), data)
            .is_err(),
        "forged"
    );
}

/// Checks `deploy.toml`: every finding is a printable line, and a policy answers every query.
pub fn policy(data: &[u8]) {
    let policy = match Policy::from_bytes(data) {
        Ok(policy) => policy,
        Err(errors) => {
            assert!(!errors.errors().is_empty());
            return shown(&errors.to_string());
        }
    };
    for environment in policy.all_environments() {
        known(&policy, environment);
    }
    let owners = PathIndex::new(&policy);
    let components = policy.component_names();
    let patterns: Vec<&String> = components
        .iter()
        .filter_map(|name| policy.component(name)?.paths.as_ref())
        .flat_map(Paths::patterns)
        .collect();
    // The two ways to find the owner of a path must agree. Paths close to the patterns are the ones
    // that matter.
    for pattern in patterns.into_iter().take(20) {
        for path in [
            pattern.clone(),
            pattern.replace(['*', '?'], "x"),
            format!("{}/x", pattern.replace('*', "x/y")),
        ] {
            let parts: Vec<&str> = path.split('/').collect();
            // The files of git's settings belong to the component with others beside them, and a walk
            // finds more components than there are.
            let skipped = ["", ".", "..", ".gitattributes", ".gitmodules"];
            if parts.iter().any(|part| skipped.contains(part)) {
                continue;
            }
            let walked: BTreeSet<_> = walk(&owners, &parts)
                .into_iter()
                .map(|number| owners.components()[number].clone())
                .collect();
            let asked: BTreeSet<_> = components
                .iter()
                .filter(|name| {
                    policy.file_ownership(name, path.as_bytes(), false) != FileOwnership::Outside
                })
                .cloned()
                .collect();
            assert_eq!(walked, asked, "whose {path:?} is depends on how one asks");
        }
    }
}

/// Runs the queries that the rest of the crate makes about an environment.
fn known(policy: &Policy, environment: &Environment) {
    assert_eq!(
        policy.environment_of_ledger(&environment.ledger),
        Some(environment)
    );
    if let Some(branch) = &environment.branch {
        assert_eq!(
            policy.environment_of_branch(branch.as_str()),
            Some(environment)
        );
    }
    for seconds in [0, 1_772_704_800, 1_793_000_000, 253_402_300_799] {
        let now = Time::EPOCH.plus(Span::from_seconds(seconds));
        for freeze in &environment.freeze {
            assert!(
                freeze.active_until(now).is_none_or(|end| end > now),
                "a window that ends before it is over"
            );
            shown(&freeze.to_string());
        }
    }
}

/// Returns the owners of a path, found by descending folder by folder.
fn walk(owners: &PathIndex<'_>, parts: &[&str]) -> BTreeSet<usize> {
    let Some((_, folders)) = parts.split_last() else {
        return BTreeSet::new();
    };
    let mut within = owners.root();
    let mut found: BTreeSet<usize> = within.owners.iter().copied().collect();
    for folder in folders {
        within = owners.enter_folder(&within.position, folder.as_bytes());
        found.extend(&within.owners);
        if !within.descend {
            return found;
        }
    }
    found.extend(owners.owners_of_file(&within.position, parts.join("/").as_bytes(), false));
    found
}

/// Checks the input of pre-receive and proc-receive: each line prints to the same bytes, and each
/// ref belongs to exactly one class.
pub fn push(data: &[u8]) {
    if let Ok(updates) = RefUpdate::parse_all(data) {
        let zero = |hex: usize| "0".repeat(hex);
        let mut again = Vec::new();
        for RefUpdate { old, new, name } in &updates {
            let (old, new) = (old.map(|it| it.to_string()), new.map(|it| it.to_string()));
            let length = data
                .iter()
                .skip(again.len())
                .position(|byte| *byte == b' ')
                .unwrap_or_default();
            let ids = format!(
                "{} {} ",
                old.unwrap_or_else(|| zero(length)),
                new.unwrap_or_else(|| zero(length))
            );
            again.extend([ids.as_bytes(), name, b"\n"].concat());
            let own = name
                .get(..11)
                .is_some_and(|head| head.eq_ignore_ascii_case(b"refs/deploy"));
            match classify(name) {
                RefKind::Ledger(ledger) => assert_eq!(ledger.ref_name().as_bytes(), &**name),
                RefKind::Forbidden(_) => {}
                RefKind::Branch(_) | RefKind::Tag(_) | RefKind::Other => {
                    assert!(
                        !own || !matches!(name.get(11), None | Some(b'/')),
                        "{}",
                        String::from_utf8_lossy(name)
                    );
                }
            }
        }
        assert_eq!(again, data, "what was read is not what git said");
        // Every ref is resolved, even one outside refs/deploy: a symbolic ref may point to a
        // ledger.
        let judged = pre_receive::judge(data, || Err(closed()));
        assert_eq!(judged.is_ok(), updates.is_empty(), "judged without looking");
    } else {
        assert!(pre_receive::judge(data, || Err(closed())).is_err());
    }
    let mut answered = Vec::new();
    let done = proc_receive::run(
        None,
        &mut &*data,
        &mut answered,
        || Err(closed()),
        &HookDeadline::default(),
    );
    shown(
        &done
            .expect_err("nothing can be done in no repository")
            .to_string(),
    );
    assert!(
        matches!(&answered[..], b"" | b"000eversion=1\n0000"),
        "an answer to nothing"
    );
}

/// Returns the error for a repository that cannot be opened.
fn closed() -> git::Error {
    git::Error::Missing(Oid::from_bytes(&[1; 20]).expect("twenty bytes are an id"))
}

/// Checks the notes. The input is a commit message up to the first NUL, then a note. No line may be
/// lost, and incremental updates must equal a rebuild.
pub fn notes(data: &[u8]) {
    let at = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (message, note) = data.split_at(at);
    let covers = projection::parse_covered_tips(message);
    let text = String::from_utf8_lossy(message);
    for (ledger, tip) in &covers {
        assert!(
            text.contains(&format!("Deploy-Covers: {ledger} {tip}")),
            "{ledger} {tip}"
        );
    }
    let note = String::from_utf8_lossy(note.get(1..).unwrap_or_default());
    let once = projection::merge_lines(&note, Vec::new());
    assert_eq!(
        projection::merge_lines(&once, Vec::new()),
        once,
        "the order of a note is not an order"
    );
    let lines: Vec<String> = note.split_terminator('\n').map(str::to_owned).collect();
    let (first, rest) = lines.split_at(lines.len() / 2);
    let anew = projection::merge_lines("", lines.clone());
    let caught_up =
        projection::merge_lines(&projection::merge_lines("", first.to_vec()), rest.to_vec());
    assert_eq!(caught_up, anew, "catching up and making anew differ");
    let mut sorted: Vec<&str> = anew.split_terminator('\n').collect();
    let mut given: Vec<&str> = lines.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    given.sort_unstable();
    assert_eq!(sorted, given, "a line was lost, or came from nowhere");
}

/// Checks commits and trees, with SHA-256 ids if the first byte is odd: the result must agree with
/// gix, and no byte may be ignored.
pub fn commit(data: &[u8]) {
    let Some((first, raw)) = data.split_first() else {
        return;
    };
    let (hash, length) = if first % 2 == 0 {
        (gix::hash::Kind::Sha1, 20)
    } else {
        (gix::hash::Kind::Sha256, 32)
    };
    let id = Oid::from_bytes(&vec![1; length]).expect("as many bytes as an id has");
    if let Ok(commit) = Commit::parse(id, raw.to_vec()) {
        assert_eq!(commit.raw, raw);
        assert!(commit.message().is_empty() || raw.ends_with(commit.message()));
        let message = String::from_utf8_lossy(commit.message());
        assert!(read_trailers(&message).commits.len() <= message.lines().count());
        if let Ok(theirs) = gix::objs::CommitRef::from_bytes(raw, hash) {
            assert_eq!(theirs.tree.to_string(), commit.tree.to_string());
            assert!(
                theirs
                    .parents
                    .iter()
                    .map(ToString::to_string)
                    .eq(commit.parents.iter().map(Oid::to_string))
            );
            assert_eq!(theirs.message, commit.message());
        }
    }
    let entries: Result<Vec<tree_entries::TreeEntry<'_>>, _> =
        tree_entries::parse_entries(id, raw).collect();
    let theirs = gix::objs::TreeRef::from_bytes(raw, hash);
    let Ok(entries) = entries else { return };
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.raw)
            .collect::<Vec<_>>()
            .concat(),
        raw
    );
    if let Ok(theirs) = theirs {
        let names = |entry: &gix::objs::tree::EntryRef<'_>| {
            (entry.filename.to_vec(), entry.oid.as_bytes().to_vec())
        };
        let theirs: BTreeSet<_> = theirs.entries.iter().map(names).collect();
        let ours = entries
            .iter()
            .map(|entry| (entry.name.to_vec(), entry.id.as_bytes().to_vec()));
        assert_eq!(
            ours.collect::<BTreeSet<_>>(),
            theirs,
            "git's library sees another tree"
        );
    }
}

/// Checks that a message about untrusted bytes is safe to print on a terminal.
fn shown(text: &str) {
    assert!(
        text.chars()
            .all(|character| character == '\n' || is_plain(character)),
        "{text:?}"
    );
}
