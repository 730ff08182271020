//! The notes tell every commit's story: they are compared with what plain git computes from the
//! deployments.

use std::collections::BTreeMap;

use crate::harness::{Project, Repo, World};

/// The components, and the same paths as git takes them. What is left is the component `rest`.
const COMPONENTS: [(&str, &[&str]); 4] = [
    ("api", &[":(glob)api/**", ":(glob)lib/**"]),
    ("db", &[":(glob)db/**"]),
    ("rest", &[".", ":!api", ":!db", ":!lib", ":!web"]),
    ("web", &[":(glob)web/**", ":(glob)lib/**"]),
];

const POLICY: &str = "\
[environments]
dev = {}
qa = {}
stage = {}
prod = { approvals = { required = 1 }, hotfix = { by = \"ci\" } }

[components]
api = { paths = [\"api/**\", \"lib/**\"] }
db = { paths = \"db/**\" }
web = { paths = [\"web/**\", \"lib/**\"] }
";

/// The line of a note without its time and entry: verb, environment, object and signer.
type Line = (String, String, String, String);

/// What the notes must say, computed with plain git from the deployments.
struct Stories<'p, 'w> {
    project: &'p Project<'w>,
    /// The commit that each component runs in each environment.
    running: BTreeMap<(String, String), String>,
    /// The lines of each commit.
    lines: BTreeMap<String, Vec<Line>>,
}

impl<'p, 'w> Stories<'p, 'w> {
    fn repo(&self) -> &'p Repo<'w> {
        &self.project.alice.repo
    }

    /// Records a deployment by ci, and adds what it must leave in the notes.
    fn record(&mut self, environment: &str, to: &str, options: &[&str]) {
        let project = self.project;
        project.world.advance("1m");
        project.ci.repo.git(&["fetch", "-q"]).ok();
        let is_approved = environment == "prod" && !options.contains(&"--rollback");
        if is_approved {
            project.bob.repo.git(&["fetch", "-q"]).ok();
            project.bob.deploy(&["approve", "prod", to]).ok();
        }
        let arguments = [&["record", environment, to][..], options].concat();
        project.ci.deploy(&arguments).ok();

        let who = if is_approved {
            "by ci, approved by bob"
        } else {
            "by ci"
        };
        let verb = match options {
            [.., "--failed"] => "failed",
            ["--rollback"] => "restored",
            _ => "deployed",
        };
        let mut add = |commit: &str, verb: &str, what: String| {
            let line = [verb, environment, &what, who].map(str::to_owned).into();
            self.lines.entry(commit.to_owned()).or_default().push(line);
        };
        let mut moved: BTreeMap<(String, bool), Vec<&str>> = BTreeMap::new();
        let mut deployed = Vec::new();
        for (component, paths) in COMPONENTS {
            let key = (environment.to_owned(), component.to_owned());
            let from = self.running.get(&key);
            let repo = &project.alice.repo;
            if from.is_some_and(|from| !differs(repo, from, to, paths)) {
                continue;
            }
            deployed.push(component);
            if verb == "failed" {
                continue;
            }
            for commit in touching(repo, from.map(String::as_str), to, paths) {
                moved.entry((commit, false)).or_default().push(component);
            }
            if let Some(from) = from.filter(|_| verb == "restored") {
                for commit in touching(repo, Some(to), from, paths) {
                    moved.entry((commit, true)).or_default().push(component);
                }
            }
            self.running.insert(key, to.to_owned());
        }
        add(to, verb, deployed.join(", "));
        let short = &to[..7];
        for ((commit, is_taken_out), components) in moved {
            let components = components.join(", ");
            if is_taken_out {
                let what = format!("{components} (replaced by {short})");
                add(&commit, "taken out", what);
            } else if commit != to {
                add(&commit, verb, format!("{components} (with {short})"));
            }
        }
    }

    /// Checks that `git log --notes=deploy` tells exactly these stories.
    #[track_caller]
    fn check(&self) {
        self.project.alice.deploy(&["sync"]).ok();
        let format = "--format=%x01%H%n%N";
        let log = self.repo().git(&["log", "--all", "--notes=deploy", format]);
        let mut told: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for story in log.ok().text().split('\x01').skip(1) {
            let (commit, note) = story.split_once('\n').unwrap();
            let lines: Vec<Line> = note.lines().filter_map(parse_line).collect();
            if !lines.is_empty() {
                told.insert(commit.to_owned(), lines);
            }
        }
        assert_eq!(told, self.lines);
    }
}

/// Parses a line about a deployment.
fn parse_line(line: &str) -> Option<Line> {
    let fields: Vec<&str> = line.split("  ").map(str::trim).collect();
    let fields: Vec<&str> = fields.into_iter().filter(|it| !it.is_empty()).collect();
    let [_, verb, environment, what, who, _] = fields[..] else {
        return None;
    };
    let is_deployment = ["deployed", "failed", "restored", "taken out"].contains(&verb);
    is_deployment.then(|| [verb, environment, what, who].map(str::to_owned).into())
}

/// Returns whether paths differ between two commits.
fn differs(repo: &Repo<'_>, from: &str, to: &str, paths: &[&str]) -> bool {
    let arguments = [&["diff", "--quiet", from, to, "--"], paths].concat();
    !repo.git(&arguments).succeeded()
}

/// Returns the commits of `from..to` that touch these paths: as git lists them, and each merge that
/// changes them on the branch where it was made.
fn touching(repo: &Repo<'_>, from: Option<&str>, to: &str, paths: &[&str]) -> Vec<String> {
    let range = from.map_or_else(|| to.to_owned(), |from| format!("{from}..{to}"));
    let options = ["rev-list", "--no-merges", "--full-history", &range, "--"];
    let arguments = [&options, paths].concat();
    let plain = repo.git(&arguments).ok().text();
    let merges = repo.git(&["rev-list", "--merges", &range]).ok().text();
    let merges = merges
        .lines()
        .filter(|merge| differs(repo, &format!("{merge}^1"), merge, paths));
    plain.lines().chain(merges).map(str::to_owned).collect()
}

/// Fifty commits, three components with the rest and four environments, with a merge, a squash, a cherry-pick, a
/// failure, a hotfix and a rollback.
#[test]
fn the_notes_equal_what_git_computes() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let repo = &project.alice.repo;
    let mut stories = Stories {
        project: &project,
        running: BTreeMap::new(),
        lines: BTreeMap::new(),
    };
    let commit_many = |name: &str, count: usize| {
        let folders = ["api", "docs", "web", "db", "lib"];
        for number in 0..count {
            let file = format!("{}/{name}{}", folders[number % 5], number / 7);
            project.commit(&file, &format!("{name} {number}\n"));
        }
        repo.rev("HEAD")
    };
    let push = || project.alice.push(&["--all"]).ok();
    repo.git(&["fetch", "-q"]).ok();

    let first = commit_many("first", 12);
    push();
    for environment in ["dev", "prod"] {
        stories.record(environment, &first, &[]);
    }

    // A branch that is merged, and one that qa runs before it is squashed.
    repo.git(&["checkout", "-q", "-b", "feature"]).ok();
    commit_many("feature", 7);
    repo.git(&["checkout", "-q", "main"]).ok();
    commit_many("main", 5);
    world.advance("1m");
    repo.git(&["merge", "-q", "--no-ff", "-m", "Merge", "feature"])
        .ok();
    let merge = repo.rev("HEAD");
    repo.git(&["checkout", "-q", "-b", "topic"]).ok();
    let topic = commit_many("topic", 4);
    push();
    stories.record("qa", &topic, &[]);
    repo.git(&["checkout", "-q", "main"]).ok();
    world.advance("1m");
    repo.git(&["merge", "-q", "--squash", "topic"]).ok();
    repo.git(&["commit", "-q", "-m", "Squash"]).ok();
    let squash = repo.rev("HEAD");
    let second = commit_many("second", 5);
    push();
    let shown = |commit: &str| project.ci.deploy(&["show", commit]).ok().text();
    let same_content = format!("as equal content of {}", &topic[..7]);
    project.ci.repo.git(&["fetch", "-q"]).ok();
    assert!(shown(&squash).contains(&same_content), "{}", shown(&squash));
    for environment in ["qa", "stage", "prod"] {
        stories.record(environment, &second, &[]);
    }
    let inside = format!("with {}", &second[..7]);
    assert!(shown(&merge).contains(&inside), "{}", shown(&merge));

    // A fix of main that prod gets alone, and loses again.
    commit_many("early", 1);
    let fix = project.commit("api/fix", "fixed\n");
    repo.git(&["checkout", "-q", "-b", "hot", &second]).ok();
    world.advance("1m");
    repo.git(&["cherry-pick", &format!("{fix}~1")]).ok();
    world.advance("1m");
    repo.git(&["cherry-pick", &fix]).ok();
    let picked = repo.rev("HEAD");
    repo.git(&["checkout", "-q", "main"]).ok();
    push();
    stories.record("prod", &picked, &["--hotfix"]);
    let same_change = format!("as the same change with {}", &picked[..7]);
    let same_content = format!("as equal content of {}", &picked[..7]);
    assert!(shown(&fix).contains(&same_content), "{}", shown(&fix));
    let before_fix = shown(&format!("{fix}~1"));
    assert!(before_fix.contains(&same_change), "{before_fix}");
    stories.record("prod", &second, &["--rollback"]);
    stories.check();

    let third = commit_many("third", 15);
    push();
    stories.record("stage", &third, &["--failed"]);
    for environment in ["dev", "prod"] {
        stories.record(environment, &third, &[]);
    }
    stories.check();
    let count = repo.git(&["rev-list", "--count", "--branches"]).ok().text();
    assert!(count.parse::<usize>().unwrap() >= 50, "{count}");
    let inside = format!("with {}", &third[..7]);
    assert!(shown(&fix).contains(&inside), "{}", shown(&fix));

    project.audited();
    let notes = || repo.rev("refs/notes/deploy^{tree}");
    let updated = notes();
    repo.deploy(&["notes", "rebuild"]).ok();
    assert_eq!(notes(), updated, "rebuilt notes differ from updated ones");
}

/// Writes this many commits on main with plain git, and pushes them.
fn push_commits(project: &Project<'_>, count: usize) -> Vec<String> {
    let repo = &project.alice.repo;
    repo.git(&["fetch", "-q"]).ok();
    let parent = repo.rev("origin/main");
    let tree = repo.rev("origin/main^{tree}");
    let mut commits = vec![parent];
    for number in 0..count {
        let parent = commits.last().unwrap().clone();
        let message = number.to_string();
        let arguments = ["commit-tree", &tree, "-p", &parent, "-m", &message];
        commits.push(repo.git(&arguments).ok().text());
    }
    let refspec = format!("{}:refs/heads/main", commits.last().unwrap());
    project.alice.push(&[&refspec]).ok();
    project.ci.repo.git(&["fetch", "-q"]).ok();
    commits
}

/// An entry gives up to 1,000 commits a line. Past that, the line of the deployed commit names the
/// range.
#[test]
fn too_many_commits_are_a_range() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\nqa = {}\n");
    let commits = push_commits(&project, 1002);
    let (first, last) = (&commits[0], &commits[1002]);
    for (environment, to) in [
        ("dev", first),
        ("qa", first),
        ("dev", last),
        ("qa", &commits[1001]),
    ] {
        project
            .ci
            .deploy(&["record", environment, to, "--all"])
            .ok();
    }
    project.alice.deploy(&["sync"]).ok();
    let note = |commit: &str| {
        let shown = project
            .alice
            .repo
            .git(&["notes", "--ref=deploy", "show", commit]);
        shown.ok().text()
    };
    let range = format!("demo  (demo with {}..{})", &first[..12], &last[..12]);
    assert!(note(last).contains(&range), "{}", note(last));
    for commit in [&commits[1], &commits[500], &commits[1000]] {
        let with = format!("  qa       demo (with {})", &commits[1001][..7]);
        let note = note(commit);
        assert!(note.contains(&with) && !note.contains("  dev  "), "{note}");
    }
    project.audited();
}

/// A deployment of another branch takes out the commits that the environment had, except if their
/// content is there under another name.
#[test]
fn branches_replace_each_other() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let repo = &project.alice.repo;
    repo.git(&["fetch", "-q"]).ok();
    let base = repo.rev("HEAD");
    let branch = |name: &str| {
        repo.git(&["checkout", "-q", "-b", name, &base]).ok();
        let inner = project.commit("api/x", name);
        (inner, project.commit("api/y", name))
    };
    let ((inner, one), (_, two)) = (branch("one"), branch("two"));
    repo.git(&["checkout", "-q", "--detach", &base]).ok();
    world.advance("1m");
    repo.git(&["merge", "-q", "--squash", "two"]).ok();
    repo.git(&["commit", "-q", "-m", "Squash"]).ok();
    let next = project.commit("api/z", "next");
    project.alice.push(&["--all"]).ok();
    let refspec = format!("{next}:refs/heads/next");
    project.alice.push(&[&refspec]).ok();
    project.ci.repo.git(&["fetch", "-q"]).ok();
    for commit in [&one, &two, &next] {
        world.advance("1m");
        project.ci.deploy(&["record", "dev", commit]).ok();
    }
    project.alice.deploy(&["sync"]).ok();
    let verbs = |commit: &str| {
        let note = repo.git(&["notes", "--ref=deploy", "show", commit]).ok();
        let lines: Vec<Line> = note.text().lines().filter_map(parse_line).collect();
        let lines = lines.into_iter().map(|(verb, _, what, _)| (verb, what));
        lines.collect::<Vec<_>>()
    };
    let line = |verb: &str, what: String| (verb.to_owned(), what);
    let replaced = line("taken out", format!("demo (replaced by {})", &two[..7]));
    let with = line("deployed", format!("demo (with {})", &one[..7]));
    assert_eq!(verbs(&inner), [with, replaced.clone()]);
    assert_eq!(verbs(&one), [line("deployed", "demo".to_owned()), replaced]);
    assert_eq!(verbs(&two), [line("deployed", "demo".to_owned())]);
    project.audited();
}

/// Notes that another program wrote are named as such, and what they lack is named too.
#[test]
fn foreign_notes_are_named() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let commit = project.push("api/x", "two\n");
    let (ci, bob) = (&project.ci, &project.bob);
    ci.deploy(&["record", "dev", "HEAD~1"]).ok();
    ci.deploy(&["record", "dev", &commit]).ok();
    bob.deploy(&["sync"]).ok();
    let good = bob.repo.rev("refs/notes/deploy");
    for (change, expected) in [
        (
            &["add", "-f", "-m", "deployed to prod"][..],
            &[
                "has a line that no ledger gives: deployed to prod",
                "lacks the line: 2026-",
            ][..],
        ),
        (&["remove"], &["has no note, but the ledgers mention it"]),
    ] {
        let arguments = [&["notes", "--ref=deploy"], change, &[&commit]].concat();
        bob.repo.git(&arguments).ok();
        let audit = bob.deploy(&["audit"]).fails(1);
        let text = audit.text() + &audit.err();
        let foreign = "another program wrote the notes commit";
        for words in [&[foreign, "bob <bob@example.com>"][..], expected].concat() {
            assert!(text.contains(words), "{words}: {audit}");
        }
        assert!(!text.contains("no ledger mentions it"), "{audit}");
        bob.deploy(&["notes", "rebuild"]).ok();
        bob.deploy(&["audit"]).ok();
        bob.repo
            .git(&["update-ref", "refs/notes/deploy", &good])
            .ok();
    }
}

/// A clone that lacks the history cannot tell whether the notes are right.
#[test]
fn a_shallow_clone_cannot_tell() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    for text in ["two\n", "three\n", "four\n"] {
        project.push("api/x", text);
    }
    project.ci.deploy(&["record", "dev", "HEAD~3"]).ok();
    project.ci.deploy(&["record", "dev"]).ok();
    let job = world.existing("job", "bob");
    std::fs::create_dir(job.path()).unwrap();
    let url = project.server.url();
    job.git(&["clone", "-q", "--depth=1", &url, "."]).ok();
    job.deploy(&["sync"]).ok();
    let audit = job.deploy(&["audit"]).ok();
    let text = audit.text() + &audit.err();
    assert!(
        text.contains("cannot be checked, for example of dev@"),
        "{audit}"
    );
    assert!(!text.contains("that no ledger gives"), "{audit}");
}
