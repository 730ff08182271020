//! The options of `record` that describe how a deployment ended: one value for the whole, and
//! others for some components.

use std::collections::BTreeMap;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::{Failure, Kind, append_report};
use crate::domain::entry::{ComponentChange, RecordedResult, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::run::outcome::{Said, Word, results};

/// How it ended: of a record or a finish.
#[derive(clap::Args)]
pub struct Ending {
    /// How it ended, all of it or one component: succeeded (where nothing is said), failed, rolled-back or skipped; can be repeated
    ///
    /// As in --outcome failed --outcome api=succeeded. What waited for a failure is skipped.
    #[arg(long = "outcome", value_name = "[COMPONENT=]OUTCOME", conflicts_with = "start", value_parser = of::<Outcome>)]
    outcome: Vec<Of<Outcome>>,
    /// The same as --outcome failed
    #[arg(long, conflicts_with_all = ["start", "outcome"])]
    failed: bool,
    /// What a check of what succeeded said, of all of it or of one component: passed, failed or none; can be repeated
    #[arg(long, value_name = "[COMPONENT=]RESULT", conflicts_with = "start", value_parser = of::<Verification>)]
    verification: Vec<Of<Verification>>,
    /// Where its log is; can be repeated
    #[arg(long = "log", value_name = "URL", value_parser = append_report::line, conflicts_with = "start")]
    pub logs: Vec<Line>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Outcome {
    Succeeded,
    Failed,
    RolledBack,
    Skipped,
}

#[derive(Clone, Copy, ValueEnum)]
enum Verification {
    Passed,
    Failed,
    None,
}

/// A value for one component, or for all if none is named.
#[derive(Clone)]
struct Of<T> {
    component: Option<ComponentName>,
    word: T,
}

/// Parses `failed` or `api=failed`.
fn of<T: ValueEnum>(text: &str) -> Result<Of<T>, String> {
    let (component, word) = match text.split_once('=') {
        Some((name, word)) => (
            Some(name.parse().map_err(|error| format!("{error}"))?),
            word,
        ),
        None => (None, text),
    };
    let word = T::from_str(word, false).map_err(|_| {
        let known = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value);
        let known: Vec<String> = known
            .map(|it: PossibleValue| it.get_name().to_owned())
            .collect();
        format!("it is one of {}", known.join(", "))
    })?;
    Ok(Of { component, word })
}

/// Splits the values into the one for all components and those for single ones.
///
/// # Errors
///
/// Fails if two values are about the same component.
fn sorted<T: Copy, U>(
    given: &[Of<T>],
    option: &str,
    meaning: impl Fn(T) -> U,
) -> Result<(Option<U>, BTreeMap<ComponentName, U>), Failure> {
    let (mut all, mut some) = (None, BTreeMap::new());
    for it in given {
        let before = match &it.component {
            None => all.replace(meaning(it.word)),
            Some(component) => some.insert(component.clone(), meaning(it.word)),
        };
        if before.is_some() {
            let what = it
                .component
                .as_ref()
                .map_or("all of it".to_owned(), ToString::to_string);
            return Err(Failure::new(
                Kind::Usage,
                format!("{option} says two things of {what}"),
            ));
        }
    }
    Ok((all, some))
}

impl Ending {
    /// Returns the result of each component.
    pub fn results(&self, components: &[ComponentChange]) -> Result<Vec<RecordedResult>, Failure> {
        let (outcome, outcomes) = sorted(&self.outcome, "--outcome", |word| match word {
            Outcome::Succeeded => Word::Succeeded,
            Outcome::Failed => Word::Failed,
            Outcome::RolledBack => Word::RolledBack,
            Outcome::Skipped => Word::Skipped,
        })?;
        let (verification, verifications) =
            sorted(&self.verification, "--verification", |word| match word {
                Verification::Passed => VerificationResult::Passed,
                Verification::Failed => VerificationResult::Failed,
                Verification::None => VerificationResult::None,
            })?;
        let said = Said {
            outcome: if self.failed {
                Word::Failed
            } else {
                outcome.unwrap_or(Word::Succeeded)
            },
            outcomes,
            verification: verification.unwrap_or(VerificationResult::None),
            verifications,
        };
        results(components, &said).map_err(|error| Failure::new(Kind::Usage, error.to_string()))
    }
}
