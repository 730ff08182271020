//! Tests of the next version. Many rows are situations from public reports about release tools.

use super::*;
use crate::domain::rules::testing::{commit, parse};

/// Returns the newest versions of tags with these names, without a `v` before the version.
fn newest(scheme: VersionScheme, tags: &[&str]) -> NewestVersions {
    let tags = tags.iter().map(|tag| TaggedVersion {
        tag: (*tag).to_owned(),
        version: tag.strip_prefix('v').unwrap_or(tag).to_owned(),
        commit: commit(1),
    });
    let all = |_: &TaggedVersion| Ok::<_, std::convert::Infallible>(true);
    NewestVersions::select(scheme, tags.collect(), all).unwrap()
}

/// Returns the counts of these messages.
fn counts(messages: &[&str]) -> ChangeCounts {
    let mut counts = ChangeCounts::default();
    for message in messages {
        counts.add(message);
    }
    counts
}

/// The next semantic version, for the tags so far and the messages of the commits since the last
/// release.
#[test]
fn semantic_versions() {
    for (what, tags, messages, next) in [
        ("the first version", &[][..], &["feat: begin"][..], "0.1.0"),
        ("a fix", &["v1.4.2"], &["fix: one"], "1.4.3"),
        (
            "a feature",
            &["v1.4.2"],
            &["fix: one", "feat(api): two"],
            "1.5.0",
        ),
        ("a mark", &["v1.4.2"], &["feat!: one"], "2.0.0"),
        (
            "a footer",
            &["v1.4.2"],
            &["fix: one\n\nBREAKING CHANGE: two"],
            "2.0.0",
        ),
        (
            "not conventional",
            &["v1.4.2"],
            &["Merge branch 'x'", "Feature: no"],
            "1.4.3",
        ),
        ("before 1.0.0", &["v0.4.2"], &["feat!: one"], "0.5.0"),
        (
            "by number, not by letter",
            &["v1.9.0", "v1.10.0"],
            &["fix: one"],
            "1.10.1",
        ),
        // A tag for users of an action, beside the real ones.
        (
            "a tag v1",
            &["v1", "v1.2", "v1.2.0"],
            &["fix: one"],
            "1.2.1",
        ),
        (
            "foreign tags",
            &["vendor", "vnext", "v1.2.0"],
            &["fix: one"],
            "1.2.1",
        ),
        // Two tags on one commit: the higher counts, not the one that was found first.
        (
            "several on one commit",
            &["v1.4.1", "v1.4.0"],
            &["fix: one"],
            "1.4.2",
        ),
        // The commits since 1.1.0 have a feature, those since the pre-release only a fix.
        (
            "a pre-release",
            &["v1.1.0", "v1.2.0-dev.0"],
            &["fix: b", "feat: a"],
            "1.2.0",
        ),
        (
            "a higher pre-release",
            &["v0.21.1", "v1.0.1-RC.1"],
            &["feat: a"],
            "1.0.1",
        ),
        (
            "a pre-release that is out",
            &["v2.7.0-rc.3", "v2.7.0"],
            &["feat: a"],
            "2.8.0",
        ),
        (
            "more than the pre-release",
            &["v1.1.0", "v1.1.1-rc.1"],
            &["feat!: a"],
            "2.0.0",
        ),
        ("only a pre-release", &["v1.0.0-rc.1"], &["fix: a"], "1.0.0"),
        ("build metadata", &["v1.0.0+b1"], &["fix: a"], "1.0.1"),
    ] {
        let newest = newest(VersionScheme::Semver, tags);
        let bump = newest.choose_bump(counts(messages));
        assert_eq!(newest.bump(bump), next, "{what}");
    }
    let newest = newest(VersionScheme::Semver, &["v0.4.2"]);
    let all = [Bump::Major, Bump::Minor, Bump::Patch].map(|bump| newest.bump(bump));
    assert_eq!(all, ["1.0.0", "0.5.0", "0.4.3"]);
}

/// The next calendar version on 5 March 2026.
#[test]
fn calendar_versions() {
    let now = parse("2026-03-05T10:00:00Z");
    for (what, tags, next) in [
        ("the first version", &[][..], Some("2026.3.0")),
        ("the same month", &["v2026.3.0"], Some("2026.3.1")),
        ("another month", &["v2026.2.17"], Some("2026.3.0")),
        // A library for semantic versions takes these for none, and begins again.
        ("leading zeros", &["v2026.03.1"], Some("2026.03.2")),
        (
            "leading zeros, another month",
            &["v2025.01.0", "v2025.11.4"],
            Some("2026.03.0"),
        ),
        ("by number", &["v2026.3.9", "v2026.3.10"], Some("2026.3.11")),
        ("a short year", &["v25.12.3"], Some("26.3.0")),
        ("two numbers", &["v26.02"], Some("26.03")),
        ("two numbers, the same month", &["v26.03"], Some("26.03.1")),
        ("four numbers", &["v2026.3.5.1"], Some("2026.3.5.2")),
        (
            "four numbers, another day",
            &["v2026.3.4.7"],
            Some("2026.3.5.0"),
        ),
        (
            "a pre-release",
            &["v2026.3.1", "v2026.3.2-beta.1"],
            Some("2026.3.2"),
        ),
        (
            "tags of no calendar",
            &["v1", "vnext", "v2026.3.0"],
            Some("2026.3.1"),
        ),
        ("a version of the future", &["v2026.4.0"], None),
    ] {
        let newest = newest(VersionScheme::Calver, tags);
        assert_eq!(newest.next_calendar_version(now).as_deref(), next, "{what}");
    }
}
