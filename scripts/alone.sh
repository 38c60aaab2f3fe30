#!/usr/bin/env bash
# Runs a command where there is no network but loopback, if the system lets us; else as it is. A client that does not
# find its credentials asks 169.254.169.254 for them, which is nobody's business in a test. Usage: scripts/alone.sh CMD …
set -euo pipefail

# SIOCSIFFLAGS on lo, IFF_UP | IFF_RUNNING: what `ip link set lo up` does, without needing iproute2.
raise_lo='import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 0x41))'

if unshare --net true 2>/dev/null; then
    exec unshare --net -- bash -c 'python3 -c "$0" && exec "$@"' "$raise_lo" "$@"
fi
exec "$@"
