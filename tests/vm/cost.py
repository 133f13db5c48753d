# SPDX-License-Identifier: MIT
"""What each way to watch costs in a guest: the ways that this machine's kernel does not take can be compared there.

A guest's clock goes on by 2 ns with each instruction (qemu's -icount), of all its CPUs in turn: a run's time is the
instructions of everybody in it, the agent too, whatever else this machine does. Only ratios mean something: of a run with
the agent to the mean of those before and after it, without."""
import os
import statistics

import boot
import kernels
import matrix

ROUNDS, EXECS, CONNECTS = 3, 500, 5000
LOADS = ("exec", "shell", "refused")
LIMIT_S = 1800


def ratios(runs):
    """{(way, load): [(ratio, agent's CPU time to the load's), ...]} of what cost.sh leaves: each run with the agent is
    between two without."""
    series = {}
    for line in runs.splitlines():
        way, load, watched, seconds, ticks = line.split()
        series.setdefault((way, load), []).append((watched == "1", float(seconds), int(ticks) / 100))
    found = {}
    for key, row in series.items():
        for before, run, after in zip(row, row[1:], row[2:]):
            if run[0]:
                alone = statistics.mean((before[1], after[1]))
                found.setdefault(key, []).append((run[1] / alone, run[2] / alone))
    return found


def cell(pairs):
    if not pairs:
        return "-"
    walls, agents = zip(*pairs)
    low, _, high = statistics.quantiles(walls, n=4, method="inclusive") if len(walls) > 1 else walls * 3
    return f"x{statistics.median(walls):.2f} ({low:.2f}-{high:.2f}), agent {statistics.median(agents):.0%}"


def measure(kernel, made, out, ways):
    """Rows of the table."""
    image = boot.Initramfs(kernel.arch, made["busybox"], made["sysroot"])
    image.add(made["package"], "/opt")
    ways = [w for w in ways if w.possible(kernel)]
    if kernel.vmlinux:
        image.put(kernels.VMLINUX, made["vmlinux"], 0o100644)
    image.put("/opt/ways", "".join(f"{w.name} {w.preparation} {w.mode} {w.options}\n" for w in ways).encode())
    status, console = boot.boot(kernel.arch, made["image"], image, f"sh cost.sh /out {ROUNDS} {EXECS} {CONNECTS} ways", out,
                                limit=LIMIT_S, options=("-icount", "shift=1"))
    if status:
        raise boot.Trouble(f"{kernel.name}: cost.sh ended with {status}: {console.last_words()}")
    console.unpack(out)
    found = ratios(matrix.read(out, "runs"))
    release = matrix.read(out, "kernel").strip()
    return [f"| {release} | {way.label} | " + " | ".join(cell(found.get((way.name, load), [])) for load in LOADS) + " |"
            for way in ways]


def table(rows):
    """Of (kernel, what measure takes), as Markdown."""
    return "\n".join(["| kernel | way | " + " | ".join(LOADS) + " |", "|---|---" + "|---" * len(LOADS) + "|", *rows])


def run(prepared, work, ways, say):
    """Prints the table of {kernel: what prepare() made}."""
    rows = []
    for kernel, made in prepared.items():
        say(f"{kernel.name}: {ROUNDS} rounds of each way")
        rows += measure(kernel, made, os.path.join(work, kernel.name), ways)
    print(table(rows))
