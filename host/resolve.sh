# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# A revision of the repository -> the exact derivations and paths of every host, by one evaluation, without building.

readonly EVALUATIONS=$STATE/eval

# Values come in by --argstr only; the text is constant. (Nix calls the function on the way to an attribute.) Missing attributes are an answer, not an error.
# shellcheck disable=SC2016 # Nix, not shell
readonly EXPRESSION='
{ request }:
let
  r = builtins.fromJSON request;
  flake = builtins.getFlake r.flakeRef;
  configurations = flake.nixosConfigurations or { };
  packagesFor = system: flake.packages.${system} or { };
  # As a set, each system once: the components are built for each.
  systems = builtins.listToAttrs (map (name: { inherit name; value = r.components; }) (builtins.attrValues r.hosts));
  show = drv: {
    drvPath = builtins.unsafeDiscardStringContext drv.drvPath;
    # Under its own name it would make Nix print the whole set as a path.
    out = builtins.unsafeDiscardStringContext drv.outPath;
  };
  showHost = configuration: let drv = configuration.config.system.build.toplevel; in show drv // {
    # Of what runs it, not of what builds it.
    system = configuration.pkgs.stdenv.hostPlatform.system or drv.system;
  };
  absent = prefix: set: names: map (n: prefix + n) (builtins.filter (n: !(set ? ${n})) names);
  missing = builtins.concatLists ([ (absent "nixosConfigurations." configurations (builtins.attrNames r.hosts)) ] ++
    map (s: absent "packages.${s}." (packagesFor s) (builtins.attrNames r.components)) (builtins.attrNames systems));
in
{ answer = if missing != [ ] then { inherit missing; } else {
  hosts = builtins.mapAttrs (n: _: showHost configurations.${n}) r.hosts;
  components = builtins.mapAttrs (s: builtins.mapAttrs (n: _: show (packagesFor s).${n})) systems;
}; }'

main() {
  local repo rev timeout sha hosts components flake_ref nix_version file key about subject committed_at value
  arg_get repo && repo=$REPLY
  arg_get rev && rev=$REPLY
  timeout=${arg[timeoutSeconds]:-600}
  require_seconds timeoutSeconds "$timeout"
  trust_repository "$repo"
  if [[ ${arg[requireClean]:-} == true ]]; then require_clean "$repo"; fi
  find_revision "$repo" "$rev"
  sha=$REPLY
  if [[ ${arg[branch]+set} ]]; then require_on_branch "$repo" "$sha" "${arg[branch]}"; fi
  about=$(git -C "$repo" log -1 --no-show-signature --format='%ct %s' --end-of-options "$sha")
  committed_at=${about%% *} subject=${about#* }

  url_path "$repo"
  flake_ref="git+file://$REPLY?rev=$sha"
  names_to_json hosts
  hosts=$REPLY
  names_to_json components
  components=$REPLY
  json_object flakeRef:s "$flake_ref" hosts:j "$hosts" components:j "$components"
  key=$REPLY
  nix_version=$(nix --version)
  nix_version=${nix_version##* }

  file=$(printf '%s\n%s\n' "$nix_version" "$key" | sha256sum)
  file=$EVALUATIONS/$sha-${file:0:16}.json
  local cached=true
  if ! read_cached "$file"; then
    cached=false
    evaluate "$key" "$timeout"
    value=$REPLY
    if ! mkdir -p -- "$EVALUATIONS" || ! write_file "$file" "$value"; then note "The evaluation could not be kept in $EVALUATIONS."; fi
    REPLY=$value
  fi
  value=$REPLY
  json_object rev:s "$sha" subject:s "$subject" committedAt:j "$committed_at" flakeRef:s "$flake_ref" nixVersion:s "$nix_version" cached:j "$cached"
  answer "{${REPLY:1:-1},${value:1}"
}

# Git and Nix refuse a repository of another user unless told otherwise. Git listens to the environment; the git library
# of Nix reads files only, so it gets a file for as long as this takes.
trust_repository() {
  [[ $1 == /* && -e $1 ]] || {
    quote "$1"
    fail no-such-repo "There is no repository at $REPLY on this host." "Set [release.repo] to the absolute path of the checkout on the builder."
  }
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$1
  if [[ ! -O $1 || ! -O $1/.git ]]; then
    settings_dir=$(mktemp -d)
    mkdir -- "$settings_dir/git"
    git config --file "$settings_dir/git/config" safe.directory "$1"
    export NIX_USER_CONF_FILES=${NIX_USER_CONF_FILES:-${XDG_CONFIG_HOME:-$HOME/.config}/nix/nix.conf} XDG_CONFIG_HOME=$settings_dir
  fi
  git -C "$1" rev-parse --git-dir >/dev/null 2>&1 || {
    quote "$1"
    fail no-such-repo "$REPLY is not a git repository." "Set [release.repo] to the absolute path of the checkout on the builder."
  }
}

settings_dir=''
cleanup() {
  if [[ $settings_dir ]]; then rm -rf -- "$settings_dir"; fi
}

# find_revision REPO REV: once; from here on only the hash counts, so a branch that moves changes nothing.
find_revision() {
  REPLY=$(git -C "$1" rev-parse --verify --quiet --end-of-options "$2^{commit}" 2>/dev/null) || {
    quote "$2"
    fail unknown-revision "The repository $1 has no revision $REPLY." "Push the commit to the builder, or correct [release.rev]."
  }
  # Options such as --all would have made more than one line.
  [[ $REPLY =~ ^[0-9a-f]{40}$ ]] || fail unknown-revision "The revision does not name exactly one commit."
}

# require_clean REPO: what people see there is what will be built. Untracked files count: they are what somebody has forgotten to add.
require_clean() {
  local dirty
  [[ -e $1/.git ]] || return 0 # no working tree
  # No program that the repository's own settings name.
  dirty=$(git --no-optional-locks -c core.fsmonitor=false -C "$1" status --porcelain --untracked-files=normal --ignore-submodules=dirty 2>&1) || {
    last_bytes "$dirty" 300
    fail no-such-repo "git cannot read the working tree of $1: $REPLY."
  }
  [[ ! $dirty ]] || {
    first_bytes "${dirty//$'\n'/, }" 300
    fail dirty-repo "The working tree $1 has changes that are in no commit: $REPLY." "Commit, stash or remove them, or set [release.requireClean] to false: only commits are built."
  }
}

# require_on_branch REPO SHA BRANCH: BRANCH is one of the repository or, as origin/main, one that it has fetched.
require_on_branch() {
  local ref tip='' code=0
  # By its whole name: a tag may be called the same.
  for ref in "refs/heads/$3" "refs/remotes/$3"; do
    if tip=$(git -C "$1" rev-parse --verify --quiet --end-of-options "$ref^{commit}" 2>/dev/null); then break; fi
  done
  quote "$3"
  [[ $tip =~ ^[0-9a-f]{40}$ ]] || fail unknown-branch "The repository $1 has no branch $REPLY." "Correct [release.branch]."
  git -C "$1" merge-base --is-ancestor "$2" "$tip" 2>/dev/null || code=$?
  ((code < 2)) || fail unknown-branch "git cannot compare $2 with the branch $REPLY."
  ((code == 0)) || fail off-branch "The commit $2 is not on the branch $REPLY." "Merge it, choose another revision, or correct [release.branch]."
}

# names_to_json KEY: the object KEY of the argument, {name: text}.
names_to_json() {
  local out='' name
  local -a names=()
  arg_names "$1" names
  for name in "${names[@]}"; do
    json_string "${arg[$1.$name]}"
    json_member "$name" "$REPLY"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

# url_path PATH: with every byte that means something in a URL escaped.
url_path() {
  local out='' i byte code
  for ((i = 0; i < ${#1}; i++)); do
    byte=${1:i:1}
    if [[ $byte != [A-Za-z0-9/._~-] ]]; then
      printf -v code %d "'$byte"
      printf -v byte '%%%02X' $((code & 255))
    fi
    out+=$byte
  done
  REPLY=$out
}

# read_cached FILE: an earlier evaluation, if none of its derivations has been collected since.
read_cached() {
  local rest value
  [[ -e $1 ]] && IFS= read -r value <"$1" || return 1
  rest=$value
  while [[ $rest =~ \"drvPath\":\"([^\"]*)\" ]]; do
    [[ -e ${BASH_REMATCH[1]} ]] || return 1
    rest=${rest#*"${BASH_REMATCH[0]}"}
  done
  REPLY=$value
}

# evaluate REQUEST TIMEOUT: REPLY is {"components":{...},"hosts":{...}}.
evaluate() {
  local output code=0 log
  log=$(mktemp)
  output=$(timeout --kill-after=5 "$2" nix --extra-experimental-features 'nix-command flakes' eval --json --no-write-lock-file \
    --argstr request "$1" --expr "$EXPRESSION" answer 2>"$log" </dev/null) || code=$?
  REPLY=$(tail -n 40 -- "$log")
  rm -f -- "$log"
  ((code != 124)) || fail evaluation-failed "The evaluation did not end within $2 s."
  ((code == 0)) || {
    last_error "$REPLY"
    fail evaluation-failed "The flake could not be evaluated at this revision: $REPLY" "Try it on the builder: nix flake check."
  }
  if [[ $output =~ ^\{\"missing\":\[(.*)\]\}$ ]]; then
    fail missing-attribute "The flake has no ${BASH_REMATCH[1]//,/, } at this revision." "Correct the attribute, or add it to the flake."
  fi
  REPLY=${output//\"out\":/\"outPath\":}
}

# last_error LOG: what went wrong in one line, then all of it.
last_error() {
  local line last=''
  while IFS= read -r line; do
    if [[ $line =~ ^[[:space:]]*error:\ (.+)$ ]]; then last=${BASH_REMATCH[1]}; fi
  done <<<"$1"
  REPLY=${last:+$last$'\n'}$1
}

main
