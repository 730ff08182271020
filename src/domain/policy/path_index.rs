//! Finds the owners of a path among all components at once, in a tree of the folders that the
//! policy's paths name.
//!
//! A walk over the folders of a commit descends this tree in step, so that its cost depends on
//! the folders that it visits and not on the number of components.

use std::collections::HashMap;

use super::Policy;
use super::paths::{Paths, is_shared};
use crate::domain::name::ComponentName;

/// The components of a policy, by the folders of their paths.
pub struct PathIndex<'a> {
    /// All components in the order of their names, with `rest`. Everywhere else, a component is an
    /// index into this list.
    names: Vec<ComponentName>,
    /// The paths of each component; `None` for `rest` and for a component without `paths`.
    paths: Vec<Option<&'a Paths>>,
    /// The components that own the whole tree.
    whole_tree: Vec<usize>,
    /// The component `rest`, if there is one.
    rest: Option<usize>,
    root: FolderNode,
}

/// A folder that a path of the policy names, or a parent of one.
#[derive(Default)]
struct FolderNode {
    children: HashMap<Box<[u8]>, FolderNode>,
    /// The components that own everything below.
    prefixes: Vec<usize>,
    /// The components with a pattern that may match something below.
    stems: Vec<usize>,
}

/// The position of a walk, which begins at the root and descends.
#[derive(Clone)]
pub struct FolderPosition<'o> {
    node: Option<&'o FolderNode>,
    /// The components with a pattern that may match anywhere below this folder.
    stems: Vec<usize>,
    /// Whether a component owns everything below, so that nothing is left for `rest`.
    fully_owned: bool,
}

/// The owners of a folder, and whether the walk has to descend into it.
pub struct FolderOwners<'o> {
    /// The position in the folder, from which the walk can descend.
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
        let mut all_paths = Vec::with_capacity(names.len());
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
                    paths
                        .prefixes()
                        .for_each(|prefix| add_once(&mut root.node_at(prefix).prefixes, index));
                    paths
                        .stems()
                        .for_each(|stem| add_once(&mut root.node_at(stem).stems, index));
                }
            }
            all_paths.push(paths);
        }
        Self {
            names,
            paths: all_paths,
            whole_tree,
            rest,
            root,
        }
    }

    /// Returns all components. Elsewhere, a component is an index into this list.
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
        // The root may contain shared files, which belong to every component.
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
        let fully_owned = parent.fully_owned || !owners.is_empty();
        // A folder that no component's path can match belongs to `rest`.
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

    /// Returns the owners of a file, symbolic link or submodule in a folder, given its path and its
    /// name. A shared file belongs to every component.
    pub fn owners_of_file(
        &self,
        parent: &FolderPosition<'_>,
        path: &[u8],
        name: &[u8],
    ) -> Vec<usize> {
        if is_shared(path) {
            return (0..self.names.len()).collect();
        }
        let node = parent.node.and_then(|node| node.children.get(name));
        let in_node = node
            .into_iter()
            .flat_map(|node| node.prefixes.iter().chain(&node.stems));
        let matches = |index: &&usize| {
            self.paths
                .get(**index)
                .copied()
                .flatten()
                .is_some_and(|paths| paths.matches(path))
        };
        let mut owners: Vec<usize> = in_node
            .chain(&parent.stems)
            .filter(matches)
            .copied()
            .collect();
        owners.extend(
            self.rest
                .filter(|_| !parent.fully_owned && owners.is_empty()),
        );
        owners
    }
}

/// Adds a component once, even if several of its patterns lead to the folder: each occurrence would
/// be checked for each file below. Components are added in order, so only the last one can be the
/// same.
fn add_once(indices: &mut Vec<usize>, index: usize) {
    if indices.last() != Some(&index) {
        indices.push(index);
    }
}

impl FolderNode {
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

    /// A component is checked once per file. Otherwise a policy that repeats a path many times
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
        let index = PathIndex::new(&policy);
        let folder = index.enter_folder(&index.root().position, b"a");
        assert_eq!(index.enter_folder(&folder.position, b"b").owners, [0]);
        assert_eq!(index.owners_of_file(&folder.position, b"a/b", b"b"), [0]);
        assert_eq!(
            index.owners_of_file(&folder.position, b"a/i.x", b"i.x"),
            [2]
        );
    }
}
