# SPDX-License-Identifier: MIT
"""What is measured: our program and its peers, each as a class that starts it, stops it and counts what it told.

An agent's processes are the one that we start and all below it. Figures come from /proc alone."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

HOOK_SECONDS = 20  # to come up


def read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def output_of(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr


def with_children(pid):
    found = [pid]
    for one in found:
        for task in glob.glob(f"/proc/{one}/task/*/children"):
            found += [int(child) for child in read(task).split()]
    return found


def thread_usage(task):
    """CPU seconds, context switches"""
    ran = read(f"{task}/schedstat").split()
    switches = re.findall(r"ctxt_switches:\s+(\d+)", read(f"{task}/status"))
    return int(ran[0]) / 1e9 if ran else 0.0, sum(map(int, switches))


def ring_rss(pid):
    """Bytes of shared BPF maps in the resident set: their pages are mapped twice there, and counted with the maps."""
    total, inside = 0, False
    for line in read(f"/proc/{pid}/smaps").splitlines():
        if re.match(r"[0-9a-f]+-", line):
            inside = "bpf" in line or "perf_event" in line
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


def kernel_objects(pid):
    """{id: bytes} of the BPF maps and programs that it holds"""
    held = {}
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        text = read(path)
        ident = re.search(r"^(map_id|prog_id):\s+(\d+)", text, re.M)
        size = re.search(r"^memlock:\s+(\d+)", text, re.M)
        if ident and size:
            held[ident.groups()] = int(size.group(1))
    return held


class Agent:
    name = what = ""
    program = ""  # must be there
    stop_signal = signal.SIGINT
    execs_only = True

    def __init__(self, place, build):
        self.place, self.build = place, build
        self.process = self.settle_s = None
        self.out = f"{place}/out"

    def missing(self):
        """Why it cannot be measured here, or nothing."""
        return "" if shutil.which(self.program) else f"{self.program} is not installed"

    def version(self):
        return ""

    def argv(self, live):
        """live: each event at once, for the time to the first one; else as people run it"""
        raise NotImplementedError

    def spawn(self, argv):
        out = open(self.out, "ab")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.place,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        out.close()

    def start(self, live=False):
        shutil.rmtree(self.place, ignore_errors=True)
        os.makedirs(self.place, mode=0o700)
        self.spawn(self.argv(live))

    def ready(self):
        """Waits until all hooks are in. Here: three times as long as the first event took."""
        time.sleep(0.5 + 3 * (self.settle_s or 1))

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def alive(self):
        return self.process and self.process.poll() is None

    def helpers(self):
        """Kernel threads that work for nobody else"""
        return []

    def usage(self):
        tasks = [t for pid in with_children(self.process.pid) + self.helpers() for t in glob.glob(f"/proc/{pid}/task/*")]
        used = [thread_usage(t) for t in tasks]
        return sum(u[0] for u in used), sum(u[1] for u in used)

    def memory(self):
        """Peak resident set, and what it really is: without the mapped maps, with all BPF maps and programs"""
        peak = mapped = 0
        held = {}
        for pid in with_children(self.process.pid):
            hwm = re.search(r"VmHWM:\s+(\d+)", read(f"/proc/{pid}/status"))
            peak += int(hwm.group(1)) * 1024 if hwm else 0
            mapped += ring_rss(pid)
            held.update(kernel_objects(pid))
        kernel = sum(held.values())
        return {"rss_peak": peak, "user": peak - mapped, "kernel": kernel, "total": peak - mapped + kernel}

    def files(self):
        return [self.out]

    def grep(self, pattern):
        """Lines of its output that match"""
        return sum(int(output_of("grep", "-cE", "-e", pattern, path).split("\n")[0] or 0)
                   for path in self.files() if os.path.exists(path))

    def seen(self, word):
        return self.grep(word) > 0

    def execs(self, program):
        """How often it told that this program ran; asked after stop()"""
        return self.grep(re.escape(os.path.basename(program)))

    def counts(self):
        """By type of event, where it counts: produced, delivered, dropped; asked after stop()"""
        return {}

    def bytes_per_event(self):
        """Of its output, by lines"""
        lines = self.grep(".")
        return sum(os.path.getsize(f) for f in self.files() if os.path.exists(f)) / lines if lines else None


class Edr(Agent):
    name, what = "edr", "linux-edr-bpf, default hooks"
    stop_signal = signal.SIGTERM
    execs_only = False
    hooks, source, output = "default", "bpf", False
    settings = ()  # SECTION.KEY=VALUE

    def __init__(self, place, build):
        super().__init__(place, build)
        self.program = f"{build}/linux-edr-bpf"

    def version(self):
        return output_of(self.program, "version").split("\n")[0]

    def argv(self, live):
        open(f"{self.place}/conf", "w").close()
        argv = [self.program, "run", "-c", f"{self.place}/conf", "--reports-dir", f"{self.place}/reports",
                "--hooks", self.hooks, "--source", self.source]
        for setting in self.settings:
            argv += ["--set", setting]
        return argv + (["--output", f"{self.place}/events.jsonl"] if live or self.output else [])

    def ready(self):
        until = time.monotonic() + HOOK_SECONDS
        while "watching" not in read(self.out) and self.alive() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.5)

    def files(self):
        return [f"{self.place}/events.jsonl"]

    def cells(self):
        return [json.loads(read(f)) for f in glob.glob(f"{self.place}/reports/cells/*.json")]

    def execs(self, program):
        return sum(row["runs"] for cell in self.cells() for row in cell["executables"] if row["path"] == program)

    def counts(self):
        sums = {}
        for cell in self.cells():
            for kind, row in cell["counts"].items():
                if row["produced"]:
                    into = sums.setdefault(kind, {"produced": 0, "delivered": 0, "dropped": 0})
                    for key in into:
                        into[key] += row[key]
        return sums


class EdrListed(Edr):
    name, what = "edr-listed", "the same as edr, with max_interim_mb = 0: each event is listed in the reports"
    settings = ("limits.max_interim_mb=0",)


class EdrLean(Edr):
    name, what, hooks = "edr-lean", "linux-edr-bpf, lean hooks", "lean"


class EdrOutput(Edr):
    name, what, output = "edr-output", "linux-edr-bpf, default hooks, each event as JSON to a file", True


class EdrPlain(Edr):
    name, what = "edr-plain", "linux-edr-bpf --source bpf-plain: BPF without BTF"
    source = "bpf-plain"


class EdrFtrace(Edr):
    name, what = "edr-ftrace", "linux-edr-bpf --source ftrace: no BPF at all"
    source = "ftrace"

    def memory(self):
        """The buffers of its instances are the kernel's too"""
        found = super().memory()
        buffers = sum(int(read(f).split()[0]) * 1024
                      for f in glob.glob("/sys/kernel/tracing/instances/linux-edr-bpf*/buffer_total_size_kb"))
        found["kernel"] += buffers
        found["total"] += buffers
        return found


class Execsnoop(Agent):
    name, what, program = "execsnoop", "libbpf-tools execsnoop", "/usr/sbin/execsnoop"

    def version(self):
        return "libbpf-tools " + output_of("dpkg-query", "-W", "-f", "${Version}", "libbpf-tools")

    def argv(self, live):
        return (["stdbuf", "-oL"] if live else []) + [self.program]


class Bpftrace(Agent):
    name, what, program = "bpftrace", "bpftrace, one line for execs", "bpftrace"
    script = 'tracepoint:syscalls:sys_enter_exec* { printf("%d %d %s ", pid, uid, comm); join(args->argv); }'

    def version(self):
        return output_of("bpftrace", "--version").strip()

    def argv(self, live):
        return ["bpftrace"] + (["-B", "line"] if live else []) + ["-e", self.script]


class Auditd(Agent):
    name, what, program = "auditd", "auditd, execve and connect", "/sbin/auditd"
    stop_signal = signal.SIGTERM
    laurel = ""
    before = None  # the host's own rules and settings, while ours are in
    rules = ["-D", "-b 8192", "--backlog_wait_time 60000", "-f 1"] + [
        f"-a always,exit -F arch={arch} -S execve,execveat,connect -k bench" for arch in ("b64", "b32")]
    settings = {"enabled": "-e", "backlog_limit": "-b", "failure": "-f", "backlog_wait_time": "--backlog_wait_time"}

    def status(self):
        return dict(re.findall(r"^(\w+) (\d+)", output_of("/sbin/auditctl", "-s"), re.M))

    def missing(self):
        status = self.status() if shutil.which(self.program) else {}
        if status.get("pid", "0") != "0":
            return "another auditd is running: stop it first"
        if status.get("enabled") == "2":
            return "the audit rules are locked until the next boot"
        return super().missing()

    def version(self):
        return "auditd " + output_of("dpkg-query", "-W", "-f", "${Version}", "auditd")

    def configure(self):
        with open(f"{self.place}/auditd.conf", "w") as f:
            f.write(f"""log_file = {self.place}/audit.log
log_group = root
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file_action = IGNORE
priority_boost = 4
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 2000
overflow_action = IGNORE
plugin_dir = {self.place}/plugins.d
""")
        os.mkdir(f"{self.place}/plugins.d", 0o750)

    def argv(self, live):
        self.configure()
        os.chmod(f"{self.place}/auditd.conf", 0o640)
        return [self.program, "-n", "-c", self.place]

    def start(self, live=False):
        self.before = self.before or (self.status(), output_of("/sbin/auditctl", "-l"))
        super().start(live)
        until = time.monotonic() + HOOK_SECONDS
        while self.status().get("pid", "0") == "0" and self.alive() and time.monotonic() < until:
            time.sleep(0.01)
        for rule in self.rules:
            output_of("/sbin/auditctl", *rule.split())

    def stop(self):
        if self.process:
            self.lost = int(self.status().get("lost", "0")) - int(self.before[0].get("lost", "0"))
        if self.before:
            output_of("/sbin/auditctl", "-D")
            time.sleep(0.5)
        super().stop()
        if self.before:
            for key, option in self.settings.items():
                if key in self.before[0]:
                    output_of("/sbin/auditctl", option, self.before[0][key])
            for rule in self.before[1].splitlines():
                if rule.startswith("-"):
                    output_of("/sbin/auditctl", *rule.split())
        self.before = None

    def helpers(self):
        return [int(pid) for pid in output_of("pgrep", "-x", "kauditd").split()]

    def files(self):
        return [f"{self.place}/audit.log"]

    def execs(self, program):
        return self.grep(f"type=EXECVE.*{re.escape(os.path.basename(program))}")

    def counts(self):
        return {"all": {"dropped": self.lost}}

    def bytes_per_event(self):
        events = self.grep("^type=SYSCALL")
        return os.path.getsize(self.files()[0]) / events if events else None


class Laurel(Auditd):
    name, what, laurel = "auditd+laurel", "auditd with laurel, execve and connect", "/usr/sbin/laurel"

    def missing(self):
        return super().missing() or ("" if shutil.which(self.laurel) else "laurel is not installed")

    def version(self):
        return "laurel " + output_of("dpkg-query", "-W", "-f", "${Version}", "laurel")

    def configure(self):
        super().configure()
        os.mkdir(f"{self.place}/laurel", 0o750)
        with open(f"{self.place}/laurel.toml", "w") as f:
            f.write(f'directory = "{self.place}/laurel"\n[auditlog]\nfile = "audit.log"\nsize = 1000000000\n'
                    '[transform]\nexecve-argv = ["array"]\n[enrich]\npid = true\ncontainer = true\nscript = true\n')
        with open(f"{self.place}/plugins.d/laurel.conf", "w") as f:
            f.write(f"active = yes\ndirection = out\ntype = always\nformat = string\npath = {self.laurel}\n"
                    f"args = --config {self.place}/laurel.toml\n")
        for path in (f"{self.place}/laurel.toml", f"{self.place}/plugins.d/laurel.conf"):
            os.chmod(path, 0o640)

    def files(self):
        return [f"{self.place}/laurel/audit.log"]

    def execs(self, program):
        return self.grep(f'"EXECVE".*{re.escape(os.path.basename(program))}')

    def bytes_per_event(self):
        return Agent.bytes_per_event(self)


# auditd last: once audit was on, every system call of the host stays slower until the next boot.
AGENTS = [Edr, EdrListed, EdrLean, EdrOutput, EdrPlain, EdrFtrace, Execsnoop, Bpftrace, Auditd, Laurel]
