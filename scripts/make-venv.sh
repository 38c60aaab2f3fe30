#!/usr/bin/env bash
# Makes .venv from the constraints file, or brings it up to date; says nothing unless something is wrong.
# Usage: scripts/make-venv.sh FOLDER [PYTHON]
set -euo pipefail

folder=$1
wanted=${2:-}

good_enough() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

say_and_stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${wanted:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if good_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say_and_stop "keyfob needs Python 3.11 or newer, and ${wanted:-python3} is older or not there." \
        "Install one, then name it: make PYTHON=python3.12 test"
}

# A virtual environment is of one Python: when that one went away or is too old, it is made anew.
if ! good_enough "$folder/bin/python"; then
    python=$(find_python)
    rm -rf "$folder"
    if ! "$python" -m venv "$folder" >/dev/null 2>&1; then
        rm -rf "$folder"
        say_and_stop "$python cannot make a virtual environment: its venv module is not there." \
            "On Debian and Ubuntu: sudo apt-get install python3-venv"
    fi
fi

echo "Preparing $folder (once; takes about a minute) …" >&2
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --constraint constraints.txt --editable '.[dev]'
