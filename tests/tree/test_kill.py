#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two hundred kill -9, with a disk that fills up and frees in between.

Most hit a replay that is fed through a pipe, each start going on in the capture where the one before was killed; some hit
a live run, with processes whose arguments tell which of them no report knows (needs root and BPF, else they are left out).
After each: no file is broken. In between and at the end: `report verify` passes, and nothing is missing that is older
than the last checkpoint. The moments are from a fixed seed. EDR_KILLS (170) and EDR_LIVE_KILLS (30) set the numbers;
EDR_KILL_SECONDS (210) is the time after which no further kill is made.
"""
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

KILLS = int(os.environ.get("EDR_KILLS", "170"))
LIVE_KILLS = int(os.environ.get("EDR_LIVE_KILLS", "30"))
DEADLINE = time.monotonic() + float(os.environ.get("EDR_KILL_SECONDS", "210"))
CHECKPOINT_S = 1


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
        self.disk = Disk(self.work, "48m")
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
        while kills < KILLS and time.monotonic() < DEADLINE - 60 * (LIVE_KILLS > 0):
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

    # ---- live ----

    def live(self, log):
        return subprocess.Popen(
            [BINARY, "run", "-c", os.devnull, "-i", "1", "--reports-dir", self.dir, "--set", "SOURCE.self_test=false",
             "--set", "REPORTS.checkpoint_interval=%d" % CHECKPOINT_S], stdout=log, stderr=log)

    def step(self, noop, ran):
        """A process that tells in its arguments who it is."""
        word = "kill-%d-%d" % (os.getpid(), len(ran))
        ran[word] = time.time()
        subprocess.run([noop, word], check=True)
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

    def reported(self):
        """Words that a report knows of: among the command lines of cells."""
        words = set()
        for path in reports.files(self.dir, "cell"):
            for exe in reports.load(path)["executables"]:
                words.update(line["command_line"].rsplit(" ", 1)[-1] for line in exe["command_lines"])
        return words

    def gaps(self):
        """[(from, to)]: what the cells say was lost with a killed agent."""
        def unix(text):
            return datetime.datetime.strptime(text[:26] + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        return [(unix(b["from"]), unix(b["to"])) for path in reports.files(self.dir, "cell")
                for b in reports.load(path)["loss"]["blind"] if "killed" in b["reason"]]

    @unittest.skipUnless(LIVE_KILLS and os.geteuid() == 0, "needs root")
    def test_live(self):
        noop = os.path.join(BUILD, "truth", "noop")
        path = os.path.join(self.work, "agent.log")
        if Run("check", "-c", os.devnull).status not in (0, 1):
            self.skipTest("no BPF here")
        ran, watched = {}, []  # [from, to] of each agent
        with open(path, "ab") as log:
            for number in range(LIVE_KILLS + 1):
                offset = os.path.getsize(path)
                agent = self.live(log)
                if not self.wait_until_it_watches(path, offset):
                    agent.kill()
                    agent.wait()
                    self.fail("the agent has not come up")
                begin = time.time()
                last = number == LIVE_KILLS or time.monotonic() > DEADLINE
                end = time.monotonic() + (0.5 if last else 0.1 + self.random.random() * 2.9)
                while time.monotonic() < end:
                    self.step(noop, ran)
                watched.append((begin, time.time()))
                agent.send_signal(signal.SIGTERM if last else signal.SIGKILL)
                agent.wait()
                self.no_file_is_broken()
                if last:
                    break
        self.assertEqual(agent.returncode, 0)
        self.assertEqual(self.leftovers(), [])
        missing = sorted(ran[w] for w in ran.keys() - self.reported())
        lost = [0.0]
        for moment in missing:
            end = next(to for begin, to in watched if moment <= to)
            lost.append(end - moment)
        # What is lost must be told, where the agent lived long enough to have put anything on disk at all.
        told = self.gaps()
        untold = [m for m in missing for begin, to in watched if begin + 2 * CHECKPOINT_S <= m <= to and not any(
            a - 1 <= m <= b + 1 for a, b in told)]
        print("\n%d kills of a live run: of %d processes, %d are in no report; the oldest of them was %.2f s old when the"
              " agent was killed; %d gaps are told" % (len(watched) - 1, len(ran), len(missing), max(lost), len(told)))
        sys.stdout.flush()
        # The interval, and what a busy machine takes to write it.
        self.assertLess(max(lost), CHECKPOINT_S + 1.0)
        self.assertEqual(untold, [], "lost, and no report says so; told: %s" % told)
        self.verify("after the live kills")


if __name__ == "__main__":
    unittest.main(verbosity=2)
