# SPDX-License-Identifier: MIT
"""scripts/bench: pairs of runs with and without an agent. docs/benchmarks.md says what each figure is."""

import argparse
import datetime
import glob
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from agents import AGENTS, output_of, read
from ending import Ended, end_on_signals

PACED_RATE = 500
SPOILT_MAX = 5  # rounds that may be made again
USAGE = 64

# name: pace's KIND, how many (and with --quick), workers, a program or nothing
LOADS = {
    "exec-1": ("exec", 15000, 4000, 1, "noop"),
    "exec-2": ("exec", 30000, 8000, 2, "noop"),
    "fork": ("fork", 15000, 4000, 1, None),
    "accepted": ("accepted", 40000, 15000, 1, None),
    "refused": ("refused", 150000, 50000, 2, None),
    "getpid": ("getpid", 8000000, 3000000, 1, None),
    "open": ("open", 600000, 200000, 1, None),
    "build": ("exec", 2, 1, 1, "build.sh"),
}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class LoadFailed(Exception):
    pass


class Bench:
    def __init__(self, options):
        self.options = options
        self.pace = f"{options.build}/truth/pace"
        os.stat(self.pace)
        self.tmp = tempfile.mkdtemp(prefix="edr-bench.")
        self.noop, self.agent = f"{self.tmp}/noop", None
        shutil.copy(f"{options.build}/truth/noop", self.noop)
        with open(f"{self.tmp}/build.sh", "w") as f:
            f.write(f"#!/bin/sh\nPATH=/usr/bin:/bin; export PATH; cd {options.root} || exit 1\nfor f in src/util/*.c; do\n"
                    f"\tcc -O2 -Iinclude -Isrc -D_GNU_SOURCE -c -o {self.tmp}/o.o $f || exit 1\ndone\n")
        os.chmod(f"{self.tmp}/build.sh", 0o755)

    def end_agent(self):
        if self.agent:
            self.agent.stop()

    def close(self):
        self.end_agent()
        shutil.rmtree(self.tmp, ignore_errors=True)

    # ---- one run ----

    def run_pace(self, *args):
        with subprocess.Popen([self.pace, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pace:
            try:
                out, errors = pace.communicate()
            finally:
                pace.terminate()  # and its workers with it, which a kill would leave
        run = json.loads(out) if pace.returncode == 0 else {}
        if not run.get("done"):
            raise LoadFailed(f"the load has failed: pace {' '.join(map(str, args))}: status {pace.returncode} {errors.strip()}")
        return run

    def run_load(self, name):
        kind, full, quick, workers, program = LOADS[name]
        args = [kind, quick if self.options.quick else full, workers]
        return self.run_pace(*args, *([f"{self.tmp}/{program}"] if program else []))

    def run_with(self, *load):
        """A load while the agent runs, with what the agent used until half a second after it"""
        before = self.agent.usage()
        run = self.run_load(*load) if len(load) == 1 else self.run_pace(*load)
        time.sleep(0.5)
        run["agent_cpu"] = self.agent.usage()[0] - before[0]
        return run

    # ---- one agent ----

    def first_event(self):
        """Seconds from the start to the first exec told, and that exec had to happen in the meantime."""
        started, i, seen = time.monotonic(), 0, False
        self.agent.start(live=True)
        while not seen and time.monotonic() - started < 30:
            subprocess.run([self.noop, f"first-event-{i}-"], check=False)
            time.sleep(0.01)
            seen = self.agent.seen("first-event-[0-9]+-")
            i += 1
        took = time.monotonic() - started
        self.agent.stop()
        return took if seen else None

    def up(self):
        self.agent.start()
        self.agent.ready()
        if not self.agent.alive():
            raise RuntimeError(f"{self.agent.name} has ended: {read(self.agent.out)[-500:]}")

    def quiet(self, patience_s):
        """Whether nobody else traces system calls, which would slow both sides of a pair; waits for it a while."""
        until = time.monotonic() + patience_s
        while others_trace():
            if time.monotonic() >= until:
                return False
            time.sleep(1)
        return True

    def abba(self, name, pairs):
        """Without, with, with, without: twice as many pairs as rounds. A round that somebody disturbed is made again."""
        found, spoilt = [], 0
        while len(found) < pairs:
            quiet = self.quiet(20)
            a1 = self.run_load(name)
            self.up()
            b1, b2 = self.run_with(name), self.run_with(name)
            self.agent.stop()
            a2 = self.run_load(name)
            quiet = quiet and self.quiet(0)
            if quiet or spoilt >= SPOILT_MAX:
                found += [{"without": a, "with": b, "spoilt": not quiet} for a, b in ((a1, b1), (a2, b2))]
            spoilt += not quiet
        if spoilt:
            say(f"{self.agent.name}: {name}: somebody else traced system calls in {spoilt} rounds")
        return found[:pairs]

    def life(self):
        """One life: idle, a moderate rate, a storm. What was told is compared with what was done."""
        quick = self.options.quick
        idle_s, paced_s, storm = (10, 4, 40000) if quick else (60, 20, 200000)
        found = {}
        self.up()
        time.sleep(2)
        before = self.agent.usage()
        time.sleep(idle_s)
        after = self.agent.usage()
        found["idle_cpu_ms_per_s"] = (after[0] - before[0]) * 1000 / idle_s
        found["idle_wakeups_per_s"] = (after[1] - before[1]) / idle_s
        found["memory_idle"] = self.agent.memory()
        run = self.run_with("exec", PACED_RATE * paced_s, 1, self.noop, PACED_RATE)
        found["paced_cpu_ms_per_1000"] = run["agent_cpu"] * 1e6 / run["done"]
        done = run["done"]
        connects = subprocess.Popen([self.pace, "connect", str(storm), "1"], stdout=subprocess.DEVNULL)
        try:
            run = self.run_with("exec", storm, 2, self.noop)
            connects.wait()
        finally:
            connects.terminate()
            connects.wait()
        found["storm_seconds"] = run["seconds"]
        time.sleep(1)
        found["memory_storm"] = self.agent.memory()
        self.agent.stop()
        found["execs_done"] = done + run["done"]
        found["execs_told"] = self.agent.execs(self.noop)
        found["counts"] = self.agent.counts()
        found["bytes_per_event"] = self.agent.bytes_per_event()
        return found

    def measure(self, kind):
        self.agent = agent = kind(f"{self.tmp}/agent", self.options.build)
        why = agent.missing()
        if why:
            say(f"{agent.name} is left out: {why}")
            return {"what": agent.what, "left_out": why}
        before = machine_load()
        say(f"{agent.name}: {load_text(before)} before it")
        firsts = [self.first_event() for _ in range(3)]
        found = {"what": agent.what, "version": agent.version(), "machine_before": before, "loads": {}}
        found["first_event_s"] = statistics.median([f if f is not None else 30 for f in firsts])
        agent.settle_s = found["first_event_s"]
        for name in self.options.loads:
            found["loads"][name] = summary(self.abba(name, self.options.pairs))
            say(f"{agent.name}: {name} {ratio_cell(found['loads'][name], 'wall')}")
        found.update(self.life())
        return found


# ---- figures ----


def spread(values):
    """Median, and the quartiles around it"""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": statistics.median(values), "q1": low, "q3": high}


def summary(pairs):
    def by_pair(what):
        return spread([pair["with"][what] / pair["without"][what] for pair in pairs])

    return {
        "wall": by_pair("seconds"),
        "cpu": by_pair("cpu_seconds"),
        "agent_cpu_ms_per_1000": spread([p["with"]["agent_cpu"] * 1e6 / p["with"]["done"] for p in pairs]),
        "spoilt_pairs": sum(p["spoilt"] for p in pairs),
        "pairs": pairs,
    }


def mark(*loads):
    return " !" if any(load and load["spoilt_pairs"] for load in loads) else ""


def ratio_cell(load, what):
    r = load[what]
    return f"x{r['median']:.2f} ({r['q1']:.2f}-{r['q3']:.2f}){mark(load)}"


def flat_out_load(agent):
    return agent["loads"].get("exec-2") or agent["loads"].get("exec-1")


def flat_out(agent):
    load = flat_out_load(agent)
    return load["agent_cpu_ms_per_1000"]["median"] if load else None


def mb(value):
    return f"{value / 1e6:.1f}"


def number(value, form=".1f"):
    return "-" if value is None else format(value, form)


def table(head, rows):
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head] + rows]
    return "\n".join([lines[0], "|" + "---|" * len(head)] + lines[1:]) + "\n"


def n_lost(agent):
    return max(0, agent["execs_done"] - agent["execs_told"])


def lost(agent):
    missing = n_lost(agent)
    return f"{missing} of {agent['execs_done']}" + (f" ({missing / agent['execs_done']:.1%})" if missing else "")


def own_row(name, a):
    idle, storm = a["memory_idle"], a["memory_storm"]
    return [name, number(flat_out(a)) + mark(flat_out_load(a)), number(a["paced_cpu_ms_per_1000"]), mb(idle["total"]),
            mb(storm["total"]), f"{mb(storm['user'])} + {mb(storm['kernel'])}", mb(storm["rss_peak"]),
            number(a["idle_cpu_ms_per_s"], ".2f"), number(a["idle_wakeups_per_s"]), number(a["first_event_s"], ".2f"),
            number(a["bytes_per_event"], ".0f"), lost(a)]


def against(us, them):
    """Our figure by theirs: below 1 is better. Lost execs as they are: mostly there are none."""
    def ratio(a, b, *loads):
        return number(a / b if a and b else None, ".2f") + mark(*loads)

    row = [ratio(flat_out(us), flat_out(them), flat_out_load(us), flat_out_load(them)),
           ratio(us["paced_cpu_ms_per_1000"], them["paced_cpu_ms_per_1000"])]
    for name, ours in us["loads"].items():
        theirs = them["loads"][name]
        row += [ratio(ours[what]["median"], theirs[what]["median"], ours, theirs) for what in ("wall", "cpu")]
    return row + [ratio(us["memory_storm"]["total"], them["memory_storm"]["total"]),
                  ratio(us["first_event_s"], them["first_event_s"]), f"{n_lost(us)} by {n_lost(them)}"]


def against_peers(us, agents, loads):
    peers = [n for n in agents if not n.startswith("edr")]
    if us not in agents or not peers:
        return ""
    return f"\n{us} by each peer: below 1 is better\n\n" + table(
        ["peer", "agent CPU", f"at {PACED_RATE}/s"] + [f"{x} ({what})" for x in loads for what in ("time", "CPU")] + ["memory", "first event", "execs lost"],
        [[n] + against(agents[us], agents[n]) for n in peers])


def spoilt_lines(agents):
    """What the mark in the tables means"""
    text = "".join(f"! {n}: {name}: in {load['spoilt_pairs']} of {len(load['pairs'])} pairs somebody else traced system calls\n"
                   for n, a in agents.items() for name, load in a["loads"].items() if load["spoilt_pairs"])
    return "\n" + text if text else ""


def markdown(found):
    agents = {n: a for n, a in found["agents"].items() if "loads" in a}
    if not agents:
        return "nothing was measured\n"
    loads = list(next(iter(agents.values()))["loads"])
    text = f"{found['machine']['cpu']}, {found['machine']['cpus']} CPUs, Linux {found['machine']['kernel']}; {found['date']}; "
    text += f"{found['options']['pairs']} pairs{', quick' if found['options']['quick'] else ''}; "
    text += f"before the start {load_text(found['machine']['before'])}; before each agent (its predecessor is still in the "
    text += f"load average): {', '.join(n + ' ' + load_figures(a['machine_before']) for n, a in agents.items())}\n"
    for what, title in (("wall", "Time"), ("cpu", "CPU time")):
        text += f"\n{title} of the load, with by without the agent: median (quartiles)\n\n"
        text += table(["agent"] + loads, [[n] + [ratio_cell(a["loads"][x], what) for x in loads] for n, a in agents.items()])
    text += spoilt_lines(agents)
    text += "\nThe agent itself\n\n" + table(
        ["agent", "ms per 1,000 execs", f"at {PACED_RATE}/s", "MB idle", "MB after the storm", "process + BPF", "VmHWM",
         "idle ms/s", "wake-ups/s", "first event s", "bytes an event", "execs lost"],
        [own_row(n, a) for n, a in agents.items()])
    text += "\nEvents of our own by type, from the last life: produced = delivered + dropped\n\n" + table(
        ["agent", "type", "produced", "delivered", "dropped"],
        [[n, kind, c["produced"], c["delivered"], c["dropped"]]
         for n, a in agents.items() for kind, c in a["counts"].items() if "produced" in c])
    text += against_peers("edr", agents, loads) + against_peers("edr-lean", agents, loads)
    for n, a in found["agents"].items():
        text += f"\n{n}: {a['what']}; {a.get('version') or 'left out: ' + a.get('left_out', '')}"
    return text + "\n"


def machine():
    cpu = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "memory_mb": int(read("/proc/meminfo").split()[1]) // 1024, "cc": output_of("cc", "--version").split("\n")[0],
            "mitigations": read("/sys/devices/system/cpu/vulnerabilities/spectre_v2").strip(),
            "before": machine_load()}


def cpu_ticks():
    """Of all CPUs since boot: busy, all. Waiting for a disk is idle."""
    ticks = [int(t) for t in read("/proc/stat").split("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def machine_load():
    """What the machine does without us: the load average, and the busy share of its CPUs in a second of waiting."""
    busy, everything = cpu_ticks()
    time.sleep(1)
    busy_after, everything_after = cpu_ticks()
    return {"load_average": os.getloadavg(), "busy": (busy_after - busy) / max(1, everything_after - everything)}


def load_figures(load):
    return f"{load['load_average'][0]:.2f}, {load['busy']:.0%}"


def load_text(load):
    return f"load average {load['load_average'][0]:.2f}, {load['busy']:.0%} of the CPUs busy"


TRACEFS = "/sys/kernel/tracing"


def others_trace():
    """Is a syscall tracepoint on, by ftrace or by somebody's BPF program?"""
    buffers = [TRACEFS] + glob.glob(f"{TRACEFS}/instances/*")
    if any(read(f"{b}/events/syscalls/enable").strip() not in ("", "0") for b in buffers):
        return True
    return bool(re.search(r"tracepoint\s+sys_(enter|exit)_", output_of("bpftool", "perf")))


class JsonFile:
    """Made beside its name before anything is measured, and renamed when it is whole."""

    def __init__(self, path):
        self.path, self.part = os.path.realpath(path), None
        if not os.path.basename(path) or os.path.dirname(os.path.abspath(path)) == "/dev" or \
                os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"{path} is not a regular file")
        self.part = f"{self.path}.{os.getpid()}.part"
        self.file = open(self.part, "x")

    def write(self, found):
        json.dump(found, self.file, indent=1)
        self.file.flush()
        os.fsync(self.file.fileno())
        os.rename(self.part, self.path)
        self.part = None

    def close(self):
        if self.part:
            os.unlink(self.part)


class Parser(argparse.ArgumentParser):
    """As scripts/bench: what it hands over by itself is not shown, and wrong usage is 64."""

    def error(self, message):
        self.print_usage(sys.stderr)
        say(f"{message}; try --help")
        sys.exit(USAGE)


def parse():
    def words(known):
        def split(text):
            unknown = [w for w in text.split(",") if w not in known]
            if unknown:
                raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
            return text.split(",")
        return split

    def pairs(text):
        if not text.isdecimal() or not int(text):
            raise argparse.ArgumentTypeError(f"needs a number of at least 1, and not '{text}'")
        return int(text)

    names = [a.name for a in AGENTS]
    p = Parser(prog="sudo scripts/bench", add_help=False, allow_abbrev=False)
    p.add_argument("--root", required=True, help=argparse.SUPPRESS)
    p.add_argument("--build", required=True, help=argparse.SUPPRESS)
    p.add_argument("--only-parse", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--pairs", type=pairs, metavar="N")
    p.add_argument("--agents", type=words(names), default=names, metavar="LIST")
    p.add_argument("--loads", type=words(list(LOADS)), default=list(LOADS), metavar="LIST")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--install-peers", action="store_true")  # scripts/bench has done it
    options = p.parse_args()
    options.pairs = options.pairs or (4 if options.quick else 10)
    return options


def measure_all(bench, found):
    """Puts into found what is complete; why it ended before its time, and the exit status."""
    agents = found["agents"]
    try:
        for kind in AGENTS:
            if kind.name in bench.options.agents:
                agents[kind.name] = {"what": kind.what, "left_out": "it was not measured to its end"}
                try:
                    agents[kind.name] = bench.measure(kind)
                except RuntimeError as error:
                    say(str(error))
                    agents[kind.name]["left_out"] = str(error)
                finally:
                    bench.end_agent()
    except Ended as ended:
        return str(ended), ended.status
    except (LoadFailed, OSError, ValueError) as error:
        return str(error), 1
    return None, 0


def tell(found, json_file):
    """The tables first, whatever becomes of the file; true when both could be written."""
    well = True
    for write in [lambda: print(markdown(found), flush=True)] + ([lambda: json_file.write(found)] if json_file else []):
        try:
            write()
        except OSError as error:
            say(f"what was measured could not be written: {error}")
            well = False
    return well


def run(options, json_file):
    bench = Bench(options)
    found = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
             "options": {"quick": options.quick, "pairs": options.pairs}, "agents": {}}
    try:
        why, status = measure_all(bench, found)
    finally:
        bench.close()
    if why and not any("loads" in a for a in found["agents"].values()):
        say(f"{why}: no agent was measured to its end")
        return status  # an older file is worth more than an empty one
    if why:
        say(f"{why}: only agents that were measured to their end are shown")
        found["ended_early"] = why
    if not tell(found, json_file):
        status = status or 1
    return status


def main():
    options = parse()
    if options.only_parse:
        return 0
    end_on_signals()
    json_file = None
    try:
        json_file = JsonFile(options.json) if options.json else None
        return run(options, json_file)
    except OSError as error:
        say(str(error))
        return 1
    except Ended as ended:
        say(str(ended))
        return ended.status
    finally:
        if json_file:
            json_file.close()


if __name__ == "__main__":
    sys.exit(main())
