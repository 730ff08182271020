//! `git deploy sync`: fetches the ledgers, believes what verifies, and says what is new.

use super::workspace::{open_repository, remote, unsynced};
use super::{Context, Failure, Kind, OrFail as _, news};
use crate::git::sync::{Synced, sync};

/// Fetch the ledgers from the remote, verify what is new and show it
#[derive(clap::Args)]
pub struct Args {}

/// Syncs.
pub fn run(_: &Args, context: &Context) -> Result<(), Failure> {
    let repository = open_repository()?;
    let remote = remote(&repository, context)?;
    let synced = if let Some(remote) = &remote {
        sync(&repository, remote).map_err(|error| unsynced(context, error))?
    } else {
        // There is nobody else to write what the notes lack.
        let told = repository.tips().and_then(|tips| repository.catch_up_notes(&tips));
        told.or_fail(Kind::CannotTell, "cannot write the notes")?;
        Synced::default()
    };
    if context.json() {
        return news::report(&repository, remote.as_deref(), &synced, context);
    }
    if let Some(remote) = &remote {
        return news::tell(&repository, remote, &synced, context);
    }
    context.print("There is no remote: the ledgers here are the only ones.");
    Ok(())
}
