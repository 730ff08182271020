//! Whose word counts still, and who may not vouch for their own work.

use std::collections::BTreeSet;

use super::{Context, Known};
use crate::domain::entry::StoredEntry;
use crate::domain::name::Person;

/// Whether the policy still lists the key that signed an entry as its signer's, be it retired. A key that is removed altogether is
/// a stolen one: what it signed counts no more.
pub(super) fn counts(ctx: &Context<'_>, kept: &StoredEntry) -> Known<bool> {
    let statement = &kept.statement;
    if !ctx.policy.people.contains_key(&statement.by) {
        return Ok(false);
    }
    let key = match ctx
        .facts
        .signers
        .get(&(statement.ledger.clone(), statement.sequence))
    {
        Some(Ok(key)) => key,
        Some(Err(why)) => return Err(why.clone()),
        None => {
            return Err(format!(
                "which key signed entry {} of {} was not read",
                statement.sequence, statement.ledger
            ));
        }
    };
    Ok(ctx
        .policy
        .person_of_key(key)
        .is_some_and(|(person, _)| *person == statement.by))
}

/// Those who have a hand in it: the starter, the requester, and whom the policy knows among the authors of what is newly brought
/// in. A branch or tag has no starter.
pub(super) fn involved(ctx: &Context<'_>) -> Known<BTreeSet<Person>> {
    let authors = match &ctx.facts.authors {
        Some(Ok(authors)) => authors,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the authors of what is brought in were not read".to_owned()),
    };
    let authors = authors
        .iter()
        .filter_map(|address| ctx.policy.person_of_email(address.as_bytes()));
    let starters = ctx
        .statement
        .into_iter()
        .flat_map(|it| [Some(&it.by), it.requested_by.as_ref()]);
    Ok(starters.flatten().chain(authors).cloned().collect())
}
