#!/usr/bin/env bash
# Installs the clients that `make test-sdks` runs: Python ones in a virtual environment of their own, Node ones in two
# folders. Says nothing unless something is wrong. Usage: scripts/make-sdks.sh FOLDER PYTHON
set -euo pipefail

folder=$1
python=$2

# The newest, and the last minor release known to give up for good after one second.
node_newest='@aws-sdk/credential-provider-node@latest'
node_impatient='@aws-sdk/credential-provider-node@3.699.0'

made_from() { # made_from STAMP WORDS: whether the stamp was made from the very same words
    [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

wanted=$(cat tests/sdks/requirements.txt)
if ! made_from "$folder/sdks-venv/.ready" "$wanted"; then
    echo "Preparing $folder/sdks-venv (once; half a gigabyte) …" >&2
    rm -rf "$folder/sdks-venv"
    "$python" -m venv "$folder/sdks-venv"
    "$folder/sdks-venv/bin/python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --requirement tests/sdks/requirements.txt
    printf '%s\n' "$wanted" >"$folder/sdks-venv/.ready"
fi

install_node() { # install_node NAME PACKAGE
    local place=$folder/sdks-node/$1
    made_from "$place/.ready" "$2" && return
    rm -rf "$place"
    mkdir -p "$place"
    echo '{"private": true}' >"$place/package.json"
    npm install --prefix "$place" --no-package-lock --no-audit --no-fund --silent "$2"
    printf '%s\n' "$2" >"$place/.ready"
}

if command -v npm >/dev/null; then
    install_node newest "$node_newest"
    install_node impatient "$node_impatient"
else
    echo 'No npm here: the clients for Node are left out.' >&2
fi
