#!/usr/bin/env python3
"""Prints what each connection did in each second, from stats/*.sessions of a data folder: one JSON object a line.

usage: connections.py FOLDER

docs/stats-format.md describes the files ("The connections"). Shares no code with sinkd.
"""
import ipaddress
import json
import os
import struct
import sys

from segdump import crc32c

# Magic, number of records, Unix time in s, checksum of the records, checksum of the preceding
# octets.
HEADER = struct.Struct("<4sIQII")
# Session, client, began and ended in us, messages, recipients, most recipients, refused.
RECORD = struct.Struct("<Q16s6I")
NEVER, BEFORE = 0xFFFFFFFF, 0xFFFFFFFE


def client(octets):
    address = ipaddress.IPv6Address(octets)
    return "unix" if int(address) == 0 else str(address.ipv4_mapped or address)


def batches(octets):
    """Returns the second and the records of each complete batch."""
    at = 0
    while at + HEADER.size <= len(octets):
        magic, count, second, check, own = HEADER.unpack_from(octets, at)
        begin = at + HEADER.size
        records = octets[begin:begin + count * RECORD.size]
        if (magic == b"SNKB" and own == crc32c(octets[at:begin - 4])
                and len(records) == count * RECORD.size and check == crc32c(records)):
            yield second, RECORD.iter_unpack(records)
            at = begin + len(records)
        else:
            at = octets.find(b"SNKB", at + 1)
            if at < 0:
                return


def connections(data):
    folder = os.path.join(data, "stats")
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".sessions"):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            octets = file.read()
        for second, records in batches(octets):
            for session, address, began, ended, messages, recipients, most, refused in records:
                yield {
                    "second": second,
                    "session": str(session),
                    "client": client(address),
                    "began_us": None if began >= BEFORE else began,
                    "ended_us": None if ended >= BEFORE else ended,
                    "after_end": ended == BEFORE,
                    "messages": messages,
                    "recipients": recipients,
                    "recipients_max": most,
                    "refused": refused,
                }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        for connection in connections(sys.argv[1]):
            print(json.dumps(connection))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
