//! The tags that successes make: their names, who may create them, and that each is made once.

use crate::harness::project::said;
use crate::harness::{Project, World};

const POLICY: &str = r#"unowned = "free"
[environments]
dev = { tag = "{timestamp}_{env}_{branch}" }
prod = { tag = "{version}.{timestamp}.{env}", version = { from = "file:VERSION" } }
"pr-*" = { ephemeral = { ttl = "8h", limit = 2 }, tag = "{env}_{timestamp}" }
[components.api]
paths = ["api/**", "VERSION"]
[components.web]
paths = ["web/**"]
"#;

/// Returns a project with both schemes of tags, `api` and `web`, and version 1.4.2.
fn tagged(world: &World) -> Project<'_> {
    let project = Project::new(world, "[environments]\nold = {}\n");
    project.publish_all(POLICY);
    project.alice.repo.commit("web/x", "one\n", "Add web");
    project.push("VERSION", "1.4.2\n");
    project
}

impl Project<'_> {
    /// Publishes a policy whose first line belongs to the top of the file.
    fn publish_all(&self, rest: &str) {
        let (first, rest) = rest.split_once('\n').unwrap();
        let text = self
            .policy(rest)
            .replacen("schema = 1", &format!("schema = 1\n{first}"), 1);
        self.alice.repo.write("deploy.toml", &text);
        self.alice.deploy(&["policy", "publish", "--yes"]).ok();
    }

    /// Returns the names of the server's tags, each with its commit. All are lightweight.
    fn tags(&self) -> Vec<(String, String)> {
        let format = "--format=%(refname:short) %(objectname) %(objecttype)";
        let listed = self
            .server
            .git(&["for-each-ref", format, "refs/tags/"])
            .ok()
            .text();
        let read = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[2], "commit", "{line}");
            (words[0].to_owned(), words[1].to_owned())
        };
        listed.lines().map(read).collect()
    }

    /// Returns the present time as a tag writes it.
    fn timestamp(&self) -> String {
        self.world.now().to_string().replace(['-', ':'], "")
    }
}

/// A forge that protects tags.
fn refuse_tags(project: &Project<'_>) {
    let script =
        "#!/bin/sh\ncase \"$1\" in refs/tags/*) echo 'tags are protected' >&2; exit 1;; esac\n";
    project.server.hook("update", script);
}

fn allow_tags(project: &Project<'_>) {
    std::fs::remove_file(project.server.path().join("hooks/update")).unwrap();
}

/// Both schemes give the names that follow from the entry, and a rollback is tagged as well.
#[test]
fn each_success_makes_its_tag() {
    let world = World::new();
    let project = tagged(&world);
    let ci = &project.ci;
    let one = ci.repo.rev("HEAD");
    let mut wanted = Vec::new();
    let mut expect = |name: String, commit: &str| {
        wanted.push((name, commit.to_owned()));
        wanted.sort();
        assert_eq!(project.tags(), wanted);
    };
    let recorded = ci.deploy(&["record", "dev"]).ok();
    let name = format!("{}_dev_main", project.timestamp());
    assert!(
        recorded
            .text()
            .contains(&format!("{} is now tagged {name}.", &one[..7])),
        "{recorded}"
    );
    expect(name, &one);
    ci.deploy(&["record", "prod"]).ok();
    expect(format!("1.4.2.{}.prod", project.timestamp()), &one);

    // The branch that the start states, and the one that is checked out.
    let two = project.push("VERSION", "1.5.0\n");
    ci.deploy(&["record", "dev", "--start", "--origin", "branch=feature/x"])
        .ok();
    assert_eq!(project.tags().len(), 2, "a start is no success");
    world.advance("1m");
    ci.deploy(&["record", "dev", "--finish"]).ok();
    expect(format!("{}_dev_feature/x", project.timestamp()), &two);
    world.advance("1m");
    ci.repo.git(&["checkout", "-q", "-b", "fix/y"]).ok();
    ci.deploy(&["record", "dev", "--all"]).ok();
    expect(format!("{}_dev_fix/y", project.timestamp()), &two);
    world.advance("1m");
    ci.repo.git(&["checkout", "-q", "--detach"]).ok();
    ci.deploy(&["record", "dev", "--all"]).ok();
    expect(format!("{}_dev_detached", project.timestamp()), &two);

    world.advance("1m");
    ci.deploy(&["record", "prod", &two]).ok();
    expect(format!("1.5.0.{}.prod", project.timestamp()), &two);
    world.advance("1m");
    ci.deploy(&["record", "prod", &one, "--rollback"]).ok();
    expect(format!("1.4.2.{}.prod", project.timestamp()), &one);
    ci.deploy(&["record", "pr-1", &two]).ok();
    expect(format!("pr-1_{}", project.timestamp()), &two);

    // A failure has none.
    ci.deploy(&["record", "dev", &one, "--all", "--failed", "--no-verify"]);
    assert_eq!(project.tags(), wanted);
    for member in [ci, &project.bob] {
        let idle = member.deploy(&["reconcile"]).ok().text();
        assert_eq!(idle, "Everything is in line with the ledgers.");
    }
    project.audited();
}

/// Commits that were deployed together and entries of one second have one name: the number of the
/// entry is appended.
#[test]
fn colliding_names_get_numbers() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nold = {}\n");
    project.publish_all(&POLICY.replace("{timestamp}_{env}_{branch}", "{timestamp}_{env}"));
    let ci = &project.ci;
    let one = project.push("web/x", "one\n");
    let two = project.push("api/x", "two\n");
    for commit in [&one, &two] {
        ci.deploy(&["record", "dev", commit, "--all"]).ok();
    }
    let base = format!("{}_dev", project.timestamp());
    let wanted = [(base.clone(), one), (format!("{base}.2"), two)];
    assert_eq!(project.tags(), wanted);
    // A name that another commit has on a host without hooks.
    world.advance("1m");
    let taken = format!("{}_dev", project.timestamp());
    let other = ci.repo.rev("HEAD~2");
    project.server.git(&["tag", &taken, &other]).ok();
    let three = ci.repo.rev("HEAD");
    ci.deploy(&["record", "dev", "--all"]).ok();
    let tags = project.tags();
    assert!(tags.contains(&(taken.clone(), other)), "{tags:?}");
    assert!(tags.contains(&(format!("{taken}.3"), three)), "{tags:?}");
    project.audited();
}

/// The server accepts the tag that follows from an entry from any person, and no other tag of its form:
/// no made-up time, no other commit, no tag object, no move and no deletion.
#[test]
fn only_tags_that_follow_are_accepted() {
    let world = World::new();
    let project = tagged(&world);
    let (ci, bob) = (&project.ci, &project.bob);
    let one = ci.repo.rev("HEAD");
    let push = |commit: &str, name: &str| bob.push(&[&format!("+{commit}:refs/tags/{name}")]);
    let never = project.refused(&["tag"], || push(&one, "1.4.2.20260305T100000Z.prod"));
    assert!(never.contains("never succeeded in prod"), "{never}");
    refuse_tags(&project);
    let recorded = ci.deploy(&["record", "prod"]).ok();
    assert!(
        recorded.words_of_err().contains("tags are protected"),
        "{recorded}"
    );
    let at = project.timestamp();
    let name = format!("1.4.2.{at}.prod");
    let two = project.push("api/x", "two\n");
    ci.deploy(&["record", "prod"]).ok();
    allow_tags(&project);
    assert!(project.tags().is_empty());

    for (commit, wrong) in [
        (&one, "1.4.2.20200101T000000Z.prod".to_owned()),
        (&one, format!("1.4.3.{at}.prod")),
        (&one, format!("{name}.77")),
        (&one, format!("{name}.1.1")),
        (&two, name.clone()),
    ] {
        let said = project.refused(&["tag"], || push(commit, &wrong));
        assert!(said.contains("git deploy reconcile prod"), "{said}");
    }
    bob.repo
        .git(&["tag", "-a", "-m", "Release", "annotated", &one])
        .ok();
    let said = project.refused(&["tag"], || push("annotated", &name));
    assert!(said.contains("does not point to a commit itself"), "{said}");
    // What runs is another commit now, and the tag follows from the entry nevertheless.
    push(&one, &name).ok();
    push(&one, &name).ok();
    project.refused(&["tag"], || push(&two, &name));
    project.refused(&["tag"], || bob.push(&[&format!(":refs/tags/{name}")]));
    bob.push(&["HEAD:refs/tags/v1", "HEAD:refs/tags/vendor"])
        .ok();
    bob.deploy(&["reconcile"]).ok();
    assert_eq!(project.tags().len(), 4);
    project.audited();
}

/// Lost tags are made in one go, once, by several who begin at the same time.
#[test]
fn several_reconcile_at_once() {
    let world = World::new();
    let project = tagged(&world);
    let ci = &project.ci;
    refuse_tags(&project);
    let mut wanted = Vec::new();
    for round in 0..5 {
        let commit = project.push("api/x", &format!("{round}\n"));
        ci.deploy(&["record", "dev"]).ok();
        wanted.push((format!("{}_dev_main", project.timestamp()), commit));
    }
    allow_tags(&project);
    let preview = project
        .bob
        .deploy(&["reconcile", "dev", "--dry-run"])
        .ok()
        .text();
    assert_eq!(preview.matches(" would be tagged ").count(), 5, "{preview}");
    assert!(project.tags().is_empty());
    std::thread::scope(|scope| {
        for member in [&project.alice, &project.bob, &project.carol, ci] {
            scope.spawn(|| member.deploy(&["reconcile"]).ok());
        }
    });
    assert_eq!(project.tags(), wanted);
    let document = project.bob.deploy(&["reconcile", "--json"]).ok().json();
    assert_eq!(document["projections"].as_array().unwrap().len(), 0);
    project.audited();
}

/// Entries from before the template was published, or from before it changed, get no tag now. A tag
/// that needs a version that no component has is reported.
#[test]
fn only_the_template_of_its_time_counts() {
    let world = World::new();
    let project = tagged(&world);
    let ci = &project.ci;
    refuse_tags(&project);
    ci.deploy(&["record", "dev"]).ok();
    allow_tags(&project);
    let other = POLICY.replace("{timestamp}_{env}_{branch}", "{version}-{timestamp}-{env}");
    project.publish_all(&other);
    ci.deploy(&["reconcile"]).ok();
    assert!(project.tags().is_empty());
    let recorded = ci.deploy(&["record", "dev", "--all"]).ok();
    let words = recorded.words_of_err();
    assert!(
        words.contains("was not tagged:") && words.contains("has no version in dev"),
        "{recorded}"
    );
    let run = ci.deploy(&["reconcile", "dev"]).fails(1);
    assert!(
        run.words_of_err().contains("has no version in dev"),
        "{run}"
    );
    // In evaluation the server reports and accepts.
    let lax = POLICY.replace("{branch}\"", "{branch}\", enforcement = \"evaluate\"");
    project.publish_all(&lax);
    let pushed = project
        .bob
        .push(&["HEAD:refs/tags/20260305T100000Z_dev_x"])
        .ok();
    assert!(said(&pushed).contains("would be refused"), "{pushed}");
}
