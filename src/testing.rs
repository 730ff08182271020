//! Reexports the items that tests, fuzz targets and benches use, by module.
//!
//! The library is private apart from `main`, so that the compiler finds dead code. The feature
//! `testing` makes these items visible.

/// Items of `cli`.
pub mod cli {
    /// Items of `cli::schemas`.
    pub mod schemas {
        pub use crate::cli::schemas::KINDS;
    }
}
/// Items of `domain`.
pub mod domain {
    /// Items of `domain::entry`.
    pub mod entry {
        pub use crate::domain::entry::{
            Abort, Action, ApprovalPurpose, Approve, Attestation, Baseline, Build, BuildResult,
            ComponentAtCommit, ComponentChange, ComponentResult, Deployment, DeploymentKind, Entry,
            Expire, Finish, Hold, Lock, Outcome, PolicyApprove, PolicyRevoke, Publish, Record,
            RecordedResult, Resume, Revoke, Start, Statement, StoredEntry, Target, Unlock,
            Unverified, Unyank, Verification, VerificationResult, VersionTag, Yank, YankedContent,
            format_note_line, read_trailers,
        };
    }
    /// Items of `domain::id`.
    pub mod id {
        pub use crate::domain::id::{CommitId, Content, Digest, EntryId, Oid, PublicKey, RunId};
    }
    /// Items of `domain::name`.
    pub mod name {
        pub use crate::domain::name::{ComponentName, LedgerName};
    }
    /// Items of `domain::plan`.
    pub mod plan {
        pub use crate::domain::plan::{
            Plan, PlanOutput, PlanResult, PlannedAction, TerraformError, TerraformPlan,
            is_saved_terraform_plan,
        };
    }
    /// Items of `domain::policy`.
    pub mod policy {
        pub use crate::domain::policy::{
            Environment, FileOwnership, MAX_BYTES, PathIndex, Paths, Policy, PublishedPolicy,
        };
    }
    /// Items of `domain::rules`.
    pub mod rules {
        pub use crate::domain::rules::ledgers_read;
    }
    /// Items of `domain::state`.
    pub mod state {
        pub use crate::domain::state::{Scope, State, Value, fold};
    }
    /// Items of `domain::text`.
    pub mod text {
        pub use crate::domain::text::is_plain;
    }
    /// Items of `domain::time`.
    pub mod time {
        pub use crate::domain::time::{Span, Time};
    }
    /// Items of `domain::verdict`.
    pub mod verdict {
        pub use crate::domain::verdict::{CheckResult, Decision, Rule};
    }
}
/// Items of `git`.
pub mod git {
    pub use crate::git::{Commit, Error, Repository};
    /// Items of `git::tree_entries`.
    pub mod tree_entries {
        pub use crate::git::tree_entries::{TreeEntry, parse_entries};
    }
}
/// Items of `ledger`.
pub mod ledger {
    pub use crate::ledger::{
        LedgerCommit, Project, StateReader, Tips, entry_commit_bytes, genesis_bytes,
        project_genesis_bytes,
    };
    /// Items of `ledger::audit`.
    pub mod audit {
        pub use crate::ledger::audit::{
            AuditFinding, AuditPlan, AuditProgress, FindingKind, audit, find_project,
        };
    }
    /// Items of `ledger::entry_validator`.
    pub mod entry_validator {
        pub use crate::ledger::entry_validator::PushContext;
    }
    /// Items of `ledger::facts`.
    pub mod facts {
        pub use crate::ledger::facts::FactGatherer;
    }
    /// Items of `ledger::notes`.
    pub mod notes {
        pub use crate::ledger::notes::{merge_lines, parse_covered_tips};
    }
}
/// Items of `server`.
pub mod server {
    pub use crate::server::Settings;
    /// Items of `server::classify`.
    pub mod classify {
        pub use crate::server::classify::{RefKind, classify};
    }
    /// Items of `server::deadline`.
    pub mod deadline {
        pub use crate::server::deadline::HookDeadline;
    }
    /// Items of `server::pre_receive`.
    pub mod pre_receive {
        pub use crate::server::pre_receive::judge;
    }
    /// Items of `server::proc_receive`.
    pub mod proc_receive {
        pub use crate::server::proc_receive::run;
    }
    /// Items of `server::push_judge`.
    pub mod push_judge {
        pub use crate::server::push_judge::PushJudge;
    }
    /// Items of `server::ref_update`.
    pub mod ref_update {
        pub use crate::server::ref_update::RefUpdate;
    }
}
/// Items of `signing`.
pub mod signing {
    pub use crate::signing::{Signature, Signer, verify, verify_entry};
    /// Items of `signing::key`.
    pub mod key {
        pub use crate::signing::key::{SecretKey, generate_key};
    }
}
/// Items of `view`.
pub mod view {
    /// Items of `view::json`.
    pub mod json {
        pub use crate::view::json::render_document;
    }
    /// Items of `view::plan`.
    pub mod plan {
        pub use crate::view::plan::{
            ComponentPlan, ComponentTransition, DeploymentPlan, PlanDetail, render_markdown,
            render_text,
        };
    }
}
