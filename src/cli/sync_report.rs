//! The result of a sync, as text and JSON, and the check that the project is the expected one.
//! Shared by `init` and `sync`.

use schemars::JsonSchema;
use serde::Serialize;

use super::workspace::{entry_name, open_repository};
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::{LedgerName, Person, ProjectName};
use crate::domain::time::Time;
use crate::git::Repository;
use crate::ledger::sync::{Moved, Synced};
use crate::ledger::{Link, Project};
use crate::view::table::Table;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    /// The project that was trusted for the first time just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<EntryId>,
    /// The ledgers that have new entries.
    moved: Vec<News>,
}

/// The new entries of one ledger.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct News {
    /// The ledger.
    ledger: LedgerName,
    /// Its tip before; absent if the ledger is new here.
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<EntryId>,
    /// Its tip now.
    new: EntryId,
    /// The number of new entries.
    entries: usize,
    /// The subject of the newest entry.
    subject: String,
    /// When the newest entry was made.
    at: Time,
    /// Who signed it.
    by: Person,
}

/// Prints the JSON document of a sync. Without a remote nothing has moved.
pub fn report(
    repository: &Repository,
    remote: Option<&str>,
    synced: &Synced,
    context: &Context,
) -> Result<(), Failure> {
    let moved = synced
        .moved
        .iter()
        .map(|moved| news(repository, moved))
        .collect::<Result<_, _>>()?;
    context.report(
        "sync",
        &Body {
            remote: remote.map(str::to_owned),
            pinned: synced.pinned,
            moved,
        },
    )
}

/// Prints which project is trusted from now on, if this is the first contact with it.
///
/// # Errors
///
/// Fails if it is not the project of `--project`.
pub fn trust(repository: &Repository, synced: &Synced, context: &Context) -> Result<(), Failure> {
    if let Some(id) = synced.pinned {
        let project =
            Project::read(repository, id).or_fail(Kind::CannotTell, "cannot read the project")?;
        context.mention(format_args!(
            "{}: trusted on first use. Compare with a colleague: git config deploy.root\n  {id}",
            project.name
        ));
        context
            .project()
            .map_or(Ok(()), |wanted| meant(wanted, &project))?;
    }
    Ok(())
}

/// Checks that the repository belongs to the project of `--project`. Succeeds if no project is
/// known here.
pub fn expected(context: &Context) -> Result<(), Failure> {
    let (Some(wanted), Ok(repository)) = (context.project(), open_repository()) else {
        return Ok(());
    };
    let cannot = "cannot read the project";
    let tip = repository
        .tip(&LedgerName::policy())
        .or_fail(Kind::CannotTell, cannot)?;
    let Some(tip) = tip else { return Ok(()) };
    let project = Project::of_policy(&repository, tip).or_fail(Kind::CannotTell, cannot)?;
    meant(wanted, &project)
}

fn meant(wanted: &ProjectName, project: &Project) -> Result<(), Failure> {
    if project.name == *wanted {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Usage,
        format!("this is the project {}, not {wanted}", project.name),
    )
    .hint(format!("git deploy -C DIR …, with a clone of {wanted}")))
}

/// Prints what a sync brought.
pub fn tell(
    repository: &Repository,
    remote: &str,
    synced: &Synced,
    context: &Context,
) -> Result<(), Failure> {
    trust(repository, synced, context)?;
    if synced.moved.is_empty() {
        let words = if synced.tips.is_empty() {
            "has no ledgers yet"
        } else {
            "has nothing new"
        };
        context.print(format_args!("{remote} {words}."));
        return Ok(());
    }
    let mut table = Table::new(&["Ledger", "New", "Newest entry", "By", "When", ""]).elastic(&[2]);
    for moved in &synced.moved {
        let statement = newest(repository, moved)?;
        let cells = [
            moved.ledger.to_string(),
            moved.entries.to_string(),
            subject(&statement),
            statement.by.to_string(),
            context.when(statement.at),
            entry_name(&moved.ledger, moved.new),
        ];
        table.row(cells);
    }
    context.print(table.render(context.width()));
    Ok(())
}

fn news(repository: &Repository, moved: &Moved) -> Result<News, Failure> {
    let statement = newest(repository, moved)?;
    Ok(News {
        ledger: moved.ledger.clone(),
        old: moved.old,
        new: moved.new,
        entries: moved.entries,
        subject: subject(&statement),
        at: statement.at,
        by: statement.by.clone(),
    })
}

fn newest(repository: &Repository, moved: &Moved) -> Result<Statement, Failure> {
    let cannot = format!("cannot read the ledger {}", moved.ledger);
    match repository
        .read_link(&moved.ledger, moved.new)
        .or_fail(Kind::CannotTell, cannot.as_str())?
    {
        Link::Entry { entry, .. } => Ok(entry.statement().clone()),
        Link::Genesis => Err(Failure::new(Kind::CannotTell, cannot)),
    }
}

fn subject(statement: &Statement) -> String {
    statement
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
