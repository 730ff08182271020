//! Tests of the patterns of a component.

use super::*;

fn paths(patterns: &[&str]) -> Paths {
    Paths::new(patterns.iter().copied()).unwrap()
}

/// The files of a component decide what is gated and what is deployed with it.
#[test]
fn files() {
    let yes: [(&str, &[u8]); 15] = [
        (r"app/\[id\]/**", b"app/[id]/x"),
        (r"app/\[id\]", b"app/[id]/x/y"),
        (r"app/\[id\]/*.ts", b"app/[id]/x.ts"),
        (r"a/\*", b"a/*"),
        ("api/**", b"api/a"),
        ("api/**", b"api/a/b.\xff"),
        ("api", b"api/a/b"),
        ("api", b"api"),
        ("api/", b"api/x"),
        ("*.tf", b"main.tf"),
        ("**/*.tf", b"a/b/main.tf"),
        ("a/*/c", b"a/b/c"),
        ("{a,b/c}/**", b"b/c/d"),
        ("a/[*]", b"a/*"),
        ("**", b"anything"),
    ];
    for (pattern, path) in yes {
        assert!(paths(&[pattern]).matches(path), "{pattern} {path:?}");
    }
    let no: [(&str, &[u8]); 11] = [
        (r"app/\[id\]/**", b"app/i/x"),
        ("app/[id]/**", b"app/[id]/x"),
        (r"a/\*", b"a/b"),
        ("api/**", b"api"),
        ("api/**", b"apis/a"),
        ("api", b"lib/api"),
        ("*.tf", b"a/main.tf"),
        ("a/*/c", b"a/b/b/c"),
        ("a?c", b"a/c"),
        ("API", b"api"),
        ("api", b".gitattributes"),
    ];
    for (pattern, path) in no {
        assert!(!paths(&[pattern]).matches(path), "{pattern} {path:?}");
    }
}

/// A link in the place of a folder changes what a component's commands find; a neighbour does
/// not.
#[test]
fn blocked_folders() {
    let yes: [(&str, &[u8], bool); 7] = [
        ("plugins/**", b"plugins", false),
        ("a/b/c", b"a", false),
        ("a/b/*.tf", b"a/b", false),
        ("services/*/deploy.sh", b"services/evil", true),
        ("s*/x/*.sh", b"s1", true),
        ("{a,b/c}/d", b"a/d", true),
        ("x/{a,b/c}/d", b"x", true),
    ];
    for (pattern, path, is_link) in yes {
        let set = paths(&[pattern]);
        assert!(set.blocks(path, is_link) || set.matches(path), "{pattern}");
    }
    let no: [(&str, &[u8], bool); 6] = [
        ("plugins/**", b"plugin", true),
        ("services/*/deploy.sh", b"services/README.md", false),
        ("services/*/deploy.sh", b"other", true),
        ("**/*.tf", b"docs/latest", true),
        ("a/b", b"a/c", true),
        ("a/**/x", b"a/b", true),
    ];
    for (pattern, path, is_link) in no {
        assert!(!paths(&[pattern]).blocks(path, is_link), "{pattern}");
    }
}

/// A walk that skips or takes a whole folder must find the same files as one that reads
/// everything.
#[test]
fn folders_agree_with_files() {
    let sets = [
        paths(&["api/**", "lib/one"]),
        paths(&["*/x", "a/b/**"]),
        paths(&["**/x"]),
        paths(&["a*/**"]),
        paths(&["{a,b/c}/**", "a/b/c/d"]),
        paths(&["**"]),
        paths(&["a/**/x"]),
        paths(&[r"a/\[id\]/**", r"\[id\]/*/c"]),
    ];
    let parts = ["a", "b", "api", "lib", "one", "x", "c", "[id]"];
    for set in &sets {
        for folder in parts
            .iter()
            .flat_map(|one| parts.iter().map(move |two| format!("{one}/{two}")))
        {
            let beneath = parts.map(|name| format!("{folder}/{name}"));
            let some = beneath.iter().any(|path| set.matches(path.as_bytes()));
            let every = beneath.iter().all(|path| set.matches(path.as_bytes()));
            for up in [folder.as_str(), folder.split_once('/').unwrap().0] {
                match set.coverage(up.as_bytes()) {
                    Coverage::Whole => assert!(every, "{set:?} {up}"),
                    Coverage::Nothing => assert!(!some, "{set:?} {up}"),
                    Coverage::Descend => {}
                }
            }
        }
    }
    let set = paths(&["api/v1/**"]);
    let covers = ["", "api", "api/v1", "api/v1/x", "api/v2", "ap"]
        .map(|folder| set.coverage(folder.as_bytes()));
    let (whole, nothing, descend) = (Coverage::Whole, Coverage::Nothing, Coverage::Descend);
    assert_eq!(covers, [descend, descend, whole, whole, nothing, nothing]);
}

/// The folder in which a component's commands run depends on its first pattern only.
#[test]
fn base_dirs() {
    for (pattern, base_dir) in [
        ("infra/network/**", "infra/network"),
        ("api", "api"),
        ("api/", "api"),
        ("**", ""),
        ("a/b*/c", "a"),
        (r"app/\[id\]/**", "app/[id]"),
        (r"app/\[id\]/*/x", "app/[id]"),
        ("*.tf", ""),
    ] {
        assert_eq!(
            paths(&[pattern, "other/**"]).base_dir(),
            base_dir,
            "{pattern}"
        );
    }
}

/// No pattern reaches outside the repository or is misleading.
#[test]
fn bad_patterns() {
    for bad in [
        "",
        "/a",
        "../a",
        "a/../b",
        "./a",
        "a//b",
        "a\\b",
        "a\\",
        "a/\\\\*",
        "!a",
        "a\0b",
        "a[",
        "a{b",
        "a\u{202e}b",
        "/",
        "a//",
        "a*/",
    ] {
        assert!(
            matches!(Paths::new([bad]), Err(PathsError::Pattern { .. })),
            "{bad:?}"
        );
    }
    assert_eq!(Paths::new([]).unwrap_err(), PathsError::Empty);
}

/// The pattern for a folder that is literally named `[id]`.
#[test]
fn quoted_brackets() {
    for (pattern, quoted) in [
        ("app/[id]/**", Some(r"app/\[id\]/**")),
        ("[...slug]", Some(r"\[...slug\]")),
        (r"app/\[id\]/**", None),
        ("app/*", None),
    ] {
        assert_eq!(quote_brackets(pattern).as_deref(), quoted, "{pattern}");
    }
}
