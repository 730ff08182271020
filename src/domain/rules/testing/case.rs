//! A request with all its facts. It passes every rule until a test takes something away from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{folded, key, noon, oid, parse, policy, statement};
use crate::domain::entry::{Action, Deployment, Statement};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::Person;
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, CommitFact, Facts, Request, SeenFact, evaluate, ledgers_read};
use crate::domain::state::State;
use crate::domain::time::{Span, Time};
use crate::domain::verdict::{Check, CheckResult, Decision, Rule, Verdict};

/// A requested entry, with the facts about it.
pub(crate) struct Case {
    pub policy: Policy,
    pub statement: Statement,
    pub key: Option<PublicKey>,
    pub policy_text: Option<Vec<u8>>,
    pub facts: Facts,
    pub now: Time,
}

impl Case {
    /// `action` by `by` in `ledger`, after nothing.
    pub fn new(rest: &str, ledger: &str, by: &str, action: Action) -> Self {
        Self::after(rest, ledger, Vec::new(), by, action)
    }

    /// The same after entries of the same ledger, numbered from 1.
    pub fn after(
        rest: &str,
        ledger: &str,
        history: Vec<(&str, Action)>,
        by: &str,
        action: Action,
    ) -> Self {
        Self::within(rest, ledger, None, history, by, action)
    }

    /// The same in an environment of a pattern's ledger.
    pub fn within(
        rest: &str,
        ledger: &str,
        environment: Option<&str>,
        history: Vec<(&str, Action)>,
        by: &str,
        action: Action,
    ) -> Self {
        let count = u64::try_from(history.len()).unwrap();
        let (state, _) = folded(ledger, environment, history);
        let mut wanted = statement(ledger, by, noon(), action);
        (wanted.sequence, wanted.environment) = (count + 1, environment.map(parse));
        let mut case = Self {
            policy: policy(rest),
            statement: wanted,
            key: Some(key(by)),
            policy_text: None,
            facts: Facts::default(),
            now: noon(),
        };
        case.facts.chain = Some(Chain {
            project: EntryId(oid(0x50)),
            project_name: parse("catalogue"),
            root_keys: vec![key("alice")],
            tip: EntryId(oid(0x51)),
            sequence: count,
            at: if count == 0 {
                Time::EPOCH
            } else {
                noon().minus(Span::from_seconds(60))
            },
            seen: BTreeMap::new(),
        });
        case.facts.state = Some(Ok(state));
        case.gather();
        case
    }

    /// Makes the facts that follow from the statement and the policy: once more after a test has changed them.
    pub fn gather(&mut self) {
        let (statement, facts) = (&mut self.statement, &mut self.facts);
        let mut ledgers = self.policy.ledgers();
        ledgers.extend([parse("policy"), parse("evidence")]);
        ledgers.remove(&statement.ledger);
        facts.tips = ledgers
            .into_iter()
            .zip((0x60..).map(|byte| EntryId(oid(byte))))
            .collect();
        let named = ledgers_read(&self.policy, statement);
        statement.seen = facts
            .tips
            .iter()
            .filter(|(name, _)| named.contains(*name))
            .map(|(name, tip)| (name.clone(), *tip))
            .collect();
        let seen = SeenFact {
            is_tip: true,
            reachable: true,
            forward: true,
        };
        facts.seen = statement
            .seen
            .keys()
            .map(|name| (name.clone(), Ok(seen)))
            .collect();
        facts.environments_seen = self
            .policy
            .ledgers()
            .into_iter()
            .filter(|_| statement.ledger.is_policy())
            .map(|name| (name, true))
            .collect();
        facts.stored_as_computed = Some(Ok(()));
        self.add_signers();
        self.add_code();
    }

    /// Adds the answers that nothing was found, and the signers of what is in state and evidence.
    fn add_signers(&mut self) {
        let facts = &mut self.facts;
        facts.yanks.get_or_insert_with(|| Ok(State::empty()));
        facts.evidence.get_or_insert_with(|| Ok(Vec::new()));
        facts.authors.get_or_insert_with(|| Ok(BTreeSet::new()));
        let entries = facts
            .state
            .iter()
            .flatten()
            .flat_map(State::slots)
            .filter_map(|(_, value)| value.entry());
        for kept in entries.chain(facts.evidence.iter().flatten().flatten()) {
            let entry = &kept.statement;
            facts
                .signers
                .entry((entry.ledger.clone(), entry.sequence))
                .or_insert_with(|| Ok(key(entry.by.as_str())));
        }
    }

    /// Adds the dates and contents of the commits that the statement names, each containing the
    /// running commits.
    fn add_code(&mut self) {
        let (statement, facts) = (&self.statement, &mut self.facts);
        for commit in statement.commits() {
            facts.commits.insert(
                commit,
                Ok(CommitFact {
                    time: noon().minus(Span::from_days(1)),
                }),
            );
        }
        for change in statement
            .deployment()
            .into_iter()
            .flat_map(|it| &it.components)
        {
            let target = &change.target;
            facts.contents.insert(
                (target.commit, target.component.clone()),
                Ok(target.content),
            );
            if let Some(from) = change.from {
                facts.contains.insert((target.commit, from), Ok(true));
            }
        }
        if let Action::Baseline(it) = &statement.action {
            for target in &it.components {
                facts.contents.insert(
                    (target.commit, target.component.clone()),
                    Ok(target.content),
                );
            }
        }
    }

    /// The state that the entry meets.
    pub fn state(&self) -> &State {
        match &self.facts.state {
            Some(Ok(state)) => state,
            other => panic!("{other:?}"),
        }
    }

    /// What the environment before says of each changed component, and the facts that follow.
    pub fn source(&mut self, history: Vec<(&str, Action)>) -> &mut Self {
        let (state, log) = folded("stage", None, history);
        for change in self.deployment().components.clone() {
            self.facts.previous_log.insert(
                (change.target.component, change.target.commit),
                Ok(log.clone()),
            );
        }
        self.facts.previous_state = Some(Ok(state));
        self.gather();
        self
    }

    /// Entries of `evidence`, numbered from 1, and the facts that follow.
    pub fn evidence(&mut self, entries: Vec<(&str, Action)>) -> &mut Self {
        self.facts.evidence = Some(Ok(folded("evidence", None, entries).1));
        self.gather();
        self
    }

    /// The deployment that is asked for, to be changed. [`Case::gather`] afterwards, unless the facts should not fit.
    pub fn deployment(&mut self) -> &mut Deployment {
        match &mut self.statement.action {
            Action::Start(start) => &mut start.deployment,
            Action::Record(record) => &mut record.deployment,
            other => panic!("{} deploys nothing", other.name()),
        }
    }

    /// Who signs, with their own key.
    pub fn by(&mut self, person: &str) -> &mut Self {
        self.statement.by = parse::<Person>(person);
        self.key = Some(key(person));
        self
    }

    /// Returns the verdict.
    pub fn verdict(&self) -> Verdict {
        let request = Request::Entry {
            statement: &self.statement,
            key: self.key.as_ref(),
            policy_text: self.policy_text.as_deref(),
        };
        evaluate(&self.policy, &request, &self.facts, self.now)
    }

    /// What one rule says.
    pub fn checks(&self, rule: Rule) -> Vec<Check> {
        self.verdict()
            .checks
            .into_iter()
            .filter(|check| check.rule == rule)
            .collect()
    }

    /// Holds one rule to a pass.
    #[track_caller]
    pub fn passes(&self, rule: Rule) {
        let checks = self.checks(rule);
        let passed = checks
            .iter()
            .all(|check| check.outcome == CheckResult::Pass);
        assert!(passed && !checks.is_empty(), "{checks:?}");
    }

    /// Holds one rule to a refusal, and to a detail that has `words` in it.
    #[track_caller]
    pub fn fails(&self, rule: Rule, words: &str) -> Check {
        self.says(rule, CheckResult::Fail, words)
    }

    /// Holds one rule to "cannot tell", and to a detail that has `words` in it.
    #[track_caller]
    pub fn unknown(&self, rule: Rule, words: &str) -> Check {
        self.says(rule, CheckResult::Unknown, words)
    }

    #[track_caller]
    fn says(&self, rule: Rule, outcome: CheckResult, words: &str) -> Check {
        let checks = self.checks(rule);
        let found = checks
            .iter()
            .find(|check| check.outcome == outcome && check.detail.contains(words));
        assert_ne!(self.verdict().decision(), Decision::Allowed);
        found
            .unwrap_or_else(|| panic!("no {outcome:?} with {words:?} in {checks:?}"))
            .clone()
    }
}
