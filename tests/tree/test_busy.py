#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cells of a million events and 50,000 distinct command lines: their size, their price, and nobody waits for them.

The capture comes through a pipe, so that how fast the program takes it is seen: when a cell ends, that must not stop.
EDR_BUSY_EVENTS (1000000) and EDR_BUSY_LINES (50000) make it smaller; EDR_TREE_LAX=1 (sanitizers) leaves out the limits
on time and memory.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zlib

sys.dont_write_bytecode = True
import reports  # noqa: E402
from program import BINARY, KEEP_ALL, TOOLS, Run  # noqa: E402

EVENTS = int(os.environ.get("EDR_BUSY_EVENTS", "1000000"))
LINES = int(os.environ.get("EDR_BUSY_LINES", "50000"))
LAX = bool(os.environ.get("EDR_TREE_LAX"))
CELLS = 3
CHUNK = 1 << 16


class Busy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="edr-busy.")
        cls.addClassCleanup(shutil.rmtree, cls.work)
        cls.capture = os.path.join(cls.work, "busy.cap")
        subprocess.run([os.path.join(TOOLS, "gen_busy"), str(EVENTS), str(LINES), str(CELLS), cls.capture], check=True)
        cls.dir = os.path.join(cls.work, "reports")
        cls.run_ = Run("replay", cls.capture, "-c", os.devnull, "-i", "15", "--reports-dir", cls.dir, *KEEP_ALL)
        cls.cells = [reports.load(p) for p in reports.files(cls.dir, "cell")]
        cls.sizes = {level: [os.path.getsize(p) for p in reports.files(cls.dir, level)]
                     for level in ("cell", "block", "daily", "weekly", "monthly")}

    def test_every_event_is_counted(self):
        self.assertEqual(self.run_.status, 0, self.run_.output[-2000:])
        full = [c for c in self.cells if c["total"]]
        self.assertEqual([c["total"] for c in full], [EVENTS] * CELLS)
        for c in full:
            runs = sum(e["runs"] for e in c["executables"]) + c["other"]["executables"]["runs"]
            lines = sum(x["count"] for e in c["executables"] for x in e["command_lines"])
            self.assertEqual(runs, c["counts"]["exec"]["delivered"])
            self.assertEqual(lines + c["other"]["command_lines"]["runs"], runs)

    def test_packing(self):
        with open(max(reports.files(self.dir, "cell"), key=os.path.getsize), "rb") as file:
            text = file.read()
        begin = time.process_time()
        packed = len(zlib.compress(text, 6))
        print("\npacked as retention packs cells of yesterday: %.1f %% of %d bytes, %.2f CPU s" % (
            100 * packed / len(text), len(text), time.process_time() - begin))
        self.assertLess(packed, len(text) / 4)

    def test_size_and_memory(self):
        cell = max(self.sizes["cell"])
        print("\n%d events, %d command lines a cell: %d bytes a cell; a month of 35 days of them %.1f GB of cells;"
              " replay %.2f million events a second, peak %.1f MB" % (
                  EVENTS, LINES, cell, 35 * 96 * cell / 1e9, EVENTS * CELLS / self.run_.seconds / 1e6,
                  self.run_.peak_kb / 1024))
        for level, sizes in self.sizes.items():
            print("%-8s %s" % (level, sizes))
        sys.stdout.flush()
        if not LAX:
            self.assertLess(cell, 8e6)
            for level, most in (("block", 4e6), ("daily", 4e6), ("weekly", 4e6), ("monthly", 4e6)):
                self.assertLess(max(self.sizes[level]), most, level)
            self.assertLess(self.run_.peak_kb, 256 * 1024)

    def feed(self, fifo, taken):
        """Writes the capture into the pipe; taken: (time, bytes so far), a pair a chunk."""
        done = 0
        with open(self.capture, "rb") as capture, open(fifo, "wb", buffering=0) as pipe:
            while chunk := capture.read(CHUNK):
                pipe.write(chunk)
                done += len(chunk)
                taken.append((time.monotonic(), done))

    @staticmethod
    def look(pid, cpu):
        """CPU seconds of each thread so far; the main one is pid."""
        try:
            for thread in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii") as file:
                    cpu[int(thread)] = int(file.read().split()[0]) / 1e9
        except (OSError, IndexError):
            pass  # it has ended

    def test_nobody_waits_for_a_cell(self):
        fifo, directory = os.path.join(self.work, "fifo"), os.path.join(self.work, "piped")
        os.mkfifo(fifo)
        size, taken, seen, cpu = os.path.getsize(self.capture), [], {}, {}
        child = subprocess.Popen([BINARY, "replay", fifo, "-c", os.devnull, "-i", "15", "--reports-dir", directory,
                                  *KEEP_ALL], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        feeder = threading.Thread(target=self.feed, args=(fifo, taken))
        feeder.start()
        while child.poll() is None:
            self.look(child.pid, cpu)
            for path in reports.files(directory, "cell"):
                seen.setdefault(os.path.basename(path), time.monotonic())
            time.sleep(0.002)
        feeder.join()
        self.assertEqual(child.returncode, 0)
        # The capture's windows are equal parts of it, but for its first and last few records.
        closes = []
        for number, name in list(enumerate(sorted(seen), 1))[:CELLS - 1]:
            ended = next(t for t, done in taken if done >= size * number // CELLS)
            closes.append(seen[name] - ended)
        gaps = [b[0] - a[0] for a, b in zip(taken, taken[1:])]
        others = sum(seconds for thread, seconds in cpu.items() if thread != child.pid) / CELLS
        # By tenths of a second: megabytes taken.
        rate = {}
        for t, _ in taken:
            rate[int((t - taken[0][0]) * 10)] = rate.get(int((t - taken[0][0]) * 10), 0) + CHUNK / 1e6
        rates = [rate.get(i, 0) for i in range(max(rate))]
        print("\nto close a cell: %.2f CPU s; from its last event to its file: %s s; the longest wait for 64 kB to be"
              " taken: %.3f s; MB taken a tenth of a second: least %.1f, median %.1f" % (
                  others, " ".join("%.2f" % c for c in closes), max(gaps), min(rates), statistics.median(rates)))
        sys.stdout.flush()
        if not LAX:
            # CPU time, for on a machine that others use the clock says nothing of us.
            self.assertLess(others, 1.0)
            self.assertLess(max(closes), 5.0)
            self.assertLess(max(gaps), 3.0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
