//! The corpus of the fuzz targets, run through the same functions, so that every input that was
//! once interesting stays tested.

#[path = "../../fuzz/src/lib.rs"]
mod bodies;

use std::path::Path;

type Body = fn(&[u8]);

/// Each target, as `fuzz/fuzz_targets` names them.
const TARGETS: [(&str, Body); 6] = [
    ("commit", bodies::commit),
    ("entry", bodies::entry),
    ("notes", bodies::notes),
    ("policy", bodies::policy),
    ("push", bodies::push),
    ("signature", bodies::signature),
];

#[test]
fn the_corpus_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let files = |folder: &str| {
        let mut files: Vec<_> = fuzz
            .join(folder)
            .read_dir()
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let names = files("fuzz_targets")
        .into_iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned());
    assert!(
        names.eq(TARGETS.map(|(name, _)| name.to_owned())),
        "a target is not played"
    );
    for (name, body) in TARGETS {
        let files = files(&format!("corpus/{name}"));
        assert!(files.len() > 10, "hardly any corpus for {name}");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let played = std::panic::catch_unwind(|| body(&bytes));
            assert!(played.is_ok(), "{} fails", file.display());
        }
    }
}
