//! Tests of sync with a misbehaving remote: valid tips are kept, and each problem is reported
//! correctly.

use super::{LedgerFault, LedgerProblem, SyncError, find_known_problems, sync};
use crate::domain::entry::{Action, Lock, Unlock};
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::verdict::Rule;
use crate::git::Repository;
use crate::git::tests::{TestRepository, plain_git, run};
use crate::ledger::Project;
use crate::ledger::testing::{TestClone, TestKeys, create_project, draft_publish, parse};
use crate::ledger::writer::EntryDraft;

/// A server, and a clone that has seen a policy and three entries in `prod`.
struct World {
    server: TestRepository,
    clone: TestRepository,
    project: Project,
    keys: TestKeys,
    /// The entries of `prod`, oldest first.
    ids: Vec<EntryId>,
}

fn lock(name: &str) -> EntryDraft {
    Action::Lock(Lock {
        component: Some(parse(name)),
        until: None,
        reason: parse("an incident"),
    })
    .into()
}

impl World {
    fn new() -> Self {
        let (server, clone, keys) = (
            TestRepository::bare(),
            TestRepository::bare(),
            TestKeys::new(),
        );
        clone.git(&[
            "remote",
            "add",
            "origin",
            &format!("file://{}", server.path.display()),
        ]);
        let repository = server.open();
        let project = create_project(&repository, keys.public("alice"));
        let text = format!(
            "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"{}\"\n[environments]\nprod = {{}}\n[components]\napi = {{ paths = \"api\" }}\nweb = {{ paths = \"web\" }}\nlib = {{ paths = \"lib\" }}\n",
            keys.public("alice")
        );
        let mut world = Self {
            server,
            clone,
            project,
            keys,
            ids: Vec::new(),
        };
        world
            .writer(&repository)
            .write("policy", &draft_publish(&text));
        world.ids = ["api", "web", "lib"]
            .map(|name| world.writer(&repository).write("prod", &lock(name)))
            .into();
        sync(&world.open_clone(), "origin").unwrap();
        world
    }

    /// Returns a repository in which alice writes.
    fn writer<'a>(&'a self, repository: &'a Repository) -> TestClone<'a> {
        let (project, person) = (&self.project, parse("alice"));
        TestClone {
            repository,
            project,
            remote: None,
            person,
            signer: self.keys.signer("alice"),
        }
    }

    fn open_clone(&self) -> Repository {
        self.clone.open()
    }

    /// Moves the server's ledger, bypassing the hooks.
    fn set_tip(&self, ledger: &str, to: impl std::fmt::Display) {
        self.server.git(&[
            "update-ref",
            &format!("refs/deploy/{ledger}"),
            &to.to_string(),
        ]);
        // The server has forgotten what it verified, so that a writer on it accepts the tip.
        let _ = std::fs::remove_dir_all(self.server.path.join("git-deploy"));
    }

    /// Syncs, and returns the only problem. Checks that our ledgers did not move.
    fn sync_problem(&self, ledger: &str) -> LedgerProblem {
        let before = self.open_clone().tips().unwrap();
        let Err(SyncError::Problems(problems)) = sync(&self.open_clone(), "origin") else {
            panic!("no problem")
        };
        assert_eq!(self.open_clone().tips().unwrap(), before);
        let ledger: LedgerName = parse(ledger);
        let [problem] = &problems[..] else {
            panic!("{problems:?}")
        };
        assert_eq!(
            (&problem.ledger, problem.kept_tip),
            (&ledger, before.get(&ledger).copied())
        );
        problem.clone()
    }

    /// Writes a copy of the commit `like` on the server, with another tree and parent.
    fn forge(&self, tree: &str, parent: EntryId, like: EntryId) -> EntryId {
        let raw = self.server.git(&["cat-file", "commit", &like.to_string()]);
        let (_, rest) = raw.split_once("author ").unwrap();
        let raw = format!("tree {tree}\nparent {parent}\nauthor {rest}");
        let mut command = plain_git(&self.server.path);
        command.args(["hash-object", "-t", "commit", "-w", "--stdin"]);
        let id: Oid = run(command, raw.as_bytes()).trim().parse().unwrap();
        EntryId(id)
    }

    /// Writes the tree of an entry with another text in one file.
    fn write_tree(&self, entry: EntryId, file: &str, text: &[u8]) -> String {
        let mut command = plain_git(&self.server.path);
        command.args(["hash-object", "-w", "--stdin"]);
        let blob = run(command, text);
        let list = self.server.git(&["ls-tree", &entry.to_string()]);
        let mut lines: Vec<String> = list
            .lines()
            .filter(|line| !line.ends_with(&format!("\t{file}")))
            .map(str::to_owned)
            .collect();
        lines.push(format!("100644 blob {}\t{file}", blob.trim()));
        let mut command = plain_git(&self.server.path);
        command.args(["mktree", "--missing"]);
        run(command, (lines.join("\n") + "\n").as_bytes())
            .trim()
            .to_owned()
    }
}

/// Several new valid entries are accepted at once.
#[test]
fn forward() {
    let world = World::new();
    let server = world.server.open();
    let unlock = Unlock {
        component: Some(parse("api")),
        commit: None,
        holds: Vec::new(),
        comment: None,
    };
    world
        .writer(&server)
        .write("prod", &Action::Unlock(unlock).into());
    let new = world.writer(&server).write("prod", &lock("api"));
    let synced = sync(&world.open_clone(), "origin").unwrap();
    let [moved] = &synced.moved[..] else {
        panic!("{:?}", synced.moved)
    };
    assert_eq!(
        (moved.old, moved.new, moved.entries),
        (world.ids.last().copied(), new, 2)
    );
    assert_eq!(world.open_clone().tips().unwrap(), server.tips().unwrap());
    assert_eq!(sync(&world.open_clone(), "origin").unwrap().moved, []);
    assert_eq!(find_known_problems(&world.open_clone()).unwrap(), []);
}

/// A rewound ledger is not accepted. Once it contains our tip again, a sync succeeds.
#[test]
fn rewound() {
    let world = World::new();
    world.set_tip("prod", world.ids[1]);
    let problem = world.sync_problem("prod");
    assert_eq!(
        (problem.remote_tip, &problem.fault),
        (Some(world.ids[1]), &LedgerFault::Rewound)
    );
    assert_eq!(find_known_problems(&world.open_clone()).unwrap(), [problem]);
    // It was rewound and extended again: it is longer, but does not contain our tip.
    let server = world.server.open();
    let unlock = Unlock {
        component: Some(parse("api")),
        commit: None,
        holds: Vec::new(),
        comment: None,
    };
    world
        .writer(&server)
        .write("prod", &Action::Unlock(unlock).into());
    world.writer(&server).write("prod", &lock("api"));
    assert_eq!(world.sync_problem("prod").fault, LedgerFault::Rewound);
    world.set_tip("prod", world.ids[2]);
    assert_eq!(sync(&world.open_clone(), "origin").unwrap().problems, []);
}

/// A deleted ledger is kept here, even the policy's.
#[test]
fn deleted() {
    let world = World::new();
    world.server.git(&["update-ref", "-d", "refs/deploy/prod"]);
    let problem = world.sync_problem("prod");
    assert_eq!(
        (problem.remote_tip, &problem.fault),
        (None, &LedgerFault::Deleted)
    );
    assert_eq!(find_known_problems(&world.open_clone()).unwrap(), [problem]);
    world.set_tip("prod", world.ids[2]);
    sync(&world.open_clone(), "origin").unwrap();
    world
        .server
        .git(&["update-ref", "-d", "refs/deploy/policy"]);
    assert_eq!(world.sync_problem("policy").fault, LedgerFault::Deleted);
    world.server.git(&["update-ref", "-d", "refs/deploy/prod"]);
    let Err(SyncError::Problems(problems)) = sync(&world.open_clone(), "origin") else {
        panic!("no problem")
    };
    assert!(
        problems.len() == 2 && problems.iter().all(|it| it.fault == LedgerFault::Deleted),
        "{problems:?}"
    );
    assert_eq!(world.open_clone().tips().unwrap().len(), 2);
}

/// A ledger with an invalid entry is not accepted, and the problem names the first invalid commit.
#[test]
fn forged() {
    let world = World::new();
    let (last, earlier) = (world.ids[2], world.ids[1]);
    let unverified = |id: EntryId, rule: Rule| {
        world.set_tip("prod", id);
        let problem = world.sync_problem("prod");
        let LedgerFault::Unverified { id: first, verdict } = &problem.fault else {
            panic!("{problem:?}")
        };
        assert_eq!(*first, id);
        assert!(
            !verdict.is_allowed() && verdict.checks.iter().any(|check| check.rule == rule),
            "{verdict:?}"
        );
        // Commands that do not fetch report it too.
        assert_eq!(find_known_problems(&world.open_clone()).unwrap(), [problem]);
    };
    let server = world.server.open();
    let unlock = Unlock {
        component: Some(parse("api")),
        commit: None,
        holds: Vec::new(),
        comment: None,
    };
    let valid = world
        .writer(&server)
        .write("prod", &Action::Unlock(unlock).into());
    let read = |id: EntryId, file: &str| {
        world
            .server
            .git(&["cat-file", "blob", &format!("{id}:{file}")])
            .into_bytes()
    };
    // The signature of another entry.
    let tree = world.write_tree(
        valid,
        "entry.json.minisig",
        &read(earlier, "entry.json.minisig"),
    );
    unverified(world.forge(&tree, last, valid), Rule::Authorization);
    // The entry is valid, but its tree contains a file that does not follow from it.
    let tree = world.write_tree(valid, "lock.json", &read(valid, "entry.json"));
    unverified(world.forge(&tree, last, valid), Rule::Chain);
    // The file is not an entry.
    let tree = world.write_tree(valid, "entry.json", b"{}");
    unverified(world.forge(&tree, last, valid), Rule::Chain);
    // The same entry again.
    let tree = world
        .server
        .git(&["rev-parse", &format!("{last}^{{tree}}")]);
    unverified(world.forge(tree.trim(), last, last), Rule::Chain);
    world.set_tip("prod", valid);
    assert_eq!(sync(&world.open_clone(), "origin").unwrap().moved.len(), 1);
}

/// Another project is never accepted, even if it has the same name.
#[test]
fn another_project() {
    let (world, other) = (World::new(), World::new());
    let url = format!("file://{}", other.server.path.display());
    world.clone.git(&["remote", "set-url", "origin", &url]);
    let before = world.open_clone().tips().unwrap();
    let error = sync(&world.open_clone(), "origin").unwrap_err();
    let SyncError::OtherProject { pinned, found } = error else {
        panic!("{error:?}")
    };
    assert_eq!((pinned, found), (world.project.id, other.project.id));
    assert_eq!(world.open_clone().tips().unwrap(), before);
    assert_eq!(world.open_clone().pinned_project().unwrap(), Some(pinned));
}
