#!/usr/bin/env bash
# Downloads the Multi30k corpus (Elliott et al. 2016), English and German, and verifies the checksum of every file.
#
#   scripts/data/fetch-multi30k.sh          into data/multi30k
#   scripts/data/fetch-multi30k.sh DIR      into DIR
#   SOURCES="URL …" scripts/data/fetch-multi30k.sh
#                                           from a mirror of the repository multi30k/dataset, or file:///FOLDER
#
# DIR receives the original text (train, val, test_2016_flickr); DIR/tok receives the lower-cased, normalised and tokenised
# text of the literature. Existing files with the right checksum are kept. Needs curl, gzip and sha256sum.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac

root=$(cd -- "$(dirname -- "$0")/../.." && pwd)
directory=${1:-$root/data/multi30k}
# Mirrors of one repository, tried in this order.
sources=${SOURCES:-"
    https://raw.githubusercontent.com/multi30k/dataset/master
    https://cdn.jsdelivr.net/gh/multi30k/dataset@master
    https://github.com/multi30k/dataset/raw/master"}

# SHA-256 of the unpacked file, path in the repository, path in DIR
files="
460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6 data/task1/raw/train.en.gz train.en
2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72 data/task1/raw/train.de.gz train.de
1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227 data/task1/raw/val.en.gz val.en
660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660 data/task1/raw/val.de.gz val.de
399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182 data/task1/raw/test_2016_flickr.en.gz test_2016_flickr.en
4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16 data/task1/raw/test_2016_flickr.de.gz test_2016_flickr.de
08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119 data/task1/tok/train.lc.norm.tok.en tok/train.lc.norm.tok.en
cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505 data/task1/tok/train.lc.norm.tok.de tok/train.lc.norm.tok.de
46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec data/task1/tok/val.lc.norm.tok.en tok/val.lc.norm.tok.en
97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00 data/task1/tok/val.lc.norm.tok.de tok/val.lc.norm.tok.de
5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2 data/task1/tok/test_2016_flickr.lc.norm.tok.en tok/test_2016_flickr.lc.norm.tok.en
c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4 data/task1/tok/test_2016_flickr.lc.norm.tok.de tok/test_2016_flickr.lc.norm.tok.de"

# shellcheck source=scripts/data/download.sh
. "$root/scripts/data/download.sh"
download "$directory" "$sources" "$files"
