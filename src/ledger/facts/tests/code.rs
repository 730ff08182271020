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
        first.contains("old@example.com") && !first.contains("ann@example.com"),
        "{first:?}"
    );
    world.deploy("prod", "catalogue", one, Outcome::Succeeded);
    let body = "two\n\nco-Authored-BY : Bob <x> <BOB@Example.com>\n\nCo-authored-by: carol@example.com\n\nnot the last";
    let two = world.commit(&[("a", "2")], &[one], "A < Ann@Example.com >", body);
    let three = world.commit(&[("a", "3")], &[two], "Dan <dan@example.com>", "three");
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    let all: Vec<String> = facts.authors.unwrap().unwrap().into_iter().collect();
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
