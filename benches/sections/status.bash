# shellcheck shell=bash disable=SC2154
# What runs where: against the last ten commits of the ledger, and for very many components against reading what is read.

for entries in 1000 100000; do
    folder=$(repository "$entries" 100000 100)
    compare "status, 100 components, $entries entries : log --first-parent -10" 2 \
        "$(line git -C "$folder/clone" log --first-parent -10 refs/deploy/prod)" \
        "$(line "$program" -C "$folder/clone" status)"
done
compare "status, 100000 entries : 1000 entries" 1.2 \
    "$(line "$program" -C "$(repository 1000 100000 100)/clone" status)" \
    "$(line "$program" -C "$(repository 100000 100000 100)/clone" status)"

folder=$(repository 1000 100000 1000)
for ledger in stage prod; do
    git -C "$folder/clone" ls-tree -r "refs/deploy/$ledger" components
done | awk '$2 == "blob" && !seen[$3]++ { print $3 }' > "$scratch/blobs"
# Both are started by a shell, for the sake of git's standard input.
compare "status, 1000 components : cat-file --batch of $(wc -l < "$scratch/blobs") blobs" 3 \
    "$(line sh -c "exec $(line git -C "$folder/clone" cat-file --batch) < $(line "$scratch/blobs")")" \
    "$(line sh -c "exec $(line "$program" -C "$folder/clone" status)")"
