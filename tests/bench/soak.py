# SPDX-License-Identifier: MIT
"""scripts/soak: mixed load for minutes or hours; memory and descriptors stay flat, and every cell's sums are right."""

import argparse
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from agents import Edr, read
from ending import Ended, end_on_signals

WARM_UP = 0.2  # of the time, until tables and allocator have their size
MEMORY_GROWTH, MEMORY_SLACK_MB = 0.05, 2
DESCRIPTORS_SLACK = 2  # a report that is being written
SAMPLE_S = 2

# One round: pace's arguments, and what of it is an exec. {noop} and {i} are filled in.
ROUND = [
    ("exec 1000 2 {noop} 250", "execs"),
    ("connect 20000 1", None),
    ("exec 10000 2 {noop}", "execs"),
    ("refused 20000 2", None),
    ("names 500 2 {noop}", "execs"),
    ("fork 2000 1", None),
    ("destinations 20000 1", None),
    ("arguments 500 2 {noop}", "execs"),
    ("accepted 2000 1", None),
]


class SoakAgent(Edr):
    def argv(self, live):
        return super().argv(live) + ["-i", "1"]


class Soak:
    def __init__(self, options):
        self.pace = f"{options.build}/truth/pace"
        os.stat(self.pace)
        self.tmp = tempfile.mkdtemp(prefix="edr-soak.")
        self.noop = f"{self.tmp}/noop"
        shutil.copy(f"{options.build}/truth/noop", self.noop)
        self.agent = SoakAgent(f"{self.tmp}/agent", options.build)
        self.load = None
        self.samples, self.seen, self.failed = [], {}, []
        self.done = {"execs": 0}

    def fail(self, sentence):
        self.failed.append(sentence)
        print(f"FAILED: {sentence}", flush=True)

    def close(self):
        if self.load and self.load.poll() is None:
            self.load.terminate()
            self.load.wait()
        self.agent.stop()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def sample(self):
        pid = self.agent.process.pid
        status = read(f"/proc/{pid}/status")
        rss = re.search(r"VmRSS:\s+(\d+)", status)
        if rss:
            self.samples.append((int(rss.group(1)) / 1024, len(os.listdir(f"/proc/{pid}/fd")),
                                 len(os.listdir(f"/proc/{pid}/task")), time.monotonic()))

    def check_cells(self):
        """What is new; raw events are taken away, or a long soak would fill the disk."""
        for path in sorted(glob.glob(f"{self.agent.place}/reports/cells/*.json")):
            if path in self.seen:
                continue
            cell = json.loads(read(path))
            self.seen[path] = {kind: row for kind, row in cell["counts"].items()}
            for kind, c in self.seen[path].items():
                if c["produced"] + c["pending_before"] != c["delivered"] + c["dropped"] + c["pending_after"]:
                    self.fail(f"{cell['report_id']}: {kind}: produced is not delivered + dropped: {c}")
            if cell["loss"]["blind_seconds"]:
                self.fail(f"{cell['report_id']}: blind for {cell['loss']['blind_seconds']} s")
        for path in glob.glob(f"{self.agent.place}/reports/interim/*.json"):
            os.unlink(path)

    def step(self, args, what):
        self.load = subprocess.Popen([self.pace] + args.format(noop=self.noop).split(), stdout=subprocess.PIPE, text=True)
        while self.load.poll() is None:
            self.sample()
            try:
                self.load.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                pass
        if self.load.returncode != 0:
            raise RuntimeError(f"the load has failed: pace {args}")
        if what:
            self.done[what] += json.loads(self.load.stdout.read())["done"]
        time.sleep(0.5)
        self.sample()

    def run(self, seconds):
        self.agent.start()
        self.agent.ready()
        start, said = time.monotonic(), 0
        while time.monotonic() - start < seconds and self.agent.alive() and not self.failed:
            for args, what in ROUND:
                self.step(args, what)
            self.check_cells()
            if self.samples and time.monotonic() - said > 60:
                said = time.monotonic()
                rss, fds, threads, _ = self.samples[-1]
                print(f"{(said - start) / 60:.0f} min: {rss:.1f} MB, {fds} descriptors, {threads} threads, "
                      f"{self.done['execs']} execs, {len(self.seen)} cells", flush=True)
        if not self.agent.alive():
            self.fail(f"the agent has ended: {read(self.agent.out)[-300:]}")
            return
        time.sleep(2)
        self.agent.stop()
        self.check_cells()
        if not self.seen or not self.samples:
            self.fail("no cell was written" if self.samples else "the agent could not be looked at")
            return
        self.judge(start)

    def judge(self, start):
        end = self.samples[-1][3]
        warm = [s for s in self.samples if s[3] - start > (end - start) * WARM_UP]
        quarter = max(1, len(warm) // 4)
        first, last = warm[:quarter], warm[-quarter:]
        # Bursts come and go: the highest of a quarter against the highest of another
        before, after = max(s[0] for s in first), max(s[0] for s in last)
        print(f"memory {before:.1f} -> {after:.1f} MB, highest {max(s[0] for s in self.samples):.1f}")
        if after > before * (1 + MEMORY_GROWTH) + MEMORY_SLACK_MB:
            self.fail(f"memory grows: {before:.1f} MB in the first quarter, {after:.1f} MB in the last")
        for column, name in ((1, "descriptors"), (2, "threads")):
            before, after = (statistics.median(s[column] for s in part) for part in (first, last))
            most = max(s[column] for s in warm)
            print(f"{name} {before:.0f} -> {after:.0f}, most {most}")
            if after > before or most > before + DESCRIPTORS_SLACK:
                self.fail(f"{name} grow: {before:.0f} in the first quarter, {after:.0f} in the last, at most {most}")
        self.judge_counts()

    def judge_counts(self):
        sums, kinds = {}, {kind for cell in self.seen.values() for kind in cell}
        for kind in sorted(kinds):
            sums[kind] = c = {key: sum(cell.get(kind, {}).get(key, 0) for cell in self.seen.values())
                              for key in ("produced", "delivered", "dropped")}
            if not c["produced"]:
                continue
            print(f"{kind}: produced {c['produced']}, delivered {c['delivered']}, dropped {c['dropped']}")
            if c["produced"] != c["delivered"] + c["dropped"]:
                self.fail(f"{kind}: produced is not delivered + dropped over the whole run")
        counted = sums["exec"]["produced"] if "exec" in sums else 0
        if counted < self.done["execs"]:
            self.fail(f"{self.done['execs']} execs were made, {counted} counted")


def main():
    p = argparse.ArgumentParser(add_help=False)
    p.add_argument("--build", required=True)
    p.add_argument("--minutes", type=float, required=True)
    options = p.parse_args()
    end_on_signals()
    try:
        soak = Soak(options)
    except OSError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    try:
        soak.run(options.minutes * 60)
    except Ended as ended:
        soak.close()
        print(f"soak: {ended}: nothing is judged", file=sys.stderr)
        return ended.status
    except RuntimeError as error:
        soak.fail(str(error))
    finally:
        soak.close()
    print("soak: " + ("; ".join(soak.failed) if soak.failed else "all is flat, and every sum is right"))
    return 1 if soak.failed else 0


if __name__ == "__main__":
    sys.exit(main())
