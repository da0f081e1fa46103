#!/usr/bin/env bash
# usage: subscribe.sh SERVER FOLDER CLUSTER NAME SUBJECTS [COUNT]
# Live events with the `nats` command, as they are published: what is said while it is not connected it does not hear
# (for that there are durable consumers: subscribe.py, subscribe.cc). Exit status 77 where `nats` is not installed.
set -euo pipefail
[[ $# -ge 5 ]] || { sed -n 2,4p "$0"; exit 2; }
command -v nats >/dev/null || { echo "SKIPPED: the nats command is not installed"; exit 77; }
server=$1 folder=$2 cluster=$3 name=$4 subjects=$5 count=${6:-0}
exec nats --server "$server" --tlsca "$folder/ca.crt" --tlscert "$folder/$cluster-sub-$name.crt" \
  --tlskey "$folder/$cluster-sub-$name.key" --inbox-prefix "_INBOX.$cluster:sub:$name" \
  sub "$subjects" $([[ $count == 0 ]] || echo --count "$count")
