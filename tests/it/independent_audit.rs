//! Nobody needs to trust our binary: an auditor with git, minisign and jq reads and checks what it
//! wrote, and agrees with it.
//!
//! The auditor types what README.md says under "For auditors", taken from there.

mod corruptions;

use std::path::Path;

use crate::harness::{Repo, Run, Sandbox, World, has_tool};

const LEDGERS: [&str; 7] = ["policy", "dev", "evidence", "pr", "prod", "qa", "stage"];

/// An auditor's clone is read as the README says, every signature is checked by hand, and both
/// audits find the forgeries.
#[test]
fn stock_tools_can_audit() {
    if !["minisign", "jq"].into_iter().all(has_tool) {
        return;
    }
    let world = World::new();
    let sandbox = Sandbox::new(&world);
    go_on(&world, &sandbox);
    let blocks = for_auditors();
    let [clone, commands] = &blocks[..] else {
        panic!("two blocks of commands: {blocks:?}")
    };
    let clone = clone.replace("URL", &format!("{} auditor", sandbox.server().url()));
    let home = world.existing(".", "auditor");
    shell(&home, &clone).ok();
    let auditor = world.existing("auditor", "auditor");
    auditor.git(&["fsck", "--strict", "--no-dangling"]).ok();
    the_readme(&auditor, commands);
    trailers(&auditor);
    assert_eq!(every_entry(&auditor), 20);
    let project = sandbox.person("alice").git(&["config", "deploy.root"]);
    let project = project.ok().text();
    for ledger in LEDGERS {
        assert!(
            audit_sh(&auditor, ledger, Some(&project))
                .ok()
                .text()
                .ends_with(" entries, all good")
        );
    }
    auditor.deploy(&["audit"]).ok();
    forgeries(&world, &auditor, &project);
}

/// Takes one more commit as far as stage, so that prod is behind.
fn go_on(world: &World, sandbox: &Sandbox<'_>) {
    let (alice, ci) = (sandbox.person("alice"), sandbox.person("ci"));
    world.advance("1h");
    alice.commit("api/server.txt", "api 2\n", "Serve faster");
    alice.git(&["push", "-q"]).ok();
    ci.git(&["pull", "-q"]).ok();
    for environment in ["dev", "qa", "stage"] {
        ci.deploy(&[
            "record",
            environment,
            "--component",
            "api",
            "--verification",
            "passed",
        ])
        .ok();
    }
}

/// Returns the blocks of commands that the README gives to auditors.
fn for_auditors() -> Vec<String> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## For auditors").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// Checks that each line does what its comment says.
fn the_readme(auditor: &Repo<'_>, commands: &str) {
    let ran: Vec<(&str, String)> = commands
        .lines()
        .map(|line| (line, shell(auditor, line).ok().text()))
        .collect();
    let said = |command: &str| {
        let found = ran.iter().find(|(line, _)| line.starts_with(command));
        found
            .unwrap_or_else(|| panic!("the README says {command} no more"))
            .1
            .as_str()
    };
    let story = said("git log --notes=deploy");
    assert!(story.contains("\nNotes (deploy):\n"), "{story}");
    for line in [
        "attested             test-result PASSED",
        "approved    prod     \"Canary looks good\"",
        "deployed    prod     api, web",
    ] {
        assert!(story.contains(line), "{line}: {story}");
    }
    let log = said("git log --first-parent deploy/prod");
    assert_eq!(
        log.lines()
            .filter(|line| line.starts_with("commit "))
            .count(),
        4,
        "{log}"
    );
    let missing = said("git log deploy/prod:components/api/commit..main");
    assert!(
        missing.contains("Serve faster") && !missing.contains("Serve the catalogue"),
        "{missing}"
    );
    let diff =
        said("git diff deploy/stage:components/api/commit deploy/prod:components/api/commit");
    assert!(diff.contains("-api 2\n+api 1"), "{diff}");
    assert!(said("minisign -V").contains("Trusted comment: git-deploy prod 3 record"));
    assert!(said("git show deploy/policy:deploy.toml").contains("project = \"catalogue\""));
    // An audit by hand can say no: one byte of the entry is another.
    let file = auditor.path().join("e.json");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let verify = ran
        .iter()
        .map(|(line, _)| *line)
        .find(|line| line.starts_with("minisign -V"))
        .unwrap();
    shell(auditor, verify).fails(1);
}

/// Checks that git shows who wrote the entries.
fn trailers(auditor: &Repo<'_>) {
    let format = "--format=%(trailers:key=Deploy-By,valueonly,separator=)";
    let by = auditor
        .git(&["log", "--first-parent", format, "deploy/prod"])
        .ok()
        .text();
    assert_eq!(by, "ci\ncarol\nbob\n");
}

/// Checks every entry's signature and document with minisign and jq; returns how many there are.
fn every_entry(auditor: &Repo<'_>) -> usize {
    let policy = auditor
        .git(&["show", "deploy/policy:deploy.toml"])
        .ok()
        .text();
    let (file, signature) = (auditor.path().join("e.json"), "e.json.minisig");
    let mut number = 0;
    for ledger in LEDGERS {
        for entry in entries(auditor, ledger) {
            for (object, file) in [("entry.json", "e.json"), ("entry.json.minisig", signature)] {
                shell(
                    auditor,
                    &format!("git cat-file blob {entry}:{object} > {file}"),
                )
                .ok();
            }
            let read = |filter: &str| {
                auditor
                    .run("jq", &["-e", "-r", filter, "e.json"])
                    .ok()
                    .text()
            };
            assert_eq!(read(".predicate.ledger"), ledger);
            assert_eq!(read(".predicateType"), "urn:git-deploy:entry:v1");
            assert!(
                read(".predicate.action")
                    .chars()
                    .all(|character| character.is_ascii_lowercase())
            );
            let by = read(".predicate.by");
            let line = policy
                .lines()
                .find(|line| line.starts_with(&format!("{by} ")))
                .unwrap();
            let key = line.split('"').find(|text| text.starts_with("RW")).unwrap();
            assert_eq!(read(".predicate.key"), key);
            let verify = || auditor.run("minisign", &["-Vm", "e.json", "-P", key]);
            verify().ok();
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&file, bytes).unwrap();
            verify().fails(1);
            number += 1;
        }
    }
    number
}

/// Checks that both audits find each forgery, in the ledger that holds it.
fn forgeries(world: &World, auditor: &Repo<'_>, project: &str) {
    let prod = entries(auditor, "prod");
    let [first, second, third] = [0, 1, 2].map(|at| prod[at].as_str());
    let forged = |name: &str, member: &dyn Fn(&Repo<'_>) -> String, words: &str| {
        let copy = format!("auditor-{name}");
        world
            .existing(".", "mallory")
            .run("cp", &["-R", "auditor", &copy])
            .ok();
        let copy = world.existing(&copy, "mallory");
        let tip = member(&copy);
        copy.git(&["update-ref", "refs/deploy/prod", &tip]).ok();
        let by_hand = audit_sh(&copy, "prod", Some(project)).fails(1);
        assert!(by_hand.text().contains(words), "{name}: {by_hand}");
        let audit = copy.deploy(&["audit"]).fails(1);
        assert!(audit.text().contains("\n✗ prod "), "{name}: {audit}");
        // The second policy has seen prod's end, and whoever has seen that policy falls with it; evidence has seen neither.
        assert!(audit.text().contains("\n✓ evidence "), "{name}: {audit}");
    };
    let file =
        |repo: &Repo<'_>, object: &str| repo.git(&["cat-file", "blob", object]).ok().text() + "\n";

    let changed = |repo: &Repo<'_>| {
        let entry = file(repo, &format!("{third}:entry.json"));
        let other = entry.replacen("Serve the catalogue", "Serve the catalogus", 1);
        assert_ne!(entry, other);
        rebuilt(repo, third, second, Some(("entry.json", &other)))
    };
    forged("changed", &changed, "not signed by ci");

    let dropped = |repo: &Repo<'_>| rebuilt(repo, third, first, None);
    forged("dropped", &dropped, "it stands elsewhere");

    let swapped = |repo: &Repo<'_>| {
        let signature = file(repo, "refs/deploy/stage:entry.json.minisig");
        rebuilt(
            repo,
            third,
            second,
            Some(("entry.json.minisig", &signature)),
        )
    };
    forged("swapped", &swapped, "signed for another place");

    // With this place's words put over it, which minisign signs as well.
    let disguised = |repo: &Repo<'_>| {
        let signature = file(repo, "refs/deploy/stage:entry.json.minisig");
        let own = file(repo, &format!("{third}:entry.json.minisig"));
        let mut lines: Vec<&str> = signature.lines().collect();
        lines[2] = own.lines().nth(2).unwrap();
        rebuilt(
            repo,
            third,
            second,
            Some(("entry.json.minisig", &(lines.join("\n") + "\n"))),
        )
    };
    forged("disguised", &disguised, "not signed by ci");
}

/// Makes a ledger's commit again, on this parent and with one file replaced.
fn rebuilt(repo: &Repo<'_>, commit: &str, parent: &str, edit: Option<(&str, &str)>) -> String {
    // The copy has no other use for its index.
    repo.git(&["read-tree", commit]).ok();
    if let Some((file, content)) = edit {
        repo.write("blob", content);
        let blob = repo
            .git(&["hash-object", "-w", "--no-filters", "blob"])
            .ok()
            .text();
        repo.git(&[
            "update-index",
            "--cacheinfo",
            &format!("100644,{blob},{file}"),
        ])
        .ok();
    }
    let tree = repo.git(&["write-tree"]).ok().text();
    let text = repo.git(&["cat-file", "commit", commit]).ok().text() + "\n";
    let (old_tree, old_parent) = (
        repo.rev(&format!("{commit}^{{tree}}")),
        repo.rev(&format!("{commit}^1")),
    );
    let text = text
        .replacen(&old_tree, &tree, 1)
        .replacen(&old_parent, parent, 1);
    repo.write("commit", &text);
    repo.git(&["hash-object", "-w", "-t", "commit", "commit"])
        .ok()
        .text()
}

/// Returns a ledger's entries from the first to the newest, without its genesis.
fn entries(repo: &Repo<'_>, ledger: &str) -> Vec<String> {
    let chain = repo
        .git(&[
            "rev-list",
            "--first-parent",
            "--reverse",
            &format!("refs/deploy/{ledger}"),
        ])
        .ok()
        .text();
    chain.lines().skip(1).map(str::to_owned).collect()
}

/// Runs `testdata/audit.sh` with this root of trust, or the one of git's configuration.
fn audit_sh<'w>(repo: &Repo<'w>, ledger: &str, root: Option<&str>) -> Run<'w> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/audit.sh");
    let arguments = [script, ledger].into_iter().chain(root);
    repo.run("sh", &arguments.collect::<Vec<_>>())
}

/// Runs what the README says, as a person types it.
fn shell<'w>(repo: &Repo<'w>, text: &str) -> Run<'w> {
    repo.run("sh", &["-e", "-c", text])
}
