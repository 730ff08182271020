//! Tests of a push that is being checked: its objects are visible, and nothing can be written.

use std::path::Path;

use super::{TestRepository, plain_git, run};
use crate::git::quarantine::HookEnvironment;
use crate::git::{Error, Repository};

/// Writes a commit as `receive-pack` does: into a separate folder, with the repository's folder as
/// its alternate.
fn write_incoming_commit(scratch: &TestRepository, incoming: &Path, parent: &str) -> String {
    std::fs::create_dir_all(incoming.join("info")).unwrap();
    let git = |args: &[&str], input: &[u8]| {
        let mut command = plain_git(&scratch.path);
        command.args(args).env("GIT_OBJECT_DIRECTORY", incoming);
        command.env(
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            scratch.path.join("objects"),
        );
        run(command, input).trim().to_owned()
    };
    let blob = git(&["hash-object", "-w", "--stdin"], b"pushed\n");
    let tree = git(
        &["mktree"],
        format!("100644 blob {blob}\tpushed\n").as_bytes(),
    );
    git(&["commit-tree", &tree, "-p", parent, "-m", "pushed"], b"")
}

/// The pushed objects, the repository's own and those of its alternates are visible, however odd
/// the folders' names are. Every write is refused: git would keep it even if the push is refused.
#[test]
fn pushed_objects_are_visible_and_nothing_is_written() {
    let lender = TestRepository::bare();
    let lent = lender.commit(&[], "lent", 1);
    let scratch = TestRepository::bare();
    // The repository has an alternate of its own, with a relative path through a link next to it.
    std::os::unix::fs::symlink(&lender.path, scratch.sibling_path("lender")).unwrap();
    std::fs::write(
        scratch.path.join("objects/info/alternates"),
        "../../lender/objects\n",
    )
    .unwrap();
    let own = scratch.commit(&[lent], "own", 2);
    scratch.git(&["update-ref", "refs/heads/main", &own.to_string()]);
    scratch.git(&["commit-graph", "write", "--reachable"]);
    let incoming = scratch.path.join("objects/tmp_objdir-incoming-\"x\"\n:ü");
    let pushed = write_incoming_commit(&scratch, &incoming, &own.to_string())
        .parse()
        .unwrap();

    assert!(matches!(
        scratch.open().read_commit(pushed),
        Err(Error::Missing(_))
    ));
    let environment = HookEnvironment {
        current_dir: scratch.path.clone(),
        git_dir: scratch.path.clone(),
        objects: Some(incoming.clone().into_os_string()),
        alternates: Some("./objects:\"./nothing\\tat all\"".into()),
        is_quarantined: true,
    };
    let repository = Repository::open_in_environment(&environment).unwrap();
    for copy in [
        None,
        Some(repository.fork()),
        Some(repository.share().fork()),
    ] {
        let repository = copy.as_ref().unwrap_or(&repository);
        for (id, message) in [(pushed, "pushed\n"), (own, "own\n"), (lent, "lent\n")] {
            assert_eq!(
                repository.read_commit(id).unwrap().message(),
                message.as_bytes()
            );
        }
        assert!(repository.is_ancestor(lent, pushed).unwrap());
        assert!(!repository.is_ancestor(pushed, own).unwrap());
        assert_eq!(
            repository.commits_between(pushed, &[own], 10).unwrap(),
            [pushed]
        );
        assert!(repository.is_quarantined());
        assert!(matches!(
            repository.move_ref("refs/deploy/prod", None, own, ""),
            Err(Error::Quarantine(_))
        ));
        assert!(matches!(
            repository.write_blob(b"x"),
            Err(Error::Quarantine(_))
        ));
        let tree = repository.read_commit(pushed).unwrap().tree;
        assert!(
            repository
                .compute_edited_tree(Some(tree), &[("pushed", None)])
                .is_ok()
        );
    }
    let log = repository
        .git("rev-list")
        .arg(pushed.to_string())
        .env("GIT_OBJECT_DIRECTORY", &incoming)
        .env(
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            environment.alternates.as_ref().unwrap(),
        )
        .run()
        .unwrap();
    assert_eq!(
        log.into_stdout()
            .unwrap()
            .split(|byte| *byte == b'\n')
            .count(),
        4
    );
    assert!(
        !repository
            .git("cat-file")
            .args(["-e", &pushed.to_string()])
            .run()
            .unwrap()
            .is_success()
    );
    drop(repository);
    let names = std::fs::read_dir(&scratch.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let leftovers: Vec<_> = names
        .filter(|name| name.to_string_lossy().starts_with("git-deploy"))
        .collect();
    assert!(
        leftovers.is_empty(),
        "the stand-in folder still exists: {leftovers:?}"
    );
}

/// The variables that a real `git push` sets for its pre-receive hook are understood.
#[test]
fn variables_of_a_real_hook() {
    let scratch = TestRepository::bare();
    let seen = scratch.sibling_path("seen");
    let hook = scratch.path.join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\npwd >{0}\nprintf '%s\\n' \"$GIT_DIR\" \"$GIT_OBJECT_DIRECTORY\" \"$GIT_ALTERNATE_OBJECT_DIRECTORIES\" \
         \"$GIT_QUARANTINE_PATH\" >>{0}\ncp -r \"$GIT_OBJECT_DIRECTORY\" {0}.objects\nexit 1\n",
        seen.display()
    );
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let client = TestRepository::bare();
    let commit = client.commit(&[], "pushed", 1);
    let mut push = plain_git(&client.path);
    push.args([
        "push",
        "--quiet",
        scratch.path.to_str().unwrap(),
        &format!("{commit}:refs/heads/main"),
    ]);
    assert!(!push.output().unwrap().status.success(), "the hook refuses");
    let variables = std::fs::read_to_string(&seen).unwrap();
    let [pwd, git_dir, objects, alternates, quarantine] = variables.lines().collect::<Vec<_>>()[..]
    else {
        panic!("{variables}");
    };
    assert!(!quarantine.is_empty() && !objects.is_empty());
    // The push is over and its folder is gone, so use the copy.
    assert!(!Path::new(pwd).join(objects).exists());
    let environment = HookEnvironment {
        current_dir: pwd.into(),
        git_dir: Path::new(pwd).join(git_dir),
        objects: Some(scratch.sibling_path("seen.objects").into_os_string()),
        alternates: Some(alternates.into()),
        is_quarantined: true,
    };
    let repository = Repository::open_in_environment(&environment).unwrap();
    assert_eq!(
        repository.read_commit(commit).unwrap().message(),
        b"pushed\n"
    );
}

/// Outside quarantine, as in proc-receive, the repository is an ordinary one.
#[test]
fn without_quarantine() {
    let scratch = TestRepository::bare();
    let own = scratch.commit(&[], "own", 1);
    let environment = HookEnvironment {
        current_dir: scratch.path.clone(),
        git_dir: scratch.path.clone(),
        ..Default::default()
    };
    let repository = Repository::open_in_environment(&environment).unwrap();
    assert!(!repository.is_quarantined());
    repository
        .move_ref("refs/deploy/prod", None, own, "")
        .unwrap();
}
