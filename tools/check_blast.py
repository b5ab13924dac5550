#!/usr/bin/env python3
"""Checks what `sinkctl blast` sent against what a sinkd data folder holds. Shares no code with
either: it reads the folder with segdump.py, and computes every checksum (pip install crc32c
makes that fast: without it 5 MB a second).

  check_blast.py FOLDER [--count N] [--but N,N,...] [--run-id NAME] [--json]

Every message with the field X-Run is checked. X-Sequence must go from 0 to N - 1 (without
--count: to the largest one found), each once; X-Content-CRC32C must be that of all octets after
the first empty line. --but: numbers that blast reports as not sent or unknown; they
may be missing.

Exit 0: all found, once, unchanged. 1: something is lost, repeated or changed. 2: undecided.
"""
import argparse
import json
import re
import sys

import segdump

SHOWN = 10


def fast_crc32c():
    """Returns the function of a library (pip install crc32c) if it is installed and correct; else our own (5 MB/s)."""
    for name in ("crc32c", "google_crc32c"):
        try:
            module = __import__(name)
        except ImportError:
            continue
        function = getattr(module, "crc32c", None) or getattr(module, "value", None)
        if function and function(b"123456789") == 0xE3069283:
            return function
    return segdump.crc32c


class Fault(Exception):
    """A stored message that differs from what was sent."""


def field(header, name):
    """Returns the only value of a field."""
    found = re.findall(rb"(?im)^" + name + rb":[ \t]*([^\r\n]*)\r?$", header)
    if len(found) != 1:
        raise Fault("%d fields %s" % (len(found), name.decode()))
    return found[0].decode("latin-1")


class Check:
    def __init__(self, crc32c):
        self.crc32c = crc32c
        # Many messages have the same body.
        self.known = {}
        self.seen = {}
        self.runs = {}
        self.repeated, self.changed = [], []
        self.messages = self.others = 0

    def checksum(self, content):
        if content not in self.known:
            if len(self.known) > 256:
                self.known.clear()
            self.known[content] = self.crc32c(content)
        return self.known[content]

    def look(self, ident, message, wanted_run):
        header, gap, content = message.partition(b"\r\n\r\n")
        header += b"\r\n"
        if not gap or not re.search(rb"(?im)^X-Run:", header):
            self.others += 1
            return
        try:
            run = field(header, b"X-Run")
            if wanted_run is not None and run != wanted_run:
                self.others += 1
                return
            self.messages += 1
            self.runs[run] = self.runs.get(run, 0) + 1
            number = field(header, b"X-Sequence")
            if not re.fullmatch(r"[0-9]+", number):
                raise Fault("X-Sequence: %s" % number)
            number = int(number)
            if number in self.seen:
                self.repeated.append((number, ident, self.seen[number]))
            else:
                self.seen[number] = ident
            stated, found = field(header, b"X-Content-CRC32C"), self.checksum(content)
            if stated != "%08x" % found:
                raise Fault("X-Content-CRC32C says %s, it is %08x" % (stated, found))
        except Fault as fault:
            self.changed.append((ident, str(fault)))


def read(folder, check, wanted_run):
    damaged = []
    for slot in folder.messages():
        record = slot.record()
        if record is None:
            damaged.append((slot.id, "its record is damaged"))
        elif slot.stored != "full":
            damaged.append((slot.id, "not stored in full"))
        else:
            check.look(slot.id, segdump.unstuffed(record[1], slot.dots), wanted_run)
    return damaged


def shown(items, form):
    text = ", ".join(form(item) for item in items[:SHOWN])
    more = len(items) - SHOWN
    return text + (" and %d more" % more if more > 0 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--count", type=int)
    parser.add_argument("--but", default="", metavar="N,N,...")
    parser.add_argument("--run-id")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    excused = {int(number) for number in args.but.split(",") if number}
    try:
        folder = segdump.Folder(args.folder)
    except OSError as error:
        print("check_blast.py: %s" % error, file=sys.stderr)
        sys.exit(2)
    # It also verifies the checksums of records.
    segdump.crc32c = fast_crc32c()
    check = Check(segdump.crc32c)
    damaged = read(folder, check, args.run_id)
    if len(check.runs) > 1:
        print("check_blast.py: several runs, name one by --run-id: %s" % ", ".join(
            "%s (%d)" % run for run in sorted(check.runs.items())), file=sys.stderr)
        sys.exit(2)
    count = args.count if args.count is not None else max(check.seen, default=-1) + 1
    missing = [number for number in range(count) if number not in check.seen]
    lost = [number for number in missing if number not in excused]
    beyond = sorted(number for number in check.seen if number >= count)
    unread = damaged + [(name, "can't be read") for name in folder.unreadable]
    result = {
        "messages": check.messages, "expected": count, "others": check.others,
        "lost": len(lost), "excused": len(missing) - len(lost), "repeated": len(check.repeated),
        "changed": len(check.changed), "beyond": len(beyond), "unreadable": len(unread),
    }
    if args.json:
        print(json.dumps(result))
    else:
        print("%d messages of %d, %d others" % (check.messages, count, check.others))
        for name, items, form in [
            ("lost", lost, str),
            ("repeated", check.repeated, lambda item: "%d (%s, %s)" % item),
            ("changed", check.changed, lambda item: "%s: %s" % item),
            ("beyond the last number", beyond, str),
            ("unreadable", unread, lambda item: "%s: %s" % item),
        ]:
            print("%8d %s%s" % (len(items), name, ": " + shown(items, form) if items else ""))
    is_good = not (lost or check.repeated or check.changed or beyond or unread)
    sys.exit(0 if is_good and check.messages else 1)


if __name__ == "__main__":
    main()
