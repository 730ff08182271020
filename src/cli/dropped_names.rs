//! Finds former names of components that a proposed policy no longer lists.

use crate::domain::policy::Policy;

/// Returns one sentence for each component that loses a former name in being renamed again: in an
/// environment that still runs that name, the component would begin without its history.
pub fn find_dropped_names(old: &str, new: &Policy) -> Vec<String> {
    let Ok(old) = Policy::parse(old) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    for component in new.components.values() {
        let known = &component.renamed_from;
        let dropped = known
            .iter()
            .flat_map(|name| old.former_names(name).iter().map(move |it| (name, it)))
            .filter(|(_, former)| !known.contains(former));
        for (name, former) in dropped {
            sentences.push(format!(
                "components.{}.renamed_from: {name} was {former} before: add \"{former}\" unless no environment runs it any more",
                component.name
            ));
        }
    }
    sentences
}
