#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ninety days of a host's life, replayed: every report of every level says what the generator did.

EDR_BINARY and EDR_BUILD_DIR name the program and the build; EDR_TREE_DAYS (90) and EDR_TREE_JOBS (4, processes a minute in
busy hours) make it shorter. EDR_TREE_KEEP=DIR leaves the captures and the reports there.
"""
import os
import re
import shutil
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
import reports  # noqa: E402
import truth  # noqa: E402
from program import KEEP_ALL, captures, generate, replay  # noqa: E402

DAYS = int(os.environ.get("EDR_TREE_DAYS", "90"))
JOBS = os.environ.get("EDR_TREE_JOBS", "4")


def written(run):
    """(level, id) in the order in which the log tells them."""
    names = {d: level for level, d in truth.DIRS.items()}
    return [(names[d], i) for d, i in re.findall(r"(cells|blocks|daily|weekly|monthly)/([^/\s]+)\.json$", run.output, re.M)]


class Tree(unittest.TestCase):
    """One replay, many looks at it."""

    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="edr-tree.")
        cls.addClassCleanup(cls.clean)
        cls.caps = os.path.join(cls.work, "captures")
        cls.dir = os.path.join(cls.work, "reports")
        generate(cls.caps, "-d", str(DAYS), "-r", JOBS)
        cls.expected = truth.read(os.path.join(cls.caps, "cells.jsonl"))
        cls.runs = []
        for number, capture in enumerate(captures(cls.caps)):
            cls.runs.append(replay(capture, cls.dir, *KEEP_ALL,
                                   zone=("Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC")[number % 4]))
            cls.scramble()
        cls.sums = {level: {} for level in truth.LEVELS}
        cls.parents = {}
        cls.ids = {level: [] for level in truth.LEVELS}
        cls.odd = []
        for level in truth.LEVELS:
            for path in reports.files(cls.dir, level):
                report = reports.load(path)
                start = reports.when(report["window_start"])
                cls.sums[level].setdefault(start, reports.Sums()).add(report)
                cls.ids[level].append(report["report_id"])
                if report["report_id"] + ".json" != os.path.basename(path) or report["level"] != level:
                    cls.odd.append(path)
                if level != "cell":
                    cls.parents[report["report_id"]] = report
        cls.figures()

    @classmethod
    def scramble(cls):
        """The times of the files mean nothing: the newest becomes the oldest."""
        for folder, _, names in os.walk(cls.dir):
            for number, name in enumerate(sorted(names)):
                os.utime(os.path.join(folder, name), (2000000000 - number, 2000000000 - number))

    @classmethod
    def clean(cls):
        if os.environ.get("EDR_TREE_KEEP"):
            shutil.move(cls.work, os.environ["EDR_TREE_KEEP"])
        else:
            shutil.rmtree(cls.work)

    @classmethod
    def figures(cls):
        size = {level: sum(os.path.getsize(p) for p in reports.files(cls.dir, level)) for level in truth.LEVELS}
        print("%d days, %d events in %d captures: %.1f s, %.1f s of CPU, peak %.1f MB" % (
            DAYS, sum(e.events for e in cls.expected["daily"].values()), len(cls.runs),
            sum(r.seconds for r in cls.runs), sum(r.cpu_seconds for r in cls.runs), max(r.peak_kb for r in cls.runs) / 1024))
        for level in truth.LEVELS:
            print("%-8s %5d reports, %9d bytes" % (level, len(cls.ids[level]), size[level]))
        sys.stdout.flush()

    def ended(self, level):
        """Windows that had a cell and whose end was passed while an agent ran, or before one started later."""
        last = max(self.expected["cell"])
        return {s: e for s, e in self.expected[level].items() if e.end <= last}

    def compare(self, level, windows):
        wrong = []
        for start, want in sorted(windows.items()):
            name = "%s of %s" % (level, time.strftime("%FT%TZ", time.gmtime(start)))
            got = self.sums[level].get(start)
            if not got:
                wrong.append("%s: there is none" % name)
                continue
            wrong += ["%s: %s" % (name, d) for d in reports.differences(got, want)]
        self.assertFalse(wrong, "%d differences:\n%s" % (len(wrong), "\n".join(wrong[:20])))

    def need(self, level):
        if not self.ids[level]:
            self.fail("no %s report at all" % level)

    def test_captures_were_taken_as_they_ended(self):
        self.assertEqual([r.status for r in self.runs], [0, 65, 65, 0], self.runs[0].output[-2000:])

    def test_names_and_levels(self):
        self.assertEqual(self.odd, [])

    def test_cells(self):
        self.compare("cell", self.expected["cell"])
        self.assertEqual(self.sums["cell"].keys() - self.expected["cell"].keys(), set())

    def test_cells_come_as_often_as_they_should(self):
        for start, want in self.expected["cell"].items():
            self.assertEqual(self.sums["cell"][start].reports, want.cells, start)

    def parents_are_right(self, level):
        self.need(level)
        self.compare(level, self.ended(level))
        self.assertEqual(self.sums[level].keys() - self.expected[level].keys(), set(), "windows in which nothing was seen")
        twice = [s for s, got in self.sums[level].items() if got.reports != 1]
        self.assertEqual(twice, [], "more than one report of a window")

    def test_blocks(self):
        self.parents_are_right("block")

    def test_days(self):
        self.parents_are_right("daily")

    def test_weeks(self):
        self.parents_are_right("weekly")

    def test_months(self):
        self.parents_are_right("monthly")


if __name__ == "__main__":
    unittest.main(verbosity=2)
