//! Group 12: names that are options or paths, wherever a name is read: the command line, entries,
//! the policy, refs.

use crate::harness::{AttackRunner, Project, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { approvals = 1 }\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n[components]\napi = { paths = \"api\" }\n";

/// Dangerous names: options of git and of ours, paths, terminal and shell sequences.
const NAMES: [&str; 13] = [
    "--upload-pack=touch pwned",
    "--output=pwned",
    "-opwned",
    "-c",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    "x.lock",
    "ext::sh -c touch% pwned",
    "$(touch pwned)",
    "`touch pwned`;touch pwned",
    "\u{1b}[2J",
];

/// A name that is an option, a path or a terminal sequence makes a command fail; nothing is written
/// or run.
#[test]
fn names_on_the_command_line_are_harmless() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    let attacks = AttackRunner::of(&project);
    // `@` is where the name goes; once as it is, and once where it can be no option.
    let places: &[&[&str]] = &[
        &["record", "@"],
        &["record", "dev", "@"],
        &["record", "dev", "-c", "@"],
        &["record", "dev", "--requested-by", "@"],
        &["record", "dev", "--release", "@"],
        &["approve", "@"],
        &["approve", "prod", "@"],
        &["revoke", "prod", "@"],
        &["lock", "@", "-m", "x"],
        &["lock", "dev", "-c", "@", "-m", "x"],
        &["unlock", "dev", "--commit", "@"],
        &["abort", "@", "-m", "x"],
        &["attest", "test-result", "@", "--result", "passed"],
        &["build", "@"],
        &["yank", "@", "-m", "x"],
        &["register", "@"],
        &["check", "@"],
        &["check", "dev", "@"],
        &["log", "@"],
        &["show", "@"],
        &["diff", "@", "dev"],
        &["diff", "dev", "@"],
        &["contains", "@"],
        &["good", "@"],
        &["audit", "@"],
        &["init", "--remote", "@", "--yes"],
    ];
    let everything = |folder: &std::path::Path| -> Vec<_> {
        let all = walkdir::WalkDir::new(folder)
            .into_iter()
            .map(|entry| entry.unwrap().into_path());
        // Besides the refs that are called so below.
        all.filter(|path| {
            path.to_string_lossy().contains("pwned") && !path.to_string_lossy().contains("refs/")
        })
        .collect()
    };
    for (index, place) in places.iter().enumerate() {
        // Each place meets some of the names, and each name all kinds of places.
        for name in NAMES.iter().skip(index % 3).step_by(3) {
            let words: Vec<&str> = place
                .iter()
                .map(|word| if *word == "@" { *name } else { *word })
                .collect();
            let said = attacks.fails_locally(&format!("{words:?}"), || ci.deploy(&words));
            assert!(!said.contains('\u{1b}'), "{words:?}: {said:?}");
            if let Some(at) = words
                .iter()
                .position(|word| word == name)
                .filter(|at| !words[at - 1].starts_with('-'))
            {
                let mut words = words.clone();
                let name = words.remove(at);
                words.extend(["--", name]);
                attacks.fails_locally(&format!("{words:?}"), || ci.deploy(&words));
            }
        }
    }
    assert_eq!(everything(world.path()), Vec::<std::path::PathBuf>::new());
    // A remote whose address runs programs is asked by git, which refuses; a branch or tag of an option's name is a commit's name.
    for url in [
        "ext::sh -c touch% pwned",
        "--upload-pack=touch pwned",
        "file:///nowhere/../x",
    ] {
        ci.repo.git(&["config", "remote.origin.url", url]).ok();
        attacks.fails_locally(url, || ci.deploy(&["sync"]));
        attacks.fails_locally(url, || ci.deploy(&["record", "dev", "--all"]));
    }
    ci.repo
        .git(&["config", "remote.origin.url", &project.server.url()])
        .ok();
    for name in [
        "refs/heads/--output=pwned",
        "refs/tags/--upload-pack=x",
        "refs/heads/-c",
    ] {
        ci.repo.git(&["update-ref", name, "HEAD"]).ok();
    }
    attacks.fails_locally("an option's branch", || {
        ci.deploy(&["record", "dev", "--output=pwned", "--all"])
    });
    ci.deploy(&["record", "dev", "--all", "refs/heads/--output=pwned"])
        .ok();
    ci.deploy(&["status"]).ok();
    for key in ["deploy.remote", "deploy.key"] {
        for value in ["--upload-pack=touch pwned", "../../nowhere"] {
            let old = alice.repo.git(&["config", "--get", key]);
            alice.repo.git(&["config", key, value]).ok();
            attacks.fails_locally(&format!("{key} = {value}"), || {
                alice.deploy(&["lock", "dev", "-m", "x"])
            });
            let back = if old.succeeded() {
                vec!["config", key]
            } else {
                vec!["config", "--unset", key]
            };
            let value = if old.succeeded() {
                vec![old.text()]
            } else {
                vec![]
            };
            alice
                .repo
                .git(
                    &back
                        .into_iter()
                        .chain(value.iter().map(String::as_str))
                        .collect::<Vec<_>>(),
                )
                .ok();
        }
    }
    assert_eq!(everything(world.path()), Vec::<std::path::PathBuf>::new());
    attacks.finish();
}

/// No name in an entry is a path, an option or of other letters, whoever signed it.
#[test]
fn names_in_entries_are_checked() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "pr-1"]).ok();
    let next = ci
        .build(
            "dev",
            super::forged_entries::a_deployment(ci, "dev"),
            None,
            |_| (),
        )
        .to_string();
    let there = ci.build("pr", crate::harness::member::a_lock(), None, |it| {
        it.environment = Some("pr-1".parse().unwrap());
    });
    let there = there.to_string();
    let attacks = AttackRunner::of(&project);
    let names = NAMES.iter().copied().chain([
        "",
        ".",
        "..",
        ".git",
        "Api",
        "api ",
        " api",
        "a..b",
        "api.",
        "a\\b",
        "\u{430}pi",
        "con:",
        "rest/",
    ]);
    for (at, name) in names.enumerate() {
        let text = serde_json::to_string(name).unwrap();
        for (field, id, ledger) in [
            ("\"component\": \"api\"", &next, "dev"),
            ("\"by\": \"ci\"", &next, "dev"),
            ("\"ledger\": \"dev\"", &next, "dev"),
            ("\"environment\": \"pr-1\"", &there, "pr"),
            ("\"policy\": \"", &next, "dev"),
        ]
        // Each name in some of the places, and each place with every kind of name.
        .into_iter()
        .skip(at % 2)
        .step_by(2)
        {
            let key = field.split(':').next().unwrap();
            let forged = ci.resigned(id, |old| {
                assert!(old.contains(field), "{field}: {old}");
                let new = if key == "\"policy\"" {
                    format!("{text}: \"")
                } else {
                    format!("{key}: {text}")
                };
                old.replace(field, &new).into_bytes()
            });
            attacks.refused_entry(&format!("{key}: {name:?}"), &["chain"], ci, ledger, &forged);
        }
    }
    attacks.finish();
}

/// No name in a policy is unsafe, where names become refs, folders, options and variables.
#[test]
fn names_in_policies_are_checked() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice;
    alice.deploy(&["sync"]).ok();
    let text = project.policy(POLICY);
    let attacks = AttackRunner::of(&project);
    for name in NAMES
        .iter()
        .copied()
        .chain(["", "..", ".git", "Dev", "policy", "evidence", "dev "])
    {
        let quoted = serde_json::to_string(name).unwrap();
        let edits = [
            (
                "an environment",
                text.replace("dev = {}", &format!("{quoted} = {{}}")),
            ),
            (
                "a pattern",
                text.replace(
                    "\"pr-*\"",
                    &serde_json::to_string(&format!("{name}-*")).unwrap(),
                ),
            ),
            (
                "a component",
                text.replace("api = {", &format!("{quoted} = {{")),
            ),
            (
                "a person",
                text.replace("carol = {", &format!("{quoted} = {{")),
            ),
            (
                "a group",
                text.replace(
                    "[environments]",
                    &format!("[groups]\n{quoted} = [\"bob\"]\n[environments]"),
                ),
            ),
            (
                "a branch",
                text.replace("dev = {}", &format!("dev = {{ branch = {quoted} }}")),
            ),
            (
                "a stage before",
                text.replace("dev = {}", &format!("dev = {{ promote_from = {quoted} }}")),
            ),
            (
                "a tag",
                text.replace("dev = {}", &format!("dev = {{ tag = {quoted} }}")),
            ),
            (
                "a deployer",
                text.replace("dev = {}", &format!("dev = {{ deployers = {quoted} }}")),
            ),
            (
                "a check",
                text.replace("dev = {}", &format!("dev = {{ checks = [{quoted}] }}")),
            ),
            (
                "a path",
                text.replace("paths = \"api\"", &format!("paths = {quoted}")),
            ),
            (
                "a version",
                text.replace(
                    "dev = {}",
                    &format!(
                        "dev = {{ version = {{ from = {} }} }}",
                        serde_json::to_string(&format!("file:{name}")).unwrap()
                    ),
                ),
            ),
        ];
        for (what, text) in edits {
            // Some names are good in some places: people may be called rest, and paths and branches nearly anything.
            let fine = git_deploy::testing::domain::policy::Policy::parse(&text);
            let Ok(policy) = fine else {
                // Which places say no is tested beside the parser; that the server asks it, here.
                if what == "an environment" {
                    attacks.refused_entry(
                        &format!("{what} {name:?}"),
                        &["authorization"],
                        alice,
                        "policy",
                        &super::forged_entries::publish(alice, &text),
                    );
                }
                continue;
            };
            assert!(
                !["an environment", "a pattern"].contains(&what),
                "{what} {name:?}"
            );
            for environment in policy.environments.values() {
                let branch = environment
                    .branch
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    !branch.starts_with('-')
                        && !branch.contains("..")
                        && !branch.contains('\u{1b}'),
                    "{branch:?}"
                );
            }
        }
    }
    attacks.finish();
}
