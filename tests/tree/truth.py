# SPDX-License-Identifier: MIT
"""What the reports must say: the generator's cells (model.h) added up by levels.

The calendar here is Python's own (isocalendar), on purpose not the program's.
"""
import datetime
import errno
import json
import shlex
import signal
from collections import Counter

UTC = datetime.timezone.utc
LEVELS = ("cell", "block", "daily", "weekly", "monthly")
DIRS = {"cell": "cells", "block": "blocks", "daily": "daily", "weekly": "weekly", "monthly": "monthly"}
TALLIES = ("line", "user", "status", "signal", "error", "failed", "address", "syscall", "container")
NUMBERS = ("watched_ns", "late", "steps", "blind_ns", "blind_before_ns", "cpu_ns", "bpf_ns")
COUNTERS = ("delivered", "produced", "filtered", "dropped", "truncated")
DAY = 86400


def text(raw):
    """Bytes as the reports show them: what is not UTF-8 as U+10FF00 + byte, and so the bytes of such code points."""
    out, at = [], 0
    while at < len(raw):
        for size in range(1, 5):
            try:
                char = raw[at:at + size].decode("utf-8")
                break
            except UnicodeDecodeError:
                char = None
        if char is None or len(char) != 1:
            out.append(chr(0x10FF00 + raw[at]))
            at += 1
        elif ord(char) >= 0x10FF00:
            out.extend(chr(0x10FF00 + byte) for byte in raw[at:at + size])
            at += size
        else:
            out.append(char)
            at += size
    return "".join(out)


def from_bytes(latin):
    return text(latin.encode("latin-1"))


def line_key(key, seen={}):
    """(executable, command, command line) of a line's key in model.h."""
    if key not in seen:
        exe, *args = key[:-1].split("\0")
        seen[key] = (from_bytes(exe), from_bytes(exe.rsplit("/", 1)[1]), from_bytes(shlex.join(args)))
    return seen[key]


def nice_key(tally, key):
    if tally == "signal":
        return signal.Signals(int(key)).name
    if tally == "error":
        return errno.errorcode[int(key)]
    if tally == "failed":
        return from_bytes(key)
    return key


def window(level, start):
    """(start, end) of the window of a level that holds the moment."""
    if level == "block":
        begin = start - start % 14400
        return begin, begin + 14400
    day = datetime.datetime.fromtimestamp(start, UTC).date()
    if level == "daily":
        first, last = day, day + datetime.timedelta(1)
    else:
        first = day - datetime.timedelta(day.isoweekday() - 1)
        last = first + datetime.timedelta(7)
    if level == "monthly":
        thursday = first + datetime.timedelta(3)
        while (first + datetime.timedelta(-4)).month == thursday.month:
            first -= datetime.timedelta(7)
        while (last + datetime.timedelta(3)).month == thursday.month:
            last += datetime.timedelta(7)
    midnight = [datetime.datetime.combine(d, datetime.time(), UTC) for d in (first, last)]
    return int(midnight[0].timestamp()), int(midnight[1].timestamp())


class Expected:
    """Of one window: sums of the cells that begin in it."""

    def __init__(self, start, end):
        self.start, self.end = start, end
        self.cells = 0
        self.starts = Counter()
        self.number = Counter()
        self.types = {}
        self.tally = {t: Counter() for t in TALLIES}
        self.commands = Counter()
        self.runs = Counter()

    def add(self, row):
        self.cells += 1
        self.starts[row["start"]] += 1
        for n in NUMBERS:
            self.number[n] += row[n]
        for name, counts in row["types"].items():
            sums = self.types.setdefault(name, [0] * len(COUNTERS))
            for i, n in enumerate(counts):
                sums[i] += n
        for key, n in row["line"].items():
            exe, command, line = line_key(key)
            self.tally["line"][exe, line] += n
            self.commands[command] += n
            self.runs[exe] += n
        for t in TALLIES[1:]:
            for key, n in row[t].items():
                self.tally[t][nice_key(t, key)] += n

    @property
    def events(self):
        return sum(t[0] for t in self.types.values())

    @property
    def dropped(self):
        return sum(t[3] for t in self.types.values())


def read(path):
    """{level: {window start: Expected}}; of cells that share a window, the sum."""
    tree = {level: {} for level in LEVELS}
    with open(path, encoding="ascii") as file:
        for line in file:
            row = json.loads(line)
            for level in LEVELS:
                start, end = (row["start"], row["end"]) if level == "cell" else window(level, row["start"])
                tree[level].setdefault(start, Expected(start, end)).add(row)
    return tree


def as_json(tree):
    """The known totals of each window of each level, for people and for jq."""
    return {level: [{"start": datetime.datetime.fromtimestamp(e.start, UTC).isoformat(),
                     "end": datetime.datetime.fromtimestamp(e.end, UTC).isoformat(),
                     "cells": e.cells, "events": e.events, "dropped": e.dropped,
                     "blind_seconds": e.number["blind_ns"] / 1e9,
                     "counts": {t: dict(zip(COUNTERS, c)) for t, c in e.types.items()},
                     "commands": dict(sorted(e.commands.items(), key=lambda c: (-c[1], c[0]))[:20])}
                    for _, e in sorted(windows.items())]
            for level, windows in tree.items()}


if __name__ == "__main__":
    import sys
    json.dump(as_json(read(sys.argv[1])), sys.stdout, indent=1)
