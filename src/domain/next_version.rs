//! The version that follows the current one of a component.

use std::cmp::Ordering;

use super::id::CommitId;
use super::policy::{VersionScheme, compare_versions, read_version_numbers};
use super::time::Time;

/// A tag that gives a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedVersion {
    /// The short name of the tag.
    pub tag: String,
    /// The version in it.
    pub version: String,
    /// The commit that it marks.
    pub commit: CommitId,
}

/// The newest versions of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewestVersions {
    /// The highest version, which may be a pre-release.
    pub highest: Option<TaggedVersion>,
    /// The highest version that is no pre-release.
    pub release: Option<TaggedVersion>,
    /// Whether a month was written with a leading zero.
    has_leading_zero: bool,
}

/// What increases from one version to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    /// The third number.
    Patch,
    /// The second number.
    Minor,
    /// The first number.
    Major,
}

/// How many commits make which kind of change, by their conventional messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Those that break something.
    pub breaking: usize,
    /// Those of the type `feat`.
    pub features: usize,
    /// Those of the type `fix`.
    pub fixes: usize,
    /// All others.
    pub others: usize,
}

impl NewestVersions {
    /// Selects the newest versions among a component's tags. Tags that are no version of the scheme,
    /// such as `v1` beside `v1.2.0`, do not count. Of equal versions, the last by the tag's name does.
    ///
    /// `counts` returns whether a tag is in the history in question. It is called for the highest
    /// versions only.
    pub fn select<E>(
        scheme: VersionScheme,
        mut tags: Vec<TaggedVersion>,
        counts: impl Fn(&TaggedVersion) -> Result<bool, E>,
    ) -> Result<Self, E> {
        tags.retain(|it| read_version_numbers(scheme, &it.version).is_some());
        tags.sort_by(|one, other| {
            let by_version = compare_versions(scheme, &other.version, &one.version);
            by_version
                .unwrap_or(Ordering::Equal)
                .then_with(|| one.tag.cmp(&other.tag))
        });
        let is_release = |it: &TaggedVersion| {
            read_version_numbers(scheme, &it.version).is_some_and(|read| !read.is_prerelease)
        };
        let (mut highest, mut release) = (None, None);
        for tag in tags.iter().rev() {
            if (highest.is_none() || is_release(tag)) && counts(tag)? {
                highest.get_or_insert_with(|| tag.clone());
                release = is_release(tag).then(|| tag.clone());
            }
            if release.is_some() {
                break;
            }
        }
        let has_leading_zero = |it: &TaggedVersion| {
            let month = it.version.split('.').nth(1);
            month.is_some_and(|month| month.len() == 2 && month.starts_with('0'))
        };
        Ok(Self {
            highest,
            release,
            has_leading_zero: tags.iter().any(has_leading_zero),
        })
    }

    /// Returns the next semantic version after the last release. If a pre-release of a higher version
    /// exists, returns at least that version.
    pub fn bump(&self, bump: Bump) -> String {
        let numbers = |it: &Option<TaggedVersion>| -> [u64; 3] {
            let read = it
                .as_ref()
                .and_then(|it| read_version_numbers(VersionScheme::Semver, &it.version));
            let numbers = read.map(|it| it.numbers).unwrap_or_default();
            std::array::from_fn(|index| numbers.get(index).copied().unwrap_or_default())
        };
        let [major, minor, patch] = numbers(&self.release);
        let next = match bump {
            Bump::Major => [major.saturating_add(1), 0, 0],
            Bump::Minor => [major, minor.saturating_add(1), 0],
            Bump::Patch => [major, minor, patch.saturating_add(1)],
        };
        let [major, minor, patch] = if self.highest == self.release {
            next
        } else {
            next.max(numbers(&self.highest))
        };
        let is_prefixed = |it: &TaggedVersion| it.version.starts_with('v');
        let prefix = if self.highest.as_ref().is_some_and(is_prefixed) {
            "v"
        } else {
            ""
        };
        format!("{prefix}{major}.{minor}.{patch}")
    }

    /// Returns what increases for these changes. Before version 1.0.0, a change that breaks something
    /// increases the second number.
    pub fn choose_bump(&self, changes: ChangeCounts) -> Bump {
        let is_stable = self.release.as_ref().is_some_and(|it| {
            let read = read_version_numbers(VersionScheme::Semver, &it.version);
            read.is_some_and(|read| read.numbers.first() != Some(&0))
        });
        match changes {
            _ if self.release.is_none() => Bump::Minor,
            ChangeCounts { breaking: 1.., .. } if is_stable => Bump::Major,
            ChangeCounts { breaking: 1.., .. } | ChangeCounts { features: 1.., .. } => Bump::Minor,
            _ => Bump::Patch,
        }
    }

    /// Returns the next calendar version: the year and the month of `now`, and a number that counts
    /// the versions of the month, if there was one before. With four numbers, the third is the day.
    ///
    /// The year has two digits and the month a leading zero if earlier versions have them. Returns
    /// `None` if the highest version is later than `now`.
    pub fn next_calendar_version(&self, now: Time) -> Option<String> {
        use chrono::Datelike as _;
        let date = now.to_chrono();
        let highest = self.highest.as_ref();
        let read = highest.and_then(|it| read_version_numbers(VersionScheme::Calver, &it.version));
        let numbers = read
            .as_ref()
            .map(|it| it.numbers.as_slice())
            .unwrap_or_default();
        let is_short = numbers.first().is_some_and(|year| *year < 100);
        let year = u64::from(date.year().unsigned_abs());
        let year = if is_short { year % 100 } else { year };
        let mut today = vec![year, u64::from(date.month())];
        if numbers.len() == 4 {
            today.push(u64::from(date.day()));
        }
        // A pre-release of today's version leads to that version.
        let is_prerelease = read.as_ref().is_some_and(|it| it.is_prerelease);
        let count = match numbers.strip_prefix(today.as_slice()) {
            Some([]) if is_prerelease => None,
            Some([]) => Some(1),
            Some([count, ..]) => Some(count.saturating_add(u64::from(!is_prerelease))),
            None if numbers.len() > 2 || numbers.is_empty() => Some(0),
            None => None,
        };
        let write = |(index, number): (usize, &u64)| {
            if self.has_leading_zero && (1..today.len()).contains(&index) {
                format!("{number:02}")
            } else {
                number.to_string()
            }
        };
        let mut parts: Vec<String> = today.iter().enumerate().map(write).collect();
        parts.extend(count.map(|count| count.to_string()));
        let next = parts.join(".");
        let is_higher = highest.is_none_or(|highest| {
            compare_versions(VersionScheme::Calver, &highest.version, &next)
                == Ok(Ordering::Greater)
        });
        is_higher.then_some(next)
    }
}

impl ChangeCounts {
    /// Counts a commit by its message, as <https://www.conventionalcommits.org> describes it.
    pub fn add(&mut self, message: &str) {
        let Ok(commit) = git_conventional::Commit::parse(message.trim()) else {
            self.others += 1;
            return;
        };
        let count = if commit.breaking() {
            &mut self.breaking
        } else if commit.type_() == git_conventional::Type::FEAT {
            &mut self.features
        } else if commit.type_() == git_conventional::Type::FIX {
            &mut self.fixes
        } else {
            &mut self.others
        };
        *count += 1;
    }

    /// Returns the number of commits.
    pub fn total(self) -> usize {
        self.breaking + self.features + self.fixes + self.others
    }
}

#[cfg(test)]
mod tests;
