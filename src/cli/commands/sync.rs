//! `git deploy sync`: fetches the ledgers, verifies new entries and shows them.

use crate::cli::workspace::{REMOTE, open_repository, remote};
use crate::cli::{Context, Failure, Kind, OrFail as _, append_error, sync_report};
use crate::ledger::sync::Synced;

/// Fetch the ledgers from the remote, verify what is new and show it
#[derive(clap::Args)]
pub struct Args {}

/// Syncs the ledgers with the remote. Without a remote, only updates the notes.
pub fn run(_: &Args, context: &Context) -> Result<(), Failure> {
    let repository = open_repository()?;
    let remote = remote(&repository, context)?;
    let synced = if let Some(remote) = &remote {
        append_error::synced(&repository, remote, context)?
    } else {
        // Without a remote no other clone or server writes missing notes.
        let told = repository
            .tips()
            .and_then(|tips| repository.catch_up_notes(&tips));
        told.map_err(crate::cli::diagnostics::unwritten_notes)?;
        Synced::default()
    };
    if context.json() {
        return sync_report::report(&repository, remote.as_deref(), &synced, context);
    }
    if let Some(remote) = &remote {
        return sync_report::tell(&repository, remote, &synced, context);
    }
    let said = repository
        .config_string(REMOTE)
        .or_fail(Kind::CannotTell, "cannot read git's configuration")?
        .is_some();
    let remotes = repository
        .git("remote")
        .run()
        .or_fail(Kind::CannotTell, "cannot ask git for its remotes")?;
    let why = if said && !remotes.stdout.is_empty() {
        "deploy.remote is empty"
    } else {
        "There is no remote"
    };
    context.print(format_args!("{why}: the ledgers here are the only ones."));
    Ok(())
}
