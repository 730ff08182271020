//! Finds the owners of a path among all components at once: the policy's paths as a tree of
//! folders.
//!
//! A walk over the folders of a commit descends this tree in step, so that its cost depends on
//! the folders that it visits and not on the number of components.

use std::collections::HashMap;

use super::Policy;
use super::paths::{Paths, affects_checkout};
use crate::domain::name::ComponentName;

/// The components of a policy, by the folders of their paths.
pub struct PathIndex<'a> {
    /// All components in the order of their names, with `rest`. Everywhere else, a component is an
    /// index into this list.
    names: Vec<ComponentName>,
    /// The paths of each component; `None` for `rest` and for a component without `paths`.
    paths: Vec<Option<&'a Paths>>,
    shared: Option<&'a Paths>,
    /// The components that own the whole tree.
    whole_tree: Vec<usize>,
    rest: Option<usize>,
    root: FolderNode,
}

#[derive(Default)]
struct FolderNode {
    children: HashMap<Box<[u8]>, FolderNode>,
    /// The components that own everything below.
    prefixes: Vec<usize>,
    /// The components with a pattern that may match something below.
    stems: Vec<usize>,
}

/// A folder of a walk, which begins at the root.
#[derive(Clone)]
pub struct FolderPosition<'o> {
    node: Option<&'o FolderNode>,
    /// The components with a pattern that may match anywhere below this folder.
    stems: Vec<usize>,
    /// Whether a component owns everything below, so that nothing is left for `rest`.
    fully_owned: bool,
}

/// The owners of a folder, and whether the walk has to look inside.
pub struct FolderOwners<'o> {
    /// The folder, from which the walk goes on.
    pub position: FolderPosition<'o>,
    /// The components that own everything below.
    pub owners: Vec<usize>,
    /// Whether other components may own parts of it.
    pub descend: bool,
}

impl<'a> PathIndex<'a> {
    /// Builds the index of a policy.
    pub fn new(policy: &'a Policy) -> Self {
        let names: Vec<ComponentName> = policy.component_names().into_iter().collect();
        let (mut root, mut whole_tree, mut rest) = (FolderNode::default(), Vec::new(), None);
        let mut paths_by_component = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let declared = policy.component(name);
            let paths = declared.and_then(|declared| declared.paths.as_ref());
            match (declared, paths) {
                (None, _) => rest = Some(index),
                (Some(_), None) => whole_tree.push(index),
                (Some(_), Some(paths)) => {
                    if paths.is_all() {
                        whole_tree.push(index);
                    }
                    root.add_paths(paths, index);
                }
            }
            paths_by_component.push(paths);
        }
        // In the tree, the shared paths belong to one more component after the last one.
        let shared = policy.shared.as_ref();
        if let Some(paths) = shared {
            root.add_paths(paths, names.len());
            if paths.is_all() {
                whole_tree.extend(0..names.len());
            }
        }
        Self {
            names,
            paths: paths_by_component,
            shared,
            whole_tree,
            rest,
            root,
        }
    }

    /// Returns the components. Indices into this list stand for them.
    pub fn components(&self) -> &[ComponentName] {
        &self.names
    }

    /// Returns the owners of the root, where a walk begins.
    pub fn root(&self) -> FolderOwners<'_> {
        let position = FolderPosition {
            node: Some(&self.root),
            stems: self.root.stems.clone(),
            fully_owned: !self.whole_tree.is_empty(),
        };
        // The root may contain files that belong to every component.
        FolderOwners {
            position,
            owners: self.whole_tree.clone(),
            descend: true,
        }
    }

    /// Descends into a folder.
    pub fn enter_folder<'o>(
        &'o self,
        parent: &FolderPosition<'o>,
        name: &[u8],
    ) -> FolderOwners<'o> {
        let node = parent.node.and_then(|node| node.children.get(name));
        let mut stems = parent.stems.clone();
        let mut owners = Vec::new();
        if let Some(node) = node {
            stems.extend(&node.stems);
            owners.clone_from(&node.prefixes);
        }
        let descend = !stems.is_empty() || node.is_some_and(|node| !node.children.is_empty());
        if owners.contains(&self.names.len()) {
            owners = (0..self.names.len()).collect();
        }
        let fully_owned = parent.fully_owned || !owners.is_empty();
        // A folder in which no component can own anything belongs to `rest`.
        owners.extend(self.rest.filter(|_| !fully_owned && !descend));
        FolderOwners {
            position: FolderPosition {
                node,
                stems,
                fully_owned,
            },
            owners,
            descend,
        }
    }

    /// Returns the owners of a file, or of a link (a symbolic link or a submodule), in a folder,
    /// given its path.
    ///
    /// A file that decides how others are checked out belongs to every component that may own one
    /// of those.
    pub fn owners_of_file(
        &self,
        parent: &FolderPosition<'_>,
        path: &[u8],
        is_link: bool,
    ) -> Vec<usize> {
        let mut owners = Vec::new();
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if affects_checkout(path) {
            parent
                .node
                .iter()
                .for_each(|node| node.collect_indexes(&mut owners));
        } else if let Some(node) = parent.node.and_then(|node| node.children.get(name)) {
            node.collect_indexes(&mut owners);
        }
        owners.extend(&parent.stems);
        owners.sort_unstable();
        owners.dedup();
        let paths_of = |index: usize| self.paths.get(index).copied().flatten().or(self.shared);
        if !affects_checkout(path) {
            owners.retain(|index| {
                paths_of(*index)
                    .is_some_and(|paths| paths.matches(path) || paths.blocks(path, is_link))
            });
        }
        if owners.last() == Some(&self.names.len()) {
            return (0..self.names.len()).collect();
        }
        // A file that only blocks a component's paths also belongs to `rest`.
        let matches = |index: &usize| paths_of(*index).is_some_and(|paths| paths.matches(path));
        let is_matched =
            parent.fully_owned || !affects_checkout(path) && owners.iter().any(matches);
        owners.extend(self.rest.filter(|_| !is_matched));
        owners
    }
}

/// Adds a component unless it is the last one in the list. Components are added in order, so a
/// component with several patterns for the same folder is listed only once. Otherwise its paths
/// would be matched several times for each file.
fn add_once(indexes: &mut Vec<usize>, index: usize) {
    if indexes.last() != Some(&index) {
        indexes.push(index);
    }
}

impl FolderNode {
    /// Adds the paths of a component, given by its index.
    fn add_paths(&mut self, paths: &Paths, index: usize) {
        for prefix in paths.prefixes() {
            add_once(&mut self.node_at(prefix).prefixes, index);
        }
        for stem in paths.stems() {
            add_once(&mut self.node_at(stem).stems, index);
        }
    }

    /// Adds the components with a path at or below this folder to `indexes`.
    fn collect_indexes(&self, indexes: &mut Vec<usize>) {
        indexes.extend(self.prefixes.iter().chain(&self.stems));
        for child in self.children.values() {
            child.collect_indexes(indexes);
        }
    }

    fn node_at(&mut self, path: &[u8]) -> &mut Self {
        let parts = path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty());
        parts.fold(self, |node, part| {
            node.children.entry(part.into()).or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PathIndex;
    use crate::domain::policy::Policy;

    /// A component is checked for a file once. Otherwise a policy that repeats a path many times
    /// would keep a server busy for hours.
    #[test]
    fn repeated_patterns() {
        let key = crate::domain::id::PublicKey::new([1; 8], [1; 32]);
        let repeated = |paths: &[&str]| {
            paths
                .iter()
                .map(|path| format!("\"{path}\", ").repeat(3))
                .collect::<String>()
        };
        let (api, web) = (
            repeated(&["a/b", "a/b/", "a/b/**"]),
            repeated(&["a/*.x", "a/*.y"]),
        );
        let text = format!(
            "schema = 1\nproject = \"demo\"\n[people]\nalice = {{ key = \"{key}\" }}\n[environments]\ndev = {{}}\n\
             [components]\napi = {{ paths = [{api}] }}\nweb = {{ paths = [{web}] }}\n"
        );
        let policy = Policy::parse(&text).unwrap();
        let owners = PathIndex::new(&policy);
        let folder = owners.enter_folder(&owners.root().position, b"a");
        assert_eq!(owners.enter_folder(&folder.position, b"b").owners, [0]);
        assert_eq!(owners.owners_of_file(&folder.position, b"a/b", false), [0]);
        assert_eq!(
            owners.owners_of_file(&folder.position, b"a/i.x", false),
            [2]
        );
    }
}
