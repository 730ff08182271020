//! Tests of saved plans: what a command reads is what was saved, and changes are noticed.

use super::*;

/// A folder with a saved plan in it.
fn save(bytes: &[u8]) -> (tempfile::TempDir, PlanSlot) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    fs::write(&path, bytes).unwrap();
    let file = PlanFile::take(&path, folder.path()).unwrap().unwrap();
    assert!(!path.exists(), "the plan has kept its name");
    assert_eq!(file.read().unwrap(), bytes);
    let slot = PlanSlot::default();
    slot.save(Digest::sha256(bytes), Some(file));
    (folder, slot)
}

/// Each command gets the saved bytes, in a file that only this user can read and no one can write.
#[test]
fn a_plan_is_written_for_each_command() {
    let bytes = vec![7; 100_000];
    let (folder, slot) = save(&bytes);
    for _ in 0..2 {
        let written = slot.write(folder.path()).unwrap();
        assert_eq!(fs::read(written.path()).unwrap(), bytes);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(written.path()), 0o400);
        assert_eq!(mode(written.path().parent().unwrap()), 0o500);
        assert!(written.is_unchanged());
    }
    slot.clear();
    assert_eq!(slot.digest(), None);
    let written = slot.write(folder.path()).unwrap();
    assert!(!written.path().exists() && written.is_unchanged());
}

/// Whatever another process does to the written file is noticed.
#[test]
fn changes_are_noticed() {
    type Change = fn(&Path);
    let changes: [Change; 4] = [
        |path| fs::write(path, "tampered").unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
        |path| {
            let moved = path.with_extension("moved");
            fs::rename(path, &moved).unwrap();
            std::os::unix::fs::symlink(&moved, path).unwrap();
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let (folder, slot) = save(b"plan");
        let written = slot.write(folder.path()).unwrap();
        fs::set_permissions(written.path(), Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(
            written.path().parent().unwrap(),
            Permissions::from_mode(0o700),
        )
        .unwrap();
        change(written.path());
        assert!(!written.is_unchanged(), "change {number}");
    }
    let slot = PlanSlot::default();
    let folder = tempfile::tempdir().unwrap();
    let written = slot.write(folder.path()).unwrap();
    fs::set_permissions(
        written.path().parent().unwrap(),
        Permissions::from_mode(0o700),
    )
    .unwrap();
    fs::write(written.path(), "planted").unwrap();
    assert!(!written.is_unchanged(), "a planted plan");
}

/// Anything but a regular file is no plan, and does not block.
#[test]
fn only_files_are_plans() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan");
    assert!(PlanFile::take(&path, folder.path()).unwrap().is_none());
    fs::create_dir(&path).unwrap();
    PlanFile::take(&path, folder.path()).unwrap_err();
    fs::remove_dir(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    PlanFile::take(&path, folder.path()).unwrap_err();
}
