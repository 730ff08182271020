#!/usr/bin/env bash
# Makes, in the present folder, a server and the clones of alice, bob, carol and ci, with one of the samples beside this file on main and
# its policy in force: begin.sh branches, begin.sh gitops. Nothing is deployed yet. What would be a machine elsewhere is the folder srv.
set -euo pipefail

sample=$(cd "$(dirname "$0")/$1" && pwd)
git init --quiet --bare --initial-branch=main server.git
mkdir keys srv
for person in alice bob carol ci; do
    git-deploy key new "keys/$person.key" --no-password
done
git-deploy server init server.git --admin keys/alice.pub
for person in alice bob carol ci; do
    git clone --quiet server.git "$person"
    git -C "$person" config deploy.key "$PWD/keys/$person.key"
done

key() { tail -1 "keys/$1.pub"; }
cp -R "$sample/." alice/
rm alice/README.md
sed "s#/srv/shop#$PWD/srv#" "$sample/deploy.toml" > alice/deploy.toml
cat >> alice/deploy.toml << EOT

[people]
alice = { key = "$(key alice)", emails = ["alice@example.com"] }
bob   = { key = "$(key bob)", emails = ["bob@example.com"] }
carol = { key = "$(key carol)", emails = ["carol@example.com"] }
ci    = { key = "$(key ci)", machine = true }
EOT
git -C alice add .
git -C alice commit --quiet -m "Open the shop"
git -C alice push --quiet origin main
git-deploy -C alice init --yes
for person in bob carol ci; do
    git -C "$person" pull --quiet
    git-deploy -C "$person" sync
done
