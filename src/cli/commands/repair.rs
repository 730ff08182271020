//! `git deploy repair`: restores the last valid tips on a remote that has lost or rewritten
//! ledgers, or has invalid entries.
//!
//! It is meant for forges that do not run git-deploy's hooks: every client detects a push that
//! bypasses the rules, and one of them repairs it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::workspace::{self, entry_name, open_repository, problem_line};
use crate::cli::{Context, Failure, Kind, OrFail as _, append_error};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::harmless;
use crate::git::remote::PushOutcome;
use crate::git::{Error, Repository};
use crate::ledger::sync::{Problem, SyncError, sync, sync_notes};

/// Put the last valid tip of each ledger back that the remote has lost or rewritten
///
/// Entries of the remote that are not in the history kept here are set aside in this clone, under refs/deploy-set-aside/, and told of: who
/// wrote them may want to write them again.
#[derive(clap::Args)]
pub struct Args {
    /// Say what would be put back, and push nothing
    #[arg(long)]
    dry_run: bool,
}

/// One ledger to restore.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ledger {
    /// The ledger.
    #[serde(rename = "ledger")]
    name: LedgerName,
    /// The problem.
    problem: String,
    /// The ledger's tip on the remote before; absent if the ledger was gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<EntryId>,
    /// The last valid tip, which is restored.
    valid: EntryId,
    /// The remote's entries that the valid tip does not contain, newest first; they are set aside.
    set_aside: Vec<EntryId>,
}

/// The result of a repair.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Body {
    /// The remote.
    remote: String,
    /// Whether this was a dry run, which pushes nothing.
    dry_run: bool,
    /// The ledgers that were, or would be, restored.
    ledgers: Vec<Ledger>,
}

/// Finds ledgers with problems on the remote and restores them after confirmation.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let repository = open_repository()?;
    let Some(remote) = workspace::remote(&repository, context)? else {
        return Err(
            Failure::new(Kind::Usage, "there is no remote to put anything back on")
                .hint("git deploy audit, which looks at the ledgers here"),
        );
    };
    let problems = match sync(&repository, &remote) {
        Ok(_) => Vec::new(),
        Err(SyncError::Problems(problems)) if !problems.iter().all(Problem::is_open) => problems,
        Err(error) => return Err(append_error::unsynced(context, error)),
    };
    let ledgers = problems
        .iter()
        .map(|problem| plan(&repository, problem))
        .collect::<Result<Vec<_>, _>>()?;
    let body = Body {
        remote,
        dry_run: args.dry_run,
        ledgers,
    };
    tell(&body, &repository, context);
    if !args.dry_run && !body.ledgers.is_empty() {
        let question = format!(
            "Put {} back on {}?",
            if body.ledgers.len() == 1 {
                "it"
            } else {
                "them"
            },
            body.remote
        );
        if !context.confirm(&question)? {
            return Err(Failure::new(Kind::Denied, "nothing was put back"));
        }
        for ledger in &body.ledgers {
            put_back(&repository, &body.remote, ledger)?;
        }
        // The notes may describe entries that are now set aside.
        for ledger in &body.ledgers {
            let told = sync_notes(&repository, &body.remote, &ledger.name, ledger.valid);
            told.map_err(|error| {
                append_error::unsynced(context, error).hint("git deploy notes rebuild")
            })?;
        }
    }
    if context.json() {
        return context.report("repair", &body);
    }
    match (&body.ledgers[..], args.dry_run) {
        ([], _) => context.print(format_args!(
            "{}'s ledgers are as they were seen: nothing to put back.",
            body.remote
        )),
        (_, true) => context.say("Nothing was pushed."),
        ([one], false) => context.say(format_args!("{} is put back.", one.name)),
        (all, false) => context.say(format_args!("{} ledgers are put back.", all.len())),
    }
    Ok(())
}

/// Works out which tip to restore for a problem and which entries to set aside.
fn plan(repository: &Repository, problem: &Problem) -> Result<Ledger, Failure> {
    let ledger = &problem.ledger;
    let cannot = || format!("cannot tell what to put back of {ledger}");
    let valid =
        problem
            .last_valid(repository)
            .or_fail(Kind::CannotTell, cannot())?
            .ok_or_else(|| {
                Failure::new(Kind::Denied, cannot()).because(problem_line(problem)).hint(format!(
            "whoever may on the remote: git push REMOTE :{}, for nothing of it is valid",
            ledger.reference()
        ))
            })?;
    let set_aside = match problem.shown {
        Some(shown) => repository
            .beyond_tip(valid, shown)
            .or_fail(Kind::CannotTell, cannot())?,
        None => Vec::new(),
    };
    Ok(Ledger {
        name: ledger.clone(),
        problem: problem_line(problem),
        shown: problem.shown,
        valid,
        set_aside,
    })
}

fn tell(body: &Body, repository: &Repository, context: &Context) {
    for it in &body.ledgers {
        context.note(&it.problem);
        context.note(format_args!(
            "  {} is the last valid entry",
            entry_name(&it.name, it.valid)
        ));
        for id in &it.set_aside {
            let commit = repository.read_commit(id.0);
            let subject = commit.map(|commit| {
                String::from_utf8_lossy(commit.message())
                    .lines()
                    .next()
                    .map(harmless)
            });
            let subject = subject.ok().flatten().unwrap_or_default();
            context.note(format_args!(
                "  {} is set aside: {subject}",
                entry_name(&it.name, *id)
            ));
        }
    }
}

/// Pushes one tip, and only if the remote still has the tip that was examined.
fn put_back(repository: &Repository, remote: &str, it: &Ledger) -> Result<(), Failure> {
    let name = it.name.reference();
    let cannot = || format!("cannot put {} back on {remote}", it.name);
    if let Some(shown) = it.shown.filter(|_| !it.set_aside.is_empty()) {
        let aside = format!("refs/deploy-set-aside/{}/{}", it.name, shown.0.prefix(10));
        match repository.compare_and_swap(&aside, None, shown.0, "git-deploy: repair") {
            Ok(()) | Err(Error::LostRace { .. }) => {}
            Err(error) => return Err(Failure::new(Kind::CannotTell, cannot()).because(error)),
        }
    }
    let pushed = repository.push_over(remote, it.valid.0, &name, it.shown.map(|shown| shown.0));
    match pushed.or_fail(Kind::CannotTell, cannot())? {
        PushOutcome::Accepted { .. } => Ok(()),
        PushOutcome::LostRace { .. } => Err(Failure::new(Kind::CannotTell, cannot())
            .because("it has moved again meanwhile")
            .hint("git deploy repair")),
        PushOutcome::Rejected { messages, .. } => {
            let root = repository
                .pin()
                .or_fail(Kind::CannotTell, "cannot read the pinned project")?;
            let root = root.map_or_else(|| "ID".to_owned(), |root| root.to_string());
            Err(Failure::new(Kind::Denied, cannot())
                .because(
                    "the remote refuses it, as one with our hooks does: there only its owner can put a ledger right",
                )
                .hint(format!("on the server: git fetch CLONE {name}:{name}"))
                .hint(format!("on the server: git-deploy server adopt . --root {root}"))
                .details(messages))
        }
        PushOutcome::Unknown { messages, .. } => Err(Failure::new(Kind::CannotTell, cannot())
            .because(messages.join("\n"))
            .hint("git deploy repair")),
    }
}
