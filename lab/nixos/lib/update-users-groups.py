"""Makes the users and groups that a system declares, and removes those that an earlier one had declared.

As the program of nixpkgs with this name where users are mutable, but for what an account that is there already
is to become: that is left as it is, members of groups apart.
"""

import grp
import json
import os
import pwd
import subprocess
import sys

DECLARED = "/var/lib/nixos/declarative-"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    os.makedirs("/var/lib/nixos", exist_ok=True)
    there = {entry.pw_name for entry in pwd.getpwall()}
    for name in gone("users", spec["users"]) & there - {"root"}:
        run("userdel", name)
    # Only now: userdel takes the user's own group, too.
    groups = {entry.gr_name for entry in grp.getgrall()}
    for group in spec["groups"]:
        if group["name"] not in groups:
            run("groupadd", *given("--gid", group["gid"]), group["name"])
    for user in spec["users"]:
        if user["name"] not in there:
            make(user)
    known = declared("groups")
    for group in spec["groups"]:
        if group["members"] or group["name"] in known:
            run("gpasswd", "--members", ",".join(group["members"]), group["name"])
    for name in gone("groups", spec["groups"]) & groups - {"root"}:
        run("groupdel", name)
    for kind in "users", "groups":
        with open(DECLARED + kind, "w", encoding="utf-8") as file:
            file.write(" ".join(entry["name"] for entry in spec[kind]))


def make(user):
    how = ["--no-create-home", "--no-user-group", "--home-dir", user["home"], "--shell", user["shell"]]
    how += given("--uid", user["uid"]) + given("--gid", user["group"] or None)
    run("useradd", *how, "--comment", user["description"], user["name"])
    if password := user["hashedPassword"] or user["initialHashedPassword"]:
        # On stdin: arguments can be read by everybody.
        run("chpasswd", "--encrypted", text=f"{user['name']}:{password}\n")


def given(option, value):
    return [] if value is None else [option, str(value)]


def declared(kind):
    try:
        with open(DECLARED + kind, encoding="utf-8") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def gone(kind, entries):
    return declared(kind) - {entry["name"] for entry in entries}


def run(*command, text=""):
    subprocess.run(command, input=text, encoding="utf-8", check=True, stdout=subprocess.DEVNULL)


main()
