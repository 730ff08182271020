//! A repository with real ledgers, for the tests of gathered facts. Entries are signed, folded and
//! chained as in production, but no rule is evaluated, so that a test can write any entry.

use tempfile::TempDir;

use super::FactGatherer;
use crate::domain::entry::{
    Action, ComponentChange, ComponentResult, Deployment, DeploymentKind, Entry, Finish, Labels,
    Outcome, Publish, Start, Statement, Target, VerificationResult,
};
use crate::domain::id::{CommitId, Digest, EntryId, PublicKey, RunId};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::{Policy, PublishedPolicy};
use crate::domain::rules::{Facts, Request};
use crate::domain::state::{Scope, fold};
use crate::domain::time::{Span, Time};
use crate::git::repo::Repository;
use crate::git::tree::Leaf;
use crate::ledger::{
    Project, StateReader, Tips, entry_commit_bytes, genesis_bytes, project_genesis_bytes,
};
use crate::signing::key::{SecretKey, generate_key};
use crate::signing::{Signer, verify_entry};

/// Parses a valid name or text.
pub(super) fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// Returns a key that signs no entry.
pub(super) fn other_key() -> PublicKey {
    PublicKey::new([7; 8], [7; 32])
}

/// Returns a signer with a new key in this file.
fn create_signer(file: &std::path::Path) -> Signer {
    generate_key(file, None).unwrap();
    Signer::from_key(SecretKey::read(file, || panic!("asked for a password")).unwrap())
}

/// Returns the time at which a world begins.
pub(super) fn start_time() -> Time {
    parse("2026-03-05T10:00:00Z")
}

/// A repository with ledgers and code. Its clock advances by a minute per entry and commit.
pub(super) struct World {
    /// The repository's folder, deleted when dropped.
    dir: TempDir,
    pub repository: Repository,
    pub project: Project,
    pub policy: Policy,
    pub tips: Tips,
    /// The time of the newest entry or code commit; the next one is a minute later.
    pub now: Time,
    /// The environment that the next entries of a pattern's ledger name.
    pub member: Option<EnvName>,
    signer: Signer,
    /// The text of the policy.
    text: String,
}

impl World {
    /// Creates a project whose policy is `rest` with project and people. `ci` signs everything.
    pub fn new(rest: &str) -> Self {
        let dir = TempDir::new().unwrap();
        gix::init_bare(dir.path().join("r.git")).unwrap();
        let repository = Repository::open(&dir.path().join("r.git")).unwrap();
        let signer = create_signer(&dir.path().join("key"));
        let name = parse("catalogue");
        let genesis =
            project_genesis_bytes(&repository, &name, [1; 16], &[signer.public_key()]).unwrap();
        let id = EntryId(repository.write_commit(&genesis).unwrap());
        let project = Project::read(&repository, id).unwrap();
        let (ci, alice) = (signer.public_key(), other_key());
        let text = format!(
            "schema = 1\nproject = \"catalogue\"\n[people]\nci = \"{ci}\"\nalice = \"{alice}\"\n{rest}"
        );
        let policy = Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let tips = Tips::from([(LedgerName::policy(), id)]);
        let mut world = Self {
            dir,
            repository,
            project,
            policy,
            tips,
            now: start_time(),
            member: None,
            signer,
            text: text.clone(),
        };
        world.publish(&text);
        world
    }

    fn published(&self, text: &str) -> PublishedPolicy {
        PublishedPolicy::new(text.as_bytes().into(), &self.project.root_keys)
    }

    pub fn publish(&mut self, text: &str) -> EntryId {
        let publish = Publish {
            digest: Digest::sha256(text.as_bytes()),
            keys: Digest::sha256(&self.published(text).keys),
            approved_by: Vec::new(),
            description: None,
            admits: Vec::new(),
            recovered: false,
        };
        self.write("policy", Action::Publish(publish), Some(text))
    }

    /// Makes a new key for `ci`, which signs from now on. Returns the old and the new one.
    pub fn replace_key(&mut self) -> (PublicKey, PublicKey) {
        let old = self.signer.public_key();
        self.signer = create_signer(&self.dir.path().join("new-key"));
        (old, self.signer.public_key())
    }

    /// Makes the policy list this key for `ci` and no other.
    pub fn list_key(&mut self, key: PublicKey) {
        let ci: Person = parse("ci");
        let listed = self.policy.people[&ci].key.to_string();
        self.text = self.text.replace(&listed, &key.to_string());
        self.policy = Policy::parse(&self.text).unwrap();
    }

    pub fn gatherer(&self) -> FactGatherer<'_> {
        FactGatherer::new(&self.repository, &self.project)
    }

    fn tick(&mut self) -> Time {
        self.now = self.now.plus(Span::from_seconds(60));
        self.now
    }

    /// Writes a code commit with these files.
    pub fn commit(
        &mut self,
        files: &[(&str, &str)],
        parents: &[CommitId],
        author: &str,
        message: &str,
    ) -> CommitId {
        let blob = |text: &str| Leaf::Blob(self.repository.write_blob(text.as_bytes()).unwrap());
        let edits: Vec<_> = files
            .iter()
            .map(|(path, text)| (*path, Some(blob(text))))
            .collect();
        let tree = self.repository.write_edited_tree(None, &edits).unwrap();
        let parents: Vec<String> = parents
            .iter()
            .map(|parent| format!("parent {parent}\n"))
            .collect();
        let parents = parents.concat();
        let at = self.tick().as_seconds();
        let identity = format!("{author} {at} +0000");
        let raw =
            format!("tree {tree}\n{parents}author {identity}\ncommitter {identity}\n\n{message}\n");
        CommitId(self.repository.write_commit(raw.as_bytes()).unwrap())
    }

    /// Writes a code commit with one file.
    pub fn code(&mut self, path: &str, text: &str, parents: &[CommitId]) -> CommitId {
        self.commit(&[(path, text)], parents, "Ann <ann@example.com>", "change")
    }

    /// Returns the next statement of a ledger, which has seen the tips of all others.
    pub fn statement(&mut self, ledger: &str, action: Action) -> Statement {
        let at = self.tick();
        let ledger: LedgerName = parse(ledger);
        let tip = self.tips.get(&ledger).copied();
        let chain = self.gatherer().load_tip(&ledger, tip).unwrap().chain;
        let mut seen = self.tips.clone();
        seen.remove(&ledger);
        Statement {
            at,
            by: parse::<Person>("ci"),
            key: self.signer.public_key(),
            requested_by: None,
            project: self.project.id,
            previous: chain.tip,
            sequence: chain.sequence + 1,
            ledger,
            environment: self.member.clone(),
            seen,
            action,
        }
    }

    /// Appends an entry to a ledger.
    pub fn append(&mut self, ledger: &str, action: Action) -> EntryId {
        self.write(ledger, action, None)
    }

    fn write(&mut self, ledger: &str, action: Action, text: Option<&str>) -> EntryId {
        let statement = self.statement(ledger, action);
        let bytes = statement.print().unwrap();
        let signature = self
            .signer
            .sign(&bytes, &statement.trusted_comment())
            .unwrap();
        let entry = verify_entry(
            Entry::parse(&bytes, &signature).unwrap(),
            &[self.signer.public_key()],
        )
        .unwrap();
        let name = statement.ledger.clone();
        let old_tip = self.tips.get(&name).copied();
        let before = self.gatherer().load_tip(&name, old_tip).unwrap().tree;
        if !self.tips.contains_key(&name) {
            self.repository
                .write_commit(&genesis_bytes(&self.repository, self.project.id, &name))
                .unwrap();
        }
        let state = StateReader::new(&self.repository)
            .load(before, &name, &Scope::All)
            .unwrap();
        let edits = fold(
            &state,
            &entry,
            text.map(|text| self.published(text)).as_ref(),
        );
        let tree = self
            .repository
            .write_tree_after(before, &entry, &edits)
            .unwrap();
        let raw = entry_commit_bytes(&statement, tree, &self.project.name);
        let id = EntryId(self.repository.write_commit(&raw).unwrap());
        self.tips.insert(name, id);
        id
    }

    /// Returns the change of a component to a commit, with its content there and the running
    /// commit.
    pub fn change(&self, ledger: &str, component: &str, commit: CommitId) -> ComponentChange {
        let (gatherer, ledger, component) = (
            self.gatherer(),
            parse::<LedgerName>(ledger),
            parse(component),
        );
        let tip = gatherer
            .load_tip(&ledger, self.tips.get(&ledger).copied())
            .unwrap();
        let state = StateReader::new(&self.repository)
            .load(tip.tree, &ledger, &Scope::All)
            .unwrap();
        let from = state.environment(None).commit(&component);
        let content = gatherer.content(&self.policy, commit, &component).unwrap();
        let target = Target::new(component, commit, content);
        ComponentChange::new(target, from)
    }

    /// Starts and finishes a deployment of one component, and returns the finish.
    pub fn deploy(
        &mut self,
        ledger: &str,
        component: &str,
        commit: CommitId,
        outcome: Outcome,
    ) -> EntryId {
        let change = self.change(ledger, component, commit);
        let target = change.target.clone();
        let to = (outcome == Outcome::RolledBack)
            .then_some(change.from)
            .flatten();
        let start_id = self.append(
            ledger,
            start_of(deployment(DeploymentKind::Deploy, vec![change])),
        );
        let start = self
            .gatherer()
            .history()
            .entry(&parse(ledger), start_id)
            .unwrap()
            .statement
            .sequence;
        let result = ComponentResult {
            target,
            outcome,
            because: None,
            to,
            verification: VerificationResult::None,
        };
        self.append(ledger, finish(start, vec![result]))
    }

    /// Returns the facts for an entry on the current tips.
    pub fn facts(&self, gatherer: &FactGatherer<'_>, statement: &Statement) -> Facts {
        let request = Request::Entry {
            statement,
            key: None,
            policy_text: None,
        };
        let tip = gatherer
            .load_tip(&statement.ledger, self.tips.get(&statement.ledger).copied())
            .unwrap();
        let state = gatherer.state(&statement.ledger, tip.tree, &request);
        gatherer.gather(&self.policy, &request, &self.tips, Some(tip.chain), state)
    }

    /// Returns the facts for a start of one component.
    pub fn facts_of(
        &mut self,
        ledger: &str,
        kind: DeploymentKind,
        component: &str,
        commit: CommitId,
    ) -> Facts {
        let change = self.change(ledger, component, commit);
        let statement = self.statement(ledger, start_of(deployment(kind, vec![change])));
        self.facts(&self.gatherer(), &statement)
    }
}

/// Returns a deployment of these changes.
pub(super) fn deployment(kind: DeploymentKind, components: Vec<ComponentChange>) -> Deployment {
    Deployment::new(kind, components)
}

/// Returns a start of a deployment.
pub(super) fn start_of(deployment: Deployment) -> Action {
    Action::Start(Start {
        run: RunId([2; 16]),
        deployment,
    })
}

fn finish(start: u64, components: Vec<ComponentResult>) -> Action {
    Action::Finish(Finish {
        start,
        run: RunId([2; 16]),
        kind: DeploymentKind::Deploy,
        components,
        approved_by: Vec::new(),
        change: None,
        labels: Labels::new(),
        description: None,
        break_glass: None,
        status: None,
        commands: Vec::new(),
        logs: Vec::new(),
    })
}
