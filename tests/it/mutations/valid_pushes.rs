//! A server, a copy of it to forge in, and the valid pushes that mutations start from.

use std::collections::BTreeSet;
use std::process::Command;

use git_deploy::testing::domain::entry::{
    Action, ApprovalPurpose, Approve, Attestation, Lock, Publish, Record, RecordedResult, Start,
    Unlock, Yank,
};
use git_deploy::testing::domain::id::{CommitId, Digest, Oid, RunId};
use git_deploy::testing::domain::name::LedgerName;
use git_deploy::testing::domain::time::Span;
use git_deploy::testing::domain::verdict::{CheckResult, Decision};
use git_deploy::testing::git::Repository;
use git_deploy::testing::git::tree_entries;
use git_deploy::testing::ledger::Project as Root;
use git_deploy::testing::ledger::entry_validator::PushContext;
use git_deploy::testing::server::Settings;
use git_deploy::testing::server::classify::{RefKind, classify};
use git_deploy::testing::server::push_judge::PushJudge;
use git_deploy::testing::server::ref_update::RefUpdate;
use gix::objs::Write as _;

use crate::harness::member::a_lock;
use crate::harness::{Member, Project, Repo, Run, World};

pub const POLICY: &str = r#"[environments]
dev = {}
prod = { promote_from = "dev", approvals = 1 }
"#;

/// New commits of one ledger that the server would accept together.
#[derive(Debug, Clone)]
pub struct Push {
    pub ledger: LedgerName,
    /// Where the ledger is; nowhere yet for a new one.
    pub old: Option<Oid>,
    /// Oldest first.
    pub commits: Vec<Oid>,
}

/// What one line of a push says: `<old id> <new id> <ref>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub old: String,
    pub new: String,
    pub name: String,
}

pub struct PushFixture<'w> {
    pub project: Project<'w>,
    pub mallory: Member<'w>,
    /// A copy of the server with the objects of all pushes, and of whatever is forged.
    copy: Repo<'w>,
    /// Writes there without waiting for the disk.
    store: gix::Repository,
    pub repository: Repository,
    settings: Settings,
    pub root: Root,
    present: PushContext,
    pub pushes: Vec<Push>,
    /// All ids that a forger could use.
    pub ids: Vec<Oid>,
    /// What the server may accept: each push, and the first entries of those with several.
    valid: BTreeSet<Line>,
}

impl<'w> PushFixture<'w> {
    pub fn new(world: &'w World) -> Self {
        let project = Project::new(world, POLICY);
        project
            .ci
            .deploy(&["record", "dev", "--verification", "passed"])
            .ok();
        project.bob.deploy(&["approve", "prod"]).ok();
        project
            .carol
            .deploy(&["lock", "prod", "-m", "incident"])
            .ok();
        project.carol.deploy(&["unlock", "prod", "-m", "over"]).ok();
        world.advance("20m");
        let mallory = Member::new(world, &project.server, "mallory");
        for member in [&project.alice, &project.bob, &project.carol, &project.ci] {
            member.deploy(&["sync"]).ok();
        }

        let made = made(&project);
        let copy = world.existing("copy.git", "mallory");
        let mut command = Command::new("cp");
        let done = command
            .arg("-r")
            .args([project.server.path(), copy.path()])
            .status()
            .unwrap();
        assert!(done.success());
        for (member, _, tip) in &made {
            copy.git(&["fetch", "-q", &member.repo.url(), tip]).ok();
        }
        let repository = Repository::open(copy.path()).unwrap();
        let present = PushContext {
            tips: repository.tips().unwrap(),
            unverified: [].into(),
            now: world.now(),
        };
        let settings = Settings::read(&repository).unwrap();
        let root = Root::from_policy_tip(&repository, present.tips[&LedgerName::policy()]).unwrap();
        let pushes: Vec<Push> = made
            .iter()
            .map(|(_, ledger, tip)| {
                let ledger: LedgerName = ledger.parse().unwrap();
                let old = present.tips.get(&ledger).map(|tip| tip.0);
                let not = old.map(|old| format!("^{old}"));
                let list: Vec<&str> = ["rev-list", "--first-parent", "--reverse", tip]
                    .into_iter()
                    .chain(not.as_deref())
                    .collect();
                let ids = copy.git(&list).ok().text();
                Push {
                    ledger,
                    old,
                    commits: ids.lines().map(|id| id.parse().unwrap()).collect(),
                }
            })
            .collect();
        let store = gix::open(copy.path()).unwrap();
        let mut bench = Self {
            project,
            mallory,
            copy,
            store,
            repository,
            settings,
            root,
            present,
            pushes,
            ids: Vec::new(),
            valid: BTreeSet::new(),
        };
        bench.ids = bench.known_ids();
        bench.valid = bench
            .pushes
            .iter()
            // A genesis alone is no entry.
            .flat_map(|push| {
                push.commits[usize::from(push.old.is_none())..]
                    .iter()
                    .map(|id| bench.line(push, *id))
            })
            .collect();
        bench
    }

    /// Returns the line of a push that moves the ledger to this commit.
    pub fn line(&self, push: &Push, new: Oid) -> Line {
        let old = push.old.map_or_else(|| self.zero(), |old| old.to_string());
        Line {
            old,
            new: new.to_string(),
            name: push.ledger.ref_name(),
        }
    }

    pub fn zero(&self) -> String {
        self.repository.hash_kind().zero_id().to_string()
    }

    pub fn is_valid(&self, line: &Line) -> bool {
        self.valid.contains(line)
    }

    /// Returns the line as git, which knows the refs, sends it; `None` if nothing of the mutation
    /// is left.
    pub fn as_git_says(&self, line: Line) -> Option<Line> {
        let ledger = line
            .name
            .strip_prefix("refs/deploy/")
            .and_then(|name| name.parse().ok());
        let tip = ledger.and_then(|ledger: LedgerName| self.present.tips.get(&ledger));
        let line = Line {
            old: tip.map_or_else(|| self.zero(), ToString::to_string),
            ..line
        };
        (line.old != line.new && !self.is_valid(&line)).then_some(line)
    }

    fn known_ids(&self) -> Vec<Oid> {
        let commits = self
            .pushes
            .iter()
            .flat_map(|push| push.commits.iter().copied().chain(push.old));
        let mut ids: Vec<Oid> = commits.collect();
        for commit in ids.clone() {
            ids.push(self.tree(commit));
            ids.extend(self.repository.read_commit(commit).unwrap().parents);
        }
        let file = self
            .ways(self.tree(self.pushes[0].commits[0]))
            .into_iter()
            .find(|(.., folder)| !folder);
        ids.extend(file.map(|(_, id, _)| id));
        ids.extend([self.root.id.0, self.zero().parse().unwrap()]);
        ids.push(Oid::from_bytes(&vec![7; ids[0].as_bytes().len()]).unwrap());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns everything that the server may accept.
    pub fn valid(&self) -> impl Iterator<Item = &Line> {
        self.valid.iter()
    }

    /// Returns the bytes of an object.
    pub fn read(&self, id: Oid) -> Vec<u8> {
        self.store.find_object(to_gix(id)).unwrap().data.clone()
    }

    pub fn write(&self, kind: gix::objs::Kind, bytes: &[u8]) -> Oid {
        Oid::from_bytes(
            self.store
                .objects
                .write_buf(kind, bytes)
                .unwrap()
                .as_bytes(),
        )
        .unwrap()
    }

    /// Returns the tree of one of our commits.
    pub fn tree(&self, commit: Oid) -> Oid {
        self.repository.read_commit(commit).unwrap().tree
    }

    /// Returns the paths to all objects of a tree, as positions in the folders on the way, with the
    /// objects' ids.
    pub fn ways(&self, tree: Oid) -> Vec<(Vec<usize>, Oid, bool)> {
        let mut ways = vec![(Vec::new(), tree, true)];
        let mut next = 0;
        while let Some((way, id, folder)) = ways.get(next).cloned() {
            next += 1;
            if !folder {
                continue;
            }
            let raw = self.read(id);
            for (place, entry) in tree_entries::parse_entries(id, &raw)
                .map(Result::unwrap)
                .enumerate()
            {
                if entry.mode != b"160000" {
                    ways.push(([&way[..], &[place]].concat(), entry.id, entry.is_tree()));
                }
            }
        }
        ways
    }

    /// Makes the tree with other bytes at the end of a path.
    pub fn replaced(&self, tree: Oid, way: &[usize], bytes: &[u8]) -> Oid {
        let Some((place, rest)) = way.split_first() else {
            return self.write(gix::objs::Kind::Tree, bytes);
        };
        let raw = self.read(tree);
        let entries: Vec<_> = tree_entries::parse_entries(tree, &raw)
            .map(Result::unwrap)
            .collect();
        let entry = entries[*place];
        let new = if entry.is_tree() {
            self.replaced(entry.id, rest, bytes)
        } else {
            self.write(gix::objs::Kind::Blob, bytes)
        };
        let end: usize = entries[..=*place].iter().map(|entry| entry.raw.len()).sum();
        let mut raw = raw.clone();
        raw[end - new.as_bytes().len()..end].copy_from_slice(new.as_bytes());
        self.write(gix::objs::Kind::Tree, &raw)
    }

    /// Judges a push of one line in this process, with the code that the hooks use; `None` if it is
    /// accepted.
    pub fn against(&self, line: &Line) -> Option<String> {
        let text = format!("{} {} {}\n", line.old, line.new, line.name);
        let Ok(updates) = RefUpdate::parse_all(text.as_bytes()) else {
            return Some("line".to_owned());
        };
        let [update] = &updates[..] else {
            panic!("{updates:?}")
        };
        let ledger = match classify(&update.name) {
            RefKind::Ledger(ledger) => ledger,
            RefKind::Forbidden(_) => return Some("name".to_owned()),
            class => panic!("{line:?} is {class:?}, and no mutation of a ledger's push"),
        };
        let court = PushJudge::new(
            &self.repository,
            &self.settings,
            Some(&self.root),
            &self.present,
        )
        .unwrap();
        match court.judge_ledger(&ledger, update) {
            Ok(judgement) if judgement.decision() == Decision::Allowed => None,
            Ok(judgement) => {
                let bad = judgement
                    .verdict
                    .checks
                    .iter()
                    .find(|check| check.outcome != CheckResult::Pass);
                Some(bad.map_or("nothing", |check| check.rule.name()).to_owned())
            }
            Err(fault) => Some(fault.to_string()),
        }
    }

    /// Pushes the line with plain git.
    pub fn push(&self, line: &Line) -> Run<'w> {
        self.copy.git(&[
            "push",
            "-q",
            &self.project.server.url(),
            &format!("+{}:{}", line.new, line.name),
        ])
    }
}

pub fn to_gix(id: Oid) -> gix::ObjectId {
    gix::ObjectId::try_from(id.as_bytes()).unwrap()
}

/// Makes honest entries of all kinds, each beside the others: who made it, the ledger, and its last
/// commit.
fn made<'p, 'w>(project: &'p Project<'w>) -> Vec<(&'p Member<'w>, &'static str, String)> {
    let Project {
        alice,
        bob,
        carol,
        ci,
        ..
    } = project;
    let head = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    let approved = |action: Action| match action {
        Action::Record(Record {
            mut deployment,
            results,
            logs,
        }) => {
            deployment.approved_by = vec!["bob".parse().unwrap()];
            (deployment, results, logs)
        }
        _ => panic!("not a record"),
    };
    let (deployment, results, logs): (_, Vec<RecordedResult>, _) =
        approved(ci.a_record("HEAD", None));
    let start = Action::Start(Start {
        run: RunId([7; 16]),
        deployment: deployment.clone(),
    });
    let record = Action::Record(Record {
        deployment,
        results,
        logs,
    });
    let expires = project.world.now().plus(Span::from_seconds(3_600));
    let components = vec!["demo".parse().unwrap()];
    let approve = Approve {
        commit: head,
        components,
        purpose: ApprovalPurpose::Deploy,
        plans: [].into(),
        expires,
        comment: None,
    };
    let predicate =
        serde_json::from_str(r#"{"result": "PASSED", "passed": [1, 2.5, null, true]}"#).unwrap();
    let attestation = Attestation {
        commit: head,
        environment: None,
        predicate_type: "https://in-toto.io/attestation/test-result/v0.1"
            .parse()
            .unwrap(),
        suite: None,
        predicate,
    };
    let yank = Yank {
        commit: Some(head),
        digest: None,
        contents: Vec::new(),
        reason: "broken".parse().unwrap(),
    };
    let policy = project.policy(&POLICY.replace("approvals = 1", "approvals = 2"));
    let digest = Digest::sha256(policy.as_bytes());
    let publish = Publish {
        keys: digest.clone(),
        digest,
        approved_by: vec![],
        description: None,
        admits: vec![],
        recovered: false,
    };
    let one = |member: &'p Member<'w>, ledger: &'static str, action: Action| {
        (
            member,
            ledger,
            member.build(ledger, action, None, |_| ()).to_string(),
        )
    };
    // Three in a row, of which each needs the one before it.
    let of_demo = Action::Lock(Lock {
        component: Some("demo".parse().unwrap()),
        until: None,
        reason: "hot".parse().unwrap(),
    });
    let unlock = Unlock {
        component: None,
        commit: None,
        holds: vec![],
        comment: Some("cold".parse().unwrap()),
    };
    let mut made = vec![
        one(ci, "prod", record),
        one(ci, "prod", start),
        one(carol, "prod", Action::Approve(approve)),
        one(ci, "evidence", Action::Attestation(attestation)),
        one(alice, "evidence", Action::Yank(yank)),
        (
            alice,
            "policy",
            alice
                .build("policy", Action::Publish(publish), Some(&policy), |_| ())
                .to_string(),
        ),
    ];
    let row = [a_lock(), Action::Unlock(unlock), of_demo];
    let ids = row.map(|action| bob.append("dev", action, None, |_| ()));
    made.push((bob, "dev", ids[2].to_string()));
    made
}
