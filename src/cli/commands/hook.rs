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
use crate::ledger::sync::{SyncError, sync_usable};
use crate::server::post_receive::Backlog;
use crate::server::{
    HookError, TIME_LIMIT, UpdateVerdict, chained_hooks, deadline, decide_push, post_receive,
    pre_push, pre_receive, proc_receive, reference_transaction, shim, update_hook,
};
use crate::view::push::{self, Acceptance};

/// Run a Git hook (called by the installed hook files)
///
/// On a server, pre-receive checks a whole push, and proc-receive checks again and carries out the
/// updates of ledgers and of environments' branches. On hosts that do not run proc-receive, update
/// checks each ref again. post-receive updates the notes and hands accepted entries on. reference-transaction blocks
/// updates that bypass the other hooks. In a clone, pre-push checks a push before it is sent.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  In hooks/pre-receive:
    exec git-deploy hook pre-receive --kept \"$0.local\"")]
pub struct Args {
    /// The hook's name, or the path of the hook file
    ///
    /// If the first line of a hook file is `#!` and this command, git passes the path of the file.
    #[arg(value_name = "HOOK", value_parser = PathBufValueParser::new().try_map(|file| CalledHook::parse(&file)))]
    called: CalledHook,
    /// The hook that was installed before, which runs first
    #[arg(long = "kept", value_name = "FILE")]
    previous_hook: Option<PathBuf>,
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

/// The hook that the first argument names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CalledHook {
    hook: Hook,
    /// The path of the previously installed hook, which runs first. `None` if the argument is a
    /// name without a folder.
    previous_hook: Option<PathBuf>,
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
            _ => return Err("not a hook of git-deploy"),
        };
        let is_path = file
            .parent()
            .is_some_and(|folder| !folder.as_os_str().is_empty());
        let previous_hook = is_path.then(|| match hook {
            // Git does not run `update` for the refs that proc-receive handles, so proc-receive
            // runs it itself.
            Hook::ProcReceive => file.with_file_name("update"),
            _ => shim::previous_hook_path(file),
        });
        Ok(Self {
            hook,
            previous_hook,
        })
    }
}

/// Runs one hook. Git passes the input on standard input, except to update.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let hook = args.called.hook;
    if hook == Hook::ProcReceive {
        // Only this hook and post-receive lock refs.
        git::clean_up_on_signals();
        return run_proc_receive(
            args.previous_hook
                .clone()
                .or_else(|| args.called.previous_hook.clone()),
            ui,
        );
    }
    let lines = match hook {
        // Git passes this hook its input as arguments.
        Hook::Update => Vec::new(),
        _ => pre_receive::read_input(io::stdin().lock()).map_err(explain_hook_error)?,
    };
    run_previous_hook(args, &lines)?;
    let arguments = args.arguments.clone();
    match hook {
        Hook::Update => report_verdicts(
            ui,
            run_with_deadline(move || update_hook::judge(&arguments, Repository::open_in_hook)),
            Acceptance::PerRef,
        ),
        Hook::ReferenceTransaction => {
            let state = arguments.first().cloned().unwrap_or_default();
            let judged = run_with_deadline(move || {
                reference_transaction::judge(state.as_bytes(), &lines, open_repository_anywhere)
            });
            report_verdicts(ui, judged, Acceptance::WholePush)
        }
        Hook::PostReceive => {
            git::clean_up_on_signals();
            run_post_receive(ui, lines);
            Ok(())
        }
        Hook::PrePush => run_pre_push(ui, &arguments, &lines),
        // ProcReceive has been handled above.
        Hook::PreReceive | Hook::ProcReceive => report_verdicts(
            ui,
            run_with_deadline(move || pre_receive::judge(&lines, Repository::open_in_hook)),
            Acceptance::WholePush,
        ),
    }
}

/// Runs the hook that was installed before ours, if there is one.
///
/// # Errors
///
/// Fails if that hook refuses the push or cannot be run.
fn run_previous_hook(args: &Args, lines: &[u8]) -> Result<(), CliError> {
    let Some(hook) = args
        .previous_hook
        .as_deref()
        .or(args.called.previous_hook.as_deref())
    else {
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

/// Calls `work`, and fails if it takes longer than a hook may take.
fn run_with_deadline<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HookError> + Send + 'static,
) -> Result<T, HookError> {
    deadline::run_within(TIME_LIMIT, |_| work())
}

/// Prints the verdicts, and fails unless all of them allow the push.
fn report_verdicts(
    ui: &Ui,
    judged: Result<Vec<UpdateVerdict>, HookError>,
    acceptance: Acceptance,
) -> Result<(), CliError> {
    let verdicts = judged.map_err(explain_hook_error)?;
    print_verdicts(ui, &verdicts, acceptance);
    match decide_push(&verdicts) {
        Decision::Refused => Err(CliError::reported(ErrorKind::Denied)),
        Decision::CannotTell => Err(CliError::reported(ErrorKind::CannotTell)),
        Decision::Allowed => Ok(()),
    }
}

/// Carries out the accepted updates of ledgers and environments' branches. `update` is the previously
/// installed update hook.
fn run_proc_receive(update: Option<PathBuf>, ui: &Ui) -> Result<(), CliError> {
    let result = deadline::run_within(TIME_LIMIT, move |watch| {
        // Not a locked handle: after a timeout this thread still holds its locks, and the main
        // thread must be able to write.
        let (mut input, mut output) = (io::stdin(), io::stdout());
        proc_receive::run(
            update.as_deref(),
            &mut input,
            &mut output,
            Repository::open_in_hook,
            watch,
        )
    });
    let result = result.map_err(explain_hook_error)?;
    print_verdicts(ui, &result.judgements, Acceptance::PerRef);
    if let Some(error) = result.notes_error {
        ui.eprint(format_args!(
            "git-deploy: accepted, but the notes are out of date until the next push: {error}"
        ));
    }
    if let Some(error) = result.setting_error {
        ui.eprint(format_args!(
            "git-deploy: accepted, but the server's git does not follow the new policy, and pushes of branches that it binds are not accepted until the server's owner repeats git-deploy server init: {error}"
        ));
    }
    // Always succeeds: git has the answers already, and would ignore them after a failing exit
    // code.
    Ok(())
}

/// Updates the notes and hands accepted entries on. Only prints problems: git has moved the refs
/// and ignores the exit code.
fn run_post_receive(ui: &Ui, lines: Vec<u8>) {
    let backlog = run_with_deadline(move || post_receive::run(&lines, Repository::open_in_hook));
    let backlog = backlog.unwrap_or_else(|error| Backlog {
        notes: Some(error),
        handoff: None,
    });
    if let Some(error) = backlog.notes {
        ui.eprint(format_args!(
            "git-deploy: accepted, but the notes are out of date until the next push: {error}"
        ));
    }
    if let Some(error) = backlog.handoff {
        let message =
            "git-deploy: accepted, but passed to the handoff program only with the next push";
        ui.eprint(format_args!("{message}: {error}"));
    }
}

/// Checks a push in the clone and prints what the server would answer. If that cannot be
/// determined, the push goes on and the server decides.
fn run_pre_push(ui: &Ui, arguments: &[OsString], lines: &[u8]) -> Result<(), CliError> {
    let let_server_decide = |reason: &dyn std::fmt::Display| {
        let message = "git-deploy: cannot tell whether the server will accept this push";
        ui.eprint(format_args!("{message}: {reason}"));
        Ok(())
    };
    let repository = open_repository()?;
    let Some(ledger_remote) = find_remote(&repository, ui)?
        .filter(|it| arguments.first().is_some_and(|name| name == &**it))
    else {
        // This remote does not hold the ledgers, so no policy applies there.
        return Ok(());
    };
    let updates = match pre_push::parse_updates(lines) {
        Ok(updates) => updates,
        Err(error) => return let_server_decide(&error),
    };
    match is_governed(&repository, &updates) {
        Ok(false) => return Ok(()),
        Ok(true) => {}
        Err(error) => return let_server_decide(&error),
    }
    if let Err(error) = sync_usable(&repository, &ledger_remote) {
        return let_server_decide(&error);
    }
    let verdicts = match pre_push::judge(&repository, &updates) {
        Ok(verdicts) => verdicts,
        Err(error) => return let_server_decide(&error),
    };
    print_verdicts(ui, &verdicts, Acceptance::PerRef);
    if decide_push(&verdicts) == Decision::Refused {
        let message = format!("{ledger_remote} would refuse this push: nothing was pushed");
        return Err(CliError::new(ErrorKind::Denied, message)
            .hint("to let the server decide: git push --no-verify"));
    }
    Ok(())
}

/// Returns whether the policy in this clone applies to one of the refs. Returns `false` without a
/// policy.
fn is_governed(
    repository: &Repository,
    updates: &[crate::server::ref_update::RefUpdate],
) -> Result<bool, git::Error> {
    let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
    let Some(tip) = ledgers.tip(&LedgerName::policy())? else {
        return Ok(false);
    };
    let project = Project::from_policy_tip(repository, tip)?;
    let policy = FactGatherer::new(repository, &project).policy_at(tip)?;
    Ok(policy.is_some_and(|policy| pre_push::concerns_policy(&policy, updates)))
}

fn print_verdicts(ui: &Ui, verdicts: &[UpdateVerdict], acceptance: Acceptance) {
    let updates: Vec<push::UpdateReport<'_>> = verdicts
        .iter()
        .map(|it| push::UpdateReport {
            ref_name: &it.name,
            summary: it.description.as_deref(),
            verdict: &it.verdict,
            is_enforced: it.is_enforced,
        })
        .collect();
    if let Some(report) = push::render_report(&updates, acceptance) {
        ui.eprint(report);
    }
}

fn explain_hook_error(error: HookError) -> CliError {
    // Commands of this program that push recognize this case by its first message.
    let message = format!(
        "{MESSAGE_PREFIX}{} whether this push may go in: nothing was let in",
        Decision::CannotTell.word()
    );
    CliError::new(ErrorKind::CannotTell, message).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a hook is recognized by its name, as from a shell, and by its file, as the
    /// kernel passes an interpreter line.
    #[test]
    fn called() {
        let parse = |file: &str| CalledHook::parse(Path::new(file));
        for (name, hook) in [
            ("pre-receive", Hook::PreReceive),
            ("update", Hook::Update),
            ("post-receive", Hook::PostReceive),
            ("reference-transaction", Hook::ReferenceTransaction),
            ("pre-push", Hook::PrePush),
        ] {
            assert_eq!(
                parse(name),
                Ok(CalledHook {
                    hook,
                    previous_hook: None
                })
            );
            let previous_hook = Some(PathBuf::from(format!("hooks/{name}.local")));
            assert_eq!(
                parse(&format!("hooks/{name}")),
                Ok(CalledHook {
                    hook,
                    previous_hook
                })
            );
        }
        let previous_hook = Some(PathBuf::from("/srv/x.git/hooks/update"));
        assert_eq!(
            parse("/srv/x.git/hooks/proc-receive"),
            Ok(CalledHook {
                hook: Hook::ProcReceive,
                previous_hook
            })
        );
        for other in [
            "",
            "post-update",
            "hooks/pre-receive.local",
            "pre-receive/x",
        ] {
            assert!(parse(other).is_err(), "{other}");
        }
    }
}
