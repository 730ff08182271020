//! Opens files that a user, a setting or a policy names, without waiting and without reading devices.
//!
//! Opening a named pipe waits until another process opens its other end, and a device can have no
//! end, so only regular files are accepted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The folders and links that stand for what this process has inherited open, as the shell's `<(…)`
/// does.
const INHERITED: [&str; 3] = ["/dev/fd", "/proc/self/fd", "/dev/stdin"];

/// Opens a regular file for reading.
///
/// What the caller of this program has opened, such as `/dev/stdin`, can also be a pipe.
///
/// # Errors
/// Fails, without waiting, if the path is a folder, a named pipe, a socket or a device.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    if INHERITED
        .iter()
        .any(|inherited| path.starts_with(inherited))
    {
        return File::open(path);
    }
    // A named pipe must not block, and a terminal must not become that of this process.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes.
pub fn read_regular_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular_file(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let why = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
