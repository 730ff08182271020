//! A remote that lies: what was good is kept, and the fault has its right name.

use super::{LedgerFault, LedgerProblem, SyncError, find_known_problems, sync};
use crate::domain::entry::{Action, Lock, Unlock};
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::verdict::Rule;
use crate::git::Repository;
use crate::git::tests::{Scratch, plain_git, run};
use crate::ledger::Project;
use crate::ledger::testing::{TestClone, TestKeys, create_project, draft_publish, parse};
use crate::ledger::writer::EntryDraft;

/// A server, and a clone that has seen a policy and three entries in `prod`.
struct World {
    server: Scratch,
    clone: Scratch,
    project: Project,
    keys: TestKeys,
    /// The entries of `prod`, oldest first.
    ids: Vec<EntryId>,
}

fn lock(name: &str) -> EntryDraft {
    Action::Lock(Lock {
        component: Some(parse(name)),
        reason: parse("an incident"),
    })
    .into()
}

impl World {
    fn new() -> Self {
        let (server, clone, keys) = (Scratch::bare(), Scratch::bare(), TestKeys::new());
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
            .desk(&repository)
            .write("policy", &draft_publish(&text));
        world.ids = ["api", "web", "lib"]
            .map(|name| world.desk(&repository).write("prod", &lock(name)))
            .into();
        sync(&world.mine(), "origin").unwrap();
        world
    }

    fn desk<'a>(&'a self, repository: &'a Repository) -> TestClone<'a> {
        let (project, person) = (&self.project, parse("alice"));
        TestClone {
            repository,
            project,
            remote: None,
            person,
            signer: self.keys.signer("alice"),
        }
    }

    fn mine(&self) -> Repository {
        self.clone.open()
    }

    /// Moves the server's ledger, as nobody who obeys hooks could.
    fn set(&self, ledger: &str, to: impl std::fmt::Display) {
        self.server.git(&[
            "update-ref",
            &format!("refs/deploy/{ledger}"),
            &to.to_string(),
        ]);
    }

    /// The one problem of a sync, after which our ledger is where it was.
    fn problem(&self, ledger: &str) -> LedgerProblem {
        let before = self.mine().tips().unwrap();
        let Err(SyncError::Problems(problems)) = sync(&self.mine(), "origin") else {
            panic!("no problem")
        };
        assert_eq!(self.mine().tips().unwrap(), before);
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

    /// A commit that the server shows as the next of `prod`: the last one with some headers of another and another tree.
    fn forge(&self, tree: &str, parent: EntryId, like: EntryId) -> EntryId {
        let raw = self.server.git(&["cat-file", "commit", &like.to_string()]);
        let (_, rest) = raw.split_once("author ").unwrap();
        let raw = format!("tree {tree}\nparent {parent}\nauthor {rest}");
        let mut command = plain_git(&self.server.path);
        command.args(["hash-object", "-t", "commit", "-w", "--stdin"]);
        let id: Oid = run(command, raw.as_bytes()).trim().parse().unwrap();
        EntryId(id)
    }

    /// The tree of an entry with one file of another text.
    fn tree(&self, of: EntryId, file: &str, text: &[u8]) -> String {
        let mut command = plain_git(&self.server.path);
        command.args(["hash-object", "-w", "--stdin"]);
        let blob = run(command, text);
        let list = self.server.git(&["ls-tree", &of.to_string()]);
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

/// What goes forward and holds is taken over, more than one entry at a time.
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
        .desk(&server)
        .write("prod", &Action::Unlock(unlock).into());
    let new = world.desk(&server).write("prod", &lock("api"));
    let synced = sync(&world.mine(), "origin").unwrap();
    let [moved] = &synced.moved[..] else {
        panic!("{:?}", synced.moved)
    };
    assert_eq!(
        (moved.old, moved.new, moved.entries),
        (world.ids.last().copied(), new, 2)
    );
    assert_eq!(world.mine().tips().unwrap(), server.tips().unwrap());
    assert_eq!(sync(&world.mine(), "origin").unwrap().moved, []);
    assert_eq!(find_known_problems(&world.mine()).unwrap(), []);
}

/// A ledger never goes back; when it comes forward again, all is well.
#[test]
fn rewound() {
    let world = World::new();
    world.set("prod", world.ids[1]);
    let problem = world.problem("prod");
    assert_eq!(
        (problem.remote_tip, &problem.fault),
        (Some(world.ids[1]), &LedgerFault::Rewound)
    );
    assert_eq!(find_known_problems(&world.mine()).unwrap(), [problem]);
    // Rewound and grown again: longer, and still not what it was.
    let server = world.server.open();
    let unlock = Unlock {
        component: Some(parse("api")),
        commit: None,
        holds: Vec::new(),
        comment: None,
    };
    world
        .desk(&server)
        .write("prod", &Action::Unlock(unlock).into());
    world.desk(&server).write("prod", &lock("api"));
    assert_eq!(world.problem("prod").fault, LedgerFault::Rewound);
    world.set("prod", world.ids[2]);
    assert_eq!(sync(&world.mine(), "origin").unwrap().problems, []);
}

/// Nor does a ledger vanish, be it the only one or the policy's.
#[test]
fn deleted() {
    let world = World::new();
    world.server.git(&["update-ref", "-d", "refs/deploy/prod"]);
    let problem = world.problem("prod");
    assert_eq!(
        (problem.remote_tip, &problem.fault),
        (None, &LedgerFault::Deleted)
    );
    assert_eq!(find_known_problems(&world.mine()).unwrap(), [problem]);
    world.set("prod", world.ids[2]);
    sync(&world.mine(), "origin").unwrap();
    world
        .server
        .git(&["update-ref", "-d", "refs/deploy/policy"]);
    assert_eq!(world.problem("policy").fault, LedgerFault::Deleted);
    world.server.git(&["update-ref", "-d", "refs/deploy/prod"]);
    let Err(SyncError::Problems(problems)) = sync(&world.mine(), "origin") else {
        panic!("no problem")
    };
    assert!(
        problems.len() == 2 && problems.iter().all(|it| it.fault == LedgerFault::Deleted),
        "{problems:?}"
    );
    assert_eq!(world.mine().tips().unwrap().len(), 2);
}

/// What does not verify is not taken over, and the first bad commit is named, whatever follows it.
#[test]
fn forged() {
    let world = World::new();
    let (last, before) = (world.ids[2], world.ids[1]);
    let unverified = |id: EntryId, rule: Rule| {
        world.set("prod", id);
        let problem = world.problem("prod");
        let LedgerFault::Unverified { id: first, verdict } = &problem.fault else {
            panic!("{problem:?}")
        };
        assert_eq!(*first, id);
        assert!(
            !verdict.allowed() && verdict.checks.iter().any(|check| check.rule == rule),
            "{verdict:?}"
        );
        // Also to who does not fetch.
        assert_eq!(find_known_problems(&world.mine()).unwrap(), [problem]);
    };
    let server = world.server.open();
    let unlock = Unlock {
        component: Some(parse("api")),
        commit: None,
        holds: Vec::new(),
        comment: None,
    };
    let good = world
        .desk(&server)
        .write("prod", &Action::Unlock(unlock).into());
    let read = |id: EntryId, file: &str| {
        world
            .server
            .git(&["cat-file", "blob", &format!("{id}:{file}")])
            .into_bytes()
    };
    // The signature of another entry.
    let tree = world.tree(
        good,
        "entry.json.minisig",
        &read(before, "entry.json.minisig"),
    );
    unverified(world.forge(&tree, last, good), Rule::Signer);
    // The entry is good, and its tree holds what does not follow from it.
    let tree = world.tree(good, "lock.json", &read(good, "entry.json"));
    unverified(world.forge(&tree, last, good), Rule::Place);
    // No entry at all.
    let tree = world.tree(good, "entry.json", b"{}");
    unverified(world.forge(&tree, last, good), Rule::Place);
    // The very entry once more.
    let tree = world
        .server
        .git(&["rev-parse", &format!("{last}^{{tree}}")]);
    unverified(world.forge(tree.trim(), last, last), Rule::Place);
    world.set("prod", good);
    assert_eq!(sync(&world.mine(), "origin").unwrap().moved.len(), 1);
}

/// Another project is never taken over, whatever it is called.
#[test]
fn another_project() {
    let (world, other) = (World::new(), World::new());
    let url = format!("file://{}", other.server.path.display());
    world.clone.git(&["remote", "set-url", "origin", &url]);
    let before = world.mine().tips().unwrap();
    let error = sync(&world.mine(), "origin").unwrap_err();
    let SyncError::OtherProject { pinned, found } = error else {
        panic!("{error:?}")
    };
    assert_eq!((pinned, found), (world.project.id, other.project.id));
    assert_eq!(world.mine().tips().unwrap(), before);
    assert_eq!(world.mine().pinned_project().unwrap(), Some(pinned));
}
