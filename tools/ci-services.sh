#!/usr/bin/env bash
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
#
# MariaDB, PostgreSQL, RabbitMQ and Prometheus for the tests, from Debian
# packages, with ports and folders of their own: whatever runs on this machine
# already is neither used nor disturbed.
#
#   tools/ci-services.sh start    install what is missing (as root), start,
#                                 wait until each answers; harmless to repeat
#   tools/ci-services.sh env      print the variables the tests read:
#                                 eval "$(tools/ci-services.sh env)"
#   tools/ci-services.sh stop     stop what start has started
#   tools/ci-services.sh check    exit code 0 if start needs to install nothing
#
#   tools/ci-services.sh start mariadb rabbitmq    only these; also with stop.
#                                 A server that comes back keeps its port
#   tools/ci-services.sh rabbitmqctl ARGUMENTS     ask the broker
#
# CI_SERVICES_DIR      where everything lies, default .ci-services below the
#                      checkout
# CI_SERVICES_TIMEOUT  seconds each server is given to answer, default 90

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BASE=${CI_SERVICES_DIR:-$HERE/.ci-services}
TIMEOUT=${CI_SERVICES_TIMEOUT:-90}
# The servers listen on this machine only and hold nothing but test data.
ACCOUNT=watcher
PASSWORD=watcher

say() { printf 'ci-services: %s\n' "$*"; }
die() { printf 'ci-services: %s\n' "$*" >&2; exit 1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# --- packages ---------------------------------------------------------------

find_postgres() {
    local dir
    for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) \
               /usr/local/bin /usr/bin; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
            printf '%s\n' "$dir"
            return
        fi
    done
    return 1
}

find_rabbitmq() {
    # Not the wrapper in /usr/sbin: it insists on the user of the system
    # service and on its folders.
    local dir
    for dir in /usr/lib/rabbitmq/bin \
               /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin; do
        if [ -x "$dir/rabbitmq-server" ]; then
            printf '%s\n' "$dir"
            return
        fi
    done
    return 1
}

find_mariadb() { PATH=$PATH:/usr/sbin command -v mariadbd; }
# The tests let its tool judge alerts and metrics.
find_prometheus() {
    command -v promtool >/dev/null && command -v prometheus
}

missing_packages() {
    find_mariadb >/dev/null || echo mariadb-server
    find_postgres >/dev/null || echo postgresql
    find_rabbitmq >/dev/null || echo rabbitmq-server
    find_prometheus >/dev/null || echo prometheus
    command -v python3 >/dev/null || echo python3
}

install_packages() {
    local missing policy=/usr/sbin/policy-rc.d made_policy=
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    is_root || die "missing Debian packages: ${missing[*]}." \
        "Install them (apt-get install ${missing[*]}) or run this as root."
    command -v apt-get >/dev/null || die "missing: ${missing[*]}; this" \
        "machine has no apt-get, install them by its own means."
    say "installing ${missing[*]}"
    # The packages would start their system services; we run our own.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made_policy=1
    fi
    local failed=
    {
        DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
            -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
            --no-install-recommends install "${missing[@]}"
    } </dev/null >"$BASE/apt.log" 2>&1 || failed=1
    [ -z "$made_policy" ] || rm -f "$policy"
    if [ -n "$failed" ]; then
        tail -n 20 "$BASE/apt.log" >&2
        die "apt-get failed, see $BASE/apt.log"
    fi
}

# --- where and as whom ------------------------------------------------------

# PostgreSQL refuses to run as root, so as root every server runs as an
# unprivileged user; its folder must then be reachable for that user, which a
# checkout below /root is not.
server_user() {
    local user
    for user in postgres nobody; do
        if id -u "$user" >/dev/null 2>&1; then
            printf '%s\n' "$user"
            return
        fi
    done
    die 'neither the user postgres nor nobody exists'
}

as_server() { "${AS_SERVER[@]}" "$@"; }

prepare_folders() {
    RUN_USER=
    mkdir -p "$BASE"
    DATA=$BASE/data
    if is_root; then
        RUN_USER=$(server_user)
        mkdir -p "$DATA"
        if ! (cd / && setpriv --reuid="$RUN_USER" --clear-groups \
                --regid="$(id -g "$RUN_USER")" test -x "$DATA"); then
            # One place for each checkout, found again by the next run.
            rmdir "$DATA" 2>/dev/null || true
            DATA=/var/tmp/watcher-ci-services-$(
                printf '%s' "$BASE" | cksum | cut -d' ' -f1)
        fi
    fi
    AS_SERVER=(env "HOME=$DATA")
    if is_root; then
        AS_SERVER=(setpriv "--reuid=$RUN_USER" "--regid=$(id -g "$RUN_USER")"
                   --clear-groups env "HOME=$DATA")
    fi
    mkdir -p "$DATA"
    # Keep others out; a folder somebody else has put there is not ours.
    [ ! -L "$DATA" ] || die "$DATA is a symbolic link; remove it"
    if is_root; then
        chown "$RUN_USER" "$DATA"
    fi
    chmod 700 "$DATA"
    for name in mariadb postgresql rabbitmq prometheus log; do
        as_server mkdir -p "$DATA/$name"
    done
}

# --- ports and processes ----------------------------------------------------

# The first free port from $1 on, below the range of outgoing connections.
free_port() {
    python3 - "$1" <<'PY'
import socket
import sys

for port in range(int(sys.argv[1]), int(sys.argv[1]) + 1000):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            continue
        print(port)
        break
else:
    sys.exit('no free port')
PY
}

is_listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

is_running() {
    local file=$DATA/$1.pid pid
    [ -s "$file" ] || return 1
    pid=$(cat "$file")
    # After a restart of the machine the number may belong to anybody.
    grep -zqxF "HOME=$DATA" "/proc/$pid/environ" 2>/dev/null
}

save_port() { printf '%s\n' "$2" >"$DATA/$1.port"; }
port_of() { cat "$DATA/$1.port"; }

# choose_port NAME FIRST: the port it had before if that is free, so that its
# clients find it again; else the first free one.
choose_port() {
    local first=$2
    [ ! -s "$DATA/$1.port" ] || first=$(port_of "$1")
    save_port "$1" "$(free_port "$first")"
}

# launch NAME COMMAND...: in the background, in a session of its own, so that
# neither the terminal nor the caller's end takes it along.
launch() {
    local name=$1
    shift
    (
        cd "$DATA"
        exec setsid "${AS_SERVER[@]}" "$@"
    ) </dev/null >"$DATA/log/$name.out" 2>&1 &
    printf '%s\n' $! >"$DATA/$name.pid"
}

wait_for() {
    local name=$1 deadline=$((SECONDS + TIMEOUT))
    shift
    until "$@" >/dev/null 2>&1; do
        # Not is_running: the process may not have become the server yet.
        if ! kill -0 "$(cat "$DATA/$name.pid")" 2>/dev/null; then
            tail -n 20 "$DATA/log/$name.out" >&2 || true
            die "$name ended while starting, see $DATA/log"
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 20 "$DATA/log/$name.out" >&2 || true
            die "$name does not answer after $TIMEOUT s, see $DATA/log"
        fi
        sleep 0.2
    done
    say "$name answers on 127.0.0.1:$(port_of "$name")"
}

stop_one() {
    local name=$1 signal=$2 pid deadline=$((SECONDS + 30))
    if is_running "$name"; then
        pid=$(cat "$DATA/$name.pid")
        kill "-$signal" "$pid" 2>/dev/null || true
        while kill -0 "$pid" 2>/dev/null; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                say "$name does not end, killing it"
                kill -KILL -- "-$pid" 2>/dev/null ||
                    kill -KILL "$pid" 2>/dev/null || true
                break
            fi
            sleep 0.1
        done
        say "$name stopped"
    fi
    rm -f "$DATA/$name.pid"
}

# --- MariaDB ----------------------------------------------------------------

mariadb_answers() {
    mariadb-admin --no-defaults --protocol=tcp --host=127.0.0.1 \
        --port="$(port_of mariadb)" --user="$ACCOUNT" \
        --password="$PASSWORD" --connect-timeout=2 status
}

start_mariadb() {
    local dir=$DATA/mariadb server port
    server=$(find_mariadb)
    if is_running mariadb && mariadb_answers >/dev/null 2>&1; then
        say "mariadb already answers on 127.0.0.1:$(port_of mariadb)"
        return
    fi
    stop_one mariadb TERM
    if [ ! -d "$dir/mysql" ]; then
        (cd "$DATA" && as_server mariadb-install-db --no-defaults \
            --datadir="$dir" --auth-root-authentication-method=normal \
            --skip-test-db --skip-name-resolve) \
            </dev/null >"$DATA/log/mariadb-install.out" 2>&1 ||
            die "mariadb-install-db failed, see $DATA/log"
    fi
    cat >"$DATA/mariadb.sql" <<SQL
CREATE USER IF NOT EXISTS '$ACCOUNT'@'%' IDENTIFIED BY '$PASSWORD';
GRANT ALL PRIVILEGES ON *.* TO '$ACCOUNT'@'%' WITH GRANT OPTION;
SQL
    chmod 644 "$DATA/mariadb.sql"
    choose_port mariadb 23306
    port=$(port_of mariadb)
    # Durability is nothing to a test; speed is. The socket's path is
    # relative to the data folder, because a long one is refused.
    launch mariadb "$server" --no-defaults --datadir="$dir" \
        --init-file="$DATA/mariadb.sql" --socket=server.sock \
        --bind-address=127.0.0.1 --port="$port" --skip-name-resolve \
        --character-set-server=utf8mb4 --max-connections=300 \
        --skip-log-bin --innodb-flush-log-at-trx-commit=0 \
        --innodb-flush-method=nosync --sync-frm=0 \
        --innodb-doublewrite=0 --innodb-buffer-pool-size=128M \
        --innodb-stats-persistent=0 --performance-schema=0 \
        --pid-file="$dir/server.pid"
    wait_for mariadb mariadb_answers
}

# --- PostgreSQL -------------------------------------------------------------

postgresql_answers() {
    PGPASSWORD=$PASSWORD PGCONNECT_TIMEOUT=2 "$POSTGRES_BIN/psql" -qtAX \
        -h 127.0.0.1 -p "$(port_of postgresql)" -U "$ACCOUNT" postgres \
        -c 'SELECT 1' </dev/null
}

start_postgresql() {
    local dir=$DATA/postgresql/data port
    POSTGRES_BIN=$(find_postgres)
    if is_running postgresql && postgresql_answers >/dev/null 2>&1; then
        say "postgresql already answers on" \
            "127.0.0.1:$(port_of postgresql)"
        return
    fi
    stop_one postgresql INT
    if [ ! -s "$dir/PG_VERSION" ]; then
        printf '%s\n' "$PASSWORD" >"$DATA/postgresql.password"
        chmod 644 "$DATA/postgresql.password"
        (cd "$DATA" && as_server "$POSTGRES_BIN/initdb" -D "$dir" \
            -U "$ACCOUNT" --auth=scram-sha-256 --encoding=UTF8 \
            --locale=C --no-sync \
            --pwfile="$DATA/postgresql.password") \
            </dev/null >"$DATA/log/postgresql-init.out" 2>&1 ||
            die "initdb failed, see $DATA/log"
    fi
    rm -f "$dir/postmaster.pid"
    choose_port postgresql 25432
    port=$(port_of postgresql)
    launch postgresql "$POSTGRES_BIN/postgres" -D "$dir" -p "$port" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
        -c max_connections=300
    wait_for postgresql postgresql_answers
}

# --- RabbitMQ ---------------------------------------------------------------

rabbitmq_env() {
    local dir=$DATA/rabbitmq
    printf '%s\n' \
        "RABBITMQ_NODENAME=watcher-ci@localhost" \
        "RABBITMQ_CONF_ENV_FILE=/dev/null" \
        "RABBITMQ_CONFIG_FILE=$dir/rabbitmq" \
        "RABBITMQ_ADVANCED_CONFIG_FILE=$dir/advanced" \
        "RABBITMQ_MNESIA_BASE=$dir/mnesia" \
        "RABBITMQ_LOG_BASE=$DATA/log" \
        "RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins" \
        "RABBITMQ_SCHEMA_DIR=$dir/schema" \
        "RABBITMQ_PID_FILE=$dir/server.pid" \
        "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1" \
        "RABBITMQ_NODE_PORT=$(port_of rabbitmq)" \
        "RABBITMQ_DIST_PORT=$(port_of rabbitmq-dist)" \
        "RABBITMQ_CTL_DIST_PORT_MIN=$(port_of rabbitmq-ctl)" \
        "RABBITMQ_CTL_DIST_PORT_MAX=$(($(port_of rabbitmq-ctl) + 10))" \
        "ERL_EPMD_PORT=$(port_of epmd)" \
        "ERL_EPMD_ADDRESS=127.0.0.1" \
        "LC_ALL=C.UTF-8"
}

rabbitmq() {
    local tool=$1 settings
    shift
    mapfile -t settings < <(rabbitmq_env)
    (cd "$DATA" && as_server env "${settings[@]}" "$RABBITMQ_BIN/$tool" "$@")
}

# A whole AMQP login, so that the answer means more than an open port.
rabbitmq_answers() {
    is_listening "$(port_of rabbitmq)" &&
        rabbitmq rabbitmqctl -q --timeout 10 authenticate_user \
            "$ACCOUNT" "$PASSWORD" </dev/null
}

start_rabbitmq() {
    local dir=$DATA/rabbitmq settings
    RABBITMQ_BIN=$(find_rabbitmq)
    if is_running rabbitmq && rabbitmq_answers >/dev/null 2>&1; then
        say "rabbitmq already answers on 127.0.0.1:$(port_of rabbitmq)"
        return
    fi
    stop_rabbitmq
    choose_port rabbitmq 26672
    choose_port rabbitmq-dist 27672
    choose_port rabbitmq-ctl 28672
    choose_port epmd 24369
    cat >"$dir/rabbitmq.conf" <<CONF
default_user = $ACCOUNT
default_pass = $PASSWORD
default_user_tags.administrator = true
# The disk of a test machine is allowed to be nearly full.
disk_free_limit.absolute = 50MB
CONF
    : >"$dir/enabled_plugins"
    printf '[].\n' >"$dir/enabled_plugins"
    if is_root; then
        chown -R "$RUN_USER" "$dir"
    fi
    mapfile -t settings < <(rabbitmq_env)
    # Two schedulers: Erlang would start one for each CPU it sees. And no
    # port is open to the network, not even that of the node itself.
    local loopback='-kernel inet_dist_use_interface {127,0,0,1}'
    launch rabbitmq env "${settings[@]}" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 $loopback" \
        "$RABBITMQ_BIN/rabbitmq-server"
    wait_for rabbitmq rabbitmq_answers
}

stop_rabbitmq() {
    stop_one rabbitmq TERM
    # The port mapper of our node outlives it; it is ours alone. It refuses
    # to end while it knows a node, so give it a moment.
    [ -s "$DATA/epmd.port" ] && command -v epmd >/dev/null || return 0
    local deadline=$((SECONDS + 10))
    while is_listening "$(port_of epmd)" && [ "$SECONDS" -lt "$deadline" ]
    do
        ERL_EPMD_ADDRESS=127.0.0.1 epmd -port "$(port_of epmd)" -kill \
            >/dev/null 2>&1 || sleep 0.2
    done
    rm -f "$DATA/epmd.port"
}

# --- Prometheus -------------------------------------------------------------

prometheus_answers() {
    is_listening "$(port_of prometheus)" && python3 - \
        "http://127.0.0.1:$(port_of prometheus)/-/ready" <<'PY'
import sys
import urllib.request

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(sys.argv[1], timeout=2)
PY
}

start_prometheus() {
    local dir=$DATA/prometheus port
    if is_running prometheus && prometheus_answers >/dev/null 2>&1; then
        say "prometheus already answers on 127.0.0.1:$(port_of prometheus)"
        return
    fi
    stop_one prometheus TERM
    # What an earlier run measured is of no use.
    as_server rm -rf "$dir/data"
    choose_port prometheus 29090
    port=$(port_of prometheus)
    # The tests write their samples into it; only one target is scraped, so
    # that there is one.
    cat >"$dir.yml" <<YAML
global:
  scrape_interval: 1h
scrape_configs:
  - job_name: self
    static_configs:
      - targets: ['127.0.0.1:$port']
        labels: {fqdn: monitor.example.org}
storage:
  tsdb:
    out_of_order_time_window: 3h
YAML
    chmod 644 "$dir.yml"
    launch prometheus "$(find_prometheus)" --config.file="$dir.yml" \
        --storage.tsdb.path="$dir/data" --storage.tsdb.retention.time=1d \
        --web.listen-address="127.0.0.1:$port" \
        --web.enable-remote-write-receiver --log.level=warn
    wait_for prometheus prometheus_answers
}

# --- commands ---------------------------------------------------------------

SERVERS=(mariadb postgresql rabbitmq prometheus)

# write_env SERVER...: only what has been started here is named.
write_env() {
    local server
    for server in "$@"; do
        case $server in
            mariadb) cat <<ENV ;;
export WATCHER_TEST_MYSQL_URL='mysql+pymysql://$ACCOUNT:$PASSWORD@127.0.0.1:$(port_of mariadb)/mysql?ssl_disabled=true'
ENV
            postgresql) cat <<ENV ;;
export WATCHER_TEST_POSTGRESQL_URL='postgresql+psycopg2://$ACCOUNT:$PASSWORD@127.0.0.1:$(port_of postgresql)/postgres'
ENV
            rabbitmq) cat <<ENV ;;
export WATCHER_TEST_RABBIT_URL='rabbit://$ACCOUNT:$PASSWORD@127.0.0.1:$(port_of rabbitmq)/'
ENV
            prometheus) cat <<ENV ;;
export WATCHER_TEST_PROMETHEUS_URL='http://127.0.0.1:$(port_of prometheus)'
ENV
        esac
    done >"$BASE/env"
}

check_names() {
    local name
    for name in "$@"; do
        [[ " ${SERVERS[*]} " == *" $name "* ]] ||
            die "there is no server $name, only ${SERVERS[*]}"
    done
}

start() {
    local server running=()
    mkdir -p "$BASE"
    install_packages
    prepare_folders
    for server in "$@"; do
        "start_$server"
    done
    for server in "${SERVERS[@]}"; do
        ! is_running "$server" || running+=("$server")
    done
    write_env "${running[@]}"
    say "variables for the tests: eval \"\$(tools/ci-services.sh env)\""
}

stop_mariadb() { stop_one mariadb TERM; }
stop_postgresql() { stop_one postgresql INT; }
stop_prometheus() { stop_one prometheus TERM; }

stop() {
    local server
    [ -d "$BASE" ] || return 0
    prepare_folders
    for server in "$@"; do
        "stop_$server"
    done
}

show_env() {
    [ -s "$BASE/env" ] || die "not started: tools/ci-services.sh start"
    cat "$BASE/env"
}

ask_rabbitmq() {
    prepare_folders
    RABBITMQ_BIN=$(find_rabbitmq)
    is_running rabbitmq || die "rabbitmq is not running"
    rabbitmq rabbitmqctl "$@" </dev/null
}

command=${1:-}
[ $# -eq 0 ] || shift
case "$command" in
    start)
        check_names "$@"
        [ $# -gt 0 ] || set -- "${SERVERS[@]}"
        start "$@"
        ;;
    stop)
        check_names "$@"
        if [ $# -eq 0 ]; then
            rm -f "$BASE/env"
            set -- prometheus rabbitmq postgresql mariadb
        fi
        stop "$@"
        ;;
    env) show_env ;;
    check) [ -z "$(missing_packages)" ] ;;
    rabbitmqctl) ask_rabbitmq "$@" ;;
    *)
        echo "usage: ${BASH_SOURCE[0]} start|stop|env|check|rabbitmqctl" \
            "[SERVER or argument...]" >&2
        exit 2
        ;;
esac
