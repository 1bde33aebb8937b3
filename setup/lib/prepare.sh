# shellcheck shell=bash disable=SC2154 # what the other parts set
# prepare PURPOSE: makes the machine ready for `program`, `check` or `lab`, and sets tool_path.

for part in common node go pulumi modules actionlint debian; do
  # shellcheck source=/dev/null # each part is checked by itself
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

needs=(node pulumi modules actionlint debian)

prepare() {
  purpose=$1
  local need todo=0
  [[ -d $cache ]] || require_cache
  for need in "${needs[@]}"; do "${need}_ready" || todo=1; done
  if ((todo)); then
    require_cache
    take_lock
    provide_all
    drop_lock
  fi
  PATH=$tool_path$PATH
  if ((${#problems[@]} == 0)); then return; fi
  say "Not ready for '$purpose':"
  for problem in "${problems[@]}"; do say "- $problem"; done
  exit 3
}

# Asks again first: another setup may have done it while this one waited for the lock.
provide_all() {
  tool_path=""
  local need
  for need in "${needs[@]}"; do
    "${need}_ready" || "${need}_provide"
  done
}
