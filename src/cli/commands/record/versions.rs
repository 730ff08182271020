//! The `--version` options of `git deploy record`.

use std::collections::BTreeMap;

use crate::cli::deployment_request::require_component;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::text::Line;

/// Parses the options: each is a version of all components, or `COMPONENT=VERSION`.
pub(super) fn parse_versions(
    options: &[String],
    policy: &Policy,
) -> Result<BTreeMap<ComponentName, Line>, CliError> {
    let mut versions = BTreeMap::new();
    let (for_components, for_all): (Vec<&String>, Vec<&String>) =
        options.iter().partition(|text| text.contains('='));
    if for_all.len() > 1 {
        return Err(CliError::new(
            ErrorKind::Usage,
            "two versions were given for all components",
        )
        .hint("--version COMPONENT=VERSION"));
    }
    // The version of all components is inserted first, so that the version of a component overrides
    // it, whichever option comes first.
    for text in for_all {
        let version = parse_version(text)?;
        versions.extend(
            policy
                .component_names()
                .into_iter()
                .map(|name| (name, version.clone())),
        );
    }
    for (name, text) in for_components
        .into_iter()
        .filter_map(|text| text.split_once('='))
    {
        let component: ComponentName = name
            .parse()
            .context(ErrorKind::Usage, format!("{name:?} is not a component"))?;
        require_component(policy, &component)?;
        versions.insert(component, parse_version(text)?);
    }
    Ok(versions)
}

fn parse_version(text: &str) -> Result<Line, CliError> {
    let version: Line = text
        .parse()
        .context(ErrorKind::Usage, format!("{text:?} is not a version"))?;
    if text.contains(char::is_whitespace) {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("the version {text:?} contains white space"),
        ));
    }
    Ok(version)
}
