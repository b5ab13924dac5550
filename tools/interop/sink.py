"""A separate sinkd, whose messages are read twice: by sinkctl and by tools/segdump.py."""
import json
import os
import re
import subprocess
import tempfile

import segdump


class Sink:
    """A sinkd on a free port with a folder of its own. `before`: a command that starts it; `prepare`:
    what to do first, with the path of the socket."""

    def __init__(self, programs, *options, host="127.0.0.1", before=(), prepare=None):
        self.programs, self.host = programs, host
        self.folder = tempfile.TemporaryDirectory(prefix="sinkd-interop-")
        self.data = os.path.join(self.folder.name, "data")
        # A short path: the path of a Unix socket can have at most 107 octets.
        self.socket = os.path.join(self.folder.name, "sock")
        if prepare:
            prepare(self.socket)
        options = [option.format(socket=self.socket) for option in options]
        self.process = subprocess.Popen(
            [*before, os.path.join(programs, "sinkd"), "--listen", f"{host}:0",
             "--data", self.data, "--log-level", "warn", "--http", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, text=True)
        self.port, self.lmtp_port, self.http_port, self.tls_port = None, None, None, None
        for line in self.process.stdout:
            found = re.match(r"sinkd: SMTP on [\d.]+:(\d+)", line)
            if found:
                self.port = int(found[1])
            found = re.match(r"sinkd: SMTPS on [\d.]+:(\d+)", line)
            if found:
                self.tls_port = int(found[1])
            found = re.match(r"sinkd: LMTP on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.lmtp_port = int(found[1])
            found = re.match(r"sinkd: HTTP on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.http_port = int(found[1])
            if line.startswith("sinkd: data in"):
                break
        if self.port is None:
            raise SystemExit("sinkd did not start")

    def ctl(self, *args):
        return subprocess.run([os.path.join(self.programs, "sinkctl"), "--data", self.data, *args],
                              check=True, stdout=subprocess.PIPE).stdout

    def count(self):
        return int(self.ctl("count"))

    def messages(self):
        """Returns (reverse-path, forward-paths, octets) of every message."""
        found = []
        for line in self.ctl("ls", "--json").splitlines():
            entry = json.loads(line)
            octets = self.ctl("cat", entry["id"])
            if len(octets) != entry["size"]:
                raise AssertionError(f"{entry['id']}: size {entry['size']}, cat {len(octets)}")
            found.append((entry["mail_from"], entry["rcpt_to"], octets))
        return found

    def messages_by_segdump(self):
        """Like messages, with the reader that shares no code."""
        found = []
        for slot in segdump.Folder(self.data).messages():
            envelope, payload = slot.record()
            fields = segdump.envelope_of(envelope)
            octets = segdump.unstuffed(payload, slot.dots)
            found.append((fields["mail_from"], fields["rcpt_to"], octets))
        return found

    def stop(self):
        self.process.terminate()
        status = self.process.wait(30)
        if status:
            raise SystemExit(f"sinkd ended with status {status}")

    def remove(self):
        self.folder.cleanup()

    def kill(self):
        """Kills the process in any state, and everything it started."""
        self.process.kill()
        self.process.wait()
        self.remove()
