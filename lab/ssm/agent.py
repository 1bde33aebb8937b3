"""Stand-in for the Amazon SSM agent: takes documents, runs their scripts as the real one does, reports.

A worker is a process of its own that outlives the agent. The next agent finds its result, or waits for it; says that
it failed if it died; and starts it again if it has lost the way to it.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

BASE = "/var/lib/amazon/ssm"
CURRENT = f"{BASE}/current"
COMPLETED = f"{BASE}/completed"
INBOX = f"{BASE}/inbox"
CONFIG = "/run/amazon-ssm-agent/agent.json"
STDOUT_LIMIT = 24000
STDERR_LIMIT = 8000
TRUNCATED = "\n--output truncated--"
REBOOT = 194
SKIP_THE_REST = 168
RETRIES = 15


def main():
    if sys.argv[1:2] == ["worker"]:
        return work(sys.argv[2])
    for directory in (CURRENT, COMPLETED, INBOX):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(CONFIG) as file:
        config = json.load(file)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            poll(config)
        except OSError:
            time.sleep(0.3)


def poll(config):
    take_inbox()
    for run in sorted(os.listdir(CURRENT)):
        look_after(f"{CURRENT}/{run}")
    ended = [run for run in os.listdir(CURRENT) if os.path.exists(f"{CURRENT}/{run}/result.json")]
    reports = [read_json(f"{CURRENT}/{run}/result.json") for run in ended]
    begun = sorted({run.split(".")[0] for run in os.listdir(CURRENT)})
    if begun:
        time.sleep(0.05)
    answer = post(config, {"begun": begun, "reports": reports})
    for run in ended:
        os.rename(f"{CURRENT}/{run}", f"{COMPLETED}/{run}")
    for document in answer["documents"]:
        start(document)
    for identity in answer["cancel"]:
        for run in os.listdir(CURRENT):
            if run.startswith(f"{identity}."):
                open(f"{CURRENT}/{run}/cancel", "w").close()


def post(config, message):
    body = json.dumps({**message, "instanceId": config["instanceId"], "token": config["token"]})
    request = urllib.request.Request(f"{config['url']}/agent/poll", body.encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def take_inbox():
    for name in os.listdir(INBOX):
        if name.endswith(".json"):
            start(read_json(f"{INBOX}/{name}"))
            os.unlink(f"{INBOX}/{name}")


def start(document):
    name = f"{document['id']}.{document['delivery']}"
    if os.path.exists(f"{CURRENT}/{name}") or os.path.exists(f"{COMPLETED}/{name}"):
        return
    run = f"{CURRENT}/{name}.new"
    os.makedirs(run, mode=0o700, exist_ok=True)
    with open(f"{run}/document.json", "w") as file:
        json.dump(document, file)
    os.rename(run, f"{CURRENT}/{name}")
    launch(f"{CURRENT}/{name}")


def launch(run):
    argv = [sys.executable, os.path.abspath(__file__), "worker", run]
    worker = subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL)
    with open(f"{run}/worker", "w") as file:
        file.write(f"{worker.pid} {started(worker.pid)}")


def look_after(run):
    """A worker that died without a result has failed; one that we do not know of is started again."""
    if os.path.exists(f"{run}/result.json") or run.endswith(".new"):
        return
    if not os.path.exists(f"{run}/worker"):
        return launch(run)
    with open(f"{run}/worker") as file:
        pid, _, began = file.read().partition(" ")
    if started(pid) != began and not os.path.exists(f"{run}/result.json"):
        finish(run, "Failed", 1, "", "document process failed unexpectedly: no result")


def work(run):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    document = read_json(f"{run}/document.json")
    script = f"{run}/_script.sh"
    with open(script, "w") as file:
        file.write(document["script"])
    deadline = time.monotonic() + document["seconds"]
    for _ in range(RETRIES):
        code, details = execute(run, script, deadline)
        # The real agent reboots the machine first.
        if code != REBOOT:
            break
    outputs = [clip(f"{run}/stdout", STDOUT_LIMIT), clip(f"{run}/stderr", STDERR_LIMIT)]
    finish(run, details, code, *outputs)


def execute(run, script, deadline):
    with open(f"{run}/stdout", "wb") as out, open(f"{run}/stderr", "wb") as err:
        argv = ["/bin/sh", script]
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        with open(f"{run}/group", "w") as file:
            file.write(str(child.pid))
        while True:
            try:
                code = child.wait(0.02)
                return code, "Success" if code in (0, SKIP_THE_REST) else "Failed"
            except subprocess.TimeoutExpired:
                cancelled = os.path.exists(f"{run}/cancel")
                if cancelled or time.monotonic() > deadline:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
                    return 137, "Cancelled" if cancelled else "ExecutionTimedOut"


def clip(path, limit):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(limit + 1)
    return text if len(text) <= limit else text[: limit - len(TRUNCATED)] + TRUNCATED


def finish(run, details, code, stdout, stderr):
    identity = os.path.basename(run).split(".")[0]
    result = {"id": identity, "details": details, "code": code, "stdout": stdout, "stderr": stderr}
    with open(f"{run}/result.new", "w") as file:
        json.dump(result, file)
    os.rename(f"{run}/result.new", f"{run}/result.json")


def started(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        return ""


def read_json(path):
    with open(path) as file:
        return json.load(file)


main()
