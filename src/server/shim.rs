//! The files in a `hooks` folder that call this program, and the hooks that they replaced.
//!
//! Another program's hook must never be taken for ours, because it would be overwritten.

use std::path::{Path, PathBuf};

/// A hook as it is installed.
#[derive(Clone, Copy)]
pub(super) struct Shim {
    /// The hook's name.
    pub name: &'static str,
    /// Its text in `hooks/`, as a shell script.
    pub text: &'static str,
    /// Whether a previous hook of that name is kept and called.
    pub chains: bool,
}

pub(super) const PROC_RECEIVE: Shim = Shim {
    name: "proc-receive",
    text: include_str!("../../hooks/proc-receive"),
    chains: false,
};
pub(super) const PRE_RECEIVE: Shim = Shim {
    name: "pre-receive",
    text: include_str!("../../hooks/pre-receive"),
    chains: true,
};
pub(super) const UPDATE: Shim = Shim {
    name: "update",
    text: include_str!("../../hooks/update"),
    chains: true,
};
pub(super) const POST_RECEIVE: Shim = Shim {
    name: "post-receive",
    text: include_str!("../../hooks/post-receive"),
    chains: true,
};
pub(super) const REFERENCE_TRANSACTION: Shim = Shim {
    name: "reference-transaction",
    text: include_str!("../../hooks/reference-transaction"),
    chains: true,
};
pub(super) const PRE_PUSH: Shim = Shim {
    name: "pre-push",
    text: include_str!("../../hooks/pre-push"),
    chains: true,
};

/// The suffix of a previous hook's name. The shims look for it.
const KEPT: &str = ".local";
/// The call in the shims. Installed shims contain the path of the program instead.
const CALL: &str = "exec git-deploy hook ";
/// The longest first line that every kernel reads whole.
const FIRST_LINE: usize = 127;

/// Returns the path of the hook that was there before the one at `path`.
pub fn kept(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(KEPT);
    PathBuf::from(name)
}

/// Returns the text of a shim that calls this program. If possible, its first line names the
/// program itself: the kernel then starts it with the hook's path after `hook`, and no push waits
/// for a shell.
pub(super) fn installed(text: &str, program: &str) -> String {
    let first = format!("#!{program} hook");
    if first.len() <= FIRST_LINE
        && program.starts_with('/')
        && program.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let comments = text.lines().filter(|line| line.starts_with("# "));
        return std::iter::once(&*first)
            .chain(comments)
            .flat_map(|line| [line, "\n"])
            .collect();
    }
    text.replace(CALL, &format!("exec {} hook ", quoted(program)))
}

/// Returns whether a hook is one of our shims, of any version.
pub(super) fn is_ours(bytes: &[u8], name: &str) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let direct = text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("#!") && line.ends_with(" hook"));
    let calls = |line: &str| line.starts_with("exec ") && line.contains(&format!(" hook {name}"));
    (direct || text.lines().any(calls)) && text.contains("# Part of git-deploy: ")
}

/// Quotes a word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIMS: [Shim; 6] = [
        PROC_RECEIVE,
        PRE_RECEIVE,
        UPDATE,
        POST_RECEIVE,
        REFERENCE_TRANSACTION,
        PRE_PUSH,
    ];

    /// A path with a quotation mark must not become a shell command.
    #[test]
    fn quotes() {
        assert_eq!(quoted("/opt/git deploy/it's"), r"'/opt/git deploy/it'\''s'");
    }

    /// A program that does not fit into a first line is called by a shell, which accepts every
    /// path.
    #[test]
    fn first_lines() {
        for shim in &SHIMS {
            let direct = installed(shim.text, "/usr/bin/git-deploy");
            assert!(
                direct.starts_with("#!/usr/bin/git-deploy hook\n# Part of git-deploy: "),
                "{direct}"
            );
            assert!(
                !direct.contains("exec") && is_ours(direct.as_bytes(), shim.name),
                "{direct}"
            );
            for odd in [
                "/opt/git deploy/git-deploy",
                "/opt/é/git-deploy",
                "git-deploy",
                &format!("/{}", "x".repeat(121)),
            ] {
                let shell = installed(shim.text, odd);
                assert!(
                    shell.starts_with("#!/bin/sh\n")
                        && shell.contains(&format!("exec '{odd}' hook {}", shim.name))
                );
                assert!(is_ours(shell.as_bytes(), shim.name), "{shell}");
            }
        }
    }

    /// Another program's hook must never be taken for ours and overwritten.
    #[test]
    fn tells_shims_from_hooks() {
        for shim in &SHIMS {
            assert!(
                shim.text.contains(CALL) && is_ours(shim.text.as_bytes(), shim.name),
                "{}",
                shim.name
            );
            assert_eq!(shim.text.contains(KEPT), shim.chains);
        }
        assert!(!is_ours(
            b"#!/bin/sh\ngit-deploy hook pre-receive || exit 1\nmake check\n",
            "pre-receive"
        ));
    }
}
