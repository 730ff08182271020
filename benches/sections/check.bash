# shellcheck shell=bash disable=SC2154
# Whether the rules would allow it, against the ancestry of a near commit. prod wants the commit to have run in stage, so the question
# leads back to the entry of stage that says so.

folder=$(repository 100000 100000 100)
near=$(git -C "$folder/clone" rev-parse refs/heads/main~10)
for back in 10 1000 10000; do
    commit=$(git -C "$folder/clone" rev-parse "refs/deploy/stage~$back^2")
    component=$(git -C "$folder/clone" log -1 --format='%(trailers:key=Deploy-Component,valueonly)' "refs/deploy/stage~$back" | head -1)
    for which in "of a component" "of all 100 components"; do
        question=("$program" -C "$folder/clone" check prod "$commit")
        if [[ $which == "of a component" ]]; then question+=(--component "$component"); fi
        status=0
        "${question[@]}" > "$scratch/check" || status=$?
        # It may be refused, and must be answered.
        if ((status > 1)); then cat "$scratch/check" && exit 3; fi
        compare "check $which, $back entries back : merge-base --is-ancestor" 3 \
            "$(line git -C "$folder/clone" merge-base --is-ancestor "$near" refs/heads/main)" \
            "$(line "${question[@]}")" \
            --ignore-failure
    done
done
