#!/usr/bin/env bash
# Compares a server of Attend with its OpenAPI document: schemathesis sends requests that fit the document and requests that
# do not, and checks status, headers and body of each response.
#
#     scripts/clients/schemathesis.sh URL [SECONDS] [OPTIONS OF schemathesis run]     # default: 600
#
# The server must have no --api-keys: schemathesis takes keys that it makes up for valid ones.
#
# Needs the Python package schemathesis 4.32; SCHEMATHESIS names its program.
set -euo pipefail
url=${1:?usage: scripts/clients/schemathesis.sh URL [SECONDS] [OPTIONS]} seconds=${2:-600}
program=$(realpath "$(command -v "${SCHEMATHESIS:-schemathesis}" || echo /none)") config=$(realpath "$(dirname "$0")/schemathesis.toml")
[ -x "$program" ] || { echo "error: found no program schemathesis; install it, or set SCHEMATHESIS" >&2; exit 1; }
cache=$(mktemp -d) # schemathesis keeps examples in the current folder
trap 'rm -rf "$cache"' EXIT
cd "$cache"
"$program" --config-file "$config" run "$url/openapi.json" \
    --checks all --max-time "$seconds" --request-timeout 60 --continue-on-failure "${@:3}"
