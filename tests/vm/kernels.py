# SPDX-License-Identifier: MIT
"""The rows of the matrix (kernels) and its columns (ways to watch)."""
from dataclasses import dataclass, replace


NEWEST = ("trixie-backports", "sid")
# Scenarios that a kernel cannot do: a guest mounts control groups of version 2 alone, and Debian's 5.10 has no MPTCP.
NO_V1, NO_MPTCP = ("container_v1",), ("container_v1", "mptcp")


@dataclass(frozen=True)
class Kernel:
    name: str
    label: str
    arch: str = "amd64"
    # Suites of Debian; the newest cloud kernel among them. None: this machine, or the kernel that build-no-btf makes.
    suites: tuple = ()
    state: str = "plain"  # see guest.sh
    btf: bool = True  # has, or is let to have, BTF
    bpf: bool = True  # may load BPF programs
    vmlinux: bool = False  # is its vmlinux in the guest, as VMLINUX?
    probes: bool = True  # must accept probes; of this machine's own kernel nothing is asked
    tests: bool = False  # do the tests of tests/kernel run there?
    short: bool = False  # is it in the short list?
    short_tests: bool = True  # its tests too?
    lacks: tuple = NO_V1  # scenarios that it may leave out; None: any, for this machine may be whatever it is

    @property
    def image(self):
        """Rows with the same kernel share one."""
        return "no-btf" if self.name == "5.10-no-btf" else f"{self.name.split('-')[0]}-{self.arch}"

    @property
    def skips(self):
        """May the kernel skip BPF programs among threads in a crowd? docs/kernels.md"""
        return self.suites == NEWEST

    @property
    def host(self):
        return self.name.startswith("host")


KERNELS = (
    Kernel("5.10", "5.10, amd64", suites=("bullseye",), tests=True, short=True, lacks=NO_MPTCP),
    Kernel("6.1", "6.1, amd64", suites=("bookworm",), short=True),
    Kernel("6.12", "6.12, amd64", suites=("trixie",), vmlinux=True, short=True),
    Kernel("newest", "newest, amd64", suites=NEWEST, tests=True, short=True, short_tests=False),
    Kernel("5.10-arm64", "5.10, arm64", "arm64", ("bullseye",), vmlinux=True, lacks=NO_MPTCP),
    Kernel("6.1-arm64", "6.1, arm64", "arm64", ("bookworm",), short=True),
    Kernel("6.12-arm64", "6.12, arm64", "arm64", ("trixie",)),
    Kernel("newest-arm64", "newest, arm64", "arm64", NEWEST, tests=True),
    Kernel("5.10-btf-hidden", "5.10, amd64, BTF hidden", suites=("bullseye",), state="btf-hidden", btf=False, vmlinux=True,
           short=True, lacks=NO_MPTCP),
    Kernel("5.10-no-btf", "5.10, amd64, built without BTF", btf=False, tests=True),
    Kernel("host", "this machine", probes=False, lacks=None),
    Kernel("host-btf-hidden", "this machine, BTF hidden", state="btf-hidden", btf=False, probes=False, lacks=None),
    Kernel("host-no-bpf", "this machine, BPF refused", state="no-bpf", bpf=False, probes=False, lacks=None),
    Kernel("host-no-caps", "this machine, no capabilities for BPF", state="no-caps", bpf=False, probes=False,
           lacks=None),
)


VMLINUX, NO_VMLINUX = "/opt/vmlinux", "/opt/linux-edr-bpf"  # the file for btf_path, and one that is not it


@dataclass(frozen=True)
class Way:
    name: str
    label: str
    options: str
    preparation: str = "-"  # see guest.sh
    mode: str = "default"  # see tests/truth/compare
    exact: bool = False  # must everything be right, to the last field?
    all_args: bool = False  # must the arguments of every exec be right, none merely marked?
    unseen: str = ""  # where in docs it is said what this way does not see

    def possible(self, kernel):
        """Must this way work on that kernel?"""
        if self.name == "bpf":
            return kernel.btf and kernel.bpf
        if self.name == "bpf-btf":
            return kernel.vmlinux and kernel.bpf
        return kernel.bpf or self.name != "bpf-plain"


WAYS = (
    Way("bpf", "BPF, CO-RE", "--source bpf", exact=True, unseen="hooks.md"),
    Way("bpf-btf", "BPF, CO-RE by a file", f"--source bpf-btf --btf-path {VMLINUX}", exact=True, unseen="hooks.md"),
    Way("bpf-plain", "BPF without CO-RE", "--source bpf-plain", mode="bpf-plain", all_args=True,
        unseen="sources.md"),
    Way("ftrace", "ftrace, argument probes", "--source ftrace", mode="ftrace", unseen="sources.md"),
    Way("ftrace-no-probes", "ftrace, no probes", "--source ftrace", preparation="no-probes", mode="ftrace-no-probes",
        unseen="sources.md"),
)

LADDER = ("bpf", "bpf-btf", "bpf-plain", "ftrace")


@dataclass(frozen=True)
class Auto:
    """What the ladder is left to choose from by itself."""
    name: str
    label: str
    preparation: str = "-"  # see guest.sh
    btf: bool = True
    bpf: bool = True
    file: str = ""  # for btf_path
    why: str = ""  # it cannot be used

    def possible(self, kernel):
        """Does the preparation take away something that is there? Does the file matter?"""
        if self.file:
            return kernel.vmlinux and not kernel.btf
        return self.preparation == "-" or (kernel.state == "plain" and (self.btf or kernel.btf))

    def expected(self, kernel):
        """The steps that must be refused, and the one that must be taken."""
        step = 3
        if kernel.bpf and self.bpf:
            step = 0 if kernel.btf and self.btf else 1 if self.file == VMLINUX else 2
        return LADDER[:step], LADDER[step]


AUTOS = (
    Auto("auto", "as it is"),
    Auto("auto-btf-hidden", "BTF hidden", preparation="btf-hidden", btf=False),
    Auto("auto-file", "the vmlinux as btf_path", file=VMLINUX),
    Auto("auto-wrong-file", "another file as btf_path", file=NO_VMLINUX, why="their build-ids differ"),
    Auto("auto-no-bpf", "BPF refused", preparation="no-bpf", bpf=False),
)


@dataclass(frozen=True)
class Test:
    """A script of tests/kernel."""
    script: str
    column: str  # of the table of these
    arguments: str = ""

    @property
    def name(self):
        return self.script.removesuffix(".sh") + ("_ftrace" if self.arguments else "")


FAULTS = "faults 1, 2, 4, 5, 9, 10"
TESTS = (
    Test("ftrace_leftovers.sh", "left as found"),
    Test("ftrace_recovery.sh", "recovers"),
    Test("ftrace_neighbours.sh", "neighbours"),
    Test("ftrace_forgery.sh", "forgery"),
    *(Test(f"fault_{number:02}.sh", FAULTS, "source=ftrace") for number in (1, 2, 4, 5, 9, 10)),
)
# What these need beside busybox: the first of each that there is.
TOOLS = (("sh", ("dash", "bash")), ("jq", ("jq",)), ("date", ("date",)), ("comm", ("comm",)))

# The three that the matrix shows, with what is compared in them.
SHOWN = ("exec", "fork", "connect")

# Programs for the guest's sysroot: scripts/deps has the same libraries for the build machine.
SYSROOT_SUITE = "bookworm"
SYSROOT = """libc6-dev libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libinih-dev uthash-dev nettle-dev libtraceevent-dev
check dash jq coreutils""".split()
SOURCE_SUITE, SOURCE_PACKAGE = "bullseye", "linux-source-5.10"


def wanted(names, everything=False, built=False):
    """The rows named, or a list of them, with the one that is built when it is; a ValueError names what is not known."""
    known = {k.name: k for k in KERNELS}
    for name in names:
        if name not in known:
            raise ValueError(f"no kernel '{name}'; there are {', '.join(known)}")
    if names:
        return [k for k in KERNELS if k.name in names]
    if everything:
        return list(KERNELS)
    return [k if k.short_tests else replace(k, tests=False)
            for k in KERNELS if k.short or (built and k.image == "no-btf")]


def wanted_of(kind, known, names):
    """Those of WAYS or TESTS that a list with commas names; all when it is empty, and none by that word."""
    if names == "none":
        return []
    by_name = {one.name: one for one in known}
    for name in filter(None, names.split(",")):
        if name not in by_name:
            raise ValueError(f"no {kind} '{name}'; there are {', '.join(by_name)}")
    return [one for one in known if not names or one.name in names.split(",")]
