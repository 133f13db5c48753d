# SPDX-License-Identifier: MIT
"""The vmlinux in a kernel's image: an ELF file on x86_64 (Documentation/arch/x86/boot.rst); on arm64 only what an ELF file of it
holds (Documentation/arch/arm64/booting.rst), so that one is made of its BTF and its build-id."""
import bz2
import gzip
import lzma
import struct
import subprocess

MAGIC = 0x202, b"HdrS"
SETUP_SECTORS, PAYLOAD = 0x1F1, 0x248  # in the header; its offset and length, of 4 bytes each
SECTOR = 512
ARM_MAGIC = 0x38, b"ARM\x64"
NOTE = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0"  # the head of a note with a build-id of 20 bytes
BTF = b"\x9f\xeb\1\0\x18\0\0\0"  # linux/btf.h: magic, version, flags, hdr_len
VDSO_MOST = 16 << 10
SIZE = 4  # of the number behind the payload: how long it is when it is unpacked


def tool(*command):
    return lambda packed: subprocess.run(command, input=packed, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         check=True).stdout


# How each kind begins, and what unpacks it.
PACKED = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\x5d\0\0", lzma.decompress),
    (b"\xfd7zXZ\0", lzma.decompress),
    (b"\x02\x21\x4c\x18", tool("lz4", "-dc")),
    (b"\x28\xb5\x2f\xfd", tool("zstd", "-dcq")),
)


def places(data, wanted):
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)


def elf(sections):
    """An ELF file of 64 bits with nothing but these: (name, type, bytes)."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in sections) + b".shstrtab\0"
    sections = [*sections, (".shstrtab", 3, names)]
    data, table, name_at = b"", bytes(64), 1
    for name, kind, content in sections:
        table += struct.pack("<IIQQQQIIQQ", name_at, kind, 0, 0, 64 + len(data), len(content), 0, 0, 4, 0)
        data += content + bytes(-len(content) % 8)
        name_at += len(name) + 1
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 183, 1, 0, 0, 64 + len(data), 0, 64, 0, 0, 64,
                       len(sections) + 1, len(sections))
    return head + data + table


def from_parts(image):
    # The vDSOs in it are ELF files with build-ids of their own.
    notes = [at for at in places(image, NOTE) if image.rfind(b"\x7fELF", max(0, at - VDSO_MOST), at) < 0]
    ends = [(at, at + 24 + sum(struct.unpack("<II", image[at + 16:at + 24]))) for at in places(image, BTF)]
    if len(notes) != 1 or len(ends) != 1:
        raise ValueError(f"it holds {len(notes)} build-ids and {len(ends)} times BTF, not one of each")
    return elf([(".BTF", 1, image[slice(*ends[0])]), (".notes", 7, image[notes[0]:notes[0] + len(NOTE) + 20])])


def has(image, magic):
    return image[magic[0]:magic[0] + len(magic[1])] == magic[1]


def unpack(image):
    """The bytes of the vmlinux; a ValueError says what the image lacks."""
    if has(image, ARM_MAGIC):
        return from_parts(image)
    if not has(image, MAGIC):
        raise ValueError("this is no kernel image for x86 or arm64")
    at, length = (int.from_bytes(image[o:o + 4], "little") for o in (PAYLOAD, PAYLOAD + 4))
    start = ((image[SETUP_SECTORS] or 4) + 1) * SECTOR + at
    packed = image[start:start + length]
    for beginning, decompress in PACKED:
        if packed.startswith(beginning):
            # gzip's own end has that number already.
            vmlinux = decompress(packed if decompress is gzip.decompress else packed[:-SIZE])
            break
    else:
        raise ValueError(f"its payload begins with {packed[:6].hex()}, which is no kind that is known here")
    if len(vmlinux) != int.from_bytes(packed[-SIZE:], "little") or not vmlinux.startswith(b"\x7fELF"):
        raise ValueError("what is unpacked is no ELF file of the length that the image tells")
    return vmlinux
