//! The manual pages in `man/` are what the program writes.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::World;

/// A page that differs from `--help` misleads, and so does one of a removed command.
#[test]
fn pages_are_up_to_date() {
    let world = World::new();
    world.repo("alice").deploy(&["man", "../man"]).ok();
    let generated = pages(&world.path().join("man"));
    let committed = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("man"));
    assert!(!generated.is_empty());
    for name in generated.keys().chain(committed.keys()) {
        let same = generated.get(name) == committed.get(name);
        assert!(
            same,
            "man/{name} is not what the program writes; run: rm -r man && cargo run -- man man"
        );
    }
}

fn pages(directory: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = directory.read_dir() else {
        return BTreeMap::new();
    };
    let page = |path: &Path| {
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            std::fs::read_to_string(path).unwrap(),
        )
    };
    entries.map(|entry| page(&entry.unwrap().path())).collect()
}
