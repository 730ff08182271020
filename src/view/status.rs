//! What runs in each environment: the table of `git deploy status`, and the document
//! `git-deploy/status/v1`.
//!
//! The document lists every component. In the table, equal components share one row.

mod text;

use schemars::JsonSchema;
use serde::Serialize;

pub use text::{render_age, render_text};

use super::commit_count::CommitCount;
use crate::domain::entry::Outcome;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The environments in the order of promotion; a pattern is represented by its members.
    pub environments: Vec<EnvironmentStatus>,
    /// The branch that `behind` refers to, unless the environment has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// When it was last fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Time>,
    /// What is wrong with the remote's ledgers, one sentence each.
    pub problems: Vec<String>,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Its name.
    pub name: EnvName,
    /// Its own branch for `behind`, if it differs from the document's `branch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockInfo>,
    /// When it expires, if it is ephemeral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Whether it has expired: the next `git deploy reap` destroys it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// The components whose last attempt failed, so that its content is on hold until a person
    /// releases it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HeldComponent>,
    /// The components that run or are being deployed, by name.
    pub components: Vec<ComponentStatus>,
    /// The components that run but are no longer declared in the policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<ComponentName>,
    /// With `--exit-code`: the components whose content differs from the branch; empty if there are
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing_components: Option<Vec<ComponentName>>,
}

/// A component whose content is on hold after its last attempt.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldComponent {
    /// The component.
    pub component: ComponentName,
    /// The attempted commit.
    pub commit: CommitId,
    /// The outcome: it failed or was rolled back.
    pub outcome: Outcome,
}

/// One component in an environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its name.
    pub component: ComponentName,
    /// The running commit; absent if nothing ran yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// The state.
    pub state: ComponentState,
    /// The version or commit being deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Since when it is in this state.
    pub since: Time,
    /// Who brought it into this state.
    pub by: Person,
    /// The number of commits on the branch that touch the component and are not running; absent if
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<CommitCount>,
    /// Those commits, so that a row for several components counts each only once.
    #[serde(skip)]
    pub missing_commits: Vec<CommitId>,
    /// The lock of this component alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockInfo>,
    /// Why the running commit was yanked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<Line>,
}

/// The state of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ComponentState {
    /// It runs.
    Live,
    /// A deployment of something else is under way.
    Deploying,
    /// A rollback is under way.
    RollingBack,
    /// It is being removed.
    Destroying,
    /// What runs is unknown after a failure or an abort.
    Unknown,
    /// It runs, and its last verification failed.
    Unhealthy,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockInfo {
    /// Who locked it.
    pub by: Person,
    /// When it was locked.
    pub at: Time,
    /// The reason.
    pub reason: Line,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str, version: &str, state: ComponentState) -> ComponentStatus {
        ComponentStatus {
            component: name.parse().unwrap(),
            commit: Some("8f3c2a10aa05736482d4523166f70cb561afa111".parse().unwrap()),
            version: Some(version.parse().unwrap()),
            state,
            target: None,
            since: "2026-03-05T10:00:00Z".parse().unwrap(),
            by: "ci".parse().unwrap(),
            behind: Some(CommitCount {
                commits: 12,
                truncated: false,
            }),
            missing_commits: (10..22)
                .map(|it| {
                    format!("{it}3c2a10aa05736482d4523166f70cb561afa111")
                        .parse()
                        .unwrap()
                })
                .collect(),
            lock: None,
            yanked: None,
        }
    }

    fn sample() -> StatusReport {
        let environment = |name: &str, components| EnvironmentStatus {
            name: name.parse().unwrap(),
            branch: None,
            lock: None,
            expires: None,
            expired: false,
            holds: Vec::new(),
            components,
            undeclared: Vec::new(),
            differing_components: None,
        };
        let many: Vec<ComponentStatus> = (0..40)
            .map(|number| component(&format!("c{number}"), "1.5.0", ComponentState::Live))
            .collect();
        let deploying = ComponentStatus {
            target: Some("2.0.1".to_owned()),
            ..component("web", "2.0.0", ComponentState::Deploying)
        };
        let mut prod = environment(
            "prod",
            vec![
                component("api", "1.4.1", ComponentState::Unhealthy),
                deploying,
            ],
        );
        prod.lock = Some(LockInfo {
            by: "bob".parse().unwrap(),
            at: "2026-03-05T09:55:00Z".parse().unwrap(),
            reason: "incident 4711".parse().unwrap(),
        });
        StatusReport {
            environments: vec![
                environment("dev", many),
                environment("qa", Vec::new()),
                prod,
            ],
            branch: Some("main".to_owned()),
            remote: Some("origin".to_owned()),
            fetched: Some("2026-03-05T09:57:00Z".parse().unwrap()),
            problems: Vec::new(),
        }
    }

    /// Checks that the table has few lines, however many components there are.
    #[test]
    fn folded() {
        let text = render_text(&sample(), false, None, &|time| {
            time.to_string()[11..16].to_owned()
        });
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "ENVIRONMENT  COMPONENT  VERSION  COMMIT   STATE            SINCE  BY  BEHIND main\n\
             dev          all (40)   1.5.0    8f3c2a1  live             10:00  ci  12\n\
             qa           –          –        –        nothing yet                 –\n\
             prod         api        1.4.1    8f3c2a1  unhealthy        10:00  ci  12\n             \
                          web        2.0.0    8f3c2a1  deploying 2.0.1  10:00  ci  12\n  \
               prod is locked by bob: \"incident 4711\" (09:55)\n\
             as of the last fetch, 09:57 · git deploy sync brings news"
        );
        let mut some = sample();
        some.environments.truncate(1);
        let components = &mut some.environments[0].components;
        components[7].version = Some("1.6.0".parse().unwrap());
        components[9].state = ComponentState::Unhealthy;
        components[11].behind = Some(CommitCount {
            commits: 13,
            truncated: false,
        });
        components[11]
            .missing_commits
            .push("993c2a10aa05736482d4523166f70cb561afa111".parse().unwrap());
        let text = super::render_text(&some, false, None, &|_| "10:00".to_owned());
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text.lines().skip(1).take(3).collect::<Vec<_>>(),
            [
                "dev          c7           1.6.0    8f3c2a1  live       10:00  ci  12",
                "             c9           1.5.0    8f3c2a1  unhealthy  10:00  ci  12",
                "             others (38)  1.5.0    8f3c2a1  live       10:00  ci  13",
            ]
        );
        let all = super::render_text(&sample(), true, None, &|time| time.to_string());
        assert_eq!(
            all.lines().filter(|line| line.contains("1.5.0")).count(),
            40
        );
    }
}
