//! Ordinary tools work in the default mode: they keep files in the home and move them between folders.

use super::{Site, User};
use crate::harness::{World, has_tool};

/// What docker, terraform and package managers do with files.
const TOOLS: &str = r#"set -e
mkdir -p $HOME/.docker $HOME/.terraform.d/plugin-cache/registry $HOME/.cache/tool $HOME/.local/bin
# docker login
echo '{"auths": {}}' > $HOME/.docker/config.json.tmp
mv $HOME/.docker/config.json.tmp $HOME/.docker/config.json
chmod 600 $HOME/.docker/config.json
# terraform init with a plugin cache
echo provider > $TMPDIR/provider
mv $TMPDIR/provider $HOME/.terraform.d/plugin-cache/registry/provider
ln -s $HOME/.terraform.d/plugin-cache/registry/provider $TF_DATA_DIR/provider
cat $TF_DATA_DIR/provider
echo 'plugin_cache_dir = "x"' > $HOME/.toolrc
# package managers
echo stored > $HOME/.cache/tool/blob
ln $HOME/.cache/tool/blob $HOME/.local/bin/blob
mkdir $TMPDIR/build
mv $TMPDIR/build $HOME/.cache/tool/build
truncate -s 0 $HOME/.cache/tool/blob
mkfifo $TMPDIR/pipe
echo x > $TMPDIR/pipe &
cat $TMPDIR/pipe
echo x | tee /dev/stderr > /dev/null
git init -q $TMPDIR/clone
git -C $TMPDIR/clone -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m x
# servers and their sockets
if command -v python3; then python3 $HOME/sockets.py; fi
echo works > $HOME/loot/works
"#;

const SOCKETS: &str = r#"
import multiprocessing, os, socket, tempfile
# A relative path, because the path of a socket has at most 107 bytes.
os.chdir(tempfile.mkdtemp())
for address in ["s", "\0git-deploy-test-%d" % os.getpid()]:
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(address)
web = socket.socket()
web.bind(("127.0.0.1", 0))
web.listen()
socket.create_connection(web.getsockname())
multiprocessing.Lock()
"#;

#[test]
fn tools_work_in_the_default_mode() {
    let policy = format!(
        "[environments]\ndev = {{}}\n[components.api]\npaths = [\"api/**\"]\napply = \"\"\"{}\"\"\"\n",
        TOOLS.replace('"', "\\\"")
    );
    for user in User::list() {
        let world = World::new();
        let site = Site::new(&world, user, &policy, &[]);
        std::fs::write(site.home("sockets.py"), SOCKETS).unwrap();
        site.run("git-deploy run dev --yes").ok();
        assert_eq!(site.loot("works"), "works\n", "{user:?}");
    }
}

const TERRAFORM: &str = r#"
[environments]
processes = {}
files = { isolation = "files" }
[components.api]
paths = ["api/**"]
writable = "~/terraform"
variables = { TF_CLI_CONFIG_FILE = "/dev/null" }
plan = '''
mkdir -p $HOME/terraform/cache && export TF_PLUGIN_CACHE_DIR=$HOME/terraform/cache &&
terraform init -input=false -lockfile=readonly -backend-config=path=$HOME/terraform/$DEPLOY_ENV.tfstate &&
terraform plan -input=false -out=$DEPLOY_PLAN
'''
apply = 'terraform apply -input=false $DEPLOY_PLAN'
"#;

const MAIN_TF: &str = r#"terraform {
  backend "local" {}
}
resource "terraform_data" "one" {
  input = "x"
}
"#;

/// The real terraform, with its state and its plugin cache in the home.
#[test]
fn terraform_works_in_the_default_mode_and_with_isolated_files() {
    if !has_tool("terraform") {
        return;
    }
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, TERRAFORM, &[("api/main.tf", MAIN_TF)]);
        std::fs::create_dir(site.home("terraform")).unwrap();
        site.give();
        for mode in ["processes", "files"] {
            site.run(&format!("git-deploy run {mode} --yes")).ok();
            let state = site.home(&format!("terraform/{mode}.tfstate"));
            let state = std::fs::read_to_string(state).unwrap();
            assert!(state.contains("terraform_data"), "{user:?} {mode}: {state}");
        }
    }
}
