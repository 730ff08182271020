//! On a kernel without Landlock, and with `isolation = "off"`: what runs, what is refused, and what is
//! printed. A seccomp filter makes the kernel answer as one without Landlock does.

use super::{KEY_VARIABLE, Site, User};
use crate::harness::{Run, World, has_tool};

/// Executes a program for which `landlock_create_ruleset` (444 on every machine) is not implemented.
const WITHOUT_LANDLOCK: &str = r"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
ENOSYS = 38
instructions = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | ENOSYS), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *it) for it in instructions))
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
program = Program(len(instructions), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
assert libc.syscall(444, None, 0, 1) == -1 and ctypes.get_errno() == ENOSYS
os.execvp(sys.argv[1], sys.argv[1:])
";

const POLICY: &str = r#"
[environments]
processes = {}
files = { isolation = "files" }
off = { isolation = "off" }
[components.api]
paths = ["api/**"]
writable = "~/loot"
apply = 'echo ran > $HOME/loot/ran'
"#;

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// In a file only.
    File,
    /// In the shell's environment.
    Variable,
    /// In the shell's environment, under another name than in that of this program.
    Renamed,
    /// In the shell's environment, and not in that of this program, which has it in a file.
    OnlyInShell,
}

/// What must happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The command runs, isolated.
    Isolated,
    /// The command runs, and the run says that it is not isolated.
    NotIsolated,
    /// No command runs: it could read the key.
    Exposed,
    /// No command runs: files cannot be isolated.
    Unsupported,
}

fn expect(mode: &str, key: Key, is_allowed: bool, has_landlock: bool) -> Expected {
    match mode {
        "files" if !has_landlock => Expected::Unsupported,
        "processes" | "files" if has_landlock => Expected::Isolated,
        _ if key != Key::File && !is_allowed => Expected::Exposed,
        _ => Expected::NotIsolated,
    }
}

/// Runs a deployment from a shell, which waits for it and so is an ancestor.
fn deploy<'w>(
    site: &Site<'w>,
    secret: &str,
    mode: &str,
    key: Key,
    is_allowed: bool,
    has_landlock: bool,
) -> Run<'w> {
    let filter = if has_landlock {
        ""
    } else {
        "python3 $HOME/without-landlock.py"
    };
    let environment = match key {
        Key::File | Key::Variable => "",
        Key::Renamed => "env GIT_DEPLOY_KEY=\"$DEPLOY_SECRET\"",
        Key::OnlyInShell => "env -u GIT_DEPLOY_KEY",
    };
    let script = format!(
        "git config deploy.allowExposedKey {is_allowed}\n\
         {environment} {filter} git-deploy run {mode} --yes --all; exit $?"
    );
    let mut shell = site.shell(&script);
    match key {
        Key::File => &mut shell,
        Key::Renamed => shell.env("DEPLOY_SECRET", secret),
        Key::Variable | Key::OnlyInShell => shell.env(KEY_VARIABLE, secret),
    };
    Run::of(site.project.world, &mut shell)
}

#[test]
fn runs_without_isolation_say_so_and_keep_the_key_safe() {
    if !has_tool("python3") {
        return;
    }
    let keys = [
        (Key::File, false),
        (Key::Variable, false),
        (Key::Variable, true),
        (Key::Renamed, false),
        (Key::OnlyInShell, false),
    ];
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, POLICY, &[]);
        std::fs::write(site.home("without-landlock.py"), WITHOUT_LANDLOCK).unwrap();
        let secret = std::fs::read_to_string(site.home("ci.key")).unwrap();
        for mode in ["processes", "files", "off"] {
            for has_landlock in [true, false] {
                for (key, is_allowed) in keys {
                    if has_landlock && mode != "off" && key != Key::Variable {
                        continue;
                    }
                    let _ = std::fs::remove_file(site.home("loot/ran"));
                    let run = deploy(&site, &secret, mode, key, is_allowed, has_landlock);
                    let expected = expect(mode, key, is_allowed, has_landlock);
                    check(&site, user, run, expected);
                }
            }
        }
    }
}

#[track_caller]
fn check(site: &Site<'_>, user: User, run: Run<'_>, expected: Expected) {
    let is_refused = matches!(expected, Expected::Exposed | Expected::Unsupported);
    let run = run.fails(i32::from(is_refused));
    let said = run.words_of_err();
    let what = format!("{user:?} {expected:?}: {run}");
    assert_eq!(site.home("loot/ran").exists(), !is_refused, "{what}");
    for (words, cases) in [
        (
            "are not isolated",
            &[Expected::NotIsolated, Expected::Exposed][..],
        ),
        ("could read the signing key", &[Expected::Exposed]),
        (
            "git config deploy.allowExposedKey true",
            &[Expected::Exposed],
        ),
        ("cannot isolate files", &[Expected::Unsupported]),
    ] {
        assert_eq!(
            said.contains(words),
            cases.contains(&expected),
            "{words}: {what}"
        );
    }
}
