//! `git deploy hook`: what the shims in a server's `hooks` folder call.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::verdict::Decision;
use crate::git::{self, Repository};
use crate::server::{Fault, Judgement, court, kept, pre_receive, proc_receive};
use crate::view::push;

/// Judge a push: what the hooks of a server call, and nobody by hand
#[derive(clap::Args)]
pub struct Args {
    /// The hook that git runs
    hook: Hook,
    /// A hook that was there before, which is called first
    #[arg(long, value_name = "FILE")]
    kept: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Hook {
    /// Decide on a whole push
    PreReceive,
    /// Carry the accepted updates of the ledgers out
    ProcReceive,
}

/// Runs one hook, with git's words on standard input.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    git::clean_up_on_signals();
    match args.hook {
        Hook::PreReceive => pre_receive(args.kept.as_deref(), context),
        Hook::ProcReceive => proc_receive(context),
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

fn proc_receive(context: &Context) -> Result<(), Failure> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let done = proc_receive::run(&mut from, &mut to, Repository::open_in_hook).map_err(cannot_tell)?;
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
