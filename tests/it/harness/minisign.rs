//! The real minisign, which checks our keys and signatures.

use std::path::{Path, PathBuf};

use super::{Run, World};

/// A key pair that minisign made, without a password. Ask [`super::has_tool`] for `minisign` first.
pub struct Minisign<'w> {
    world: &'w World,
    pub secret: PathBuf,
    pub public: PathBuf,
}

impl World {
    /// Makes a key pair in this world's home.
    pub fn minisign(&self, name: &str) -> Minisign<'_> {
        let folder = self.path().join("home");
        let key = Minisign {
            world: self,
            secret: folder.join(format!("{name}.key")),
            public: folder.join(format!("{name}.pub")),
        };
        let mut command = self.command("minisign", name);
        Run::of(
            self,
            command
                .args(["-G", "-W", "-s"])
                .arg(&key.secret)
                .arg("-p")
                .arg(&key.public),
        )
        .ok();
        key
    }
}

impl Minisign<'_> {
    /// Returns the public key as one line of base64, as policies name it.
    pub fn public_line(&self) -> String {
        let file = std::fs::read_to_string(&self.public).unwrap();
        file.lines().nth(1).unwrap().to_owned()
    }

    /// Signs a file with this trusted comment; the signature is beside it, with `.minisig` at its end.
    pub fn sign(&self, file: &Path, trusted_comment: &str) {
        let mut command = self.world.command("minisign", "signer");
        command
            .arg("-S")
            .arg("-s")
            .arg(&self.secret)
            .args(["-t", trusted_comment])
            .arg("-m")
            .arg(file);
        Run::of(self.world, &mut command).ok();
    }

    /// Returns what minisign says about a file and its signature.
    pub fn verifies(&self, file: &Path, signature: &Path) -> bool {
        let mut command = self.world.command("minisign", "verifier");
        command
            .arg("-Vq")
            .arg("-p")
            .arg(&self.public)
            .arg("-m")
            .arg(file)
            .arg("-x")
            .arg(signature);
        command.output().unwrap().status.success()
    }
}
