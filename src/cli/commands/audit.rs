//! `git deploy audit`: checks every ledger from the root of trust: signatures, rules, states, tips
//! and notes.
//!
//! The audit trusts only the pinned project and needs neither a key nor a network.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::audit_report::AuditProgressBar;
use crate::cli::ledger_problems::describe_problem;
use crate::cli::repository::{find_remote, hint_unused_remotes, open_repository};
use crate::cli::unverified_ledgers::describe_local_problem;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::command_line::quote_word;
use crate::domain::id::EntryId;
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::Repository;
use crate::input_file::open_regular_file;
use crate::ledger::audit::{self, AuditFinding, AuditPlan, AuditRemark, FindingKind, RemarkKind};
use crate::ledger::facts::FactGatherer;
use crate::ledger::local_ledgers::find_rewound;
use crate::ledger::sync::{SyncError, find_known_problems};
use crate::ledger::{PREFIX, Project, Tips};
use crate::view;
use crate::view::audit::{AuditDocument, AuditSection};

/// Check every ledger from the root of trust
///
/// Checks signatures, rules, order and notes. Needs neither a key nor a network. Exits with 1 if
/// anything is wrong, 3 if something cannot be determined.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Audit everything:
    git deploy audit

  Audit only new entries every night:
    git deploy audit --since last-audit.json --json > audit.json

  Audit against an id that you got from a colleague:
    git deploy audit --root 5d41402abc4b2a76b9719d911017c592aabbccdd")]
pub struct Args {
    /// Only this environment's ledger, `policy` or `evidence`. The policy is always checked
    #[arg(value_name = "ENV|LEDGER")]
    ledger: Option<String>,
    /// The expected project id. Defaults to the project that this clone trusts
    #[arg(long, value_name = "ID")]
    root: Option<EntryId>,
    /// Check only entries after an earlier audit, from its --json report
    ///
    /// Fails if the report's tips are no longer in the ledgers. The policy is checked completely,
    /// the notes are not.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Also write a JUnit report with one test case per ledger
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// The parts of an earlier report that `--since` reads.
#[derive(Deserialize)]
struct EarlierReport {
    schema: String,
    project: Option<EntryId>,
    ledgers: Vec<EarlierLedger>,
}

#[derive(Deserialize)]
struct EarlierLedger {
    ledger: LedgerName,
    tip: EntryId,
}

/// The maximum size of an earlier report in bytes.
const REPORT_LIMIT: u64 = 64 << 20;

/// Runs the audit, prints the report, and fails if anything was found.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let repository = open_repository()?;
    let refs = repository
        .ledger_refs_below(PREFIX)
        .context(ErrorKind::CannotTell, "cannot read the ledgers")?;
    if let Some(policy) = refs.broken.iter().find(|it| it.ledger.is_policy()) {
        let failure = CliError::new(ErrorKind::CannotTell, "cannot read the policy")
            .because(policy.why.as_str());
        return Err(policy.removal.iter().cloned().fold(failure, CliError::hint));
    }
    let tips = refs.tips;
    if tips.is_empty() && refs.broken.is_empty() {
        let error = CliError::new(
            ErrorKind::CannotTell,
            "there are no ledgers in this repository",
        );
        return Err(match find_remote(&repository, ui)? {
            Some(_) => error.hint("git deploy sync"),
            None => hint_unused_remotes(&repository, error),
        });
    }
    let audit = match audit::find_project(&repository, &tips) {
        Ok(project) => audit_selected(args, &repository, &tips, &project, ui)?,
        Err(finding) => {
            let other = AuditSection {
                findings: vec![finding],
                remarks: Vec::new(),
            };
            AuditDocument {
                project: None,
                pinned: false,
                ledgers: Vec::new(),
                notes: None,
                other,
            }
        }
    };
    if let Some(file) = &args.junit {
        std::fs::write(file, view::junit::render_xml(&audit, ui.now())).context(
            ErrorKind::CannotTell,
            format!("cannot write {}", file.display()),
        )?;
    }
    if ui.json() {
        ui.print_document("audit", &audit)?;
    } else {
        ui.print(view::audit::render_text(&audit, ui.width(), &|time| {
            ui.format_time(time)
        }));
    }
    let has_finding = |outcome| audit.findings().any(|finding| finding.outcome == outcome);
    match (
        has_finding(CheckResult::Fail),
        has_finding(CheckResult::Unknown),
    ) {
        (true, _) => Err(CliError::reported(ErrorKind::Denied)),
        (false, true) => Err(CliError::reported(ErrorKind::CannotTell)),
        (false, false) => Ok(()),
    }
}

/// Audits the selected ledgers, and compares them with the remote's as of the last fetch.
fn audit_selected(
    args: &Args,
    repository: &Repository,
    tips: &Tips,
    project: &Project,
    ui: &Ui,
) -> Result<AuditDocument, CliError> {
    let selected = select_ledgers(args, repository, tips, project)?;
    let mut other = AuditSection::default();
    let is_expected = check_pin(args.root, repository, project, &mut other)?;
    let since = args.since.as_deref().map_or(Ok(BTreeMap::new()), |file| {
        read_earlier_tips(file, repository, project, tips, &mut other)
    })?;
    let progress = AuditProgressBar::new();
    let plan = AuditPlan {
        ledgers: &selected,
        since: &since,
        notes: args.ledger.is_none() && args.since.is_none(),
        expects_notes: find_remote(repository, ui).ok().flatten().is_none(),
        chunk_size: audit::CHUNK_SIZE,
    };
    let report = audit::audit(repository, project, tips, &plan, &progress);
    progress.finish();
    other.findings.extend(audit::check_refs(repository));
    other.findings.extend(check_remote(repository, ui));
    let mut document = AuditDocument::new(project.id, is_expected, report);
    document.other.findings.append(&mut other.findings);
    document.other.remarks.append(&mut other.remarks);
    Ok(document)
}

/// Returns the findings about the remote's refs as of the last fetch.
fn check_remote(repository: &Repository, ui: &Ui) -> Vec<AuditFinding> {
    let remote_finding = |is_undecided, detail| {
        let outcome = if is_undecided {
            CheckResult::Unknown
        } else {
            CheckResult::Fail
        };
        AuditFinding::new(FindingKind::Remote, outcome, detail)
    };
    let mut findings = match find_known_problems(repository) {
        Ok(problems) => problems
            .iter()
            .map(|problem| AuditFinding {
                ledger: Some(problem.ledger.clone()),
                ..remote_finding(problem.is_undecided(), describe_problem(problem))
            })
            .collect(),
        // Becomes a finding, so that the other findings are still reported.
        Err(error) => {
            let is_malformed = matches!(&error, SyncError::Git(error) if error.is_malformed());
            let detail = format!("cannot compare with the remote's ledgers: {error}");
            vec![remote_finding(!is_malformed, sanitize(&detail))]
        }
    };
    if let Ok(problems) = find_rewound(repository) {
        findings.extend(problems.iter().map(|problem| AuditFinding {
            ledger: Some(problem.ledger.clone()),
            entry: problem.kept_tip,
            ..AuditFinding::new(
                FindingKind::Chain,
                CheckResult::Fail,
                describe_local_problem(problem),
            )
        }));
    }
    let remote = find_remote(repository, ui).ok().flatten();
    for junk in repository.find_remote_junk().unwrap_or_default() {
        let remote = remote.as_deref().unwrap_or("REMOTE");
        let detail = format!("{}: {}", junk.describe(), junk.removal(remote));
        findings.push(remote_finding(false, detail));
    }
    if repository.has_remote_lost_notes().unwrap_or_default() {
        let remote = quote_word(remote.as_deref().unwrap_or("REMOTE"));
        let detail = format!("the remote has lost the notes: git push {remote} refs/notes/deploy");
        findings.push(remote_finding(false, detail));
    }
    findings
}

/// Returns the ledgers to audit, the policy's first.
///
/// # Errors
///
/// Fails if the ledger named on the command line does not exist.
fn select_ledgers(
    args: &Args,
    repository: &Repository,
    tips: &Tips,
    project: &Project,
) -> Result<Vec<LedgerName>, CliError> {
    let policy = LedgerName::policy();
    let mut selected = vec![policy.clone()];
    let Some(name) = &args.ledger else {
        selected.extend(tips.keys().filter(|ledger| **ledger != policy).cloned());
        return Ok(selected);
    };
    let named = name
        .parse::<LedgerName>()
        .ok()
        .filter(|ledger| tips.contains_key(ledger));
    // Only the policy maps an environment of a pattern to its ledger.
    let find_pattern_ledger = || {
        let gatherer = FactGatherer::new(repository, project);
        let in_force = gatherer.policy_at(*tips.get(&policy)?).ok().flatten()?;
        in_force
            .ledger_of(&name.parse::<EnvName>().ok()?)
            .filter(|ledger| tips.contains_key(ledger))
    };
    let ledger = named.or_else(find_pattern_ledger).ok_or_else(|| {
        let ledgers: Vec<&str> = tips.keys().map(LedgerName::as_str).collect();
        CliError::new(
            ErrorKind::Usage,
            format!(
                "there is no ledger of {name:?}: there are {}",
                ledgers.join(", ")
            ),
        )
    })?;
    if ledger != policy {
        selected.push(ledger);
    }
    Ok(selected)
}

/// Reads the tips of the ledgers from the report of an earlier audit. A ledger that no longer
/// exists becomes a finding.
fn read_earlier_tips(
    file: &Path,
    repository: &Repository,
    project: &Project,
    tips: &Tips,
    other: &mut AuditSection,
) -> Result<BTreeMap<LedgerName, EntryId>, CliError> {
    let earlier = read_earlier_report(file)?;
    if earlier.project != Some(project.id) {
        return Err(CliError::new(
            ErrorKind::Denied,
            format!("{} is the report of another project", file.display()),
        ));
    }
    // Where a ledger ends is unknown if its ref is broken, which `check_refs` reports.
    let refs = repository.ledger_refs_below(PREFIX).unwrap_or_default();
    let is_broken = |ledger: &LedgerName| refs.broken.iter().any(|it| it.ledger == *ledger);
    for lost in earlier
        .ledgers
        .iter()
        .filter(|it| !tips.contains_key(&it.ledger) && !is_broken(&it.ledger))
    {
        let detail = format!(
            "the ledger {} of the earlier audit no longer exists",
            lost.ledger
        );
        other.findings.push(AuditFinding {
            ledger: Some(lost.ledger.clone()),
            entry: Some(lost.tip),
            ..AuditFinding::new(FindingKind::Chain, CheckResult::Fail, detail)
        });
    }
    Ok(earlier
        .ledgers
        .into_iter()
        .map(|it| (it.ledger, it.tip))
        .collect())
}

/// Reads the report of an earlier audit.
///
/// # Errors
///
/// Fails if the file is not such a report, or is larger than `REPORT_LIMIT`.
fn read_earlier_report(file: &Path) -> Result<EarlierReport, CliError> {
    let unusable = || {
        CliError::new(
            ErrorKind::Usage,
            format!("{} is not an audit report", file.display()),
        )
    };
    let hint = "git deploy audit --json > FILE";
    let mut bytes = Vec::new();
    open_regular_file(file)
        .and_then(|file| file.take(REPORT_LIMIT + 1).read_to_end(&mut bytes))
        .context(
            ErrorKind::CannotTell,
            format!("cannot read {}", file.display()),
        )?;
    if bytes.len() as u64 > REPORT_LIMIT {
        return Err(unusable().because("it is larger than 64 MiB"));
    }
    let earlier: EarlierReport =
        serde_json::from_slice(&bytes).map_err(|error| unusable().because(error).hint(hint))?;
    if earlier.schema != view::json::schema_name("audit") {
        return Err(unusable().hint(hint));
    }
    Ok(earlier)
}

/// Returns whether the project is the expected one: that of `--root` if it is given, else the one
/// that this clone has pinned.
///
/// A mismatch becomes a finding. If there is neither, returns `false` and adds a remark.
fn check_pin(
    root: Option<EntryId>,
    repository: &Repository,
    project: &Project,
    other: &mut AuditSection,
) -> Result<bool, CliError> {
    let pinned = repository
        .pinned_project()
        .context(ErrorKind::CannotTell, "cannot read the pinned project")?;
    match root.or(pinned) {
        Some(expected) if expected == project.id => Ok(true),
        Some(expected) => {
            let subject = if root.is_some() {
                "--root names"
            } else {
                "this clone trusts"
            };
            let detail = format!(
                "{subject} the project {expected}, but the ledgers belong to {}",
                project.id
            );
            let finding = AuditFinding::new(FindingKind::Pin, CheckResult::Fail, detail);
            other.findings.push(finding);
            Ok(false)
        }
        None => {
            let text = format!(
                "no project is pinned here; compare {} with a colleague's deploy.root",
                project.id
            );
            other.remarks.push(AuditRemark {
                kind: RemarkKind::Pin,
                ledger: None,
                entry: None,
                text,
            });
            Ok(false)
        }
    }
}
