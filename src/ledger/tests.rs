//! The test vectors of `FORMAT.md`, in `testdata/vectors/`: the bytes and ids of three ledgers and
//! the notes, in SHA-1 and SHA-256.
//!
//! Other implementations can check themselves against them, and no later version of this one may
//! change them. Until the first release, regenerate them after an intended change with
//! `UPDATE_VECTORS=1 cargo test --lib ledger`, and review the diff.

mod audit_script;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::{
    LedgerCommit, Project, StateReader, Tips, entry_commit_bytes, genesis_bytes,
    project_genesis_bytes,
};
use crate::domain::entry::{Action, Entry, Statement, Unverified};
use crate::domain::id::{CommitId, Digest, EntryId, Oid, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::PublishedPolicy;
use crate::domain::state::{Scope, fold};
use crate::domain::time::Time;
use crate::git::repo::Repository;
use crate::ledger::notes::NOTES_REF;
use crate::signing::sign::Signer;
use crate::signing::verify_entry;
use script::{Code, Step, script};

const SIGNATURE: &[u8] = include_bytes!("../../testdata/vectors/entry.json.minisig");
const ROOT_KEYS: [PublicKey; 2] = [
    PublicKey::new([3; 8], [4; 32]),
    PublicKey::new([1; 8], [2; 32]),
];
const BEGIN: &str = "2026-03-05T08:00:00Z";

/// The folder with the vectors of one hash kind. Its files are compared or, with `UPDATE_VECTORS`,
/// written.
struct Vectors {
    folder: PathBuf,
    update: bool,
    names: BTreeSet<String>,
}

impl Vectors {
    fn new(kind: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("testdata/vectors")
            .join(kind);
        let update = std::env::var_os("UPDATE_VECTORS").is_some_and(|value| value == "1");
        if update {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
        }
        Self {
            folder,
            update,
            names: BTreeSet::new(),
        }
    }

    fn expect(&mut self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        if self.update {
            std::fs::write(&path, bytes).unwrap();
        }
        let expected =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            expected == bytes,
            "{} should be\n{}\nand is\n{}",
            path.display(),
            String::from_utf8_lossy(&expected),
            String::from_utf8_lossy(bytes)
        );
        self.names.insert(name.to_owned());
    }

    /// Checks that the folder contains no other files.
    fn finish(&self) {
        let stored = std::fs::read_dir(&self.folder).unwrap();
        let stored: BTreeSet<String> = stored
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(stored, self.names);
    }
}

/// Returns the key that the vectors' policies give a person. Machines have one of their own.
fn key_of(person: &str) -> PublicKey {
    match person {
        "alice" => PublicKey::new([1; 8], [2; 32]),
        "bob" => PublicKey::new([3; 8], [4; 32]),
        _ => PublicKey::new([5; 8], [6; 32]),
    }
}

/// A repository to which the entries of the script are written.
struct World {
    repository: Repository,
    project: Project,
    code: Vec<Code>,
    time: Time,
    /// The sequence number and the tree at the end of each ledger.
    ends: BTreeMap<LedgerName, (u64, Oid)>,
    tips: Tips,
    /// Every ledger commit, in the order of writing.
    commits: Vec<Oid>,
    /// A line for each code commit, then for each ledger commit.
    listed: String,
    /// The trees of the entries.
    trees: String,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(kind: &str, root_keys: &[PublicKey]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut init = Command::new("git");
        init.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", folder.path());
        init.args(["init", "-q", "--bare", "--object-format", kind, "r.git"])
            .current_dir(folder.path());
        assert!(init.status().unwrap().success());
        let repository = Repository::open(&folder.path().join("r.git")).unwrap();
        let mut listed = String::new();
        // No entry names the second commit: the third brings it along.
        let mut parent = String::new();
        let mut code: Vec<Code> = (1..=4)
            .map(|number| {
                let blob = repository
                    .write_blob(format!("{number}\n").as_bytes())
                    .unwrap();
                let tree = [b"100644 README\0", blob.as_bytes()].concat();
                let tree = repository.write_tree(&tree).unwrap();
                let people = "dev <dev@example.com> 1700000000 +0000";
                let commit = format!(
                    "tree {tree}\n{parent}author {people}\ncommitter {people}\n\nchange {number}\n"
                );
                let commit = repository.write_commit(commit.as_bytes()).unwrap();
                parent = format!("parent {commit}\n");
                writeln!(listed, "code {number} {commit} {tree}").unwrap();
                Code {
                    commit: commit.to_string(),
                    content: tree.to_string(),
                }
            })
            .collect();
        code.remove(1);
        let nonce = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let name = "catalogue".parse().unwrap();
        let genesis = project_genesis_bytes(&repository, &name, nonce, root_keys).unwrap();
        repository.write_tree(b"").unwrap();
        let id = EntryId(repository.write_commit(&genesis).unwrap());
        let project = Project::read(&repository, id).unwrap();
        Self {
            repository,
            project,
            code,
            time: BEGIN.parse().unwrap(),
            ends: BTreeMap::new(),
            tips: Tips::new(),
            commits: Vec::new(),
            listed,
            trees: String::new(),
            _folder: folder,
        }
    }

    fn git(&self, command: &'static str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        self.repository
            .git(command)
            .args(arguments)
            .input(input)
            .run()
            .unwrap()
            .into_stdout()
            .unwrap()
    }

    /// Returns the commits of the code, their trees and their files, as `git cat-file --batch` prints
    /// them.
    fn print_code(&self) -> Vec<u8> {
        let newest = self.code.last().map(|code| code.commit.clone()).unwrap();
        let listed = self.git(
            "rev-list",
            &["--objects", "--no-object-names", &newest],
            b"",
        );
        self.git("cat-file", &["--batch"], &listed)
    }

    /// Returns the id that git computes for these bytes. Git must accept them as well-formed.
    fn git_id(&self, kind: &str, bytes: &[u8]) -> String {
        String::from_utf8(self.git("hash-object", &["-t", kind, "--stdin"], bytes))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Writes the genesis of a ledger, if it does not exist yet.
    fn begin_ledger(&mut self, ledger: &LedgerName) {
        if self.tips.contains_key(ledger) {
            return;
        }
        let genesis = self.project.genesis_id(&self.repository, ledger).unwrap();
        if !ledger.is_policy() {
            let bytes = genesis_bytes(&self.repository, self.project.id, ledger);
            assert_eq!(self.repository.write_commit(&bytes).unwrap(), genesis.0);
        }
        let tree = self.repository.hash_kind().empty_tree();
        self.tips.insert(ledger.clone(), genesis);
        self.ends.insert(ledger.clone(), (0, tree));
        self.commits.push(genesis.0);
        writeln!(self.listed, "{ledger} 0 genesis {genesis} {tree}").unwrap();
    }

    fn statement(&mut self, step: &Step, signer: Option<&Signer>) -> Statement {
        self.time = self.time.plus(crate::domain::time::Span::from_seconds(60));
        let previous = self.tips[&step.ledger];
        let seen = self.tips.iter().filter(|(name, _)| {
            let is_read = name.is_policy() || name.is_evidence() || step.ledger.is_policy();
            **name != step.ledger && is_read
        });
        Statement {
            at: self.time,
            by: step.by.parse().unwrap(),
            key: signer.map_or_else(|| key_of(step.by), Signer::public_key),
            requested_by: (step.by == "ci").then(|| "alice".parse().unwrap()),
            ledger: step.ledger.clone(),
            environment: step.environment.clone(),
            project: self.project.id,
            previous,
            sequence: self.ends[&step.ledger].0 + 1,
            seen: seen.map(|(name, tip)| (name.clone(), *tip)).collect(),
            action: self.complete_action(step),
        }
    }

    fn published(&self, step: &Step) -> Option<PublishedPolicy> {
        let text = step.policy?;
        Some(PublishedPolicy::new(text.into(), &self.project.root_keys))
    }

    /// Returns the action of a step; a `publish` signs the digests of its policy and key list.
    fn complete_action(&self, step: &Step) -> Action {
        let mut action = step.action.clone();
        if let (Action::Publish(publish), Some(published)) = (&mut action, self.published(step)) {
            publish.digest = Digest::sha256(&published.text);
            publish.keys = Digest::sha256(&published.keys);
        }
        action
    }

    /// Writes one entry as a client does, signed if there is a signer. Returns the name of its
    /// vector file and its bytes.
    fn append(&mut self, step: &Step, signer: Option<&Signer>) -> (String, Vec<u8>) {
        self.begin_ledger(&step.ledger);
        let statement = self.statement(step, signer);
        let repository = &self.repository;
        let bytes = statement.print().unwrap();
        let signature =
            signer.map(|signer| signer.sign(&bytes, &statement.trusted_comment()).unwrap());
        let entry =
            Entry::<Unverified>::parse(&bytes, signature.as_deref().unwrap_or(SIGNATURE)).unwrap();
        assert_eq!(entry.statement(), &statement);
        let entry = match signer {
            Some(signer) => verify_entry(entry, [&signer.public_key()]).unwrap(),
            None => entry.assume_verified(),
        };
        let before = self.ends[&step.ledger].1;
        let state = StateReader::new(repository)
            .load(before, &step.ledger, &Scope::for_statement(&statement))
            .unwrap();
        let edits = fold(&state, &entry, self.published(step).as_ref());
        let (computed, _) = repository
            .compute_tree_after(before, &entry, &edits)
            .unwrap();
        let tree = repository.write_tree_after(before, &entry, &edits).unwrap();
        assert_eq!(
            computed, tree,
            "the server computes the tree that the client writes"
        );
        let raw = entry_commit_bytes(&statement, tree, &self.project.name);
        let id = EntryId(repository.write_commit(&raw).unwrap());
        assert_eq!(self.git_id("commit", &raw), id.to_string());
        let LedgerCommit::Entry {
            previous, entry, ..
        } = repository.read_ledger_commit(&step.ledger, id).unwrap()
        else {
            panic!("{id} reads back as a genesis")
        };
        assert_eq!(
            (previous, entry.statement()),
            (statement.previous, &statement)
        );

        let (sequence, action) = (statement.sequence, statement.action.name());
        let blob = repository.write_blob(&bytes).unwrap();
        writeln!(
            self.listed,
            "{} {sequence} {action} {id} {tree} {blob}",
            step.ledger
        )
        .unwrap();
        let files =
            String::from_utf8(self.git("ls-tree", &["-r", &tree.to_string()], b"")).unwrap();
        writeln!(self.trees, "{} {sequence} {tree}\n{files}", step.ledger).unwrap();
        self.commits.push(id.0);
        self.tips.insert(step.ledger.clone(), id);
        self.ends.insert(step.ledger.clone(), (sequence, tree));
        let old = repository.read_ref(&step.ledger.ref_name()).unwrap();
        self.repository
            .advance_ledger(&step.ledger, old.map(EntryId), id, "test")
            .unwrap();
        (
            format!("{}-{sequence:02}-{action}.json", step.ledger),
            bytes,
        )
    }

    /// Returns the notes as `git notes` shows them.
    fn notes(&self) -> String {
        let mut text = String::new();
        for line in self.listed.lines() {
            let ["code", _, commit, _] = line.split(' ').collect::<Vec<_>>()[..] else {
                break;
            };
            let note = self.git("notes", &["--ref=deploy", "show", commit], b"");
            writeln!(text, "{commit}\n{}", String::from_utf8(note).unwrap()).unwrap();
        }
        text
    }

    /// Checks with stock git: `fsck` finds no error, `mktree` gives the same tree, and the trailers
    /// can be read.
    fn check_with_git(&self) {
        self.git("fsck", &["--strict", "--full", "--no-dangling"], b"");
        let (_, tree) = self.ends["prod"];
        let listed = self.git("ls-tree", &[&tree.to_string()], b"");
        assert_eq!(
            self.git("mktree", &[], &listed),
            format!("{tree}\n").into_bytes()
        );
        for line in self
            .listed
            .lines()
            .filter(|line| !line.starts_with("code") && !line.contains(" 0 genesis "))
        {
            let [_, _, action, id, ..] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let found = self.git(
                "log",
                &["-1", "--format=%(trailers:key=Deploy-Action,valueonly)", id],
                b"",
            );
            assert_eq!(String::from_utf8(found).unwrap().trim(), action);
        }
    }
}

fn vectors(kind: &str) {
    let (mut world, mut vectors) = (World::new(kind, &ROOT_KEYS), Vectors::new(kind));
    for step in script(&world.code) {
        let (name, bytes) = world.append(&step, None);
        vectors.expect(&name, &bytes);
        assert!(world.repository.update_notes(&world.tips).unwrap());
    }
    assert_eq!(world.repository.tips().unwrap(), world.tips);
    vectors.expect("expected.txt", world.listed.as_bytes());
    vectors.expect("trees.txt", world.trees.as_bytes());
    let ids = world
        .commits
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    vectors.expect(
        "commits.txt",
        &world.git("cat-file", &["--batch"], ids.as_bytes()),
    );
    vectors.expect("code.objects", &world.print_code());

    // Notes that were updated entry by entry equal rebuilt ones.
    assert_eq!(
        world.repository.differing_notes(&world.tips).unwrap(),
        Vec::<CommitId>::new()
    );
    vectors.expect("notes.txt", world.notes().as_bytes());
    world.repository.rebuild_notes(&world.tips).unwrap();
    vectors.expect("notes.txt", world.notes().as_bytes());
    // They are rebuilt if the ref points to a blob.
    let (notes, blob) = (
        world.repository.read_ref(NOTES_REF).unwrap(),
        world.repository.write_blob(b"").unwrap(),
    );
    world
        .repository
        .compare_and_swap(NOTES_REF, notes, blob, "test")
        .unwrap();
    assert!(world.repository.update_notes(&world.tips).unwrap());
    vectors.expect("notes.txt", world.notes().as_bytes());
    // They are rebuilt if they claim to cover an id that is no commit.
    let (notes, tree) = (
        world.repository.read_ref(NOTES_REF).unwrap(),
        world.repository.write_tree(b"").unwrap(),
    );
    let text = format!(
        "tree {tree}\nauthor x <x> 0 +0000\ncommitter x <x> 0 +0000\n\ngit-deploy notes\n\nDeploy-Covers: prod {blob}\n"
    );
    let false_claim = world.repository.write_commit(text.as_bytes()).unwrap();
    world
        .repository
        .compare_and_swap(NOTES_REF, notes, false_claim, "test")
        .unwrap();
    assert!(world.repository.update_notes(&world.tips).unwrap());
    vectors.expect("notes.txt", world.notes().as_bytes());
    world.check_with_git();
    vectors.finish();
}

#[test]
fn sha1_vectors() {
    vectors("sha1");
}

#[test]
fn sha256_vectors() {
    vectors("sha256");
}

/// The order in which root keys are given does not matter, a key may be given only once, and from 1
/// to 100 keys are allowed.
#[test]
fn roots() {
    let world = World::new("sha1", &ROOT_KEYS);
    let bytes = |keys: &[PublicKey]| {
        project_genesis_bytes(&world.repository, &world.project.name, [0; 16], keys)
    };
    let key = |id: u8, byte: u8| PublicKey::new([id; 8], [byte; 32]);
    let all: Vec<_> = (1..=101).map(|number| key(102 - number, number)).collect();
    let ordered = bytes(&all[..100]).unwrap();
    assert_eq!(
        bytes(&all[..100].iter().rev().copied().collect::<Vec<_>>()).unwrap(),
        ordered
    );
    let text = String::from_utf8(ordered).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("Deploy-Root: "))
        .collect();
    assert!(lines.len() == 100 && lines.is_sorted());
    for bad in [
        &[][..],
        &all,
        &[key(1, 7), key(1, 7)],
        &[key(1, 7), key(2, 7)],
    ] {
        assert!(
            matches!(bytes(bad), Err(crate::git::Error::Corrupt { .. })),
            "{bad:?}"
        );
    }
    // A commit that names the root keys in another order is not a genesis.
    let swapped = text
        .replacen(lines[0], "x", 1)
        .replacen(lines[1], lines[0], 1)
        .replacen("\nx\n", &format!("\n{}\n", lines[1]), 1);
    let id = EntryId(world.repository.write_commit(swapped.as_bytes()).unwrap());
    assert!(Project::read(&world.repository, id).is_err());
}
