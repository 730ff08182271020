//! The locks that a person still holds.

use crate::cli::read_context::read_environments;
use crate::cli::workspace::Workspace;
use crate::clock;
use crate::domain::entry::Action;
use crate::domain::name::Person;

/// Lists what a person has locked, with the reasons: `prod ("incident")`. Leaves out ledgers that cannot
/// be read.
pub(super) fn list_locks(workspace: &Workspace, person: &Person) -> Vec<String> {
    let (mut locks, now) = (Vec::new(), clock::now());
    for snapshot in read_environments(workspace).unwrap_or_default() {
        let (state, name) = (snapshot.state(), snapshot.name());
        let whole = state.lock(None, now).map(|lock| (name.to_string(), lock));
        let components = state.components().into_keys();
        let parts = components.filter_map(|component| {
            let lock = state.lock(Some(component), now)?;
            Some((format!("{component} in {name}"), lock))
        });
        for (object, lock) in whole.into_iter().chain(parts) {
            if let Action::Lock(it) = &lock.statement.action
                && lock.statement.by == *person
            {
                locks.push(format!("{object} (\"{}\")", it.reason));
            }
        }
    }
    locks
}
