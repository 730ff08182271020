//! Tests of frozen configurations: the copy has the same settings, and changes are found.

use super::*;
use crate::git::frozen_folder::SETTINGS;
use crate::git::tests::TestRepository;

/// Returns the settings that a repository's git commands use, without the ones that are added.
fn list_used(repository: &Repository) -> Vec<String> {
    let output = repository
        .git("var")
        .arg("-l")
        .run()
        .unwrap()
        .into_stdout()
        .unwrap();
    let text = String::from_utf8(output).unwrap();
    let is_added = |line: &&str| {
        line.starts_with("GIT_") || SETTINGS.iter().any(|it| it.eq_ignore_ascii_case(line))
    };
    let lines = text.lines().filter(|line| !is_added(line));
    lines.map(str::to_owned).collect()
}

/// Each setting is copied with its exact value, and included files are copied too.
#[test]
fn settings_are_copied() {
    let scratch = TestRepository::bare();
    let included = scratch.sibling_path("included");
    fs::write(&included, "[of \"included file\"]\n\tkey = x\n").unwrap();
    for (name, value) in [
        ("a.key", "plain"),
        ("a.key", ""),
        ("a.b.c.key", " spaces \t; # \"quotes\" \\ "),
        ("url.https://x/\"y\\z.insteadOf", "a:"),
        ("remote.Upper.url", "../relative"),
    ] {
        scratch.git(&["config", "--add", name, value]);
    }
    let config = scratch.path.join("config");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str("[valueless]\n\tkey\n[a]\n\tlast = 1\n");
    fs::write(&config, text).unwrap();
    let repository = scratch.open();
    let before = list_used(&repository);
    assert!(before.contains(&"valueless.key".to_owned()), "{before:?}");
    scratch.git(&["config", "include.path", included.to_str().unwrap()]);
    let folder = scratch.sibling_path("frozen");
    let frozen = repository.freeze_config(&folder).unwrap();
    let mut expected = before.clone();
    expected.push("of.included file.key=x".to_owned());
    assert_eq!(list_used(&repository), expected);
    scratch.git(&["config", "a.key2", "later"]);
    assert_eq!(list_used(&repository), expected, "a later change is used");
    drop(frozen);
    assert!(list_used(&repository).contains(&"a.key2=later".to_owned()));
}

/// A change of a setting, of an included file or of a hook is found, and nothing else.
#[test]
fn changes_are_found() {
    let scratch = TestRepository::bare();
    let included = scratch.sibling_path("included");
    fs::write(&included, "").unwrap();
    scratch.git(&["config", "include.path", included.to_str().unwrap()]);
    let hooks = scratch.path.join("hooks");
    create_folder(&hooks).unwrap();
    let hook = hooks.join("pre-push");
    fs::write(&hook, "one").unwrap();
    let repository = scratch.open();
    let is_changed = |number: usize, change: &dyn Fn()| {
        let folder = scratch.sibling_path(&format!("frozen-{number}"));
        let frozen = repository.freeze_config(&folder).unwrap();
        assert_eq!(frozen.find_change(), None);
        change();
        frozen.find_change().is_some()
    };
    let executable = fs::Permissions::from_mode(0o755);
    let changes: [&dyn Fn(); 6] = [
        &|| drop(scratch.git(&["config", "a.b", "c"])),
        &|| fs::write(&included, "[a]\n\tb = d\n").unwrap(),
        &|| fs::write(&hook, "two").unwrap(),
        &|| fs::set_permissions(&hook, executable.clone()).unwrap(),
        &|| fs::write(hooks.join("new"), "").unwrap(),
        &|| fs::write(scratch.path.join("config"), "[broken").unwrap(),
    ];
    assert!(!is_changed(0, &|| {
        let id = repository.write_blob(b"x").unwrap();
        assert_eq!(
            scratch.git(&["cat-file", "-t", &id.to_string()]).trim(),
            "blob"
        );
    }));
    for (number, change) in changes.iter().enumerate() {
        assert!(is_changed(number + 1, change), "change {number}");
    }
}
