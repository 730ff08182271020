//! `testdata/audit.sh`: an audit with git and minisign alone.

use std::path::Path;
use std::process::Command;

use super::World;
use super::script::{Step, script};
use crate::domain::entry::Action;
use crate::domain::id::PublicKey;
use crate::signing::key;
use crate::signing::sign::Signer;
use crate::test_tools::has_tool;

/// Creates a key pair; returns the signer and the public key.
fn create_key_pair(folder: &Path, name: &str) -> (Signer, PublicKey) {
    let file = folder.join(format!("{name}.key"));
    let public = key::generate_key(&file, None).unwrap();
    let secret =
        key::SecretKey::read(&file, || Err(std::io::Error::other("it has no password"))).unwrap();
    (Signer::from_key(secret), public)
}

/// Runs `testdata/audit.sh` with these arguments; returns what it printed, and whether it
/// succeeded.
fn audit(world: &World, arguments: &[&str]) -> (String, bool) {
    let shell_script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/audit.sh");
    let output = Command::new(shell_script)
        .args(arguments)
        .current_dir(world.repository.git_dir())
        .output()
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.success(),
    )
}

/// Returns the first step of the script by this person in an environment that `is_wanted` accepts.
fn find_step(world: &World, by: &'static str, is_wanted: impl Fn(&Action) -> bool) -> Step {
    let steps = script(&world.code).into_iter();
    let mut wanted = steps.filter(|it| it.ledger.as_str() == "prod" && is_wanted(&it.action));
    Step {
        by,
        ..wanted.next().unwrap()
    }
}

/// Stock tools can check a ledger: sixty lines of shell, git and minisign accept good ledgers and
/// find a forged entry.
#[test]
fn git_and_minisign_alone_can_audit() {
    let has_minisign = has_tool("minisign");
    if !has_minisign {
        return;
    }
    for kind in ["sha1", "sha256"] {
        let keys = tempfile::tempdir().unwrap();
        let [(alice, root), (bob, old_key), (_, new_key)] =
            ["alice", "bob", "new"].map(|name| create_key_pair(keys.path(), name));
        let mut world = World::new(kind, &[root]);
        let publish = |world: &mut World, bob: &str| {
            let policy = format!(
                "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"{root}\"\nbob = {bob}\n[environments.prod]\n"
            );
            let mut publish = script(&world.code).remove(0);
            publish.policy = Some(policy.into_bytes().leak());
            world.append(&publish, Some(&alice));
        };
        publish(&mut world, &format!("\"{old_key}\""));
        for step in script(&world.code)
            .into_iter()
            .filter(|step| step.ledger.is_environment() && step.by == "bob")
        {
            world.append(&step, Some(&bob));
        }
        // The root of trust is a root key or the project.
        let project = world.project.id.to_string();
        for pin in [root.to_string(), project.clone()] {
            assert_eq!(
                audit(&world, &["policy", &pin]),
                ("policy: 1 entries, all good\n".to_owned(), true)
            );
        }
        assert!(!audit(&world, &["policy"]).1);
        for pin in ["", "RW", &new_key.to_string()] {
            assert!(!audit(&world, &["policy", pin]).1, "{pin:?}");
        }
        let (output, is_good) = audit(&world, &["prod", &project]);
        assert!(
            is_good && output.ends_with(" entries, all good\n"),
            "{output}"
        );

        // A retired key may only finish a run. What it signed before still counts.
        let retired = format!("{{ key = \"{new_key}\", retired = [\"{old_key}\"] }}");
        publish(&mut world, &retired);
        let finish = find_step(&world, "bob", |it| matches!(it, Action::Finish(_)));
        let lock = find_step(&world, "bob", |it| matches!(it, Action::Lock(_)));
        world.append(&finish, Some(&bob));
        let (output, is_good) = audit(&world, &["prod", &project]);
        assert!(is_good, "{output}");
        world.append(&lock, Some(&bob));
        let (output, is_good) = audit(&world, &["prod", &project]);
        assert!(!is_good && output.contains("not signed by bob"), "{output}");
        // An honest entry follows, and the first failure is reported.
        world.append(
            &Step {
                by: "alice",
                ..lock
            },
            Some(&alice),
        );
        assert_eq!(audit(&world, &["prod", &project]), (output, false));
        assert!(!audit(&world, &["nowhere", &project]).1);
    }
}
