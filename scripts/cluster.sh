# Private clusters of our own; sourced by with-cluster and demo after env.sh and locate_server.
# shellcheck shell=bash

# start_cluster DIR: makes the cluster in DIR where there is none, starts it, and points the PG* variables at it.
start_cluster() {
  local dir=$1
  if [ ! -d "$dir/data" ]; then
    as_server "$SERVER_BIN/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --data-checksums >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; die "initdb failed"; }
    cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
max_connections = 60
shared_buffers = 512MB
work_mem = 64MB
maintenance_work_mem = 512MB
max_wal_size = 4GB
wal_recycle = off
max_worker_processes = 24
jit = off
# Personal values must not reach the log: docs/administration.md says which setting closes what.
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
CONF
    # The keys of disclosure control live outside the data directory.
    (umask 077 && printf '1 %s\n' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$dir/jdl.key")
    echo "jdl.key_file = '$dir/jdl.key'" >>"$dir/data/postgresql.conf"
    local library libraries=()
    for library in pg_cron pgaudit; do
      if [ -e "$("$SERVER_PG_CONFIG" --pkglibdir)/$library.so" ]; then libraries+=("$library"); fi
    done
    printf "shared_preload_libraries = '%s'\n" "$(IFS=,; echo "${libraries[*]}")" >>"$dir/data/postgresql.conf"
    if [ -e "$("$SERVER_PG_CONFIG" --pkglibdir)/pg_cron.so" ]; then
      cat >>"$dir/data/postgresql.conf" <<CONF
cron.database_name = 'jdl'
cron.use_background_workers = on
CONF
    fi
  fi
  chmod 711 "$dir"
  as_server "$SERVER_BIN/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -o "-p 5432" start >/dev/null ||
    { tail -n 20 "$dir/server.log" >&2; die "the private server did not start"; }
  export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=jdl
  export PATH=$SERVER_BIN:$PATH
}

stop_cluster() {
  [ -f "$1/data/postmaster.pid" ] || return 0
  as_server "$SERVER_BIN/pg_ctl" -D "$1/data" -m immediate -w stop >/dev/null 2>&1 || true
}

# create_jdl: the databases jdl_template and jdl, with the extension created and installed.
create_jdl() {
  local quiet=(psql -X -q -v ON_ERROR_STOP=1 -o /dev/null)
  PGOPTIONS='-c client_min_messages=warning' "${quiet[@]}" -d postgres -c 'CREATE DATABASE jdl_template'
  PGOPTIONS='-c client_min_messages=warning' "${quiet[@]}" -d jdl_template -c 'CREATE EXTENSION jdl' -c 'SELECT jdl_install()'
  "${quiet[@]}" -d postgres -c 'CREATE DATABASE jdl TEMPLATE jdl_template' -c 'REVOKE CREATE, TEMPORARY ON DATABASE jdl, jdl_template FROM PUBLIC' -c 'ALTER DATABASE jdl_template IS_TEMPLATE true'
  if [ "$("$SERVER_BIN/psql" -X -At -d jdl -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'")" = 1 ]; then
    "${quiet[@]}" -d jdl -c 'CREATE EXTENSION pg_cron' -c 'GRANT USAGE ON SCHEMA cron TO jdl_dba'
  fi
}
