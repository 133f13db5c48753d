#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two hundred kill -9, with a disk that fills up and frees in between.

Most hit a replay that is fed through a pipe, each start going on in the capture where the one before was killed, which may
be earlier: so cells come late. Some hit a live run, with processes whose arguments tell which of them no report knows (needs
root and BPF, else they are left out). After each: no file is broken. In between and at the end: `report verify` passes. Of a
live run no more is lost than checkpoint_interval, with EDR_KILL_MARGIN_SECONDS (0.5) for a machine that has no time for the
agent, and no cell says that it watched what is lost: each window has one cell, with a gap for each kill. The moments are from a fixed seed. EDR_KILLS (200) and EDR_LIVE_KILLS
(30) set the numbers; EDR_KILL_SECONDS (300) is the time after which no further kill is made, half of it for the live run. A
machine that is too slow for all of them must make half, and the test says so.
"""
import collections
import datetime
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
import reports  # noqa: E402
from capture import Capture  # noqa: E402
from program import BINARY, BUILD, KEEP_ALL, Run, generate  # noqa: E402

KILLS = int(os.environ.get("EDR_KILLS", "200"))
LIVE_KILLS = int(os.environ.get("EDR_LIVE_KILLS", "30"))
LIMIT_S = float(os.environ.get("EDR_KILL_SECONDS", "300"))
BEGIN = time.monotonic()
CHECKPOINT_S = 1
MARGIN_S = float(os.environ.get("EDR_KILL_MARGIN_SECONDS", "0.5"))


def unix(text):
    return datetime.datetime.strptime(text[:26] + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


class Disk:
    """A small file system of its own where that can be had."""

    def __init__(self, work, size):
        self.path = os.path.join(work, "disk")
        os.mkdir(self.path)
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=%s,mode=700" % size, "none", self.path], check=False,
            stderr=subprocess.DEVNULL).returncode == 0
        self.ballast = os.path.join(self.path, "ballast")
        self.fills = 0

    def fill(self):
        if not self.mounted:
            return
        self.fills += 1
        with open(self.ballast, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass
            try:
                while True:
                    file.write(bytes(1 << 10))
            except OSError:
                pass

    def free(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=False)


class Kills(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(20261121)
        self.work = tempfile.mkdtemp(prefix="edr-kill.")
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.disk = Disk(self.work, "128m" if "replay" in self.id() else "512m")
        self.addCleanup(self.disk.remove)
        self.dir = os.path.join(self.disk.path, "reports")
        self.known = {}

    def all_files(self):
        for folder, _, names in os.walk(self.dir):
            for name in set(names) - {".lock"}:  # of who writes there
                yield os.path.join(folder, name)

    def no_file_is_broken(self):
        for path in self.all_files():
            if not path.endswith((".json", ".json.gz")):
                continue
            stat = os.stat(path)
            mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if self.known.get(path) == mark:
                continue
            self.known[path] = mark
            try:
                self.assertIsInstance(reports.load(path), dict, path)
            except (ValueError, EOFError, OSError) as error:
                self.fail("%s is broken: %s" % (path, error))

    def verify(self, when):
        run = Run("report", "verify", "-c", os.devnull, "--reports-dir", self.dir)
        self.assertEqual(run.status, 0, "verify %s:\n%s" % (when, run.output[-3000:]))

    def leftovers(self):
        return [p for p in self.all_files() if os.path.basename(p).startswith(".") or "tmp" in os.path.basename(p)]

    def enough(self, kills, wanted):
        """Only time may cut it short, and not by more than half."""
        if kills < wanted:
            print("\ncut short: %d of %d kills, for the time was over (EDR_KILL_SECONDS, %d); load %.1f" % (
                kills, wanted, LIMIT_S, os.getloadavg()[0]))
            sys.stdout.flush()
        self.assertGreaterEqual(2 * kills, wanted, "too few kills to say anything")

    def events_in_cells(self):
        return sum(reports.load(p)["total"] for p in reports.files(self.dir, "cell"))

    def test_replay(self):
        captures = os.path.join(self.work, "captures")
        generate(captures, "-1", "-d", "24", "-r", "1")
        capture = Capture(os.path.join(captures, "all.cap"))
        fifo = os.path.join(self.work, "fifo")
        os.mkfifo(fifo)
        mean = (len(capture.data) - capture.at) // (KILLS + 1)
        command = [BINARY, "replay", fifo, "-c", os.devnull, "-i", "15", "--reports-dir", self.dir, *KEEP_ALL]
        fed = kills = alive = 0
        while kills < KILLS and time.monotonic() < BEGIN + LIMIT_S:
            if self.random.random() < 0.25:
                self.disk.fill()
            data, events = capture.part(self.random.randrange(mean // 4, 2 * mean - mean // 4))
            with open(os.path.join(self.work, "log"), "ab") as log:
                child = subprocess.Popen(command, stdout=log, stderr=log)
            fed += events
            # Held open while it lives: it must not see an end.
            pipe = os.open(fifo, os.O_RDWR)
            try:
                os.set_blocking(pipe, False)
                end = time.monotonic() + self.random.random() ** 2 * 0.25
                view = memoryview(data)
                while time.monotonic() < end:
                    try:
                        if view:
                            view = view[os.write(pipe, view[:65536]):]
                            continue
                    except BlockingIOError:
                        pass
                    if self.disk.fills and self.random.random() < 0.05:
                        self.disk.free()
                    time.sleep(0.001)
            finally:
                alive += child.poll() is None
                child.kill()
                child.wait()
                os.close(pipe)
            kills += 1
            self.no_file_is_broken()
            if self.random.random() < 0.5:
                self.disk.free()
            if kills % 20 == 0:
                self.disk.free()
                self.verify("after %d kills" % kills)
        self.disk.free()
        rest = os.path.join(self.work, "rest.cap")
        data, events = capture.part(len(capture.data))
        with open(rest, "wb") as file:
            file.write(data)
        run = Run("replay", rest, "-c", os.devnull, "-i", "15", "--reports-dir", self.dir, *KEEP_ALL)
        self.assertIn(run.status, (0, 65), run.output[-2000:])
        self.no_file_is_broken()
        self.assertEqual(self.leftovers(), [])
        print("\n%d kills of a replay (%d of them found it alive), the disk filled %d times; of %d events fed, %d are in %d"
              " cells" % (kills, alive, self.disk.fills, fed + events, self.events_in_cells(),
                          len(reports.files(self.dir, "cell"))))
        sys.stdout.flush()
        self.verify("at the end")
        self.enough(kills, KILLS)

    # ---- live ----

    def live(self, log):
        return subprocess.Popen(
            [BINARY, "run", "-c", os.devnull, "-i", "1", "--reports-dir", self.dir, "--set", "SOURCE.self_test=false",
             "--set", "LIMITS.max_interim_mb=1", "--set", "REPORTS.checkpoint_interval=%d" % CHECKPOINT_S],
            stdout=log, stderr=log)

    @staticmethod
    def step(noop, ran):
        """A process that tells in its arguments who it is. Kept: when it was not yet, when it was over."""
        word = "kill-%d-%d" % (os.getpid(), len(ran))
        before = time.time()
        os.waitpid(os.posix_spawn(noop, [noop, word], os.environ), 0)
        ran[word] = before, time.time()
        time.sleep(0.01)

    @staticmethod
    def wait_until_it_watches(path, offset):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with open(path, "rb") as file:
                file.seek(offset)
                if b"watching" in file.read():
                    return True
            time.sleep(0.02)
        return False

    def one_life(self, noop, ran, seconds):
        """Runs processes for that long, while the disk may fill up. When it was last full; 0: never."""
        now = time.monotonic()
        end, full = now + seconds, 0
        fill_at = now + self.random.random() * seconds if self.random.random() < 0.2 else end + seconds
        free_at = fill_at + self.random.random() * seconds
        while time.monotonic() < end:
            self.step(noop, ran)
            if time.monotonic() > fill_at:
                self.disk.fill()
                fill_at = end + seconds
            if time.monotonic() > free_at:
                self.disk.free()
            if os.path.exists(self.disk.ballast):
                full = time.time()
        return full

    def cells(self):
        return [reports.load(path) for path in reports.files(self.dir, "cell")]

    @staticmethod
    def words(cells):
        """Those that a report knows of: among the command lines of cells."""
        return {line["command_line"].rsplit(" ", 1)[-1] for cell in cells for exe in cell["executables"]
                for line in exe["command_lines"]}

    @staticmethod
    def claims(cells):
        """([(from, to)] that cells say they have watched, [(from, to)] of this that they say was lost with the agent)."""
        watched = [(unix(c["window"]["covered_from"]), unix(c["window"]["covered_to"])) for c in cells]
        lost = [(unix(b["from"]), unix(b["to"])) for c in cells for b in c["loss"]["blind"] if "killed" in b["reason"]]
        return watched, lost

    def one_cell_a_window(self, cells):
        windows = collections.Counter(c["window_start"] for c in cells if not c["clock"]["steps"])
        self.assertEqual([w for w, n in windows.items() if n > 1], [], "windows with more than one cell")

    def each_kill_is_told(self, watched, told, lives):
        """A gap begins no more than the interval before it, and goes on to the next start. Gives how many there are."""
        gaps = 0
        for begin, kill, full in lives[:-1]:
            if not any(a < kill - MARGIN_S and kill < b for a, b in watched):
                continue  # nobody says so
            own = [(a, b) for a, b in told if a <= kill <= b + MARGIN_S]
            self.assertNotEqual(own, [], "the kill at %f is told nowhere: %s" % (kill, told))
            gaps += 1
            if not full:
                self.assertLess(min(kill - max(a, begin) for a, _ in own), CHECKPOINT_S + MARGIN_S)
        return gaps

    @unittest.skipUnless(LIVE_KILLS and os.geteuid() == 0, "needs root")
    def test_live(self):
        noop = os.path.join(BUILD, "truth", "noop")
        path = os.path.join(self.work, "agent.log")
        if Run("check", "-c", os.devnull).status not in (0, 1):
            self.skipTest("no BPF here")
        until = BEGIN + LIMIT_S / (2 if KILLS else 1)
        ran, lives = {}, []  # of each agent: from, to, when the disk was full
        with open(path, "ab") as log:
            for number in range(LIVE_KILLS + 1):
                offset = os.path.getsize(path)
                agent = self.live(log)
                if not self.wait_until_it_watches(path, offset):
                    agent.kill()
                    agent.wait()
                    self.fail("the agent has not come up")
                begin = time.time()
                last = number == LIVE_KILLS or time.monotonic() > until
                if last:
                    self.disk.free()
                full = self.one_life(noop, ran, 0.5 if last else 0.05 + self.random.random() * 2.5)
                if last:
                    self.disk.free()
                agent.send_signal(signal.SIGTERM if last else signal.SIGKILL)
                lives.append((begin, time.time(), full))
                agent.wait()
                self.no_file_is_broken()
                if self.random.random() < 0.7:
                    self.disk.free()
                if last:
                    break
        with open(path, encoding="utf-8", errors="replace") as log:
            self.assertEqual(agent.returncode, 0, log.read()[-3000:])
        self.assertEqual(self.leftovers(), [])
        self.what_was_lost(ran, lives)
        self.verify("after the live kills")
        self.enough(len(lives) - 1, LIVE_KILLS)

    def what_was_lost(self, ran, lives):
        cells = self.cells()
        watched, told = self.claims(cells)
        self.one_cell_a_window(cells)
        gaps = self.each_kill_is_told(watched, told, lives)
        missing = sorted(ran[w] for w in ran.keys() - self.words(cells))
        # How long before the kill the oldest process that is lost was over: at most so much of the cell is lost.
        lost = [max([to - after for _, after in missing if begin <= after <= to], default=0.0) for begin, to, _ in lives]
        while_full = [s for s, life in zip(lost, lives) if life[2] > life[0]]
        lost = sorted(s for s, life in zip(lost, lives) if not life[2])
        untold = [m for m in missing if all(
            any(a <= t <= b for a, b in watched) and not any(a <= t <= b for a, b in told) for t in m)]
        print("\n%d kills of a live run, in %d of them the disk was full for a while; of %d processes, %d are in no report;"
              " %d cells of as many windows, in which %d of the kills are told" % (
                  len(lives) - 1, len(while_full), len(ran), len(missing), len(cells), gaps))
        print("seconds lost at a kill, of %d: median %.2f, 9 of 10 %.2f, most %.2f; while the disk was full %.2f" % (
            CHECKPOINT_S, lost[len(lost) // 2], lost[len(lost) * 9 // 10], lost[-1], max(while_full, default=0)))
        sys.stdout.flush()
        self.assertEqual(untold, [], "lost, and the reports say that they watched; told: %s" % told)
        # A full disk takes no checkpoint. Else the interval; the margin is for a machine that lets nobody run for a while.
        self.assertLess(lost[-1], CHECKPOINT_S + MARGIN_S)


if __name__ == "__main__":
    unittest.main(verbosity=2)
