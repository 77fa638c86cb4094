#!/bin/sh
# Installs what the test kit starts: PostgreSQL server binaries, redis-server, varnish and chromium (Debian); and
# schemathesis, from the Python package index.
#
# Does nothing when all are there. No service is started and no running one is touched: the packages'
# start-up hooks are denied while apt runs.
#
# Without root, and without sudo that asks no password, redis-server, varnish and chromium are unpacked into
# the user's cache folder, where the test kit looks for them. PostgreSQL needs root. Schemathesis is in that folder in
# any case, in a virtual environment: the system's Python is left alone.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

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

# Named by what is in it.
environment="$own/schemathesis-$(cksum <"$here/schemathesis.txt" | cut -d ' ' -f 1)"
python() {
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}
[ -x "$environment/bin/python" ] || python >/dev/null || missing="$missing python3-venv"

# The last step of all ways. Not for root who installs packages for somebody else.
finish() {
    [ "$only_packages" = 1 ] && exit 0
    if ! [ -x "$environment/bin/python" ]; then
        mkdir -p "$own"
        work=$(mktemp -d "$own/schemathesis.XXXXXX")
        "$(python)" -m venv "$work/venv"
        "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/schemathesis.txt"
        # One whose Python has been taken away.
        [ -x "$environment/bin/python" ] || rm -rf "$environment"
        # Whole, or not there: somebody else may do the same at this moment.
        mv -T "$work/venv" "$environment" 2>/dev/null || [ -x "$environment/bin/python" ]
        rm -rf "$work"
    fi
    mkdir -p "$own/bin"
    cat >"$own/bin/schemathesis.$$" <<EOF
#!/bin/sh
exec "$environment/bin/python" -c 'from schemathesis.cli import schemathesis as run; run(prog_name="schemathesis")' "\$@"
EOF
    chmod +x "$own/bin/schemathesis.$$"
    mv "$own/bin/schemathesis.$$" "$own/bin/schemathesis"
    "$own/bin/schemathesis" --version
    exit 0
}
only_packages=0
[ "${1:-}" = packages ] && only_packages=1

if [ -z "$missing" ]; then
    echo "install-deps: no packages are missing"
    finish
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
        sudo -n sh "$0" packages
        finish
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
        if [ "${missing#*python3-venv}" != "$missing" ]; then
            echo "install-deps: run as root: apt-get install python3-venv" >&2
            exit 1
        fi
        finish
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

restore
trap - EXIT
finish
