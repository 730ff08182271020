# shellcheck shell=bash disable=SC2154
# One entry that is on the disk when the command returns, without a remote, against an empty commit that is as well.

for entries in 1000 100000; do
    # Worked on in a copy: what is appended stays out of later runs.
    rm -rf "$scratch/local"
    cp -a "$(repository "$entries" 100000 100)/local" "$scratch/local"
    git -C "$scratch/local" config core.fsync committed,reference
    compare "record, on the disk, $entries entries : commit --allow-empty" 2 \
        "$(line git -C "$scratch/local" commit --quiet --allow-empty --message x)" \
        "$(line "$program" -C "$scratch/local" record stage HEAD --component c0000 --message x)"
done
