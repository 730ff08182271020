//! `git deploy attest`: signs what somebody found out about a commit.

use std::io::Read as _;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::workspace::Workspace;
use super::written::{self, How};
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::{Action, Attestation, AttestationResult, MAX_PREDICATE};
use crate::domain::name::{Label, LedgerName};
use crate::domain::policy::PredicateType;
use crate::git::append::Draft;

/// Sign an attestation about a commit: tests passed, a scan was done, a review is over
#[derive(clap::Args)]
pub struct Args {
    /// The in-toto predicate type, by short name (test-result, change-review, provenance, …) or by URI
    #[arg(value_name = "TYPE")]
    predicate_type: PredicateType,
    /// The commit; an environment's name stands for what runs there
    #[arg(default_value = "HEAD")]
    rev: String,
    /// The predicate, a JSON object; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    predicate: Option<String>,
    /// The result of a test-result, without a file
    #[arg(long, value_enum, conflicts_with = "predicate")]
    result: Option<TestResult>,
    /// The environment in which the commit was looked at
    #[arg(long, value_name = "ENV")]
    environment: Option<String>,
    /// Which of several suites it is
    #[arg(long, value_name = "NAME")]
    suite: Option<Label>,
    #[command(flatten)]
    how: How,
}

/// How tests went.
#[derive(Clone, Copy, ValueEnum)]
enum TestResult {
    Passed,
    Failed,
}

/// White space makes a file longer than its predicate: more than this is not read.
const FILE_LIMIT: usize = 4 * MAX_PREDICATE;

/// Attests.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let commit = workspace.commit(&args.rev)?;
    let environment = args.environment.as_deref().map(|name| workspace.environment(name)).transpose()?;
    let uri = args.predicate_type.uri();
    let attestation = Attestation {
        commit,
        environment: environment.map(|(name, _)| name),
        predicate_type: uri.parse().or_fail(Kind::Usage, format!("{uri:?} is not a predicate type"))?,
        suite: args.suite.clone(),
        predicate: predicate(args)?,
    };
    let draft = || Draft::from(Action::Attestation(attestation.clone()));
    let appended = workspace.append(context, &LedgerName::evidence(), args.how.manner(), &|_| Ok(draft()))?;
    let result = match (attestation.short_type(), attestation.result()) {
        ("test-result" | "change-review", AttestationResult::Passed) => " passed",
        ("test-result" | "change-review", AttestationResult::Failed) => " failed",
        _ => "",
    };
    let sentence =
        format!("{} attests {}{result} of {}.", appended.statement.by, args.predicate_type, commit.0.prefix(7));
    written::tell(context, &sentence, &appended)
}

/// The predicate: from a file, or the shortest that in-toto's test-result allows
/// (<https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>).
fn predicate(args: &Args) -> Result<Map<String, Value>, Failure> {
    let bytes = match (&args.predicate, args.result) {
        (None, Some(result)) if args.predicate_type == PredicateType::test_result() => {
            let result = match result {
                TestResult::Passed => "PASSED",
                TestResult::Failed => "FAILED",
            };
            return Ok(Map::from_iter([("result".to_owned(), json!(result)), ("configuration".to_owned(), json!([]))]));
        }
        (None, Some(_)) => {
            return Err(Failure::new(Kind::Usage, "--result is for test-result only").hint("--predicate FILE"));
        }
        (None, None) => {
            let failure = Failure::new(Kind::Usage, format!("what does the {} say?", args.predicate_type));
            let tests = args.predicate_type == PredicateType::test_result();
            let failure = if tests { failure.hint("--result passed") } else { failure };
            return Err(failure.hint("--predicate FILE, a JSON object"));
        }
        (Some(file), _) => read(file)?,
    };
    let name = args.predicate.as_deref().unwrap_or_default();
    serde_json::from_slice(&bytes).or_fail(Kind::Usage, format!("the predicate in {name} is not a JSON object"))
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = FILE_LIMIT as u64 + 1;
    let read = match file {
        "-" => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        file => std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    read.or_fail(Kind::CannotTell, format!("cannot read the predicate {file}"))?;
    if bytes.len() > FILE_LIMIT {
        return Err(Failure::new(
            Kind::Usage,
            format!("the predicate {file} is too long: at most {MAX_PREDICATE} bytes"),
        ));
    }
    Ok(bytes)
}
