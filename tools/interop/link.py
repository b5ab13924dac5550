#!/usr/bin/env python3
"""Two network namespaces and the link between them: narrow, or long.

usage: link.py NAMESPACE NAMESPACE SECONDS   (joins them by a link with this delay each way)

A narrow link is a pair of veth devices and a token bucket. A long one uses netem if the kernel
has it; otherwise this program relays between two TUN devices and delays each packet.
"""
import collections
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

ADDRESSES = ["192.0.2.1", "192.0.2.2"]
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# A link of 1 Gbit/s with a round trip of 20 ms holds 1700 packets of 1500 octets.
PACKETS_MAX = 4000


class Impossible(Exception):
    """This machine does not permit creating the link."""


def ip(*command, program="ip"):
    try:
        ran = subprocess.run([program, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=30)
    except FileNotFoundError as problem:
        raise Impossible(problem) from problem
    if ran.returncode:
        raise Impossible(f"{program} {' '.join(command)}: {ran.stdout.strip()}")


class Link:
    """`sender` and `sink` are namespaces with `ADDRESSES`; `remove` deletes everything."""

    def __init__(self):
        self.sender, self.sink = (f"sinkd-{end}-{os.getpid()}" for end in ("sender", "sink"))
        self.namespaces, self.relay = [], None
        try:
            for namespace in (self.sender, self.sink):
                ip("netns", "add", namespace)
                self.namespaces.append(namespace)
                ip("-n", namespace, "link", "set", "lo", "up")
        except Impossible:
            self.remove()
            raise

    def veth(self):
        ip("-n", self.sender, "link", "add", "link0", "type", "veth",
           "peer", "name", "link0", "netns", self.sink)
        for namespace, address in zip(self.namespaces, ADDRESSES):
            ip("-n", namespace, "address", "add", address + "/30", "dev", "link0")
            ip("-n", namespace, "link", "set", "link0", "up")

    def make_narrow(self, rate):
        self.veth()
        ip("-n", self.sender, "qdisc", "add", "dev", "link0", "root", "tbf", "rate", rate,
           "burst", "32kbit", "latency", "50ms", program="tc")

    def make_long(self, seconds):
        """Adds a delay of `seconds` each way."""
        try:
            self.veth()
            for namespace in self.namespaces:
                ip("-n", namespace, "qdisc", "add", "dev", "link0", "root", "netem",
                   "delay", f"{seconds * 1000:g}ms", program="tc")
        except Impossible:
            subprocess.run(["ip", "-n", self.sender, "link", "delete", "link0"],
                           stderr=subprocess.DEVNULL, timeout=30)
            self.make_long_by_relay(seconds)

    def make_long_by_relay(self, seconds):
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise Impossible("no netem, and no /dev/net/tun")
        self.relay = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), self.sender, self.sink, str(seconds)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if self.relay.stdout.readline() != "ready\n":
            problem = self.relay.stdout.read().strip().rpartition("\n")[2]
            raise Impossible(f"no netem, and no TUN devices: {problem}")

    def remove(self):
        if self.relay:
            self.relay.kill()
            self.relay.wait()
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], timeout=30)


def device_in(namespace, address):
    """Returns a TUN device; this thread stays in its namespace."""
    with open(f"/run/netns/{namespace}") as entry:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(entry.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"link0", IFF_TUN | IFF_NO_PI))
    ip("address", "add", address + "/30", "dev", "link0")
    ip("link", "set", "link0", "up")
    return device


def relay(devices, seconds):
    """Forwards each packet to the other end `seconds` after it arrived."""
    other = {devices[0]: devices[1], devices[1]: devices[0]}
    held = collections.deque()
    while True:
        wait = max(held[0][0] - time.monotonic(), 0) if held else None
        for device in select.select(devices, [], [], wait)[0]:
            packet = os.read(device, 65536)
            if len(held) < PACKETS_MAX:
                held.append((time.monotonic() + seconds, other[device], packet))
        while held and held[0][0] <= time.monotonic():
            _, device, packet = held.popleft()
            try:
                os.write(device, packet)
            except BlockingIOError:
                pass  # lost, as on any link


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    ends = [device_in(*end) for end in zip(sys.argv[1:3], ADDRESSES)]
    print("ready", flush=True)
    relay(ends, float(sys.argv[3]))
