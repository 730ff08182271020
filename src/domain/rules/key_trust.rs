//! Which signatures still count, and who must not approve their own work.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::facts::{AuthoredCommit, Fact};
use crate::domain::entry::StoredEntry;
use crate::domain::name::Person;
use crate::domain::policy::Policy;

/// Returns whether the policy lists the key that signed an entry as a key of its signer, current or
/// retired. A removed key is treated as stolen: entries signed with it do not count.
///
/// The entry may be a copy in a ledger's state, which does not include the signature. The copy is
/// trusted because every reader computes the state from entries whose signatures it has verified
/// with the keys that they name.
pub fn has_listed_key(policy: &Policy, entry: &StoredEntry) -> bool {
    let statement = &entry.statement;
    policy
        .people
        .get(&statement.by)
        .is_some_and(|it| it.key == statement.key || it.retired.contains(&statement.key))
}

/// Returns the people who must not approve their own work: the starter, the requester, and the
/// people of the policy among the authors of the new commits. A branch or tag has no starter.
pub(super) fn involved_persons(ctx: &Context<'_>) -> Fact<BTreeSet<Person>> {
    let mut involved: BTreeSet<Person> = authors(ctx)?.into_keys().collect();
    involved.extend(starters(ctx));
    Ok(involved)
}

/// Returns the people of the policy among the authors, committers and co-authors of the new
/// commits that touch the changing components, each with one of these commits.
pub(super) fn authors(ctx: &Context<'_>) -> Fact<BTreeMap<Person, AuthoredCommit>> {
    let addresses = match &ctx.facts.authors {
        Some(Ok(addresses)) => addresses,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the authors of the deployed commits were not read".to_owned()),
    };
    let authors = addresses.iter().filter_map(|(address, commit)| {
        let person = ctx.policy.person_of_email(address.as_bytes())?;
        Some((person.clone(), commit.clone()))
    });
    Ok(authors.collect())
}

/// Returns the person who starts the deployment and the one who requested it. A branch or tag has
/// neither.
pub(super) fn starters(ctx: &Context<'_>) -> BTreeSet<Person> {
    let persons = ctx
        .statement
        .into_iter()
        .flat_map(|it| [Some(&it.by), it.requested_by.as_ref()]);
    persons.flatten().cloned().collect()
}

#[cfg(test)]
mod tests;
