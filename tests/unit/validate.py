#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""validate.py [--strict] [--unstored] REPORT...

Does each report fit the JSON Schema of its level in docs/schema? Run in the source folder.
--strict: would the schema notice if it did not? Each member is taken away, each gets another type,
each object gets a member too many; and docs/report-schema.md must name every member.
--unstored: they were never in a directory of reports, so they have no place in a chain; each is given one.

Exit status 0: all fit; 1: not; 77: the Python module jsonschema is not installed."""
import copy
import json
import re
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("left out: Python's module jsonschema (4 or newer) is not installed", file=sys.stderr)
    sys.exit(77)

# Objects whose names come from the reports; an event's members are those of its type.
OPEN = {"command_counts", "process_events", "by_status", "by_signal", "users", "parents",
        "containers", "errors", "tried_by", "connect_results", "connect_end_results", "results",
        "end_results", "events", "short_by"}
CHAIN = {"number": 1, "previous_id": None, "previous_sha256": None, "sha256": "0" * 64}
OPTIONAL = {"other", "baseline", "short_by", "failed_short_by", "cut_from_bytes", "hash"}


def validators():
    found = {}
    for level in ("cell", "interim"):
        with open(f"docs/schema/{level}.schema.json", encoding="utf-8") as f:
            schema = json.load(f)
        Draft202012Validator.check_schema(schema)
        found[level] = Draft202012Validator(schema)
    return found


def faults(node, path=(), optional=False):
    """Pairs of a way to a place and what to do there that the schema must notice."""
    if isinstance(node, dict):
        yield path, "surprise"
        for key, value in node.items():
            if not optional and key not in OPTIONAL or len(path) == 0 or path[0] == "analysis":
                yield path + (key,), "take away"
            yield path + (key,), "other type"
            if key not in OPEN:
                yield from faults(value, path + (key,), optional or key == "other" and bool(path))
    elif isinstance(node, list) and node:
        i = richest(node)
        yield from faults(node[i], path + (i,))


def richest(rows):
    """The row with the most members: those that are there only if there is something."""
    return max(range(len(rows)), key=lambda i: len(rows[i]) if isinstance(rows[i], dict) else 0)


def spoil(report, path, how):
    """None where the report cannot be spoiled that way."""
    broken = copy.deepcopy(report)
    at = broken
    for step in path[:-1] if how != "surprise" else path:
        at = at[step]
    if how == "surprise":
        at["surprise"] = 1
    elif how == "take away":
        del at[path[-1]]
    else:
        # What is null may be a list elsewhere; nothing that is null is an object elsewhere.
        at[path[-1]] = {} if at[path[-1]] is None or isinstance(at[path[-1]], list) else []
    return broken


def strict(validator, report, name):
    """The report, cut to one row a table, spoiled in every way."""
    small = {k: [v[richest(v)]] if isinstance(v, list) and v else v for k, v in report.items()}
    tried = 0
    for path, how in faults(small):
        tried += 1
        if validator.is_valid(spoil(small, path, how)):
            print(f"{name}: the schema does not notice: {how} at /{'/'.join(map(str, path))}")
            return False, tried
    return True, tried


def members(schema):
    for key, value in schema.items():
        if key == "properties":
            yield from value
        if isinstance(value, dict):
            yield from members(value)


def documented(found):
    with open("docs/report-schema.md", encoding="utf-8") as f:
        named = set(re.findall(r"`([a-z_0-9]+)`", f.read()))
    events = {"cgroup", "process", "blind", "cost", "program_cost", "timestamp", "type"}  # in docs/events.md
    missing = {m for v in found.values() for m in members(v.schema)} - named - events
    for member in sorted(missing):
        print(f"docs/report-schema.md does not name `{member}`")
    return not missing


def main(args):
    found = validators()
    good = True
    tried = 0
    is_strict = "--strict" in args
    if is_strict:
        args.remove("--strict")
        good = documented(found)
    unstored = "--unstored" in args
    if unstored:
        args.remove("--unstored")
    for name in args:
        with open(name, encoding="utf-8") as f:
            report = json.load(f)
        if unstored:
            report["chain"] = CHAIN
        validator = found.get(report.get("level"))
        if not validator:
            print(f"{name}: no schema for the level {report.get('level')!r}")
            good = False
            continue
        for error in validator.iter_errors(report):
            print(f"{name}: at {error.json_path}: {error.message[:300]}")
            good = False
        if is_strict:
            noticed, n = strict(validator, report, name)
            good = good and noticed
            tried += n
    print(f"{len(args)} reports" + (f", {tried} of them spoiled on purpose" if tried else ""))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
