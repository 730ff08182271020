//! Group 7: policies that would help whoever publishes or names them: too early, too late, from
//! elsewhere, or without permission.

use git_deploy::testing::domain::entry::{Action, PolicyApprove, PolicyRevoke, Publish, Statement};
use git_deploy::testing::domain::id::{Digest, EntryId};
use git_deploy::testing::ledger::{genesis_bytes, project_genesis_bytes};

use super::forged_entries::publish;
use crate::harness::attack::an_entry;
use crate::harness::member::a_lock;
use crate::harness::{AttackRunner, Member, Project, World};

const STRICT: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1, branch = \"prod\", deploy_on = \"approval\" }\n";
const LOOSE: &str = "[environments]\ndev = {}\nprod = {}\n";

/// Makes a publication with the fields that the test sets.
fn published(
    member: &Member<'_>,
    text: &str,
    bend: impl Fn(&mut Publish),
    more: impl Fn(&mut Statement),
) -> EntryId {
    let digest = Digest::sha256(text.as_bytes());
    let mut publish = Publish {
        keys: digest.clone(),
        digest,
        approved_by: vec![],
        description: None,
        admits: vec![],
        recovered: false,
    };
    bend(&mut publish);
    member.build("policy", Action::Publish(publish), Some(text), more)
}

/// Returns an entry that claims to have been made under this policy.
fn naming(statement: &mut Statement, policy: EntryId) {
    statement.seen.insert("policy".parse().unwrap(), policy);
}

/// Nothing in a push is judged by a policy in that push, or by one that is not in force.
#[test]
fn a_push_is_judged_by_the_policy_in_force() {
    let world = World::new();
    let project = Project::new(&world, STRICT);
    let (alice, ci) = (&project.alice, &project.ci);
    let attacks = AttackRunner::of(&project);
    alice.deploy(&["sync"]).ok();
    let before = alice.repo.rev("refs/deploy/policy");
    let loose = publish(alice, &project.policy(LOOSE)).to_string();
    let profit = |seen: &str| {
        alice.build("prod", alice.a_record("HEAD", None), None, |it| {
            it.seen
                .insert("policy".parse().unwrap(), seen.parse().unwrap());
        })
    };
    let policy = format!("{loose}:refs/deploy/policy");
    for (attack, seen, rules) in [
        (
            "that names the new one",
            &loose,
            &["approvals", "chain", "previous environment"][..],
        ),
        (
            "that names the old one",
            &before,
            &["approvals", "previous environment"],
        ),
    ] {
        let entry = format!("{}:refs/deploy/prod", profit(seen));
        attacks.refused(&format!("a policy and an entry {attack}"), rules, || {
            alice.push(&[&policy, &entry])
        });
        attacks.refused(&format!("an entry {attack} and the policy"), rules, || {
            alice.push(&[&entry, &policy])
        });
        attacks.refused(&format!("both, atomically, {attack}"), rules, || {
            alice.push(&["--atomic", &policy, &entry])
        });
    }
    attacks.refused("a policy and a branch", &["branch"], || {
        alice.push(&[&policy, "HEAD:refs/heads/prod"])
    });
    attacks.cannot_tell(
        "an entry alone that names a policy not in force",
        &["authorization"],
        || alice.push(&[&format!("{}:refs/deploy/prod", profit(&loose))]),
    );
    // Two policies in one push are two steps, and the second is judged by the first.
    let text = project.policy(LOOSE);
    let usurped = text.replace(
        "[environments]",
        "[policy]\nadmins = [\"alice\", \"ci\"]\n\n[environments]",
    );
    alice
        .repo
        .git(&["update-ref", "refs/deploy/policy", &loose])
        .ok();
    let second = publish(alice, &usurped).to_string();
    let by_ci = alice.build(
        "policy",
        Action::Publish(Publish {
            digest: Digest::sha256(text.as_bytes()),
            keys: Digest::sha256(b""),
            approved_by: vec![],
            description: None,
            admits: vec![],
            recovered: false,
        }),
        Some(&text),
        |it| it.by = "ci".parse().unwrap(),
    );
    alice
        .repo
        .git(&["update-ref", "refs/deploy/policy", &before])
        .ok();
    attacks.refused_entry(
        "two at once, the second in another's name",
        &["authorization"],
        alice,
        "policy",
        &by_ci,
    );
    assert_ne!(second, loose);
    // A policy in the commit that is promoted, on its branch, or anywhere but in force, is a proposal.
    alice
        .repo
        .commit("deploy.toml", &project.policy(LOOSE), "Loosen");
    alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    attacks.refused(
        "a policy inside the commit",
        &["approvals", "previous environment"],
        || ci.deploy(&["record", "prod", "--no-verify"]),
    );
    attacks.refused("and its branch", &["branch"], || {
        alice.push(&["HEAD:refs/heads/prod"])
    });
    attacks.finish();
}

/// An older policy comes back only as a new entry, from somebody who may publish.
#[test]
fn older_policies_return_only_by_publication() {
    let world = World::new();
    let project = Project::new(&world, LOOSE);
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    let first = ci.repo.rev("refs/deploy/policy");
    let early = an_entry(ci, "dev");
    let elsewhere = an_entry(ci, "prod");
    project.publish(STRICT);
    for member in [alice, bob, ci] {
        member.deploy(&["sync"]).ok();
    }
    let tip = ci.repo.rev("refs/deploy/policy");
    let attacks = AttackRunner::of(&project);
    attacks.refused_entry("the older one", &["chain"], alice, "policy", &first);
    attacks.refused_entry(
        "the older one, on the newer",
        &["chain"],
        alice,
        "policy",
        &alice.replant(&first, &tip),
    );
    attacks.refused_entry(
        "its text, by another than an admin",
        &["authorization"],
        bob,
        "policy",
        &publish(bob, &project.policy(LOOSE)),
    );
    attacks.refused_entry(
        "its text, by a machine",
        &["authorization"],
        ci,
        "policy",
        &publish(ci, &project.policy(LOOSE)),
    );
    // Entries that were made, or say to be made, under it.
    for (ledger, id) in [("dev", &early), ("prod", &elsewhere)] {
        attacks.refused_entry("an entry made under it", &["chain"], ci, ledger, id);
    }
    let seen: EntryId = first.parse().unwrap();
    let named = ci.build("prod", ci.a_record("HEAD", None), None, |it| {
        naming(it, seen);
    });
    attacks.refused_entry(
        "an entry that names it",
        &["approvals", "chain", "previous environment"],
        ci,
        "prod",
        &named,
    );
    let genesis: EntryId = ci.repo.rev("refs/deploy/policy~2").parse().unwrap();
    let genesis = ci.build("prod", a_lock(), None, |it| naming(it, genesis));
    attacks.refused_entry(
        "an entry that names the genesis",
        &["authorization"],
        ci,
        "prod",
        &genesis,
    );
    attacks.finish();
}

/// Another first policy is refused: with other root keys, nonces or names, and also before there is
/// any.
#[test]
fn other_beginnings_are_refused() {
    let world = World::new();
    let project = Project::new(&world, LOOSE);
    let alice = &project.alice;
    let mallory = Member::new(&world, &project.server, "mallory");
    alice.deploy(&["sync"]).ok();
    mallory
        .repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    let attacks = AttackRunner::of(&project);
    let policy = project.policy(LOOSE);
    let begin = |member: &Member<'_>, keys: &[_], name: &str, nonce: [u8; 16]| {
        let repository = member.repository();
        let genesis =
            project_genesis_bytes(&repository, &name.parse().unwrap(), nonce, keys).unwrap();
        let genesis = repository.write_commit(&genesis).unwrap().to_string();
        let before = member.repo.rev("refs/deploy/policy");
        member
            .repo
            .git(&["update-ref", "refs/deploy/policy", &genesis])
            .ok();
        let text = policy.replace(&alice.key().to_string(), &member.key().to_string());
        let first = publish(member, &text).to_string();
        member
            .repo
            .git(&["update-ref", "refs/deploy/policy", &before])
            .ok();
        first
    };
    for (attack, member, keys, name, nonce) in [
        (
            "other root keys",
            &mallory,
            vec![mallory.key()],
            "demo",
            [7; 16],
        ),
        (
            "one root key more",
            &mallory,
            vec![alice.key(), mallory.key()],
            "demo",
            [7; 16],
        ),
        (
            "the same root keys and another nonce",
            alice,
            vec![alice.key()],
            "demo",
            [7; 16],
        ),
        ("another name", alice, vec![alice.key()], "other", [7; 16]),
    ] {
        attacks.refused_entry(
            attack,
            &["chain"],
            member,
            "policy",
            &begin(member, &keys, name, nonce),
        );
    }
    let tip = alice.repo.rev("refs/deploy/policy");
    let forged = begin(alice, &[alice.key()], "demo", [9; 16]);
    attacks.refused_entry(
        "another first policy on the one in force",
        &["chain"],
        alice,
        "policy",
        &alice.replant(&forged, &tip),
    );
    attacks.finish();

    // Where nothing is yet, only whom the owner named, and with nobody beside them.
    let empty = world.bare_server("empty.git");
    empty
        .deploy(&["server", "init", ".", "--admin", &alice.key().to_string()])
        .ok();
    for (member, keys) in [
        (&mallory, vec![mallory.key()]),
        (&mallory, vec![alice.key(), mallory.key()]),
        (&mallory, vec![alice.key()]),
    ] {
        let forged = begin(member, &keys, "demo", [8; 16]);
        let run = member
            .repo
            .git(&[
                "push",
                "-q",
                &empty.url(),
                &format!("{forged}:refs/deploy/policy"),
            ])
            .fails(1);
        assert!(
            run.err().contains("refused  refs/deploy/policy")
                && run.err().contains("✗ authorization"),
            "{run}"
        );
    }
    // A ledger that is older than the first policy is nobody's.
    let repository = alice.repository();
    let root = EntryId(alice.repo.rev("refs/deploy/policy").parse().unwrap());
    let genesis = genesis_bytes(&repository, root, &"dev".parse().unwrap());
    let genesis = repository.write_commit(&genesis).unwrap();
    alice
        .repo
        .git(&[
            "push",
            "-q",
            &empty.url(),
            &format!("{genesis}:refs/deploy/dev"),
        ])
        .fails(1);
    assert_eq!(empty.git(&["for-each-ref"]).ok().text(), "");
}

/// A publication needs an admin who stays one and as many others as the policy requires.
#[test]
fn publications_need_admins() {
    let world = World::new();
    let admins = "[policy]\nadmins = [\"alice\", \"bob\"]\napprovals = 1\n";
    let project = Project::new(&world, &format!("{admins}{LOOSE}"));
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    for member in [alice, bob, carol, ci] {
        member.deploy(&["sync"]).ok();
    }
    let text = project.policy(&format!("{admins}{STRICT}"));
    let digest = Digest::sha256(text.as_bytes());
    let by = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        move |it: &mut Publish| it.approved_by.clone_from(&names)
    };
    let attacks = AttackRunner::of(&project);
    let refused = |attack: &str, rules: &[&str], id: EntryId| {
        drop(attacks.refused_entry(attack, rules, alice, "policy", &id));
    };
    let said = |names: &[&str]| published(alice, &text, by(names), |_| ());
    refused("nobody approved", &["approvals"], said(&[]));
    refused("said to be approved", &["approvals"], said(&["bob"]));
    let approve = |digest: &Digest| {
        Action::PolicyApprove(PolicyApprove {
            digest: digest.clone(),
            comment: None,
        })
    };
    for member in [carol, ci] {
        let id = member.build("policy", approve(&digest), None, |_| ());
        attacks.refused_entry(
            "approved by no admin",
            &["authorization"],
            member,
            "policy",
            &id,
        );
    }
    let enter = |member: &Member<'_>, action: Action| {
        member.deploy(&["sync"]).ok();
        member.append("policy", action, None, |_| ());
        member.push(&["refs/deploy/policy"]).ok();
        for member in [alice, bob] {
            member.deploy(&["sync"]).ok();
        }
    };
    enter(alice, approve(&digest));
    refused("approved by oneself", &["approvals"], said(&[]));
    enter(bob, approve(&Digest::sha256(b"another")));
    refused("another text approved", &["approvals"], said(&["bob"]));
    enter(bob, approve(&digest));
    let requested = published(alice, &text, by(&["bob"]), |it| {
        it.requested_by = Some("bob".parse().unwrap());
    });
    refused("requested by who approved", &["approvals"], requested);
    refused(
        "one more who approved",
        &["approvals"],
        said(&["alice", "bob"]),
    );
    let other = text.clone() + "# not what was approved\n";
    refused(
        "a text that nobody approved",
        &["approvals"],
        published(alice, &other, by(&["bob"]), |_| ()),
    );
    let revoke = PolicyRevoke {
        digest: digest.clone(),
        approver: "bob".parse().unwrap(),
        comment: None,
    };
    carol.deploy(&["sync"]).ok();
    let by_carol = carol.build("policy", Action::PolicyRevoke(revoke.clone()), None, |_| ());
    attacks.refused_entry(
        "revoked by no admin",
        &["authorization"],
        carol,
        "policy",
        &by_carol,
    );
    enter(bob, Action::PolicyRevoke(revoke));
    refused(
        "an approval that was revoked",
        &["approvals"],
        said(&["bob"]),
    );
    enter(bob, approve(&digest));

    let approved = |bend: &dyn Fn(&mut Publish)| {
        let both = |it: &mut Publish| {
            by(&["bob"])(it);
            bend(it);
        };
        published(alice, &text, both, |_| ())
    };
    refused(
        "a recovery that nobody armed",
        &["approvals", "authorization"],
        approved(&|it| it.recovered = true),
    );
    refused(
        "another digest",
        &["chain"],
        approved(&|it| it.digest = Digest::sha256(b"x")),
    );
    // In the end, honestly.
    let honest = said(&["bob"]);
    alice.push(&[&format!("{honest}:refs/deploy/policy")]).ok();
    attacks.finish();
}

/// An invalid policy is refused, whoever publishes it.
#[test]
fn invalid_policies_are_refused() {
    let world = World::new();
    let project = Project::new(&world, LOOSE);
    let alice = &project.alice;
    alice.deploy(&["sync"]).ok();
    let text = project.policy(LOOSE);
    let attacks = AttackRunner::of(&project);
    let pattern = "[environments.\"dev-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n";
    let texts = [
        (
            "without its publisher as admin",
            format!("{text}[policy]\nadmins = \"carol\"\n"),
            "authorization",
        ),
        (
            "that no one else could approve",
            format!("{text}[policy]\napprovals = 1\n"),
            "approvals",
        ),
        (
            "with another key of its publisher's",
            text.replace(&alice.key().to_string(), &other_key(&world)),
            "authorization",
        ),
        (
            "of another project",
            text.replace("\"demo\"", "\"other\""),
            "content",
        ),
        ("no policy", "nonsense".to_owned(), "authorization"),
        ("nothing", String::new(), "authorization"),
        (
            "an unknown key",
            format!("{text}[backdoor]\nopen = true\n"),
            "authorization",
        ),
        (
            "a key twice",
            format!("{text}[environments]\ndev = {{}}\n"),
            "authorization",
        ),
        (
            "a newer schema",
            text.replace("schema = 1", "schema = 2"),
            "authorization",
        ),
        (
            "two environments and one ledger",
            format!("{text}{pattern}"),
            "authorization",
        ),
        (
            "an escape sequence",
            text.replace("schema = 1", "schema = 1 # \u{1b}[2J"),
            "authorization",
        ),
        ("a NUL", format!("{text}#\0\n"), "authorization"),
    ];
    for (attack, text, rule) in &texts {
        attacks.refused_entry(attack, &[rule], alice, "policy", &publish(alice, text));
    }
    attacks.finish();
}

fn other_key(world: &World) -> String {
    git_deploy::testing::signing::key::generate_key(&world.path().join("home/other.key"), None)
        .unwrap()
        .to_string()
}
