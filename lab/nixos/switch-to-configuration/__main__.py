"""switch-to-configuration: makes the running system the one in $TOPLEVEL.

A stand-in that behaves as NixOS' program was observed to. This file is the order of work; each
step is a sentence. Exit codes: 0 done; 1 refused, or a step before activation failed; 2 the
activate script failed; 4 a unit failed; 11 somebody holds the lock; 100 needs a reboot; 101 the
reader of our messages is gone.
"""

import os
import sys

import activation
import hooks
import report
import users
from console import Failure, die, journal, lock, panic_on_broken_pipe, reopen_closed_streams, say
from lists import PendingLists
from manager import Manager
from plan import Plan

ACTIONS = ("check", "switch", "boot", "test", "dry-activate")
USAGE = """Usage: switch-to-configuration [check|switch|boot|test|dry-activate]
check:        run pre-switch checks and exit
switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated
"""
INCOMPATIBLE = """Warning: the new NixOS configuration has an ‘init’ that is
incompatible with the current configuration.  The new configuration
won't take effect until you reboot the system.
"""
SYSINIT = "sysinit-reactivation.target"


def main(argv):
    if len(argv) < 2 or argv[1] not in ACTIONS:
        say(USAGE)
        return 1
    if os.geteuid() != 0:
        raise Failure("switch-to-configuration must be run as the root user")
    return switch(argv[1], hooks.Environment())


def switch(action, env):
    os.environ["NIXOS_ACTION"] = action
    if not env.is_nixos():
        say("This is not a NixOS installation!")
        return die("/etc/NIXOS")
    held = lock()
    journal.open()

    if not hooks.pre_switch_check(env, action):
        return 1
    if action == "check":
        return 0
    if action in ("switch", "boot") and not hooks.install_boot_loader(env):
        return 1
    hooks.sync_store()
    if action == "boot":
        return 0
    if not hooks.same_init_interface(env):
        say(INCOMPATIBLE)
        return 100

    pending = PendingLists(recording=action != "dry-activate")
    systemd = Manager()
    plan = Plan(env.toplevel, systemd.active_units(), systemd, pending)
    plan.compare_running_units()
    restart_systemd = hooks.systemd_differs(env)
    if action == "dry-activate":
        return report.dry_run(env, plan, restart_systemd)

    journal.info(f"switching to system configuration {env.toplevel}")
    code = carry_out(env, plan, pending, systemd, restart_systemd)
    if code == 0:
        journal.info(f"finished switching to system configuration {env.toplevel}")
    else:
        journal.error(f"switching to system configuration {env.toplevel} failed (status {code})")
    held.close()
    return code


def carry_out(env, plan, pending, systemd, restart_systemd):
    """Stop with the old definitions, activate, then reload, restart and start with the new."""
    report.units("stopping the following units", plan.stop - plan.quiet)
    systemd.stop(plan.stop)
    report.units("NOT restarting the following changed units", plan.skip)
    systemd.wait_for_jobs()

    code = activation.activate(env)
    plan.add_requests_of_activation(activation.RESTART_REQUESTS, activation.RELOAD_REQUESTS)

    if restart_systemd:
        say("restarting systemd...")
        systemd.reexecute()
    systemd.reset_failed()
    systemd.reload_definitions()
    if not users.reload_units():
        code = 4

    say(f"restarting {SYSINIT}")
    code = systemd.submit("RestartUnit", "restart", [SYSINIT]) or code
    systemd.wait_for_jobs()

    plan.start_instead_of_reload_if_stopped()
    if plan.reload:
        report.units("reloading the following units", plan.reload)
        code = systemd.submit("ReloadUnit", "reload", plan.reload) or code
        systemd.wait_for_jobs()
        pending.forget("reload")
    if plan.restart:
        report.units("restarting the following units", plan.restart)
        code = systemd.submit("RestartUnit", "restart", plan.restart) or code
        systemd.wait_for_jobs()
        pending.forget("restart")
    report.units("starting the following units", plan.start - plan.quiet)
    code = systemd.submit("StartUnit", "start", plan.start) or code
    systemd.wait_for_jobs()
    pending.forget("start")

    code = report.failed_jobs(systemd.jobs_that_failed()) or code
    systemd.settle()
    return report.failed_and_new_units(env, systemd, plan.active) or code


if __name__ == "__main__":
    reopen_closed_streams()
    try:
        status = panic_on_broken_pipe(main, sys.argv)
    except Failure as failure:
        say(failure.text())
        status = 1
    # No clean-up: a broken stdout must not change the exit code at the very end.
    os._exit(status)
