//! Compares the `approvedBy` of an entry with the approvals that count.

use std::collections::BTreeSet;

use crate::domain::name::Person;
use crate::domain::rules::findings::join_names;
use crate::domain::verdict::{Check, Rule};

/// Checks that an entry's `approvedBy` names exactly the people whose approvals count, since commit
/// messages show that list.
pub(super) fn check_approved_by(named: &[Person], counting: &BTreeSet<Person>) -> Option<Check> {
    let show = |names: String| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names
        }
    };
    (!named.iter().eq(counting)).then(|| {
        let (named, counting) = (show(join_names(named)), show(join_names(counting)));
        Check::fail(
            Rule::Approvals,
            format!("`approvedBy` names {named}, but the approvals that count are by {counting}"),
        )
    })
}
