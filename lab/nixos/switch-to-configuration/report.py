"""What a switch tells people."""

import activation
from console import say
from processes import run


def units(what, names):
    """One line with the names sorted; nothing if there are none."""
    if names:
        say(f"{what}: {', '.join(sorted(names, key=str.lower))}")


def dry_run(env, plan, restart_systemd):
    """Says what a switch would do. New units that a target wants are not foreseen."""
    units("would stop the following units", plan.stop - plan.quiet)
    units("would NOT stop the following changed units", plan.skip)
    activation.dry_activate(env)
    plan.add_requests_of_dry_activation()
    if restart_systemd:
        say("would restart systemd")
    units("would reload the following units", plan.reload)
    units("would restart the following units", plan.restart)
    units("would start the following units", plan.start - plan.quiet)
    return 0


def failed_jobs(jobs):
    for verb, unit in jobs:
        say(f"Failed to {verb} {unit}")
    return 4 if jobs else 0


def failed_and_new_units(env, systemd, before):
    """Names units that run now and did not before, and shows the status of those that failed."""
    failed, new = [], []
    for name, unit in systemd.active_units().items():
        if unit.state == "failed" or systemd.keeps_failing(name, unit):
            failed.append(name)
        elif name not in before and not name.endswith(".scope"):
            new.append(name)
    units("the following new units were started", new)
    if not failed:
        return 0
    units("warning: the following units failed", failed)
    status = [f"{env.systemd}/bin/systemctl", "status", "--no-pager", "--full"]
    run([*status, *sorted(failed, key=str.lower)])
    return 4
