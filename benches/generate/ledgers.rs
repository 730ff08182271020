//! Writes the ledgers: a policy, then repeated rounds of a deployment to stage, an approval, and a
//! deployment to prod.
//!
//! git-deploy's own library builds, signs, verifies and folds each entry, with the facts that the
//! rules need. Only the rules themselves do not run here. `git deploy audit` runs them, and must
//! find nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git_deploy::testing::domain::entry::{
    Action, ApprovalPurpose, Approve, ComponentAtCommit, ComponentChange, Deployment,
    DeploymentKind, Entry, Lock, Outcome, Publish, Record, RecordedResult, Statement, Target,
    Unlock, Unverified, Verification, VerificationResult,
};
use git_deploy::testing::domain::id::{CommitId, Digest, EntryId, PublicKey};
use git_deploy::testing::domain::name::{ComponentName, LedgerName};
use git_deploy::testing::domain::policy::{Policy, PublishedPolicy};
use git_deploy::testing::domain::state::{State, Value, fold};
use git_deploy::testing::domain::time::{Span, Time};
use git_deploy::testing::git::Repository;
use git_deploy::testing::ledger::facts::FactGatherer;
use git_deploy::testing::ledger::{Project, Tips, genesis_bytes, project_genesis_bytes};
use git_deploy::testing::signing::key::{self, SecretKey};
use git_deploy::testing::signing::{Signer, verify_entry};

use crate::code::{self, HISTORY_SECONDS};
use crate::import::Import;
use crate::layout::git;
use crate::{Result, Size};

/// The signers: the admin, the approver, and the machine that deploys.
const PEOPLE: [&str; 3] = ["alice", "bob", "ci"];

/// The keys of all signers, by name.
pub struct SignerKeys(BTreeMap<&'static str, Signer>);

impl SignerKeys {
    /// Creates a key without a password for each signer.
    pub fn generate(folder: &Path) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for name in PEOPLE {
            let file = folder.join(format!("{name}.key"));
            key::generate_key(&file, None)?;
            let secret =
                SecretKey::read(&file, || Err(std::io::Error::other("it has no password")))?;
            keys.insert(name, Signer::from_key(secret));
        }
        Ok(Self(keys))
    }

    /// Returns the signer with this name. Fails if there is none.
    fn signer(&self, name: &str) -> Result<&Signer> {
        self.0
            .get(name)
            .ok_or_else(|| format!("nobody is called {name}").into())
    }

    /// Returns the text of `deploy.toml`.
    pub fn policy_text(&self, size: Size) -> String {
        let mut lines = vec![
            "schema = 1".to_owned(),
            "project = \"bench\"".into(),
            "unowned = \"free\"".into(),
        ];
        lines.push("[people]".into());
        for (name, signer) in &self.0 {
            let machine = if *name == "ci" {
                ", machine = true"
            } else {
                ""
            };
            lines.push(format!(
                "{name} = {{ key = \"{}\"{machine} }}",
                signer.public_key()
            ));
        }
        lines.push("[environments]".into());
        lines.push("stage = {}".into());
        lines.push("prod = { promote_from = \"stage\", approvals = 1 }".into());
        for number in 0..size.components {
            let name = code::component_name(number);
            lines.push(format!(
                "[components.{name}]\npaths = [\"services/{name}/**\"]"
            ));
        }
        lines.join("\n") + "\n"
    }
}

/// The state of one ledger after its last entry.
struct LedgerEnd {
    sequence: u64,
    state: State,
    /// The id of the genesis, until the first entry is written: fast-import must know where a ref
    /// begins.
    genesis: Option<String>,
}

/// The ledgers that are being written.
struct LedgerGenerator<'a> {
    repository: &'a Repository,
    project: &'a Project,
    keys: &'a SignerKeys,
    import: Import,
    tips: Tips,
    ends: BTreeMap<LedgerName, LedgerEnd>,
}

/// Writes all ledgers and the notes. Returns the id of the project.
pub fn write_ledgers(local: &Path, keys: &SignerKeys, size: Size) -> Result<EntryId> {
    let commits = git(local, &["rev-list", "--reverse", "refs/heads/main"])
        .output()?
        .stdout;
    let commits: Vec<&str> = std::str::from_utf8(&commits)?.lines().collect();
    let repository = Repository::open(&local.join(".git"))?;
    let nonce = *b"git-deploy bench";
    let genesis = project_genesis_bytes(
        &repository,
        &"bench".parse()?,
        nonce,
        &[keys.signer("alice")?.public_key()],
    )?;
    repository.write_tree(b"")?;
    let project = Project::read(&repository, EntryId(repository.write_commit(&genesis)?))?;

    let import = Import::start(local)?;
    let mut ledgers = LedgerGenerator {
        repository: &repository,
        project: &project,
        keys,
        import,
        tips: Tips::new(),
        ends: BTreeMap::new(),
    };
    let text = keys.policy_text(size);
    let policy = Policy::parse(&text).map_err(|errors| errors.to_string())?;
    let published = PublishedPolicy::new(text.as_bytes().into(), &project.root_keys);
    let publish = Publish {
        digest: Digest::sha256(text.as_bytes()),
        keys: Digest::sha256(&published.keys),
        approved_by: Vec::new(),
        description: None,
        admits: Vec::new(),
        recovered: false,
    };
    ledgers.append(
        "policy",
        "alice",
        time_at(code::FIRST_COMMIT_TIME)?,
        Action::Publish(publish),
        Some(&published),
    )?;
    let gatherer = FactGatherer::new(&repository, &project);
    let rounds = count_rounds(size.entries);
    let mut cursor = 0;
    for round in 0..rounds {
        // The newest commit that existed at this time.
        let then = HISTORY_SECONDS / rounds * round;
        let index = then / (HISTORY_SECONDS / size.commits).max(1);
        let commit = commits
            .get(usize::try_from(index)?)
            .or(commits.last())
            .ok_or("there is no commit")?;
        let commit: CommitId = commit.parse()?;
        let group = (1 + round % 4).min(size.components);
        let mut components = BTreeMap::new();
        for number in cursor..cursor + group {
            let name: ComponentName = code::component_name(number % size.components).parse()?;
            let content = gatherer.content(&policy, commit, &name)?;
            components.insert(name, content);
        }
        cursor = (cursor + group) % size.components;
        let targets = components
            .into_iter()
            .map(|(component, content)| Target::new(component, commit, content));
        ledgers.write_round(
            round,
            code::FIRST_COMMIT_TIME + then,
            &targets.collect::<Vec<_>>(),
            size,
        )?;
    }
    let (import, tips) = (ledgers.import, ledgers.tips);
    import.finish()?;
    // The repository must be opened again to see the pack of the import.
    Repository::open(&local.join(".git"))?.rebuild_notes(&tips)?;
    Ok(project.id)
}

/// Converts seconds since 1970 to a time.
fn time_at(seconds: u64) -> Result<Time> {
    Time::from_seconds(i64::try_from(seconds)?).ok_or_else(|| "the time is too far away".into())
}

/// Returns how many entries of prod a round writes.
fn entries_per_round(round: u64) -> u64 {
    2 + u64::from(round % 10 == 9) + 2 * u64::from(round % 50 == 49)
}

/// Returns how many rounds write at least this many entries of prod. The last round may stop early.
fn count_rounds(wanted: u64) -> u64 {
    let (mut rounds, mut there) = (0, 0);
    while there < wanted {
        there += entries_per_round(rounds);
        rounds += 1;
    }
    rounds
}

impl LedgerGenerator<'_> {
    /// Writes one round: a deployment to stage, an approval, a deployment to prod. Every tenth
    /// round adds a verification, every fiftieth a lock and an unlock.
    fn write_round(
        &mut self,
        round: u64,
        seconds: u64,
        targets: &[Target],
        size: Size,
    ) -> Result<()> {
        let stage: LedgerName = "stage".parse()?;
        let record = self.build_record(&stage, targets, &[]);
        self.append("stage", "ci", time_at(seconds + 1)?, record, None)?;
        let mut actions = vec![
            ("bob", build_approval(targets, time_at(seconds)?)),
            ("ci", None),
        ];
        if round % 10 == 9 {
            actions.push((
                "ci",
                Some(Action::Verification(build_verification(targets))),
            ));
        }
        if round % 50 == 49 {
            let reason = "incident 4711".parse()?;
            actions.push((
                "bob",
                Some(Action::Lock(Lock {
                    component: None,
                    until: None,
                    reason,
                })),
            ));
            let unlock = Unlock {
                component: None,
                commit: None,
                holds: Vec::new(),
                comment: Some("over".parse()?),
            };
            actions.push(("bob", Some(Action::Unlock(unlock))));
        }
        let prod: LedgerName = "prod".parse()?;
        for (second, (by, action)) in (2..).zip(actions) {
            if self
                .ends
                .get(&prod)
                .is_some_and(|end| end.sequence == size.entries)
            {
                break;
            }
            let action = action.unwrap_or_else(|| self.build_record(&prod, targets, &["bob"]));
            self.append("prod", by, time_at(seconds + second)?, action, None)?;
        }
        Ok(())
    }

    /// Builds the record of a successful deployment of these targets.
    fn build_record(
        &self,
        ledger: &LedgerName,
        targets: &[Target],
        approved_by: &[&str],
    ) -> Action {
        let here = self.ends.get(ledger).map(|end| end.state.environment(None));
        let change = |target: &Target| {
            ComponentChange::new(
                target.clone(),
                here.and_then(|here| here.commit(&target.component)),
            )
        };
        let mut deployment =
            Deployment::new(DeploymentKind::Deploy, targets.iter().map(change).collect());
        deployment.approved_by = approved_by
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        let result = |target: &Target| RecordedResult {
            component: target.component.clone(),
            outcome: Outcome::Succeeded,
            because: None,
            to: None,
            verification: VerificationResult::Passed,
        };
        Action::Record(Record {
            deployment,
            results: targets.iter().map(result).collect(),
            logs: Vec::new(),
        })
    }

    /// Signs one entry and writes it as a client does.
    fn append(
        &mut self,
        ledger: &str,
        by: &str,
        at: Time,
        action: Action,
        policy: Option<&PublishedPolicy>,
    ) -> Result<()> {
        let ledger: LedgerName = ledger.parse()?;
        let mut end = match self.ends.remove(&ledger) {
            Some(end) => end,
            None => self.create_genesis(&ledger)?,
        };
        let tip = *self.tips.get(&ledger).ok_or("a ledger without a tip")?;
        end.sequence += 1;
        let others = self.tips.iter().filter(|(name, _)| {
            !ledger.is_policy()
                && (name.is_policy() || ledger.as_str() == "prod" && name.as_str() == "stage")
        });
        let signer = self.keys.signer(by)?;
        let statement = Statement {
            at,
            by: by.parse()?,
            key: signer.public_key(),
            requested_by: None,
            ledger: ledger.clone(),
            environment: None,
            project: self.project.id,
            previous: tip,
            sequence: end.sequence,
            seen: others.map(|(name, tip)| (name.clone(), *tip)).collect(),
            action,
        };
        let bytes = statement.print()?;
        let signature = signer.sign(&bytes, &statement.trusted_comment())?;
        let entry = Entry::<Unverified>::parse(&bytes, &signature)?;
        let entry = verify_entry(entry, &[signer.public_key()] as &[PublicKey])?;
        let edits = fold(&end.state, &entry, policy);

        let who = format!(
            "{} {} +0000",
            statement.identity(&self.project.name),
            at.as_seconds()
        );
        let parents: BTreeSet<CommitId> = statement.deployed_commits().into_iter().collect();
        let parents: Vec<String> = parents.iter().map(ToString::to_string).collect();
        let import = &mut self.import;
        import.begin_commit(
            &ledger.ref_name(),
            &who,
            &statement.message(),
            end.genesis.take().as_deref(),
            &parents,
        )?;
        for edit in edits.iter().filter(|edit| edit.value.is_none()) {
            import.remove(&edit.slot.to_string())?;
        }
        for edit in &edits {
            let path = edit.slot.to_string();
            match &edit.value {
                None => {}
                Some(Value::Commit(commit)) => import.add_gitlink(&path, &commit.to_string())?,
                Some(Value::Bytes(bytes)) => import.add_file(&path, bytes)?,
                Some(Value::Entry(kept)) => import.add_file(&path, &kept.bytes)?,
            }
        }
        import.add_file("entry.json", &bytes)?;
        import.add_file("entry.json.minisig", &signature)?;
        let id = EntryId(import.last_id()?.parse()?);
        end.state.apply(&edits);
        self.tips.insert(ledger.clone(), id);
        self.ends.insert(ledger, end);
        Ok(())
    }

    /// Creates the genesis of a ledger, before its first entry.
    fn create_genesis(&mut self, ledger: &LedgerName) -> Result<LedgerEnd> {
        let id = if ledger.is_policy() {
            self.project.id
        } else {
            EntryId(self.repository.write_commit(&genesis_bytes(
                self.repository,
                self.project.id,
                ledger,
            ))?)
        };
        self.tips.insert(ledger.clone(), id);
        Ok(LedgerEnd {
            sequence: 0,
            state: State::empty(),
            genesis: Some(id.to_string()),
        })
    }
}

/// Builds the approval of these targets, or `None` if there are none.
fn build_approval(targets: &[Target], now: Time) -> Option<Action> {
    let commit = targets.first()?.commit;
    Some(Action::Approve(Approve {
        commit,
        components: targets
            .iter()
            .map(|target| target.component.clone())
            .collect(),
        purpose: ApprovalPurpose::Deploy,
        plans: BTreeMap::new(),
        expires: now.plus(Span::from_days(7)),
        comment: "CHG-1234 canary ok".parse().ok(),
    }))
}

/// Builds a passed verification of these targets.
fn build_verification(targets: &[Target]) -> Verification {
    let component = |target: &Target| ComponentAtCommit {
        component: target.component.clone(),
        commit: target.commit,
    };
    Verification {
        components: targets.iter().map(component).collect(),
        verification: VerificationResult::Passed,
        comment: None,
        logs: Vec::new(),
    }
}
