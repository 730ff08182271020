//! Branches and tags that stand for environments: content by component, files without an owner,
//! evaluation, spelling.

use crate::harness::project::said;
use crate::harness::{Project, World};

const COMPONENTS: &str =
    "\n[components]\napi = { paths = \"api/**\" }\nweb = { paths = \"web/**\" }\n";

/// A branch may move to what runs, component by component; untouched components are not checked.
#[test]
fn a_branch_follows_its_components() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nqa = {}\n");
    let alice = &project.alice;
    alice.repo.commit("web/x", "one\n", "Begin web");
    project.push("README", "one\n");
    project.publish(&format!(
        "[environments]\nqa = {{ branch = \"main\", deploy_on = \"approval\" }}\n{COMPONENTS}"
    ));
    let main = ["HEAD:refs/heads/main"];
    alice.deploy(&["record", "qa", "--all"]).ok();
    // web changes in the code and runs; api is left alone, and what runs of it is another commit's.
    let web = project.commit("web/x", "two\n");
    project.refused(&["branch"], || alice.push(&main));
    alice.deploy(&["record", "qa", "--component", "web"]).ok();
    alice.push(&main).ok();
    // Both change, one runs.
    alice.repo.commit("api/x", "two\n", "Change api");
    project.commit("web/x", "three\n");
    alice.deploy(&["record", "qa", "--component", "web"]).ok();
    let said = project.refused(&["branch"], || alice.push(&main));
    assert!(said.contains("api") && !said.contains("web "), "{said}");
    alice.deploy(&["record", "qa", "--component", "api"]).ok();
    alice.push(&main).ok();
    // Nobody's path counts as the component `rest`.
    project.commit("README", "two\n");
    let said = project.refused(&["branch"], || alice.push(&main));
    assert!(said.contains("rest"), "{said}");
    alice.deploy(&["record", "qa"]).ok();
    alice.push(&main).ok();
    // What belongs to every component touches every component.
    project.commit(".gitattributes", "* text\n");
    project.refused(&["branch"], || alice.push(&main));
    alice.deploy(&["record", "qa", "--all"]).ok();
    alice.push(&main).ok();
    // Equal contents of another history are no fast-forward; a merge that changes nothing is.
    project.refused(&["branch"], || {
        alice.push(&[&format!("+{web}:refs/heads/main")])
    });
    alice
        .repo
        .git(&[
            "merge",
            "-q",
            "-s",
            "ours",
            "--no-edit",
            "--allow-unrelated-histories",
            &web,
        ])
        .ok();
    let merge = alice
        .repo
        .git(&[
            "commit-tree",
            "-m",
            "merge",
            "-p",
            "HEAD",
            "-p",
            &web,
            "HEAD^{tree}",
        ])
        .ok()
        .text();
    alice.push(&[&format!("{merge}:refs/heads/main")]).ok();
    // A component that the commit no longer has still runs.
    alice.repo.git(&["reset", "-q", "--hard", &merge]).ok();
    alice.repo.git(&["rm", "-q", "-r", "web"]).ok();
    world.advance("1m");
    alice.repo.git(&["commit", "-q", "-m", "Remove web"]).ok();
    let said = project.refused(&["branch"], || alice.push(&main));
    assert!(said.contains("qa still has it"), "{said}");
    alice.deploy(&["record", "qa", "--destroy"]).ok();
    alice.push(&main).ok();
    project.audited();
}

/// Files without an owner may move by themselves if the policy allows it.
#[test]
fn files_without_owner_move_freely() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nqa = {}\n");
    let free = format!(
        "[environments]\nqa = {{ branch = \"main\", deploy_on = \"approval\" }}\n{COMPONENTS}"
    );
    project.alice.repo.write(
        "deploy.toml",
        &project
            .policy(&free)
            .replacen("schema = 1", "schema = 1\nunowned = \"free\"", 1),
    );
    project.alice.deploy(&["policy", "publish", "--yes"]).ok();
    project.alice.deploy(&["record", "qa", "--all"]).ok();
    project.commit("README", "two\n");
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    project.commit("api/x", "two\n");
    project.refused(&["branch"], || {
        project.alice.push(&["HEAD:refs/heads/main"])
    });
    project.audited();
}

/// In evaluation a violation on a branch or tag is reported and accepted; ledgers are not exempt.
#[test]
fn evaluation_reports_and_accepts() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nqa = {}\n");
    project.publish(
        "[environments.qa]\nbranch = \"main\"\ntag = \"v{timestamp}\"\napprovals = 1\ndeploy_on = \"approval\"\nenforcement = \"evaluate\"\n",
    );
    let alice = &project.alice;
    project.commit("api/x", "two\n");
    for name in ["refs/heads/main", "refs/tags/v20260305T100000Z"] {
        let run = alice.push(&[&format!("HEAD:{name}")]).ok();
        let words = "git-deploy: would be refused, but is accepted because the policy does not enforce its rules";
        assert!(said(&run).starts_with(&format!("{words}  {name}")), "{run}");
    }
    let run = alice
        .push(&[":refs/tags/v20260305T100000Z", "+HEAD~1:refs/heads/main"])
        .ok();
    let told = run.words_of_err();
    assert!(
        told.contains("cannot be moved or deleted") && told.contains("may only fast-forward"),
        "{run}"
    );
    project.refused(&["approvals"], || {
        project.ci.deploy(&["record", "qa", "--no-verify"])
    });
    let refs = project.refs();
    let run = alice
        .push(&["HEAD:refs/heads/deploy/x", "HEAD:refs/heads/main"])
        .fails(1);
    assert!(
        said(&run).contains("git-deploy: refused  refs/heads/deploy/x"),
        "{run}"
    );
    assert_eq!(project.refs(), refs);
    project.audited();
}

/// After break-glass, which needs a reason, the branch may follow to what runs, in either order.
#[test]
fn a_branch_follows_break_glass() {
    for order in ["merge", "approval"] {
        let world = World::new();
        let project = Project::new(&world, "[environments]\nprod = {}\n");
        project
            .ci
            .deploy(&["record", "prod", "--verification", "passed"])
            .ok();
        project.publish(&format!(
            "[environments]\ndev = {{}}\n[environments.prod]\npromote_from = \"dev\"\nbranch = \"main\"\ndeploy_on = \"{order}\"\n\
             approvals = 1\nbreak_glass = {{ by = \"bob\" }}\n"
        ));
        let two = project.commit("api/x", "two\n");
        project.alice.push(&["HEAD:refs/heads/topic"]).ok();
        project.bob.repo.git(&["fetch", "-q"]).ok();
        let main = ["HEAD:refs/heads/main"];
        let rules: &[&str] = if order == "merge" {
            &["approvals", "previous environment"]
        } else {
            &["branch"]
        };
        project.refused(rules, || project.alice.push(&main));
        project
            .bob
            .deploy(&["record", "prod", &two, "--break-glass", " "])
            .fails(2);
        project
            .bob
            .deploy(&[
                "record",
                "prod",
                &two,
                "--break-glass",
                "the shop is down",
                "--verification",
                "passed",
            ])
            .ok();
        let body = project
            .server
            .git(&["log", "-1", "--format=%B", "refs/deploy/prod"])
            .ok()
            .text();
        assert!(
            body.contains("Deploy-Break-Glass: the shop is down"),
            "{body}"
        );
        project.alice.push(&main).ok();
        project.audited();
    }
}

/// Names that some file systems take for a bound one are refused on all; a longer name is another
/// one.
#[test]
fn similar_spellings_are_refused() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    project.publish("[environments.prod]\nbranch = \"release/Ä\"\ntag = \"v{version}-prod\"\n");
    let alice = &project.alice;
    for name in [
        "refs/heads/Release/Ä",
        "refs/heads/release/ä",
        "refs/Heads/release/Ä",
    ] {
        let said = project.refused(&["branch"], || alice.push(&[&format!("HEAD:{name}")]));
        assert!(
            said.contains("it differs only in capital letters"),
            "{said}"
        );
    }
    for name in [
        "refs/tags/V1-prod",
        "refs/tags/v1-PROD",
        "refs/Tags/v1-prod",
    ] {
        project.refused(&["tag"], || alice.push(&[&format!("HEAD:{name}")]));
    }
    for name in ["refs/Deploy/prod", "refs/deploy/Prod", "refs/Notes/deploy"] {
        project.refused(&["chain"], || alice.push(&[&format!("HEAD:{name}")]));
    }
    alice
        .push(&[
            "HEAD:refs/heads/releases/Ä",
            "HEAD:refs/heads/Main",
            "HEAD:refs/tags/v1-prod2",
        ])
        .ok();
    project.audited();
}

/// A run can end although a later policy has dropped its environment; nothing else happens there.
#[test]
fn runs_end_in_dropped_environments() {
    let world = World::new();
    let all = "[environments]\ndev = {}\nqa = {}\n\"pr-*\" = { ephemeral = { ttl = \"8h\", limit = 2 } }\n";
    let project = Project::new(&world, all);
    let ci = &project.ci;
    for name in ["dev", "qa", "pr-1"] {
        ci.deploy(&["record", name, "--start"]).ok();
    }
    project.publish("[environments]\nother = {}\n");
    project.refused(&["authorization"], || {
        project
            .bob
            .deploy(&["abort", "dev", "-m", "gone", "--no-verify"])
    });
    ci.deploy(&["record", "dev", "--finish", "--verification", "passed"])
        .ok();
    ci.deploy(&["record", "pr-1", "--finish", "--failed"]).ok();
    ci.deploy(&["record", "qa", "--start"]).fails(2);
    ci.deploy(&["record", "nowhere", "--finish"]).fails(2);
    let again = ci.deploy(&["record", "dev", "--finish"]).fails(2);
    assert!(
        again.err().contains("no such run is under way in dev"),
        "{again}"
    );
    project
        .alice
        .deploy(&["abort", "qa", "-m", "the environment is gone"])
        .ok();
    project.audited();
}
