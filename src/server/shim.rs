//! The files in a `hooks` folder that call this program, and the hooks that they replaced.
//!
//! Another program's hook must never be mistaken for a shim, because it would be overwritten.

use std::path::{Path, PathBuf};

use super::shell::{quote_word, unquote_word};

/// A hook file that calls this program.
#[derive(Clone, Copy)]
pub(super) struct Shim {
    /// The hook's name.
    pub name: &'static str,
    /// Its shell script, from this project's folder `hooks/`.
    pub text: &'static str,
    /// Whether a previous hook of that name is kept and called.
    pub keeps_previous: bool,
}

pub(super) const PROC_RECEIVE: Shim = Shim {
    name: "proc-receive",
    text: include_str!("../../hooks/proc-receive"),
    keeps_previous: false,
};
pub(super) const PRE_RECEIVE: Shim = Shim {
    name: "pre-receive",
    text: include_str!("../../hooks/pre-receive"),
    keeps_previous: true,
};
pub(super) const UPDATE: Shim = Shim {
    name: "update",
    text: include_str!("../../hooks/update"),
    keeps_previous: true,
};
pub(super) const POST_RECEIVE: Shim = Shim {
    name: "post-receive",
    text: include_str!("../../hooks/post-receive"),
    keeps_previous: true,
};
pub(super) const REFERENCE_TRANSACTION: Shim = Shim {
    name: "reference-transaction",
    text: include_str!("../../hooks/reference-transaction"),
    keeps_previous: true,
};
pub(super) const PRE_PUSH: Shim = Shim {
    name: "pre-push",
    text: include_str!("../../hooks/pre-push"),
    keeps_previous: true,
};

/// The suffix that a previous hook's name gets. Our hooks call the file with this suffix first.
const PREVIOUS_SUFFIX: &str = ".local";
/// The beginning of the comment by which our shims are recognized.
const SHIM_MARK: &str = "# Part of git-deploy: ";
/// The call in the shims. Installed shims contain the path of the program instead.
const SHIM_CALL: &str = "exec git-deploy hook ";
/// The longest first line, in bytes, that every kernel reads whole.
const MAX_FIRST_LINE: usize = 127;

/// Returns the path to which the previous hook is moved when a shim takes its place at `path`.
pub fn previous_hook_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PREVIOUS_SUFFIX);
    PathBuf::from(name)
}

/// Returns the text of a shim that calls this program. If possible, its first line names the
/// program itself: the kernel then starts it with the hook's path after `hook`, and no push waits
/// for a shell.
pub(super) fn render_shim(text: &str, program: &str) -> String {
    let first_line = format!("#!{program} hook");
    if first_line.len() <= MAX_FIRST_LINE
        && program.starts_with('/')
        && program.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let comments = text.lines().filter(|line| line.starts_with("# "));
        return std::iter::once(&*first_line)
            .chain(comments)
            .flat_map(|line| [line, "\n"])
            .collect();
    }
    text.replace(SHIM_CALL, &format!("exec {} hook ", quote_word(program)))
}

/// Returns whether a hook is one of our shims, of any version.
pub(super) fn is_our_shim(bytes: &[u8], name: &str) -> bool {
    find_shim_program(bytes, name).is_some()
}

/// Returns the program that one of our shims, of any version, calls, or `None` for another hook.
/// The program is in the first line or in a shell command.
pub(super) fn find_shim_program(bytes: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(SHIM_MARK) {
        return None;
    }
    if let Some(program) = text
        .lines()
        .next()?
        .strip_prefix("#!")
        .and_then(|line| line.strip_suffix(" hook"))
    {
        return Some(program.to_owned());
    }
    let call = format!(" hook {name}");
    let (word, _) = text
        .lines()
        .find_map(|line| line.strip_prefix("exec ")?.split_once(&call))?;
    Some(unquote_word(word))
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

    /// A shim calls a program through a shell if its path cannot be in the first line.
    #[test]
    fn first_lines() {
        for shim in &SHIMS {
            let direct = render_shim(shim.text, "/usr/bin/git-deploy");
            assert!(
                direct.starts_with("#!/usr/bin/git-deploy hook\n# Part of git-deploy: "),
                "{direct}"
            );
            assert!(
                !direct.contains("exec") && is_our_shim(direct.as_bytes(), shim.name),
                "{direct}"
            );
            for odd in [
                "/opt/git deploy/git-deploy",
                "/opt/é/git-deploy",
                "git-deploy",
                &format!("/{}", "x".repeat(121)),
            ] {
                let shell = render_shim(shim.text, odd);
                assert!(
                    shell.starts_with("#!/bin/sh\n")
                        && shell.contains(&format!("exec '{odd}' hook {}", shim.name))
                );
                assert!(is_our_shim(shell.as_bytes(), shim.name), "{shell}");
            }
        }
    }

    /// Another program's hook must never be mistaken for a shim and overwritten.
    #[test]
    fn tells_shims_from_hooks() {
        for shim in &SHIMS {
            assert!(
                shim.text.contains(SHIM_CALL) && is_our_shim(shim.text.as_bytes(), shim.name),
                "{}",
                shim.name
            );
            assert_eq!(shim.text.contains(PREVIOUS_SUFFIX), shim.keeps_previous);
        }
        assert!(!is_our_shim(
            b"#!/bin/sh\ngit-deploy hook pre-receive || exit 1\nmake check\n",
            "pre-receive"
        ));
    }

    /// Our shims are recognized and their program is found, in both forms.
    #[test]
    fn programs() {
        let program = |text: &str| find_shim_program(text.as_bytes(), "pre-receive");
        assert_eq!(
            program("#!/usr/bin/git-deploy hook\n# Part of git-deploy: x\n").as_deref(),
            Some("/usr/bin/git-deploy")
        );
        let shell = |word: &str| {
            format!(
                "#!/bin/sh\n# Part of git-deploy: x\nexec {word} hook pre-receive --kept \"$0.local\"\n"
            )
        };
        assert_eq!(
            program(&shell(r"'/opt/it'\''s/git-deploy'")).as_deref(),
            Some("/opt/it's/git-deploy")
        );
        assert_eq!(program(&shell("git-deploy")).as_deref(), Some("git-deploy"));
        for other in [
            "",
            "#!/bin/sh\n",
            "#!/bin/sh\ngit-deploy hook pre-receive || exit 1\nmake check\n",
        ] {
            assert_eq!(program(other), None, "{other}");
        }
        assert_eq!(
            find_shim_program(shell("git-deploy").as_bytes(), "proc-receive"),
            None
        );
    }
}
