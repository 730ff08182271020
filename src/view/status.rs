//! What runs in each environment: the table of `git deploy status`, and the document
//! `git-deploy/status/v1`.
//!
//! The document lists every component. In the table, equal components share one row.

mod release;
mod remarks;
mod report;
mod text;

pub use release::render_release;
pub use report::{
    BreakGlassUse, CommitPlacement, ComponentState, ComponentStatus, EnvironmentStatus,
    FailedComponent, HeldComponent, LockInfo, PendingApproval, ReleaseStatus, StatusReport,
    UnfinishedRun,
};
pub use text::{RowSharing, TextOptions, render_age, render_text};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::commit_count::CommitCount;

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
            placement: None,
            artifacts: Vec::new(),
        }
    }

    fn options(sharing: RowSharing) -> TextOptions {
        TextOptions {
            sharing,
            with_artifacts: false,
            width: None,
            now: "2026-03-05T10:00:00Z".parse().unwrap(),
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
            hold_lifters: None,
            failures: Vec::new(),
            break_glass: Vec::new(),
            unfinished_runs: Vec::new(),
            approvals: Vec::new(),
            last_released: None,
            released_by: None,
            release_status: None,
            components,
            not_deployed: Vec::new(),
            undeclared: Vec::new(),
            renamed: std::collections::BTreeMap::new(),
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
            until: Some("2026-03-05T12:00:00Z".parse().unwrap()),
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
            is_incomplete: false,
        }
    }

    /// Checks that the table has few lines, however many components there are.
    #[test]
    fn equal_components_share_rows() {
        let text = render_text(&sample(), options(RowSharing::Equal), &|time| {
            time.to_string()[11..16].to_owned()
        });
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "ENVIRONMENT  COMPONENT  VERSION  COMMIT   STATE            SINCE  BY  BEHIND main\n\
             dev          all (40)   1.5.0    8f3c2a1  live             10:00  ci  12\n\
             qa           –          –        –        nothing yet                 –\n\
             prod         api        1.4.1    8f3c2a1  unhealthy        10:00  ci  12\n             \
                          web        2.0.0    8f3c2a1  deploying 2.0.1  10:00  ci  12\n  \
               prod is locked by bob: \"incident 4711\" (09:55, ends 12:00)\n\
             fetched 09:57 (update: git deploy sync)"
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
        let text = super::render_text(&some, options(RowSharing::Equal), &|_| "10:00".to_owned());
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text.lines().skip(1).take(3).collect::<Vec<_>>(),
            [
                "dev          c7           1.6.0    8f3c2a1  live       10:00  ci  12",
                "             c9           1.5.0    8f3c2a1  unhealthy  10:00  ci  12",
                "             others (38)  1.5.0    8f3c2a1  live       10:00  ci  13",
            ]
        );
        let all = super::render_text(&sample(), options(RowSharing::None), &|time| {
            time.to_string()
        });
        assert_eq!(
            all.lines().filter(|line| line.contains("1.5.0")).count(),
            40
        );
    }
}
