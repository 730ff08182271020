//! `version`: where the version of a commit comes from, and which of two versions is higher.
//!
//! This module only parses and compares; the caller reads the file or the tag.

use std::cmp::Ordering;

use super::placeholder::Placeholder;
use super::shell_command::ShellCommand;
use super::table::{TextForm, ValueForm};
use super::table_macros::{policy_table, policy_words};
use super::template::Template;
use crate::domain::name::ComponentName;

const VERSION_SOURCE: TextForm = TextForm::new("source", "^(file|tag|command):.");

policy_table! {
    /// `version`: where an environment reads versions, and how it compares them.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct VersionRule, read with (key, _context: ());

    keys {
        /// Where the version of a commit comes from. `file:VERSION`: the first line of a file of
        /// the commit. `tag:{component}/v*`: the part of a tag on the commit that the star matches.
        /// Of several tags, the one with the highest version counts; `git deploy version` shows the
        /// next one. A tag that is no version of the
        /// `scheme`, such as `v1` beside `v1.4.2`, counts only if none is; of equal ones, the last by
        /// name.
        /// `command:…`: the version that a command prints; git-deploy does not run the command, and
        /// compares the version that the deployment states.
        pub from: VersionSource {
            form: ValueForm::Text(&VERSION_SOURCE),
            example: "\"tag:{component}/v*\"",
            required: key.parse_with(VersionSource::new),
        }
        /// Require a version that is higher than the running one.
        pub require_bump: bool {
            form: ValueForm::Flag,
            example: "true",
            default: "`false`",
            read: key.flag().unwrap_or(false),
        }
        /// How two versions are compared.
        pub scheme: VersionScheme {
            form: ValueForm::Words(VersionScheme::NAMES),
            example: "\"calver\"",
            default: "`\"semver\"`",
            read: key.word().unwrap_or(VersionScheme::Semver),
        }
    }
}

/// Where a version comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSource {
    /// `file:VERSION`: the first line of a file of the commit; `{component}` stands for the
    /// component's name.
    File(Template),
    /// `tag:{component}/v*`: the part of a tag on the commit that the star matches.
    Tag(VersionTagPattern),
    /// `command:…`: what a command prints. git-deploy does not run it; it compares the versions
    /// that deployments state.
    Command(ShellCommand),
}

impl VersionSource {
    /// Parses `file:…`, `tag:…` or `command:…`.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "file"
                if rest.starts_with('/')
                    || rest.split('/').any(|part| matches!(part, "" | "." | "..")) =>
            {
                Err(format!(
                    "{rest:?} is not the path of a file in the repository"
                ))
            }
            "file" => Template::new(rest, &[Placeholder::Component]).map(Self::File),
            "tag" => VersionTagPattern::new(rest).map(Self::Tag),
            "command" => rest.parse().map(Self::Command),
            _ => Err(format!(
                "{text:?} begins with none of file:, tag: and command:"
            )),
        }
    }
}

/// A pattern of tags, in which one star stands for the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTagPattern {
    pattern: Box<str>,
}

impl VersionTagPattern {
    fn new(text: &str) -> Result<Self, String> {
        if text.matches('*').count() != 1 {
            return Err(format!(
                "{text:?} must have one '*', which stands for the version, as in v*"
            ));
        }
        let template = Template::new(text, &[Placeholder::Component])?;
        let sample = template
            .render(|_| Some("x".to_owned()))
            .unwrap_or_default()
            .replace('*', "1");
        match super::refname::refname_problem(&sample) {
            Some(problem) => Err(format!("{text:?} matches no valid tag: {problem}")),
            None => Ok(Self {
                pattern: text.into(),
            }),
        }
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Returns the version in the short name of a tag, if the tag has this form for the component.
    pub fn version_of<'t>(&self, component: &ComponentName, tag: &'t str) -> Option<&'t str> {
        let pattern = self.pattern.replace("{component}", component.as_str());
        let (before, after) = pattern.split_once('*')?;
        tag.strip_prefix(before)?
            .strip_suffix(after)
            .filter(|version| !version.is_empty() && !version.contains('/'))
    }
}

policy_words! {
    /// How two versions are compared.
    pub enum VersionScheme {
        /// <https://semver.org>, with or without a `v` before it. Build metadata does not count.
        Semver = "semver",
        /// Two to four numbers with dots, such as `2026.03.1`, and an optional `-modifier`. A
        /// version with a modifier is lower than the same version without.
        Calver = "calver",
    }
}

/// A version that its scheme does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{version:?} is not a {scheme} version such as {}", if *scheme == VersionScheme::Semver { "1.4.2" } else { "2026.03.1" })]
pub struct VersionError {
    /// The version.
    pub version: String,
    /// The scheme.
    pub scheme: VersionScheme,
}

/// Compares a new version with an old one: `Greater` means that it is higher.
pub fn compare_versions(
    scheme: VersionScheme,
    old: &str,
    new: &str,
) -> Result<Ordering, VersionError> {
    let error = |version: &str| VersionError {
        version: version.chars().take(80).collect(),
        scheme,
    };
    match scheme {
        VersionScheme::Semver => {
            let read = |text: &str| {
                text.strip_prefix('v')
                    .unwrap_or(text)
                    .parse::<semver::Version>()
                    .map_err(|_| error(text))
            };
            Ok(read(new)?.cmp_precedence(&read(old)?))
        }
        VersionScheme::Calver => {
            let read = |text: &str| Calver::read(text).ok_or_else(|| error(text));
            Ok(read(new)?.cmp(&read(old)?))
        }
    }
}

/// The numbers of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNumbers {
    /// The numbers, in order.
    pub numbers: Vec<u64>,
    /// Whether a word after them makes it lower than the version without it.
    pub is_prerelease: bool,
}

/// Reads the numbers of a version. Returns `None` if the text is no version of the scheme.
pub fn read_version_numbers(scheme: VersionScheme, text: &str) -> Option<VersionNumbers> {
    match scheme {
        VersionScheme::Semver => {
            let version: semver::Version = text.strip_prefix('v').unwrap_or(text).parse().ok()?;
            Some(VersionNumbers {
                numbers: vec![version.major, version.minor, version.patch],
                is_prerelease: !version.pre.is_empty(),
            })
        }
        VersionScheme::Calver => {
            let version = Calver::read(text)?;
            let written = text
                .split('-')
                .next()
                .unwrap_or_default()
                .split('.')
                .count();
            Some(VersionNumbers {
                numbers: version.numbers.into_iter().take(written).collect(),
                is_prerelease: !version.has_no_modifier,
            })
        }
    }
}

/// A calendar version. Two versions are compared by these fields, from top to bottom.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Calver {
    /// The numbers, with 0 for each missing one.
    numbers: [u64; 4],
    /// Whether there is no modifier: a version without a modifier is higher than one with it.
    has_no_modifier: bool,
    /// The modifier, empty if there is none.
    modifier: semver::Prerelease,
}

impl Calver {
    fn read(text: &str) -> Option<Self> {
        let (numbers, modifier) = text
            .split_once('-')
            .map_or((text, None), |(numbers, modifier)| {
                (numbers, Some(modifier))
            });
        let mut values = [0; 4];
        let parts: Vec<&str> = numbers.split('.').collect();
        if !(2..=4).contains(&parts.len()) {
            return None;
        }
        for (number, part) in values.iter_mut().zip(parts) {
            *number = part
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| part.parse().ok())
                .flatten()?;
        }
        let modifier = modifier.map(|text| {
            semver::Prerelease::new(text)
                .ok()
                .filter(|read| !read.is_empty())
        });
        Some(Self {
            numbers: values,
            has_no_modifier: modifier.is_none(),
            modifier: modifier.unwrap_or(Some(semver::Prerelease::EMPTY))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order decides whether a deployment counts as a bump: by number, never by letter.
    #[test]
    fn order() {
        let rising = [
            (VersionScheme::Semver, "1.9.0", "1.10.0"),
            (VersionScheme::Semver, "v1.0.0-rc.1", "1.0.0"),
            (VersionScheme::Semver, "1.0.0-rc.2", "1.0.0-rc.10"),
            (VersionScheme::Calver, "2026.9", "2026.10"),
            (VersionScheme::Calver, "2026.03", "2026.03.1"),
            (VersionScheme::Calver, "2026.03.1-beta", "2026.03.1"),
            (VersionScheme::Calver, "21.1.0-beta.2", "21.1.0-beta.10"),
        ];
        for (scheme, old, new) in rising {
            assert_eq!(
                compare_versions(scheme, old, new),
                Ok(Ordering::Greater),
                "{old} {new}"
            );
            assert_eq!(
                compare_versions(scheme, new, old),
                Ok(Ordering::Less),
                "{old} {new}"
            );
        }
        assert_eq!(
            compare_versions(VersionScheme::Semver, "1.0.0+a", "1.0.0+b"),
            Ok(Ordering::Equal)
        );
        assert_eq!(
            compare_versions(VersionScheme::Calver, "2026.3", "2026.03.0"),
            Ok(Ordering::Equal)
        );
        for (scheme, bad) in [
            (VersionScheme::Semver, "1.0"),
            (VersionScheme::Semver, ""),
            (VersionScheme::Calver, "2026"),
            (VersionScheme::Calver, "2026.x"),
            (VersionScheme::Calver, "2026.+3"),
            (VersionScheme::Calver, "2026."),
            (VersionScheme::Calver, "2026.1-"),
        ] {
            assert!(compare_versions(scheme, bad, bad).is_err(), "{bad}");
        }
    }

    /// A version is read from the component's own tags only.
    #[test]
    fn sources() {
        let VersionSource::Tag(tag) = VersionSource::new("tag:{component}/v*").unwrap() else {
            panic!("no tag")
        };
        let (api, web) = ("api".parse().unwrap(), "web".parse().unwrap());
        assert_eq!(tag.version_of(&api, "api/v1.2.3"), Some("1.2.3"));
        assert_eq!(tag.version_of(&web, "api/v1.2.3"), None);
        assert_eq!(tag.version_of(&api, "api/v"), None);
        for good in [
            "file:VERSION",
            "file:{component}/VERSION",
            "command:git describe",
            "tag:v*",
        ] {
            assert!(VersionSource::new(good).is_ok(), "{good}");
        }
        for bad in [
            "VERSION",
            "file:",
            "file:/etc/passwd",
            "file:../x",
            "file:{env}",
            "tag:v",
            "tag:*/*",
            "tag:a b*",
            "command:",
            "url:x",
        ] {
            assert!(VersionSource::new(bad).is_err(), "{bad}");
        }
    }
}
