//! The files of a component: globs over paths, and how much of a folder they cover.
//!
//! A path is bytes as in git: relative, with parts separated by `/`. A pattern without a glob
//! character is a file, or a folder with everything below it. `*` and `?` do not match a `/`, `**`
//! does.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// Checks whether a file, given its path, decides how git checks out the files beside and below it.
///
/// Such a file belongs to every component that owns one of those files. It alone does not make a
/// component present in a commit.
pub fn affects_checkout(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next();
    matches!(name, Some(b".gitattributes" | b".gitmodules"))
}

/// How much of a folder belongs to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of it: its tree can be taken as it is.
    Whole,
    /// Nothing.
    Nothing,
    /// Perhaps some of it: look inside.
    Descend,
}

/// How something that is not a folder belongs to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOwnership {
    /// The component owns it.
    Owned,
    /// It belongs to every component, but does not make one present in a commit.
    Shared,
    /// It belongs to the component if a file beside it or in a folder beside it does.
    WithNeighbours,
    /// It does not belong to the component.
    Outside,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// There is no pattern.
    #[error(
        "the list is empty, so the component would have no files; leave the key out for the whole tree"
    )]
    Empty,
    /// A pattern is absolute, leaves the repository, or is invalid for another reason.
    #[error("{pattern:?} is not a path inside the repository: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// The patterns are too many or too large together.
    #[error("the patterns are too many to be matched: {0}")]
    Set(String),
}

/// The patterns of one component.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The patterns, as the policy writes them.
    patterns: Vec<String>,
    /// Literal files and folders, and the folders before `/**`: the component owns everything below
    /// them.
    prefixes: Vec<Box<[u8]>>,
    /// For each other pattern, the folder before its first glob character. It matches nothing
    /// outside of that folder.
    stems: Vec<Box<[u8]>>,
    /// Whether a pattern is `**`, which matches everything.
    matches_all: bool,
    globs: GlobSet,
    /// The folders on the way to what a pattern with a glob character matches, as far as no `**`
    /// stands in between.
    ways: GlobSet,
}

impl PartialEq for Paths {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Paths {}

impl Paths {
    /// Compiles patterns.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, PathsError> {
        let mut paths = Self {
            patterns: Vec::new(),
            prefixes: Vec::new(),
            stems: Vec::new(),
            matches_all: false,
            globs: GlobSet::empty(),
            ways: GlobSet::empty(),
        };
        let (mut globs, mut ways) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let error = |why: String| PathsError::Pattern {
                pattern: pattern.to_owned(),
                why,
            };
            if let Some(why) = pattern_problem(pattern) {
                return Err(error(why.to_owned()));
            }
            paths.patterns.push(pattern.to_owned());
            let trimmed = pattern.strip_suffix('/').unwrap_or(pattern);
            let folder = trimmed.strip_suffix("/**").unwrap_or(trimmed);
            if trimmed == "**" {
                paths.matches_all = true;
            } else if !has_glob(folder) && (folder == trimmed || !folder.is_empty()) {
                // `x` also matches a file `x`, and `x/**` does not: only `x` needs a glob.
                paths.prefixes.push(folder.as_bytes().into());
                if folder == trimmed {
                    globs.add(compile_glob(trimmed).map_err(error)?);
                }
            } else {
                globs.add(compile_glob(trimmed).map_err(error)?);
                let stem: Vec<&str> = trimmed
                    .split('/')
                    .take_while(|part| !has_glob(part))
                    .collect();
                paths.stems.push(stem.join("/").as_bytes().into());
                for way in folders_on_the_way(trimmed) {
                    ways.add(way);
                }
            }
        }
        if paths.patterns.is_empty() {
            return Err(PathsError::Empty);
        }
        let build = |set: &GlobSetBuilder| {
            set.build()
                .map_err(|error| PathsError::Set(error.to_string()))
        };
        (paths.globs, paths.ways) = (build(&globs)?, build(&ways)?);
        Ok(paths)
    }

    /// Returns the patterns as the policy writes them.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Returns the path before the first glob character of the first pattern: the component's
    /// folder, or a file.
    pub fn base_dir(&self) -> &str {
        let first = self.patterns.first().map_or("", String::as_str);
        let literal = first
            .split('/')
            .take_while(|part| !part.is_empty() && !has_glob(part));
        // Count each part with its slash, except for the last slash.
        let length = literal
            .map(|part| part.len() + 1)
            .sum::<usize>()
            .saturating_sub(1);
        first.get(..length).unwrap_or_default()
    }

    /// Checks whether the component owns everything.
    pub(super) fn is_all(&self) -> bool {
        self.matches_all
    }

    /// Returns the literal files and folders below which the component owns everything.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &[u8]> {
        self.prefixes.iter().map(|prefix| &**prefix)
    }

    /// Returns the folders outside of which no other pattern matches.
    pub(super) fn stems(&self) -> impl Iterator<Item = &[u8]> {
        self.stems.iter().map(|stem| &**stem)
    }

    /// Checks whether a file, symbolic link or submodule at this path belongs to the component.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.matches_all
            || self
                .prefixes
                .iter()
                .any(|prefix| path != &**prefix && is_at_or_under(path, prefix))
            || self.globs.is_match_candidate(&Candidate::from_bytes(path))
    }

    /// Checks whether something that is not a folder stands where a pattern leads through a folder.
    ///
    /// It belongs to the component, too: it decides what a program finds at the pattern's paths. At
    /// a place that a glob character matches only links count, because a program can follow them,
    /// and ordinary files are often neighbours of such folders.
    pub fn blocks(&self, path: &[u8], is_link: bool) -> bool {
        let mut goals = self.prefixes().chain(self.stems());
        !path.is_empty()
            && (goals.any(|goal| is_at_or_under(goal, path))
                || is_link && self.ways.is_match_candidate(&Candidate::from_bytes(path)))
    }

    /// Returns how much of a folder belongs to the component. The root is the empty path.
    pub fn coverage(&self, folder: &[u8]) -> Coverage {
        if self.matches_all
            || self
                .prefixes
                .iter()
                .any(|prefix| is_at_or_under(folder, prefix))
        {
            return Coverage::Whole;
        }
        let leads_to = |goal: &[u8]| is_at_or_under(goal, folder);
        let inside = self.prefixes.iter().any(|prefix| leads_to(prefix))
            || self
                .stems
                .iter()
                .any(|stem| leads_to(stem) || is_at_or_under(folder, stem));
        if inside {
            Coverage::Descend
        } else {
            Coverage::Nothing
        }
    }
}

/// Checks whether `path` is `folder` or lies below it. Everything lies below the root.
fn is_at_or_under(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// Returns globs for the folders above what a pattern matches, up to the first part with `**`.
///
/// A part that does not compile alone holds half of a group such as `{a,b/c}`: the folders below it
/// stay unknown.
fn folders_on_the_way(pattern: &str) -> Vec<globset::Glob> {
    let ends = pattern.match_indices('/').map(|(end, _)| end);
    let above = ends.filter_map(|end| pattern.get(..end));
    above
        .take_while(|folder| !folder.contains("**"))
        .filter_map(|folder| compile_glob(folder).ok())
        .collect()
}

fn has_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}'])
}

fn compile_glob(pattern: &str) -> Result<globset::Glob, String> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| error.kind().to_string())
}

/// Returns what is wrong with a pattern; `None` if it is fine.
fn pattern_problem(pattern: &str) -> Option<&'static str> {
    let body = pattern.strip_suffix('/').unwrap_or(pattern);
    if pattern.is_empty() || pattern.len() > 4_096 {
        Some("it must have 1 to 4,096 bytes")
    } else if pattern.starts_with('/') {
        Some("it must not begin with '/': paths start at the root of the repository anyway")
    } else if pattern.contains('\\') {
        Some("parts are separated by '/', and a special character is quoted as in [*]")
    } else if pattern
        .chars()
        .any(|character| !crate::domain::text::is_plain(character))
    {
        Some("it contains a character that is not plain text; match it with '?' or '*'")
    } else if pattern.starts_with('!') {
        Some("a pattern cannot exclude files; list the files that belong to the component")
    } else if body != pattern && has_glob(body) && !body.ends_with("**") {
        Some("it matches folders but no files in them; end it with '/**'")
    } else if body
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        Some("none of its parts may be empty, '.' or '..'")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(patterns: &[&str]) -> Paths {
        Paths::new(patterns.iter().copied()).unwrap()
    }

    /// The files of a component decide what is gated and what is deployed with it.
    #[test]
    fn files() {
        let yes: [(&str, &[u8]); 11] = [
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
        let no: [(&str, &[u8]); 8] = [
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
        ];
        let parts = ["a", "b", "api", "lib", "one", "x", "c"];
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
}
