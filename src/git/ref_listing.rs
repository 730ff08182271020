//! Lists the refs below a prefix.
//!
//! Anyone who may push can create a ref that this program cannot use. A caller that must go on
//! without it lists the usable refs and the others separately.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice as _;
use gix::refs::{FullNameRef, Target};

use super::error::{Error, Result};
use super::refs::direct_target;
use super::repo::Repository;
use crate::domain::id::Oid;

/// The maximum number of refs that are listed.
const LIST_LIMIT: usize = 100_000;

/// A ref as listed.
#[derive(Debug)]
pub struct ListedRef {
    /// Its full name. Bytes that are not UTF-8 are replaced.
    pub name: String,
    /// The object that it points to, or why the ref cannot be used.
    pub target: Result<Oid>,
}

impl Repository {
    /// Lists all refs below a prefix that ends in `/`, sorted by name. Symbolic refs, broken refs,
    /// and names that are not UTF-8 are errors, so use this only for prefixes of our own.
    pub fn list_refs(&self, prefix: &str) -> Result<Vec<(String, Oid)>> {
        let listed = self.list_all_refs(prefix)?.into_iter();
        listed
            .map(|listed| Ok((listed.name, listed.target?)))
            .collect()
    }

    /// Lists all refs below a prefix that ends in `/`, sorted by name, including those that cannot
    /// be used.
    ///
    /// # Errors
    /// Fails if it is unknown which refs exist.
    pub fn list_all_refs(&self, prefix: &str) -> Result<Vec<ListedRef>> {
        if !prefix.starts_with("refs/") || !prefix.ends_with('/') {
            return Err(Error::InvalidRef {
                name: prefix.to_owned(),
                why: "a prefix must begin with refs/ and end in a slash",
            });
        }
        let mut refs = BTreeMap::new();
        let mut add = |name: &FullNameRef, target: Result<Target>| {
            // A loose ref comes first, and is newer than a packed one of the same name.
            refs.entry(name.as_bstr().to_vec())
                .or_insert_with(|| self.describe_ref(name, target));
            if refs.len() > LIST_LIMIT {
                return Err(Error::limit_exceeded(
                    format!("the number of refs below {prefix}"),
                    LIST_LIMIT,
                ));
            }
            Ok(())
        };
        let loose = self.list_loose_refs(prefix)?;
        for (name, error) in self.describe_unreadable(loose.unreadable) {
            add(name.as_ref(), Err(error))?;
        }
        for name in loose.names {
            // If there is none, another process packed it in the meantime. The packed refs are read
            // afterwards.
            if let Some(target) = self.read_loose_ref(name.as_ref()).transpose() {
                add(name.as_ref(), target)?;
            }
        }
        self.visit_packed_refs(prefix, |name, target| add(name, Ok(target)))?;
        Ok(refs.into_values().collect())
    }

    /// Checks that the object that a ref points to can be read, whatever its kind.
    ///
    /// # Errors
    /// Fails with [`Error::BrokenTarget`] if not, as after a power cut or a full disk.
    pub fn require_target(&self, name: &str, id: Oid) -> Result<Oid> {
        let why = match self.object_kind(id) {
            Ok(Some(_)) => return Ok(id),
            Ok(None) => "it points to an object that is missing",
            Err(_) => "it points to an object that cannot be read",
        };
        Err(Error::BrokenTarget {
            name: name.to_owned(),
            id,
            why,
        })
    }

    /// Returns the name and the target of a ref.
    fn describe_ref(&self, full_name: &FullNameRef, target: Result<Target>) -> ListedRef {
        let name = full_name.as_bstr();
        let target = match name.to_str() {
            Ok(name) => target
                .and_then(|target| direct_target(name, self.loose_ref_path(full_name), &target)),
            Err(_) => Err(Error::InvalidRef {
                name: name.to_string(),
                why: "its name is not UTF-8",
            }),
        };
        ListedRef {
            name: name.to_string(),
            target,
        }
    }
}
