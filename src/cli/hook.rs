//! `git deploy hook`: what the shims in a server's `hooks` folder call.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser as _};

use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::verdict::Decision;
use crate::git::{self, Repository};
use crate::server::{Fault, Judgement, court, install, kept, pre_receive, proc_receive};
use crate::view::push;

/// Judge a push: what the hooks of a server call, and nobody by hand
#[derive(clap::Args)]
pub struct Args {
    /// The hook that git runs: pre-receive decides on a whole push, proc-receive carries the accepted updates of the ledgers out
    ///
    /// Or the file that git runs, whose name says which it is: so this program can stand in its first line, without a shell.
    #[arg(value_name = "HOOK", value_parser = PathBufValueParser::new().try_map(|file| Called::by(&file)))]
    called: Called,
    /// A hook that was there before, which is called first
    #[arg(long, value_name = "FILE")]
    kept: Option<PathBuf>,
}

/// The hook that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Called {
    PreReceive {
        /// Where a hook is that was there before, if the call says where the hooks are.
        kept: Option<PathBuf>,
    },
    ProcReceive {
        /// The hook that git would call for every update, if the call says where the hooks are.
        update: Option<PathBuf>,
    },
}

impl Called {
    fn by(file: &Path) -> Result<Self, &'static str> {
        let is_path = file.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
        match file.file_name().and_then(OsStr::to_str) {
            Some("pre-receive") => Ok(Self::PreReceive { kept: is_path.then(|| install::kept(file)) }),
            Some("proc-receive") => Ok(Self::ProcReceive { update: is_path.then(|| file.with_file_name("update")) }),
            _ => Err("it is neither pre-receive nor proc-receive"),
        }
    }
}

/// Runs one hook, with git's words on standard input.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.called {
        Called::PreReceive { kept } => pre_receive(args.kept.as_deref().or(kept.as_deref()), context),
        Called::ProcReceive { update } => {
            // It alone takes the locks of refs.
            git::clean_up_on_signals();
            proc_receive(args.kept.as_deref().or(update.as_deref()), context)
        }
    }
}

fn pre_receive(kept: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let lines = pre_receive::read(io::stdin().lock()).map_err(cannot_tell)?;
    if let Some(hook) = kept {
        let allowed = kept::allows(hook, &lines);
        let allowed = allowed.or_fail(Kind::CannotTell, format!("cannot run the hook {}", hook.display()))?;
        if !allowed {
            return Err(Failure::new(Kind::Denied, format!("the hook {} refuses the push", hook.display())));
        }
    }
    let judgements = pre_receive::judge(&lines, Repository::open_in_hook).map_err(cannot_tell)?;
    tell(context, &judgements, true);
    match court::decision(&judgements) {
        Decision::Allowed => Ok(()),
        Decision::Refused => Err(Failure::told(Kind::Denied)),
        Decision::CannotTell => Err(Failure::told(Kind::CannotTell)),
    }
}

fn proc_receive(update: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let done = proc_receive::run(update, &mut from, &mut to, Repository::open_in_hook).map_err(cannot_tell)?;
    tell(context, &done.judgements, false);
    if let Some(error) = done.afterwards {
        context.note(format_args!("git-deploy: accepted, but the notes lag behind until the next push: {error}"));
    }
    // Git has its answers: another exit code would say that they are not to be relied on.
    Ok(())
}

fn tell(context: &Context, judgements: &[Judgement], whole: bool) {
    let updates = judgements.iter().map(|judgement| push::Update {
        name: &judgement.name,
        what: judgement.what.as_deref(),
        verdict: &judgement.verdict,
        enforced: judgement.enforced,
    });
    let updates: Vec<push::Update<'_>> = updates.collect();
    if let Some(report) = push::report(&updates, whole) {
        context.note(report);
    }
}

fn cannot_tell(fault: Fault) -> Failure {
    Failure::new(Kind::CannotTell, "git-deploy cannot tell whether this push may go in: nothing was let in")
        .because(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By its name a hook is called as from a shell; by its file, as the kernel calls what stands in a first line.
    #[test]
    fn called() {
        let by = |file: &str| Called::by(Path::new(file));
        assert_eq!(by("pre-receive"), Ok(Called::PreReceive { kept: None }));
        let kept = Some(PathBuf::from("hooks/pre-receive.local"));
        assert_eq!(by("hooks/pre-receive"), Ok(Called::PreReceive { kept }));
        let update = Some(PathBuf::from("/srv/x.git/hooks/update"));
        assert_eq!(by("/srv/x.git/hooks/proc-receive"), Ok(Called::ProcReceive { update }));
        for other in ["", "update", "hooks/pre-receive.local", "pre-receive/x"] {
            assert!(by(other).is_err(), "{other}");
        }
    }
}
