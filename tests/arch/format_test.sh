#!/usr/bin/env bash
# Every C and C++ file is as clang-format wants it. Mend with: clang-format-14 -i FILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if git ls-files >/dev/null 2>&1; then
  mapfile -d '' files < <(git ls-files -z '*.h' '*.cc' '*.c')
else
  mapfile -d '' files < <(find . -path ./build -prune -o -regex '.*\.\(h\|cc\|c\)' -print0)
fi
printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P 2 "$1" --dry-run -Werror
echo "${#files[@]} files are formatted"
