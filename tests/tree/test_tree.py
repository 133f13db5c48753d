#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ninety days of a host's life, replayed: every report of every level says what the generator did.

EDR_BINARY and EDR_BUILD_DIR name the program and the build; EDR_TREE_DAYS (90) and EDR_TREE_JOBS (2, processes a minute in
busy hours) make it shorter. EDR_TREE_KEEP=DIR leaves the captures and the reports there. EDR_SCHEMA_ALL=1 compares every
report with its schema, which takes minutes.
"""
import hashlib
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
from capture import Capture  # noqa: E402
from program import KEEP_ALL, ROOT, Run, captures, generate, replay  # noqa: E402

DAYS = int(os.environ.get("EDR_TREE_DAYS", "90"))
JOBS = os.environ.get("EDR_TREE_JOBS", "2")
# jsonschema takes a second a megabyte: of 450 MB every week and month, and so many of the others. Rows are of the same making.
SCHEMA_EVERY = {} if os.environ.get("EDR_SCHEMA_ALL") else {"cell": 16, "block": 8, "daily": 4}


def written(run):
    """(level, id) in the order in which the log tells them."""
    names = {d: level for level, d in truth.DIRS.items()}
    return [(names[d], i) for d, i in re.findall(r"(cells|blocks|daily|weekly|monthly)/([^/\s]+)\.json(?:\.gz)?$", run.output, re.M)]


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
        if os.environ.get("EDR_TREE_REBUILD"):
            Run("report", "rebuild", "-c", os.devnull, "--reports-dir", cls.dir)
        cls.sums = {level: {} for level in truth.LEVELS}
        cls.parents = {}
        cls.ids = {level: [] for level in truth.LEVELS}
        cls.start_of = {level: {} for level in truth.LEVELS}
        cls.odd = []
        cls.wrong = {level: {} for level in truth.LEVELS}
        for level in truth.LEVELS:
            cls.look(level)
        cls.figures()

    @classmethod
    def look(cls, level):
        """Each report once, and of it only what the tests need: a year's reports do not fit in Python's memory."""
        start = None
        for path in reports.files(cls.dir, level):
            report = reports.load(path)
            if start != reports.when(report["window_start"]):
                cls.settle(level, start)
                start = reports.when(report["window_start"])
                cls.sums[level].setdefault(start, reports.Sums())
            cls.sums[level][start].add(report)
            cls.ids[level].append(report["report_id"])
            cls.start_of[level][report["report_id"]] = start
            if report["report_id"] != reports.name_of(path) or report["level"] != level:
                cls.odd.append(path)
            if level != "cell":
                report["command_counts_n"] = len(report["command_counts"])
                for key in ("executables", "connections", "syscalls", "command_counts", "process_trends"):
                    report.pop(key, None)
                cls.parents[report["report_id"]] = report
        cls.settle(level, start)

    @classmethod
    def settle(cls, level, start):
        """All reports of a window have been read."""
        if start is None:
            return
        sums, want = cls.sums[level][start], cls.expected[level].get(start)
        name = "%s of %s" % (level, time.strftime("%FT%TZ", time.gmtime(start)))
        cls.wrong[level][start] = ["%s: %s" % (name, d) for d in reports.differences(sums, want)] if want else [
            "%s: nothing was seen in that window" % name]
        sums.forget_rows()

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
        for start in sorted(windows):
            name = "%s of %s" % (level, time.strftime("%FT%TZ", time.gmtime(start)))
            wrong += self.wrong[level].get(start, ["%s: there is none" % name])
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

    def below(self, level):
        return truth.LEVELS[truth.LEVELS.index(level) - 1]

    def test_children_and_missing_tile(self):
        """Children and missing ones fill the window; children are all that there are; missing ones were truly not seen."""
        wrong = []
        for name, report in sorted(self.parents.items()):
            level = report["level"]
            begin, end = reports.when(report["window_start"]), reports.when(report["window_end"])
            spans = {(reports.when(c["window_start"]), reports.when(c["window_end"]))
                     for c in report["children"] + report["missing"]}
            at = begin
            for start, stop in sorted(spans):
                if start != at:
                    wrong.append("%s: %s, and then %s" % (name, at, start))
                at = stop
            missing = {reports.when(m["window_start"]) for m in report["missing"]}
            seen = {s for s in self.expected[self.below(level)] if begin <= s < end}
            if at != end or (begin, end) != truth.window(level, begin):
                wrong.append("%s: its window" % name)
            if missing & seen or {reports.when(c["window_start"]) for c in report["children"]} != seen:
                wrong.append("%s: missing %s, seen %s" % (name, sorted(missing & seen), len(seen)))
            if round(report["window"]["missing_seconds"]) != sum(round(m["seconds"]) for m in report["missing"]):
                wrong.append("%s: missing_seconds" % name)
            if report["total_events"] != sum(c["events"] for c in report["children"]):
                wrong.append("%s: its events are not those of its children" % name)
        self.assertTrue(self.parents)
        self.assertFalse(wrong, "%d wrong:\n%s" % (len(wrong), "\n".join(wrong[:20])))

    def test_children_have_one_parent(self):
        children = {"block": "cells", "daily": "blocks", "weekly": "daily_reports", "monthly": "weekly_reports"}
        for level, key in children.items():
            self.need(level)
            listed = [c for r in self.parents.values() if r["level"] == level for c in r[key]]
            self.assertEqual(len(listed), len(set(listed)), level)
            self.assertEqual(set(listed) - set(self.ids[self.below(level)]), set(), level)

    def test_trends(self):
        """By the hours of a block, the blocks of a day, the days of a week, the weeks of a month."""
        part = {"block": 3600, "daily": 4 * 3600, "weekly": truth.DAY, "monthly": 7 * truth.DAY}
        self.need("weekly")
        seen = set()
        for report in self.parents.values():
            level, seconds = report["level"], part[report["level"]]
            begin, end = reports.when(report["window_start"]), reports.when(report["window_end"])
            children = self.expected[self.below(level)]
            parts = [[children[s] for s in range(at, at + seconds, 60 if level == "block" else seconds) if s in children]
                     for at in range(begin, end, seconds)]
            self.assertTrue(report["command_trends"] or not report["command_counts_n"], report["report_id"])
            seen.add(level)
            for command, counts in report["command_trends"].items():
                want = [sum(c.commands[command] for c in p) for p in parts]
                if report["other"]["commands"]["runs"]:
                    self.assertTrue(all(a <= b for a, b in zip(counts, want)), (command, counts, want))
                else:
                    self.assertEqual(counts, want, (report["report_id"], command))
        self.assertLessEqual({"block", "daily", "weekly"}, seen)

    def test_parents_come_when_their_windows_end(self):
        """In the order of the log: behind the last of its children, before anything of a later window."""
        starts = {i: s for level in truth.LEVELS for i, s in self.start_of[level].items()}
        newest = 0
        seen = {level: 0 for level in truth.LEVELS}
        for run in self.runs:
            for level, name in written(run):
                if level == "cell":
                    newest = max(newest, starts[name])
                else:
                    end = truth.window(level, starts[name])[1]
                    seen[level] += 1
                    # A cell of the next window may be there when the host slept or was off meanwhile.
                    late = [s for s in self.expected["cell"] if end <= s <= newest]
                    self.assertLessEqual(len(late), 1, "%s came after %d cells of later windows" % (name, len(late)))
        for level in truth.LEVELS[1:]:
            self.assertEqual(seen[level], len(self.ids[level]), "%s: in the log, and there" % level)

    def test_fault_06_parents_are_of_their_own_children(self):
        """The original's 16th cell made a block of 15 old cells and one new; its day came after 5 hours, with 960 events
        where 210 were; its week and month never came."""
        self.need("monthly")
        first = min(self.sums["daily"])
        self.assertEqual(first % truth.DAY, 0)
        self.assertEqual(sum(s.events for s in self.sums["block"].values()),
                         sum(e.events for e in self.ended("block").values()))
        self.assertEqual(self.sums["daily"][first].events, self.expected["daily"][first].events)

    def test_fault_14_files(self):
        """Whole, private, names that any file system takes; and the order is not by the files' times (see scramble)."""
        for folder, _, names in os.walk(self.dir):
            for name in set(names) - {".lock"}:
                path = os.path.join(folder, name)
                self.assertRegex(name, r"\A[A-Za-z0-9_-][A-Za-z0-9._-]*\Z", path)
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)
                self.assertFalse(name.startswith(".") or "tmp" in name, path)

    def test_verify(self):
        run = Run("report", "verify", "-c", os.devnull, "--reports-dir", self.dir)
        print("verify: %.1f s, peak %.1f MB" % (run.seconds, run.peak_kb / 1024))
        self.assertEqual(run.status, 0, run.output[-3000:])

    def test_zz_rebuild_finds_nothing_to_do(self):
        run = Run("report", "rebuild", "-c", os.devnull, "--reports-dir", self.dir)
        print("rebuild: %.1f s, peak %.1f MB" % (run.seconds, run.peak_kb / 1024))
        self.assertEqual(run.status, 0, run.output[-3000:])
        self.assertRegex(run.output, r"\b0 new, 0 changed\b")

    def test_schema(self):
        begin = time.monotonic()
        paths = [p for level in truth.LEVELS for p in reports.files(self.dir, level)[::SCHEMA_EVERY.get(level, 1)]]
        wrong = reports.unfit(paths)
        print("%d reports against their schemas: %.1f s" % (len(paths), time.monotonic() - begin))
        self.assertFalse(wrong, "\n".join(wrong[:20]))

    def test_blocks(self):
        self.parents_are_right("block")

    def test_days(self):
        self.parents_are_right("daily")

    def test_weeks(self):
        self.parents_are_right("weekly")

    def test_months(self):
        self.parents_are_right("monthly")


class Small(unittest.TestCase):
    """Trees of a few days."""

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="edr-tree.")
        self.addCleanup(shutil.rmtree, self.work)
        self.dir = os.path.join(self.work, "reports")

    def capture(self, start, days):
        path = os.path.join(self.work, "captures")
        generate(path, "-1", "-q", "-d", str(days), "-r", "3", "-s", str(start))
        return os.path.join(path, "all.cap")

    def digests(self, directory):
        out = {}
        for folder, _, names in os.walk(directory):
            for name in names:
                if name == ".lock":
                    continue
                with open(os.path.join(folder, name), "rb") as file:
                    out[os.path.relpath(os.path.join(folder, name), directory)] = hashlib.sha256(file.read()).hexdigest()
        return out

    def there(self, level):
        return [reports.name_of(p) for p in reports.files(self.dir, level)]

    def part(self, capture, unix):
        path = os.path.join(self.work, "part.cap")
        with open(path, "wb") as file:
            file.write(capture.part_until(unix))
        run = replay(path, self.dir, *KEEP_ALL)
        self.assertEqual(run.status, 0, run.output[-2000:])

    def test_first_day_week_and_month(self):
        """None of them before its window ends, each with the first record behind that. The month of October 2026 is made of
        the weeks whose Thursday lies in it: it ends with November 1st."""
        capture = Capture(self.capture(1793448000, 2))  # Saturday 2026-10-31 12:00:00
        november2 = 1793577600
        self.part(capture, november2 - 86400 - 60)
        self.assertEqual([self.there(lv) for lv in truth.LEVELS[2:]], [[], [], []])
        self.part(capture, november2 - 60)
        self.assertEqual([self.there(lv) for lv in truth.LEVELS[2:]], [["daily-20261031"], [], []])
        self.part(capture, november2 + 60)
        both = ["daily-20261031", "daily-20261101"]
        self.assertEqual([self.there(lv) for lv in truth.LEVELS[2:]], [both, ["weekly-2026W44"], ["monthly-202610"]])
        before = self.digests(os.path.join(self.dir, "weekly")) | self.digests(os.path.join(self.dir, "monthly"))
        self.part(capture, november2 + 7200)
        after = self.digests(os.path.join(self.dir, "weekly")) | self.digests(os.path.join(self.dir, "monthly"))
        self.assertEqual(before, after)

    def test_clock_back_over_a_block_between_two_runs(self):
        """The next start's clock is half a minute behind, and in a block that has its report. All of it twice: the same
        bytes."""
        path, noon, seen = self.capture(1791964800, 1), 1791979200, []  # 2026-10-14 08:00:00
        for name in ("once", "again"):
            capture, self.dir = Capture(path), os.path.join(self.work, name)
            self.part(capture, noon - 30)
            here = capture.at
            self.part(capture, noon + 60)
            self.assertEqual(self.there("block"), ["block-20261014T0800Z"])
            capture.at = here
            self.part(capture, noon + 120)
            run = Run("report", "verify", "-c", os.devnull, "--reports-dir", self.dir)
            self.assertEqual(run.status, 0, run.output[-2000:])
            capture.at = here
            capture.part_until(noon - 20)
            self.part(capture, noon + 120)
            seen.append(self.digests(self.dir))
        self.assertEqual(*seen)

    def test_same_bytes_in_every_time_zone(self):
        capture = self.capture(1791962625, 2)
        seen = []
        for number, zone in enumerate(("UTC", "America/New_York", "Asia/Kathmandu")):
            directory = os.path.join(self.work, str(number))
            self.assertEqual(replay(capture, directory, "--set", "ADVANCED.max_events_buffer=100", zone=zone).status, 0)
            seen.append(self.digests(directory))
        self.assertIn("chain.json", seen[0])
        self.assertEqual(reports.unfit([os.path.join(directory, n) for n in seen[-1] if re.search(r"/.*\.json$", n)]), [])
        self.assertTrue([name for name in seen[0] if name.startswith("interim/")])
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
