//! Assigns different people to slots: a maximum bipartite matching, by augmenting paths.

use std::collections::{BTreeMap, BTreeSet};

/// Fills as many slots as possible, each with a different person among those who may fill it.
/// Returns the person per slot; `None` for a slot that stays empty.
pub(super) fn match_slots<'a, T: Ord>(slots: &[&'a BTreeSet<T>]) -> Vec<Option<&'a T>> {
    let mut assigned: BTreeMap<&T, usize> = BTreeMap::new();
    for slot in 0..slots.len() {
        augment(slot, slots, &mut assigned, &mut BTreeSet::new());
    }
    let mut filled = vec![None; slots.len()];
    for (person, slot) in assigned {
        if let Some(holder) = filled.get_mut(slot) {
            *holder = Some(person);
        }
    }
    filled
}

/// Finds a person for a slot, moving others to another of their slots if necessary. Returns whether
/// the slot was filled. `assigned` maps each assigned person to a slot. Recurses at most as deep as
/// there are slots, because no person is tried twice.
fn augment<'a, T: Ord>(
    slot: usize,
    slots: &[&'a BTreeSet<T>],
    assigned: &mut BTreeMap<&'a T, usize>,
    tried: &mut BTreeSet<&'a T>,
) -> bool {
    let Some(candidates) = slots.get(slot).copied() else {
        return false;
    };
    for person in candidates {
        if tried.insert(person) {
            let current_slot = assigned.get(person).copied();
            if current_slot.is_none_or(|other| augment(other, slots, assigned, tried)) {
                assigned.insert(person, slot);
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    /// Returns the largest number of slots that can be filled, by trying everything.
    fn most(slots: &[&BTreeSet<u8>], used: &BTreeSet<u8>) -> usize {
        let Some((first, rest)) = slots.split_first() else {
            return 0;
        };
        let with = first.difference(used).map(|person| {
            let used = used.iter().chain([person]).copied().collect();
            1 + most(rest, &used)
        });
        with.max().unwrap_or(0).max(most(rest, used))
    }

    proptest! {
        /// No person fills two slots or one that they may not, and no slot stays empty that could
        /// be filled.
        #[test]
        fn is_a_maximum_matching(sets in vec(btree_set(0u8..5, 0..5), 0..5)) {
            let slots: Vec<&BTreeSet<u8>> = sets.iter().collect();
            let filled = match_slots(&slots);
            let seated: Vec<u8> = filled.iter().flatten().map(|person| **person).collect();
            prop_assert_eq!(seated.iter().collect::<BTreeSet<_>>().len(), seated.len());
            for (slot, person) in slots.iter().zip(&filled) {
                prop_assert!(person.is_none_or(|person| slot.contains(person)));
            }
            prop_assert_eq!(seated.len(), most(&slots, &BTreeSet::new()));
        }
    }
}
