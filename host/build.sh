# needs: json.sh lib.sh roots.sh nixlog.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Job: builds the derivations of a release, roots and, if there is a key, signs what came out.

main() {
  local -a names=() drvs=()
  local name prefix
  [[ $JOB ]] || fail not-a-job "A build runs only as a job." "Use start."
  trap on_term TERM
  now
  began=$REPLY
  arg_get rootPrefix && prefix=$REPLY
  require_name rootPrefix "$prefix"
  arg_names drvs names
  for name in "${names[@]}"; do
    require_name "drvs.$name" "$name"
    require_store_path "drvs.$name" "${arg[drvs.$name]}"
    drvs+=("${arg[drvs.$name]}!out")
  done
  ((${#names[@]})) || fail bad-argument "[drvs] is empty."
  # Before the build, which may take hours.
  require_key signingKeyFile signing-failed
  require_key manifestKeyFile manifest-signing-failed
  mkdir -p -- "$ROOTS"

  status build "building ${#names[@]} derivations of ${arg[rev]-}"
  # The roots that the build itself makes close the gap until each path has its own.
  rm -f -- "$ROOTS/$prefix-building"*
  watch_nix count_builds nix-store --realise --add-root "$ROOTS/$prefix-building" -- "${drvs[@]}" || build_error
  compare_components
  root_outputs "$prefix" "${names[@]}"
  rm -f -- "$ROOTS/$prefix-building"*
  sign_outputs
  tell_outputs "${names[@]}"
}

declare -A outputs=()
began=0

root_outputs() {
  local prefix=$1 name
  shift
  status root "keeping ${#} paths"
  for name; do
    nix-store --add-root "$ROOTS/$prefix-$name" --realise -- "${arg[drvs.$name]}!out" >/dev/null ||
      fail build-failed "The gc root $ROOTS/$prefix-$name could not be made." "Is the disk full?"
    outputs[$name]=$(readlink -- "$ROOTS/$prefix-$name")
  done
}

# require_key SETTING CODE
require_key() {
  local key=${arg[$1]:-}
  [[ ! $key || -r $key ]] || {
    quote "$key"
    fail "$2" "There is no signing key at $REPLY on the builder." "Correct [release.$1], or leave it out."
  }
}

# What hosts of one system share must be the same bits: where one has a component of the release, no other may have another of its name.
compare_components() {
  local -a hosts=() components=() paths=()
  local -A closures=()
  local host component i
  arg_names systems hosts
  arg_names components components
  ((${#hosts[@]} > 1)) || return 0
  status compare "comparing the components of ${#hosts[@]} hosts"
  mapfile -t paths < <(nix-store --realise -- "${drvs[@]}")
  for i in "${!names[@]}"; do outputs[${names[i]}]=${paths[i]}; done
  for host in "${hosts[@]}"; do closures[$host]=$(nix-store --query --requisites -- "${outputs[$host]}"); done
  for component in "${components[@]}"; do compare_component "${arg[components.$component]}" "${outputs[$component]}"; done
}

# compare_component SYSTEM PATH, for compare_components.
compare_component() {
  local host holder='' other='' odd='' name=${2:44} found
  # The name ends where the version begins: at a dash that no letter follows.
  if [[ $name =~ ^(([^-]|-[a-zA-Z])*)-[^a-zA-Z] ]]; then name=${BASH_REMATCH[1]}; fi
  name=${name//[.+?]/.}
  for host in "${hosts[@]}"; do
    [[ ${arg[systems.$host]} == "$1" ]] || continue
    if [[ $'\n'${closures[$host]}$'\n' == *$'\n'"$2"$'\n'* ]]; then
      holder=$host
    elif found=$(grep -m 1 -E "^/nix/store/.{32}-$name(-[^a-zA-Z]|\$)" <<<"${closures[$host]}"); then
      odd=$found other=$host
    fi
  done
  [[ $holder && $other ]] || return 0
  rm -f -- "$ROOTS/$prefix-building"*
  fail mixed-components "${holder#hosts-} has $2, which the release ships, and ${other#hosts-} has $odd." \
    "Hosts of one system share the components of a release: use the same package in both, or take it out of [release.components]."
}

sign_outputs() {
  local key=${arg[signingKeyFile]:-}
  [[ $key ]] || return 0
  status sign "signing the closures"
  nix --extra-experimental-features nix-command store sign --key-file "$key" --recursive -- "${outputs[@]}" ||
    fail signing-failed "The paths could not be signed." "Is the file a secret key made by 'nix key generate-secret'?"
}

tell_outputs() {
  local name out='' hash size whole
  status measure "measuring ${#} paths"
  for name; do
    size=$(nix-store --query --size -- "${outputs[$name]}")
    hash=$(nix-store --query --hash -- "${outputs[$name]}")
    hash=$(nix --extra-experimental-features nix-command hash to-sri -- "$hash" 2>/dev/null) || hash=''
    whole=$(nix --extra-experimental-features nix-command path-info --closure-size -- "${outputs[$name]}" 2>/dev/null)
    json_object path:s "${outputs[$name]}" narHash:s "$hash" narSize:j "$size" closureSize:j "${whole##*[[:space:]]}"
    json_member "$name" "$REPLY"
    out+=$REPLY
  done
  now
  seconds $((REPLY - began))
  answer "{\"paths\":{${out:1}},\"builtAt\":$EPOCHSECONDS,\"seconds\":$REPLY}"
}

# count_builds: "building 3/7 hypervisor-1.2", from the log.
builds_total=0 builds_begun=0
count_builds() {
  if [[ $1 =~ ^these\ ([0-9]+)\ derivations\ will\ be\ built ]]; then
    builds_total=$((builds_total + BASH_REMATCH[1]))
  elif [[ $1 == 'this derivation will be built'* ]]; then
    builds_total=$((builds_total + 1))
  elif [[ $1 =~ ^building\ \'/nix/store/[^-]*-(.*)\.drv\' ]]; then
    builds_begun=$((builds_begun + 1))
    if ((builds_total < builds_begun)); then builds_total=$builds_begun; fi
    status build "building $builds_begun/$builds_total ${BASH_REMATCH[1]}" "done" "$builds_begun" total "$builds_total"
  fi
}

build_error() {
  local drv='' text log=''
  text=$(tail -c 65536 -- "$NIX_LOG")
  if [[ $text =~ (builder\ for|Cannot\ build)\ \'(/nix/store/[^\']*\.drv)\' ]]; then drv=${BASH_REMATCH[2]}; fi
  if [[ $drv ]]; then log=$(nix-store --read-log "$drv" 2>/dev/null | tail -n 40) || log=''; fi
  if [[ $text$log == *'No space left on device'* || $text == *'database or disk is full'* ]]; then
    fail disk-full "The disk of the builder is full${drv:+ (while building $drv)}." "Free space on the builder, for instance by 'nix-collect-garbage', and run again."
  fi
  # In two wordings, one of them of Nix since 2.30.
  if [[ $text =~ a\ \'([a-z0-9_-]+)\'\ with\ features || $text =~ Required\ system:\ \'([a-z0-9_-]+)\' ]]; then
    fail wrong-system "The builder builds nothing for ${BASH_REMATCH[1]}." \
      "Give it a remote builder of that system or, where it has an emulator, extra-platforms in its nix.conf."
  fi
  if [[ ! $log ]]; then log=$(tail -n 40 <<<"$text"); fi
  last_bytes "$log" 6000
  fail build-failed "${drv:-The release} did not build:"$'\n'"$REPLY" "${drv:+The whole log: nix-store --read-log $drv}"
}

main
