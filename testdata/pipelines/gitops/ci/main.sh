#!/bin/sh
# What CI does with each commit on main: builds it, says what it built, and deploys it.
set -eu

"$(dirname "$0")/build.sh"
git deploy run stage --yes
