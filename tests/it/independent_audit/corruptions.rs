//! A table of corrupted ledgers, made with real keys: `testdata/audit.sh` finds each for the
//! expected reason, and `git deploy audit` finds it too.

use std::collections::BTreeMap;

use git_deploy::testing::domain::entry::{Action, Baseline, PolicyApprove, Statement};
use git_deploy::testing::domain::id::{Digest, EntryId};
use git_deploy::testing::ledger::project_genesis_bytes;

use super::audit_sh;
use crate::harness::member::a_lock;
use crate::harness::{Member, World, has_tool};

/// One repository, in which all of them write.
struct Cast<'w> {
    /// The admin, whose key is the project's root key.
    alice: Member<'w>,
    /// May deploy. Has replaced his key.
    bob: Member<'w>,
    /// Bob with the key that is retired now.
    bob_before: Member<'w>,
    /// No one, whose key stands in a multi-line string of the policy.
    mallory: Member<'w>,
    /// The policy in force, and the one before it.
    texts: [String; 2],
}

/// The refs of a corrupted clone that differ from the honest ones.
type Refs = BTreeMap<&'static str, String>;

impl<'w> Cast<'w> {
    fn new(world: &'w World) -> Self {
        let server = world.bare_server("server.git");
        let alice = Member::new(world, &server, "alice");
        let other = |name| Member::within(world, world.existing("alice", name), name);
        let [mut bob, bob_before, mallory] = ["robert", "bob", "mallory"].map(other);
        bob.person = "bob";
        let text = |bob: &str| {
            format!(
                "schema = 1\nproject = \"demo\"\n[people]\nalice = \"{}\"\nbob = {bob}\n[environments.prod]\n[components.demo]\nverify = \"\"\"\nmallory = \"{key}\"\n[people.mallory]\nkey = \"{key}\"\n\"\"\"\n",
                alice.key(),
                key = mallory.key(),
            )
        };
        let first = text(&format!("\"{}\"", bob_before.key()));
        let second = text(&format!(
            "{{ key = \"{}\", retired = \"{}\" }}",
            bob.key(),
            bob_before.key()
        ));
        alice.repo.commit("file", "content\n", "Begin");
        let policy = alice.begin(&first);
        let project = alice.repo.rev(&format!("{policy}^"));
        alice.repo.git(&["config", "deploy.root", &project]).ok();
        bob_before.record("prod", "HEAD", None);
        world.advance("1m");
        alice.publish(&second, false);
        world.advance("1m");
        alice.append("policy", approval(&second), None, |_| ());
        bob.append("prod", a_lock(), None, |_| ());
        Self {
            alice,
            bob,
            bob_before,
            mallory,
            texts: [second, first],
        }
    }

    fn rev(&self, revision: &str) -> String {
        self.alice.repo.rev(revision)
    }

    fn prod(&self) -> String {
        self.rev("refs/deploy/prod")
    }

    fn policy(&self) -> String {
        self.rev("refs/deploy/policy")
    }

    fn publish_entry(&self) -> String {
        self.rev("refs/deploy/policy^1")
    }

    fn refs(&self) -> String {
        self.alice
            .repo
            .git(&["for-each-ref", "--format=%(refname) %(objectname)"])
            .ok()
            .text()
    }

    /// Puts the refs back.
    fn restore(&self, refs: &str) {
        for (name, id) in refs.lines().filter_map(|line| line.split_once(' ')) {
            self.alice.repo.git(&["update-ref", name, id]).ok();
        }
    }

    /// Returns a policy that lists Mallory alone, as its admin.
    fn usurping(&self) -> String {
        format!(
            "schema = 1\nproject = \"demo\"\n[people]\nmallory = \"{}\"\n[policy]\nadmins = \"mallory\"\n[environments.prod]\n",
            self.mallory.key()
        )
    }

    /// Returns the key list with another line.
    fn keys_with_mallory(&self) -> Vec<u8> {
        let keys = self.alice.bytes("blob", "refs/deploy/policy:keys");
        let line = format!("mallory {} admin\n", self.mallory.key());
        [keys, line.into_bytes()].concat()
    }
}

/// Makes a lock of prod, which `bend` changes before it is signed.
fn lock_by(member: &Member<'_>, bend: impl Fn(&mut Statement)) -> Refs {
    prod(&member.build("prod", a_lock(), None, bend))
}

/// Makes a policy that follows the local one.
fn published_by(member: &Member<'_>, text: &str, recovered: bool) -> Refs {
    policy(&member.publish(text, recovered))
}

fn approval(text: &str) -> Action {
    Action::PolicyApprove(PolicyApprove {
        digest: Digest::sha256(text.as_bytes()),
        comment: None,
    })
}

fn prod(id: &impl ToString) -> Refs {
    Refs::from([("refs/deploy/prod", id.to_string())])
}

fn policy(id: &impl ToString) -> Refs {
    Refs::from([("refs/deploy/policy", id.to_string())])
}

/// A row: what is corrupted, the reason that the script gives, and how it is made.
type Row = (&'static str, &'static str, fn(&Cast<'_>) -> Refs);

const OF_THE_POLICY: [Row; 11] = [
    (
        "a policy that is too large, by an admin",
        "entry 4 .*deploy.toml is too large",
        |it| {
            let padding = "x".repeat(1 << 20);
            published_by(&it.alice, &format!("{}# {padding}\n", it.texts[0]), false)
        },
    ),
    (
        "a deploy.toml is swapped",
        "entry 2 .*deploy.toml is not the published one",
        |it| {
            let [_, old] = &it.texts;
            let entry = it.publish_entry();
            policy(&it.alice.refile(&entry, &[("deploy.toml", old.as_bytes())]))
        },
    ),
    (
        "a key list is swapped",
        "entry 2 .*keys is not the published list",
        |it| {
            let entry = it.publish_entry();
            policy(
                &it.alice
                    .refile(&entry, &[("keys", &it.keys_with_mallory())]),
            )
        },
    ),
    (
        "a deploy.toml is swapped in an entry that publishes none",
        "entry 3 .*deploy.toml is not the published one",
        |it| {
            let text = it.usurping();
            policy(
                &it.alice
                    .refile(&it.policy(), &[("deploy.toml", text.as_bytes())]),
            )
        },
    ),
    (
        "a key list is swapped in an entry that publishes none",
        "entry 3 .*keys is not the published list",
        |it| {
            policy(
                &it.alice
                    .refile(&it.policy(), &[("keys", &it.keys_with_mallory())]),
            )
        },
    ),
    (
        "a policy by someone who lists only themselves",
        "entry 4 .*not signed by mallory as an admin",
        |it| published_by(&it.mallory, &it.usurping(), false),
    ),
    (
        "a recovery that no one confirmed",
        "entry 4 .*not signed by mallory as an admin",
        |it| published_by(&it.mallory, &it.usurping(), true),
    ),
    (
        "a policy by someone who is no admin",
        "entry 4 .*not signed by bob as an admin",
        |it| published_by(&it.bob, &it.texts[1], false),
    ),
    (
        "a policy in an admin's name",
        "entry 4 .*not signed by alice as an admin",
        |it| {
            let action = approval(&it.texts[1]);
            policy(&it.mallory.build("policy", action, None, |statement| {
                statement.by = "alice".parse().unwrap();
            }))
        },
    ),
    (
        "another project of the same name",
        "the genesis does not name the root",
        |it| policy(&it.mallory.begin(&it.usurping())),
    ),
    (
        "another project that names the trusted key as well",
        "entry 1 .*not signed by mallory as an admin",
        |it| {
            let roots = [it.alice.key(), it.mallory.key()];
            let repository = it.mallory.repository();
            let name = "demo".parse().unwrap();
            let genesis = project_genesis_bytes(&repository, &name, [8; 16], &roots).unwrap();
            let genesis = repository.write_commit(&genesis).unwrap().to_string();
            let moved = ["update-ref", "refs/deploy/policy", &genesis];
            it.mallory.repo.git(&moved).ok();
            published_by(&it.mallory, &it.usurping(), false)
        },
    ),
];

const OF_PROD: [Row; 16] = [
    (
        "a signed entry that is too large",
        "entry 3 .*entry.json is too large",
        |it| {
            let id = it.bob.build("prod", a_lock(), None, |_| ()).to_string();
            let pad = |text: &str| [text, &"x".repeat(524_288)].concat().into_bytes();
            prod(&it.bob.resigned(&id, pad))
        },
    ),
    (
        "a signature file that is too large",
        "entry 2 .*entry.json.minisig is too large",
        |it| {
            let tip = it.prod();
            let mut signature = it.bob.bytes("blob", &format!("{tip}:entry.json.minisig"));
            signature.extend([b'x'; 8_192]);
            prod(&it.bob.refile(&tip, &[("entry.json.minisig", &signature)]))
        },
    ),
    (
        "an entry signed with a key in a multi-line string of the policy",
        "entry 3 .*not signed by mallory",
        |it| lock_by(&it.mallory, |_| ()),
    ),
    (
        "an entry in another person's name",
        "entry 3 .*not signed by alice",
        |it| lock_by(&it.bob, |statement| statement.by = "alice".parse().unwrap()),
    ),
    (
        "an entry signed with a retired key",
        "entry 3 .*not signed by bob",
        |it| lock_by(&it.bob_before, |_| ()),
    ),
    (
        "an entry under an older policy, when the key was current",
        "entry 3 .*it has seen an older policy",
        |it| {
            let first: EntryId = it.rev("refs/deploy/policy~2").parse().unwrap();
            lock_by(&it.bob_before, |statement| {
                statement.seen.insert("policy".parse().unwrap(), first);
            })
        },
    ),
    (
        "an entry under a policy that is not in the ledger",
        "entry 3 .*it has seen an older policy, or another",
        |it| {
            let honest = it.policy();
            it.mallory.publish(&it.usurping(), false);
            let refs = lock_by(&it.mallory, |_| ());
            let back = ["update-ref", "refs/deploy/policy", &honest];
            it.alice.repo.git(&back).ok();
            refs
        },
    ),
    (
        "an entry added later, under the policy that the previous one saw",
        "entry 3 .*entry 2 of policy, which replaced the policy of entry 2, had not seen it",
        |it| {
            let honest = it.refs();
            let back = |name, id: &str| it.bob.repo.git(&["update-ref", name, id]).ok();
            back("refs/deploy/prod", &it.rev("refs/deploy/prod^"));
            back("refs/deploy/policy", &it.rev("refs/deploy/policy~2"));
            let refs = lock_by(&it.bob_before, |_| ());
            it.restore(&honest);
            refs
        },
    ),
    (
        "an entry that has seen no policy",
        "entry 3 .*it has seen an older policy, or another",
        |it| {
            let id = it.bob.build("prod", a_lock(), None, |_| ()).to_string();
            let seen = format!("{{\n      \"policy\": \"{}\"\n    }}", it.policy());
            prod(
                &it.bob
                    .resigned(&id, |text| text.replace(&seen, "{}").into_bytes()),
            )
        },
    ),
    (
        "a baseline by someone who is no admin",
        "entry 3 .*not signed by bob",
        |it| {
            let Action::Record(record) = it.bob.a_record("HEAD", None) else {
                unreachable!("a record")
            };
            let changes = record.deployment.components.into_iter();
            let components = changes.map(|change| change.target).collect();
            let baseline = Action::Baseline(Baseline {
                components,
                comment: None,
            });
            prod(&it.bob.build("prod", baseline, None, |_| ()))
        },
    ),
    (
        "the bytes of an entry are changed",
        "entry 2 .*not signed by bob",
        |it| {
            let tip = it.prod();
            let entry = it.bob.bytes("blob", &format!("{tip}:entry.json"));
            let entry = String::from_utf8(entry)
                .unwrap()
                .replace("incident", "accident");
            prod(&it.bob.refile(&tip, &[("entry.json", entry.as_bytes())]))
        },
    ),
    (
        "an entry is dropped",
        "entry 1 .*it stands elsewhere",
        |it| prod(&it.bob.replant(&it.prod(), &it.rev("refs/deploy/prod~2"))),
    ),
    (
        "a signature is that of another entry",
        "entry 2 .*signed for another place",
        |it| {
            let tip = it.prod();
            let other = it.bob.bytes("blob", &format!("{tip}^:entry.json.minisig"));
            prod(&it.bob.refile(&tip, &[("entry.json.minisig", &other)]))
        },
    ),
    (
        "an entry of another project",
        "entry 3 .*it stands elsewhere",
        |it| {
            let other: EntryId = it.prod().parse().unwrap();
            lock_by(&it.bob, |statement| statement.project = other)
        },
    ),
    (
        "the genesis of another project",
        "entry 0 .*its genesis is not of this project",
        |it| {
            let genesis = it.rev("refs/deploy/prod~2");
            let project = it.rev("refs/deploy/policy~3");
            let other = it
                .bob
                .recommit(&genesis, |raw| raw.replace(&project, &it.prod()));
            prod(&it.bob.replant(&it.rev("refs/deploy/prod^"), &other))
        },
    ),
    (
        "another ledger",
        "entry 0 .*its genesis is not of this project",
        |it| prod(&it.policy()),
    ),
];

/// Each corruption is found, by its reason and at its entry, and the honest ledgers pass.
#[test]
fn corruptions_are_found() {
    if !has_tool("minisign") {
        return;
    }
    let world = World::new();
    let cast = Cast::new(&world);
    let repo = &cast.alice.repo;
    let honest = cast.refs();
    let project = cast.rev("refs/deploy/policy~3");
    let key = cast.alice.key().to_string();
    // The root of trust comes from git's configuration, or is given.
    for root in [None, Some(&project), Some(&key)] {
        for (ledger, last) in [("policy", "policy: 3"), ("prod", "prod: 2")] {
            let run = audit_sh(repo, ledger, root.map(String::as_str)).ok();
            let expected = format!("{last} entries, all good");
            assert!(run.text().ends_with(&expected), "{run}");
        }
    }
    repo.deploy(&["audit"]).ok();

    for (ledger, rows) in [("policy", &OF_THE_POLICY[..]), ("prod", &OF_PROD)] {
        for (name, reason, corrupt) in rows {
            let refs = corrupt(&cast);
            cast.restore(&honest);
            for (reference, id) in &refs {
                repo.git(&["update-ref", reference, id]).ok();
            }
            let root = name.contains("names the trusted key").then_some(&*key);
            let run = audit_sh(repo, ledger, root).fails(1);
            let (place, reason) = reason.split_once(".*").unwrap_or((reason, ""));
            let said = run.text();
            assert!(
                said.contains(place) && said.contains(reason),
                "{name}: {run}"
            );
            // The audit answers "invalid", not "cannot tell".
            repo.deploy(&["audit"]).fails(1);
            cast.restore(&honest);
        }
    }
    // With the owner's word, a recovery counts.
    let mallory = cast.mallory.key().to_string();
    published_by(&cast.mallory, &cast.usurping(), true);
    repo.git(&["config", "deploy.recovered", &key]).ok();
    audit_sh(repo, "policy", None).fails(1);
    repo.git(&["config", "deploy.recovered", &mallory]).ok();
    audit_sh(repo, "policy", None).ok();
    repo.deploy(&["audit"]).ok();
}
