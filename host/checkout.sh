# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# A checkout on the host, from which it builds its own system: at the exact revision, and nothing else in it.

checkout_dir='' checkout_name='' checkout_rev='' checkout_before=''

check_checkout() {
  [[ $strategy == flake ]] || return 0
  arg_get checkout.directory && checkout_dir=$REPLY
  require_directory checkout.directory "$checkout_dir"
  # It becomes part of a flake reference, in which other characters mean something.
  [[ $checkout_dir =~ ^[A-Za-z0-9/._+-]+$ ]] || {
    quote "$checkout_dir"
    fail bad-argument "[checkout.directory] may hold letters, digits, '/', '.', '_', '+' and '-' only: $REPLY."
  }
  arg_get checkout.name && checkout_name=$REPLY
  require_name checkout.name "$checkout_name"
  arg_get checkout.rev && checkout_rev=$REPLY
  [[ $checkout_rev =~ ^[0-9a-f]{40}$ ]] || fail bad-argument "[checkout.rev] is not a full commit id."
  arg_get timeouts.build
  require_seconds timeouts.build "$REPLY"
}

step_checkout() {
  local said
  status checkout "checking out ${checkout_rev:0:12} in $checkout_dir"
  said=$(in_checkout rev-parse --verify --quiet 'HEAD^{commit}' 2>&1) || {
    because "[checkout.directory] $checkout_dir is not a git checkout that root can use: ${said:-it has no commit}."
    return
  }
  is_clean || return
  has_revision || return
  [[ $said != "$checkout_rev" ]] || return 0
  checkout_before=$(in_checkout symbolic-ref --quiet --short HEAD) || checkout_before=$said
  said=$(in_checkout checkout --quiet --detach "$checkout_rev" -- 2>&1) || { because "git could not check out $checkout_rev: $said."; return; }
  is_clean || return
  not_cancelled
}

# Untracked files count: they are what somebody has forgotten to add.
is_clean() {
  local dirty
  dirty=$(in_checkout status --porcelain --untracked-files=normal 2>&1) || { because "git cannot read $checkout_dir: $dirty."; return; }
  [[ ! $dirty ]] || {
    dirty=${dirty:0:300}
    because "The checkout $checkout_dir is dirty (${dirty//$'\n'/, }). Commit, stash or remove that first."
  }
}

has_revision() {
  local said
  ! in_checkout cat-file -e "$checkout_rev^{commit}" 2>/dev/null || return 0
  status checkout "fetching ${checkout_rev:0:12} from the checkout's origin"
  # Not every server hands out a commit by its id.
  said=$(fetch "$checkout_rev" || fetch) || true
  in_checkout cat-file -e "$checkout_rev^{commit}" 2>/dev/null || {
    last_bytes "$said" 300
    because "The revision $checkout_rev is neither in $checkout_dir nor to be had from its origin${REPLY:+: ${REPLY//$'\n'/ }}."
  }
}

fetch() {
  GIT_TERMINAL_PROMPT=0 timeout --kill-after=5 "${arg[timeouts.build]}" \
    git -C "$checkout_dir" fetch --quiet --tags origin "$@" 2>&1 </dev/null
}

# Hooks of the checkout are not part of an activation.
in_checkout() {
  git -C "$checkout_dir" -c core.hooksPath=/dev/null -c core.quotePath=true "$@" </dev/null
}

step_build() {
  local built=$RUN/build
  status build "building $checkout_name from $checkout_dir"
  type -P nixos-rebuild >/dev/null || { because "There is no nixos-rebuild on the host."; return; }
  mkdir -p -- "$built" && cd -- "$built" || return
  run_watched "${arg[timeouts.build]}" "building $checkout_name" nixos-rebuild build --flake "$checkout_dir#$checkout_name"
  cd /
  last_words
  [[ $switch_exit == 0 ]] || { because "nixos-rebuild build ended with $switch_exit: $REPLY."; return; }
  built=$(readlink -e -- "$built/result") || built=
  [[ $built =~ $STORE_PATH ]] || { because "nixos-rebuild build has left no system in ./result."; return; }
  [[ ! $toplevel || $toplevel == "$built" ]] || {
    because "The checkout builds $built, the release has $toplevel: something is in the one that is not in the other."
    return
  }
  toplevel=$built
  not_cancelled
}

# rebuild_switch WHAT: the profile is moved and the switch made by nixos-rebuild, in its own transient unit.
rebuild_switch() {
  run_watched "${arg[timeouts.switch]}" "$1" nixos-rebuild switch --flake "$checkout_dir#$checkout_name"
  case $switch_exit in
    124 | 137 | 143)
      # What it has started would switch on.
      systemctl stop -- nixos-rebuild-switch-to-configuration.service 2>/dev/null || true
      ;;
  esac
}

# restore_checkout: the branch or commit that was checked out before.
restore_checkout() {
  local said
  [[ $checkout_before ]] || return 0
  said=$(in_checkout checkout --quiet "$checkout_before" -- 2>&1) || {
    failure_reason+=" The checkout $checkout_dir could not be set back to $checkout_before: $said."
    return 1
  }
}
