#!/usr/bin/env bash
# Holds `infer evaluate` against sacreBLEU, digit for digit, on real sentences.
#
#   python3 -m venv VENV && VENV/bin/pip install sacrebleu==2.6.0
#   SACREBLEU=VENV/bin/sacrebleu scripts/compare-with-sacrebleu.sh RUN SOURCE REFERENCE [OPTION OF evaluate …]
#
# Translates SOURCE once and compares BLEU (13a and none), chrF and chrF++, in mixed case and lower-cased.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
run=$1 source=$2 reference=$3
shift 3
sacrebleu=${SACREBLEU:-sacrebleu}
hypotheses=$(mktemp)
trap 'rm -f "$hypotheses"' EXIT

cargo build -q -p infer
different=0
for tokenize in 13a none; do
    for case in "" "--lowercase"; do
        # shellcheck disable=SC2086 # without a case option there is no argument
        ours=$(target/debug/infer evaluate --model "$run" --source "$source" --reference "$reference" --quiet \
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
[ "$different" = 0 ] && echo "equal to sacreBLEU in every digit" || { echo "not equal to sacreBLEU"; exit 1; }
