//! Tests of the rule `branch`: when a branch of an environment may move.

use std::collections::BTreeMap;

use crate::domain::entry::{Action, DeploymentKind, Outcome, VerificationResult};
use crate::domain::id::CommitId;
use crate::domain::policy::Policy;
use crate::domain::rules::testing::{
    change, commit, content, deploy, deployment, fold_history, parse, policy_text, ran, record,
};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, CheckResult, Rule};

const TWO: &str =
    "[components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n";

/// A push to the branch of `prod`, with what the rule reads: the policy's settings, the contents at
/// commits, and the ledger of `prod`.
struct Push {
    deploy_on: &'static str,
    unowned: &'static str,
    contents: BTreeMap<(u8, &'static str), Option<u8>>,
    history: Vec<(&'static str, Action)>,
    facts: Facts,
}

impl Push {
    /// Returns a push in which commit 1 runs, and commit 2 changes only `api`.
    fn new(deploy_on: &'static str) -> Self {
        let at = |commit, name, content| ((commit, name), Some(content));
        let contents = [
            at(1, "api", 1),
            at(1, "web", 1),
            at(1, "rest", 1),
            at(2, "api", 2),
            at(2, "web", 1),
            at(2, "rest", 1),
        ];
        let history = vec![
            ("ci", ran("api", 1, None)),
            ("ci", ran("web", 1, None)),
            ("ci", ran("rest", 1, None)),
        ];
        Self {
            deploy_on,
            unowned: "gated",
            contents: contents.into(),
            history,
            facts: Facts::default(),
        }
    }

    fn checks(&self, old: Option<u8>, new: Option<u8>) -> Vec<Check> {
        let mode = self.deploy_on;
        let text = policy_text(&format!(
            "[environments.prod]\nbranch = \"main\"\ndeploy_on = \"{mode}\"\n{TWO}"
        ));
        let policy = text.replacen(
            "[people]",
            &format!("unowned = \"{}\"\n[people]", self.unowned),
            1,
        );
        let policy = Policy::parse(&policy).unwrap();
        let mut facts = self.facts.clone();
        facts
            .state
            .get_or_insert(Ok(fold_history("prod", None, self.history.clone()).0));
        facts
            .containment
            .entry((commit(2), commit(1)))
            .or_insert(Ok(true));
        facts.containment.insert((commit(1), commit(2)), Ok(false));
        for ((at, name), content_number) in &self.contents {
            facts
                .contents
                .entry((commit(*at), parse(name)))
                .or_insert(Ok(content_number.map(content)));
        }
        let environment = parse("prod");
        let (old, new): (Option<CommitId>, _) = (old.map(commit), new.map(commit));
        let request = Request::Branch {
            environment: &environment,
            name: "main",
            old,
            new,
        };
        evaluate(
            &policy,
            &request,
            &facts,
            parse::<Time>("2026-03-05T10:00:00Z"),
        )
        .checks
    }

    #[track_caller]
    fn expect_check(&self, old: Option<u8>, new: Option<u8>, answer: CheckResult, words: &str) {
        let checks = self.checks(old, new);
        let branch = checks
            .iter()
            .find(|check| check.rule == Rule::Branch && check.outcome == answer);
        assert!(
            branch.is_some_and(|check| check.detail.contains(words)),
            "{checks:?}"
        );
    }
}

/// In both modes the branch cannot be deleted, and moves only to commits that contain its tip.
#[test]
fn forward_only() {
    for mode in ["approval", "merge"] {
        let mut push = Push::new(mode);
        push.expect_check(Some(1), None, CheckResult::Fail, "cannot be deleted");
        push.expect_check(Some(2), Some(1), CheckResult::Fail, "may only fast-forward");
        push.facts
            .containment
            .insert((commit(2), commit(1)), Err("shallow".to_owned()));
        push.expect_check(Some(1), Some(2), CheckResult::Unknown, "shallow");
    }
}

/// With `deploy_on = "approval"`, the branch must equal the running content of the components that
/// the push changes.
#[test]
fn must_equal_running_content() {
    let mut push = Push::new("approval");
    push.expect_check(
        Some(1),
        Some(2),
        CheckResult::Fail,
        "api: prod runs 010101010101, which has different content",
    );
    push.history.push(("ci", ran("api", 2, Some(1))));
    push.expect_check(Some(1), Some(2), CheckResult::Pass, "");
    push.expect_check(None, Some(2), CheckResult::Pass, "");
    push.history.push(("ci", ran("web", 3, Some(1))));
    push.expect_check(Some(1), Some(2), CheckResult::Pass, "");
    push.expect_check(
        None,
        Some(2),
        CheckResult::Fail,
        "web: prod runs 030303030303",
    );
}

/// Unowned paths must match like those of a component, unless the policy leaves them free.
#[test]
fn unowned_paths() {
    let mut push = Push::new("approval");
    push.contents.insert((2, "api"), Some(1));
    push.contents.insert((2, "rest"), Some(9));
    push.expect_check(Some(1), Some(2), CheckResult::Fail, "rest: prod runs");
    push.unowned = "free";
    push.expect_check(Some(1), Some(2), CheckResult::Pass, "");
}

/// A component that is absent on one side only is a difference; absent on both sides it is not.
#[test]
fn absent() {
    let mut push = Push::new("approval");
    push.contents.insert((2, "api"), None);
    push.expect_check(
        Some(1),
        Some(2),
        CheckResult::Fail,
        "api: prod still has it",
    );
    push.history.remove(0);
    push.expect_check(Some(1), Some(2), CheckResult::Pass, "");
    let mut push = Push::new("approval");
    push.history.remove(0);
    push.expect_check(
        Some(1),
        Some(2),
        CheckResult::Fail,
        "api: prod does not run it",
    );
}

/// While the running version is unknown or being changed, it does not count as equal.
#[test]
fn cannot_tell() {
    let mut push = Push::new("approval");
    let to = deployment(DeploymentKind::Deploy, vec![change("api", 2, Some(1))]);
    push.history
        .push(("ci", record(to, Outcome::Failed, VerificationResult::None)));
    push.expect_check(
        Some(1),
        Some(2),
        CheckResult::Unknown,
        "the running version in prod is unknown",
    );
    let mut push = Push::new("approval");
    push.history.push(("ci", ran("api", 2, Some(1))));
    push.history.push(("ci", deploy("api", 3, Some(2))));
    push.expect_check(
        Some(1),
        Some(2),
        CheckResult::Unknown,
        "being changed by run 5",
    );
    let mut push = Push::new("approval");
    push.facts.contents.insert(
        (commit(2), parse("web")),
        Err("past a million entries".to_owned()),
    );
    push.expect_check(
        Some(1),
        Some(2),
        CheckResult::Unknown,
        "past a million entries",
    );
    push.facts.state = Some(Err("unreadable".to_owned()));
    push.facts.contents.clear();
    push.expect_check(Some(1), Some(2), CheckResult::Unknown, "unreadable");
}

/// With `deploy_on = "merge"`, the environment's rules judge the new commit. `authorization` does
/// not apply, as there is no signer.
#[test]
fn judged_as_a_deployment() {
    let push = Push::new("merge");
    push.expect_check(Some(1), Some(2), CheckResult::Pass, "");
    let names: Vec<Rule> = push
        .checks(Some(1), Some(2))
        .iter()
        .map(|check| check.rule)
        .collect();
    assert!(
        names.contains(&Rule::Lock) && !names.contains(&Rule::Authorization),
        "{names:?}"
    );
}
