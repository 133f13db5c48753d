#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it costs to show reports to a model: prompts of a made-up ordinary day (tests/tree/day.py), as
`analyze --dry-run` makes and prices them. No server is asked: tokens are the program's own estimate, answers as long as they may be. Fails
when the table of docs/analysis.md is off by more than a quarter.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tree"))
import day  # noqa: E402
import reports  # noqa: E402
from program import BINARY, NO_RAW, ROOT, replay  # noqa: E402

DAYS = 2  # the first is for learning
OFF = 0.25
PRICE = re.compile(r"(\d+) bytes, some (\d+) tokens and \d+ at most for the answer: ([\d.]+) US cents at most")
CELLS_FOUND = 5  # a day that have findings: a guess, for on this day none has


def median(prompts):
    return [statistics.median(column) for column in zip(*prompts)]


class Cost(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="edr-cost.")
        self.addCleanup(shutil.rmtree, self.work)
        capture, self.into = os.path.join(self.work, "day.cap"), os.path.join(self.work, "reports")
        day.ordinary(DAYS).write(capture)
        run = replay(capture, self.into, *NO_RAW, "--set", "ANALYSIS.learning_days=%d" % (DAYS - 1))
        self.assertEqual(run.status, 0, run.output[-2000:])

    def prompt(self, report):
        """Bytes, tokens, cents."""
        made = subprocess.run([BINARY, "analyze", report, "--dry-run", "-c", os.devnull, "--reports-dir", self.into],
                              capture_output=True, check=True)
        size, tokens, cents = PRICE.search(made.stderr.decode()).groups()
        self.assertEqual(int(size), len(made.stdout))
        return int(size), int(tokens), float(cents)

    def measured(self):
        begin = "2026-01-%02dT" % DAYS
        last = {level: [r for r in map(reports.load, reports.files(self.into, level))
                        if r["window_start"].startswith(begin)] for level in ("cell", "block", "daily")}
        every = {level: {r["report_id"]: self.prompt(r["report_id"]) for r in found} for level, found in last.items()}
        cells = [every["cell"][r["report_id"]] for r in last["cell"] if r["total"]]
        rows = {"cell": median(cells), "largest cell": max(cells), "block": median(every["block"].values()),
                "day": median(every["daily"].values())}
        parents = sum(p[2] for level in ("block", "daily") for p in every[level].values())
        parents += rows["day"][2] * (1 / 7 + 1 / 30)  # a week and a month have no more rows than a day
        rows["a month"] = [30 * (parents + CELLS_FOUND * rows["cell"][2])]
        rows["a month, every cell"] = [30 * (parents + sum(p[2] for p in every["cell"].values()))]
        return rows

    def test_page(self):
        with open(os.path.join(ROOT, "docs", "analysis.md"), encoding="utf-8") as file:
            page = file.read().split("## Cost, as measured", 1)[1].split("\n## ", 1)[0]
        told = {}
        for line in page.splitlines():
            name, *figures = [f.strip() for f in line.strip("|").split("|")]
            told[name] = [float(f.replace(",", "")) for f in figures if re.fullmatch(r"[\d,.]+", f)]
        for name, figures in self.measured().items():
            print("| %s | %s |" % (name, " | ".join("%.3f" % f if f < 1 else "{:,.0f}".format(f) for f in figures)))
            self.assertEqual(len(told.get(name, [])), len(figures), name)
            for have, want in zip(told[name], figures):
                self.assertLess(abs(have - want), OFF * want, "%s: the page says %s, not %s" % (name, have, want))


if __name__ == "__main__":
    unittest.main(verbosity=2)
