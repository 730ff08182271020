//! How each component of a deployment ended, worked out from one word about the whole and, where they differ, words about some.

use std::collections::BTreeMap;

use crate::domain::entry::{
    ComponentChange, ComponentResult, Deployment, Finish, Intent, Outcome, RecordedResult,
    VerificationResult,
};
use crate::domain::id::RunId;
use crate::domain::name::ComponentName;

/// A word about the whole, or about one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// What was to be done was done.
    Succeeded,
    /// It was not, and what changed components run is as it was.
    Failed,
    /// It was not, and what ran before was brought back.
    RolledBack,
    /// It was not attempted.
    Skipped,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Of the whole.
    pub outcome: Word,
    /// Of some components, which it wins for.
    pub outcomes: BTreeMap<ComponentName, Word>,
    /// What a check of those that succeeded said.
    pub verification: VerificationResult,
    /// What a check of some components said, which wins for them.
    pub verifications: BTreeMap<ComponentName, VerificationResult>,
}

/// Why a word cannot be said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// Nothing was to be changed.
    #[error("nothing was to be changed, so nothing can have failed")]
    NothingChanged,
    /// A word about what is not in the deployment, or rides along.
    #[error("{0} was not to be changed by the deployment, so nothing can be said of it")]
    NotChanged(ComponentName),
    /// There is nothing to go back to.
    #[error("nothing of {0} ran before, so it cannot have been rolled back: it failed")]
    NothingBefore(ComponentName),
    /// A failure that works.
    #[error("only a success passes its verification")]
    Verification,
}

/// How each component ended. What rides along is skipped where the deployment failed, because it was not deployed either.
pub fn results(
    components: &[ComponentChange],
    said: &Said,
) -> Result<Vec<RecordedResult>, OutcomeError> {
    let changed = || {
        components
            .iter()
            .filter(|change| change.intent != Intent::Unchanged)
    };
    let named = said.outcomes.keys().chain(said.verifications.keys());
    if let Some(stray) = named
        .into_iter()
        .find(|name| !changed().any(|change| change.target.component == **name))
    {
        return Err(OutcomeError::NotChanged(stray.clone()));
    }
    let word = |change: &ComponentChange| {
        said.outcomes
            .get(&change.target.component)
            .copied()
            .unwrap_or(said.outcome)
    };
    if said.outcome != Word::Succeeded && changed().next().is_none() {
        return Err(OutcomeError::NothingChanged);
    }
    let passed = said.verification == VerificationResult::Passed;
    if passed
        && said.outcome != Word::Succeeded
        && !changed().any(|change| word(change) == Word::Succeeded)
    {
        return Err(OutcomeError::Verification);
    }
    let culprit = changed().find(|change| matches!(word(change), Word::Failed | Word::RolledBack));
    let culprit = culprit.map(|change| change.target.component.clone());
    components
        .iter()
        .map(|change| one(change, word(change), culprit.as_ref(), said))
        .collect()
}

fn one(
    change: &ComponentChange,
    word: Word,
    culprit: Option<&ComponentName>,
    said: &Said,
) -> Result<RecordedResult, OutcomeError> {
    let component = change.target.component.clone();
    let outcome = match (change.intent, word) {
        (Intent::Unchanged, _) if culprit.is_some() || said.outcome == Word::Skipped => {
            Outcome::Skipped
        }
        (Intent::Unchanged, _) => Outcome::Unchanged,
        (_, Word::Skipped) => Outcome::Skipped,
        (Intent::Change, Word::Succeeded) => Outcome::Succeeded,
        (Intent::Change, Word::RolledBack) => Outcome::RolledBack,
        (Intent::Change, Word::Failed) | (Intent::Destroy, Word::Failed | Word::RolledBack) => {
            Outcome::Failed
        }
        (Intent::Destroy, Word::Succeeded) => Outcome::Destroyed,
    };
    let to = match (outcome, change.from) {
        (Outcome::RolledBack, None) => return Err(OutcomeError::NothingBefore(component)),
        (Outcome::RolledBack, from) => from,
        _ => None,
    };
    let because = culprit.filter(|_| outcome == Outcome::Skipped).cloned();
    let checked = said.verifications.get(&component);
    let verification = match (outcome, checked.copied().unwrap_or(said.verification)) {
        (Outcome::Succeeded, verification) => verification,
        (_, VerificationResult::Passed) if checked.is_some() => {
            return Err(OutcomeError::Verification);
        }
        (Outcome::Failed | Outcome::RolledBack, VerificationResult::Failed)
            if change.intent == Intent::Change =>
        {
            VerificationResult::Failed
        }
        _ => VerificationResult::None,
    };
    Ok(RecordedResult {
        component,
        outcome,
        because,
        to,
        verification,
    })
}

/// The same with what each was to become, as a `finish` says it.
pub fn ended(components: &[ComponentChange], results: Vec<RecordedResult>) -> Vec<ComponentResult> {
    let pairs = components.iter().zip(results);
    pairs
        .map(|(change, result)| result.with_target(&change.target))
        .collect()
}

/// The end of a run, with what its start said; without a status and logs.
pub fn finish(
    start: u64,
    run: RunId,
    deployment: &Deployment,
    results: Vec<RecordedResult>,
) -> Finish {
    Finish {
        start,
        run,
        kind: deployment.kind,
        components: ended(&deployment.components, results),
        approved_by: deployment.approved_by.clone(),
        description: deployment.description.clone(),
        break_glass: deployment.break_glass.clone(),
        status: None,
        logs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Target;
    use crate::domain::id::{CommitId, Content};

    const NONE: VerificationResult = VerificationResult::None;
    const PASSED: VerificationResult = VerificationResult::Passed;

    fn change(component: &str, intent: Intent, ran: bool) -> ComponentChange {
        let commit: CommitId = "2affccc97fa05736482d4523166f70cb561afa11".parse().unwrap();
        let content = (intent != Intent::Destroy).then_some(Content(commit.0));
        let target = Target {
            component: component.parse().unwrap(),
            commit,
            content,
            version: None,
            artifacts: Vec::new(),
        };
        ComponentChange {
            target,
            from: ran.then_some(commit),
            plan: None,
            intent,
        }
    }

    fn said(outcome: Word, verification: VerificationResult) -> Said {
        Said {
            outcome,
            outcomes: BTreeMap::new(),
            verification,
            verifications: BTreeMap::new(),
        }
    }

    /// A failure must not move what only rode along, and a rollback says where it went.
    #[test]
    fn words_and_components() {
        use Outcome::{Destroyed, Failed, RolledBack, Skipped, Succeeded, Unchanged};
        let all = [
            change("api", Intent::Change, true),
            change("old", Intent::Destroy, true),
            change("web", Intent::Unchanged, true),
        ];
        for (overall, wanted) in [
            (Word::Succeeded, [Succeeded, Destroyed, Unchanged]),
            (Word::Failed, [Failed, Failed, Skipped]),
            (Word::RolledBack, [RolledBack, Failed, Skipped]),
        ] {
            let results = results(&all, &said(overall, NONE)).unwrap();
            assert_eq!(
                results.iter().map(|it| it.outcome).collect::<Vec<_>>(),
                wanted
            );
            let back = results.iter().find(|it| it.outcome == RolledBack);
            assert!(back.is_none_or(|it| it.to == all[0].from));
            assert!(
                results
                    .iter()
                    .all(|it| it.because.is_some() == (it.outcome == Skipped))
            );
        }
        let passed = results(&all, &said(Word::Succeeded, PASSED)).unwrap();
        assert_eq!(
            passed.iter().map(|it| it.verification).collect::<Vec<_>>(),
            [PASSED, NONE, NONE]
        );
    }

    /// One component's failure is not the others': what went well runs, and what waited for the failure was skipped.
    #[test]
    fn words_about_some() {
        let all = ["api", "db", "web"].map(|name| change(name, Intent::Change, true));
        let rides = change("x", Intent::Unchanged, true);
        let all = [&all[..], &[rides]].concat();
        let mut mixed = said(Word::Succeeded, PASSED);
        mixed.outcomes = [("db", Word::Failed), ("web", Word::Skipped)]
            .map(|(name, it)| (name.parse().unwrap(), it))
            .into();
        let ended = results(&all, &mixed).unwrap();
        let told: Vec<_> = ended
            .iter()
            .map(|it| (it.outcome, it.verification))
            .collect();
        assert_eq!(
            told,
            [
                (Outcome::Succeeded, PASSED),
                (Outcome::Failed, NONE),
                (Outcome::Skipped, NONE),
                (Outcome::Skipped, NONE)
            ]
        );
        assert_eq!(ended[2].because, Some("db".parse().unwrap()));
        mixed.verifications = [("db".parse().unwrap(), PASSED)].into();
        assert_eq!(results(&all, &mixed), Err(OutcomeError::Verification));
        for stray in ["x", "y"] {
            let stray: ComponentName = stray.parse().unwrap();
            let mut other = said(Word::Succeeded, NONE);
            other.outcomes = [(stray.clone(), Word::Failed)].into();
            assert_eq!(results(&all, &other), Err(OutcomeError::NotChanged(stray)));
        }
    }

    /// What cannot have happened is not signed.
    #[test]
    fn impossible_words() {
        let new = [change("api", Intent::Change, false)];
        let rides = [change("api", Intent::Unchanged, true)];
        let nothing_before = Err(OutcomeError::NothingBefore("api".parse().unwrap()));
        assert_eq!(results(&new, &said(Word::RolledBack, NONE)), nothing_before);
        assert_eq!(
            results(&rides, &said(Word::Failed, NONE)),
            Err(OutcomeError::NothingChanged)
        );
        assert_eq!(
            results(&new, &said(Word::Failed, PASSED)),
            Err(OutcomeError::Verification)
        );
    }
}
