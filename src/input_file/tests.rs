use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

/// Only a regular file is read, directly or through a link, and only up to the limit. Nothing
/// else makes the caller wait.
#[test]
fn only_regular_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), "12345").unwrap();
    let made = Command::new("mkfifo").arg(path("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = UnixListener::bind(path("socket")).unwrap();
    for (link, target) in [("link", path("file")), ("pipe-link", path("pipe"))] {
        std::os::unix::fs::symlink(target, path(link)).unwrap();
    }
    for name in ["file", "link"] {
        assert_eq!(read_regular_file(&path(name), 5).unwrap(), b"12345");
        let error = read_regular_file(&path(name), 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{name}");
    }
    let devices = ["/dev/zero", "/dev/null", "/dev/tty"].map(Into::into);
    let others = [path("pipe"), path("pipe-link"), path("socket"), path("")];
    for path in others.iter().chain(&devices) {
        assert!(read_regular_file(path, 5).is_err(), "{}", path.display());
    }
}
