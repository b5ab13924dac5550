#!/usr/bin/env python3
"""Senders whose bottleneck is known.

usage: loads.py LOAD HOST PORT SECONDS   (LOAD: a function below)
"""
import selectors
import smtplib
import socket
import sys
import threading
import time

from corpus import message

ENVELOPE = [b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.com>\r\n", b"DATA\r\n"]
SMALL = message("small", b"x" * 70 + b"\r\n") + b".\r\n"
LARGE = message("large", (b"x" * 76 + b"\r\n") * 2600) + b".\r\n"
# Messages in a write of a sender that waits for nothing: its replies are read as they come.
PIPELINED = 2000
CHUNK = b"BDAT 12 LAST\r\nSubject: x\r\n"


def by_smtplib(host, port, until):
    """A sender that prepares each message while its one connection idles."""
    with smtplib.SMTP(host, port, timeout=30) as client:
        while time.monotonic() < until:
            client.sendmail("a@example.org", ["b@example.com"], SMALL)
            time.sleep(0.02)


def pausing(host, port, until):
    """A connection for each message, and a pause before the next."""
    while time.monotonic() < until:
        with smtplib.SMTP(host, port, timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.com"], SMALL)
        time.sleep(0.05)


def converse(host, port, until, payload, pause=0.0):
    """One connection, each command after the reply to the one before; everything is prebuilt."""
    with socket.create_connection((host, port), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = client.recv(4096)
        client.sendall(b"HELO client.example\r\n")
        client.recv(4096)
        while time.monotonic() < until:
            for octets in (*ENVELOPE, payload):
                if pause:
                    time.sleep(pause)
                client.sendall(octets)
                replies = client.recv(4096)
                if replies[:1] not in b"23":
                    raise OSError(f"refused: {replies!r}")
        client.sendall(b"QUIT\r\n")
        client.recv(4096)


def together(connections, *what):
    """So many conversations at once."""
    threads = [threading.Thread(target=converse, args=what) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hesitating(host, port, until):
    """20 connections that take their time for each command."""
    together(20, host, port, until, SMALL, 0.01)


def bulky(host, port, until):
    """6 connections with messages of 200 KB."""
    together(6, host, port, until, LARGE)


def one(host, port, until):
    """One connection in lock-step."""
    together(1, host, port, until, SMALL)


def ten(host, port, until):
    """Ten of them."""
    together(10, host, port, until, SMALL)


class Pipelining:
    """A connection that neither builds anything nor waits for anything."""

    block = (ENVELOPE[0] + ENVELOPE[1] + CHUNK) * PIPELINED

    def __init__(self, host, port, selector):
        self.socket, self.selector = socket.create_connection((host, port), timeout=30), selector
        self.socket.recv(4096)
        self.socket.sendall(b"EHLO client.example\r\n")
        self.socket.recv(4096)
        self.socket.setblocking(False)
        self.left, self.is_last = memoryview(self.block), False
        selector.register(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def run(self, events, scratch, is_over):
        if events & selectors.EVENT_READ and not self.socket.recv_into(scratch):
            self.selector.unregister(self.socket)
            self.socket.close()
        elif events & selectors.EVENT_WRITE:
            self.left = self.left[self.socket.send(self.left):]
            if not self.left and self.is_last:
                self.selector.modify(self.socket, selectors.EVENT_READ, self)
            elif not self.left:
                self.left = memoryview(b"QUIT\r\n" if is_over else self.block)
                self.is_last = is_over


def pipelining(host, port, until):
    """32 connections that pipeline small messages as fast as they are taken."""
    scratch = bytearray(1 << 16)
    with selectors.DefaultSelector() as selector:
        for _ in range(32):
            Pipelining(host, port, selector)
        while selector.get_map():
            for key, events in selector.select(1):
                key.data.run(events, scratch, time.monotonic() >= until)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    load, host, port, seconds = sys.argv[1:]
    globals()[load](host, int(port), time.monotonic() + float(seconds))
