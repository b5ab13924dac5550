"""The metrics of sinkd: promtool, from Debian's package of Prometheus, reads them while mail arrives."""
import shutil
import smtplib
import subprocess
import threading
import urllib.request

from corpus import message
from sink import Sink

SCRAPES = 20


def scrape(sink):
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.http_port}/metrics", timeout=30) as answer:
        return answer.read()


def samples(text):
    """Returns the name with labels, and the value, of each sample."""
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def send(sink, stop, sent):
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
        while not stop.is_set():
            client.sendmail("a@example.org", ["b@example.com"], message(len(sent), b"x\r\n"))
            sent.append(True)


def complaints(sink, before):
    """Returns promtool's complaints about a scrape, and the counters that decreased since the previous one; or None."""
    text = scrape(sink)
    said = subprocess.run(["promtool", "check", "metrics"], input=text, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if said.returncode or said.stdout:
        return f"promtool: {said.stdout.decode().strip()}"
    found = samples(text)
    gauges = ("process_", "sinkd_index_lag_", "sinkd_disk_")
    for name, value in before.items():
        if not name.startswith(gauges) and found.get(name, -1) < value:
            return f"{name} was {value}, and is {found.get(name)}"
    before.update(found)
    return None


def monitors_understand(programs):
    """promtool finds no fault with /metrics under load"""
    if not shutil.which("promtool"):
        return 0, "promtool is not installed"
    sink, stop, sent, before = Sink(programs), threading.Event(), [], {}
    senders = [threading.Thread(target=send, args=(sink, stop, sent)) for _ in range(2)]
    try:
        for sender in senders:
            sender.start()
        problem = None
        for _ in range(SCRAPES):
            problem = problem or complaints(sink, before)
        # A publication of the hub, which happens every second, was observed.
        while not problem and not before["sinkd_messages_total"]:
            problem = complaints(sink, before)
        return len(sent), problem
    finally:
        stop.set()
        for sender in senders:
            sender.join()
        sink.process.kill()
        sink.process.wait()
        sink.remove()
