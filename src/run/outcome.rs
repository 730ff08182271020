//! How each component of a deployment ended, worked out from one word about the whole.

use crate::domain::entry::{Change, Ended, Intent, Outcome, Reported, VerificationResult};
use crate::domain::name::ComponentName;

/// The word about the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overall {
    /// What was to be done was done.
    Succeeded,
    /// It was not, and what changed components run is as it was.
    Failed,
    /// It was not, and what ran before was brought back.
    RolledBack,
}

/// Why a word cannot be said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// Nothing was to be changed.
    #[error("nothing was to be changed, so nothing can have failed")]
    NothingChanged,
    /// There is nothing to go back to.
    #[error("nothing of {0} ran before, so it cannot have been rolled back: it failed")]
    NothingBefore(ComponentName),
    /// A failure that works.
    #[error("only a success passes its verification")]
    Verification,
}

/// How each component ended. What rides along is skipped where the deployment failed, because it was not deployed either.
pub fn results(
    components: &[Change],
    overall: Overall,
    verification: VerificationResult,
) -> Result<Vec<Reported>, OutcomeError> {
    let changed = || components.iter().filter(|change| change.intent != Intent::Unchanged);
    let culprit = changed().next().map(|change| change.target.component.clone());
    if overall != Overall::Succeeded {
        if culprit.is_none() {
            return Err(OutcomeError::NothingChanged);
        }
        if verification == VerificationResult::Passed {
            return Err(OutcomeError::Verification);
        }
    }
    let one = |change: &Change| {
        let component = change.target.component.clone();
        let outcome = match (change.intent, overall) {
            (Intent::Change, Overall::Succeeded) => Outcome::Succeeded,
            (Intent::Change, Overall::RolledBack) => Outcome::RolledBack,
            (Intent::Change, Overall::Failed) | (Intent::Destroy, Overall::Failed | Overall::RolledBack) => {
                Outcome::Failed
            }
            (Intent::Destroy, Overall::Succeeded) => Outcome::Destroyed,
            (Intent::Unchanged, Overall::Succeeded) => Outcome::Unchanged,
            (Intent::Unchanged, Overall::Failed | Overall::RolledBack) => Outcome::Skipped,
        };
        let to = match (outcome, change.from) {
            (Outcome::RolledBack, None) => return Err(OutcomeError::NothingBefore(component)),
            (Outcome::RolledBack, from) => from,
            _ => None,
        };
        let because = if outcome == Outcome::Skipped { culprit.clone() } else { None };
        let verification = if change.intent == Intent::Change { verification } else { VerificationResult::None };
        Ok(Reported { component, outcome, because, to, verification })
    };
    components.iter().map(one).collect()
}

/// The same with what each was to become, as a `finish` says it.
pub fn ended(components: &[Change], results: Vec<Reported>) -> Vec<Ended> {
    let pairs = components.iter().zip(results);
    pairs
        .map(|(change, result)| Ended {
            target: change.target.clone(),
            outcome: result.outcome,
            because: result.because,
            to: result.to,
            verification: result.verification,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Target;
    use crate::domain::id::{CommitId, Content};

    fn change(component: &str, intent: Intent, ran: bool) -> Change {
        let commit: CommitId = "2affccc97fa05736482d4523166f70cb561afa11".parse().unwrap();
        let content = (intent != Intent::Destroy).then_some(Content(commit.0));
        let target =
            Target { component: component.parse().unwrap(), commit, content, version: None, artifacts: Vec::new() };
        Change { target, from: ran.then_some(commit), plan: None, intent }
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
        let none = VerificationResult::None;
        for (overall, wanted) in [
            (Overall::Succeeded, [Succeeded, Destroyed, Unchanged]),
            (Overall::Failed, [Failed, Failed, Skipped]),
            (Overall::RolledBack, [RolledBack, Failed, Skipped]),
        ] {
            let results = results(&all, overall, none).unwrap();
            assert_eq!(results.iter().map(|it| it.outcome).collect::<Vec<_>>(), wanted);
            let back = results.iter().find(|it| it.outcome == RolledBack);
            assert!(back.is_none_or(|it| it.to == all[0].from));
            assert!(results.iter().all(|it| it.because.is_some() == (it.outcome == Skipped)));
        }
        let passed = results(&all, Overall::Succeeded, VerificationResult::Passed).unwrap();
        assert_eq!(
            passed.iter().map(|it| it.verification).collect::<Vec<_>>(),
            [VerificationResult::Passed, none, none]
        );
    }

    /// What cannot have happened is not signed.
    #[test]
    fn impossible_words() {
        let none = VerificationResult::None;
        let new = [change("api", Intent::Change, false)];
        let rides = [change("api", Intent::Unchanged, true)];
        assert_eq!(results(&new, Overall::RolledBack, none), Err(OutcomeError::NothingBefore("api".parse().unwrap())));
        assert_eq!(results(&rides, Overall::Failed, none), Err(OutcomeError::NothingChanged));
        assert_eq!(results(&new, Overall::Failed, VerificationResult::Passed), Err(OutcomeError::Verification));
    }
}
