# shellcheck shell=bash
# Commands in the background, JOBS at a time (one by default), each on its share of the cores. A part of g2p.sh and multi30k-best.sh,
# which source it.

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
    echo "error: bash $BASH_VERSION: expected 4.4 or later" >&2
    exit 2
fi
jobs=${JOBS:-1}
[[ $jobs =~ ^[1-9][0-9]*$ ]] || { echo "error: JOBS=$jobs: expected a number from 1 on" >&2; exit 2; }
threads=${RAYON_NUM_THREADS:-$((($(getconf _NPROCESSORS_ONLN) + jobs - 1) / jobs))}
running=0 failed=
interrupted=130 # the exit code of `train` after Ctrl-C

# Starts COMMAND, whose result is RUN, once fewer than JOBS are running. After a failure no further one begins.
# Usage: start RUN COMMAND…
start() {
    local run=$1
    shift
    [ $running -lt "$jobs" ] || finish_one
    [ -z "$failed" ] || return 0
    {
        status=0
        RAYON_NUM_THREADS=$threads "$@" || status=$?
        case $status in
            0 | "$interrupted") ;;
            *) echo "error: $run has not been trained to the end; the cause is printed above" >&2 ;;
        esac
        exit $status
    } &
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

# Ctrl-C: each training writes a checkpoint.
on_interrupt() {
    trap - INT
    while [ $running -gt 0 ]; do finish_one; done
    exit $interrupted
}
trap on_interrupt INT
