//! Scripts that cannot be executed: the deployment is refused before it starts. And the limits with
//! which scripts that can be executed run.

use crate::harness::{Project, Run, World};

const POLICY: &str = "[environments]\ndev = { exec_by = [\"ci\"] }\n\
                      [components]\napi = { paths = \"api\", apply = \"./deploy now\" }\n";

/// Commits the script of the component with this mode, and returns how a deployment of it ends.
fn deploy<'w>(project: &Project<'w>, text: &str, mode: &str) -> Run<'w> {
    let repo = &project.alice.repo;
    repo.write("api/deploy", text);
    repo.git(&["add", "--all"]).ok();
    let chmod = format!("--chmod={mode}");
    repo.git(&["update-index", &chmod, "api/deploy"]).ok();
    repo.git(&["commit", "-q", "-m", "Change"]).ok();
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    project.world.advance("1m");
    project.ci.deploy(&["run", "dev", "--yes"])
}

#[test]
fn a_script_that_cannot_be_executed_starts_no_deployment() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let before = project.refs();
    let is_unchanged = || {
        let deploy = |refs: &str| -> Vec<String> {
            let lines = refs.lines().filter(|line| line.contains("refs/deploy/"));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(deploy(&project.refs()), deploy(&before));
    };
    for (text, mode, words) in [
        (
            "#!/bin/sh\n",
            "-x",
            "api/deploy is not executable in the commit",
        ),
        (
            "#!/nope/sh\n",
            "+x",
            "no program /nope/sh, which the first line of api/deploy names",
        ),
        ("#!/bin/sh\r\n", "+x", "no program /bin/sh\\r"),
    ] {
        let run = deploy(&project, text, mode).fails(4);
        assert!(run.words_of_err().contains(words), "{run}");
        is_unchanged();
    }
    let script = "#!/bin/sh\ngrep core /proc/self/limits > \"$HOME/limits\"\n";
    deploy(&project, script, "+x").ok();
    // A crash writes no secret to a file, nor hands it to the program that collects core dumps.
    let limits = std::fs::read_to_string(world.path().join("home/limits")).unwrap();
    let words: Vec<&str> = limits.split_whitespace().collect();
    assert_eq!(words[4..6], ["1", "1"], "{limits}");
    let before = project.refs();
    for (command, words) in [
        ("./nope", "there is no command ./nope"),
        ("no-such-program", "there is no command no-such-program"),
        ("/nope", "there is no command /nope"),
    ] {
        let run = project
            .ci
            .deploy(&["exec", "dev", "--yes", "--", command])
            .fails(2);
        assert!(run.words_of_err().contains(words), "{run}");
        assert_eq!(project.refs(), before);
    }
    project
        .ci
        .deploy(&["exec", "dev", "--yes", "--", "./deploy"])
        .ok();
}
