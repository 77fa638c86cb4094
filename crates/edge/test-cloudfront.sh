#!/bin/sh
# Tests what speaks to CloudFront, against moto (an AWS in Python). The usual tests leave it out: it builds the AWS SDK.
#
#   sh crates/edge/test-cloudfront.sh
#
# moto is installed from PyPI into a virtual environment in the user's cache folder, once; arguments go to `cargo test`.
set -eu
cd "$(dirname "$0")/../.."

home="${XDG_CACHE_HOME:-$HOME/.cache}/cartwright-testkit/moto"
if [ ! -x "$home/bin/moto_server" ]; then
    python3 -m venv "$home" || {
        echo "test-cloudfront: Python's venv is needed; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
    "$home/bin/pip" install --quiet --disable-pip-version-check 'moto[server]>=5,<6'
fi
exec cargo test --locked --package cartwright-edge --features cloudfront "$@"
