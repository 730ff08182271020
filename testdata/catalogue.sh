#!/usr/bin/env bash
# Makes, in the present folder, a server and the clones of alice, bob, carol and ci, with one commit that runs in dev, qa, stage and prod:
# where the transcripts of the documents begin. The tour of "git-deploy demo" does the same and explains it.
set -euo pipefail

git init --quiet --bare --initial-branch=main server.git
mkdir keys
for person in alice bob carol ci; do
    git-deploy key new "keys/$person.key" --no-password
done
git-deploy server init server.git --admin keys/alice.pub
for person in alice bob carol ci; do
    git clone --quiet server.git "$person"
    git -C "$person" config deploy.key "$PWD/keys/$person.key"
done

key() { tail -1 "keys/$1.pub"; }
cat > alice/deploy.toml << EOF
schema  = 1
project = "catalogue"
unowned = "free"

[people]
alice = { key = "$(key alice)", emails = ["alice@example.com"] }
bob   = { key = "$(key bob)", emails = ["bob@example.com"] }
carol = { key = "$(key carol)", emails = ["carol@example.com"] }
ci    = { key = "$(key ci)", machine = true }

[groups]
release = ["bob", "carol"]

[environments]
dev   = {}
qa    = { promote_from = "dev" }
stage = { promote_from = "qa" }

[environments.prod]
promote_from = "stage"
approvals    = { required = 2, by = "release" }
checks       = ["test-result"]
artifact     = "required"

[components]
api = { paths = ["api/**"] }
web = { paths = ["web/**"] }

[checks]
test-result = { by = "ci" }

[artifacts]
by = "ci"
EOF
mkdir alice/api alice/web
echo "api 1" > alice/api/server.txt
echo "web 1" > alice/web/page.txt
git -C alice add .
git -C alice commit --quiet -m "Serve the catalogue"
git -C alice push --quiet origin main
git-deploy -C alice init --yes
for person in bob carol ci; do
    git -C "$person" pull --quiet
    git-deploy -C "$person" sync
done

git-deploy -C ci attest test-result --result passed
for component in api web; do
    digest=$(printf %s "$component" | sha256sum | cut -d' ' -f1)
    git-deploy -C ci register "registry.example/$component@sha256:$digest" --component "$component"
done
for person in bob carol; do
    git-deploy -C "$person" approve prod
done
for environment in dev qa stage prod; do
    git-deploy -C ci record "$environment" --verification passed
done
