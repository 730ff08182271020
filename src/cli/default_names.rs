//! Default names for a person and a project.

use super::repository::find_remote;
use super::{CliError, ErrorContext as _, ErrorKind, Ui, key_lookup};
use crate::domain::email::Email;
use crate::domain::name::{Person, ProjectName};
use crate::git::Repository;

/// Returns the address that git writes into the commits of the user; `None` if it has none, or if the
/// policy could not list it.
pub fn find_commit_address(repository: &Repository) -> Option<Email> {
    let identity = read_identity(repository).ok()?;
    let (_, rest) = identity.rsplit_once('<')?;
    rest.split_once('>')?.0.to_ascii_lowercase().parse().ok()
}

/// Returns the author of commits that are made here, in git's form `Name <address> …`.
fn read_identity(repository: &Repository) -> Result<String, CliError> {
    let output = repository
        .git("var")
        .arg("GIT_AUTHOR_IDENT")
        .run()
        .context(ErrorKind::CannotTell, "cannot run git var")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the default name of the user: the local part of git's e-mail address.
pub fn derive_person(repository: &Repository) -> Result<Person, CliError> {
    let unknown = || {
        CliError::new(
            ErrorKind::Usage,
            "cannot derive your name from git's e-mail address",
        )
        .hint("--as NAME")
    };
    let identity = read_identity(repository)?;
    let address = identity
        .rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('@'))
        .map(|(local, _)| local);
    // Forges put a number before the name: 1234+alice@users.noreply.github.com.
    let local = address
        .map(|local| local.rsplit('+').next().unwrap_or(local))
        .ok_or_else(unknown)?;
    to_name(local).ok_or_else(unknown)
}

/// Returns the default name of the project: that of the remote repository, else that of the folder.
pub fn derive_project_name(repository: &Repository, ui: &Ui) -> Result<ProjectName, CliError> {
    let url = match find_remote(repository, ui)? {
        Some(remote) => {
            key_lookup::read_setting(Some(repository), &format!("remote.{remote}.url"))?
        }
        None => None,
    };
    let name_in_url = url
        .as_deref()
        .and_then(|url| to_name(extract_repository_name(url)));
    let folder = repository
        .work_dir()
        .and_then(|folder| folder.file_name())
        .map(|name| name.to_string_lossy().into_owned());
    name_in_url
        .or_else(|| folder.as_deref().and_then(to_name))
        .ok_or_else(|| {
            CliError::new(ErrorKind::Usage, "cannot determine the project's name")
                .hint("--name NAME")
        })
}

/// Returns the repository name in a URL: `catalogue` in `git@example.com:shop/catalogue.git`.
fn extract_repository_name(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let last = url.rsplit(['/', ':']).next().unwrap_or(url);
    last.strip_suffix(".git").unwrap_or(last)
}

/// Turns a text into a name: in lower case, with a dash for each character that a name cannot
/// contain.
fn to_name<T: std::str::FromStr>(text: &str) -> Option<T> {
    let to_allowed = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '-'
        }
    };
    let name: String = text.to_ascii_lowercase().chars().map(to_allowed).collect();
    name.trim_matches(['.', '_', '-']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the names derived from URLs and folders. A project's name never changes, so it must
    /// be the one that people would choose.
    #[test]
    fn names() {
        for (url, name) in [
            ("git@example.com:shop/Catalogue.git", "catalogue"),
            ("https://example.com/shop/my shop/", "my-shop"),
            ("ssh://host/~/x.y.git", "x.y"),
            ("host:repo", "repo"),
        ] {
            assert_eq!(
                to_name::<ProjectName>(extract_repository_name(url)),
                name.parse().ok(),
                "{url}"
            );
        }
        assert_eq!(to_name::<ProjectName>("日本"), None);
    }
}
