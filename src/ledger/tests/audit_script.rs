//! `testdata/audit.sh`: an audit with git and minisign alone.

use std::path::Path;
use std::process::Command;

use super::World;
use super::script::script;
use crate::signing::key;
use crate::signing::sign::Signer;
use crate::test_tools::has_tool;

/// Creates a key pair; returns the signer and the public key for the policy.
fn create_key_pair(folder: &Path, name: &str) -> (Signer, String) {
    let file = folder.join(format!("{name}.key"));
    let public = key::generate_key(&file, None).unwrap();
    let secret =
        key::SecretKey::read(&file, || Err(std::io::Error::other("it has no password"))).unwrap();
    (Signer::from_key(secret), public.to_string())
}

/// Runs `testdata/audit.sh`; returns what it printed, and whether it succeeded.
fn audit(world: &World, ledger: &str) -> (String, bool) {
    let shell_script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/audit.sh");
    let output = Command::new(shell_script)
        .arg(ledger)
        .current_dir(world.repository.git_dir())
        .output()
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.success(),
    )
}

/// Stock tools can check a ledger: forty lines of shell, git and minisign accept good ledgers and
/// find a forged entry.
#[test]
fn git_and_minisign_alone_can_audit() {
    let has_minisign = has_tool("minisign");
    if !has_minisign {
        return;
    }
    for kind in ["sha1", "sha256"] {
        let mut world = World::new(kind);
        let keys = tempfile::tempdir().unwrap();
        let ((alice, alice_key), (bob, bob_key)) = (
            create_key_pair(keys.path(), "alice"),
            create_key_pair(keys.path(), "bob"),
        );
        // Bob has replaced his key since; Alice's key stands in for his new one. Entries signed
        // with the retired key still count.
        let policy = format!(
            "[people]\nalice = \"{alice_key}\"\nbob = {{ key = \"{alice_key}\", retired = [\"{bob_key}\"] }}\n"
        );
        let mut publish = script(&world.code).remove(0);
        publish.policy = Some(policy.into_bytes().leak());
        world.append(&publish, Some(&alice));
        for step in script(&world.code)
            .into_iter()
            .filter(|step| step.ledger.is_environment() && step.by == "bob")
        {
            world.append(&step, Some(&bob));
        }
        assert_eq!(
            audit(&world, "policy"),
            ("policy: 1 entries, all good\n".to_owned(), true)
        );
        let (output, is_good) = audit(&world, "prod");
        assert!(
            is_good && output.ends_with(" entries, all good\n"),
            "{output}"
        );

        let mut forged = script(&world.code)
            .into_iter()
            .find(|step| step.by == "carol")
            .unwrap();
        world.append(&forged, Some(&bob));
        let (output, is_good) = audit(&world, "prod");
        assert!(
            !is_good && output.contains("not signed by carol"),
            "{output}"
        );
        // Another person's entry follows the forged one, and the first failure is reported.
        forged.by = "bob";
        world.append(&forged, Some(&bob));
        assert_eq!(audit(&world, "prod"), (output, false));
        assert!(!audit(&world, "nowhere").1);
    }
}
