# shellcheck shell=bash
# Commands in the background, JOBS at a time (one by default), each on its share of the cores. A part of g2p.sh and multi30k-best.sh,
# which source it. Needs bash 4.3.

jobs=${JOBS:-1}
[[ $jobs =~ ^[1-9][0-9]*$ ]] || { echo "error: JOBS=$jobs: expected a number from 1 on" >&2; exit 2; }
threads=${RAYON_NUM_THREADS:-$((($(getconf _NPROCESSORS_ONLN) + jobs - 1) / jobs))}
running=0 failed=

# Starts COMMAND once fewer than JOBS are running. After a failure no further one begins. Usage: start COMMAND…
start() {
    [ $running -lt "$jobs" ] || finish_one
    [ -z "$failed" ] || return 0
    { RAYON_NUM_THREADS=$threads "$@" || { echo "error: failed: $*" >&2; exit 1; }; } &
    running=$((running + 1))
}
finish_one() {
    wait -n || failed=yes
    running=$((running - 1))
}

# Waits for all; exits if one has failed.
finish_all() {
    while [ $running -gt 0 ]; do finish_one; done
    [ -z "$failed" ] || exit 1
}
