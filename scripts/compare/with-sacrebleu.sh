#!/usr/bin/env bash
# Compares the scores of `infer evaluate` with sacreBLEU on your sentences; every printed digit must be equal.
#
#   python3 -m venv VENV && VENV/bin/pip install sacrebleu==2.6.0
#   SACREBLEU=VENV/bin/sacrebleu scripts/compare/with-sacrebleu.sh RUN SOURCE REFERENCE [OPTIONS OF evaluate]
#
# Compares BLEU (tokenisation 13a and none), chrF and chrF++, each in mixed and in lower case, and translates SOURCE once per
# setting. The exit code is 1 if any score differs.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
[ $# -ge 3 ] || { "$0" --help >&2; exit 2; }
run=$(realpath -m -- "$1") source=$(realpath -m -- "$2") reference=$(realpath -m -- "$3")
shift 3
sacrebleu=${SACREBLEU:-sacrebleu}
case $sacrebleu in */*) sacrebleu=$(realpath -ms -- "$sacrebleu") ;; esac
cd "$(dirname "$0")/../.."
hypotheses=$(mktemp)
trap 'rm -f "$hypotheses"' EXIT

cargo build -q -p infer
infer=${CARGO_TARGET_DIR:-target}/debug/infer
different=0
for tokenize in 13a none; do
    for case in "" "--lowercase"; do
        # shellcheck disable=SC2086 # without a case option there is no argument
        ours=$("$infer" evaluate --model "$run" --source "$source" --reference "$reference" --quiet \
            --tokenize "$tokenize" $case --output "$hypotheses" "$@" | grep -v '^exact match')
        theirs=$(
            for metric in "bleu --tokenize $tokenize ${case:+--lowercase}" "chrf ${case:+--chrf-lowercase}" \
                "chrf --chrf-word-order 2 ${case:+--chrf-lowercase}"; do
                # shellcheck disable=SC2086 # the metric and its options
                "$sacrebleu" "$reference" --input "$hypotheses" --force --format text --width 2 --metrics $metric
            done
        )
        if [ "$ours" = "$theirs" ]; then
            printf '%s\n' "$ours"
        else
            printf 'ours:\n%s\nsacreBLEU:\n%s\n' "$ours" "$theirs"
            different=1
        fi
    done
done
[ "$different" = 0 ] || { echo "some scores differ from those of sacreBLEU"; exit 1; }
echo "all scores equal those of sacreBLEU"
