#!/usr/bin/env python3
"""Real clients against a real sinkd (standard library only).

usage: interop.py FOLDER     (FOLDER holds the programs sinkd and sinkctl)

Each client sends its messages; afterwards every message must be found once, byte-exact, with its
exact envelope. Exit status 0: all of them; 1: not.
"""
import json
import os
import re
import smtplib
import subprocess
import sys
import tempfile

BODIES = {
    "plain": b"Subject: plain\r\n\r\nHello.\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
    "empty": b"\r\n",
    "8bit": "Subject: 8bit\r\n\r\nGr\u00fc\u00dfe\r\n".encode(),
    "long line": b"Subject: long\r\n\r\n" + b"x" * 70_000 + b"\r\n",
    "large": b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 * 80_000 + b"\r\n",
}


class Sink:
    """A sinkd on a free port with a folder of its own."""

    def __init__(self, bin_folder):
        self.bin = bin_folder
        self.data = tempfile.TemporaryDirectory(prefix="sinkd-interop-")
        self.process = subprocess.Popen(
            [os.path.join(bin_folder, "sinkd"), "--listen", "127.0.0.1:0", "--data", self.data.name],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            found = re.match(r"sinkd: SMTP on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
            if line.startswith("sinkd: data in"):
                break

    def ctl(self, *args):
        return subprocess.run([os.path.join(self.bin, "sinkctl"), "--data", self.data.name, *args],
                              check=True, stdout=subprocess.PIPE).stdout

    def stop(self):
        self.process.terminate()
        status = self.process.wait(30)
        self.data.cleanup()
        if status:
            raise SystemExit(f"sinkd ended with status {status}")


def by_smtplib(sink):
    """Python's smtplib: one connection, each body to two recipients."""
    sent = []
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
        client.ehlo("client.example")
        for n, (name, body) in enumerate(BODIES.items()):
            sender = "" if name == "empty" else f"sender{n}@example.org"
            recipients = [f"first{n}@example.com", f"\"second {n}\"@example.com"]
            client.sendmail(sender, recipients, body, ["BODY=8BITMIME"])
            sent.append((sender, recipients, body))
    return sent


def by_smtplib_reconnecting(sink):
    """Python's smtplib: a connection for each message."""
    sent = []
    for n in range(20):
        body = b"Subject: %d\r\n\r\n%d\r\n" % (n, n)
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
            client.sendmail("sender@example.org", [f"r{n}@example.com"], body)
        sent.append(("sender@example.org", [f"r{n}@example.com"], body))
    return sent


CLIENTS = [by_smtplib, by_smtplib_reconnecting]


def check(sink, sent):
    """What was sent and what is stored, as multisets."""
    stored = []
    for line in sink.ctl("ls", "--json").splitlines():
        entry = json.loads(line)
        body = sink.ctl("cat", entry["id"])
        if len(body) != entry["size"]:
            return f"{entry['id']}: size {entry['size']}, but cat prints {len(body)} octets"
        stored.append((entry["mail_from"], entry["rcpt_to"], body))
    if sorted(sent) == sorted(stored):
        return None
    return f"sent {len(sent)}, stored {len(stored)}, not the same"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failed = 0
    for client in CLIENTS:
        sink = Sink(sys.argv[1])
        try:
            sent = client(sink)
            error = check(sink, sent)
        finally:
            sink.stop()
        print(f"{'FAILED' if error else 'ok':6} {client.__doc__} {len(sent)} messages", error or "")
        failed += bool(error)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
