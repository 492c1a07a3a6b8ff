# Downloads files and verifies their checksums; the scripts beside it source it.
# shellcheck shell=bash

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

is_valid() { [ -f "$2" ] && [ "$(sha256sum <"$2" | cut -d' ' -f1)" = "$1" ]; }

# download DIRECTORY SOURCES FILES: FILES are lines of a SHA-256 of the unpacked file, a path below each of SOURCES and a path
# in DIRECTORY. Existing files with the right checksum are kept.
download() {
    local directory=$1 sources=$2 files=$3 kept=0 fetched=0
    local sum path name target tried source url
    for tool in curl gzip sha256sum; do
        command -v "$tool" >/dev/null || fail "$tool is not installed; install it, or download the files by hand"
    done
    partial=$(mktemp -d)
    trap 'rm -rf "$partial"' EXIT
    mkdir -p -- "$directory"
    directory=$(cd -- "$directory" && pwd)
    while read -r sum path name; do
        [ -n "$sum" ] || continue
        target=$directory/$name
        if is_valid "$sum" "$target"; then
            kept=$((kept + 1))
            continue
        fi
        tried=""
        for source in $sources; do
            url=$source/$path
            rm -f "$partial/file" "$partial/text"
            if ! curl --fail --silent --show-error --location --connect-timeout 10 --max-time 120 --retry 2 \
                --output "$partial/file" "$url" 2>"$partial/error"; then
                tried+=$'\n'"    $url: $(tail -n 1 "$partial/error")"
            else
                case $path in
                *.gz) gzip -dc "$partial/file" >"$partial/text" 2>/dev/null || true ;;
                *) mv "$partial/file" "$partial/text" ;;
                esac
                is_valid "$sum" "$partial/text" && break
                tried+=$'\n'"    $url: wrong checksum, expected $sum"
            fi
        done
        is_valid "$sum" "$partial/text" || fail "cannot download $name; tried$tried
Without a network, copy the file from another machine to $target and run this script again; it verifies and keeps the file."
        mkdir -p -- "$(dirname -- "$target")"
        mv "$partial/text" "$target"
        fetched=$((fetched + 1))
    done <<<"$files"
    echo "$directory: $fetched files downloaded, $kept kept; all checksums match"
}
