//! Facts from other entries: the previous environment, earlier runs, evidence and yanks.

use super::*;

/// The log goes back to the newest success with the content, which can be older than the commit; of
/// a content that never ran, to the beginning.
#[test]
fn previous_log() {
    let mut world = World::new(STAGES);
    let one = world.code("a", "1", &[]);
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.append("dev", verified("catalogue", one));
    world.append("dev", lock());
    world.now = world.now.plus(Span::from_days(1));
    let two = world.code("a", "1", &[one]);
    let three = world.code("a", "3", &[one]);
    let started = world.change("dev", "catalogue", three);
    world.append(
        "dev",
        start_of(deployment(DeploymentKind::Deploy, vec![started])),
    );
    let abort = Abort {
        start: 5,
        run: RunId([2; 16]),
        components: vec![ComponentAtCommit {
            component: parse("catalogue"),
            commit: three,
        }],
        reason: parse("no"),
    };
    world.append("dev", Action::Abort(abort));

    let key = |commit| (parse("dev"), parse("catalogue"), commit);
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", two);
    let all = ["6 abort", "5 start", "3 verification", "2 finish"];
    assert_eq!(names(&facts.previous_log[&key(two)]), all);
    assert_eq!(
        facts.previous_state["dev"]
            .as_ref()
            .unwrap()
            .environment(None)
            .commit(&parse("catalogue")),
        Some(one)
    );
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    assert_eq!(names(&facts.previous_log[&key(three)]), all);

    let change = world.change("prod", "catalogue", two);
    let statement = world.statement(
        "prod",
        start_of(deployment(DeploymentKind::Deploy, vec![change])),
    );
    let facts = world.facts(&world.gatherer().limited(2, 5), &statement);
    assert!(
        facts.previous_log[&key(two)]
            .as_ref()
            .unwrap_err()
            .contains("limit of 2")
    );
    world.tips.remove("dev");
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(names(&facts.previous_log[&key(two)]), Vec::<String>::new());
}

fn artifact(commit: CommitId, content: Content, digest: &Digest) -> Action {
    let image = Image {
        name: parse("img"),
        digest: digest.clone(),
    };
    Action::Artifact(Artifact {
        component: parse("api"),
        commit,
        content,
        image,
        builder: None,
    })
}

fn attested(commit: CommitId) -> Action {
    Action::Attestation(Attestation {
        commit,
        environment: None,
        predicate_type: parse("https://in-toto.io/attestation/test-result/v0.1"),
        suite: None,
        predicate: serde_json::Map::new(),
    })
}

/// An artifact of the same content counts whatever commit it was built from; its yank is found even
/// if the entry does not name it.
#[test]
fn evidence_and_yanks() {
    let mut world = World::new(&format!(
        "[environments]\nprod = {{ artifact = \"required\" }}\n{COMPONENTS}"
    ));
    let ann = "Ann <ann@example.com>";
    let one = world.commit(&[("api/a", "1")], &[], ann, "one");
    let content = world
        .gatherer()
        .content(&world.policy, one, &parse("api"))
        .unwrap()
        .unwrap();
    let (good, bad) = (Digest::sha256(b"good"), Digest::sha256(b"bad"));
    world.append("evidence", artifact(one, content, &bad));
    world.append("evidence", artifact(one, content, &good));
    world.append("evidence", attested(one));
    world.now = world.now.plus(Span::from_days(1));
    let two = world.commit(&[("api/a", "1"), ("web/a", "1")], &[one], ann, "two");
    world.append("evidence", attested(two));
    world.append(
        "evidence",
        Action::Yank(Yank {
            commit: None,
            digest: Some(bad.clone()),
            contents: Vec::new(),
            reason: parse("bad"),
        }),
    );

    let facts = world.facts_of("prod", DeploymentKind::Deploy, "api", two);
    assert_eq!(
        names(facts.evidence.as_ref().unwrap()),
        ["4 attestation", "2 artifact", "1 artifact"]
    );
    assert!(facts.yanks.unwrap().unwrap().yanked_digest(&bad).is_some());

    // A further registration sees the earlier ones.
    let statement = world.statement("evidence", artifact(one, content, &bad));
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(
        names(facts.evidence.as_ref().unwrap()),
        ["3 attestation", "2 artifact", "1 artifact"]
    );

    let change = world.change("prod", "api", two);
    let statement = world.statement(
        "prod",
        start_of(deployment(DeploymentKind::Deploy, vec![change])),
    );
    let facts = world.facts(&world.gatherer().limited(2, 2), &statement);
    assert!(facts.evidence.unwrap().is_err() && facts.yanks.unwrap().is_err());
    world.tips.remove("evidence");
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(
        (facts.evidence, facts.yanks),
        (Some(Ok(Vec::new())), Some(Ok(State::empty())))
    );
}

/// A rollback finds the last run of the content, with its newest verification.
#[test]
fn earlier_runs() {
    let mut world = World::new(STAGES);
    let one = world.code("a", "1", &[]);
    let two = world.code("a", "2", &[one]);
    let three = world.code("a", "3", &[two]);
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.append("dev", verified("catalogue", one));
    world.append("dev", verified("catalogue", one));
    world.deploy("dev", "catalogue", two, Outcome::Succeeded);
    world.append("dev", verified("catalogue", two));
    let name = || parse::<ComponentName>("catalogue");
    let facts = world.facts_of("dev", DeploymentKind::Rollback, "catalogue", one);
    assert_eq!(
        names(&facts.earlier_runs[&name()]),
        ["4 verification", "2 finish"]
    );
    assert!(facts.authors.is_none() && facts.previous_state.is_empty());
    let facts = world.facts_of("dev", DeploymentKind::Rollback, "catalogue", three);
    assert_eq!(names(&facts.earlier_runs[&name()]), Vec::<String>::new());
    // Another commit with the same content never ran here: it could contain other unjudged changes.
    let twin = world.code("a", "1", &[three]);
    assert_ne!(twin, one);
    let facts = world.facts_of("dev", DeploymentKind::Rollback, "catalogue", twin);
    assert_eq!(names(&facts.earlier_runs[&name()]), Vec::<String>::new());
    let change = world.change("dev", "catalogue", one);
    let statement = world.statement(
        "dev",
        start_of(deployment(DeploymentKind::Rollback, vec![change])),
    );
    assert!(
        world
            .facts(&world.gatherer().limited(3, 3), &statement)
            .earlier_runs[&name()]
            .is_err()
    );
}

/// A run that was signed with a removed key ends no search: an older one may count. If none does, a
/// rollback gets that run, so that the rule can say so.
#[test]
fn removed_keys() {
    let mut world = World::new(STAGES);
    let one = world.code("a", "1", &[]);
    let two = world.code("a", "2", &[one]);
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.deploy("dev", "catalogue", two, Outcome::Succeeded);
    let (old, new) = world.replace_key();
    world.append("dev", verified("catalogue", two));
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.now = world.now.plus(Span::from_days(1));
    // The content of `one`, at a commit that is younger than its runs.
    let twin = world.code("a", "1", &[two]);
    let name = parse::<ComponentName>("catalogue");
    for (listed, run_of_one, run_of_two) in
        [(old, "2 finish", "4 finish"), (new, "7 finish", "4 finish")]
    {
        world.list_key(listed);
        for (commit, run) in [(one, run_of_one), (two, run_of_two)] {
            let facts = world.facts_of("dev", DeploymentKind::Rollback, "catalogue", commit);
            assert_eq!(names(&facts.earlier_runs[&name]), [run]);
        }
        let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", twin);
        let log = names(&facts.previous_log[&(parse("dev"), name.clone(), twin)]);
        // Each earlier run of the content counts, for its authors.
        assert_eq!(log.last().unwrap(), "2 finish", "{log:?}");
    }
}

/// `show` and `log` read every entry about a commit, newest first.
#[test]
fn entries_about() {
    let mut world = World::new(STAGES);
    let one = world.code("a", "1", &[]);
    let two = world.code("a", "2", &[one]);
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.deploy("dev", "catalogue", two, Outcome::Succeeded);
    world.append("dev", verified("catalogue", two));
    let (gatherer, dev) = (world.gatherer(), parse::<LedgerName>("dev"));
    let about = |commit, since| {
        gatherer
            .history()
            .entries_about(&dev, world.tips[&dev], commit, since)
            .unwrap()
    };
    let sequences_about = |commit, since| {
        about(commit, since)
            .iter()
            .map(|(_, entry)| entry.statement.sequence)
            .collect::<Vec<_>>()
    };
    assert_eq!(sequences_about(one, start_time().minus(SKEW)), [2, 1]);
    assert_eq!(sequences_about(two, start_time()), [5, 4, 3]);
    assert_eq!(sequences_about(two, world.now), [5]);
    let short = LedgerHistory::limited(&world.repository, 2);
    assert!(
        short
            .entries_about(&dev, world.tips[&dev], one, start_time())
            .is_err()
    );
    assert!(gatherer.history().entry(&dev, world.project.id).is_err());
}

/// A resume gets all ids that its run had, and not those of other runs, also in a pattern's ledger.
#[test]
fn the_ids_of_a_run() {
    let pattern = "[environments]\ndev = {}\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n";
    for (ledger, member) in [("dev", None), ("pr", Some("pr-7"))] {
        let mut world = World::new(pattern);
        world.member = member.map(parse);
        let commit = world.code("a", "1", &[]);
        let resume = |id: u8, start: u64| {
            Action::Resume(Resume {
                start,
                run: RunId([id; 16]),
                reason: None,
            })
        };
        let begun = |world: &World| {
            let change = world.change("dev", "catalogue", commit);
            start_of(deployment(DeploymentKind::Deploy, vec![change]))
        };
        for _ in 0..2 {
            let start = begun(&world);
            world.append(ledger, start);
        }
        for (id, start) in [(3, 1), (9, 2), (4, 1)] {
            world.append(ledger, resume(id, start));
            world.append(ledger, lock());
        }
        for (start, wanted) in [(1, vec![2, 3, 4]), (2, vec![2, 9]), (3, vec![])] {
            let statement = world.statement(ledger, resume(5, start));
            let facts = world.facts(&world.gatherer(), &statement);
            let wanted = wanted.into_iter().map(|id| RunId([id; 16])).collect();
            assert_eq!(facts.run_ids, Some(Ok(wanted)), "{ledger} {start}");
        }
        let statement = world.statement(ledger, lock());
        assert_eq!(world.facts(&world.gatherer(), &statement).run_ids, None);
    }
}
