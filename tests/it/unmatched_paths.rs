//! `policy diff` and `policy publish` warn about paths that match no file.

use crate::harness::{Project, World};

#[test]
fn paths_that_match_nothing_are_reported() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    project.push("app/[id]/page.ts", "page\n");
    let components = |paths: &str| {
        project.policy(&format!(
            "shared = [\"lib\"]\n\n[environments]\ndev = {{}}\n[components]\napi = {{ paths = \"api\" }}\npages = {{ paths = {paths} }}\n"
        ))
    };
    // `shared` is a key of the top of the file.
    let policy = |paths: &str| {
        let text = components(paths).replace("shared = [\"lib\"]\n", "");
        text.replace(
            "project = \"demo\"",
            "project = \"demo\"\nshared = [\"lib\"]",
        )
    };
    let alice = &project.alice;
    alice.repo.write("deploy.toml", &policy("\"app/[id]/**\""));
    let head = alice.repo.rev("HEAD")[..12].to_owned();
    for command in [&["policy", "diff"][..], &["policy", "publish", "--yes"]] {
        let said = alice.deploy(command).ok().words_of_err();
        let brackets = format!(
            "components.pages.paths: 'app/[id]/**' matches no file in {head}. For a folder with brackets in its name, write 'app/\\[id\\]/**'."
        );
        assert!(said.contains(&brackets), "{said}");
        let shared = format!("shared: 'lib' matches no file in {head}.");
        assert!(said.contains(&shared), "{said}");
        assert!(!said.contains("components.api"), "{said}");
    }
    // What is suggested is accepted, and means the folder.
    alice
        .repo
        .write("deploy.toml", &policy("'app/\\[id\\]/**'"));
    let said = alice.deploy(&["policy", "publish", "--yes"]).ok();
    assert!(!said.err().contains("components.pages"), "{said}");
    let recorded = alice
        .deploy(&["record", "dev", "--component", "pages"])
        .ok();
    assert!(recorded.text().contains("pages"), "{recorded}");
    project.audited();
}
