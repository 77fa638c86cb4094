#!/bin/sh
# Installs what the test kit starts: PostgreSQL server binaries, redis-server, varnish and chromium (Debian).
#
# Does nothing when all are there. No service is started and no running one is touched: the packages'
# start-up hooks are denied while apt runs.
#
# Without root, and without sudo that asks no password, redis-server, varnish and chromium are unpacked into
# the user's cache folder, where the test kit looks for them. PostgreSQL needs root.
set -eu

missing=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 ||
    missing="$missing postgresql"
own="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/cartwright-testkit"
found() {
    (PATH="$PATH:/usr/bin:/usr/sbin:$own/bin" && command -v "$1" >/dev/null 2>&1)
}
found redis-server || missing="$missing redis-server"
found varnishd || missing="$missing varnish"
found chromium || found chromium-browser || found google-chrome-stable || found google-chrome ||
    missing="$missing chromium"

if [ -z "$missing" ]; then
    echo "install-deps: nothing to do"
    exit 0
fi

# unpack PROGRAM OPTIONS PACKAGE...: unpacks the packages, and makes a program that runs what is in them.
# What apt-get download fetches needs no root, nor do package lists of one's own.
unpack() {
    program=$1 options=$2
    shift 2
    work=$(mktemp -d)
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$own/bin"
    packages=$*
    asked=$*
    set -- -qq -o "Dir::State=$work/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work/cache"
    apt-get "$@" update
    if [ "$program" = chromium ]; then
        # All that it needs and that is not installed.
        packages=$(apt-get "$@" --simulate --no-install-recommends install "$asked" | awk '$1 == "Inst" { print $2 }')
    fi
    # shellcheck disable=SC2086 # a list of package names
    (cd "$work" && apt-get "$@" download $packages)
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$own/root"
    done
    rm -rf "$work"
    cat >"$own/bin/$program" <<EOF
#!/bin/sh
root=\$(cd "\$(dirname "\$0")/../root" && pwd)
libraries=\$(echo "\$root"/usr/lib/*-linux-gnu)
path=\$root/usr/lib/$program/$program
[ -x "\$path" ] || path=\$root/usr/bin/$program
[ -x "\$path" ] || path=\$root/usr/sbin/$program
export LD_LIBRARY_PATH="\$libraries"
exec "\$path" $options "\$@"
EOF
    chmod +x "$own/bin/$program"
}

if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        exec sudo -n sh "$0" "$@"
    fi
    if [ "${missing#*postgresql}" = "$missing" ] && command -v apt-get >/dev/null 2>&1; then
        if ! found redis-server; then
            unpack redis-server "" redis-server redis-tools libatomic1 libjemalloc2 liblzf1
            "$own/bin/redis-server" --version
        fi
        if ! found varnishd; then
            # Its modules are looked for where the package would have put them.
            # shellcheck disable=SC2016 # the program that is made knows its libraries
            unpack varnishd '-p "vmod_path=$libraries/varnish/vmods"' varnish libjemalloc2
            LD_LIBRARY_PATH=$(echo "$own"/root/usr/lib/*-linux-gnu) "$own/root/usr/sbin/varnishd" -V
        fi
        if [ "${missing#*chromium}" != "$missing" ]; then
            unpack chromium "" chromium
            "$own/bin/chromium" --version
        fi
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

# Nor should they start at the next boot, on 5432, 6379 and 6081, only because the tests need the programs.
if command -v systemctl >/dev/null 2>&1; then
    services=$missing
    # Its package starts a logger beside it.
    [ "${missing#*varnish}" = "$missing" ] || services="$services varnishncsa"
    for service in $services; do
        systemctl disable --quiet "$service.service" >/dev/null 2>&1 || true
    done
fi
