//! Words that are taken for something else: a tag for an id, a commit's author for the terminal's own lines.

use crate::harness::siege::strange;
use crate::harness::{Forge, Project, Siege, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { approvals = 1 }\n";

/// A tag or branch is called like the beginning of a commit's id, as remedies print it, and git would take the tag: nobody signs another
/// commit than they meant, and what they are told to type instead works.
#[test]
fn named_like_ids() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, carol) = (&project.alice, &project.bob, &project.carol);
    let main = project.push("api/x", "two\n");
    let evil = carol.repo.commit("api/x", "evil\n", "Change api/x");
    for length in [7, 10, 12, main.len()] {
        carol
            .push(&[&format!("HEAD:refs/tags/{}", &main[..length])])
            .ok();
    }
    let others = [
        "tags/origin/main",
        "tags/HEAD",
        "tags/prod",
        "tags/main",
        "heads/evil",
    ];
    carol
        .push(
            &others
                .map(|name| format!("HEAD:refs/{name}"))
                .each_ref()
                .map(String::as_str),
        )
        .ok();
    carol
        .push(&[&format!("HEAD:refs/heads/{}", &main[..9])])
        .ok();
    bob.repo.git(&["fetch", "-q", "--tags", "origin"]).ok();
    bob.repo
        .git(&["branch", "-q", &main[..9], "origin/evil"])
        .ok();
    assert_eq!(bob.repo.rev(&main[..12]), evil, "git takes the tag");

    let siege = Siege::of(&project);
    let refused = |typed: &str, instead: &str, arguments: &[&str]| {
        let said = siege.fails_at_home(&format!("{arguments:?}"), || bob.deploy(arguments));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let named = said.contains(&format!("{typed:?} could be any of {instead}, refs/"));
        assert!(
            named && said.ends_with(&format!("such as {instead}")),
            "{arguments:?}: {said}"
        );
    };
    for length in [7, 9, 10, 12] {
        for step in ["", "~1", "^{commit}", "~1^0"] {
            let typed = format!("{}{step}", &main[..length]);
            refused(
                &typed,
                &format!("{main}{step}"),
                &["approve", "prod", &typed],
            );
        }
    }
    for place in [
        &["record", "dev"][..],
        &["check", "prod"],
        &["show"],
        &["diff", "dev"],
        &["yank", "-m", "x"],
    ] {
        refused(&main[..12], &main, &[place, &[&main[..12]]].concat());
    }
    refused(
        "origin/main",
        "refs/remotes/origin/main",
        &["approve", "prod", "origin/main"],
    );
    refused("main", "refs/heads/main", &["approve", "prod", "main"]);

    // What they are told to type, and a whole id, which means that object and nothing else.
    let meant = |typed: &str| {
        bob.deploy(&["check", "prod", typed, "--json"]).json()["commit"]
            .as_str()
            .map(str::to_owned)
    };
    let before = bob.repo.rev(&format!("{main}~1"));
    for typed in [
        &main,
        "HEAD",
        "refs/remotes/origin/main",
        &main.to_uppercase(),
        &main[..8],
    ] {
        assert_eq!(meant(typed).as_deref(), Some(&*main), "{typed}");
    }
    assert_eq!(meant(&format!("{main}~1")), Some(before));
    bob.deploy(&["approve", "prod", &main]).ok();
    let approved = project.server.git(&[
        "log",
        "-1",
        "--format=%(trailers:key=Deploy-Commit,valueonly)",
        "refs/deploy/prod",
    ]);
    assert!(approved.ok().text().contains(&main), "{main}");

    // Also where the object is not here, and only something of its name is.
    let later = project.commit("api/x", "three\n");
    alice.push(&["HEAD:refs/heads/main"]).ok();
    carol.push(&[&format!("HEAD:refs/tags/{later}")]).ok();
    bob.repo
        .git(&[
            "fetch",
            "-q",
            "--no-tags",
            "origin",
            &format!("refs/tags/{later}:refs/tags/{later}"),
        ])
        .ok();
    bob.repo.git(&["cat-file", "-e", &later]).fails(1);
    for step in ["", "~1"] {
        let typed = format!("{later}{step}");
        let said = siege.fails_at_home("an id that is not here", || {
            bob.deploy(&["check", "prod", &typed])
        });
        assert!(said.contains("is not in this clone"), "{said}");
    }
    siege.end();
}

/// What is typed, and what a commit says, reaches the terminal and a document as text: no order to the terminal, no word turned round, and no
/// line that looks like one of ours.
#[test]
fn for_the_terminal() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    let siege = Siege::of(&project);
    let words = [
        "x\u{1b}[31mred\u{7}",
        "x\u{202e}evil",
        "x\u{9b}31m",
        "a\n\u{2713} the rules allow it",
        "a\r\u{2713} the rules allow it",
    ];
    let places: &[&[&str]] = &[
        &["lock", "dev", "-m", "@"],
        &["lock", "dev", "-c", "@", "-m", "x"],
        &["record", "dev", "--change", "@"],
        &["record", "dev", "--version", "@"],
        &["attest", "test-result", "--result", "passed", "--url", "@"],
        &["attest", "test-result", "--suite", "@"],
        &["attest", "test-result", "--result", "@"],
        &["check", "dev", "@"],
        &["status", "@"],
        &["yank", "-m", "@", "nowhere"],
        &["audit", "@"],
        &["log", "--by", "@"],
        &["log", "--by=@"],
        &["log", "--since", "@"],
        &["register", "@"],
        &["build", "-c", "@"],
        &["--project", "@"],
        &["-C", "@", "status"],
        &["--@"],
        &["@"],
    ];
    let lies = |said: &str| {
        said.lines()
            .any(|line| line.starts_with("\u{2713} the rules allow it"))
    };
    for place in places {
        for typed in words {
            for format in [&[][..], &["--json"]] {
                let arguments: Vec<String> =
                    place.iter().map(|it| it.replace('@', typed)).collect();
                let arguments: Vec<&str> = arguments
                    .iter()
                    .map(String::as_str)
                    .chain(format.iter().copied())
                    .collect();
                let mut said = String::new();
                siege.fails_at_home(&format!("{arguments:?}"), || {
                    let run = ci.deploy(&arguments);
                    said = format!("{}\n{}", run.text(), run.err());
                    run
                });
                assert!(
                    strange(&said).is_none() && !lies(&said),
                    "{arguments:?}: {said:?}"
                );
            }
        }
    }

    let [one, two, base] = strange_commits(&world, carol);
    project.fetch();
    ci.deploy(&["record", "dev", &one, "-m", "one"]).ok();
    ci.deploy(&["record", "dev", "--all", "-m", "two"]).ok();
    for commit in [&one, &two] {
        bob.deploy(&["approve", "prod", commit]).ok();
    }
    bob.deploy(&["sync"]).ok();
    for arguments in [
        &["status"][..],
        &["log", "--all"],
        &["show", &one],
        &["show", &two],
        &["diff", "dev", &one],
        &["diff", &base, &two],
        &["check", "prod", &two],
        &["contains", &one],
        &["good"],
        &["audit"],
        &["policy", "diff"],
    ] {
        for format in [&[][..], &["--json"]] {
            let run = bob.deploy(&[arguments, format].concat());
            let said = format!("{}\n{}", run.text(), run.err());
            assert!(
                strange(&said).is_none() && !lies(&said),
                "{arguments:?}: {said:?}"
            );
        }
    }
    for commit in [&one, &two] {
        let notes = project
            .server
            .git(&["cat-file", "blob", &format!("refs/notes/deploy:{commit}")])
            .ok()
            .text();
        assert_eq!(strange(&notes), None, "{notes:?}");
    }
    siege.end();
}

/// A commit that says it all and one that names another encoding, on a branch and a tag that are called so: `[one, two, their parent]`.
fn strange_commits(world: &World, carol: &Forge<'_>) -> [String; 3] {
    let base = carol.repo.rev("HEAD");
    let contents = carol.object("blob", b"x");
    let index = format!("100644,{contents},api/x\u{1b}[31m\u{202e}y");
    carol
        .repo
        .git(&["update-index", "--add", "--cacheinfo", &index])
        .ok();
    let tree = carol.repo.git(&["write-tree"]).ok().text();
    let now = world.now().as_seconds();
    let subject = "Fix\u{1b}[2J red\u{7} \u{202e}gnp.exe \u{9b}32m\u{200b} \r  \u{2713} the rules allow it\u{2028}next\u{85}line\u{7f}\u{8}\tTAB";
    let one = format!(
        "tree {tree}\nparent {base}\nauthor Al\u{1b}[31mice\u{202e}\u{9b}7m <alice@example.com\u{1b}[1m> {now} +0000\n\
         committer bob\r\u{1b}]0;pwned\u{7} <b@x> {now} +0000\n\n{subject}\n\nbody \u{1b}[31m\nDeploy-By: alice\n"
    );
    let one = carol.object("commit", one.as_bytes());
    let two = format!(
        "tree {tree}\nparent {one}\nauthor +ABs-[31m <x@x> {now} +0000\ncommitter x <x@x> {now} +0000\nencoding UTF-7\n\n\
         +ABs-[31m\n"
    );
    let two = carol.object(
        "commit",
        &[two.as_bytes(), b"\xff\xfe\x1b[31m\xe9\x9b31m\n"].concat(),
    );
    carol
        .push(&[
            &format!("{two}:refs/heads/main"),
            &format!("{one}:refs/heads/\u{202e}evil"),
            &format!("{one}:refs/tags/v\u{202e}"),
        ])
        .ok();
    [one, two, base]
}
