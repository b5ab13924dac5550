"""sinkctl blast against other servers, and a message-by-message check of what sinkd stored."""
import json
import os
import subprocess
import sys
import tempfile
import threading

from aiosmtpd.controller import Controller

from clients.by_relay import by_postfix, free_port, listens, wait_until
from sink import Sink

CHECKER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                       "check_blast.py")
COUNT = 3000


def blast(programs, target, *options, count=COUNT):
    """Sends messages; returns blast's report."""
    said = subprocess.run([os.path.join(programs, "sinkctl"), "blast", "--to", target,
                           "--count", str(count), "--json", *options],
                          timeout=120, stdout=subprocess.PIPE)
    report = json.loads(said.stdout)
    if said.returncode or report["accepted"] != count:
        raise AssertionError(f"{target} {options}: {report}")
    return report


def into_sinkd(programs):
    """Sends in each protocol mode; the checker finds every message once, unchanged."""
    ways = [(), ("--no-chunking", "--depth", "4"), ("--no-pipelining", "--no-chunking"),
            ("--size", "mixed", "--recipients-per-message", "1-5", "--threads", "2"), ("--per-connection", "7"),
            ("--attach-size", "20K", "--rate", "3000", "--arrivals", "poisson")]
    for way in ways:
        sink = Sink(programs)
        try:
            blast(programs, f"127.0.0.1:{sink.port}", *way)
            sink.stop()
            subprocess.run([sys.executable, CHECKER, sink.data, "--count", str(COUNT)],
                           check=True, timeout=120, stdout=subprocess.DEVNULL)
        finally:
            sink.kill()
    return COUNT * len(ways)


def into_smtp_sink(programs):
    """Postfix's smtp-sink."""
    port = free_port()
    process = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "100"],
                               stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), "smtp-sink listens")
        blast(programs, f"127.0.0.1:{port}", "--depth", "2")
        blast(programs, f"127.0.0.1:{port}", "--no-pipelining")
        return 2 * COUNT
    finally:
        process.terminate()
        process.wait(30)


def through_postfix(programs):
    """Postfix as a relay to sinkd: contents stay unchanged."""
    sink, count = Sink(programs), 300

    def submit(port):
        blast(programs, f"127.0.0.1:{port}", "--connections", "10", "--size", "mixed", count=count)
        return range(count)

    try:
        with tempfile.TemporaryDirectory(prefix="sinkd-client-") as scratch:
            by_postfix(sink, scratch, submit=submit)
        sink.stop()
        subprocess.run([sys.executable, CHECKER, sink.data, "--count", str(count)],
                       check=True, timeout=120, stdout=subprocess.DEVNULL)
        return count
    finally:
        sink.kill()


class Collected:
    """The messages that aiosmtpd received."""

    def __init__(self):
        self.numbers, self.lock = [], threading.Lock()

    async def handle_DATA(self, server, session, envelope):
        header = envelope.original_content.split(b"\r\n\r\n", 1)[0]
        number = next(line for line in header.split(b"\r\n") if line.startswith(b"X-Sequence: "))
        with self.lock:
            self.numbers.append(int(number.split()[1]))
        return "250 OK"


def into_aiosmtpd(programs):
    """A server in Python."""
    handler = Collected()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        blast(programs, f"127.0.0.1:{controller.port}", "--connections", "10", count=500)
    finally:
        controller.stop()
    if sorted(handler.numbers) != list(range(500)):
        raise AssertionError(f"aiosmtpd got {len(handler.numbers)} messages")
    return 500


def records_are_read(programs):
    """Reads a sender's records: stats, report, the interval log."""
    sink = Sink(programs)
    try:
        with tempfile.TemporaryDirectory(prefix="sinkd-records-") as folder:
            records, page = os.path.join(folder, "records"), os.path.join(folder, "page.html")
            log = os.path.join(folder, "log.hlog")
            blast(programs, f"127.0.0.1:{sink.port}", "--records", records, "--page", page,
                  "--hlog", log)
            stats = json.loads(subprocess.run(
                [os.path.join(programs, "sinkctl"), "--data", records, "stats", "--json"],
                check=True, timeout=60, stdout=subprocess.PIPE).stdout)
            if stats["totals"]["messages"] != COUNT or "reply_payload_us" not in stats["metrics"]:
                raise AssertionError(f"stats of the records: {stats['totals']}")
            if "reply payload" not in open(page).read() or "Tag=transaction_us" not in open(log).read():
                raise AssertionError("page or log lack what was recorded")
        return COUNT
    finally:
        sink.kill()


def calibrated(programs):
    """Measures with calibrate; stats compares a run with the result."""
    sink = Sink(programs)
    try:
        said = json.loads(sink.ctl("calibrate", "--to", f"127.0.0.1:{sink.port}", "--duration", "2500ms",
                                   "--json"))
        slow = [one["name"] for one in said["ceilings"] if one["messages_per_s"] <= 0]
        sink.ctl("run", "start", "like")
        blast(programs, f"127.0.0.1:{sink.port}", "--no-pipelining", "--no-chunking")
        sink.ctl("run", "stop")
        verdict = json.loads(sink.ctl("stats", "--run", "like", "--json"))["verdict"]
        if slow or verdict["calibrated"]["load"] not in [one["name"] for one in said["ceilings"]]:
            raise AssertionError(f"calibrate: {said}, {verdict}")
        return COUNT
    finally:
        sink.kill()


PARTS = [into_sinkd, into_smtp_sink, through_postfix, into_aiosmtpd, records_are_read, calibrated]


def blasts_can_be_checked(programs):
    """sinkctl blast into sinkd, smtp-sink, Postfix and aiosmtpd: all arrive once, unchanged"""
    count = 0
    try:
        for part in PARTS:
            count += part(programs)
    except (OSError, subprocess.SubprocessError, AssertionError) as problem:
        return count, f"{type(problem).__name__}: {problem}"
    return count, None
