//! The audit: every ledger from the root of trust, each entry judged as if it came in for the first time.
//!
//! It goes on after what it finds, so that one forged entry does not hide the next: the tree that follows is then taken as it is, and
//! whatever else is wrong with what builds on it is told as well.

mod leaning;
mod ledger;
mod order;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::error::{Error, Result};
use super::ledger::{Project, Tips};
use super::notes::NOTES;
use super::repo::Repository;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::harmless;
use crate::domain::time::Time;
use crate::domain::verdict::{Outcome, Rule};
use ledger::Auditor;

/// Something that is wrong, or could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The ledger; `None` for the notes.
    pub ledger: Option<LedgerName>,
    /// The entry, where it is about one.
    pub entry: Option<EntryId>,
    /// The rule that says so.
    pub rule: Option<Rule>,
    /// `Fail`, or `Unknown` where a fact is missing.
    pub outcome: Outcome,
    /// What is wrong, in one line.
    pub detail: String,
}

impl Finding {
    fn fail(ledger: &LedgerName, entry: Option<EntryId>, detail: impl Into<String>) -> Self {
        let (rule, outcome) = (Some(Rule::Place), Outcome::Fail);
        Self { ledger: Some(ledger.clone()), entry, rule, outcome, detail: detail.into() }
    }

    /// What is malformed is wrong; what cannot be read cannot be told.
    fn error(ledger: Option<&LedgerName>, error: &Error) -> Self {
        let outcome = if error.is_malformed() { Outcome::Fail } else { Outcome::Unknown };
        Self { ledger: ledger.cloned(), entry: None, rule: None, outcome, detail: harmless(&error.to_string()) }
    }
}

/// Something that is allowed and that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The ledger; `None` for the notes.
    pub ledger: Option<LedgerName>,
    /// The entry, where it is about one.
    pub entry: Option<EntryId>,
    /// What it is, in one line.
    pub text: String,
}

/// What was found in one ledger.
#[derive(Debug)]
pub struct Audited {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// How many entries were looked at.
    pub entries: usize,
    /// The times of the first and the last of them.
    pub span: Option<(Time, Time)>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What should be known.
    pub remarks: Vec<Remark>,
    /// Each entry with the policy that it has seen, oldest first: for the order among ledgers.
    seen: Vec<(EntryId, Option<EntryId>)>,
    /// For the policy's ledger: what each publish, oldest first, has seen and admits.
    publishes: Vec<order::Publish>,
}

/// Finds the project that the ledgers belong to, at the root of the policy's ledger.
///
/// # Errors
/// What is wrong with the root: then there is nothing to hold an entry against.
pub fn root(repository: &Repository, tips: &Tips) -> std::result::Result<Project, Finding> {
    let policy = LedgerName::policy();
    let wrong = |error: &Error| Finding::error(Some(&policy), error);
    let Some(tip) = tips.get(&policy) else {
        return Err(Finding::fail(&policy, None, "it does not exist, so there is no root of trust"));
    };
    let chain = repository.chain_between(None, *tip).map_err(|error| wrong(&error))?;
    // A chain without a given end is never empty: it holds its tip.
    let first = chain.and_then(|chain| chain.first().copied()).unwrap_or(*tip);
    Project::read(repository, first).map_err(|error| wrong(&error))
}

/// Audits these ledgers among all that `tips` names, each on its own processor, then their order among each other.
///
/// The policy's ledger must be among them. `step` is called for every entry, from any thread.
pub fn audit(
    repository: &Repository,
    project: &Project,
    tips: &Tips,
    which: &[LedgerName],
    step: &(dyn Fn() + Sync),
) -> Vec<Audited> {
    let shared = repository.share();
    let one = |(ledger, tip): (&LedgerName, EntryId)| {
        let own = shared.fork();
        Auditor::new(&own, project, tips).audit(ledger, tip, step)
    };
    let wanted: Vec<_> = which.iter().filter_map(|ledger| Some((ledger, *tips.get(ledger)?))).collect();
    let mut audited: Vec<Audited> = wanted.into_par_iter().map(one).collect();
    order::check(&mut audited);
    leaning::check(repository, &mut audited);
    audited
}

/// Compares the notes with the ledgers. They may lag behind, which is no fault; what they tell must be so.
pub fn notes(repository: &Repository, tips: &Tips) -> (Vec<Finding>, Vec<Remark>) {
    let remark = |text: &str| vec![Remark { ledger: None, entry: None, text: text.to_owned() }];
    match compare(repository, tips) {
        Ok(None) => (Vec::new(), remark("there are none here: git deploy sync")),
        Ok(Some((details, lag))) => {
            let finding = |detail| Finding { ledger: None, entry: None, rule: None, outcome: Outcome::Fail, detail };
            let remarks = match (details.is_empty(), lag) {
                (false, _) => remark("written anew they tell the truth again: git deploy notes rebuild"),
                (true, true) => remark("they do not tell the newest entries yet: git deploy sync"),
                (true, false) => Vec::new(),
            };
            (details.into_iter().map(finding).collect(), remarks)
        }
        Err(error) => (vec![Finding::error(None, &error)], Vec::new()),
    }
}

/// What is wrong with the notes, and whether they lag behind; `None` where there are none.
fn compare(repository: &Repository, tips: &Tips) -> Result<Option<(Vec<String>, bool)>> {
    let Some(commit) = repository.read_ref(NOTES)? else { return Ok(None) };
    let covers = repository.notes(Some(commit))?.covers;
    let mut details = Vec::new();
    for (ledger, covered) in &covers {
        let holds = match tips.get(ledger) {
            Some(tip) => repository.holds_covered(*tip, *covered)?,
            None => false,
        };
        if !holds {
            details.push(format!("they tell of {ledger} up to {}, which it does not hold", covered.short()));
        }
    }
    if details.is_empty() {
        let differing = repository.differing_notes(&covers)?;
        details.extend(
            differing.iter().map(|commit| format!("the note of {} is not what the ledgers say", commit.short())),
        );
    }
    Ok(Some((details, covers != *tips)))
}
