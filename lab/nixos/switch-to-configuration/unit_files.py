"""Unit files: reading them as NixOS' program does, and comparing two of them by meaning."""

import os

from console import Failure

NULL = "/dev/null"
# Keys of [Unit] whose change does not concern a running unit.
HARMLESS = {
    "X-Reload-Triggers",
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "IgnoreOnIsolate",
    "StopWhenUnneeded",
    "RefuseManualStart",
    "RefuseManualStop",
    "AllowIsolate",
    "CollectMode",
    "SourcePath",
}
TRUE = {"1", "yes", "true", "on"}

EQUAL, RELOAD, RESTART = range(3)


def state(path):
    """'present', 'masked' (a link to /dev/null) or 'missing' (also a dangling link)."""
    real = os.path.realpath(path)
    if real == NULL:
        return "masked"
    return "present" if os.path.exists(real) else "missing"


def drop_ins(path):
    directory = f"{path}.d"
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [f"{directory}/{name}" for name in names if name.endswith(".conf")]


def read(unit_path, base_path):
    """A unit with its drop-ins, and for an instance of a template the instance's own."""
    data = {}
    try:
        _read_file(base_path, data)
    except _Unreadable as error:
        raise Failure(
            f"Failed to parse systemd unit file {base_path}", "Failed parse unit file as INI", error
        ) from None
    paths = drop_ins(base_path)
    if unit_path != base_path:
        paths += drop_ins(unit_path)
    for path in paths:
        try:
            _read_file(path, data)
        except _Unreadable as error:
            raise Failure("Failed parse unit file as INI", error) from None
    return data


def is_true(data, section, key, default):
    values = data.get(section, {}).get(key)
    return values[-1] in TRUE if values else default


class _Unreadable(Exception):
    pass


def _read_file(path, data):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise Failure(f"Failed to open unit file {path}", error) from None
    for section, keys in _parse(text).items():
        if section == "Install":
            continue
        known = data.setdefault(section, {})
        for key, values in keys.items():
            # An empty value clears what came before it, in this file and in earlier ones.
            cleared = "" in values
            while "" in values:
                values = values[values.index("") + 1 :]
            known[key] = values if cleared else known.get(key, []) + values


def _parse(text):
    """Sections of keys of lists of values.

    A line without `=` or `:` runs on into the next line as one long key; only when the file ends
    first is it an error. That is how the INI library of the real program reads it.
    """
    sections = {}
    current = None
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return sections
        if text[at] in "#;":
            at = _end_of_line(text, at)
        elif text[at] == "[":
            end = text.find("]", at)
            if end < 0:
                raise _Unreadable(_where(text, '"[Some(\']\')]"'))
            current = sections.setdefault(text[at + 1 : end].strip(), {})
            at = end + 1
        else:
            end = min((i for i in (text.find("=", at), text.find(":", at)) if i >= 0), default=-1)
            if end < 0:
                raise _Unreadable(_where(text, "\"[Some('='), Some(':')]\""))
            key = text[at:end].strip()
            at = _end_of_line(text, end)
            value = text[end + 1 : at].strip()
            if len(value) > 1 and value[0] in "\"'" and value.find(value[0], 1) > 0:
                close = value.find(value[0], 1)
                value = value[1:close] + value[close + 1 :]
            if current is not None:
                current.setdefault(key, []).append(value)


def _end_of_line(text, at):
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _where(text, expected):
    lines = text.split("\n")
    return f"{len(lines)}:{len(lines[-1])} expecting {expected} but found EOF."


def compare(old, new):
    """Whether a running unit is EQUAL to its new definition, wants a RELOAD or a RESTART."""
    verdict = EQUAL
    for section in {**old, **new}:
        if section in old and section in new:
            change = _compare_section(section, old[section], new[section])
        elif section in old:
            change = _section_gone(section, old[section])
        else:
            change = _section_new(section, new[section])
        verdict = max(verdict, change)
    if len(new.keys() - old.keys()) > 1:
        return RESTART
    return verdict


def _compare_section(section, old, new):
    verdict = EQUAL
    added = new.keys() - old.keys()
    for key in old.keys() | added:
        if key not in new:
            change = _key_gone(section, key)
        elif key not in old:
            change = _key_new(section, key, len(added))
        elif old[key] == new[key]:
            change = EQUAL
        elif section == "Unit":
            change = _in_unit(key)
        elif (section, key) in (("Service", "ExecReload"), ("Mount", "Options")):
            change = RELOAD
        else:
            change = RESTART
        verdict = max(verdict, change)
    return verdict


def _in_unit(key):
    if key == "X-Reload-Triggers":
        return RELOAD
    return EQUAL if key in HARMLESS else RESTART


def _key_gone(section, key):
    # Dropping ExecReload does nothing to the process, and there is nothing left to reload with.
    if section == "Service" and key == "ExecReload":
        return EQUAL
    return EQUAL if section == "Unit" and key in HARMLESS else RESTART


def _key_new(section, key, number_of_new_keys):
    if section == "Unit":
        return _in_unit(key)
    if section == "Service" and key == "ExecReload" and number_of_new_keys == 1:
        return RELOAD
    return RESTART


def _section_gone(section, keys):
    if section == "Unit":
        return EQUAL if keys.keys() <= HARMLESS else RESTART
    return EQUAL if section == "Service" and set(keys) == {"ExecReload"} else RESTART


def _section_new(section, keys):
    if section == "Unit":
        if not keys.keys() <= HARMLESS:
            return RESTART
        return RELOAD if "X-Reload-Triggers" in keys else EQUAL
    return RELOAD if section == "Service" and set(keys) == {"ExecReload"} else RESTART
