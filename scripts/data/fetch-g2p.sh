#!/usr/bin/env bash
# Downloads the data of SIGMORPHON 2021 task 1, grapheme-to-phoneme conversion (Ashby et al. 2021), and verifies the checksum
# of every file: ten languages of 8,000 words, and American English of 33,344 words without its test split.
#
#   scripts/data/fetch-g2p.sh          into data/g2p
#   scripts/data/fetch-g2p.sh DIR      into DIR
#   SOURCES="URL …" scripts/data/fetch-g2p.sh
#                                      from a mirror of the repository sigmorphon/2021-task1, or file:///FOLDER
#
# DIR receives LANGUAGE_train.tsv, LANGUAGE_dev.tsv and LANGUAGE_test.tsv, whose lines are a word and its phones. Existing
# files with the right checksum are kept. Needs curl, gzip and sha256sum. The text comes from Wiktionary (CC BY-SA 3.0).
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac

root=$(cd -- "$(dirname -- "$0")/../.." && pwd)
directory=${1:-$root/data/g2p}
# Mirrors of one repository, tried in this order.
sources=${SOURCES:-"
    https://raw.githubusercontent.com/sigmorphon/2021-task1/main
    https://cdn.jsdelivr.net/gh/sigmorphon/2021-task1@main
    https://github.com/sigmorphon/2021-task1/raw/main"}

# SHA-256, path in the repository, path in DIR
files="
2cfc0ded02151377cb6fa25cae112acb7f3c0d1d92d5479de19799687b0be8d2 data/medium/arm_e_train.tsv arm_e_train.tsv
151b26dd407836cbaea4110018a2090e6d627cb98ca5febcfe29bb48bec3bff1 data/medium/arm_e_dev.tsv arm_e_dev.tsv
4b2301ef999b9f63d71b05825002a015ef4ce62b1dd56de924c78f237ebb5545 data/medium/arm_e_test.tsv arm_e_test.tsv
a0ad49ef705339bf7d7a301cf97cd33a5ab72743b4367914abe42c18ee835170 data/medium/bul_train.tsv bul_train.tsv
f503124b83dff9ff2f248f39374bf7b8f93a915dafdee6c72f15f7bdf4317d01 data/medium/bul_dev.tsv bul_dev.tsv
b4a7d382bf94ca5f1b8e5d6c03f567b5837eb5272da67fab8aef1dcfe967450b data/medium/bul_test.tsv bul_test.tsv
08d327412cbf809a4cf894e015975d91588a38e8e05fb86450f42a4a38e534b8 data/medium/dut_train.tsv dut_train.tsv
77a896e9510b6ebc610a9bc6a1bf32a06bc85489e9056caf77d996bb107318aa data/medium/dut_dev.tsv dut_dev.tsv
eb31a13e8f797f1bda23194689805c8ea0cd6960e86f739d1e818f1815c287ae data/medium/dut_test.tsv dut_test.tsv
e9de4f5125d2478e50506c5ed278f69d5fb17d8d213f99f845305c24e28a55c2 data/medium/fre_train.tsv fre_train.tsv
3b42f14f318367dd94faa6d59e8fafabd845a3998800b6ce71a7c67e999490da data/medium/fre_dev.tsv fre_dev.tsv
6202c2b7b8d5fbd76a4d40373f9564a9946671dab617438b534bd47c64071c92 data/medium/fre_test.tsv fre_test.tsv
0369d37ddd994ad7366f3c0bfd314d80f2e80f1795c5b461e76344f188944635 data/medium/geo_train.tsv geo_train.tsv
4a4127d579219a6a7a2079fef950c94543aa022ede1847b753c9e305c1f9e10f data/medium/geo_dev.tsv geo_dev.tsv
5f4ac16ace1fdb046ed9dbd99068d0bcfeed278f8c80cb91697ca7ef88c8f2d5 data/medium/geo_test.tsv geo_test.tsv
b4bf802445c2de3db73e20c2d6c51868e6c66ddb7abc64f5398469cf5c54e9c5 data/medium/hbs_latn_train.tsv hbs_latn_train.tsv
38b3ab21d522b0553e97d62784287cf62e29460360bec8f20b32bbb47b2a7cbc data/medium/hbs_latn_dev.tsv hbs_latn_dev.tsv
8d0bdc358b35ccaf1cc2068b5304d92a90768c7ac608c2bba8d632e90bfaffd8 data/medium/hbs_latn_test.tsv hbs_latn_test.tsv
cd6bea5ae552bc73a63abf459af5f41d27c1c276b4a15de49f1fffd23ee4d363 data/medium/hun_train.tsv hun_train.tsv
a2892c27cf6d3075aacdd195c02bf34f8b509bcc08bb230b758d7978a7d920d0 data/medium/hun_dev.tsv hun_dev.tsv
e9ec4ba9c89808864e6518e529e21cda6fe51287ad7a5a1fc23668cc64f31159 data/medium/hun_test.tsv hun_test.tsv
caf113a16654dc778352c8c95867922fb0aa994c484b318f5aea66dc561ea85a data/medium/jpn_hira_train.tsv jpn_hira_train.tsv
f3f2f36db83b48032767dcf49c536a0e50fa076e48865fa75638262818c4ef70 data/medium/jpn_hira_dev.tsv jpn_hira_dev.tsv
d004af19a5f200303dee48f7399034bcfc1edbd9b750bee8f19f8cb0daf9a7f6 data/medium/jpn_hira_test.tsv jpn_hira_test.tsv
0623be3d687864b534043585e50b1ac238b7d5564f1e7450b40be3df7329ff7c data/medium/kor_train.tsv kor_train.tsv
b1d22601f9b485f9b693dd82d832cb18695edb8a6a6ec6353d16ad729409b839 data/medium/kor_dev.tsv kor_dev.tsv
341c4691b635f300822f89334d774023702eb64bf3d827562da25862de699ff2 data/medium/kor_test.tsv kor_test.tsv
8f2a60af78668db3c2c4d201938a822d7fc7808ffd64b12504723f3ff64fea4c data/medium/vie_hanoi_train.tsv vie_hanoi_train.tsv
5d56e7d14dc4d90758d2d4ba0c74f3531b4e05b5344346786e2a1b1b447093ca data/medium/vie_hanoi_dev.tsv vie_hanoi_dev.tsv
ed555cb71d164b1be52e72b5bd398fe5a787e1a598418498b67dcb1ab6fb439e data/medium/vie_hanoi_test.tsv vie_hanoi_test.tsv
bbe76f57ee799ef9094b1ed1fecf8861e754ac57c6aa4db7d5b18892c5401f7f data/high/eng_us_train.tsv eng_us_train.tsv
dcce99504c5f8a00ebf13499aa4d4c2b7fc37614b65127c98aa871855e77080e data/high/eng_us_dev.tsv eng_us_dev.tsv"

# shellcheck source=scripts/data/download.sh
. "$root/scripts/data/download.sh"
download "$directory" "$sources" "$files"
