#!/bin/sh
# Installs what the test kit starts: PostgreSQL server binaries and redis-server (Debian, Ubuntu).
#
# Does nothing when both are there. No service is started and no running one is touched: the packages'
# start-up hooks are denied while apt runs.
#
# Without root, and without sudo that asks no password, redis-server is unpacked into the user's cache
# folder, where the test kit looks for it. PostgreSQL needs root.
set -eu

missing=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 ||
    missing="$missing postgresql"
own="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/cartwright-testkit"
PATH="$PATH:/usr/bin:/usr/sbin:$own/bin" command -v redis-server >/dev/null 2>&1 ||
    missing="$missing redis-server"

if [ -z "$missing" ]; then
    echo "install-deps: nothing to do"
    exit 0
fi

# What apt-get download fetches needs no root, nor do package lists of one's own.
unpack_redis() {
    work=$(mktemp -d)
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$own/bin"
    set -- -qq -o "Dir::State=$work/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work/cache"
    apt-get "$@" update
    (cd "$work" && apt-get "$@" download redis-server redis-tools libatomic1 libjemalloc2 liblzf1)
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$own/root"
    done
    rm -rf "$work"
    cat >"$own/bin/redis-server" <<'EOF'
#!/bin/sh
root=$(cd "$(dirname "$0")/../root" && pwd)
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu) exec "$root/usr/bin/redis-server" "$@"
EOF
    chmod +x "$own/bin/redis-server"
    "$own/bin/redis-server" --version
}

if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        exec sudo -n sh "$0" "$@"
    fi
    if [ "$missing" = " redis-server" ] && command -v apt-get >/dev/null 2>&1; then
        unpack_redis
        exit 0
    fi
    echo "install-deps: run as root: apt-get install$missing" >&2
    exit 1
fi
command -v apt-get >/dev/null 2>&1 || {
    echo "install-deps: no apt-get here; install by hand:$missing" >&2
    exit 1
}

# invoke-rc.d asks this file before it starts a service; 101 means "forbidden by policy".
policy=/usr/sbin/policy-rc.d
saved=
restore() {
    rm -f "$policy"
    [ -z "$saved" ] || mv "$saved" "$policy"
}
if [ -e "$policy" ] || [ -L "$policy" ]; then
    saved="$policy.before-cartwright.$$"
    mv "$policy" "$saved"
fi
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 0755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $missing

# Nor should they start at the next boot, on 5432 and 6379, only because the tests need the programs.
if command -v systemctl >/dev/null 2>&1; then
    for package in $missing; do
        systemctl disable --quiet "$package.service" >/dev/null 2>&1 || true
    done
fi
