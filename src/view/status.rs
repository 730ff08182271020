//! What runs where: the table of `git deploy status`, and the document `git-deploy/status/v1`.
//!
//! The document lists every component; the table folds an environment whose components are all alike into one row.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use super::mark::Mark;
use super::table::{Cell, Table};
use crate::domain::entry::Outcome;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The environments along the way of the code; the members of a pattern stand for it.
    pub environments: Vec<Environment>,
    /// The branch that `behind` counts, where the environment has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// When it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Time>,
    /// What is wrong with the remote's ledgers, a sentence each.
    pub problems: Vec<String>,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Its name.
    pub name: EnvName,
    /// Its own branch, which `behind` counts here, where it is not the document's `branch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// When it ends, if it is ephemeral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// What was attempted last, did not come to run, and may not come again until a person lets it, by component.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Held>,
    /// What runs there or is on its way there, by name.
    pub components: Vec<Component>,
}

/// The last attempt of a component, whose content is on hold.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The component.
    pub component: ComponentName,
    /// What was attempted.
    pub commit: CommitId,
    /// How that ended: it failed or was rolled back.
    pub outcome: Outcome,
}

/// One component in an environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub component: ComponentName,
    /// The commit that runs; absent where nothing ran yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// How it is.
    pub state: State,
    /// What is on its way there, by version or commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Since when it is so.
    pub since: Time,
    /// Who made it so.
    pub by: Person,
    /// How many commits of the branch are not in what runs; absent where that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// Its own lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// Why what runs was taken out of circulation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<Line>,
}

/// How a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It runs.
    Live,
    /// A run is bringing something else.
    Deploying,
    /// A run is bringing something earlier back.
    RollingBack,
    /// A run is taking it away.
    Destroying,
    /// After a failure or an abort nobody knows what runs.
    Unknown,
    /// It runs, and its last verification failed.
    Unhealthy,
}

/// A number of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// How many; where there are more than were counted, how many were counted.
    pub commits: usize,
    /// Whether there are more.
    pub more: bool,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Who locked it.
    pub by: Person,
    /// When.
    pub at: Time,
    /// Why.
    pub reason: Line,
}

/// The table and what is to be said under it. `all` unfolds; `when` shows a moment.
pub fn text(status: &Status, all: bool, width: Option<usize>, when: &dyn Fn(Time) -> String) -> String {
    let behind = status.branch.as_ref().map_or_else(|| "BEHIND".to_owned(), |branch| format!("BEHIND {branch}"));
    let headers = ["Environment", "Component", "Version", "Commit", "State", "Since", "By"];
    let mut table = Table::new(&headers).column(&behind).elastic(4);
    for environment in &status.environments {
        rows(&mut table, environment, all, when);
        remarks(&mut table, environment, when);
    }
    let table = table.render(width);
    if status.remote.is_some() {
        return format!("{table}\n{}", age(status.fetched, when));
    }
    table
}

/// How old the news is: the last line of whatever was looked up without asking the remote.
pub fn age(fetched: Option<Time>, when: &dyn Fn(Time) -> String) -> String {
    let dim = Style::new().dimmed();
    let age = fetched.map_or_else(
        || "nothing was fetched yet".to_owned(),
        |fetched| format!("as of the last fetch, {}", when(fetched)),
    );
    format!("{dim}{age} · git deploy sync brings news{dim:#}")
}

fn rows(table: &mut Table, environment: &Environment, all: bool, when: &dyn Fn(Time) -> String) {
    let name = environment.name.as_str();
    let components = &environment.components;
    let Some(first) = components.first() else {
        let dim = Mark::None.style();
        let cells = ["–", "–", "–", "nothing yet", "", "", "–"].map(|text| Cell::styled(text, dim));
        return table.row(std::iter::once(Cell::from(name)).chain(cells));
    };
    let alike = components.len() > 1 && components.iter().all(|it| likeness(it) == likeness(first));
    if alike && !all {
        // The newest move tells since when all are as they are.
        let newest = components.iter().max_by_key(|it| it.since).unwrap_or(first);
        let what = format!("all ({})", components.len());
        return table.row(cells(name, &what, newest, environment, when));
    }
    for (index, component) in components.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        table.row(cells(name, component.component.as_str(), component, environment, when));
    }
}

/// What makes two components look the same.
fn likeness(it: &Component) -> impl PartialEq {
    (it.commit, it.version.clone(), it.state, it.to.clone(), it.lock.is_some(), it.yanked.is_some())
}

fn cells(
    name: &str,
    what: &str,
    it: &Component,
    environment: &Environment,
    when: &dyn Fn(Time) -> String,
) -> [Cell; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| Mark::None.symbol().to_string());
    let behind = it.behind.filter(|behind| behind.commits > 0).map(|behind| {
        let more = if behind.more { "+" } else { "" };
        // The header names the branch of most; an environment's own stands beside its number.
        let branch = environment.branch.as_ref().map_or_else(String::new, |branch| format!(" ({branch})"));
        format!("{}{more}{branch}", behind.commits)
    });
    let unknown = if it.behind.is_none() && it.commit.is_some() { Some("?".to_owned()) } else { None };
    [
        Cell::from(name),
        Cell::from(what),
        Cell::from(or_dash(it.version.as_ref().map(Line::to_string))),
        Cell::from(or_dash(it.commit.map(|commit| commit.0.prefix(7)))),
        state(it),
        Cell::from(when(it.since)),
        Cell::from(it.by.as_str()),
        Cell::from(or_dash(behind.or(unknown))),
    ]
}

fn state(it: &Component) -> Cell {
    let to = it.to.as_deref().unwrap_or_default();
    let (text, style) = match it.state {
        State::Live => ("live".to_owned(), Mark::Yes.style()),
        State::Deploying => (format!("deploying {to}"), Mark::Live.style()),
        State::RollingBack => (format!("rolling back to {to}"), Mark::Live.style()),
        State::Destroying => ("being destroyed".to_owned(), Mark::Live.style()),
        State::Unknown => ("unknown".to_owned(), Mark::No.style()),
        State::Unhealthy => ("unhealthy".to_owned(), Mark::No.style()),
    };
    let yanked = if it.yanked.is_some() { ", yanked" } else { "" };
    let locked = if it.lock.is_some() { ", locked" } else { "" };
    Cell::styled(format!("{text}{yanked}{locked}"), style)
}

fn remarks(table: &mut Table, environment: &Environment, when: &dyn Fn(Time) -> String) {
    let name = &environment.name;
    let yellow = AnsiColor::Yellow.on_default();
    let locked = |what: &str, lock: &Lock| {
        Cell::styled(format!("{what} is locked by {}: \"{}\" ({})", lock.by, lock.reason, when(lock.at)), yellow)
    };
    if let Some(lock) = &environment.lock {
        table.remark(locked(name.as_str(), lock));
    }
    for component in &environment.components {
        if let Some(lock) = &component.lock {
            table.remark(locked(&format!("{} in {name}", component.component), lock));
        }
        if let Some(reason) = &component.yanked {
            let what = &component.component;
            table.remark(Cell::styled(format!("{what} in {name} runs what was yanked: \"{reason}\""), yellow));
        }
    }
    for (commit, outcome, components) in alike_holds(&environment.holds) {
        let is = if components.len() == 1 { "is" } else { "are" };
        let what =
            if components.len() > NAMED { format!("{} components", components.len()) } else { components.join(", ") };
        let since = match (outcome, components.len()) {
            (Outcome::RolledBack, 1) => "it was rolled back",
            (Outcome::RolledBack, _) => "they were rolled back",
            (_, 1) => "it failed",
            _ => "they failed",
        };
        let commit = commit.0.prefix(7);
        let words = format!("{what} ({commit}) {is} on hold in {name} since {since}");
        table.remark(Cell::styled(format!("{words} · git deploy unlock {name} --commit {commit}"), yellow));
    }
    if let Some(expires) = environment.expires {
        table.remark(format!("{name} expires {}", when(expires)));
    }
}

/// More components than this are counted, not named.
const NAMED: usize = 3;

/// The holds by commit and outcome, each with its components.
fn alike_holds(holds: &[Held]) -> Vec<(CommitId, Outcome, Vec<&str>)> {
    let mut alike: Vec<(CommitId, Outcome, Vec<&str>)> = Vec::new();
    for held in holds {
        let name = held.component.as_str();
        match alike.iter_mut().find(|(commit, outcome, _)| (*commit, *outcome) == (held.commit, held.outcome)) {
            Some((_, _, names)) => names.push(name),
            None => alike.push((held.commit, held.outcome, vec![name])),
        }
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str, version: &str, state: State) -> Component {
        Component {
            component: name.parse().unwrap(),
            commit: Some("8f3c2a10aa05736482d4523166f70cb561afa111".parse().unwrap()),
            version: Some(version.parse().unwrap()),
            state,
            to: None,
            since: "2026-03-05T10:00:00Z".parse().unwrap(),
            by: "ci".parse().unwrap(),
            behind: Some(Behind { commits: 12, more: false }),
            lock: None,
            yanked: None,
        }
    }

    fn sample() -> Status {
        let environment = |name: &str, components| Environment {
            name: name.parse().unwrap(),
            branch: None,
            lock: None,
            expires: None,
            holds: Vec::new(),
            components,
        };
        let many: Vec<Component> =
            (0..40).map(|number| component(&format!("c{number}"), "1.5.0", State::Live)).collect();
        let deploying = Component { to: Some("2.0.1".to_owned()), ..component("web", "2.0.0", State::Deploying) };
        let mut prod = environment("prod", vec![component("api", "1.4.1", State::Unhealthy), deploying]);
        prod.lock = Some(Lock {
            by: "bob".parse().unwrap(),
            at: "2026-03-05T09:55:00Z".parse().unwrap(),
            reason: "incident 4711".parse().unwrap(),
        });
        Status {
            environments: vec![environment("dev", many), environment("qa", Vec::new()), prod],
            branch: Some("main".to_owned()),
            remote: Some("origin".to_owned()),
            fetched: Some("2026-03-05T09:57:00Z".parse().unwrap()),
            problems: Vec::new(),
        }
    }

    /// The daily question is answered in a few lines, however many components there are.
    #[test]
    fn folded() {
        let text = text(&sample(), false, None, &|time| time.to_string()[11..16].to_owned());
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
        let all = super::text(&sample(), true, None, &|time| time.to_string());
        assert_eq!(all.lines().filter(|line| line.contains("1.5.0")).count(), 40);
    }
}
