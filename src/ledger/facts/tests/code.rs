//! Facts from the code: authors, versions and the branch's tip.

use super::*;

/// The authors of all newly deployed commits are listed, but not those of commits that already run.
/// If the component does not run yet, the new commit's own author is listed, so that the author
/// cannot approve it alone.
#[test]
fn authors() {
    let mut world = World::new("[environments]\nprod = { approvals = 1 }\n");
    let one = world.commit(&[("a", "1")], &[], "Old <old@example.com>", "one");
    let first = world
        .facts_of("prod", DeploymentKind::Deploy, "catalogue", one)
        .authors
        .unwrap()
        .unwrap();
    assert!(
        first.contains_key("old@example.com") && !first.contains_key("ann@example.com"),
        "{first:?}"
    );
    world.deploy("prod", "catalogue", one, Outcome::Succeeded);
    let body = "two\n\nco-Authored-BY : Bob <x> <BOB@Example.com>\n\nCo-authored-by: carol@example.com\n\nnot the last";
    let two = world.commit(&[("a", "2")], &[one], "A < Ann@Example.com >", body);
    let three = world.commit(&[("a", "3")], &[two], "Dan <dan@example.com>", "three");
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    let all: Vec<String> = facts.authors.unwrap().unwrap().into_keys().collect();
    assert_eq!(
        all,
        [
            "ann@example.com",
            "bob@example.com",
            "carol@example.com",
            "dan@example.com",
            "x"
        ]
    );

    let mut change = world.change("prod", "catalogue", three);
    let statement = world.statement(
        "prod",
        start_of(deployment(DeploymentKind::Deploy, vec![change.clone()])),
    );
    assert!(
        world
            .facts(&world.gatherer().limited(9, 1), &statement)
            .authors
            .unwrap()
            .is_err()
    );
    change.from = Some(missing_commit());
    let statement = world.statement(
        "prod",
        start_of(deployment(DeploymentKind::Deploy, vec![change])),
    );
    let facts = world.facts(&world.gatherer(), &statement);
    assert!(facts.authors.unwrap().is_err() && facts.commits[&missing_commit()].is_err());
}

/// Only commits that touch a component count as authored. They are compared with each parent, so that
/// a merge that restores old content counts. If the component does not run yet, the commit that
/// introduced its content counts, regardless of the authors of later commits.
#[test]
fn authors_of_other_components_do_not_count() {
    let mut world = World::new(
        "[environments]\nprod = { approvals = 1 }\nqa = { approvals = 1 }\n[components]\na = { paths = \"a/**\" }\nb = { paths = \"b/**\" }\n",
    );
    let mut commit = |a: &str, b: &str, other: &str, parents: &[CommitId], by: &str| {
        let files = [("a/x", a), ("b/x", b), ("deploy.toml", other)];
        world.commit(&files, parents, &format!("{by} <{by}@example.com>"), by)
    };
    let one = commit("1", "1", "1", &[], "ann");
    let only_b = commit("1", "2", "1", &[one], "bob");
    let policy = commit("1", "2", "2", &[only_b], "carol");
    let only_a = commit("2", "2", "2", &[policy], "dan");
    let later = commit("2", "2", "3", &[only_a], "erin");
    let back = commit("1", "2", "3", &[one, later], "frank");
    let branch = commit("1", "3", "1", &[one], "gina");
    let merge = commit("2", "3", "3", &[later, branch], "hugo");
    for name in ["a", "b"] {
        world.deploy("prod", name, one, Outcome::Succeeded);
    }
    for (env, component, commit, expected) in [
        ("prod", "a", policy, vec![]),
        ("prod", "b", policy, vec!["bob"]),
        ("prod", "a", later, vec!["dan"]),
        ("prod", "b", later, vec!["bob"]),
        ("prod", "a", back, vec!["dan", "frank"]),
        ("prod", "b", merge, vec!["bob", "gina", "hugo"]),
        ("qa", "a", policy, vec!["ann"]),
        ("qa", "b", policy, vec!["bob"]),
        ("qa", "a", later, vec!["dan"]),
    ] {
        let facts = world.facts_of(env, DeploymentKind::Deploy, component, commit);
        let authors = facts.authors.unwrap().unwrap().into_keys();
        let authors: Vec<String> = authors
            .map(|address| address.replace("@example.com", ""))
            .collect();
        assert_eq!(authors, expected, "{env} {component} {commit}");
    }
    // What runs is the newer content: the merge that takes it back is the only change.
    world.deploy("prod", "a", later, Outcome::Succeeded);
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "a", back);
    let authors = facts.authors.unwrap().unwrap();
    assert_eq!(authors["frank@example.com"].commit, back);
    assert_eq!(authors.len(), 1);
}

/// The names and addresses in one commit are bounded, wherever they are: a set of short addresses
/// takes many times the memory of the commit. Any other text does not count.
#[test]
fn people_of_a_commit_are_bounded() {
    let line = |number: usize| format!("co-authored-by:<{number}@x>\n");
    let lines = |count: usize| (0..count).map(line).collect::<String>();
    let long = "x".repeat(300 << 10);
    let ann = "Ann <ann@example.com>";
    let table = [
        ("many co-authors", ann.to_owned(), lines(40_000), false),
        (
            "one long co-author",
            ann.to_owned(),
            format!("co-authored-by: <{long}>"),
            false,
        ),
        (
            "a long author",
            format!("{long} <ann@example.com>"),
            String::new(),
            false,
        ),
        ("some co-authors", ann.to_owned(), lines(5_000), true),
        ("a long message", ann.to_owned(), long.clone(), true),
    ];
    for (name, author, body, is_known) in table {
        let mut world = World::new("[environments]\nprod = { approvals = 1 }\n");
        let commit = world.commit(&[("a", "1")], &[], &author, &body);
        let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", commit);
        let authors = facts.authors.unwrap();
        assert_eq!(authors.is_ok(), is_known, "{name}: {authors:?}");
        if let Err(reason) = authors {
            assert!(reason.contains("over the limit"), "{name}: {reason}");
        }
    }
}

/// The version is that of the component at the deployed commit.
#[test]
fn versions() {
    let mut world = World::new(
        "[environments]\nprod = { version = { from = \"file:v/VERSION\" } }\ndev = { version = { from = \"tag:{component}/v*\" } }\n",
    );
    let one = world.code("v/VERSION", " 1.2.3 \nmore", &[]);
    let two = world.code("v/VERSION/x", "", &[]);
    let three = world.code("v/VERSION", &"9".repeat(2_000), &[]);
    let name = || parse::<ComponentName>("catalogue");
    for (tag, commit) in [
        ("catalogue/v1.9.0", one),
        ("catalogue/v1.10.0", one),
        ("other/v7.0.0", one),
    ] {
        world
            .repository
            .compare_and_swap(&format!("refs/tags/{tag}"), None, commit.0, "")
            .unwrap();
    }
    let mut version = |ledger, commit| {
        world
            .facts_of(ledger, DeploymentKind::Deploy, "catalogue", commit)
            .versions[&(commit, name())]
            .clone()
    };
    assert_eq!(version("prod", one), Ok(Some(parse("1.2.3"))));
    assert_eq!(version("prod", two), Ok(None));
    assert!(version("prod", three).is_err());
    assert_eq!(version("dev", one), Ok(Some(parse("1.10.0"))));
    assert_eq!(version("dev", two), Ok(None));
}

/// Of several tags on a commit, the highest version counts; a tag that is no version only if none
/// is; of equal ones, the last by name.
#[test]
fn several_version_tags() {
    for (scheme, tags, wanted) in [
        (
            "semver",
            &["v1", "v1.9.0", "v1.10.0", "vlatest"][..],
            "1.10.0",
        ),
        ("semver", &["v2.0.0-rc.1", "v2.0.0", "v2"], "2.0.0"),
        ("semver", &["vlatest", "v0.1.0"], "0.1.0"),
        ("semver", &["v1.0.0+b", "v1.0.0+a", "vnext"], "1.0.0+b"),
        ("semver", &["vnext", "vlatest"], "next"),
        ("semver", &["vnext"], "next"),
        ("calver", &["v2026", "v2026.9", "v2026.10", "vx"], "2026.10"),
    ] {
        let mut world = World::new(&format!(
            "[environments]\ndev = {{ version = {{ from = \"tag:v*\", scheme = \"{scheme}\" }} }}\n"
        ));
        let commit = world.code("a", "1", &[]);
        for tag in tags {
            world
                .repository
                .compare_and_swap(&format!("refs/tags/{tag}"), None, commit.0, "")
                .unwrap();
        }
        let facts = world.facts_of("dev", DeploymentKind::Deploy, "catalogue", commit);
        let key = (commit, parse::<ComponentName>("catalogue"));
        assert_eq!(facts.versions[&key], Ok(Some(parse(wanted))), "{tags:?}");
        let tag = facts.version_tags[&key].name.as_str();
        assert_eq!(tag, format!("v{wanted}"), "{tags:?}");
    }
}

/// The branch tip is the local one on a server, the fetched one in a clone, and the stated one in
/// an audit.
#[test]
fn branches() {
    let mut world = World::new("[environments]\nprod = { branch = \"main\", up_to_date = true }\n");
    let one = world.code("a", "1", &[]);
    let two = world.code("a", "2", &[one]);
    let change = world.change("prod", "catalogue", one);
    let mut requested = deployment(DeploymentKind::Deploy, vec![change]);
    requested.branch_tip = Some(one);
    let statement = world.statement("prod", start_of(requested));
    let tip = |gatherer: FactGatherer<'_>| world.facts(&gatherer, &statement).branch_tip;
    assert_eq!(tip(world.gatherer()), Some(Ok(None)));
    world
        .repository
        .compare_and_swap("refs/heads/main", None, one.0, "")
        .unwrap();
    assert_eq!(
        tip(world.gatherer().with_remote(Some("origin"))),
        Some(Ok(Some(one)))
    );
    world
        .repository
        .compare_and_swap("refs/remotes/origin/main", None, two.0, "")
        .unwrap();
    assert_eq!(tip(world.gatherer()), Some(Ok(Some(one))));
    assert_eq!(
        tip(world.gatherer().with_stated_branches()),
        Some(Ok(Some(one)))
    );
    let facts = world.facts(&world.gatherer().with_remote(Some("origin")), &statement);
    assert_eq!(facts.branch_tip, Some(Ok(Some(two))));
    assert_eq!(
        (
            &facts.containment[&(two, one)],
            &facts.containment[&(one, two)]
        ),
        (&Ok(true), &Ok(false))
    );
    assert_eq!(facts.containment[&(one, one)], Ok(true));
}
