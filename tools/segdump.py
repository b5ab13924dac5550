#!/usr/bin/env python3
"""Reads a sinkd data folder. Shares no code with sinkd: written from docs/segment-format.md alone,
with Python's standard library.

  segdump.py FOLDER list          a JSON object a line: every message, in the order of arrival
  segdump.py FOLDER cat ID        the message's bytes, dot-stuffing undone
  segdump.py FOLDER segments      a JSON object a line: every segment file
  segdump.py FOLDER verify        checks every checksum; exit 1 if one does not hold

Record checksums are computed here octet by octet: about 5 MB a second.
"""
import ipaddress
import json
import os
import re
import struct
import sys

PAGE = 4096
RECORDS_AT = 2 * PAGE
SLOT = 64
KINDS = {1: "message", 2: "rejection", 3: "note"}
STORED = {0: "full", 1: "headers", 2: "envelope"}
DEVIATIONS = {1: "underscore", 2: "trailing-dot", 3: "hello-name", 4: "blanks", 5: "auth-parameter",
              6: "non-ascii", 7: "no-brackets", 8: "no-domain", 9: "dots"}
SYNCED_MARK = 0x434E5953


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    table = TABLE
    for octet in data:
        crc = table[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def this_boot():
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return bytes.fromhex(file.read().strip().replace("-", ""))
    except OSError:
        return bytes(16)


class Unreadable(Exception):
    """A file that cannot be read as a segment."""


class Slot:
    def __init__(self, segment, index, raw):
        fields = struct.unpack("<QIIIIQIIQHBBI3sBI", raw)
        (self.offset, self.payload_bytes, self.message_bytes, self.envelope_bytes, self.dots,
         self.received_at, self.transaction_us, self.messages_before, self.session,
         self.reply_code, kind, flags, self.record_crc, enhanced, _, self.crc) = fields
        self.segment, self.index = segment, index
        self.kind = KINDS.get(kind)
        self.stored = STORED.get(flags & 3)
        self.chunked = bool(flags & 4)
        self.enhanced = "%d.%d.%d" % tuple(enhanced)
        self.end = self.offset + self.envelope_bytes + self.payload_bytes
        covered = segment.store + struct.pack("<II", segment.number, index) + raw[:60]
        at = segment.length - SLOT * (index + 1)
        self.is_valid = (self.offset >= RECORDS_AT and self.end <= at
                         and crc32c(covered) == self.crc)

    @property
    def id(self):
        return "%d:%d" % (self.segment.number, self.index)

    def record(self):
        """Envelope and payload in wire form; None if the checksum does not hold."""
        self.segment.file.seek(self.offset)
        record = self.segment.file.read(self.end - self.offset)
        if crc32c(record) != self.record_crc:
            return None
        return record[:self.envelope_bytes], record[self.envelope_bytes:]


class Segment:
    def __init__(self, path, boot):
        self.path = path
        self.file = open(path, "rb")
        page = self.file.read(PAGE)
        if page[:8] != b"SINKDSEG":
            raise Unreadable("not a segment")
        (version, self.number) = struct.unpack_from("<II", page, 8)
        if version > 1:
            raise Unreadable("format version %d" % version)
        if len(page) < PAGE or crc32c(page[:4092]) != struct.unpack_from("<I", page, 4092)[0]:
            raise Unreadable("the identity page is damaged")
        self.store = page[16:32]
        (self.length, self.worker, self.start_count) = struct.unpack_from("<QII", page, 32)
        self.boot = page[48:64]
        (self.created_at, self.kind) = struct.unpack_from("<QI", page, 64)
        if os.fstat(self.file.fileno()).st_size < self.length:
            raise Unreadable("cut off")
        if int(os.path.basename(path)[:-4]) != self.number:
            raise Unreadable("a spare: segment %d under another name" % self.number)
        self.read_live(boot)

    def read_live(self, boot):
        self.file.seek(PAGE)
        page = self.file.read(PAGE)
        word = lambda at: struct.unpack_from("<Q", page, at)[0]
        self.slots, self.messages = word(0) & 0xFFFFFFFF, word(0) >> 32
        self.rejections, self.notes, self.counted = word(8), word(16), word(24)
        self.state = {0: "open", 1: "sealed", 2: "suspect"}.get(word(64) & 0xFFFFFFFF, "?")
        covered = self.store + struct.pack("<I", self.number) + page[0:32] + page[72:120]
        check = crc32c(covered)
        is_sealed = self.state in ("sealed", "suspect") and word(120) == check
        self.is_synced = is_sealed and word(128) == check | SYNCED_MARK << 32
        is_here = self.boot == boot
        self.is_believed = self.is_synced or (is_here and (is_sealed or self.state == "open"))
        self.lost = set()
        if not self.is_believed:
            self.scan()

        self.read_flags()

    def read_flags(self):
        """What was removed: everything below a watermark, and single slots."""
        self.watermark, self.removed = 0, set()
        try:
            with open(self.path[:-4] + ".flags", "rb") as file:
                flags = file.read()
        except OSError:
            return
        if len(flags) < 52 or crc32c(flags[:-4]) != struct.unpack("<I", flags[-4:])[0]:
            return
        magic, version, number, store, watermark = struct.unpack_from("<8sII16sI", flags)
        if (magic, version, number, store) != (b"SINKDFLG", 1, self.number, self.store):
            return
        self.watermark = watermark
        self.removed = {watermark + i for i, octet in enumerate(flags[48:-4]) if octet & 1}

    def is_removed(self, index):
        return index < self.watermark or index in self.removed

    def slot(self, index):
        self.file.seek(self.length - SLOT * (index + 1))
        return Slot(self, index, self.file.read(SLOT))

    def scan(self):
        """The counts cannot be believed: every slot position is tried."""
        end, gap, last = RECORDS_AT, [], -1
        positions = (self.length - RECORDS_AT) // SLOT
        if self.state == "suspect":
            positions = min(positions, self.slots)
        self.messages = 0
        for index in range(positions):
            if self.length - SLOT * (index + 1) < end:
                break
            slot = self.slot(index)
            if not slot.is_valid or slot.record() is None:
                gap.append(index)
                continue
            self.lost.update(gap)
            gap, last, end = [], index, max(end, slot.end)
            self.messages += slot.kind == "message" and slot.stored is not None
        self.slots = last + 1

    def valid_slots(self):
        for index in range(self.slots):
            if index not in self.lost:
                yield self.slot(index)


class Folder:
    def __init__(self, path):
        self.path, self.segments, self.unreadable = path, {}, []
        boot = this_boot()
        folder = os.path.join(path, "segments")
        for name in sorted(os.listdir(folder)):
            if not re.fullmatch(r"\d{8,}\.seg", name):
                continue
            try:
                segment = Segment(os.path.join(folder, name), boot)
                self.segments[segment.number] = segment
            except Unreadable as problem:
                self.unreadable.append("%s: %s" % (name, problem))

    def messages(self):
        found = []
        for segment in self.segments.values():
            for slot in segment.valid_slots():
                is_message = slot.is_valid and slot.kind == "message" and slot.stored
                if is_message and not segment.is_removed(slot.index):
                    found.append(slot)
        found.sort(key=lambda s: (s.segment.start_count, s.received_at, s.segment.number, s.index))
        return found

    def find(self, name):
        number, _, index = name.partition(":")
        segment = self.segments.get(int(number))
        if segment is None or int(index) >= segment.slots or int(index) in segment.lost:
            return None
        slot = segment.slot(int(index))
        return slot if slot.is_valid and not segment.is_removed(slot.index) else None


def text(octets):
    """As sinkctl does: octets that are not UTF-8 become \\xNN, and a backslash becomes two."""
    parts = octets.replace(b"\\", b"\\\\").decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda m: "\\x%02x" % (ord(m.group()) - 0xDC00), parts)


def address(value):
    """A client or a peer: family, address, port."""
    if value == b"\1":
        return "unix"
    host = ipaddress.ip_address(bytes(value[1:-2]))
    port, = struct.unpack_from("<H", value, len(value) - 2)
    if host.version == 6 and host.ipv4_mapped:
        return "[::ffff:%s]:%d" % (host.ipv4_mapped, port)
    return ("[%s]:%d" if host.version == 6 else "%s:%d") % (host, port)


def texts_of(value, at):
    """Four texts, each with its length before it."""
    texts = []
    for _ in range(4):
        length, = struct.unpack_from("<H", value, at)
        texts.append(text(value[at + 2:at + 2 + length]))
        at += 2 + length
    return texts


def proxy_tls(value):
    """The client's TLS as a PROXY header tells it."""
    named = dict(zip(("version", "cipher", "server_name", "common_name"), texts_of(value, 1)))
    return {**named, "verified": bool(value[0] & 1)}


def session_tls(value):
    """The TLS under which the message came."""
    flags, handshake_us = struct.unpack_from("<BI", value)
    version, cipher, server_name, subject = texts_of(value, 5)
    return {"version": version, "cipher": cipher, "server_name": server_name or None,
            "client_subject": subject or None, "resumed": bool(flags & 1), "handshake_us": handshake_us}


def envelope_of(octets):
    fields, at = [], 0
    while at < len(octets):
        tag, length = struct.unpack_from("<BI", octets, at)
        fields.append((tag, octets[at + 5:at + 5 + length]))
        at += 5 + length
    if not fields or fields[0] != (1, b"\1"):
        raise Unreadable("an envelope of another version")
    return {
        "client": next((address(value) for tag, value in fields if tag == 2), None),
        "peer": next((address(value) for tag, value in fields if tag == 13), None),
        "listener": next((text(value) for tag, value in fields if tag == 10),
                         next((text(value) for tag, value in fields if tag == 3), None)),
        "sink": next((text(value) for tag, value in fields if tag == 17), None),
        "tls": next((session_tls(value) for tag, value in fields if tag == 11), None),
        "auth": next((text(value) for tag, value in fields if tag == 12), None),
        "proxy_tls": next((proxy_tls(value) for tag, value in fields if tag == 18), None),
        "protocol": next((text(value) for tag, value in fields if tag == 5), None),
        "mail_from": next(text(value) for tag, value in fields if tag == 6),
        "rcpt_to": [text(value) for tag, value in fields if tag == 8],
        "deviations": [DEVIATIONS.get(kind, "kind %d" % kind)
                       for kind in sorted({kind for tag, value in fields if tag == 14 for kind in value})],
    }


def unstuffed(payload, dots):
    if dots == 0:
        return payload
    return re.sub(rb"(\A|\r\n)\.", rb"\1", payload)


def list_messages(folder):
    for slot in folder.messages():
        record = slot.record()
        line = {"id": slot.id, "received_at_ns": slot.received_at, "size": slot.message_bytes,
                "stored": slot.stored, "reply_code": slot.reply_code, "chunked": slot.chunked}
        line.update(envelope_of(record[0]) if record else {"damaged": True})
        print(json.dumps(line))
    return 0


def cat(folder, name):
    slot = folder.find(name)
    record = slot.record() if slot else None
    if record is None or slot.stored != "full":
        print("segdump: %s: not there as a whole" % name, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(unstuffed(record[1], slot.dots))
    return 0


def list_segments(folder):
    for number, segment in sorted(folder.segments.items()):
        print(json.dumps({
            "segment": number, "state": segment.state, "worker": segment.worker,
            "start": segment.start_count, "bytes": segment.length, "slots": segment.slots,
            "messages": segment.messages, "rejections": segment.rejections,
            "notes": segment.notes, "counted": segment.counted, "synced": segment.is_synced,
            "lost": sorted(segment.lost)}))
    return 0


def verify(folder):
    damaged = list(folder.unreadable)
    for segment in folder.segments.values():
        for index in range(segment.slots):
            slot = segment.slot(index)
            if not slot.is_valid:
                damaged.append("%s: the slot is damaged" % slot.id)
            elif slot.record() is None:
                damaged.append("%s: the record is damaged" % slot.id)
    for problem in damaged:
        print("segdump: " + problem, file=sys.stderr)
    messages = sum(s.messages for s in folder.segments.values())
    print("%d segments, %d messages, %d damaged" % (len(folder.segments), messages, len(damaged)))
    return 1 if damaged else 0


def main(arguments):
    try:
        path, command, *rest = arguments
        commands = {"list": list_messages, "cat": cat, "segments": list_segments, "verify": verify}
        run = commands[command]
        folder = Folder(path)
        return run(folder, *rest)
    except (ValueError, KeyError, TypeError):
        print(__doc__, file=sys.stderr)
        return 2
    except (OSError, Unreadable) as problem:
        print("segdump: %s" % problem, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
