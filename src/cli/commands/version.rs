//! `git deploy version`: the current and the next version of a component, from tags and commits.

mod tags;

use clap::ValueEnum;

use tags::{VersionTags, read_changes};

use crate::cli::deployment_request::require_component;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::ComponentName;
use crate::domain::next_version::{Bump, ChangeCounts, NewestVersions};
use crate::domain::policy::VersionScheme;
use crate::view::version::{Changes, VersionReport, VersionTag};

/// Show the current version of a component, and the next one
///
/// Versions come from the tags that `version.from = "tag:…"` names, as far as HEAD contains them. The
/// next version follows from the commits since the last release that touch the component's paths, by
/// their conventional messages (`feat:`, `fix:`, `feat!:`). Nothing is written and nothing is fetched.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  See what a release of api would be called, and why:
    git deploy version api

  Print only the next version, for a script that tags it:
    git deploy version api --next auto

  Only the environment prod decides where versions come from:
    git deploy version api --env prod")]
pub struct Args {
    /// The component. May be left out if there is only one
    #[arg(value_name = "COMPONENT")]
    component: Option<ComponentName>,
    /// Print only the next version, for scripts
    ///
    /// With auto, the commits decide. Exits with 1 if nothing in the component has changed.
    #[arg(long, value_name = "KIND")]
    next: Option<Next>,
    /// The environment whose `version` counts. May be left out if all agree
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
}

/// What the next version is to be.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Next {
    /// What the commits or, for calendar versions, the date say
    Auto,
    /// The next 2.0.0
    Major,
    /// The next 1.5.0
    Minor,
    /// The next 1.4.3
    Patch,
    /// The next 2026.3.1
    Calver,
}

/// Prints the versions of a component.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    let component = find_component(args, &workspace)?;
    let source = VersionTags::find(&workspace, &component, args.env.as_deref())?;
    let newest = source.read_newest()?;
    let head = source.head;
    let changes = match &newest.release {
        Some(release) => Some(read_changes(&workspace, &component, release.commit, head)?),
        None => None,
    };
    let next = find_next(args, &component, source.scheme, &newest, changes, ui)?;
    let describe = |it: &Option<_>| it.as_ref().map(VersionTag::from);
    let report = VersionReport {
        component: component.clone(),
        current: describe(&newest.highest),
        release: describe(&newest.release),
        changes: changes.map(Changes::from),
        tag: next.as_deref().map(|next| source.tag_of(next)),
        next,
    };
    if ui.json() {
        return ui.print_document("version", &report);
    }
    match (&report.next, args.next) {
        (Some(next), Some(_)) => ui.print(next),
        _ => ui.print(report.render(ui.width())),
    }
    Ok(())
}

/// Returns the named component, or the only one.
fn find_component(args: &Args, workspace: &Workspace) -> Result<ComponentName, CliError> {
    let policy = &workspace.policy;
    if let Some(component) = &args.component {
        require_component(policy, component)?;
        return Ok(component.clone());
    }
    let names: Vec<ComponentName> = policy.component_names().into_iter().collect();
    if let [name] = &names[..] {
        return Ok(name.clone());
    }
    let words: Vec<&str> = names.iter().map(ComponentName::as_str).collect();
    let message = format!(
        "a component is missing: the policy has {}",
        words.join(", ")
    );
    let error = CliError::new(ErrorKind::Usage, message);
    let first = words.into_iter().take(1);
    Err(first.fold(error, |error, first| {
        error.hint(format!("git deploy version {first}"))
    }))
}

/// Returns the next version. Returns `None` if nothing has changed and none was asked for.
fn find_next(
    args: &Args,
    component: &ComponentName,
    scheme: VersionScheme,
    newest: &NewestVersions,
    changes: Option<ChangeCounts>,
    ui: &Ui,
) -> Result<Option<String>, CliError> {
    let refuse_scheme = |kind: &str| {
        let message = format!("the versions of {component} are {scheme} versions");
        Err(CliError::new(ErrorKind::Usage, message).because(format!("they have no next {kind}")))
    };
    let bump = match (args.next, scheme) {
        (Some(Next::Calver), VersionScheme::Semver) => return refuse_scheme("calver"),
        (Some(Next::Major | Next::Minor | Next::Patch), VersionScheme::Calver) => {
            return refuse_scheme("major, minor or patch version");
        }
        (Some(Next::Major), _) => Some(Bump::Major),
        (Some(Next::Minor), _) => Some(Bump::Minor),
        (Some(Next::Patch), _) => Some(Bump::Patch),
        (None | Some(Next::Auto | Next::Calver), _) => None,
    };
    let is_unchanged = changes.is_some_and(|changes| changes.total() == 0);
    match (bump, scheme) {
        (Some(bump), _) => Ok(Some(newest.bump(bump))),
        (None, _) if is_unchanged && args.next.is_none() => Ok(None),
        (None, _) if is_unchanged && args.next == Some(Next::Auto) => {
            let tag = newest.release.as_ref().map_or("", |it| &it.tag);
            let message = format!("nothing in {component} has changed since {tag}");
            Err(CliError::new(ErrorKind::Denied, message))
        }
        (None, VersionScheme::Semver) => {
            let bump = newest.choose_bump(changes.unwrap_or_default());
            Ok(Some(newest.bump(bump)))
        }
        (None, VersionScheme::Calver) => {
            let next = newest.next_calendar_version(ui.now());
            let explain = || {
                let message = format!("the newest version of {component} is later than today");
                CliError::new(ErrorKind::CannotTell, message).hint("date")
            };
            next.map(Some).ok_or_else(explain)
        }
    }
}
