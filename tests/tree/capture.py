# SPDX-License-Identifier: MIT
"""Capture files in Python, as far as the tests cut them (docs/capture-format.md)."""
import struct

BLOCK = 1 << 20  # the program reads a capture by so much
HEADER = 24
CLOCK, HOST, UNKNOWN = 19, 18, 30


class Capture:
    """A capture's records, to be handed out in parts that are captures themselves."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.at = HEADER
        self.host = self.start = b""
        while not self.start:
            kind, record = self.next()
            if kind == HOST:
                self.host = record
            elif kind == CLOCK:
                self.start = record

    def next(self):
        kind, size = struct.unpack_from("=2xHI", self.data, self.at)
        if kind == 0xFFFF:
            return None, b""
        size += -size % 8
        record = self.data[self.at:self.at + size]
        self.at += size
        if kind == CLOCK:
            self.start = record  # the offset goes on from here
        return kind, record

    def time(self):
        """Boot time of the next record; 0 at the end."""
        if self.at + 16 > len(self.data) or struct.unpack_from("=2xH", self.data, self.at)[0] == 0xFFFF:
            return 0
        return struct.unpack_from("=Q", self.data, self.at + 8)[0]

    def restart(self, time_ns):
        """What a new start of the agent begins with."""
        clock = bytearray(self.start)
        struct.pack_into("=Q", clock, 8, time_ns)
        struct.pack_into("=I", clock, 48, 0)  # why: start
        return [self.host, bytes(clock)]

    def part_until(self, unix):
        """The records up to a moment, as a run that ended cleanly."""
        offset = struct.unpack_from("=q", self.start, 40)[0]
        out = self.restart(self.time())
        while self.time() and self.time() + offset < unix * 10**9:
            out.append(self.next()[1])
        mark = struct.pack("=BxHI", 1, 0xFFFF, 40) + bytes(28) + struct.pack("=I", 1)
        return b"".join([self.data[:HEADER], *out, mark])

    def part(self, size):
        """The next records, of about that many bytes, as a new run; stuffed so that the program need not wait for more."""
        out = self.restart(self.time())  # which may be earlier than what the run before has seen
        left, events = size, 0
        while left > 0:
            kind, record = self.next()
            if kind is None:
                break
            left -= len(record)
            events += kind < 16
            out.append(record)
        body = b"".join(out)
        # Records of a type that nobody knows are passed over.
        room = -(len(body) + 49152) % BLOCK + 49152
        while room > 0:
            size = min(room, 32768) if room - 32768 >= 40 or room <= 32768 else room - 40
            body += struct.pack("=BxHI", 1, UNKNOWN, size) + bytes(size - 8)
            room -= size
        return self.data[:HEADER] + body, events
