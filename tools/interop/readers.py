"""Two readers that share no code agree: sinkctl and tools/segdump.py, on a folder with parts
of messages, removed ones, a wrapped ring, one segment per message, and after a kill of sinkd."""
import json
import signal
import smtplib

import segdump
from corpus import BODIES, message
from sink import Sink


def fill(sink):
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
        for round in range(4):
            for name, octets in BODIES.items():
                for domain in ("full", "headers", "envelope", "none"):
                    client.sendmail("a@example.org", [f"{name}{round}@{domain}.example"], octets)
        for small in range(2000):
            client.sendmail("a@example.org", [f"s{small}@full.example"], message(small, b"x\r\n"))


def by_sinkctl(sink):
    entries = [json.loads(line) for line in sink.ctl("ls", "--json").splitlines()]
    return [(e["id"], e["mail_from"], e["rcpt_to"], e["size"], e["store"]) for e in entries]


def by_segdump(sink):
    found = []
    for slot in segdump.Folder(sink.data).messages():
        envelope = segdump.envelope_of(slot.record()[0])
        found.append((slot.id, envelope["mail_from"], envelope["rcpt_to"], slot.message_bytes,
                      slot.stored))
    return found


def compare(sink, when):
    ours, theirs = by_sinkctl(sink), by_segdump(sink)
    if ours != theirs:
        differing = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]][:1]
        return f"{when}: sinkctl lists {len(ours)}, segdump {len(theirs)}; {differing}"
    counted = sum(s.counted for s in segdump.Folder(sink.data).segments.values())
    counts = json.loads(sink.ctl("count", "--json"))
    if (counts["stored"], counts["only_counted"]) != (len(theirs), counted):
        return f"{when}: count says {counts}, segdump {len(theirs)} and {counted}"
    return None


def readers_agree(programs):
    """sinkctl and segdump.py list the same"""
    sink = Sink(programs, "--retain-segments", "6", "--segment-bytes", "1M",
                "--store-rule", "headers.example=headers",
                "--store-rule", "envelope.example=envelope", "--store-rule", "none.example=none")
    try:
        fill(sink)
        problem = compare(sink, "live")
        entries = by_sinkctl(sink)
        sink.ctl("rm", *[entry[0] for entry in entries[5:200:7]])
        problem = problem or compare(sink, "some removed")
        sink.process.send_signal(signal.SIGKILL)
        sink.process.wait()
        problem = problem or compare(sink, "killed")
        if segdump.verify(segdump.Folder(sink.data)):
            problem = problem or "segdump finds damage"
        return len(entries), problem
    finally:
        sink.process.kill()
        sink.process.wait()
        sink.remove()
