//! A member of a project: a clone with a key, which signs and builds any entry that a test asks
//! for, without checking a rule.
//!
//! Entries are well formed unless the test changes them; whether they are accepted is the server's
//! decision.

use std::collections::BTreeMap;

use git_deploy::testing::domain::entry::{
    Action, ComponentChange, Deployment, DeploymentKind, Entry, Lock, Outcome, Publish, Record,
    RecordedResult, Statement, Target, Unverified, VerificationResult,
};
use git_deploy::testing::domain::id::{CommitId, Content, Digest, EntryId, PublicKey};
use git_deploy::testing::domain::name::LedgerName;
use git_deploy::testing::domain::policy::{MAX_BYTES, Policy, PublishedPolicy};
use git_deploy::testing::domain::rules::ledgers_read;
use git_deploy::testing::domain::state::{Scope, fold};
use git_deploy::testing::git::Repository;
use git_deploy::testing::ledger::{
    LedgerCommit, Project, StateReader, entry_commit_bytes, genesis_bytes, project_genesis_bytes,
};
use git_deploy::testing::signing::key::generate_key;
use git_deploy::testing::signing::{Signer, verify_entry};

use super::{Repo, World};

/// Makes entries in one clone, with one person's key.
pub struct Member<'w> {
    pub(super) world: &'w World,
    pub repo: Repo<'w>,
    pub person: &'static str,
    pub signer: Signer,
}

impl<'w> Member<'w> {
    /// Clones the server with a new key for this person.
    pub fn new(world: &'w World, server: &Repo<'w>, person: &'static str) -> Self {
        Self::within(world, world.clone(server, person), person)
    }

    /// Gives this person a new key in an existing clone.
    pub fn within(world: &'w World, repo: Repo<'w>, person: &'static str) -> Self {
        Self {
            world,
            repo,
            person,
            signer: new_signer(world, person),
        }
    }

    /// Returns a person whose clone and key exist.
    pub(super) fn existing(world: &'w World, repo: Repo<'w>, person: &'static str) -> Self {
        Self {
            world,
            repo,
            person,
            signer: super::forgery::signer(world, person),
        }
    }

    pub fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    pub fn repository(&self) -> Repository {
        Repository::open(&self.repo.path().join(".git")).unwrap()
    }

    /// Makes the first policy of a new project whose root is this key, as the local
    /// `refs/deploy/policy`.
    pub fn begin(&self, policy: &str) -> EntryId {
        let repository = self.repository();
        repository.write_tree(b"").unwrap();
        let genesis = project_genesis_bytes(
            &repository,
            &"demo".parse().unwrap(),
            [7; 16],
            &[self.key()],
        )
        .unwrap();
        let genesis = repository.write_commit(&genesis).unwrap();
        self.repo
            .git(&["update-ref", "refs/deploy/policy", &genesis.to_string()])
            .ok();
        self.publish(policy, false)
    }

    /// Makes a policy that follows the local one.
    pub fn publish(&self, policy: &str, recovered: bool) -> EntryId {
        let digest = Digest::sha256(policy.as_bytes());
        let publish = Publish {
            keys: digest.clone(),
            digest,
            approved_by: vec![],
            description: None,
            admits: vec![],
            recovered,
        };
        self.append("policy", Action::Publish(publish), Some(policy), |_| ())
    }

    /// Makes an entry that follows the local ledger, changed by `bend` before it is signed, and
    /// moves the local ref to it.
    pub fn append(
        &self,
        ledger: &str,
        action: Action,
        policy: Option<&str>,
        bend: impl Fn(&mut Statement),
    ) -> EntryId {
        let id = self.build(ledger, action, policy, bend);
        self.repo
            .git(&[
                "update-ref",
                &format!("refs/deploy/{ledger}"),
                &id.to_string(),
            ])
            .ok();
        id
    }

    /// Makes the same entry and moves no ref, so that a refused entry leaves no trace in the clone.
    pub fn build(
        &self,
        ledger: &str,
        action: Action,
        policy: Option<&str>,
        bend: impl Fn(&mut Statement),
    ) -> EntryId {
        let repository = self.repository();
        let ledger: LedgerName = ledger.parse().unwrap();
        let mut tips = repository.tips().unwrap();
        let project = Project::from_policy_tip(&repository, tips[&LedgerName::policy()]).unwrap();
        let previous = tips.remove(&ledger).unwrap_or_else(|| {
            let bytes = genesis_bytes(&repository, project.id, &ledger);
            repository.write_tree(b"").unwrap();
            EntryId(repository.write_commit(&bytes).unwrap())
        });
        let (sequence, tree, before) =
            match repository.read_ledger_commit(&ledger, previous).unwrap() {
                LedgerCommit::Genesis => (0, repository.hash_kind().empty_tree(), BTreeMap::new()),
                LedgerCommit::Entry { commit, entry, .. } => (
                    entry.statement().sequence,
                    commit.tree,
                    entry.statement().seen.clone(),
                ),
            };
        let mut statement = Statement {
            at: self.world.now(),
            by: self.person.parse().unwrap(),
            key: self.key(),
            requested_by: None,
            ledger: ledger.clone(),
            environment: None,
            project: project.id,
            previous,
            sequence: sequence + 1,
            seen: BTreeMap::new(),
            action,
        };
        // What an honest client names: each ledger that the decision reads, and each that was named before.
        let read = match tips.get(&LedgerName::policy()) {
            Some(tip) => ledgers_read(&policy_at(&repository, *tip), &statement),
            None => tips
                .keys()
                .filter(|name| name.is_environment())
                .cloned()
                .collect(),
        };
        let wanted = |name: &LedgerName| read.contains(name) || before.contains_key(name);
        statement.seen = tips.into_iter().filter(|(name, _)| wanted(name)).collect();
        let published =
            policy.map(|text| PublishedPolicy::new(text.as_bytes().into(), &project.root_keys));
        if let (Action::Publish(publish), Some(published)) = (&mut statement.action, &published) {
            publish.keys = Digest::sha256(&published.keys);
        }
        bend(&mut statement);

        let bytes = statement.print().unwrap();
        let signature = self
            .signer
            .sign(&bytes, &statement.trusted_comment())
            .unwrap();
        let entry = verify_entry(
            Entry::<Unverified>::parse(&bytes, &signature).unwrap(),
            [&self.key()],
        )
        .unwrap();
        let state = StateReader::new(&repository)
            .load(tree, &ledger, &Scope::for_statement(&statement))
            .unwrap();
        let edits = fold(&state, &entry, published.as_ref());
        let tree = repository.write_tree_after(tree, &entry, &edits).unwrap();
        EntryId(
            repository
                .write_commit(&entry_commit_bytes(&statement, tree, &project.name))
                .unwrap(),
        )
    }

    /// Makes a deployment of the one component at a commit, done elsewhere and verified.
    pub fn record(&self, ledger: &str, commit: &str, from: Option<&str>) -> EntryId {
        self.append(ledger, self.a_record(commit, from), None, |_| ())
    }

    pub fn a_record(&self, commit: &str, from: Option<&str>) -> Action {
        let content = Content(
            self.repo
                .rev(&format!("{commit}^{{tree}}"))
                .parse()
                .unwrap(),
        );
        let id = |commit: &str| CommitId(self.repo.rev(commit).parse().unwrap());
        let component: git_deploy::testing::domain::name::ComponentName = "demo".parse().unwrap();
        let target = Target::new(component.clone(), id(commit), Some(content));
        let change = ComponentChange::new(target, from.map(id));
        let deployment = Deployment::new(DeploymentKind::Deploy, vec![change]);
        let verification = VerificationResult::Passed;
        let result = RecordedResult {
            component,
            outcome: Outcome::Succeeded,
            because: None,
            to: None,
            verification,
        };
        Action::Record(Record {
            deployment,
            results: vec![result],
            logs: vec![],
        })
    }

    /// Makes the same commit with its headers and message edited.
    pub fn recommit(&self, id: &str, edit: impl Fn(&str) -> String) -> String {
        let raw = String::from_utf8(self.bytes("commit", id)).unwrap();
        self.object("commit", edit(&raw).as_bytes())
    }

    /// Makes the commit with a tree that these commands of `git update-index` edited.
    pub fn retree(&self, id: &str, edits: &[&[&str]]) -> String {
        let index = self.world.path().join("tmp").join(format!("{id}.index"));
        let git = |arguments: &[&str]| {
            let mut command = self.repo.command("git");
            super::Run::of(
                self.world,
                command.env("GIT_INDEX_FILE", &index).args(arguments),
            )
            .ok()
            .text()
        };
        git(&["read-tree", id]);
        for edit in edits {
            git(&[&["update-index"], *edit].concat());
        }
        let tree = git(&["write-tree"]);
        std::fs::remove_file(&index).unwrap();
        self.with_tree(id, &tree)
    }

    /// Makes the commit with another tree.
    pub fn with_tree(&self, id: &str, tree: &str) -> String {
        self.recommit(id, |raw| {
            let (_, rest) = raw.split_once('\n').unwrap();
            format!("tree {tree}\n{rest}")
        })
    }

    /// Runs our program in this clone.
    pub fn deploy(&self, arguments: &[&str]) -> super::Run<'w> {
        self.repo.deploy(arguments)
    }

    /// Pushes these ledgers, with what else is asked for.
    pub fn push(&self, arguments: &[&str]) -> super::Run<'w> {
        self.repo
            .git(&[&["push", "-q", "origin"], arguments].concat())
    }
}

pub fn a_lock() -> Action {
    Action::Lock(Lock {
        component: None,
        until: None,
        reason: "incident".parse().unwrap(),
    })
}

/// Returns the policy in force at an entry of its ledger.
fn policy_at(repository: &Repository, tip: EntryId) -> Policy {
    let tree = repository.read_commit(tip.0).unwrap().tree;
    let text = repository
        .read_file_at(tree, "deploy.toml", MAX_BYTES)
        .unwrap()
        .unwrap();
    Policy::from_bytes(&text).unwrap()
}

/// Makes a new key in the world's home.
fn new_signer(world: &World, person: &str) -> Signer {
    let file = world.path().join("home").join(format!("{person}.key"));
    generate_key(&file, None).unwrap();
    super::forgery::signer(world, person)
}
