//! An entry to be judged, with complete and consistent facts. A test changes only what it is about.

use std::collections::BTreeMap;

use super::{entry_time, fold_history, key, oid, parse, policy, statement};
use crate::domain::entry::{Action, Deployment, RunStep, Statement};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, Person};
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, CommitFact, Facts, Request, SeenFact, evaluate, ledgers_read};
use crate::domain::state::State;
use crate::domain::time::{Span, Time};
use crate::domain::verdict::{Check, CheckResult, Decision, Rule, Verdict};

/// An entry to be judged, with its policy and facts.
pub(crate) struct Case {
    pub policy: Policy,
    pub statement: Statement,
    pub key: Option<PublicKey>,
    pub policy_text: Option<Vec<u8>>,
    pub facts: Facts,
    pub now: Time,
}

impl Case {
    /// Returns the case of `action`, signed by `by`, as the first entry of `ledger`. The policy is
    /// `rest` with project and people.
    pub fn new(rest: &str, ledger: &str, by: &str, action: Action) -> Self {
        Self::after(rest, ledger, Vec::new(), by, action)
    }

    /// Returns the same after `history` in the same ledger, numbered from 1.
    pub fn after(
        rest: &str,
        ledger: &str,
        history: Vec<(&str, Action)>,
        by: &str,
        action: Action,
    ) -> Self {
        Self::within(rest, ledger, None, history, by, action)
    }

    /// Returns the same in an environment of a pattern's ledger.
    pub fn within(
        rest: &str,
        ledger: &str,
        environment: Option<&str>,
        history: Vec<(&str, Action)>,
        by: &str,
        action: Action,
    ) -> Self {
        let count = u64::try_from(history.len()).unwrap();
        // Good enough for tests, in which only one run is resumed.
        let run_steps = history.iter().filter_map(|(_, it)| it.run_step());
        let run_ids = run_steps.map(RunStep::run).collect();
        let (state, _) = fold_history(ledger, environment, history);
        let mut requested = statement(ledger, by, entry_time(), action);
        (requested.sequence, requested.environment) = (count + 1, environment.map(parse));
        let mut case = Self {
            policy: policy(rest),
            statement: requested,
            key: Some(key(by)),
            policy_text: None,
            facts: Facts::default(),
            now: entry_time(),
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
                entry_time().minus(Span::from_seconds(60))
            },
            seen: BTreeMap::new(),
        });
        case.facts.state = Some(Ok(state));
        case.facts.run_ids = Some(Ok(run_ids));
        case.gather();
        case
    }

    /// Sets the facts that follow from the statement and the policy. A test calls it after changing
    /// one of them.
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
            is_reachable: true,
            is_forward: true,
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
        self.add_empty_facts();
        self.add_code();
    }

    /// Adds empty facts for those that are not set.
    fn add_empty_facts(&mut self) {
        let facts = &mut self.facts;
        facts.yanks.get_or_insert_with(|| Ok(State::empty()));
        facts.evidence.get_or_insert_with(|| Ok(Vec::new()));
        facts.authors.get_or_insert_with(|| Ok(BTreeMap::new()));
    }

    /// Adds the dates and contents of the commits that the statement names, each containing the
    /// running commits.
    fn add_code(&mut self) {
        let (statement, facts) = (&self.statement, &mut self.facts);
        for commit in statement.commits() {
            facts.commits.insert(
                commit,
                Ok(CommitFact {
                    time: entry_time().minus(Span::from_days(1)),
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
                facts.containment.insert((target.commit, from), Ok(true));
            }
        }
        if let Action::Approve(it) = &statement.action {
            for component in &it.components {
                let key = (it.commit, component.clone());
                facts.contents.entry(key).or_insert(Ok(None));
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

    /// Returns the state before the entry.
    pub fn state(&self) -> &State {
        match &self.facts.state {
            Some(Ok(state)) => state,
            other => panic!("{other:?}"),
        }
    }

    /// Sets the log of the previous environment `stage`, and the facts that follow.
    pub fn source(&mut self, history: Vec<(&str, Action)>) -> &mut Self {
        self.source_named("stage", history)
    }

    /// Sets the log of a previous environment, and the facts that follow.
    pub fn source_named(&mut self, name: &str, history: Vec<(&str, Action)>) -> &mut Self {
        let (state, log) = fold_history(name, None, history);
        let name: EnvName = parse(name);
        for change in self.deployment().components.clone() {
            self.facts.previous_log.insert(
                (name.clone(), change.target.component, change.target.commit),
                Ok(log.clone()),
            );
        }
        self.facts.previous_state.insert(name, Ok(state));
        self.gather();
        self
    }

    /// Sets the entries of `evidence`, numbered from 1, and the facts that follow.
    pub fn evidence(&mut self, entries: Vec<(&str, Action)>) -> &mut Self {
        self.facts.evidence = Some(Ok(fold_history("evidence", None, entries).1));
        self.gather();
        self
    }

    /// Returns the requested deployment, to be changed. Call [`Case::gather`] afterwards, unless
    /// the facts should not match.
    pub fn deployment(&mut self) -> &mut Deployment {
        match &mut self.statement.action {
            Action::Start(start) => &mut start.deployment,
            Action::Record(record) => &mut record.deployment,
            other => panic!("{} deploys nothing", other.name()),
        }
    }

    /// Sets the signer, and that person's own key.
    pub fn by(&mut self, person: &str) -> &mut Self {
        self.statement.by = parse::<Person>(person);
        self.statement.key = key(person);
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

    /// Returns the answers of one rule.
    pub fn checks(&self, rule: Rule) -> Vec<Check> {
        self.verdict()
            .checks
            .into_iter()
            .filter(|check| check.rule == rule)
            .collect()
    }

    /// Asserts that a rule passes.
    #[track_caller]
    pub fn passes(&self, rule: Rule) {
        let checks = self.checks(rule);
        let passed = checks
            .iter()
            .all(|check| check.outcome == CheckResult::Pass);
        assert!(passed && !checks.is_empty(), "{checks:?}");
    }

    /// Asserts that a rule refuses, with a detail that contains `words`.
    #[track_caller]
    pub fn fails(&self, rule: Rule, words: &str) -> Check {
        self.expect_check(rule, CheckResult::Fail, words)
    }

    /// Asserts that a rule answers "cannot tell", with a detail that contains `words`.
    #[track_caller]
    pub fn unknown(&self, rule: Rule, words: &str) -> Check {
        self.expect_check(rule, CheckResult::Unknown, words)
    }

    #[track_caller]
    fn expect_check(&self, rule: Rule, outcome: CheckResult, words: &str) -> Check {
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
