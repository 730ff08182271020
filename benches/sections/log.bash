# shellcheck shell=bash disable=SC2154
# The last ten deployments, against the last ten commits.

for entries in 1000 100000; do
    folder=$(repository "$entries" 100000 100)
    compare "log -n 10, $entries entries : log --first-parent -10" 2 \
        "$(line git -C "$folder/clone" log --first-parent -10 refs/deploy/prod)" \
        "$(line "$program" -C "$folder/clone" log -n 10 prod)"
done
compare "log -n 10, 100000 entries : 1000 entries" 1.2 \
    "$(line "$program" -C "$(repository 1000 100000 100)/clone" log -n 10 prod)" \
    "$(line "$program" -C "$(repository 100000 100000 100)/clone" log -n 10 prod)"
