//! Changes of the policy through real pushes: admins who must agree, keys that are replaced,
//! retired and removed, an older text restored, and recovery after all admin keys are lost.

use crate::harness::{Member, Project, Run, World};

/// Returns the policy's text with a text in one person's line replaced.
fn with_line(text: &str, person: &str, line: &str) -> String {
    let lines = text.lines().map(|it| {
        if it.starts_with(&format!("{person} = ")) {
            line
        } else {
            it
        }
    });
    lines
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

/// Publishes a text, past what the client would say.
fn publish<'w>(member: &Member<'w>, text: &str) -> Run<'w> {
    member.repo.write("deploy.toml", text);
    member.deploy(&["policy", "publish", "--yes", "--no-verify"])
}

/// Publishes a text with the key that the server's owner armed.
fn recover<'w>(member: &Member<'w>, text: &str) -> Run<'w> {
    member.repo.write("deploy.toml", text);
    member.deploy(&["policy", "publish", "--yes", "--recover"])
}

/// A publication needs a number of other admins, each for its exact text; an approval is used once.
#[test]
fn publications_need_enough_admins() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    let rest = |environments: &str| {
        project.policy(&format!(
            "[policy]\nadmins = [\"alice\", \"bob\", \"carol\", \"ci\"]\napprovals = 2\n[environments]\n{environments}\n"
        ))
    };
    let (two, three) = (rest("dev = {}"), rest("dev = {}\nprod = {}"));
    publish(alice, &two).ok();
    let approve = |member: &Member<'_>| {
        member.repo.write("proposed.toml", &three);
        member.deploy(&["policy", "approve", "proposed.toml"]).ok();
    };
    let said = project.refused(&["approvals"], || publish(alice, &three));
    assert!(
        said.contains("0 of 2, needs 2 more, of bob, carol"),
        "{said}"
    );
    // The publisher's own word and a machine's fill no seat.
    approve(alice);
    approve(ci);
    approve(bob);
    let said = project.refused(&["approvals"], || publish(alice, &three));
    assert!(said.contains("1 of 2: bob ✓, needs carol"), "{said}");
    approve(carol);
    bob.deploy(&["policy", "revoke", "proposed.toml"]).ok();
    project.refused(&["approvals"], || publish(alice, &three));
    approve(bob);
    // One byte more is another policy.
    project.refused(&["approvals"], || publish(alice, &format!("{three}\n")));
    let mut published = publish(alice, &three).ok();
    assert!(published.text().contains("is in force"), "{published}");
    // Back to the older text: a new entry like any other, on the approvals that it finds, which are none.
    project.refused(&["approvals"], || publish(alice, &two));
    for member in [bob, carol] {
        member.repo.write("older.toml", &two);
        member.deploy(&["policy", "approve", "older.toml"]).ok();
    }
    published = publish(alice, &two).ok();
    assert!(published.text().contains("is in force"), "{published}");
    alice.deploy(&["policy", "approve", "deploy.toml"]).ok();
    project.refused(&["approvals"], || publish(bob, &three));
    project.audited();
}

/// A replaced key signs nothing new but the end of its open run, and its old entries count. A key
/// that is removed as stolen counts for nothing after that, and an audit lists what was deployed
/// with it.
#[test]
fn replaced_and_stolen_keys() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = { approvals = { required = 1, by = [\"bob\", \"carol\"] } }\n",
    );
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    let first = project
        .policy("[environments]\ndev = {}\nprod = { approvals = { required = 1, by = [\"bob\", \"carol\"] } }\n");
    bob.deploy(&["approve", "prod"]).ok();
    bob.deploy(&["record", "dev", "--start"]).ok();
    let old = bob.key();
    bob.repo
        .git(&[
            "config",
            "deploy.oldkey",
            &bob.repo.git(&["config", "deploy.key"]).ok().text(),
        ])
        .ok();
    let new_file = world
        .path()
        .join("home/bob-new.key")
        .to_string_lossy()
        .into_owned();
    bob.deploy(&["key", "new", &new_file, "--no-password"]).ok();
    // Before it is published nobody knows the new key.
    let with = |file: &str| {
        bob.repo.git(&["config", "deploy.key", file]).ok();
    };
    with(&new_file);
    let new = bob.deploy(&["key", "show", "--json"]).ok().json()["publicKey"]
        .as_str()
        .unwrap()
        .to_owned();
    bob.deploy(&["lock", "dev", "-m", "x"]).fails(1);
    let rotated = with_line(
        &first,
        "bob",
        &format!(
            "bob = {{ key = \"{new}\", retired = [\"{old}\"], emails = [\"bob@example.com\"] }}"
        ),
    );
    publish(alice, &rotated).ok();

    let old_file = bob.repo.git(&["config", "deploy.oldkey"]).ok().text();
    with(&old_file);
    let said = project.refused(&["authorization"], || {
        bob.deploy(&["lock", "prod", "-m", "x", "--no-verify"])
    });
    assert!(said.contains("this key of bob is retired"), "{said}");
    let refused = bob.deploy(&["lock", "prod", "-m", "x"]).fails(1);
    assert!(
        refused.err().contains("git config deploy.key FILE"),
        "{refused}"
    );
    bob.deploy(&["record", "dev", "--finish"]).ok();
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    with(&new_file);
    bob.deploy(&["lock", "prod", "-m", "x"]).ok();
    bob.deploy(&["unlock", "prod"]).ok();

    // Taken away altogether, with an approval and a run that are open.
    project.push("api/x", "two\n");
    bob.deploy(&["approve", "prod"]).ok();
    bob.deploy(&["record", "dev", "--start"]).ok();
    let without = with_line(&first, "bob", "").replace("\"bob\", ", "");
    publish(alice, &without).ok();
    project.refused(&["authorization"], || {
        bob.deploy(&["sync"]).ok();
        let id = bob.build("dev", crate::harness::member::a_lock(), None, |_| ());
        bob.push(&[&format!("{id}:refs/deploy/dev")])
    });
    bob.deploy(&["record", "dev", "--finish"]).fails(1);
    project.refused(&["approvals"], || {
        ci.deploy(&["record", "prod", "--no-verify"])
    });
    carol.deploy(&["approve", "prod"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    // An admin gives the run up that nobody can finish any more.
    alice
        .deploy(&["abort", "dev", "-m", "the key was stolen"])
        .ok();
    project.audited();
    let audit = carol.deploy(&["audit"]).ok().text();
    assert!(
        audit.contains("it depends on the approval by bob, whose key was removed later"),
        "{audit}"
    );
}

/// If all admin keys are lost, the server's owner lets one key publish once, and every client is
/// asked to confirm it.
#[test]
fn recovery_is_confirmed_by_every_client() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let (bob, carol) = (&project.bob, &project.carol);
    project.ci.deploy(&["record", "dev"]).ok();
    let text = with_line(
        &project.policy("[policy]\nadmins = \"carol\"\n[environments]\ndev = {}\n"),
        "alice",
        "",
    );
    project.refused(&["authorization"], || recover(carol, &text));
    project
        .server
        .deploy(&["server", "init", ".", "--recover", &carol.key().to_string()])
        .ok();
    // Not by anybody else, and not as an ordinary publish either.
    project.refused(&["authorization"], || {
        recover(bob, &text.replace("admins = \"carol\"", "admins = \"bob\""))
    });
    project.refused(&["authorization"], || publish(carol, &text));
    recover(carol, &text).ok();
    project.refused(&["authorization"], || {
        recover(carol, &format!("{text}# again\n"))
    });
    publish(carol, &format!("{text}# carol's\n")).ok();

    let before = bob.repo.rev("refs/deploy/policy");
    let asked = bob.deploy(&["sync"]).fails(1).err();
    let confirm = format!("git config --add deploy.recovered {}", carol.key());
    assert!(
        asked.contains(&confirm) && bob.repo.rev("refs/deploy/policy") == before,
        "{asked}"
    );
    for member in [bob, &project.ci] {
        member
            .repo
            .git(&[
                "config",
                "--add",
                "deploy.recovered",
                &carol.key().to_string(),
            ])
            .ok();
        member.deploy(&["sync"]).ok();
    }
    project
        .ci
        .deploy(&["record", "dev", "--verification", "passed", "--all"])
        .ok();
    project.audited();
    let audit = bob.deploy(&["audit"]).ok().text();
    assert!(
        audit.contains("carol published this policy after all admin keys were lost"),
        "{audit}"
    );
    // The lost key, found again, opens nothing.
    project.refused(&["authorization"], || {
        let alice = &project.alice;
        alice
            .repo
            .git(&[
                "config",
                "--add",
                "deploy.recovered",
                &carol.key().to_string(),
            ])
            .ok();
        alice.deploy(&["sync"]).ok();
        let id = alice.publish(&text, false);
        alice.push(&[&format!("{id}:refs/deploy/policy")])
    });
}
