//! `git deploy attest`: signs an attestation about a commit, such as a test result.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::deploy_runner::{SharedNotice, notify_environments};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::command_line::quote_word;
use crate::domain::count::choose;
use crate::domain::entry::{Action, Attestation, AttestationResult, MAX_PREDICATE};
use crate::domain::id::Digest;
use crate::domain::name::{Label, LedgerName};
use crate::domain::policy::{Environment, NotifyEvent, PredicateType};
use crate::domain::text::Line;
use crate::input_file::open_regular_file;
use crate::ledger::writer::{AppendedEntry, EntryDraft};
use crate::run::junit::{MAX_REPORT, TestResults};
use crate::view::attestation_text;

/// Sign an attestation about a commit, such as a test result
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Attest that the tests passed:
    git deploy attest test-result --result passed

  Attest a test run from its JUnit reports:
    git deploy attest test-result --junit build/TEST-*.xml --url https://ci.example/42

  Attest a smoke test of the commit that is running in stage:
    git deploy attest test-result stage --env stage --suite smoke --result passed

  Attest that two people approved the change request, and that no comment is open:
    echo '{ \"approvals\": 2, \"unresolved\": 0 }' | git deploy attest change-review --predicate -

  Attest with a predicate of your own:
    git deploy attest https://example.com/scan/v1 --predicate scan.json")]
pub struct Args {
    /// The predicate type, such as test-result or change-review, or a URI
    #[arg(value_name = "TYPE")]
    predicate_type: PredicateType,
    /// The commit, or the environment that runs it
    #[arg(default_value = "HEAD")]
    rev: String,
    /// Read the predicate, a JSON object, from FILE or from standard input (`-`)
    #[arg(long, value_name = "FILE")]
    predicate: Option<String>,
    /// The test result to attest
    #[arg(long, value_enum, conflicts_with = "predicate")]
    result: Option<TestResult>,
    /// Compute a test-result from JUnit reports
    ///
    /// Give all reports of a run at once. A test that passed only after a retry makes the result
    /// WARNED, which does not satisfy a required check.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["predicate", "result"], num_args = 1..)]
    junit: Vec<PathBuf>,
    /// The URL of the test run
    #[arg(hide_short_help = true, long, value_name = "URL", conflicts_with = "predicate", value_parser = append_report::parse_line)]
    url: Option<Line>,
    /// The environment in which the commit was tested
    #[arg(long = "env", visible_alias = "environment", value_name = "ENV")]
    environment: Option<String>,
    /// The test suite, if there are several
    #[arg(long, value_name = "NAME")]
    suite: Option<Label>,
    #[command(flatten)]
    write: WriteArgs,
}

/// The result of the tests, as in `--result`.
#[derive(Clone, Copy, ValueEnum)]
enum TestResult {
    Passed,
    Failed,
}

/// The maximum size of a predicate file in bytes. White space makes the file larger than the
/// predicate.
const FILE_LIMIT: usize = 4 * MAX_PREDICATE;

/// Writes an attestation about a commit to the ledger `evidence`.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let commit = workspace.resolve_commit(&args.rev)?;
    let environment = args
        .environment
        .as_deref()
        .map(|name| workspace.find_environment(name))
        .transpose()?;
    let uri = args.predicate_type.uri();
    let attestation = Attestation {
        commit,
        environment: environment.map(|(env, _)| env.name().clone()),
        predicate_type: uri
            .parse()
            .context(ErrorKind::Usage, format!("{uri:?} is not a predicate type"))?,
        suite: args.suite.clone(),
        predicate: build_predicate(args, ui)?,
    };
    let draft = || EntryDraft::from(Action::Attestation(attestation.clone()));
    let appended = workspace.append(
        ui,
        &LedgerName::evidence(),
        args.write.append_options(),
        &|_| Ok(draft()),
    )?;
    let result = match attestation.short_type() {
        "test-result" | "change-review" => {
            format!(" {}", attestation_text::format_outcome(&attestation))
        }
        // A predicate of another type need not state a result, so only a failure is shown.
        _ if attestation.result() == AttestationResult::Failed => " FAILED".to_owned(),
        _ => String::new(),
    };
    let sentence = format!(
        "{} attested {}{result} for {}.",
        appended.statement.by,
        args.predicate_type,
        commit.0.prefix(7)
    );
    append_report::report_entry(ui, &sentence, &appended)?;
    if attestation.result() == AttestationResult::Failed && !appended.dry_run {
        notify_failure(ui, &workspace, &attestation, &appended);
    }
    Ok(())
}

/// Notifies the environments that require the failed check.
fn notify_failure(
    ui: &Ui,
    workspace: &Workspace,
    attestation: &Attestation,
    appended: &AppendedEntry,
) {
    let is_required = |rules: &Environment| {
        rules.checks.iter().any(|check| {
            check.predicate_type.uri() == attestation.predicate_type.as_str()
                && (check.suite.is_none() || check.suite == attestation.suite)
        })
    };
    let environments = workspace.policy.environments.iter();
    let names = environments
        .filter(|(_, rules)| is_required(rules))
        .map(|(name, _)| name);
    let check = match &attestation.suite {
        Some(suite) => format!("{} of {suite}", attestation.short_type()),
        None => attestation.short_type().to_owned(),
    };
    let commit = attestation.commit;
    let notice = SharedNotice {
        event: NotifyEvent::CheckFailed,
        by: &appended.statement.by,
        commit: Some(commit),
        describe: &|name| {
            vec![format!(
                "{name} requires {check}: FAILED for {}",
                commit.short()
            )]
        },
        entry: Some(appended.id),
        expires: None,
    };
    notify_environments(ui, workspace, names, &notice);
}

/// Returns the predicate: read from a file, computed from JUnit reports, or the shortest predicate
/// that in-toto's test-result allows
/// (<https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>).
fn build_predicate(args: &Args, ui: &Ui) -> Result<Map<String, Value>, CliError> {
    let is_test_result = args.predicate_type == PredicateType::test_result();
    if !is_test_result && (!args.junit.is_empty() || args.url.is_some() || args.result.is_some()) {
        return Err(CliError::new(
            ErrorKind::Usage,
            "--junit, --result and --url are for test-result only",
        )
        .hint("--predicate FILE"));
    }
    if !args.junit.is_empty() {
        return build_predicate_from_reports(args, ui);
    }
    let bytes = match (&args.predicate, args.result) {
        (None, Some(result)) => {
            let result = match result {
                TestResult::Passed => "PASSED",
                TestResult::Failed => "FAILED",
            };
            let url = args.url.as_ref().map(|url| ("url".to_owned(), json!(url)));
            let fields = [
                ("result".to_owned(), json!(result)),
                ("configuration".to_owned(), json!([])),
            ];
            return Ok(fields.into_iter().chain(url).collect());
        }
        (None, None) => {
            let error = CliError::new(
                ErrorKind::Usage,
                format!("the {} needs a predicate", args.predicate_type),
            );
            let error = if is_test_result {
                error.hint("--junit FILE…").hint("--result passed")
            } else {
                error
            };
            return Err(hint_predicate(error, args));
        }
        (Some(file), _) => {
            read_limited(file, FILE_LIMIT).map_err(|error| hint_predicate(error, args))?
        }
    };
    let name = args.predicate.as_deref().unwrap_or_default();
    let predicate: Map<String, Value> = serde_json::from_slice(&bytes).context(
        ErrorKind::Usage,
        format!("the predicate in {name} is not a JSON object"),
    )?;
    require_statement(args, name, &predicate)?;
    Ok(predicate)
}

/// Refuses a predicate that does not state what its type is about: no rule could decide on it, and an
/// empty one says nothing at all.
fn require_statement(
    args: &Args,
    name: &str,
    predicate: &Map<String, Value>,
) -> Result<(), CliError> {
    let needed: &[&str] = match args.predicate_type.short() {
        Some("test-result") => &["result"],
        Some("change-review") => &["approvals", "unresolved"],
        _ => &[],
    };
    let is_stated = |key: &&&str| match predicate.get(**key) {
        Some(Value::String(_)) => **key == "result",
        Some(value) => **key != "result" && value.as_u64().is_some(),
        None => false,
    };
    let missing = needed.iter().find(|key| !is_stated(key));
    let message = match missing {
        Some(&"result") => {
            format!("the predicate in {name} lacks result, such as \"PASSED\" or \"FAILED\"")
        }
        Some(key) => format!("the predicate in {name} lacks {key}, which is a whole number"),
        None if predicate.is_empty() => {
            format!("the predicate in {name} is empty: it states nothing")
        }
        None => return Ok(()),
    };
    Err(hint_predicate(
        CliError::new(ErrorKind::Usage, message),
        args,
    ))
}

/// Adds the same command with a complete predicate, or the option for one. In place of its numbers stands a
/// word that is not JSON: a command that is typed as printed must not sign facts that no one knows.
fn hint_predicate(error: CliError, args: &Args) -> CliError {
    if args.predicate_type.short() != Some("change-review") {
        return error.hint("--predicate FILE");
    }
    let mut command = format!(
        "echo '{{ \"approvals\": NUMBER, \"unresolved\": NUMBER }}' | git deploy attest change-review {}",
        quote_word(&args.rev)
    );
    for (option, value) in [
        ("env", args.environment.as_deref()),
        ("suite", args.suite.as_ref().map(Label::as_str)),
    ] {
        if let Some(value) = value {
            let _ = write!(command, " --{option} {}", quote_word(value));
        }
    }
    error.ask(
        "with the counts of approvals and open comments",
        command + " --predicate -",
    )
}

/// Computes a test-result predicate from the JUnit reports.
fn build_predicate_from_reports(args: &Args, ui: &Ui) -> Result<Map<String, Value>, CliError> {
    let (mut tests, mut reports) = (TestResults::default(), Vec::new());
    for file in &args.junit {
        let path = file.display().to_string();
        let bytes = read_limited(&path, MAX_REPORT)?;
        // An absolute path would disclose the folders of the machine that ran the tests.
        let name = if file.is_absolute() {
            file.file_name().map(Path::new)
        } else {
            Some(file.as_path())
        };
        let name = name.unwrap_or(file).to_string_lossy().into_owned();
        tests.add(&name, &bytes).context(
            ErrorKind::Usage,
            format!("{path} is not a JUnit report that can be attested"),
        )?;
        reports.push((name, Digest::sha256(&bytes)));
    }
    let predicate = tests.build_predicate(&reports, args.url.as_ref());
    let predicate = predicate.context(ErrorKind::Usage, "the reports cannot be attested")?;
    if predicate.omitted_names > 0 {
        let verb = choose(predicate.omitted_names, "is", "are");
        ui.eprint_sentence(format_args!(
            "There are too many test names, so {} {verb} omitted, those of passed tests first. The counts include all tests.",
            predicate.omitted_names
        ));
    }
    if tests.result() == "WARNED" {
        ui.eprint_sentence(
            "Some tests passed only after a retry: the result is WARNED, which does not satisfy a required check.",
        );
    }
    Ok(predicate.map)
}

/// Reads a file, or standard input if `file` is `-`. Fails if it contains more than `limit` bytes.
fn read_limited(file: &str, limit: usize) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    // One byte more than the limit is enough to detect a file that is too long.
    let max = limit as u64 + 1;
    let result = match file {
        "-" => std::io::stdin().lock().take(max).read_to_end(&mut bytes),
        file => open_regular_file(Path::new(file))
            .and_then(|file| file.take(max).read_to_end(&mut bytes)),
    };
    result.context(ErrorKind::CannotTell, format!("cannot read {file}"))?;
    if bytes.len() > limit {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{file} is too long: more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}
