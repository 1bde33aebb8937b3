# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What an activation is to achieve: its mode, its strategy, and the steps that follow from both.

mode=switch strategy=closure with_system=yes success=committed
declare -a steps=()

check_goal() {
  mode=${arg[mode]:-switch} strategy=${arg[strategy]:-closure}
  case $mode in
    switch | immediate | boot | test | dry-activate) ;;
    *) fail bad-argument "[mode] is not one of switch, immediate, boot, test, dry-activate." ;;
  esac
  case $strategy in
    closure | flake) ;;
    links) with_system='' ;;
    *) fail bad-argument "[strategy] is not one of closure, links, flake." ;;
  esac
}

plan_steps() {
  local build='' backup='' place='' restart='' test='' switch=''
  if [[ $strategy == flake ]]; then build='checkout build'; fi
  if wants_backup; then backup=backup; fi
  if ((${#link_names[@]})); then place=links restart=restart; fi
  if [[ $with_system ]]; then test=test switch=switch; fi
  # shellcheck disable=SC2206 # an empty word is no step
  case $mode in
    switch) steps=($build preflight $backup $place $test $restart health await-confirmation commit) ;;
    test)
      steps=($build preflight $backup test health await-confirmation keep)
      success=tested
      ;;
    immediate) steps=($build preflight $backup $place $switch $restart health record) ;;
    boot) steps=($build preflight $backup boot) ;;
    dry-activate)
      steps=($build preflight show)
      success=shown
      ;;
  esac
}

# What a switch would do, in its own words.
step_show() {
  status show "asking what would change"
  if [[ $with_system ]]; then
    run_switch "$toplevel" dry-activate "${arg[timeouts.switch]}" "asking what would change"
    keep_switch
    last_words
    [[ $switch_exit == 0 ]] || { because "dry-activate ended with $switch_exit: $REPLY. Nothing was changed."; return; }
    last_bytes "$switch_output" 16000
    shown=$REPLY
  fi
  show_links
  not_cancelled
}
