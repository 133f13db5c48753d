# SPDX-License-Identifier: MIT
"""The program under test, run and measured."""
import json
import os
import re
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("EDR_BUILD_DIR", os.path.join(ROOT, "build"))
BINARY = os.environ.get("EDR_BINARY", os.path.join(BUILD, "linux-edr-bpf"))
TOOLS = os.path.join(BUILD, "tree")
NO_RAW = ["--set", "ADVANCED.include_raw_events=false"]
KEEP_ALL = NO_RAW + [o for key in ("keep_cells_days", "keep_blocks_days", "keep_daily_days", "keep_weekly_days",
                                   "keep_monthly_days", "max_reports_mb") for o in ("--set", "REPORTS.%s=0" % key)]


class Run:
    """A run of the program: status, output, seconds, cpu_seconds, peak_kb."""

    def __init__(self, *arguments, zone="UTC"):
        with tempfile.NamedTemporaryFile("r") as figures, tempfile.TemporaryFile() as log:
            subprocess.run([os.path.join(TOOLS, "measure"), figures.name, BINARY, *arguments], stdout=log, stderr=log,
                           stdin=subprocess.DEVNULL, env=dict(os.environ, TZ=zone), check=True)
            self.__dict__.update(json.load(figures))
            log.seek(0)
            self.output = log.read().decode("utf-8", "replace")


def replay(capture, into, *options, zone="UTC"):
    return Run("replay", capture, "-c", os.devnull, "-i", "15", "--reports-dir", into, *options, zone=zone)


def captures(directory):
    runs = [f for f in os.listdir(directory) if re.fullmatch(r"run-\d+\.cap", f)]
    return [os.path.join(directory, f) for f in sorted(runs, key=lambda f: int(f[4:-4]))]


def generate(directory, *options):
    os.makedirs(directory)
    subprocess.run([os.path.join(TOOLS, "gen_capture"), *options, directory], check=True)
