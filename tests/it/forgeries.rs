//! Pushes that mean one thing to git and could mean another to a careless reader, forged with plain
//! bytes and real keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git_deploy::testing::domain::id::Oid;
use git_deploy::testing::domain::name::LedgerName;
use git_deploy::testing::domain::verdict::CheckResult;
use git_deploy::testing::git::Repository;
use git_deploy::testing::ledger::audit::{
    AuditFinding, AuditPlan, AuditProgress, FindingKind, audit, find_project,
};

use crate::harness::member::a_lock;
use crate::harness::{Member, Project, Run, World};

/// Prod's branch moves only to what runs there.
const BOUND: &str = "[environments]\nprod = { branch = \"prod\", deploy_on = \"approval\" }\n";

/// For git the parents of a commit end at the first other header. One behind it must not make an
/// orphan look like a descendant: a bound branch would lose its whole history to a commit with an
/// equal tree.
#[test]
fn parents_behind_other_headers_do_not_count() {
    let world = World::new();
    let project = Project::new(&world, BOUND);
    let alice = &project.alice;
    project
        .ci
        .deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    alice.push(&["HEAD:refs/heads/prod"]).ok();
    let (head, tree) = (alice.repo.rev("HEAD"), alice.repo.rev("HEAD^{tree}"));
    let who = format!(
        "alice <alice@example.com> {} +0000",
        world.now().as_seconds()
    );
    let forged = |between: &str| -> Oid {
        let raw = format!(
            "tree {tree}\n{between}parent {head}\nauthor {who}\ncommitter {who}\n\nforged\n"
        );
        alice.repository().write_commit(raw.as_bytes()).unwrap()
    };
    let orphan = forged("x-note nothing\n");
    assert_eq!(
        alice
            .repo
            .git(&["rev-list", "--count", &orphan.to_string()])
            .ok()
            .text(),
        "1"
    );
    project.refused(&["branch"], || {
        alice.push(&[&format!("+{orphan}:refs/heads/prod")])
    });
    let child = forged("");
    alice.push(&[&format!("{child}:refs/heads/prod")]).ok();
    project.audited();
}

/// A bound ref is judged from its present place. A pusher who names the place that another push is
/// about to reach would be judged from here and moved from there: backwards, or a second time.
#[test]
fn false_old_ids_are_refused() {
    let world = World::new();
    let project = Project::new(&world, BOUND);
    project
        .ci
        .deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    let head = project.alice.repo.rev("HEAD");
    let zero = "0".repeat(head.len());
    let judged = |old: &str, name: &str| {
        let script =
            format!("printf '{old} {head} {name}\\n' | GIT_DIR=. git-deploy hook pre-receive");
        Run::of(&world, project.server.command("sh").args(["-c", &script]))
    };
    let run = judged(&head, "refs/heads/prod").fails(1);
    assert!(
        run.err().contains("not at the commit that the push"),
        "{run}"
    );
    judged(&zero, "refs/heads/prod").ok();
}

/// On a host without our hooks anybody may push anything. A forged policy is found, and lets no
/// entry in that was made under it: every ledger stays at its last good tip.
#[test]
fn forged_policies_admit_nothing() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let policy = |member: &Member<'_>| {
        let person = format!("{} = {{ key = \"{}\" }}", member.person, member.key());
        format!("schema = 1\nproject = \"demo\"\n[people]\n{person}\n[environments]\nprod = {{}}\n")
    };
    let alice = Member::new(&world, &server, "alice");
    alice.repo.commit("file", "content\n", "Begin");
    alice.begin(&policy(&alice));
    alice
        .push(&["HEAD:refs/heads/main", "refs/deploy/policy"])
        .ok();
    let (bob, mallory) = (
        Member::new(&world, &server, "bob"),
        Member::new(&world, &server, "mallory"),
    );
    bob.deploy(&["init", "--remote", "origin", "--yes"]);
    bob.deploy(&["sync"]).ok();
    let before = bob.repo.git(&["for-each-ref", "refs/deploy/"]).ok().text();

    mallory
        .repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    mallory.publish(&policy(&mallory), false);
    mallory.record("prod", "HEAD", None);
    mallory.push(&["refs/deploy/*:refs/deploy/*"]).ok();
    let run = bob.deploy(&["sync"]);
    assert!(!run.succeeded(), "{run}");
    assert_eq!(
        bob.repo.git(&["for-each-ref", "refs/deploy/"]).ok().text(),
        before,
        "{run}"
    );

    // An auditor takes everything over as it is, and still is not taken in by what only the forged policy allows.
    bob.repo
        .git(&["fetch", "-q", "origin", "+refs/deploy/*:refs/deploy/*"])
        .ok();
    let said = bob.deploy(&["audit"]).fails(1).to_string();
    assert!(said.contains("of policy, which is invalid"), "{said}");
}

/// An observer that ignores everything.
struct Unwatched;

impl AuditProgress for Unwatched {
    fn on_start(&self, _: usize) {}
    fn on_validated(&self, _: usize) {}
}

/// Returns the findings of an audit that splits ledgers into stretches of this length.
fn findings(repository: &Path, stretch: usize) -> Vec<AuditFinding> {
    let repository = Repository::open(repository).unwrap();
    let refs = repository.ledger_refs_below("refs/deploy/").unwrap();
    let tips = refs.tips;
    let broken: Vec<AuditFinding> = refs
        .broken
        .into_iter()
        .map(|it| AuditFinding::new(FindingKind::Refs, CheckResult::Unknown, it.why))
        .collect();
    let project = match find_project(&repository, &tips) {
        Ok(project) => project,
        Err(_) if !broken.is_empty() => return broken,
        Err(finding) => return vec![finding],
    };
    let ledgers: Vec<LedgerName> = tips.keys().cloned().collect();
    let report = audit(
        &repository,
        &project,
        &tips,
        &AuditPlan {
            ledgers: &ledgers,
            since: &std::collections::BTreeMap::new(),
            notes: true,
            expects_notes: false,
            chunk_size: stretch,
        },
        &Unwatched,
    );
    let notes = report.notes.into_iter().flat_map(|notes| notes.findings);
    report
        .ledgers
        .into_iter()
        .flat_map(|ledger| ledger.findings)
        .chain(notes)
        .chain(broken)
        .collect()
}

/// Returns the same, and checks that it does not depend on the length: a fault at a boundary is
/// neither missed nor reported twice.
fn findings_of_any_cut(repository: &Path) -> Vec<AuditFinding> {
    let whole = findings(repository, usize::MAX);
    for stretch in 1..5 {
        assert_eq!(
            findings(repository, stretch),
            whole,
            "in stretches of {stretch}"
        );
    }
    whole
}

const TWO: &str = "[environments]\ndev = {}\nstage = { promote_from = \"dev\" }\nprod = {}\n";

/// Makes a few honest entries by two people, on a server without hooks.
fn honest(world: &World) -> (Member<'_>, Member<'_>) {
    let server = world.bare_server("server.git");
    let alice = Member::new(world, &server, "alice");
    alice.repo.commit("file", "content\n", "Begin");
    let key = alice.key();
    alice.begin(&format!(
        "schema = 1\nproject = \"demo\"\n[people]\nalice = {{ key = \"{key}\" }}\n{TWO}"
    ));
    for (ledger, from) in [
        ("dev", None),
        ("dev", Some("HEAD")),
        ("prod", None),
        ("dev", Some("HEAD")),
    ] {
        world.advance("1m");
        alice.record(ledger, "HEAD", from);
    }
    (alice, Member::new(world, &server, "mallory"))
}

/// Several forgeries of different kinds, in one chain and in several, are all found once each, and
/// nothing else is.
#[test]
fn every_forgery_is_found_once() {
    let world = World::new();
    let (alice, mallory) = honest(&world);
    let (repo, record) = (&alice.repo, || alice.a_record("HEAD", Some("HEAD")));
    let mut forged: BTreeMap<String, &str> = BTreeMap::new();
    let mut next = |ledger: &str, id: String, rule: Option<&'static str>| {
        repo.git(&["update-ref", &format!("refs/deploy/{ledger}"), &id])
            .ok();
        forged.extend(rule.map(|rule| (id, rule)));
        world.advance("1m");
    };
    let honestly = |ledger: &str| alice.build(ledger, record(), None, |_| ()).to_string();
    assert_eq!(findings_of_any_cut(&repo.path().join(".git")), []);

    let early = alice.build("dev", record(), None, |statement| {
        statement.at = statement.at.minus("1d".parse().unwrap());
    });
    next("dev", early.to_string(), Some("time"));
    next("dev", honestly("dev"), None);
    let dropped = alice.retree(
        &honestly("dev"),
        &[
            &["--force-remove", "components/demo/verification.json"],
            &["--force-remove", "components/demo/last.json"],
        ],
    );
    next("dev", dropped, Some("chain"));
    let numbered = alice.build("dev", record(), None, |statement| statement.sequence += 5);
    next("dev", numbered.to_string(), Some("chain"));
    next("dev", honestly("dev"), None);
    // Honest, and on what does not stand.
    let leaning = alice
        .build("stage", alice.a_record("HEAD", None), None, |_| ())
        .to_string();
    next("stage", leaning.clone(), None);
    // What is no entry at all, with one upon it that was signed for the place before.
    let (tip, moved) = (repo.rev("refs/deploy/dev"), honestly("dev"));
    let nothing = alice.retree(&tip, &[&["--force-remove", "entry.json"]]);
    let nothing = alice.recommit(&nothing, |raw| {
        raw.replacen(&repo.rev(&format!("{tip}^1")), &tip, 1)
    });
    let moved = alice.recommit(&moved, |raw| raw.replacen(&tip, &nothing, 1));
    next("dev", nothing, Some("chain"));
    next("dev", moved, Some("chain"));
    next("dev", honestly("dev"), None);

    mallory
        .repo
        .git(&[
            "fetch",
            "-q",
            &repo.url(),
            "HEAD",
            "refs/deploy/*:refs/deploy/*",
        ])
        .ok();
    mallory
        .repo
        .git(&["reset", "-q", "--hard", "FETCH_HEAD"])
        .ok();
    let stolen = mallory.append("prod", a_lock(), None, |statement| {
        statement.by = "alice".parse().unwrap();
    });
    repo.git(&["fetch", "-q", &mallory.repo.url(), &stolen.to_string()])
        .ok();
    next("prod", stolen.to_string(), Some("authorization"));

    let found = findings_of_any_cut(&repo.path().join(".git"));
    let (leans, own): (Vec<&AuditFinding>, Vec<&AuditFinding>) = found
        .iter()
        .partition(|it| it.kind == FindingKind::Dependency);
    assert_eq!(
        leans
            .iter()
            .map(|it| it.entry.unwrap().to_string())
            .collect::<Vec<_>>(),
        [leaning]
    );
    let ours: BTreeMap<String, &str> = own
        .iter()
        .map(|it| (it.entry.unwrap().to_string(), it.rule.unwrap().name()))
        .collect();
    assert_eq!(ours, forged, "{found:#?}");
    let once: BTreeSet<String> = found.iter().map(|it| format!("{it:?}")).collect();
    assert_eq!(once.len(), found.len(), "{found:#?}");

    let said = alice.deploy(&["audit", "--json"]).fails(1).json();
    let told = said["ledgers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["findings"].as_array().unwrap());
    assert!(told.clone().all(|it| {
        ["kind", "ledger", "outcome", "detail"]
            .iter()
            .all(|key| it[key].is_string())
    }));
    assert_eq!(told.count(), found.len());
}

/// If objects are missing or cut off on disk, an audit cannot tell; it accuses nobody and does not
/// crash.
#[test]
fn lost_objects_accuse_nobody() {
    let world = World::new();
    let (alice, _) = honest(&world);
    alice.record("stage", "HEAD", None);
    let git_dir = alice.repo.path().join(".git");
    assert_eq!(findings_of_any_cut(&git_dir), []);
    let objects = alice
        .repo
        .git(&["rev-list", "--objects", "--no-object-names", "--all"])
        .ok()
        .text();
    let mut silent = BTreeSet::new();
    for id in objects.lines() {
        let file = git_dir.join("objects").join(&id[..2]).join(&id[2..]);
        let bytes = std::fs::read(&file).unwrap();
        for left in [
            None,
            Some(&bytes[..bytes.len() / 2]),
            Some(b"garbage".as_slice()),
        ] {
            std::fs::remove_file(&file)
                .or_else(|error| left.map(|_| ()).ok_or(error))
                .unwrap();
            if let Some(left) = left {
                std::fs::write(&file, left).unwrap();
            }
            // What was computed is not read as well, if it is there: that is git fsck's business.
            let found = match left {
                None => findings_of_any_cut(&git_dir),
                Some(_) => [1, usize::MAX]
                    .into_iter()
                    .flat_map(|stretch| findings(&git_dir, stretch))
                    .collect(),
            };
            assert!(
                found.iter().all(|it| it.outcome == CheckResult::Unknown),
                "{id}: {found:#?}"
            );
            if left.is_none() && found.is_empty() {
                silent.insert(id);
            }
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
    }
    // An audit needs none of these: the files of the code (the content is the id of a tree), the empty tree of a genesis, and the newest
    // key list (it is computed from the policy).
    let unneeded = [
        "HEAD:file",
        "HEAD^{tree}",
        "refs/deploy/dev~3^{tree}",
        "refs/deploy/policy:keys",
    ]
    .map(|revision| alice.repo.rev(revision));
    assert_eq!(silent, unneeded.iter().map(String::as_str).collect());
    let policy = git_dir.join("objects").join(
        alice
            .repo
            .rev("refs/deploy/policy:deploy.toml")
            .split_at(2)
            .0,
    );
    std::fs::remove_dir_all(policy).unwrap();
    alice.deploy(&["audit"]).fails(3);
}
