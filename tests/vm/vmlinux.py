# SPDX-License-Identifier: MIT
"""The vmlinux in a kernel's image, which is an ELF file on x86_64: Documentation/arch/x86/boot.rst."""
import bz2
import gzip
import lzma
import subprocess

MAGIC = 0x202, b"HdrS"
SETUP_SECTORS, PAYLOAD = 0x1F1, 0x248  # in the header; its offset and length, of 4 bytes each
SECTOR = 512
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


def unpack(image):
    """The bytes of the vmlinux; a ValueError says what the image lacks."""
    if image[MAGIC[0]:MAGIC[0] + len(MAGIC[1])] != MAGIC[1]:
        raise ValueError("this is no kernel image for x86")
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
