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
MEDIUM = message("medium", (b"x" * 76 + b"\r\n") * 780) + b".\r\n"
SECOND_CAMPAIGN_S = 8
# Messages per write of a sender that does not wait: its replies are read as they arrive.
PIPELINED = 2000
CHUNK = b"BDAT 12 LAST\r\nSubject: x\r\n"


def in_threads(count, load, *args):
    """Runs `count` threads of `load` at once."""
    threads = [threading.Thread(target=load, args=args) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def preparing(host, port, until):
    with smtplib.SMTP(host, port, timeout=30) as client:
        while time.monotonic() < until:
            client.sendmail("a@example.org", ["b@example.com"], SMALL)
            time.sleep(0.02)


def by_smtplib(host, port, until):
    """Senders that prepare each message while their one connection idles."""
    in_threads(6, preparing, host, port, until)


def pausing(host, port, until):
    """One connection per message, and a pause before the next."""
    while time.monotonic() < until:
        with smtplib.SMTP(host, port, timeout=30) as client:
            client.sendmail("a@example.org", ["b@example.com"], SMALL)
        time.sleep(0.004)


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


def hesitating(host, port, until):
    """20 connections that take their time for each command."""
    in_threads(20, converse, host, port, until, SMALL, 0.01)


def bulky(host, port, until):
    """One connection with messages of 60 KB: commands of others would wait behind its payload."""
    converse(host, port, until, MEDIUM)


def one(host, port, until):
    """One connection in lock-step."""
    converse(host, port, until, SMALL)


def hundred(host, port, until):
    """A hundred connections in lock-step."""
    in_threads(100, converse, host, port, until, SMALL)


def fifty(host, port, until):
    """Fifty connections in lock-step."""
    in_threads(50, converse, host, port, until, SMALL)


def ten(host, port, until):
    """Ten connections in lock-step."""
    in_threads(10, converse, host, port, until, SMALL)


def half_slow(host, port, until):
    """Three connections in lock-step, and three that take their time for each command."""
    slow = threading.Thread(target=in_threads, args=(3, converse, host, port, until, SMALL, 0.01))
    slow.start()
    in_threads(3, converse, host, port, until, SMALL)
    slow.join()


def pooled(host, port, until):
    """One connection in lock-step beside a pool of fifty, of which half have sent something."""
    pool = [smtplib.SMTP(host, port, timeout=30) for _ in range(50)]
    for number, client in enumerate(pool):
        client.ehlo()
        if number % 2:
            client.sendmail("a@example.org", ["b@example.com"], SMALL)
    converse(host, port, until, SMALL)
    for client in pool:
        client.close()


def nagle(host, port, until):
    """20 senders that write a message in two pieces with Nagle's algorithm enabled."""
    in_threads(20, in_pieces, host, port, until)


def in_pieces(host, port, until):
    with socket.create_connection((host, port), timeout=30) as client:
        client.recv(4096)
        for octets in (b"HELO client.example\r\n",):
            client.sendall(octets)
            client.recv(4096)
        while time.monotonic() < until:
            for octets in ENVELOPE:
                client.sendall(octets)
                client.recv(4096)
            client.sendall(SMALL[:100])
            client.sendall(SMALL[100:])
            client.recv(4096)


def crowd(host, port, until):
    """50 senders that reconnect when they are turned away."""
    in_threads(50, coming_again, host, port, until)


def coming_again(host, port, until):
    while time.monotonic() < until:
        with socket.create_connection((host, port), timeout=30) as client:
            if client.recv(4096)[:1] != b"2":
                time.sleep(0.02)
                continue
            client.sendall(b"HELO client.example\r\n")
            client.recv(4096)
            for octets in (*ENVELOPE, SMALL) * 20:
                client.sendall(octets)
                client.recv(4096)


def not_reading(host, port, until):
    """8 connections that pipeline, and rarely read their replies."""
    in_threads(8, dawdling, host, port, until)


def dawdling(host, port, until):
    with socket.create_connection((host, port), timeout=30) as client:
        client.recv(4096)
        client.sendall(b"EHLO client.example\r\n")
        client.recv(4096)
        client.setblocking(False)
        block = memoryview(Pipelining.block)
        left = block
        while time.monotonic() < until:
            try:
                left = left[client.send(left):] or block
            except BlockingIOError:
                time.sleep(0.004)
                try:
                    client.recv(1000)
                except BlockingIOError:
                    pass


def campaigns(host, port, until):
    """Two persistent connections: a message each, a pause until a signal, then the rest.

    More threads would wait for the interpreter, and the sender would be the bottleneck.
    """
    clients = [smtplib.SMTP(host, port, timeout=30) for _ in range(2)]
    for client in clients:
        client.sendmail("a@example.org", ["b@example.com"], SMALL)
    print("paused", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + SECOND_CAMPAIGN_S
    in_turns = [threading.Thread(target=send_on, args=(client.sock, until)) for client in clients]
    for thread in in_turns:
        thread.start()
    for thread in in_turns:
        thread.join()
    for client in clients:
        client.close()


def send_on(client, until):
    """Sends in lock-step over a connection that has sent EHLO."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while time.monotonic() < until:
        for octets in (*ENVELOPE, SMALL):
            client.sendall(octets)
            client.recv(4096)


class Pipelining:
    """A connection that sends prebuilt messages and waits for nothing."""

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
    """32 connections that pipeline small messages as fast as they are accepted."""
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
