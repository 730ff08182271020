//! The options of `record` that describe how a deployment ended: one value for all components, and
//! other values for named ones.

use std::collections::BTreeMap;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::cli::{CliError, ErrorKind, append_report};
use crate::domain::entry::{ComponentChange, RecordedResult, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::run::outcome::{OutcomeReport, ReportedOutcome, resolve_results};

/// How a deployment ended.
#[derive(clap::Args)]
pub struct OutcomeArgs {
    /// succeeded, failed, rolled-back or skipped, or COMPONENT=… (repeatable) [default: succeeded]
    ///
    /// One for all components, others for some: `--outcome failed --outcome api=succeeded`.
    /// Components that waited for a failed one are skipped.
    #[arg(long = "outcome", value_name = "OUTCOME", conflicts_with = "start", value_parser = parse_component_value::<OutcomeValue>)]
    outcome: Vec<ComponentValue<OutcomeValue>>,
    /// Same as --outcome failed
    #[arg(hide_short_help = true, long, conflicts_with_all = ["start", "outcome"])]
    failed: bool,
    /// passed, failed or none, or COMPONENT=… (repeatable) [default: none]
    #[arg(long, value_name = "RESULT", conflicts_with = "start", value_parser = parse_component_value::<VerificationValue>)]
    verification: Vec<ComponentValue<VerificationValue>>,
    /// The URL of a log (repeatable)
    #[arg(hide_short_help = true, long = "log", value_name = "URL", value_parser = append_report::parse_line, conflicts_with = "start")]
    pub logs: Vec<Line>,
}

#[derive(Clone, Copy, ValueEnum)]
enum OutcomeValue {
    Succeeded,
    Failed,
    RolledBack,
    Skipped,
}

#[derive(Clone, Copy, ValueEnum)]
enum VerificationValue {
    Passed,
    Failed,
    None,
}

/// A value for one component, or for all if none is named.
#[derive(Clone)]
struct ComponentValue<T> {
    component: Option<ComponentName>,
    value: T,
}

/// Parses `failed` or `api=failed`.
fn parse_component_value<T: ValueEnum>(text: &str) -> Result<ComponentValue<T>, String> {
    let (component, word) = match text.split_once('=') {
        Some((name, word)) => (
            Some(name.parse().map_err(|error| format!("{error}"))?),
            word,
        ),
        None => (None, text),
    };
    let word = T::from_str(word, false).map_err(|_| {
        let names = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = names
            .map(|it: PossibleValue| it.get_name().to_owned())
            .collect();
        format!("expected one of {}", names.join(", "))
    })?;
    Ok(ComponentValue {
        component,
        value: word,
    })
}

/// Splits the values of an option into the one for all components and those for named ones.
/// `convert` converts each value.
///
/// # Errors
///
/// Fails if two values are about the same component.
fn split_by_component<T: Copy, U>(
    values: &[ComponentValue<T>],
    option: &str,
    convert: impl Fn(T) -> U,
) -> Result<(Option<U>, BTreeMap<ComponentName, U>), CliError> {
    let (mut for_all, mut by_component) = (None, BTreeMap::new());
    for it in values {
        let previous = match &it.component {
            None => for_all.replace(convert(it.value)),
            Some(component) => by_component.insert(component.clone(), convert(it.value)),
        };
        if previous.is_some() {
            let subject = it
                .component
                .as_ref()
                .map_or("all components".to_owned(), ToString::to_string);
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("{option} has two values for {subject}"),
            ));
        }
    }
    Ok((for_all, by_component))
}

impl OutcomeArgs {
    /// Returns the result of each component.
    pub fn build_results(
        &self,
        components: &[ComponentChange],
    ) -> Result<Vec<RecordedResult>, CliError> {
        let (outcome, outcomes) =
            split_by_component(&self.outcome, "--outcome", |word| match word {
                OutcomeValue::Succeeded => ReportedOutcome::Succeeded,
                OutcomeValue::Failed => ReportedOutcome::Failed,
                OutcomeValue::RolledBack => ReportedOutcome::RolledBack,
                OutcomeValue::Skipped => ReportedOutcome::Skipped,
            })?;
        let (verification, verifications) =
            split_by_component(&self.verification, "--verification", |word| match word {
                VerificationValue::Passed => VerificationResult::Passed,
                VerificationValue::Failed => VerificationResult::Failed,
                VerificationValue::None => VerificationResult::None,
            })?;
        let report = OutcomeReport {
            outcome: if self.failed {
                ReportedOutcome::Failed
            } else {
                outcome.unwrap_or(ReportedOutcome::Succeeded)
            },
            outcomes,
            verification: verification.unwrap_or(VerificationResult::None),
            verifications,
        };
        resolve_results(components, &report)
            .map_err(|error| CliError::new(ErrorKind::Usage, error.to_string()))
    }
}
