//! Reads and edits a notes tree, in the layout that git uses for its notes.
//!
//! gix edits the tree; its objects go through our durable writes.

use super::error::{Error, Result};
use super::object_id::{from_gix, to_gix};
use super::repo::Repository;
use crate::domain::id::{CommitId, Oid};

/// The largest note that is read.
const NOTE_LIMIT: usize = 64 * 1024 * 1024;

/// A notes tree being read or edited.
pub struct NotesTree<'a> {
    repository: &'a Repository,
    state: gix::note::plumbing::State,
}

impl<'a> NotesTree<'a> {
    /// Opens a notes tree.
    pub fn open(repository: &'a Repository, tree: Oid) -> Result<Self> {
        let state = gix::note::plumbing::State::new(to_gix(tree), &NoteObjects(repository))
            .map_err(Error::library("reading the notes"))?;
        Ok(Self { repository, state })
    }

    /// Reads the note of a commit.
    pub fn read(&mut self, commit: CommitId) -> Result<Option<String>> {
        let note = self
            .state
            .get(&to_gix(commit.0), &NoteObjects(self.repository))
            .map_err(Error::library("reading a note"))?;
        let Some(blob) = note else { return Ok(None) };
        let bytes = self.repository.read_blob(from_gix(&blob), NOTE_LIMIT)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Sets the note of a commit.
    pub fn set(&mut self, commit: CommitId, text: &str) -> Result<()> {
        let blob = self.repository.write_blob(text.as_bytes())?;
        self.state
            .edit(
                to_gix(commit.0),
                Some(to_gix(blob)),
                &NoteObjects(self.repository),
            )
            .map(drop)
            .map_err(Error::library("adding a note"))
    }

    /// Writes the edited tree and returns its id.
    pub fn write(mut self) -> Result<Oid> {
        let tree = self
            .state
            .write(&NoteObjects(self.repository))
            .map_err(Error::library("writing the notes"))?;
        Ok(from_gix(&tree))
    }
}

/// Lets gix's notes editor write through our durable object store.
struct NoteObjects<'a>(&'a Repository);

impl gix::objs::Find for NoteObjects<'_> {
    fn try_find<'b>(
        &self,
        id: &gix::oid,
        buffer: &'b mut Vec<u8>,
    ) -> std::result::Result<Option<gix::objs::Data<'b>>, gix::Error> {
        self.0.gix.objects.try_find(id, buffer)
    }
}

impl gix::objs::Write for NoteObjects<'_> {
    fn write_buf_with_known_id(
        &self,
        kind: gix::objs::Kind,
        bytes: &[u8],
        _id: gix::ObjectId,
    ) -> std::result::Result<gix::ObjectId, gix::Error> {
        self.write_buf(kind, bytes)
    }

    fn write_buf(
        &self,
        kind: gix::objs::Kind,
        bytes: &[u8],
    ) -> std::result::Result<gix::ObjectId, gix::Error> {
        let written = match kind {
            gix::objs::Kind::Tree => self.0.write_tree(bytes),
            _ => self.0.write_blob(bytes),
        };
        written.map(to_gix).map_err(gix::Error::from_error)
    }

    fn write_stream(
        &self,
        kind: gix::objs::Kind,
        _size: u64,
        from: &mut dyn std::io::Read,
    ) -> std::result::Result<gix::ObjectId, gix::Error> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)
            .map_err(gix::Error::from_error)?;
        self.write_buf(kind, &bytes)
    }

    fn write_stream_with_known_id(
        &self,
        kind: gix::objs::Kind,
        size: u64,
        from: &mut dyn std::io::Read,
        _id: gix::ObjectId,
    ) -> std::result::Result<gix::ObjectId, gix::Error> {
        self.write_stream(kind, size, from)
    }
}
