# SPDX-License-Identifier: MIT
"""The rows of the matrix (kernels) and its columns (ways to watch)."""
from dataclasses import dataclass


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
    short: bool = False  # is it in the short list?

    @property
    def image(self):
        """Rows with the same kernel share one."""
        return "no-btf" if self.name == "5.10-no-btf" else f"{self.name.split('-')[0]}-{self.arch}"

    @property
    def host(self):
        return self.name.startswith("host")


NEWEST = ("trixie-backports", "sid")

KERNELS = (
    Kernel("5.10", "5.10, amd64", suites=("bullseye",), short=True),
    Kernel("6.1", "6.1, amd64", suites=("bookworm",), short=True),
    Kernel("6.12", "6.12, amd64", suites=("trixie",), short=True),
    Kernel("newest", "newest, amd64", suites=NEWEST, short=True),
    Kernel("5.10-arm64", "5.10, arm64", "arm64", ("bullseye",)),
    Kernel("6.1-arm64", "6.1, arm64", "arm64", ("bookworm",), short=True),
    Kernel("6.12-arm64", "6.12, arm64", "arm64", ("trixie",)),
    Kernel("newest-arm64", "newest, arm64", "arm64", NEWEST),
    Kernel("5.10-btf-hidden", "5.10, amd64, BTF hidden", suites=("bullseye",), state="btf-hidden", btf=False, short=True),
    Kernel("5.10-no-btf", "5.10, amd64, built without BTF", btf=False),
    Kernel("host", "this machine"),
    Kernel("host-btf-hidden", "this machine, BTF hidden", state="btf-hidden", btf=False),
    Kernel("host-no-bpf", "this machine, BPF refused", state="no-bpf", bpf=False),
    Kernel("host-no-caps", "this machine, no capabilities for BPF", state="no-caps", bpf=False),
)


@dataclass(frozen=True)
class Way:
    name: str
    label: str
    options: str
    preparation: str = "-"  # see guest.sh
    mode: str = "default"  # see tests/truth/compare
    exact: bool = False  # must everything be right, to the last field?
    unseen: str = ""  # where it is said what this way does not see

    def possible(self, kernel):
        """Must this way work on that kernel?"""
        if self.name == "bpf":
            return kernel.btf and kernel.bpf
        return kernel.bpf or self.name != "bpf-plain"


WAYS = (
    Way("bpf", "BPF, CO-RE", "--source bpf", exact=True, unseen="docs/hooks.md"),
    Way("bpf-plain", "BPF without CO-RE", "--source bpf-plain", mode="bpf-plain", unseen="docs/sources.md"),
    Way("ftrace", "ftrace, argument probes", "--source ftrace", mode="ftrace", unseen="docs/sources.md"),
    Way("ftrace-no-probes", "ftrace, no probes", "--source ftrace", preparation="no-probes", mode="ftrace-no-probes",
        unseen="docs/sources.md"),
)

# The three that the matrix shows, with what is compared in them.
SHOWN = ("exec", "fork", "connect")

# Programs for the guest's sysroot: scripts/deps has the same libraries for the build machine.
SYSROOT_SUITE = "bookworm"
SYSROOT = """libc6-dev libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libinih-dev uthash-dev nettle-dev libtraceevent-dev
check""".split()
SOURCE_SUITE, SOURCE_PACKAGE = "bullseye", "linux-source-5.10"


def wanted(names, everything=False, built=False):
    """The rows named, or a list of them, with the one that is built when it is; a ValueError names what is not known."""
    known = {k.name: k for k in KERNELS}
    for name in names:
        if name not in known:
            raise ValueError(f"no kernel '{name}'; there are {', '.join(known)}")
    if names:
        return [k for k in KERNELS if k.name in names]
    return [k for k in KERNELS if everything or k.short or (built and k.image == "no-btf")]


def wanted_ways(names):
    """The ways that a list with commas names; all when it is empty."""
    known = {w.name: w for w in WAYS}
    for name in filter(None, names.split(",")):
        if name not in known:
            raise ValueError(f"no way '{name}'; there are {', '.join(known)}")
    return [w for w in WAYS if not names or w.name in names.split(",")]
