# What every script of this folder needs to know; sourced, not run.
#
#   ROOT       the project
#   PG_CONFIG  the Postgres to build for (default: Debian's 15)
#   SERVER     our private, writable copy of that Postgres (nothing outside target/ is ever written)
#   as_server  runs a server command: as itself for an ordinary user; for root inside a user namespace that shows
#              root as the postgres account, because initdb and postgres refuse uid 0
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PGRX_VERSION=0.18.1
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
TOOLS=${CARGO_HOME:-$HOME/.cargo}/jdl/cargo-pgrx-$PGRX_VERSION
export PGRX_HOME=$TARGET/pgrx
export CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND=1
export PATH=$TOOLS/bin:$PATH
# With it a Rust panic would send its stack trace to the client.
unset RUST_BACKTRACE

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Facts about $PG_CONFIG; called once it exists.
locate_server() {
  local version
  version=$("$PG_CONFIG" --version | sed 's/^PostgreSQL //; s/ .*//')
  PG_MAJOR=${version%%.*}
  SERVER=$TARGET/server-$version
  SERVER_BIN=$SERVER$("$PG_CONFIG" --bindir)
  SERVER_PG_CONFIG=$SERVER_BIN/pg_config
  # The same for every cargo command: another value would compile pgrx anew.
  export PGRX_PG_CONFIG_PATH=$SERVER_PG_CONFIG
}

# make_steps DIR: the upgrade steps from every earlier version to the one whose install script lies in DIR.
make_steps() {
  local version old from
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml" | head -n 1)
  for old in "$ROOT"/sql/released/jdl--*.sql; do
    from=${old##*jdl--}
    "$ROOT/scripts/upgrade-step" "$old" "$1/jdl--$version.sql" >"$1/jdl--${from%.sql}--$version.sql"
  done
}

as_server() {
  if [ "$(id -u)" -eq 0 ]; then
    unshare --user --map-user="$SERVER_UID" --map-group="$SERVER_GID" -- env USER=postgres LOGNAME=postgres "$@"
  else
    "$@"
  fi
}

if [ "$(id -u)" -eq 0 ]; then
  # Any account but root will do; the postgres account is the one that people expect to see.
  SERVER_UID=$(id -u postgres 2>/dev/null || echo 65534)
  SERVER_GID=$(id -g postgres 2>/dev/null || echo 65534)
fi
