//! [`WritablePath`]: a path that a component's commands may change although files are isolated.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::table::TextForm;
use crate::domain::text::is_plain;

pub(super) const WRITABLE_PATH: TextForm = TextForm::new("path", "^(/|~/)");

/// A path that is absolute, or below the home folder (`~/…`), without `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WritablePath(Box<str>);

impl WritablePath {
    /// Returns the path for a user with this home folder; `None` if it is below the home folder and
    /// there is none.
    pub fn resolve(&self, home: Option<&Path>) -> Option<PathBuf> {
        match self.0.strip_prefix("~/") {
            Some(rest) => Some(home?.join(rest)),
            None => Some(PathBuf::from(&*self.0)),
        }
    }
}

impl std::fmt::Display for WritablePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WritablePath {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("~/").or_else(|| text.strip_prefix('/')) else {
            return Err(format!(
                "{text:?} begins with neither / nor ~/; the component's checkout is always writable"
            ));
        };
        if !text.chars().all(is_plain) {
            return Err("the path contains a character that is not plain text".to_owned());
        }
        let mut names = rest.split('/').filter(|name| !name.is_empty());
        if names.clone().next().is_none() {
            return Err(format!(
                "{text:?} is too much: name the files and folders that the commands change"
            ));
        }
        if names.any(|name| matches!(name, "." | "..")) {
            return Err(format!("{text:?} contains . or .."));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_or_below_the_home_folder() {
        let home = Some(Path::new("/home/u"));
        let resolve = |text: &str| text.parse::<WritablePath>().map(|it| it.resolve(home));
        assert_eq!(resolve("/srv/www"), Ok(Some("/srv/www".into())));
        assert_eq!(resolve("~/.docker"), Ok(Some("/home/u/.docker".into())));
        for refused in [
            "",
            "/",
            "~",
            "~/",
            "//",
            "~//",
            "build",
            "./build",
            "../x",
            "~user/x",
            "/srv/../etc",
            "~/../other",
            "/srv/.",
            "/srv/\u{202e}x",
            "/srv/\n",
        ] {
            assert!(resolve(refused).is_err(), "{refused:?}");
        }
        let below_home: WritablePath = "~/.docker".parse().unwrap();
        assert_eq!(below_home.resolve(None), None);
    }
}
