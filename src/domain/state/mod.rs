//! The state after an entry, as stored in the tree of a ledger commit.
//!
//! A state is a map from [`Slot`] to [`Value`]; a slot is one path in the tree, a value one blob or
//! gitlink. [`fold`] returns the edits that an entry makes, so that a writer and a server touch
//! only those slots. A state may be loaded in part, without the components that an entry does not
//! name: see [`Scope`].

mod edits;
mod env_state;
mod fold;
mod ledger_state;
mod scope;
mod slot;

pub use env_state::{EnvState, OpenRun};
pub use fold::fold;
pub use ledger_state::{Edit, State};
pub use scope::Scope;
pub use slot::{Slot, SlotKey, Value};
