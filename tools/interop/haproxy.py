"""Two sinks behind HAProxy, with the configuration shown in docs/listening.md."""
import json
import os
import re
import smtplib
import socket
import subprocess
import tempfile
import threading
import time

from corpus import message
from sink import Sink

LISTENING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "listening.md")
CLIENTS, MESSAGES = 20, 500
PATIENCE_S = 30


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configuration(ports):
    """Returns the block of the document that begins with `defaults`, with its ports replaced by `ports`."""
    with open(LISTENING, encoding="utf-8") as file:
        block = re.search(r"^    defaults\n(?:(?:    .*)?\n)+", file.read(), re.M).group()
    lines = [line[4:] for line in block.splitlines()]
    text = "\n".join(lines) + "\n"
    for written, port in ports.items():
        if written not in text:
            raise AssertionError(f"docs/listening.md: no {written} in HAProxy's configuration")
        text = text.replace(written, f"127.0.0.1:{port}")
    return text


def send(client, port, failures):
    """Sends from several clients. Each has its own address, which is also the local-part of its reverse-path."""
    address = f"127.0.1.{client + 1}"
    try:
        with smtplib.SMTP("127.0.0.1", port, "c.example", timeout=60,
                          source_address=(address, 0)) as session:
            for number in range(MESSAGES):
                session.sendmail(f"{address}@example.org", [f"r{number}@example.com"], message(number, b"x\r\n"))
    except (OSError, smtplib.SMTPException) as problem:
        failures.append(f"{address}: {problem}")


def wait_for_checks(sinks):
    """Waits until HAProxy has checked the health of each sink."""
    deadline = time.monotonic() + PATIENCE_S
    for sink in sinks:
        while json.loads(sink.ctl("stats", "--json"))["totals"]["health_checks"] == 0:
            if time.monotonic() > deadline:
                return "no health check came"
            time.sleep(0.2)
    return None


def wrong(sinks):
    """Returns what is wrong with the messages of both sinks, or None."""
    folders = [word for sink in sinks for word in ("--data", sink.data)]
    program = os.path.join(sinks[0].programs, "sinkctl")

    def ask(*words):
        command = [program, *folders, *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    rows = [json.loads(line) for line in ask("ls", "--json", "--limit", "100000").splitlines()]
    if len(rows) != CLIENTS * MESSAGES:
        return f"{len(rows)} messages of {CLIENTS * MESSAGES}"
    for row in rows:
        if row["client"].rsplit(":", 1)[0] != row["mail_from"].split("@")[0]:
            return f"{row['id']}: client {row['client']}, of {row['mail_from']}"
        if not (row["peer"] or "").startswith("127.0.0.1:"):
            return f"{row['id']}: peer {row['peer']}"
    shares = {sink: sum(row["sink"] == sink for row in rows) for sink in ("sink-a", "sink-b")}
    if 0 in shares.values() or sum(shares.values()) != len(rows):
        return f"shares of the sinks: {shares}"
    totals = json.loads(ask("stats", "--json"))["totals"]
    expected = {"messages": len(rows), "connections": CLIENTS, "proxied": CLIENTS,
                "proxy_refused": 0, "turned_away": 0}
    found = {key: totals[key] for key in expected}
    if found != expected:
        return f"statistics: {found}, expected {expected}"
    clients = json.loads(ask("limits", "--json"))["clients"]
    if len(clients) != CLIENTS:
        return f"limits: {len(clients)} clients of {CLIENTS}"
    return None


def proxies_name_their_clients(programs):
    """HAProxy: each message has its sender's address, and health checks are not sessions"""
    sinks = [Sink(programs, "--listen", "proxy:127.0.0.1:0", "--name", name)
             for name in ("sink-a", "sink-b")]
    proxy, failures = None, []
    try:
        with tempfile.TemporaryDirectory(prefix="sinkd-haproxy-") as folder:
            port = free_port()
            ports = {"127.0.0.1:2500": port, "127.0.0.1:2501": sinks[0].port, "127.0.0.1:2502": sinks[1].port}
            path = os.path.join(folder, "haproxy.cfg")
            with open(path, "w", encoding="utf-8") as file:
                file.write(configuration(ports))
            proxy = subprocess.Popen(["haproxy", "-db", "-q", "-f", path])
            problem = wait_for_checks(sinks)
            senders = [threading.Thread(target=send, args=(client, port, failures)) for client in range(CLIENTS)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            problem = problem or (failures[0] if failures else None)
            proxy.terminate()
            proxy.wait(30)
            for sink in sinks:
                sink.stop()
            return CLIENTS * MESSAGES, problem or wrong(sinks)
    finally:
        if proxy:
            proxy.kill()
            proxy.wait()
        for sink in sinks:
            sink.kill()
