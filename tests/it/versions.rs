//! `git deploy version`: which tags and which commits count.

use crate::harness::{Repo, Run, World};

/// Returns a repository without a remote whose prod takes its versions from tags of this form.
pub fn versioned<'w>(world: &'w World, version: &str) -> Repo<'w> {
    let repo = world.local_project("api/x", "dev,prod");
    publish(&repo, version);
    repo
}

/// Publishes a policy with two components.
fn publish(repo: &Repo<'_>, version: &str) {
    let text = repo
        .git(&["cat-file", "blob", "refs/deploy/policy:deploy.toml"])
        .ok()
        .text();
    let (head, _) = text.split_once("[environments]").unwrap();
    repo.write(
        "deploy.toml",
        &format!(
            "{head}[environments]\ndev = {{}}\nprod = {{ version = {{ {version} }} }}\n\
             [components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n"
        )
        .replacen(
            "schema = 1\n",
            "schema = 1\nunowned = \"free\"\n",
            usize::from(!head.contains("unowned")),
        ),
    );
    repo.deploy(&["policy", "publish", "--yes"]).ok();
}

const PER_COMPONENT: &str = "from = \"tag:{component}/v*\"";

fn next<'w>(repo: &Repo<'w>, component: &str) -> Run<'w> {
    repo.deploy(&["version", component, "--next", "auto"])
}

/// Tags are matched first, and commits filtered after: those of another component count for nothing,
/// even on the same commit.
#[test]
fn tags_and_commits_of_the_component_count() {
    let world = World::new();
    let repo = versioned(&world, PER_COMPONENT);
    let empty = repo.deploy(&["version", "api"]).ok();
    assert_eq!(
        empty.text(),
        "api has no version yet.\nThe next version is 0.1.0:\n  → git tag api/v0.1.0"
    );
    // A commit with tags of both components, foreign ones, and a pointer to the newest of a series.
    for tag in [
        "api/v1.4.2",
        "api/v1",
        "api/vendor",
        "web/v7.0.0",
        "v9.0.0",
        "vendor",
        "api/1.9.9",
    ] {
        repo.git(&["tag", tag]).ok();
    }
    let unchanged = next(&repo, "api").fails(1);
    assert!(
        unchanged
            .err()
            .contains("nothing in api has changed since api/v1.4.2"),
        "{unchanged}"
    );
    let text = repo.deploy(&["version", "api"]).ok().text();
    assert_eq!(
        text,
        "api is at 1.4.2 (tag api/v1.4.2).\nSince api/v1.4.2: nothing has changed."
    );
    // The feature is one of web. A later tag of web does not hide the commits of api before it.
    repo.commit("web/x", "1", "feat: sell hats");
    repo.commit("api/x", "2", "fix(api): answer faster");
    repo.git(&["tag", "-a", "-m", "Release", "web/v7.1.0"]).ok();
    repo.commit("README", "1", "feat!: only words");
    assert_eq!(next(&repo, "api").ok().text(), "1.4.3");
    next(&repo, "web").fails(1);
    repo.commit("api/x", "3", "feat(api): sell socks");
    let text = repo.deploy(&["version", "api"]).ok().text();
    assert_eq!(
        text,
        "api is at 1.4.2 (tag api/v1.4.2).\nSince api/v1.4.2: 1 feature, 1 fix.\n\
         The next version is 1.5.0:\n  → git tag api/v1.5.0"
    );
    // The suggestion works as printed.
    repo.git(&["tag", "api/v1.5.0"]).ok();
    next(&repo, "api").fails(1);
    for (kind, version) in [("major", "2.0.0"), ("minor", "1.6.0"), ("patch", "1.5.1")] {
        let run = repo.deploy(&["version", "api", "--next", kind]).ok();
        assert_eq!(run.text(), version);
    }
}

/// A tag that the history of HEAD does not contain is not its version, and a pre-release leads to its
/// release.
#[test]
fn only_the_history_of_head_counts() {
    let world = World::new();
    let repo = versioned(&world, PER_COMPONENT);
    repo.git(&["tag", "api/v1.1.0"]).ok();
    let main = repo.git(&["branch", "--show-current"]).ok().text();
    repo.git(&["checkout", "-q", "-b", "release/2"]).ok();
    repo.commit("api/x", "2", "feat!: another api");
    repo.git(&["tag", "api/v2.0.0"]).ok();
    repo.git(&["checkout", "-q", &main]).ok();
    repo.commit("api/x", "1a", "feat: a window");
    assert_eq!(next(&repo, "api").ok().text(), "1.2.0");
    repo.git(&["tag", "api/v1.2.0-rc.1"]).ok();
    repo.commit("api/x", "1b", "fix: close the window");
    let document = repo.deploy(&["version", "api", "--json"]).ok().json();
    assert_eq!(document["current"]["version"], "1.2.0-rc.1");
    assert_eq!(document["release"]["version"], "1.1.0");
    assert_eq!(
        [&document["next"], &document["tag"]],
        ["1.2.0", "api/v1.2.0"]
    );
    assert_eq!(document["changes"]["features"], 1);
}

/// What cannot be answered says what to do.
#[test]
fn unanswerable_questions() {
    let world = World::new();
    let repo = versioned(&world, "from = \"file:VERSION\"");
    for (arguments, words) in [
        (
            &["version"][..],
            "a component is missing: the policy has api, ",
        ),
        (
            &["version", "nothing"],
            "the policy has no component nothing",
        ),
        (
            &["version", "api"],
            "no environment takes its versions from tags",
        ),
        (&["version", "api", "--env", "dev"], "dev has no version"),
        (
            &["version", "api", "--env", "prod"],
            "the versions come from no tags",
        ),
    ] {
        let run = repo.deploy(arguments).fails(2);
        assert!(run.words_of_err().contains(words), "{run}");
    }
    publish(&repo, "from = \"tag:{component}-*\", scheme = \"calver\"");
    repo.git(&["tag", "api-2026.03.1"]).ok();
    repo.commit("api/x", "2", "Change it");
    assert_eq!(next(&repo, "api").ok().text(), "2026.03.2");
    let run = repo.deploy(&["version", "api", "--next", "minor"]).fails(2);
    assert!(run.words_of_err().contains("calver versions"), "{run}");
    repo.git(&["tag", "api-2027.01.0"]).ok();
    let run = repo
        .deploy(&["version", "api", "--next", "calver"])
        .fails(3);
    assert!(run.words_of_err().contains("later than today"), "{run}");
    let url = format!("file://{}", repo.path().display());
    let shallow = world.existing("shallow", "alice");
    std::fs::create_dir(shallow.path()).unwrap();
    let clone = ["clone", "-q", "--depth", "1", &url, "."];
    shallow.git(&clone).ok();
    let run = shallow.deploy(&["version", "api"]);
    assert!(
        !run.succeeded() && run.err().contains("git fetch --unshallow"),
        "{run}"
    );
}
