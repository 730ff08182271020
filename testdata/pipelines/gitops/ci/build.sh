#!/bin/sh
# Builds what is checked out, and signs what came of it. A registry would keep the service; here a folder does. The schedule is its own file.
set -eu

registry=$(cd "$(dirname "$0")/../.." && pwd)/srv/registry
digest=$(sha256sum api/serve.sh | cut -d ' ' -f 1)
install -D api/serve.sh "$registry/$digest"
git deploy build --component api
git deploy register "registry.example/shop@sha256:$digest" --component api
git deploy register schedule/crontab --component schedule
