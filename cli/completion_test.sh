#!/usr/bin/env bash
# completion_test.sh TRIVIUMCTL: sources the completion of bash, and of zsh where it is installed, and completes
# commands, options, kinds and contexts as a user's key would. No control plane is asked: names come from there
# (help_test.cc).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1" "$folder/triviumctl"
export PATH="$folder:$PATH" TRIVIUM_CONFIG="$folder/triviumctl.yaml"
cat > "$TRIVIUM_CONFIG" <<'YAML'
contexts:
- {name: aws, cluster: aws, principal: "aws:ctl:admin", nats: {servers: ["tls://127.0.0.1:1"], ca: c, cert: d, key: e}}
- {name: gcp, cluster: gcp, principal: "gcp:ctl:admin", nats: {servers: ["tls://127.0.0.1:1"], ca: c, cert: d, key: e}}
YAML

fail() { echo "FAILED: $*" >&2; exit 1; }

# check SHELL "WANTED..." WORD...: what completing the last word gives.
check() {
  local shell=$1 wanted=$2; shift 2
  local got
  got=$(complete_in_"$shell" "$@")
  [[ $got == "$wanted" ]] || fail "$shell: $*: got '$got', want '$wanted'"
}

complete_in_bash() {
  bash --norc -c '
    source <(triviumctl completion bash)
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    compopt() { :; }
    _triviumctl
    echo "${COMPREPLY[*]}"' - "$@"
}

complete_in_zsh() {
  zsh -f -c '
    compdef() { :; }
    compadd() { shift; found=("$@"); }
    _files() { found=(files); }
    source <(triviumctl completion zsh)
    words=("$@"); CURRENT=$#
    _triviumctl
    echo "${found[*]}"' - "$@"
}

for shell in bash zsh; do
  if ! command -v "$shell" >/dev/null; then
    echo "skipped: $shell is not installed"
    continue
  fi
  check "$shell" "delete describe" triviumctl de
  check "$shell" "use-context" triviumctl config u
  check "$shell" "netpol" triviumctl get netp
  check "$shell" "--all-clusters --all-namespaces" triviumctl get --all
  check "$shell" "gcp" triviumctl --context g
  check "$shell" "aws gcp" triviumctl config use-context ""
  check "$shell" "netpol.spec.podSelector netpol.spec.policyTypes" triviumctl explain netpol.spec.po
  echo "$shell: completes"
done
# Nothing to complete: bash falls back to files.
check bash "" triviumctl apply -f ""
# Nobody answers: no words, and soon.
start=$SECONDS
check bash "" triviumctl get netpol ""
((SECONDS - start < 10)) || fail "a name took $((SECONDS - start)) seconds"
