//! The commands for the owner of a server, `server adopt` and `--recover`, used by someone else.

use crate::harness::attack::an_entry;
use crate::harness::{Member, Project, Repo, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// Ledgers of a copy, and where they are moved to.
type Moves<'m> = &'m [(&'m str, &'m str)];

fn copied<'w>(project: &Project<'w>, name: &str) -> Repo<'w> {
    let copy = project.world.existing(name, "server");
    std::fs::create_dir(copy.path()).unwrap();
    copy.git(&["clone", "-q", "--mirror", &project.server.url(), "."])
        .ok();
    copy
}

/// A copy that an outsider prepared is not adopted, and nothing is installed in it: under another
/// root, a root of the other format, a root that is an entry or code, or with ledgers that are older
/// entries, swapped, or code.
#[test]
fn prepared_copies_are_not_adopted() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    for environment in ["dev", "prod"] {
        world.advance("1m");
        ci.deploy(&["record", environment, "--all", "--verification", "passed"])
            .ok();
    }
    let root = alice.repo.git(&["config", "deploy.root"]).ok().text();
    let server = &project.server;
    let (policy, dev, prod) = (
        server.rev("refs/deploy/policy"),
        server.rev("refs/deploy/dev"),
        server.rev("refs/deploy/prod"),
    );
    let main = server.rev("refs/heads/main");
    let attacks: [(&str, &str, Moves); 9] = [
        ("another root", &"1".repeat(40), &[]),
        ("a root of the other format", &"1".repeat(64), &[]),
        ("a root that is an entry", &policy, &[]),
        ("a root that is code", &main, &[]),
        (
            "ledgers that are swapped",
            &root,
            &[("dev", &prod), ("prod", &dev)],
        ),
        ("a ledger that is code", &root, &[("dev", &main)]),
        ("a ledger that is the policy's", &root, &[("prod", &policy)]),
        (
            "a policy that is an environment's",
            &root,
            &[("policy", &dev)],
        ),
        ("a policy that is empty", &root, &[("policy", &root)]),
    ];
    for (number, (attack, root, moves)) in attacks.into_iter().enumerate() {
        let copy = copied(&project, &format!("copy{number}.git"));
        for (ledger, id) in moves {
            copy.git(&["update-ref", &format!("refs/deploy/{ledger}"), id])
                .ok();
        }
        let run = copy.deploy(&["server", "adopt", ".", "--root", root]);
        assert!(!run.succeeded(), "{attack}: {run}");
        assert!(
            !copy.path().join("hooks/pre-receive").exists(),
            "{attack}: {run}"
        );
        copy.git(&["config", "deploy.admin"]).fails(1);
    }
    let honest = copied(&project, "honest.git");
    honest
        .deploy(&["server", "adopt", ".", "--root", &root])
        .ok();
    let next = an_entry(ci, "dev");
    ci.repo
        .git(&[
            "push",
            "-q",
            &honest.url(),
            &format!("{next}:refs/deploy/dev"),
        ])
        .ok();
}

/// An open recovery is for the one key that the owner named: not for another key, not for another
/// kind of entry, and not after it was used.
#[test]
fn a_recovery_is_for_one_key_once() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    let mallory = Member::new(&world, &project.server, "mallory");
    mallory
        .repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    world.advance("1m");
    let own = |admin: &str| project.policy(&format!("[policy]\nadmins = \"{admin}\"\n{POLICY}"));
    let publication = |member: &Member<'_>, admin: &str, is_recovered: bool| {
        let tip = member.repo.rev("refs/deploy/policy");
        let id = member.publish(&own(admin), is_recovered).to_string();
        member
            .repo
            .git(&["update-ref", "refs/deploy/policy", &tip])
            .ok();
        id
    };
    let attempts = [
        (&mallory, publication(&mallory, "bob", true), "a stranger"),
        (
            bob,
            publication(bob, "bob", true),
            "a person without the owner's word",
        ),
        (ci, publication(ci, "bob", true), "a machine"),
        (
            carol,
            publication(carol, "carol", false),
            "the named key, without saying so",
        ),
    ];
    let honest = publication(carol, "carol", true);
    let push = |member: &Member<'_>, id: &str| {
        let before = project.refs();
        let run = member.push(&[&format!("{id}:refs/deploy/policy")]);
        assert_eq!(run.succeeded(), project.refs() != before, "{run}");
        run.succeeded()
    };
    // Closed, then open for carol.
    assert!(!push(carol, &honest), "without a recovery");
    project
        .server
        .deploy(&["server", "init", ".", "--recover", &carol.key().to_string()])
        .ok();
    for (member, id, attack) in &attempts {
        assert!(!push(member, id), "{attack}");
    }
    assert!(push(carol, &honest), "the named key");
    for (member, id, attack) in &attempts {
        assert!(!push(member, id), "{attack}, afterwards");
    }
    carol
        .repo
        .git(&["update-ref", "refs/deploy/policy", &honest])
        .ok();
    world.advance("1m");
    let again = carol.publish(&own("bob"), true).to_string();
    assert!(!push(carol, &again), "a second time");
}
