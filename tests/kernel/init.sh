#!/bin/busybox sh
# Init of the virtual machine: the same checks with and without TLS in the kernel, a line for each.
/bin/busybox mkdir -p /proc /sys /dev /run /sbin /tmp
/bin/busybox --install -s /sbin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ip link set lo up
dmesg -n 1

METRICS=http://127.0.0.1:8080/metrics
SECURE=https://test.example:8443
ASK="curl -sS --max-time 120 --cacert /authority.pem --resolve test.example:8443:127.0.0.1"

said() { # NAME RESULT: 0 is good
  if [ "$2" = 0 ]; then
    echo "ok $mode $1"
  else
    echo "not ok $mode $1"
    tail -n 5 /tmp/said
  fi
}

check() { # NAME COMMAND...
  name=$1
  shift
  "$@" >/tmp/said 2>&1
  said "$name" $?
}

metric() {
  curl -sS "$METRICS" | grep -F "$1" | cut -d' ' -f2
}

kernel_count() {
  metric 'ballast_tls_kernel_connections_total{direction="send"}'
}

# How many more connections the kernel encrypts after COMMAND: as many as given, or none where it is not to.
counted() { # MORE COMMAND...
  before=$(kernel_count)
  more=$1
  shift
  "$@" || return 1
  [ "$mode" = auto ] || more=0
  after=$(kernel_count)
  echo "counted $before, then $after"
  [ "$after" = $((before + more)) ]
}

same() { # BYTES CURL-OPTION...: a body of so many bytes is what the worker says without TLS
  bytes=$1
  shift
  curl -sS "http://127.0.0.1:8080/bytes/$bytes" | sha256sum >/tmp/plain
  $ASK "$@" "$SECURE/bytes/$bytes" | sha256sum >/tmp/secure
  cmp /tmp/plain /tmp/secure
}

upload() { # CURL-OPTION...
  $ASK "$@" --data-binary @/bin/busybox "$SECURE/echo" | cmp - /bin/busybox
}

kept() {
  made=$($ASK --http1.1 -o /tmp/1 -o /tmp/2 -o /tmp/3 -w '%{num_connects}' "$SECURE/" "$SECURE/" "$SECURE/")
  [ "$made" = 100 ]
}

parallel() {
  $ASK --http2 --parallel -w '%{http_version} %{size_download}\n' -o /tmp/1 -o /tmp/2 -o /tmp/3 \
    "$SECURE/bytes/300000" "$SECURE/bytes/300000" "$SECURE/bytes/300000" >/tmp/versions || return 1
  cat /tmp/versions
  [ "$(grep -c '^2 300000$' /tmp/versions)" = 3 ] && cmp /tmp/1 /tmp/2 && cmp /tmp/2 /tmp/3
}

client() { # OPTION...
  openssl s_client -connect 127.0.0.1:8443 -servername test.example -CAfile /authority.pem -verify_return_error "$@"
}

seen() { # COMMAND...: comes true, within a minute
  late=$(($(date +%s) + 60))
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$late" ] || return 1
    usleep 100000
  done
}

one_request() { # TARGET
  printf 'GET %s HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n' "$1"
}

# What the listener has sent and its client has not taken: columns are the local address and the queues, in hex.
waits_to_leave() {
  awk '$2 ~ /:20FB$/ && $5 !~ /^00000000:/ { waits = 1 } END { exit !waits }' /proc/net/tcp
}

# A client that reads nothing until it has to, and then whether all came, and then the end: s_client tells of a cut.
ended() { # VERSION BYTES
  one_request "/bytes/$2" | client -quiet "$1" 2>/tmp/errors | (seen waits_to_leave; wc -c) >/tmp/count
  cat /tmp/errors /tmp/count
  ! grep -q 'unexpected eof' /tmp/errors && [ "$(cat /tmp/count)" -gt "$2" ]
}

resumed() { # VERSION
  rm -f /tmp/session
  one_request / | client "$1" -ign_eof -sess_out /tmp/session >/dev/null 2>&1
  one_request / | client "$1" -ign_eof -sess_in /tmp/session >/tmp/again 2>&1
  grep -E '^(Reused|New),' /tmp/again
  grep -q '^Reused,' /tmp/again && grep -q '^HTTP/1.1 200' /tmp/again
}

# The key that the kernel has cannot be changed: who asks for that loses the connection, in order. Otherwise it is done.
# shellcheck disable=SC2094 # it waits for what is written there
rekeyed() {
  : >/tmp/rekeyed
  (
    seen grep -q ESTABLISHED /tmp/rekeyed
    echo K
    seen grep -q KEYUPDATE /tmp/rekeyed
    one_request /
    seen grep -q -e ^HTTP -e ^gone /tmp/rekeyed
  ) | (client -tls1_3 -brief; echo gone) >/tmp/rekeyed 2>&1
  grep -E 'KEYUPDATE|HTTP|error|gone' /tmp/rekeyed
  grep -q KEYUPDATE /tmp/rekeyed || return 1
  if [ "$mode" = auto ]; then
    ! grep -q -e '^HTTP/1.1' -e error: /tmp/rekeyed
  else
    grep -q '^HTTP/1.1 200' /tmp/rekeyed
  fi
}

refused() { # a client without a certificate, where one must be shown: it is told why
  curl -sS --http1.1 --cacert /authority.pem --resolve test.example:8444:127.0.0.1 https://test.example:8444/ 2>&1 |
    tee /tmp/refused | grep -q 'certificate required'
}

# While a body is on its way, and read slowly.
meanwhile() { # SIGNAL COMMAND...: true once what the signal is for has happened
  signal=$1
  shift
  curl -sS "http://127.0.0.1:8080/bytes/6000000" | sha256sum >/tmp/plain
  $ASK --http1.1 --limit-rate 600000 "$SECURE/bytes/6000000" 2>/tmp/errors | sha256sum >/tmp/secure &
  loading=$!
  seen waits_to_leave
  kill "-$signal" "$ballast"
  seen "$@" && $ASK -o /dev/null "$SECURE/" || return 1
  wait "$loading"
  cat /tmp/errors
  cmp /tmp/plain /tmp/secure
}

reloaded() {
  [ "$(metric 'ballast_reloads_total{result="applied"}')" = 1 ]
}

# Two servers: the one before has a connection.
upgraded() {
  [ "$(grep -c ' ready ' /tmp/log)" = 2 ]
}

start() {
  sed "s/MODE/$mode/" /ballast.yaml >/tmp/ballast.yaml
  ballast run -c /tmp/ballast.yaml >/tmp/log 2>&1 &
  ballast=$!
  seen alive || cat /tmp/log
}

alive() {
  curl -sS "$METRICS" | grep -q '_alive 1'
}

all() {
  start
  check "TLS 1.3" counted 1 same 100 --tlsv1.3 --http1.1
  check "TLS 1.2" counted 1 same 100 --tls-max 1.2 --http1.1
  check "TLS 1.3, long" same "$LONG" --tlsv1.3 --http1.1
  check "TLS 1.2, long" same "$LONG" --tls-max 1.2 --http1.1
  check "AES-256" counted 1 same 100000 --tls13-ciphers TLS_AES_256_GCM_SHA384 --http1.1
  check "ChaCha20" counted 1 same 100000 --tls13-ciphers TLS_CHACHA20_POLY1305_SHA256 --http1.1
  check "upload, TLS 1.3" upload --tlsv1.3 --http1.1
  check "upload, TLS 1.2" upload --tls-max 1.2 --http1.1
  check "upload, HTTP/2" upload --http2
  check "kept alive" counted 1 kept
  check "HTTP/2" parallel
  check "end, TLS 1.3" ended -tls1_3 3000000
  check "end, TLS 1.2" ended -tls1_2 3000000
  check "resumed, TLS 1.3" counted 2 resumed -tls1_3
  check "resumed, TLS 1.2" counted 1 resumed -tls1_2 # the resumed one is the library's
  check "new keys" rekeyed
  check "no certificate" refused
  check "reload" meanwhile HUP reloaded
  check "upgrade" meanwhile USR2 upgraded
  check "log" calm
  kill -TERM "$ballast"
  wait "$ballast"
  check "stopped" [ $? = 0 ]
}

calm() {
  ! grep -E ' (warn|error) |assert' /tmp/log | grep -v 'runs as root'
}

doctor() {
  sed 's/MODE/auto/' /ballast.yaml >/tmp/ballast.yaml
  ballast doctor -c /tmp/ballast.yaml | tee /tmp/doctor | grep -q "^$1 *kernel_tls" &&
    ballast check -c /tmp/ballast.yaml 2>&1 | tee /tmp/check | grep -c kernel-tls | grep -q -x "$2"
}

ballast-worker --port 4001 >/dev/null 2>&1 &
mode=auto
check "doctor, without the module" doctor warn 2
for module in /modules/*.ko; do
  insmod "$module"
done
check "doctor, with the module" doctor ok 0
all
grep -E 'TlsTxSw|TlsDecryptError' /proc/net/tls_stat
mode=off
all
echo finished
poweroff -f
