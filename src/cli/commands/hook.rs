//! `git deploy hook`: the command that the hook files in a repository's `hooks` folder run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser as _};

use crate::cli::repository::{find_remote, open_repository};
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Decision, MESSAGE_PREFIX};
use crate::git::{self, Repository};
use crate::ledger::Project;
use crate::ledger::facts::FactGatherer;
use crate::ledger::sync::sync;
use crate::server::post_receive::Backlog;
use crate::server::{
    HookError, TIME_LIMIT, UpdateVerdict, chained_hooks, deadline, decide_push, post_receive,
    pre_push, pre_receive, proc_receive, reference_transaction, shim, update_hook,
};
use crate::view::push;

/// Run a Git hook (called by the installed hook files)
///
/// On a server, pre-receive checks a whole push, and proc-receive carries out the accepted updates
/// of the ledgers. On hosts that do not run proc-receive, update checks each ref again.
/// post-receive updates the notes and hands accepted entries on. reference-transaction blocks
/// updates that bypass the other hooks. In a clone, pre-push checks a push before it is sent.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  In hooks/pre-receive:
    exec git-deploy hook pre-receive --kept \"$0.local\"")]
pub struct Args {
    /// The hook's name, or the path of the hook file
    ///
    /// A hook file can name this program in its first line, without a shell.
    #[arg(value_name = "HOOK", value_parser = PathBufValueParser::new().try_map(|file| CalledHook::parse(&file)))]
    called: CalledHook,
    /// A previously installed hook to run first
    #[arg(long, value_name = "FILE")]
    kept: Option<PathBuf>,
    /// The arguments that git passes to the hook
    #[arg(
        value_name = "ARGUMENT",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

/// A Git hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    PreReceive,
    ProcReceive,
    Update,
    PostReceive,
    ReferenceTransaction,
    PrePush,
}

/// The hook to run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CalledHook {
    hook: Hook,
    /// The path of the hook that runs first, if the argument shows where the hooks are.
    chained: Option<PathBuf>,
}

impl CalledHook {
    fn parse(file: &Path) -> Result<Self, &'static str> {
        let hook = match file.file_name().and_then(OsStr::to_str) {
            Some("pre-receive") => Hook::PreReceive,
            Some("proc-receive") => Hook::ProcReceive,
            Some("update") => Hook::Update,
            Some("post-receive") => Hook::PostReceive,
            Some("reference-transaction") => Hook::ReferenceTransaction,
            Some("pre-push") => Hook::PrePush,
            _ => return Err("it is none of its hooks"),
        };
        let is_path = file
            .parent()
            .is_some_and(|folder| !folder.as_os_str().is_empty());
        let kept = is_path.then(|| match hook {
            // Git runs a single proc-receive hook, and does not run `update` for the refs it handles.
            // The chained hook is therefore update.
            Hook::ProcReceive => file.with_file_name("update"),
            _ => shim::previous_hook_path(file),
        });
        Ok(Self {
            hook,
            chained: kept,
        })
    }
}

/// Runs one hook. Git passes its input on standard input.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let hook = args.called.hook;
    if hook == Hook::ProcReceive {
        // Only this hook and post-receive lock refs.
        git::clean_up_on_signals();
        return run_proc_receive(
            args.kept.clone().or_else(|| args.called.chained.clone()),
            ui,
        );
    }
    let lines = match hook {
        // Git passes this hook its input as arguments.
        Hook::Update => Vec::new(),
        _ => pre_receive::read_input(io::stdin().lock()).map_err(explain_hook_error)?,
    };
    run_chained_hook(args, &lines)?;
    let arguments = args.arguments.clone();
    match hook {
        Hook::Update => report_verdicts(
            ui,
            run_with_deadline(move || update_hook::judge(&arguments, Repository::open_in_hook)),
            false,
        ),
        Hook::ReferenceTransaction => {
            let state = arguments.first().cloned().unwrap_or_default();
            let judged = run_with_deadline(move || {
                reference_transaction::judge(state.as_bytes(), &lines, open_repository_anywhere)
            });
            report_verdicts(ui, judged, true)
        }
        Hook::PostReceive => {
            git::clean_up_on_signals();
            run_post_receive(ui, lines);
            Ok(())
        }
        Hook::PrePush => run_pre_push(ui, &arguments, &lines),
        // proc-receive is handled above.
        Hook::PreReceive | Hook::ProcReceive => report_verdicts(
            ui,
            run_with_deadline(move || pre_receive::judge(&lines, Repository::open_in_hook)),
            true,
        ),
    }
}

/// Runs the hook that was installed before ours, if there is one.
///
/// # Errors
///
/// Fails if that hook refuses the push or cannot be run.
fn run_chained_hook(args: &Args, lines: &[u8]) -> Result<(), CliError> {
    let Some(hook) = args.kept.as_deref().or(args.called.chained.as_deref()) else {
        return Ok(());
    };
    let allowed = chained_hooks::accepts_push(hook, &args.arguments, lines);
    let allowed = allowed.context(
        ErrorKind::CannotTell,
        format!("cannot run the hook {}", hook.display()),
    )?;
    if allowed {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Denied,
        format!("the hook {} refuses the push", hook.display()),
    ))
}

/// Opens the repository of a hook that git runs for every ref update, not only for pushes. Git sets
/// `GIT_DIR` reliably only for pushes.
fn open_repository_anywhere() -> git::Result<Repository> {
    if std::env::var_os("GIT_DIR").is_some() {
        return Repository::open_in_hook();
    }
    Repository::discover(Path::new("."))
}

fn run_with_deadline<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HookError> + Send + 'static,
) -> Result<T, HookError> {
    deadline::run_within(TIME_LIMIT, |_| work())
}

/// Prints the verdicts, and fails unless all of them allow the push. `whole` states that the push
/// is accepted as a whole or not at all.
fn report_verdicts(
    ui: &Ui,
    judged: Result<Vec<UpdateVerdict>, HookError>,
    whole: bool,
) -> Result<(), CliError> {
    let judgements = judged.map_err(explain_hook_error)?;
    print_verdicts(ui, &judgements, whole);
    match decide_push(&judgements) {
        Decision::Refused => Err(CliError::reported(ErrorKind::Denied)),
        Decision::CannotTell => Err(CliError::reported(ErrorKind::CannotTell)),
        Decision::Allowed => Ok(()),
    }
}

fn run_proc_receive(update: Option<PathBuf>, ui: &Ui) -> Result<(), CliError> {
    let done = deadline::run_within(TIME_LIMIT, move |watch| {
        // Not a locked handle: after a timeout this thread still holds its locks, and the main
        // thread must be able to write.
        let (mut from, mut to) = (io::stdin(), io::stdout());
        proc_receive::run(
            update.as_deref(),
            &mut from,
            &mut to,
            Repository::open_in_hook,
            watch,
        )
    });
    let done = done.map_err(explain_hook_error)?;
    print_verdicts(ui, &done.judgements, false);
    if let Some(error) = done.notes_error {
        ui.eprint(format_args!(
            "git-deploy: accepted, but the notes are out of date until the next push: {error}"
        ));
    }
    // Git has the answers already. A failing exit code would make git ignore them.
    Ok(())
}

/// Updates the notes and hands accepted entries on. Only prints problems: git has moved the refs
/// and ignores the exit code.
fn run_post_receive(ui: &Ui, lines: Vec<u8>) {
    let behind = run_with_deadline(move || post_receive::run(&lines, Repository::open_in_hook));
    let behind = behind.unwrap_or_else(|fault| Backlog {
        notes: Some(fault),
        handoff: None,
    });
    if let Some(error) = behind.notes {
        ui.eprint(format_args!(
            "git-deploy: accepted, but the notes are out of date until the next push: {error}"
        ));
    }
    if let Some(error) = behind.handoff {
        let words =
            "git-deploy: accepted, but passed to the handoff program only with the next push";
        ui.eprint(format_args!("{words}: {error}"));
    }
}

/// Checks a push in the clone and prints what the server would answer. If that cannot be
/// determined, the push goes on and the server decides.
fn run_pre_push(ui: &Ui, arguments: &[OsString], lines: &[u8]) -> Result<(), CliError> {
    let unknown = |why: &dyn std::fmt::Display| {
        let words = "git-deploy: cannot tell whether the server will accept this push";
        ui.eprint(format_args!("{words}: {why}"));
        Ok(())
    };
    let repository = open_repository()?;
    let Some(holder) = find_remote(&repository, ui)?
        .filter(|it| arguments.first().is_some_and(|name| name == &**it))
    else {
        // This remote does not hold the ledgers, so no policy applies there.
        return Ok(());
    };
    let updates = match pre_push::parse_updates(lines) {
        Ok(updates) => updates,
        Err(fault) => return unknown(&fault),
    };
    match is_governed(&repository, &updates) {
        Ok(false) => return Ok(()),
        Ok(true) => {}
        Err(error) => return unknown(&error),
    }
    if let Err(error) = sync(&repository, &holder) {
        return unknown(&error);
    }
    let judgements = match pre_push::judge(&repository, &updates) {
        Ok(judgements) => judgements,
        Err(fault) => return unknown(&fault),
    };
    print_verdicts(ui, &judgements, false);
    if decide_push(&judgements) == Decision::Refused {
        let words = format!("{holder} would refuse this push: nothing was pushed");
        return Err(CliError::new(ErrorKind::Denied, words)
            .hint("to let the server decide: git push --no-verify"));
    }
    Ok(())
}

/// Returns whether the policy known here applies to one of the refs. Without a policy none does.
fn is_governed(
    repository: &Repository,
    updates: &[crate::server::ref_update::RefUpdate],
) -> Result<bool, git::Error> {
    let Some(tip) = repository.tip(&LedgerName::policy())? else {
        return Ok(false);
    };
    let project = Project::from_policy_tip(repository, tip)?;
    let policy = FactGatherer::new(repository, &project).policy_at(tip)?;
    Ok(policy.is_some_and(|policy| pre_push::concerns_policy(&policy, updates)))
}

fn print_verdicts(ui: &Ui, judgements: &[UpdateVerdict], whole: bool) {
    let updates = judgements.iter().map(|judgement| push::JudgedUpdate {
        ref_name: &judgement.name,
        summary: judgement.description.as_deref(),
        verdict: &judgement.verdict,
        is_enforced: judgement.is_enforced,
    });
    let updates: Vec<push::JudgedUpdate<'_>> = updates.collect();
    if let Some(report) = push::render_report(&updates, whole) {
        ui.eprint(report);
    }
}

fn explain_hook_error(fault: HookError) -> CliError {
    // Commands of ours that push recognize this case by its first words.
    let words = format!(
        "{MESSAGE_PREFIX}{} whether this push may go in: nothing was let in",
        Decision::CannotTell.word()
    );
    CliError::new(ErrorKind::CannotTell, words).because(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a hook is recognized by its name, as from a shell, and by its file, as the
    /// kernel passes an interpreter line.
    #[test]
    fn called() {
        let by = |file: &str| CalledHook::parse(Path::new(file));
        for (name, hook) in [
            ("pre-receive", Hook::PreReceive),
            ("update", Hook::Update),
            ("post-receive", Hook::PostReceive),
            ("reference-transaction", Hook::ReferenceTransaction),
            ("pre-push", Hook::PrePush),
        ] {
            assert_eq!(
                by(name),
                Ok(CalledHook {
                    hook,
                    chained: None
                })
            );
            let chained = Some(PathBuf::from(format!("hooks/{name}.local")));
            assert_eq!(
                by(&format!("hooks/{name}")),
                Ok(CalledHook { hook, chained })
            );
        }
        let chained = Some(PathBuf::from("/srv/x.git/hooks/update"));
        assert_eq!(
            by("/srv/x.git/hooks/proc-receive"),
            Ok(CalledHook {
                hook: Hook::ProcReceive,
                chained
            })
        );
        for other in [
            "",
            "post-update",
            "hooks/pre-receive.local",
            "pre-receive/x",
        ] {
            assert!(by(other).is_err(), "{other}");
        }
    }
}
