//! What surrounds a client: variables, included settings, key files, time zones, names.

use std::path::{Path, PathBuf};

use crate::harness::attack::strange;
use crate::harness::{AttackRunner, Member, Project, Repo, Run, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// Runs our program with one more variable.
fn deploy_with<'w>(member: &Member<'w>, name: &str, value: &str, arguments: &[&str]) -> Run<'w> {
    let mut command = member.repo.command("git-deploy");
    Run::of(
        member.repo.world(),
        command.args(arguments).env(name, value),
    )
}

/// What one of git's variables does to our commands.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Nothing: the entry is the same as without it.
    None,
    /// The command cannot go on, and says so.
    Refusal,
}

/// Variables that point git elsewhere neither move an entry to another repository, nor bring objects
/// or history from one. The table has all variables of git's manual, except those that are for
/// connections, credentials and git's own programs, and those that set the identity and the time,
/// which no entry contains.
#[test]
fn variables_redirect_no_client() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let elsewhere = world.repo("elsewhere");
    elsewhere.commit("api/x", "other\n", "Other");
    let other = elsewhere.path().join(".git");
    let path = |file: &str| other.join(file).to_string_lossy().into_owned();
    let ran = world.path().join("home/ran");
    let program = format!("touch {}; false", ran.display());
    let trace = world
        .path()
        .join("home/trace")
        .to_string_lossy()
        .into_owned();
    let files = || -> Vec<_> {
        let all = walkdir::WalkDir::new(&other).sort_by_file_name();
        all.into_iter()
            .map(|it| it.unwrap())
            .map(|it| (it.path().to_owned(), it.metadata().unwrap().len()))
            .collect()
    };
    let before = files();
    let dry_run = ["record", "dev", "--all", "--dry-run", "--json"];
    let draft = |name: &str, value: &str| {
        let run = deploy_with(ci, name, value, &dry_run);
        run.succeeded()
            .then(|| run.json()["statement"]["predicate"].clone())
    };
    let parent = ci.repo.path().parent().unwrap().to_string_lossy();
    let rows: &[(&str, &str, Effect)] = &[
        ("GIT_ADVICE", "1", Effect::None),
        ("GIT_ALLOW_PROTOCOL", "none", Effect::Refusal),
        (
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            &path("objects"),
            Effect::None,
        ),
        ("GIT_ATTR_SOURCE", "HEAD", Effect::None),
        ("GIT_CEILING_DIRECTORIES", &parent, Effect::None),
        ("GIT_COMMIT_GRAPH_PARANOIA", "0", Effect::None),
        ("GIT_COMMON_DIR", &other.to_string_lossy(), Effect::None),
        ("GIT_CONFIG", &path("config"), Effect::None),
        ("GIT_CONFIG_COUNT", "x", Effect::Refusal),
        ("GIT_CONFIG_PARAMETERS", "deploy.root=x", Effect::Refusal),
        ("GIT_CONFIG_SYSTEM", &path("config"), Effect::None),
        ("GIT_DEFAULT_HASH", "sha256", Effect::None),
        ("GIT_DEFAULT_REF_FORMAT", "reftable", Effect::None),
        ("GIT_DIFF_OPTS", "--unified=0", Effect::None),
        ("GIT_DIR", &other.to_string_lossy(), Effect::Refusal),
        ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1", Effect::None),
        ("GIT_EDITOR", &program, Effect::None),
        ("GIT_EXTERNAL_DIFF", &program, Effect::None),
        ("GIT_EXTERNAL_DIFF_TRUST_EXIT_CODE", "1", Effect::None),
        ("GIT_FLUSH", "1", Effect::None),
        ("GIT_GLOB_PATHSPECS", "1", Effect::None),
        ("GIT_GRAFT_FILE", &path("HEAD"), Effect::None),
        ("GIT_ICASE_PATHSPECS", "1", Effect::None),
        ("GIT_INDEX_FILE", &path("index"), Effect::None),
        ("GIT_INDEX_VERSION", "4", Effect::None),
        ("GIT_LITERAL_PATHSPECS", "1", Effect::None),
        ("GIT_MERGE_VERBOSITY", "5", Effect::None),
        ("GIT_NAMESPACE", "x", Effect::Refusal),
        ("GIT_NOGLOB_PATHSPECS", "1", Effect::None),
        ("GIT_NO_LAZY_FETCH", "0", Effect::None),
        ("GIT_NO_REPLACE_OBJECTS", "0", Effect::None),
        ("GIT_OBJECT_DIRECTORY", &path("objects"), Effect::None),
        ("GIT_OPTIONAL_LOCKS", "1", Effect::None),
        ("GIT_PAGER", &program, Effect::None),
        ("GIT_PRINT_SHA1_ELLIPSIS", "yes", Effect::None),
        ("GIT_PROGRESS_DELAY", "0", Effect::None),
        ("GIT_PROTOCOL", "version=0", Effect::None),
        ("GIT_QUARANTINE_PATH", &path("objects"), Effect::None),
        ("GIT_REFLOG_ACTION", "\u{1b}[2J", Effect::None),
        ("GIT_REF_PARANOIA", "0", Effect::None),
        ("GIT_REPLACE_REF_BASE", "refs/heads/", Effect::None),
        ("GIT_SEQUENCE_EDITOR", &program, Effect::None),
        ("GIT_SHALLOW_FILE", &path("HEAD"), Effect::Refusal),
        ("GIT_TEMPLATE_DIR", &path("hooks"), Effect::None),
        ("GIT_TRACE", "1", Effect::None),
        ("GIT_TRACE2_EVENT", "1", Effect::None),
        ("GIT_TRACE_PACKET", &trace, Effect::None),
        ("GIT_TRACE_SETUP", "1", Effect::None),
        ("GIT_WORK_TREE", &other.to_string_lossy(), Effect::None),
    ];
    for &(name, value, effect) in rows {
        world.advance("1m");
        let is_ignored = effect == Effect::None;
        let clean = draft("GIT_ADVICE", "0");
        assert_eq!(draft(name, value), clean.filter(|_| is_ignored), "{name}");
        let tip = project.refs();
        let run = deploy_with(ci, name, value, &["record", "dev", "--all"]);
        assert_eq!(run.succeeded(), is_ignored, "{name}: {run}");
        assert_eq!(project.refs() != tip, is_ignored, "{name}: {run}");
        assert_eq!(files(), before, "{name}: {run}");
        assert!(!ran.exists(), "{name}: {run}");
    }
    project.audited();
}

/// Settings from an included file cannot make a clone trust another project or
/// run a program while it only reads.
#[test]
fn injected_settings_change_no_trust() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let ran = world.path().join("home/ran");
    let program = format!("touch {}", ran.display());
    let included = world.path().join("home/included");
    let wrong = "0123456789".repeat(4);
    let include = ["config", "include.path", &*included.to_string_lossy()];
    ci.repo.git(&include).ok();
    for (attack, settings) in [
        ("another root", format!("[deploy]\n\troot = {wrong}\n")),
        (
            "a program as signer",
            format!("[deploy]\n\tsigner = {program}\n"),
        ),
        ("a pager", format!("[core]\n\tpager = {program}\n")),
        ("a monitor", format!("[core]\n\tfsmonitor = {program}\n")),
        (
            "a filter",
            format!("[filter \"x\"]\n\tsmudge = {program}\n"),
        ),
        (
            "an external diff",
            format!("[diff]\n\texternal = {program}\n"),
        ),
        (
            "a text conversion",
            format!("[diff \"x\"]\n\ttextconv = {program}\n"),
        ),
    ] {
        std::fs::write(&included, settings).unwrap();
        for arguments in [
            &["status"][..],
            &["log", "dev"],
            &["show", "dev"],
            &["check", "prod"],
            &["diff", "dev", "prod"],
        ] {
            let run = ci.deploy(arguments);
            assert!(!ran.exists(), "{attack}: {run}");
            assert!(
                attack != "another root" || !run.succeeded(),
                "{attack}: {run}"
            );
        }
    }
    std::fs::write(&included, "[core]\n\tpager = cat\n").unwrap();
    for arguments in [&["status"][..], &["log", "dev"], &["show", "dev"]] {
        ci.deploy(arguments).ok();
    }
}

/// A key that others can read or that is no key signs nothing, and is not read to its end.
#[test]
fn unfit_key_files_sign_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let home = world.path().join("home");
    let key = std::fs::read(home.join("ci.key")).unwrap();
    let copy = home.join("copy.key");
    let attacks = AttackRunner::of(&project);
    let entry = ["record", "dev", "--all"];
    for mode in [0o640, 0o604, 0o644, 0o660, 0o666, 0o777] {
        std::fs::write(&copy, &key).unwrap();
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(mode)).unwrap();
        ci.repo
            .git(&["config", "deploy.key", &copy.to_string_lossy()])
            .ok();
        let said = attacks.fails_locally(&format!("mode {mode:o}"), || ci.deploy(&entry));
        assert!(said.contains("chmod 600"), "{said}");
    }
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    let huge = home.join("huge.key");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    std::fs::set_permissions(&huge, std::fs::Permissions::from_mode(0o600)).unwrap();
    let public = home.join("ci.pub");
    let (pipe, link) = make_pipe(&ci.repo, &home);
    for file in [
        &huge,
        &public,
        &home,
        &pipe,
        &link,
        &"/dev/zero".into(),
        &"/dev/null".into(),
    ] {
        ci.repo
            .git(&["config", "deploy.key", &file.to_string_lossy()])
            .ok();
        attacks.fails_locally(&file.to_string_lossy(), || ci.deploy(&entry));
    }
    ci.repo
        .git(&["config", "deploy.key", &copy.to_string_lossy()])
        .ok();
    ci.deploy(&entry).ok();
    attacks.finish();
}

/// Makes a named pipe that no process writes to, and a link to it.
fn make_pipe(repo: &Repo<'_>, folder: &Path) -> (PathBuf, PathBuf) {
    let (pipe, link) = (folder.join("pipe"), folder.join("link"));
    repo.run("mkfifo", &["-m", "600", &pipe.to_string_lossy()])
        .ok();
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    (pipe, link)
}

/// No file that a command or a setting names makes a command wait or read without end: named pipes,
/// devices and folders are refused. What the shell has opened is read, also if it is a pipe.
#[test]
fn only_regular_files_are_read() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice;
    let home = world.path().join("home");
    let (pipe, link) = make_pipe(&alice.repo, &home);
    let attacks = AttackRunner::of(&project);
    let commands: [&[&str]; 5] = [
        &["attest", "test-result", "--predicate"],
        &["attest", "test-result", "--junit"],
        &["approve", "prod", "--plans"],
        &["plan", "dev", "--since"],
        &["audit", "--since"],
    ];
    for command in commands {
        for file in [
            &pipe,
            &link,
            &home,
            &"/dev/zero".into(),
            &"/dev/full".into(),
        ] {
            let file = file.to_string_lossy();
            let arguments = [command, &[&*file]].concat();
            let run = attacks.fails_locally(&format!("{arguments:?}"), || {
                alice
                    .repo
                    .run("timeout", &[&["60", "git-deploy"][..], &arguments].concat())
            });
            assert!(run.contains("regular file"), "{arguments:?}: {run}");
        }
    }
    let signer = "deploy.signer=/bin/false";
    for (setting, other) in [("deploy.key", "deploy.x=1"), ("deploy.signerKey", signer)] {
        for file in [&pipe, &link] {
            let value = format!("{setting}={}", file.display());
            let git = ["60", "git", "-c", other, "-c", &value];
            for arguments in [&["deploy", "record", "dev"][..], &["deploy", "key", "show"]] {
                let said = attacks.fails_locally(&format!("{setting} {arguments:?}"), || {
                    alice.repo.run("timeout", &[&git[..], arguments].concat())
                });
                assert!(said.contains("error:"), "waits: {setting} {arguments:?}");
            }
            // Who the user is, is only a hint here.
            alice
                .repo
                .run("timeout", &[&git[..], &["deploy", "status"]].concat())
                .ok();
        }
    }
    // The control.
    for script in [
        "git-deploy attest test-result --predicate <(echo '{\"result\": \"PASSED\"}')",
        "git-deploy policy diff /dev/stdin < deploy.toml",
    ] {
        alice.repo.run("bash", &["-c", script]).ok();
    }
    attacks.finish();
}

/// The time zone and git's dates of a client change no time in an entry, and none that is shown as
/// UTC.
#[test]
fn time_zones_and_dates_change_no_entry() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    for (name, value) in [
        ("TZ", "Pacific/Kiritimati"),
        ("TZ", "XXX-99:99:99"),
        ("TZ", ":/etc/passwd"),
        ("TZ", "../../../../dev/zero"),
        ("GIT_COMMITTER_DATE", "2099-01-01T00:00:00Z"),
        ("GIT_AUTHOR_DATE", "@1 +9999"),
        ("SOURCE_DATE_EPOCH", "1"),
    ] {
        world.advance("1m");
        deploy_with(ci, name, value, &["record", "dev", "--all"]).ok();
        let newest = &ci.deploy(&["log", "dev", "--json"]).ok().json()["entries"][0];
        assert_eq!(
            newest["at"],
            world.now().to_string(),
            "{name}={value}: {newest:#}"
        );
    }
    project.audited();
}

/// A name that only looks like an environment's is none: other case, letters of other scripts,
/// characters without width, other forms of Unicode, and words that read like options.
#[test]
fn similar_environments_are_unknown() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let attacks = AttackRunner::of(&project);
    for name in [
        "Prod",
        "PROD",
        "pr\u{43e}d",
        "prod\u{200b}",
        "\u{202e}dorp",
        "prod\u{301}",
        "\u{ff50}rod",
        " prod",
        "prod ",
        "prod/",
        "./prod",
        "refs/deploy/prod",
        "prod\n",
        "prod\u{0}",
        "--prod",
    ]
    .iter()
    .filter(|name| !name.contains('\0'))
    {
        for arguments in [
            vec!["record", name],
            vec!["approve", name],
            vec!["lock", name, "-m", "x"],
            vec!["check", name],
            vec!["log", name],
        ] {
            let said = attacks.fails_locally(&format!("{arguments:?}"), || ci.deploy(&arguments));
            assert_eq!(strange(&said), None, "{arguments:?}: {said:?}");
        }
    }
    ci.deploy(&["record", "dev"]).ok();
    attacks.finish();
}
