# SPDX-License-Identifier: MIT
"""What scripts/test-kernels does once the build machine has what it needs; its header is the help."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

import boot
import cost
import debian
import kernels
import matrix
import vmlinux

DIED = "the guest died: "

EX_USAGE, SKIPPED = 64, 77
TIMES = 3  # more is only repetition, and a guest is slow
TIMES_HOST = 10
TIME_LIMIT_S = {"short": 900, "long": 1500}  # of a guest, all ways and tests together
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

talking = threading.Lock()


def say(text):
    with talking:
        print(f"test-kernels: {text}", file=sys.stderr, flush=True)


def run(command, log, **options):
    """A step whose output is worth reading only when it failed."""
    with open(log, "w", encoding="utf-8") as f:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode:
        tail = matrix.read(log).splitlines()[-20:]
        raise boot.Trouble(f"{' '.join(command[:3])} ... ended with {done.returncode}:\n" + "\n".join(tail))


class Makings:
    """What the rows need: kernels, busybox, the program for each architecture. Made when first asked for, and kept."""

    def __init__(self, options, work):
        self.options, self.work = options, work
        self.cache = options.cache
        self.suites = {}
        self.packages = {}

    def suite(self, name, arch):
        if (name, arch) not in self.suites:
            self.suites[name, arch] = debian.Suite(self.cache, name, arch)
        return self.suites[name, arch]

    def kernel(self, kernel):
        if kernel.suites:
            return debian.fetch_kernel(self.cache, kernel.image, [self.suite(s, kernel.arch) for s in kernel.suites])
        image = os.path.join(self.cache, "kernels", kernel.image, "vmlinuz")
        if not os.path.exists(image) or self.options.build_no_btf:
            if not self.options.build_no_btf:
                raise debian.Absent("has not been built: --build-no-btf")
            self.build_no_btf(os.path.dirname(image))
        return image

    def build_no_btf(self, folder):
        suite = self.suite(kernels.SOURCE_SUITE, "amd64")
        found = suite.show(kernels.SOURCE_PACKAGE)
        if not found:
            raise debian.Absent(f"no {kernels.SOURCE_PACKAGE} in Debian {suite.name}")
        configuration = hashlib.sha256(matrix.read(HERE, "no-btf.config").encode()).hexdigest()
        stamp, version = os.path.join(folder, "version"), f"{found[0]} {configuration}"
        if matrix.read(stamp).strip() == version and os.path.exists(os.path.join(folder, "vmlinuz")):
            return
        say(f"building {kernels.SOURCE_PACKAGE} without BTF: minutes")
        source = os.path.join(self.work, "source")
        suite.fetch(kernels.SOURCE_PACKAGE, source)
        os.makedirs(folder, exist_ok=True)
        run([os.path.join(HERE, "build-no-btf"), os.path.join(source, "usr/src", kernels.SOURCE_PACKAGE + ".tar.xz"),
             folder], os.path.join(self.work, "no-btf.log"))
        shutil.rmtree(source)
        with open(stamp, "w", encoding="ascii") as f:
            f.write(version + "\n")

    def busybox(self, arch):
        folder = os.path.join(self.cache, f"busybox-{arch}")
        paths = [os.path.join(folder, name) for name in ("bin/busybox", "usr/bin/busybox")]
        if not any(map(os.path.exists, paths)):
            self.suite(kernels.SYSROOT_SUITE, arch).fetch("busybox-static", folder)
        return next(filter(os.path.exists, paths))

    def sysroot(self):
        """Libraries and headers for arm64; the list of what is in it tells whether it is still what we want."""
        folder = os.path.join(self.cache, "sysroot-arm64")
        stamp, wanted = folder + ".list", " ".join((kernels.SYSROOT_SUITE, *kernels.SYSROOT))
        if matrix.read(stamp) != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            self.suite(kernels.SYSROOT_SUITE, "arm64").fetch_all(kernels.SYSROOT, folder)
            with open(stamp, "w", encoding="ascii") as f:
                f.write(wanted)
        return folder

    def build(self, arch):
        """The folder of a finished build for that architecture."""
        if arch == "amd64":
            return self.options.build
        if not shutil.which("aarch64-linux-gnu-gcc"):
            raise debian.Absent("no compiler for arm64: scripts/deps kernels")
        folder = self.options.build_arm64
        say("building for arm64")
        generator = ["-G", "Ninja"] if shutil.which("ninja") and not os.path.exists(folder) else []
        run(["cmake", "-S", ROOT, "-B", folder, *generator, "-DCMAKE_TOOLCHAIN_FILE=" + ROOT + "/cmake/arm64.cmake",
             "-DEDR_SYSROOT=" + self.sysroot(), "-DEDR_TESTS=ON", "-DEDR_CLIENT=OFF"],
            os.path.join(self.work, "arm64-cmake.log"))
        run(["cmake", "--build", folder, "--parallel", str(os.cpu_count() or 2),
             "--target", "linux-edr-bpf", "truth", "compare", "pace", "no_bpf"], os.path.join(self.work, "arm64-build.log"))
        return folder

    def package(self, arch):
        """A folder with all that the guest runs."""
        if arch in self.packages:
            return self.packages[arch]
        build, folder = self.build(arch), os.path.join(self.work, f"package-{arch}")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(os.path.join(folder, "truth"))
        for name in ("linux-edr-bpf", "vm/no_bpf"):
            shutil.copy(os.path.join(build, name), folder)
        for name in ("truth", "compare", "pace", "noop", "noop32", "connect32"):
            if os.path.exists(os.path.join(build, "truth", name)):
                shutil.copy(os.path.join(build, "truth", name), os.path.join(folder, "truth"))
        for name in ("guest.sh", "cost.sh", "ways.sh"):
            shutil.copy(os.path.join(HERE, name), folder)
        os.makedirs(os.path.join(folder, "kernel"))
        for name in {"lib.sh", "tracefs.sh", "trace_state.sh"} | {test.script for test in kernels.TESTS}:
            shutil.copy(os.path.join(ROOT, "tests/kernel", name), os.path.join(folder, "kernel"))
        with open(os.path.join(folder, "scenarios"), "w", encoding="utf-8") as f:
            f.write(self.options.scenarios.replace(",", "\n"))
        self.packages[arch] = folder
        return folder


def tools(image, sysroot):
    """What the tests need beside busybox: from the sysroot, or this machine's own."""
    for name, candidates in kernels.TOOLS:
        places = [f"{sysroot}{folder}/{c}" for c in candidates for folder in ("/usr/bin", "/bin")] if sysroot != "/" else \
            [shutil.which(c) for c in candidates]
        found = [place for place in places if place and os.path.exists(place)]
        if not found:
            raise boot.Trouble(f"{' or '.join(candidates)} is missing, for the tests in a guest")
        image.add(found[0], "/opt/tools/" + name)


def row_lists(kernel, options):
    """What guest.sh is to do on that kernel: its files WAYS and TESTS."""
    ways = [f"{way.name} {way.preparation} {way.mode} {way.options}\n" for way in options.ways]
    ways += [f"{auto.name} {auto.preparation} auto --source auto{' --btf-path ' if auto.file else ''}{auto.file}\n"
             for auto in kernels.AUTOS if options.auto and auto.possible(kernel)]
    tests = [f"{test.name} {test.script} {test.arguments}\n" for test in options.tests if kernel.tests]
    return "".join(ways), "".join(tests)


def vmlinux_of(path):
    try:
        with open(path, "rb") as f:
            return vmlinux.unpack(f.read())
    except (OSError, ValueError, subprocess.CalledProcessError) as e:
        raise debian.Absent(f"no vmlinux can be had from its image: {e}") from e


def prepare(kernel, makings):
    """What run_row takes."""
    if kernel.host:
        if os.geteuid():
            raise debian.Absent("needs root")
        return {"package": makings.package("amd64")}
    tool = boot.QEMU[kernel.arch][0]
    if not shutil.which(tool):
        raise debian.Unreachable(f"{tool} is missing: scripts/deps kernels")
    say(f"{kernel.name}: fetching what is not in the cache")
    made = {"image": makings.kernel(kernel), "busybox": makings.busybox(kernel.arch),
            "sysroot": makings.sysroot() if kernel.arch == "arm64" else "/", "package": makings.package(kernel.arch)}
    if kernel.vmlinux:
        made["vmlinux"] = vmlinux_of(made["image"])
    return made


def run_host(kernel, made, out, options):
    ways, log = os.path.join(out, "ways"), os.path.join(out, "console.log")
    with open(ways, "w", encoding="ascii") as f:
        f.write(row_lists(kernel, options)[0])
    command = ["unshare", "-m", "--propagation", "private", "sh", os.path.join(made["package"], "guest.sh"), out,
               str(options.times_host), kernel.state, ways]
    try:
        run(command, log, timeout=options.time_limit)
    except (boot.Trouble, subprocess.TimeoutExpired) as e:
        return str(e)
    return None


def run_guest(kernel, made, out, options):
    image = boot.Initramfs(kernel.arch, made["busybox"], made["sysroot"])
    image.add(made["package"], "/opt")
    if kernel.vmlinux:
        image.put(kernels.VMLINUX, made["vmlinux"], stat.S_IFREG | 0o644)
    ways, tests = row_lists(kernel, options)
    if tests:
        tools(image, made["sysroot"])
    image.put("/opt/ways", ways.encode())
    image.put("/opt/tests", tests.encode())
    start = time.monotonic()
    status, console = boot.boot(kernel.arch, made["image"], image,
                                f"sh guest.sh /out {options.times} {kernel.state} ways tests", out,
                                limit=options.time_limit,
                                tell=lambda line: say(f"{kernel.name}: {time.monotonic() - start:.0f} s: {line}"))
    console.unpack(out)
    if status == boot.TIME_LIMIT:
        return f"the guest was not ready after {options.time_limit} s"
    if status == boot.GUEST_DIED:
        return DIED + console.last_words()
    return f"guest.sh ended with {status}" if status else None


def run_once(kernel, made, out, options):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    return (run_host if kernel.host else run_guest)(kernel, made, out, options)


def run_row(kernel, made, out, options):
    """All ways on one kernel."""
    start = time.monotonic()
    trouble = run_once(kernel, made, out, options)
    if trouble and trouble.startswith(DIED):
        say(f"{kernel.name}: {trouble}; once more, for qemu's emulation is not above suspicion")
        trouble = run_once(kernel, made, out, options)
    row = {"name": kernel.name, "label": kernel.label, "arch": kernel.arch, "state": kernel.state,
           "release": matrix.read(out, "kernel").strip(), "check": matrix.read(out, "check"),
           "seconds": round(time.monotonic() - start), "cells": {}, "autos": {}, "tests": {}, "wrong": []}
    if trouble:
        row["wrong"].append(trouble)
    for way in options.ways:
        cell = matrix.read_cell(os.path.join(out, way.name))
        cell["wrong"] = matrix.judge(kernel, way, cell, whole=not options.scenarios)
        row["wrong"] += [f"{way.name}: {w}" for w in cell["wrong"]]
        row["cells"][way.name] = cell
    for auto in kernels.AUTOS:
        if options.auto and auto.possible(kernel):
            cell = matrix.read_cell(os.path.join(out, auto.name), auto=True)
            cell["wrong"] = matrix.judge_auto(kernel, auto, cell)
            row["wrong"] += [f"{auto.name}: {w}" for w in cell["wrong"]]
            row["autos"][auto.name] = cell
    for test in options.tests if kernel.tests else ():
        result = row["tests"][test.name] = matrix.read_test(os.path.join(out, "tests"), test)
        if result["verdict"] != "passed":
            row["wrong"].append(f"{test.name} {result['verdict']}: {result['why']}")
    say(f"{kernel.name}: {row['release'] or 'did not boot'}, {row['seconds']} s" +
        (": WRONG" if row["wrong"] else ""))
    return row


def run_all(chosen, options, work):
    """Fetches in turn, runs side by side; rows in the order of the table."""
    makings = Makings(options, work)
    rows = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as guests, \
            concurrent.futures.ThreadPoolExecutor(max_workers=1) as host:
        pending = {}
        # What takes longest begins first.
        for kernel in sorted(chosen, key=lambda k: not k.tests):
            try:
                made = prepare(kernel, makings)
            except (debian.Unreachable, debian.Absent) as e:
                say(f"{kernel.name}: left out: {e}")
                rows[kernel.name] = {"name": kernel.name, "label": kernel.label, "left_out": str(e), "wrong": [],
                                     "excused": isinstance(e, debian.Unreachable)}
                continue
            # On this machine one at a time: they would see one another's processes.
            pool = host if kernel.host else guests
            pending[kernel.name] = pool.submit(run_row, kernel, made, os.path.join(work, kernel.name), options)
        for name, future in pending.items():
            rows[name] = future.result()
    return [rows[kernel.name] for kernel in chosen]


def show(rows, options):
    """What is left out or wrong, then the tables."""
    for row in rows:
        if row.get("left_out"):
            print(f"LEFT OUT: {row['label']}: {row['left_out']}")
        for wrong in row["wrong"]:
            print(f"WRONG: {row['label']}: {wrong}")
        for name, cell in {**row.get("cells", {}), **row.get("autos", {})}.items():
            if cell["wrong"]:
                differences = cell.get("compare", "").split(" differences, the first of each scenario above")[0]
                print(f"--- {row['label']}, {name}: differences\n{differences[:4000]}\n--- its log\n{cell['log']}")
        for name, test in row.get("tests", {}).items():
            if test["verdict"] != "passed":
                print(f"--- {row['label']}, {name}\n{test['log'][-4000:]}")
    table = matrix.markdown(rows)
    print("Execs / forks / connects with the right name, arguments and address, in %:\n\n" + table)
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as f:
            f.write(table)
    if options.json:
        with open(options.json + ".tmp", "w", encoding="utf-8") as f:
            json.dump({"times": options.times, "times_host": options.times_host, "rows": rows}, f, indent=1)
        os.replace(options.json + ".tmp", options.json)


def verdict(rows, ci):
    """The exit status. In CI a row may be left out for want of network or qemu, and for nothing else."""
    left_out = [row for row in rows if row.get("left_out")]
    wrong = [row["name"] for row in rows if row["wrong"]]
    if left_out:
        say(f"left out: {', '.join(row['name'] for row in left_out)}")
    if wrong:
        say(f"wrong: {', '.join(wrong)}")
    if wrong or (ci and not all(row["excused"] for row in left_out)):
        return 1
    return SKIPPED if left_out else 0


class Parser(argparse.ArgumentParser):
    def error(self, message):
        say(f"{message}; try --help")
        sys.exit(EX_USAGE)


def parse(argv):
    p = Parser(add_help=False)
    p.add_argument("--short", action="store_true")
    p.add_argument("--all", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--only-parse", action="store_true")
    p.add_argument("--cost", action="store_true")
    p.add_argument("--times", type=int)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--limit", type=int)
    p.add_argument("--ways", default="")
    p.add_argument("--scenarios", default="")
    p.add_argument("--tests", default="")
    p.add_argument("--json")
    p.add_argument("--markdown")
    p.add_argument("--build-no-btf", action="store_true")
    p.add_argument("--cache", required=True)
    p.add_argument("--build", required=True)
    p.add_argument("--build-arm64", required=True)
    p.add_argument("--keep")
    p.add_argument("kernels", nargs="*")
    options = p.parse_args(argv)
    try:
        options.chosen = kernels.wanted(options.kernels, options.all, options.build_no_btf)
        if not all(c.isalnum() or c in "_," for c in options.scenarios):
            raise ValueError("--scenarios takes names and commas")
        options.auto = not options.ways
        options.ways = kernels.wanted_of("way", kernels.WAYS, options.ways)
        options.tests = kernels.wanted_of("test", kernels.TESTS, options.tests)
    except ValueError as e:
        p.error(str(e))
    length = "long" if options.all else "short"
    options.times_host = options.times or TIMES_HOST
    options.times = options.times or TIMES
    options.time_limit = options.limit or TIME_LIMIT_S[length]
    return options


def main(argv):
    options = parse(argv)
    if options.list:
        for kernel in kernels.KERNELS:
            print(f"{kernel.name:18} {kernel.label}{' (short list)' if kernel.short else ''}")
        return 0
    if options.only_parse:
        return 0
    if platform.machine() != "x86_64":
        say(f"left out: needs an x86_64 machine, this is {platform.machine()}")
        return SKIPPED
    os.makedirs(options.cache, exist_ok=True)
    work = options.keep or tempfile.mkdtemp(prefix="edr-kernels.")
    os.makedirs(work, exist_ok=True)
    try:
        if options.cost:
            makings = Makings(options, work)
            cost.run({k: prepare(k, makings) for k in options.chosen if not k.host}, work, options.ways, say)
            return 0
        rows = run_all(options.chosen, options, work)
    except (boot.Trouble, debian.Unreachable, debian.Absent) as e:
        say(str(e))
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    show(rows, options)
    return verdict(rows, os.environ.get("CI") == "true")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
