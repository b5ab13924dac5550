"""sinkctl replay: mail stored by one sinkd is sent to another one, and through a relay."""
import smtplib
import subprocess
import os

from corpus import BODIES, Sent, message
from clients.by_relay import by_postfix
from sink import Sink


def replay(origin, port, *options):
    """Replays everything that a sink stores to this port, and waits for the end."""
    subprocess.run([os.path.join(origin.programs, "sinkctl"), "--data", origin.data, "replay",
                    "--to", f"127.0.0.1:{port}", "--yes", *options],
                   check=True, timeout=120, stdout=subprocess.DEVNULL)


def keep(origin, relayed=False):
    """Sends the corpus to a sink, by DATA and over a few sessions; returns it."""
    sent = []
    for session in range(3):
        with smtplib.SMTP("127.0.0.1", origin.port, timeout=60) as client:
            for name, octets in BODIES.items():
                if session == 0 or name != "large":
                    one = Sent(f"s{session}@example.org",
                               [f"{name}{i}@example.com" for i in range(1 + session)],
                               octets, relayed)
                    client.sendmail(one.sender, one.recipients, octets, ["BODY=8BITMIME"])
                    sent.append(one)
            for small in range(20):
                octets = message(f"{session}-{small}", b"small\r\n")
                one = Sent("", [f"r{small}-{session}@example.com"], octets, relayed)
                client.sendmail("", one.recipients, octets)
                sent.append(one)
    return sent


def by_replay(sink, scratch):
    """sinkctl replay, with the original commands and by BDAT"""
    origin = Sink(sink.programs)
    try:
        sent = keep(origin)
        replay(origin, sink.port, "--speed", "20")
        replay(origin, sink.port, "--speed", "max", "--chunking", "--connections", "5")
        return sent + sent
    finally:
        origin.kill()


def by_replay_lmtp(sink, scratch):
    """sinkctl replay over LMTP"""
    origin = Sink(sink.programs)
    try:
        sent = keep(origin)
        subprocess.run([os.path.join(origin.programs, "sinkctl"), "--data", origin.data, "replay",
                        "--to", f"lmtp:127.0.0.1:{sink.lmtp_port}", "--speed", "max", "--yes"],
                       check=True, timeout=120, stdout=subprocess.DEVNULL)
        return sent
    finally:
        origin.kill()


by_replay_lmtp.options = ("--listen", "lmtp:127.0.0.1:0")


def by_replay_through_postfix(sink, scratch):
    """sinkctl replay into Postfix, which relays"""
    origin = Sink(sink.programs)
    try:
        sent = keep(origin, relayed=True)

        def submit(port):
            replay(origin, port, "--speed", "max", "--connections", "5")
            return sent

        return by_postfix(sink, scratch, submit=submit)
    finally:
        origin.kill()


CLIENTS = [by_replay, by_replay_lmtp, by_replay_through_postfix]
