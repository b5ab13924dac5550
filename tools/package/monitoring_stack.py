"""The dashboard and the alerts, with a real Prometheus (Debian's) that scrapes a sinkd under load."""
import json
import math
import pathlib
import smtplib
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from container import free_port
from faults import HERE, Fault, run
from sink import Sink

# Replacements for Grafana's variables.
VALUES = {"$__rate_interval": "10s", "$job": ".*", "$instance": ".*"}
# Longest wait for every query to have data, s: a few scrapes, on a busy machine.
PATIENCE = 60


def alerts_fire(_programs, _folder):
    said = run("promtool", "check", "rules", HERE / "prometheus/alerts.yml")
    run("promtool", "test", "rules", HERE / "prometheus/alerts_test.yml")
    run("promtool", "check", "config", HERE / "prometheus/prometheus.yml")
    rules = (HERE / "prometheus/alerts.yml").read_text().count("- alert:")
    tested = (HERE / "prometheus/alerts_test.yml").read_text().count("alertname=")
    if rules != tested or f"{rules} rules found" not in said:
        raise Fault(f"{rules} alerts, of which {tested} are tested")
    return f"{rules} alerts"


class Prometheus:
    """Scrapes one sinkd each second. Runs as our own process, on a free port."""

    def __init__(self, folder, target):
        self.port = free_port()
        config = pathlib.Path(folder, "prometheus.yml")
        config.write_text(
            "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: sinkd\n"
            f"    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"])

    def query(self, text):
        """Returns the values of an instant query. Raises a Fault if Prometheus can't parse it."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise Fault(f"Prometheus refuses {text}: {error.read().decode()}") from error
        return [float(series["value"][1]) for series in result]

    def is_up(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=30):
                return True
        except OSError:
            # No listener yet, or 503 while it starts.
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def send(port, stop):
    """Sends mail of two sizes, an unusual command and a bad one, over connections that end."""
    small, large = b"Subject: x\r\n\r\nx\r\n", b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    number = 0
    while not stop.is_set():
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.com", "c@example.com"], small)
            client.docmd("MAIL", "FROM:a@example.org")
            client.docmd("RCPT", "TO:<>")
            client.rset()
            number += 1
            client.sendmail("a@example.org", ["b@example.com"], large + b"y" * (3 << 20) if number % 20 == 0 else large)


def queries():
    board = json.loads((HERE / "grafana/sinkd.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def filled(text):
    for name, value in VALUES.items():
        text = text.replace(name, value)
    if "$" in text:
        raise Fault(f"a variable that the dashboard does not have: {text}")
    return text


def dashboard_has_data(programs, folder):
    if run(HERE / "grafana/dashboard.py", "--print") != (HERE / "grafana/sinkd.json").read_text():
        raise Fault("sinkd.json is not what dashboard.py writes: run tools/package/grafana/dashboard.py")
    sink = Sink(programs, "--durability", "message")
    stop = threading.Event()
    sender = threading.Thread(target=send, args=(sink.port, stop))
    prometheus = Prometheus(folder, sink.http_port)
    try:
        sender.start()
        waiting = set(queries())
        count, end = len(waiting), time.monotonic() + PATIENCE
        while not prometheus.is_up() and time.monotonic() < end:
            time.sleep(0.2)
        while waiting and time.monotonic() < end:
            time.sleep(1)
            waiting = {one for one in waiting if not any(map(math.isfinite, prometheus.query(filled(one[1]))))}
        if waiting:
            raise Fault(f"no data for {sorted(waiting)}")
    finally:
        stop.set()
        sender.join()
        prometheus.stop()
        sink.kill()
    return f"all {count} queries have data"
