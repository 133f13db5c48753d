#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each parent's tables against the sums of its cells, where there are more names than a parent has rows for.

All that docs/report-tree.md says of them: totals and what is listed, with `other`, are the cells'; each row lies within
its bound; no name without a row has more than `at_most`; and `at_most` is no more than what the limits promise.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter

sys.dont_write_bytecode = True
import reports  # noqa: E402
from program import KEEP_ALL, ROOT, TOOLS, Run, replay  # noqa: E402

EVENTS, LINES, CELLS, STRIDE = "12000", "60000", "14", "187"  # a cell each 46.75 hours
ROOM = [o for key in ("executables", "command_lines", "connections") for o in ("--set", "LIMITS.max_%s=65536" % key)]
LEVELS = ("block", "daily", "weekly", "monthly")
TABLES = ("executables", "failed", "command_lines", "commands", "connections", "syscalls")


def limits():
    """As the document has them, in the order of TABLES."""
    with open(os.path.join(ROOT, "docs", "report-tree.md"), encoding="utf-8") as file:
        row = re.search(r"^\| rows +\|(.*)\|$", file.read(), re.M).group(1)
    return dict(zip(TABLES, (int(cell.replace(",", "")) for cell in row.split("|"))))


def all_of(e):
    return (e["runs"] + e["forks"] + e["threads"] + e["exits"]["total"] + e["connects"] + e["connect_ends"]
            + e["syscalls"])


class Tables:
    """Of a report: {table: {key: count}}, the same of short_by, and of each table what is in `other` and at_most."""

    def __init__(self, r):
        self.start, self.end = reports.when(r["window_start"]), reports.when(r["window_end"])
        self.rows = {t: Counter() for t in TABLES}
        self.short = {t: {} for t in TABLES}
        for e in r["executables"]:
            self.put("executables", e["path"], all_of(e), e.get("short_by", 0))
            self.put("failed", e["path"], e["failed_runs"], e.get("failed_short_by", 0))
            for line in e["command_lines"]:
                key = e["path"], line["command"], line["command_line"], line.get("cut_from_bytes"), line.get("hash")
                self.put("command_lines", key, line["count"], line.get("short_by", 0))
        other = r["other"]
        for command, count in r["command_counts"].items():
            self.put("commands", command, count, other["commands"]["short_by"].get(command, 0))
        for c in r["connections"]:
            key = c["executable"], c["family"], c["address"], c["port"], c["protocol"]
            self.put("connections", key, c["connects"] + c["connect_ends"], c.get("short_by", 0))
        for s in r["syscalls"]:
            self.put("syscalls", (s["executable"], s["syscall"]), s["count"], s.get("short_by", 0))
        self.other = {t: other[t]["runs" if t.startswith("command") else "events"] for t in TABLES if t != "failed"}
        self.at_most = {t: other[t]["at_most"] for t in TABLES if t != "failed"}
        self.other["failed"] = other["executables"]["failed_runs"]
        self.at_most["failed"] = other["executables"]["failed_at_most"]
        self.trends = r.get("command_trends", {})

    def put(self, table, key, count, short):
        if count:
            self.rows[table][key] = count
            self.short[table][key] = short

    def holds(self, other):
        return self.start <= other.start and other.end <= self.end


class Sums(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="edr-sums.")
        cls.addClassCleanup(shutil.rmtree, cls.work)
        capture, cls.dir = os.path.join(cls.work, "sums.cap"), os.path.join(cls.work, "reports")
        subprocess.run([os.path.join(TOOLS, "gen_busy"), EVENTS, LINES, CELLS, capture, STRIDE], check=True)
        run = replay(capture, cls.dir, *KEEP_ALL, *ROOM)
        assert run.status == 0, run.output[-2000:]
        cls.level = {level: [Tables(reports.load(p)) for p in reports.files(cls.dir, level)]
                     for level in ("cell", *LEVELS)}
        cls.limits = limits()
        cls.truth = {}

    def sum_of_cells(self, parent, table):
        key = parent.start, parent.end, table
        if key not in self.truth:
            self.truth[key] = Counter()
            for c in self.level["cell"]:
                if parent.holds(c):
                    self.truth[key].update(c.rows[table])
        return self.truth[key]

    def look(self, what):
        """what(parent, table, sums of its cells, children) of each parent and table."""
        done = Counter()
        for below, level in zip(("cell", *LEVELS), LEVELS):
            for parent in self.level[level]:
                children = [c for c in self.level[below] if parent.holds(c)]
                for table in TABLES:
                    truth = self.sum_of_cells(parent, table)
                    with self.subTest(level=level, start=parent.start, table=table):
                        done.update(what(parent, table, truth, children))
        print("\n%s: %s" % (self.id().rsplit(".", 1)[-1], ", ".join("%d %s" % (n, k) for k, n in sorted(done.items()))))
        return done

    def test_the_cells_are_exact(self):
        self.assertEqual(sum(any(c.rows["executables"]) for c in self.level["cell"]), int(CELLS))
        for c in self.level["cell"]:
            self.assertFalse(any(c.other.values()) or any(c.at_most.values()))

    def test_sums(self):
        def what(parent, table, truth, _):
            self.assertEqual(sum(parent.rows[table].values()) + parent.other[table], sum(truth.values()))
            with_it = parent.other["executables"] if table == "command_lines" else 0
            if len(truth) <= self.limits[table] and not with_it:
                self.assertEqual(parent.rows[table], truth)
                self.assertFalse(any(parent.short[table].values()) or parent.at_most[table])
                return {"tables with all": 1}
            return {"tables that were cut": 1}
        self.assertGreater(self.look(what)["tables that were cut"], 20)

    def test_bounds(self):
        def what(parent, table, truth, _):
            rows, most = parent.rows[table], parent.at_most[table]
            self.assertLessEqual(len(rows), self.limits[table])
            short = parent.short[table]
            self.assertFalse(rows.keys() - truth.keys())
            self.assertEqual([key for key, n in rows.items()
                              if not (n <= truth[key] <= n + short[key] and short[key] <= most)], [])
            unlisted = max((n for key, n in truth.items() if key not in rows), default=0)
            self.assertLessEqual(unlisted, most)
            least = min((truth[key] for key in rows), default=0)
            certain = [key for key, n in rows.items() if n > most]
            self.assertTrue(all(truth[key] > unlisted for key in certain))
            return {"rows": len(rows), "inexact ones": sum(map(bool, short.values())),
                    "names without a row": len(truth) - len(rows), "rows larger than at_most": len(certain),
                    "names without a row, larger than a row": sum(
                        n > least for key, n in truth.items() if key not in rows)}
        self.assertGreater(self.look(what)["names without a row"], 1000)

    def test_at_most_is_no_more_than_promised(self):
        def promised(table, events, children):
            rows = self.limits[table]
            return events // (rows + 1) + max(children - 2, 0) * (events // (2 * rows + 1))

        def what(parent, table, truth, children):
            cut = promised(table, sum(truth.values()), len(children))
            if table == "command_lines":  # they go with their executables
                events = sum(self.sum_of_cells(parent, "executables").values())
                cut = max(cut, promised("executables", events, len(children)))
            self.assertLessEqual(parent.at_most[table], sum(c.at_most[table] for c in children) + cut)
            return {"tables": 1}
        self.look(what)

    def test_trends(self):
        for parent in (p for level in LEVELS for p in self.level[level]):
            truth = self.sum_of_cells(parent, "commands")
            self.assertEqual(bool(parent.trends), bool(parent.rows["commands"]))
            for command, parts in parent.trends.items():
                self.assertLessEqual(sum(parts), truth[command], command)
                self.assertLessEqual(truth[command], sum(parts) + parent.short["commands"][command], command)

    def test_rebuilt_and_verified(self):
        run = Run("report", "verify", "-c", os.devnull, "--reports-dir", self.dir)
        self.assertEqual(run.status, 0, run.output[-2000:])
        run = Run("report", "rebuild", "-c", os.devnull, "--reports-dir", self.dir)
        self.assertRegex(run.output, r"\b0 new, 0 changed\b")


if __name__ == "__main__":
    unittest.main(verbosity=2)
