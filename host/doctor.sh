# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Is what a promotion needs on this host as it has to be? Answers what it was asked for; reads only.

readonly NIX=(nix --extra-experimental-features nix-command)

main() {
  local fd nix free memory repository=null key=null reached=null
  # The slow one starts first.
  if [[ ${arg[to]-} ]]; then
    [[ ${arg[to]} =~ ^([A-Za-z0-9_.-]+@)?[A-Za-z0-9_][A-Za-z0-9_.:-]*$ ]] || fail bad-argument "[to] is not an ssh alias or address."
    exec {fd}< <(reach_machine "${arg[to]}")
  fi
  nix_settings
  nix=$REPLY
  free_space
  free=$REPLY
  memory_available
  memory=$REPLY
  if [[ ${arg[repo]-} ]]; then
    repository "${arg[repo]}" "${arg[rev]-HEAD}" "${arg[since]-}"
    repository=$REPLY
  fi
  if [[ ${arg[signingKeyFile]-} ]]; then
    signing_key "${arg[signingKeyFile]}"
    key=$REPLY
  fi
  if [[ ${fd-} ]]; then IFS= read -r reached <&"$fd" || reached=null; fi
  json_object nix:j "$nix" free:j "$free" memory:j "$memory" repository:j "$repository" signingKey:j "$key" reached:j "$reached"
  answer "$REPLY"
}

# reach_machine TO: prints the machine that this host reaches by that name, or why it does not. As a copy does it.
reach_machine() {
  local said machine=''
  said=$(timeout --kill-after=2 20 ssh -T -x -a -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 -o LogLevel=ERROR \
    -- "$1" cat /etc/machine-id 2>&1 </dev/null) || true
  said=${said%$'\r'}
  said=${said##*$'\n'}
  if [[ $said =~ ^[0-9a-f]{32}$ ]]; then machine=$said said=''; fi
  first_bytes "$said" 300
  json_object machineId:o "$machine" said:s "$REPLY"
  printf '%s\n' "$REPLY"
}

# nix_settings: REPLY is what decides about trust. `nix show-config` is the name before Nix 2.20.
nix_settings() {
  local line text trusted='' caches='' signatures=true
  text=$("${NIX[@]}" config show 2>/dev/null || "${NIX[@]}" show-config 2>/dev/null) || text=''
  while IFS= read -r line; do
    case $line in
      'trusted-public-keys = '*) trusted=${line#* = } ;;
      'substituters = '*) caches=${line#* = } ;;
      'require-sigs = false') signatures=false ;;
    esac
  done <<<"$text"
  words_to_json "$trusted"
  trusted=$REPLY
  words_to_json "$caches"
  json_object requireSigs:j "$signatures" trustedKeys:j "$trusted" substituters:j "$REPLY"
}

words_to_json() {
  local -a words=()
  read -r -a words <<<"$1" || true
  json_array "${words[@]}"
}

# free_space: REPLY is {mount: bytes}, of the file systems that a promotion writes to.
free_space() {
  local path bytes target out=''
  local -A seen=()
  local -a paths=()
  for path in / /nix/store /nix/var/nix /var /boot; do
    if [[ -d $path ]]; then paths+=("$path"); fi
  done
  while read -r bytes target; do
    [[ $bytes =~ ^[0-9]+$ && ! ${seen[$target]-} ]] || continue
    seen[$target]=yes
    json_member "$target" "$bytes"
    out+=$REPLY
  done < <(df -B1 --output=avail,target -- "${paths[@]}" 2>/dev/null)
  REPLY="{${out:1}}"
}

memory_available() {
  local key value
  REPLY=null
  while read -r key value _; do
    if [[ $key == MemAvailable: ]]; then
      REPLY=$((value * 1024))
      return
    fi
  done </proc/meminfo
}

# repository DIRECTORY REV [SINCE]: whether REV is there, what is not committed, and how SINCE is related to it.
repository() {
  local commit='' subject='' dirty='[]' count=0 ahead=null behind=null said
  local -a lines=()
  git_in "$1"
  if ! said=$(git -C "$1" rev-parse --git-dir 2>&1); then
    last_line "$said"
    json_object error:s "$REPLY"
    return
  fi
  commit=$(git -C "$1" rev-parse --verify --quiet --end-of-options "$2^{commit}" 2>/dev/null) || commit=''
  if [[ $commit =~ ^[0-9a-f]{40}$ ]]; then
    subject=$(git -C "$1" log -1 --no-show-signature --format=%s --end-of-options "$commit")
    if [[ $3 =~ ^[0-9a-f]{40}$ ]] && said=$(git -C "$1" rev-list --left-right --count "$commit...$3" -- 2>/dev/null); then
      read -r ahead behind <<<"$said"
    fi
  else
    commit=''
  fi
  mapfile -t lines < <(timeout 10 git -C "$1" status --porcelain --untracked-files=normal 2>/dev/null)
  count=${#lines[@]}
  json_array "${lines[@]:0:5}"
  dirty=$REPLY
  json_object error:o '' commit:o "$commit" subject:s "$subject" dirty:j "$dirty" dirtyCount:j "$count" ahead:j "$ahead" behind:j "$behind"
}

# git_in DIRECTORY: git refuses the repository of another user unless told otherwise; --no-optional-locks leaves its index alone.
git_in() {
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$1 GIT_OPTIONAL_LOCKS=0
}

# signing_key FILE: its public half. The secret one does not leave Nix.
signing_key() {
  local public='' mode='' error='' said
  if [[ ! -e $1 ]]; then
    error="there is no such file"
  else
    mode=$(stat -L -c %a -- "$1")
    if said=$("${NIX[@]}" key convert-secret-to-public <"$1" 2>&1); then public=$said; else error="it is no secret key of Nix"; fi
  fi
  json_object publicKey:o "$public" mode:o "$mode" error:o "$error"
}

last_line() { REPLY=${1##*$'\n'}; }

main
