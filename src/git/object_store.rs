//! Opens object stores with the limits that hold for every read.

use std::path::Path;

/// The largest object that is read: a tree of a million entries fits, and a push cannot make us
/// allocate more.
pub(super) const OBJECT_LIMIT: usize = 128 << 20;

/// Opens the object store in a folder, for the given repository.
pub(super) fn open_object_store(
    gix: &gix::Repository,
    folder: &Path,
) -> std::io::Result<gix::OdbHandle> {
    let options = gix::odb::store::init::Options {
        alloc_limit_bytes: Some(OBJECT_LIMIT),
        current_dir: Some(gix.common_dir().to_owned()),
        ..Default::default()
    };
    let handle = gix::odb::at_opts(folder.to_owned(), gix.object_hash(), None, options)?;
    // Without the proxy's in-memory store, so that a write reaches the store instead of vanishing.
    Ok(gix::odb::memory::Proxy::from(handle).with_write_passthrough())
}
