#!/bin/sh
# What CI does with a change request, whose number it is given: an environment of its own, and what would change in stage as a comment.
set -eu

"$(dirname "$0")/build.sh"
git deploy run "pr-$1" --ttl 4h --change "$1" --yes
git deploy plan stage --format markdown > comment.md
