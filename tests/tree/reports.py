# SPDX-License-Identifier: MIT
"""Reports as they lie in a directory, and a comparison with truth.Expected that names each difference."""
import datetime
import functools
import gzip
import itertools
import json
import multiprocessing
import os
import unittest
from collections import Counter

try:
    import jsonschema
except ImportError:
    jsonschema = None

from program import ROOT
from truth import COUNTERS, DIRS


def when(text):
    """Unix seconds of an RFC 3339 time in whole seconds."""
    return int(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp())


def files(directory, level):
    folder = os.path.join(directory, DIRS[level])
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith((".json", ".json.gz")) and ".part" not in name)


def name_of(path):
    """The id that the file's name tells."""
    return os.path.basename(path).split(".json", 1)[0]


def load(path):
    with (gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")) as file:
        return json.load(file)


@functools.lru_cache(maxsize=None)
def validator(level):
    with open(os.path.join(ROOT, "docs", "schema", level + ".schema.json"), encoding="utf-8") as file:
        return jsonschema.Draft202012Validator(json.load(file))


def unfit_one(path):
    report = load(path)
    return ["%s: at %s: %s" % (path, e.json_path, e.message[:300])
            for e in itertools.islice(validator(report["level"]).iter_errors(report), 3)]


def unfit(paths):
    """What of these does not fit the JSON Schema of its level. Python's jsonschema takes its time: on all CPUs at once."""
    if not jsonschema:
        raise unittest.SkipTest("Python's module jsonschema is not installed")
    with multiprocessing.Pool() as pool:
        return [e for errors in pool.imap_unordered(unfit_one, paths, 32) for e in errors]


class Sums:
    """Of one report, or of several that share a window: what a comparison needs."""

    def __init__(self):
        self.reports = 0
        self.events = self.dropped = self.late = self.steps = 0
        self.covered_ns = self.blind_ns = self.blind_before_ns = self.cpu_ns = self.bpf_ns = 0
        self.types = {}
        self.commands = Counter()
        self.tally = {t: Counter() for t in ("line", "runs", "user", "status", "signal", "error", "failed", "address",
                                             "syscall", "container")}
        self.short = Counter()  # by (tally, key)
        self.other = Counter()  # by table

    def add(self, r):
        self.reports += 1
        self.events += r["total"] if "total" in r else r["total_events"]
        self.dropped += r["loss"]["total"]
        self.blind_ns += round(r["loss"]["blind_seconds"] * 1e9)
        self.blind_before_ns += round(r["loss"]["blind_seconds_before"] * 1e9)
        self.cpu_ns += round((r["own_cost"]["agent_cpu_seconds"] or 0) * 1e9)
        self.bpf_ns += round((r["own_cost"]["bpf_cpu_seconds"] or 0) * 1e9)
        self.covered_ns += round(r["window"]["covered_seconds"] * 1e9)
        self.late += r["clock"]["late_events"]
        self.steps += r["clock"]["steps"]
        for name, c in r["counts"].items():
            sums = self.types.setdefault(name, [0] * len(COUNTERS))
            for i, counter in enumerate(COUNTERS):
                sums[i] += c[counter]
        self.commands.update(r["command_counts"])
        for exe in r["executables"]:
            self.executable(exe)
        for c in r["connections"]:
            self.row("address", "%s:%d" % (c["address"], c["port"]), c["connects"], c)
        for s in r["syscalls"]:
            self.row("syscall", s["syscall"], s["count"], s)
        other = r["other"]
        self.other["executables"] += other["executables"]["events"] + other["executables"]["failed_runs"]
        self.other["lines"] += other["command_lines"]["runs"]
        self.other["commands"] += other["commands"]["runs"]
        self.other["address"] += other["connections"]["events"]
        self.other["syscall"] += other["syscalls"]["events"]

    def forget_rows(self):
        self.commands = self.tally = self.short = None

    def row(self, tally, key, count, row):
        if count:
            self.tally[tally][key] += count
        self.short[tally, key] += row.get("short_by", 0)

    def executable(self, exe):
        path = exe["path"]
        self.row("runs", path, exe["runs"], exe)
        self.row("failed", path, exe["failed_runs"], exe)
        self.tally["user"].update(exe["users"])
        self.tally["status"].update(exe["exits"]["by_status"])
        self.tally["signal"].update(exe["exits"]["by_signal"])
        self.tally["error"].update(exe["errors"])
        self.tally["container"].update(exe["containers"])
        for line in exe["command_lines"]:
            self.row("line", (path, line["command_line"]), line["count"], line)
        for key, n in exe.get("other", {}).items():
            self.other[key] += n


def table(what, got, want, other, short, exact):
    """Rows of a bounded table: exact without `other`; else within the stated bounds."""
    if exact or not other:
        if got != want:
            odd = [(k, got[k], want[k]) for k in got.keys() | want.keys() if got[k] != want[k]][:3]
            yield "%s: (key, got, wanted) %s%s" % (what, odd, "" if exact else " and nothing is in other")
        return
    for key in got.keys() | want.keys():
        if not got[key] <= want[key]:
            yield "%s %r: %d, more than the %d that were" % (what, key, got[key], want[key])
        elif want[key] > got[key] + (short(key) if key in got else other):
            yield "%s %r: %d of %d, and the error bound does not say so" % (what, key, got[key], want[key])


def differences(sums, want):
    """Sentences; none when the report says what happened."""
    for what, a, b in (("events", sums.events, want.events), ("dropped", sums.dropped, want.dropped),
                       ("covered ns", sums.covered_ns, want.number["watched_ns"]),
                       ("blind ns", sums.blind_ns, want.number["blind_ns"]),
                       ("blind ns before", sums.blind_before_ns, want.number["blind_before_ns"]),
                       ("agent's CPU ns", sums.cpu_ns, want.number["cpu_ns"]),
                       ("BPF CPU ns", sums.bpf_ns, want.number["bpf_ns"]),
                       ("late events", sums.late, want.number["late"]),
                       ("clock steps", sums.steps, want.number["steps"]), ("types", sums.types, want.types)):
        if a != b:
            yield "%s: %s, not %s" % (what, a, b)
    other = sums.other
    full = other["executables"] + other["lines"]
    yield from table("commands", sums.commands, want.commands, other["commands"],
                     lambda k: other["commands"], False)
    yield from table("runs of", sums.tally["runs"], want.runs, other["executables"],
                     lambda k: sums.short["runs", k], False)
    yield from table("failed runs of", sums.tally["failed"], want.tally["failed"], other["executables"],
                     lambda k: other["executables"], False)
    yield from table("line", sums.tally["line"], want.tally["line"], full,
                     lambda k: sums.short["line", k] + sums.short["runs", k[0]], False)
    yield from table("syscall", sums.tally["syscall"], want.tally["syscall"], other["syscall"],
                     lambda k: other["syscall"], False)
    yield from table("address", sums.tally["address"], want.tally["address"], other["address"],
                     lambda k: other["address"], False)
    for name in ("user", "status", "signal", "error", "container"):
        yield from table(name, sums.tally[name], want.tally[name], other["executables"] + sum(
            n for key, n in other.items() if key not in ("lines", "commands", "address", "syscall", "executables")),
            lambda k: other["executables"], False)
