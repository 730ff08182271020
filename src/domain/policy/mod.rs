//! The policy, `deploy.toml`: who may do what, and what must hold first.
//!
//! A [`Policy`] is always valid: [`Policy::parse`] is the only way to create one, and it reports all
//! errors at once. All names in a policy resolve, groups are expanded and defaults are filled in, so
//! that the rules never have to deal with an invalid policy.
//!
//! Each table of the file is declared in one place by `policy_table!`; see `table_macros`.

mod admin;
mod approval;
mod attestation;
mod changes;
mod check;
mod component;
mod describe;
mod edit;
mod environment;
mod environment_order;
mod environment_tables;
mod environment_words;
mod environments;
mod error;
mod exceptions;
mod fields;
mod file;
mod forms;
mod freeze;
mod key_list;
mod lookup;
mod notify;
mod parse;
mod path_index;
mod paths;
mod people;
mod placeholder;
mod predicate;
mod reader;
mod refname;
mod roles;
mod roster;
mod shell_command;
mod starter;
mod table;
mod table_macros;
mod template;
mod value_descriptions;
mod variables;
mod version;
mod webhook_url;
mod writable_path;
mod zone;

#[cfg(test)]
pub use admin::UnownedPaths;
pub use approval::{ApprovalBinding, ApprovalRequirement, PreventSelf};
pub use attestation::RequiredCheck;
pub use changes::{ChangeKind, ChangedSubject, KeyChange, SubjectChange, compare_policies};
pub use component::{Component, Submodules};
pub use describe::ValueText;
pub use edit::{EditError, NewValue, PolicyEditor};
pub use environment::{Environment, PromotionMatch};
pub use environment_tables::Ephemeral;
pub use environment_words::{DeployOn, Enforcement, Isolation, Rollback};
pub use error::suggest_nearest;
pub use exceptions::{Hotfix, HotfixSkip};
pub use file::Policy;
pub use freeze::Freeze;
pub use key_list::PublishedPolicy;
pub use notify::{Notify, NotifyChannel, NotifyEvent, WebhookAddress, WebhookFormat};
pub use parse::MAX_BYTES;
pub use path_index::{FolderOwners, FolderPosition, PathIndex};
pub use paths::{Coverage, FileOwnership, Paths, quote_brackets};
pub use people::{KeyStatus, Members};
pub use placeholder::Placeholder;
pub use predicate::PredicateType;
pub use refname::{BranchName, refname_problem, replace_bad_characters};
pub use shell_command::ShellCommand;
pub use starter::StarterPerson;
#[cfg(test)]
pub use table::TextForm;
pub use table::{KeyTable, TableKey, ValueForm};
pub use template::{Template, tag_timestamp};
pub use variables::{Secret, VarName};
pub use version::{
    VersionRule, VersionScheme, VersionSource, VersionTagPattern, compare_versions,
    read_version_numbers,
};
pub use webhook_url::WebhookUrl;
pub use writable_path::WritablePath;

#[cfg(test)]
pub(crate) mod tests;
