#!/usr/bin/env bash
# Install packages of the system, by apt, where they are absent: .ci/system_packages.sh NAME...
# Where all are there, nothing is asked of the network.
set -euo pipefail

absent=()
for name in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
        absent+=("$name")
done
[ ${#absent[@]} -eq 0 ] && exit

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq --yes --no-install-recommends "${absent[@]}"
