#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Days of building, installing packages and administration (day.py) are of severity 1 and 2: while the baseline learns,
and behind that. An attack among them is seen in its cell, its block and its day, and nowhere else.
"""

import os
import shutil
import sys
import tempfile
import unittest
from collections import Counter

sys.dont_write_bytecode = True
import day  # noqa: E402
import reports  # noqa: E402
from program import NO_RAW, replay  # noqa: E402

LEARNING = 3
DAYS = LEARNING + 2


def shell_below_nginx(d):
    shell = d.start(day.THERE["nginx"][0], day.BIN + "dash", "sh", "-c", "id", uid=33)
    d.run(shell, day.BIN + "id", uid=33)
    d.end(shell)


def from_memory(d):
    d.run(day.THERE["cron"][0], "/memfd:x (deleted)", "x", flags=day.MEMFD)


def kernel_thread(d):
    d.run(1, "/home/a/x", "[kworker/0:1]", uid=1000)


def hidden(d):
    pid = d.start(day.THERE["sshd"][0], "/dev/shm/.x", "x", uid=1000)
    d.connect(pid, "203.0.113.200", 4444)
    d.end(pid)


def copy_elsewhere(d):
    fake = d.start(1, "/home/a/runc", "runc", uid=1000)
    d.run(fake, "/memfd:runc_cloned:/proc/self/exe (deleted)", "runc", "init", uid=1000, flags=day.MEMFD)
    d.end(fake)


def browser_upgraded(d):
    browser = d.start(1, "/usr/lib/firefox/firefox", uid=1000)
    d.run(browser, "/usr/lib/firefox/firefox", "-contentproc", uid=1000, flags=day.DELETED)
    d.end(browser)


class Ordinary(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="edr-ordinary.")
        self.addCleanup(shutil.rmtree, self.work)

    def reports_of(self, days, extra=None, learning=LEARNING):
        capture, into = os.path.join(self.work, "day.cap"), os.path.join(self.work, "reports")
        day.ordinary(days, extra).write(capture)
        shutil.rmtree(into, ignore_errors=True)
        run = replay(capture, into, *NO_RAW, "--set", "ANALYSIS.learning_days=%d" % learning)
        self.assertEqual(run.status, 0, run.output[-2000:])
        return {level: [reports.load(p) for p in reports.files(into, level)] for level in ("cell", "block", "daily")}

    def test_days(self):
        made = self.reports_of(DAYS)
        self.assertEqual(len(made["daily"]), DAYS)
        for level, of_level in made.items():
            print("%-6s %s" % (level, dict(sorted(Counter(r["severity"] for r in of_level).items()))))
            for r in of_level:
                self.assertIn(r["severity"], (1, 2), "%s: %s" % (r["report_id"], r["analysis"]["reasons"]))
        # Else these days showed nothing: signals were found, the baseline was at work, and there are quiet hours.
        cells = made["cell"]
        signals = Counter(f["id"] for r in cells for f in r["findings"])
        reasons = Counter(s["id"] for r in cells for s in r["analysis"]["reasons"])
        print(dict(signals), dict(reasons))
        for name in ("run-memfd", "run-deleted", "run-world-writable", "failed-execs", "discovery", "setuid-new"):
            self.assertTrue(signals[name], name)
        self.assertTrue(reasons["new"])
        self.assertTrue(any(r["severity"] == 1 and r["total"] > 0 for r in cells))

    def attack(self, extra, signal, severity, **more):
        made = self.reports_of(more.pop("days", DAYS), extra, **more)
        for level, of_level in made.items():
            worst = [r for r in of_level if r["severity"] > 2]
            self.assertEqual([r["severity"] for r in worst], [severity], (level, [r["report_id"] for r in worst]))
            if level == "cell":
                self.assertIn((signal, severity), [(f["id"], f["severity"]) for f in worst[0]["findings"]])

    def test_shell_below_a_server(self):
        self.attack(shell_below_nginx, "server-shell", 4)

    def test_attacks_on_the_first_day(self):
        for extra, signal in ((shell_below_nginx, "server-shell"), (from_memory, "run-memfd"),
                              (kernel_thread, "kernel-name"), (copy_elsewhere, "run-memfd")):
            with self.subTest(extra.__name__):
                self.attack(extra, signal, 4, days=1)

    def test_a_users_program_after_its_upgrade(self):
        """A user could have made the path up, so it is said until it is usual; but it is less than an attack."""
        self.attack(browser_upgraded, "run-deleted", 3, days=1)

    def test_a_hidden_program_that_connects(self):
        self.attack(hidden, "new-connects", 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
