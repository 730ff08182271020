//! Whose a path is, for all components at once: the policy's paths as a tree of folders.
//!
//! A walk over folders goes down this tree beside them, so that what it costs depends on where it goes and not on how many components there are.

use std::collections::HashMap;

use super::Policy;
use super::paths::{Paths, is_shared};
use crate::domain::name::ComponentName;

/// The components of a policy by the folders that their paths lead to.
pub struct PathIndex<'a> {
    /// In the order of their names, `rest` among them.
    names: Vec<ComponentName>,
    /// By the same numbers; none for `rest` and for a component that owns the whole tree.
    paths: Vec<Option<&'a Paths>>,
    /// Those that own the whole tree.
    whole_tree: Vec<usize>,
    rest: Option<usize>,
    root: FolderNode,
}

#[derive(Default)]
struct FolderNode {
    children: HashMap<Box<[u8]>, FolderNode>,
    /// Theirs is everything beneath.
    prefixes: Vec<usize>,
    /// Something beneath may match a pattern of theirs.
    stems: Vec<usize>,
}

/// A folder on the way down. The root is where one begins.
#[derive(Clone)]
pub struct FolderPosition<'o> {
    node: Option<&'o FolderNode>,
    /// Those with a pattern that may match anywhere beneath this folder.
    stems: Vec<usize>,
    /// Whether everything beneath is somebody's, so that nothing is left for `rest`.
    fully_owned: bool,
}

/// Whose a folder is that differs, and whether somebody has to look inside.
pub struct FolderOwners<'o> {
    /// The folder, to go on from.
    pub position: FolderPosition<'o>,
    /// The numbers of those whose everything beneath it is.
    pub owners: Vec<usize>,
    /// Whether some of it may be somebody else's.
    pub descend: bool,
}

impl<'a> PathIndex<'a> {
    /// Those of a policy.
    pub fn new(policy: &'a Policy) -> Self {
        let names: Vec<ComponentName> = policy.component_names().into_iter().collect();
        let (mut root, mut whole, mut rest) = (FolderNode::default(), Vec::new(), None);
        let mut all = Vec::with_capacity(names.len());
        for (number, name) in names.iter().enumerate() {
            let declared = policy.component(name);
            let paths = declared.and_then(|declared| declared.paths.as_ref());
            match (declared, paths) {
                (None, _) => rest = Some(number),
                (Some(_), None) => whole.push(number),
                (Some(_), Some(paths)) => {
                    if paths.is_all() {
                        whole.push(number);
                    }
                    paths
                        .prefixes()
                        .for_each(|prefix| add_once(&mut root.node_at(prefix).prefixes, number));
                    paths
                        .stems()
                        .for_each(|stem| add_once(&mut root.node_at(stem).stems, number));
                }
            }
            all.push(paths);
        }
        Self {
            names,
            paths: all,
            whole_tree: whole,
            rest,
            root,
        }
    }

    /// The components; their places are their numbers.
    pub fn components(&self) -> &[ComponentName] {
        &self.names
    }

    /// The root, of a commit whose tree differs: as for any folder.
    pub fn root(&self) -> FolderOwners<'_> {
        let place = FolderPosition {
            node: Some(&self.root),
            stems: self.root.stems.clone(),
            fully_owned: !self.whole_tree.is_empty(),
        };
        // A shared file in it is everybody's.
        FolderOwners {
            position: place,
            owners: self.whole_tree.clone(),
            descend: true,
        }
    }

    /// A folder in a folder.
    pub fn enter_folder<'o>(
        &'o self,
        parent: &FolderPosition<'o>,
        name: &[u8],
    ) -> FolderOwners<'o> {
        let node = parent.node.and_then(|node| node.children.get(name));
        let mut stems = parent.stems.clone();
        let mut whole = Vec::new();
        if let Some(node) = node {
            stems.extend(&node.stems);
            whole.clone_from(&node.prefixes);
        }
        let inner = !stems.is_empty() || node.is_some_and(|node| !node.children.is_empty());
        let taken = parent.fully_owned || !whole.is_empty();
        // What no path of anybody's leads to is the rest's.
        whole.extend(self.rest.filter(|_| !taken && !inner));
        FolderOwners {
            position: FolderPosition {
                node,
                stems,
                fully_owned: taken,
            },
            owners: whole,
            descend: inner,
        }
    }

    /// Whose a file, symbolic link or submodule in a folder is, by its whole path and its name. A shared file is everybody's.
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
        let named = node
            .into_iter()
            .flat_map(|node| node.prefixes.iter().chain(&node.stems));
        let matches = |number: &&usize| {
            self.paths
                .get(**number)
                .copied()
                .flatten()
                .is_some_and(|paths| paths.matches(path))
        };
        let mut found: Vec<usize> = named
            .chain(&parent.stems)
            .filter(matches)
            .copied()
            .collect();
        found.extend(
            self.rest
                .filter(|_| !parent.fully_owned && found.is_empty()),
        );
        found
    }
}

/// Notes a component, once however many of its patterns lead here: each mention would be asked about each file beneath. They come in
/// order, so only the last one can be the same.
fn add_once(numbers: &mut Vec<usize>, number: usize) {
    if numbers.last() != Some(&number) {
        numbers.push(number);
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

    /// A component is asked about a file once, or a policy that repeats a path a hundred thousand times would keep a server busy for hours.
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
        assert_eq!(owners.owners_of_file(&folder.position, b"a/b", b"b"), [0]);
        assert_eq!(
            owners.owners_of_file(&folder.position, b"a/i.x", b"i.x"),
            [2]
        );
    }
}
