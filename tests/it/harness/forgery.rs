//! Entries and commits forged by hand, with bytes that our program would never write.

use git_deploy::testing::domain::entry::Statement;
use git_deploy::testing::domain::name::ComponentName;
use git_deploy::testing::domain::policy::Policy;
use git_deploy::testing::signing::Signer;
use git_deploy::testing::signing::key::SecretKey;
use gix::objs::Write as _;

use super::{Member, Repo, World};

/// Reads the key that the world keeps for a person.
pub fn signer(world: &World, person: &str) -> Signer {
    let file = world.path().join("home").join(format!("{person}.key"));
    Signer::from_key(SecretKey::read(&file, || unreachable!("it has no password")).unwrap())
}

impl<'w> Member<'w> {
    /// Clones another server for the same person.
    pub fn at(&self, server: &Repo<'w>, folder: &str) -> Self {
        let world = server.world();
        let repo = Repo::new(world, world.path().join(folder), self.person);
        std::fs::create_dir(repo.path()).unwrap();
        repo.git(&["clone", "-q", &server.url(), "."]).ok();
        Self {
            world,
            repo,
            person: self.person,
            signer: signer(world, self.person),
        }
    }

    /// Returns the components of the policy in force, as this clone knows it.
    pub fn components(&self) -> Vec<ComponentName> {
        let text = self
            .repo
            .git(&["cat-file", "blob", "refs/deploy/policy:deploy.toml"])
            .ok()
            .text()
            + "\n";
        let policy = Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
        policy.component_names().into_iter().collect()
    }

    /// Returns the content of a component that is one folder of its own name.
    pub fn component_content(&self, folder: &str) -> String {
        let entry = self.repo.git(&["ls-tree", "HEAD", folder]).ok().text() + "\n";
        self.repo.git_with_input(&["mktree"], &entry)
    }

    /// Writes an object of exactly these bytes, valid or not.
    pub fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let kind = gix::objs::Kind::from_bytes(kind.as_bytes()).unwrap();
        self.store().write_buf(kind, bytes).unwrap().to_string()
    }

    /// Returns the bytes of an object of this kind; a revision names it.
    pub fn bytes(&self, kind: &str, revision: &str) -> Vec<u8> {
        let store = self.store();
        let object = store.rev_parse_single(revision).unwrap().object().unwrap();
        assert_eq!(object.kind.to_string(), kind, "{revision}");
        object.detach().data
    }

    /// Opens the clone's repository, which writes any object.
    fn store(&self) -> gix::Repository {
        gix::open_opts(self.repo.path(), gix::open::Options::isolated()).unwrap()
    }

    /// Makes the same commit over a tree of exactly these bytes.
    pub fn over(&self, id: &str, tree: &[u8]) -> String {
        let tree = self.object("tree", tree);
        self.with_tree(id, &tree)
    }

    /// Makes the commit with other contents of these files.
    pub fn refile(&self, id: &str, files: &[(&str, &[u8])]) -> String {
        let infos: Vec<String> = files
            .iter()
            .map(|(path, bytes)| format!("100644,{},{path}", self.object("blob", bytes)))
            .collect();
        let edits: Vec<Vec<&str>> = infos
            .iter()
            .map(|info| vec!["--add", "--cacheinfo", info])
            .collect();
        self.retree(id, &edits.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Makes the commit with its entry's text edited, properly signed under the old trusted
    /// comment.
    pub fn resigned(&self, id: &str, edit: impl FnOnce(&str) -> Vec<u8>) -> String {
        let old = self.bytes("blob", &format!("{id}:entry.json"));
        let comment = Statement::parse(&old).unwrap().trusted_comment();
        let new = edit(std::str::from_utf8(&old).unwrap());
        let signature = self.signer.sign(&new, &comment).unwrap();
        self.refile(
            id,
            &[("entry.json", &new), ("entry.json.minisig", &signature)],
        )
    }

    /// Makes the commit with another parent.
    pub fn replant(&self, id: &str, onto: &str) -> String {
        let parent = self.repo.rev(&format!("{id}^1"));
        self.recommit(id, |raw| {
            raw.replacen(&format!("parent {parent}"), &format!("parent {onto}"), 1)
        })
    }
}

/// Returns the bytes of an id, as trees hold it.
pub fn hex(id: &str) -> Vec<u8> {
    (0..id.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap())
        .collect()
}
