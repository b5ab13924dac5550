#!/usr/bin/env python3
"""How closely `sinkctl replay` keeps the original timing (Python 3, standard library only).

  replay_timing.py FOLDER [--count 10000] [--rate 1000] [--speed 1] [--size 2K] [--cold] [--reps 1]
                   [--json FILE]                                         (FOLDER: sinkd and sinkctl)

A blast at a steady rate goes into one sinkd; its mail is replayed into another one with the
original timing. Prints how late each message was sent, by the clocks of
the two sinks (MAIL accepted), from the first message on; and replay's own `late`. On a machine that
does nothing else.

--cold: before the replay, what was stored is put out of memory (and looked at with fincore, if that
is there); the other sink stores in /dev/shm, so that the disk has nothing else to do.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from datetime import datetime

import origin


class Sink:
    def __init__(self, programs, folder):
        self.programs, self.data = programs, folder
        self.process = subprocess.Popen(
            [os.path.join(programs, "sinkd"), "--listen", "127.0.0.1:0", "--http", "off", "--data",
             folder, "--log-level", "warn", "--sequence-field", "X-Sequence"],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            found = re.match(r"sinkd: SMTP on (.*)", line)
            if found:
                self.address = found[1]
            if line.startswith("sinkd: data in"):
                break

    def ctl(self, *args):
        return subprocess.run([os.path.join(self.programs, "sinkctl"), "--data", self.data, *args],
                              check=True, stdout=subprocess.PIPE).stdout

    def left(self):
        """Returns when each message was sent, in us, by sequence number."""
        found = {}
        for line in self.ctl("search", "--json").splitlines():
            one = json.loads(line)
            whole, fraction = one["received_at"].rstrip("Z").split(".")
            second = datetime.fromisoformat(whole + "+00:00").timestamp()
            us = second * 1e6 + int(fraction) / 1e3
            found[one["sequence"]] = us - one["transaction_us"]
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def evict(folder):
    """Evicts the segments of a data folder from the page cache; reports how much of them stayed."""
    os.sync()
    files = [os.path.join(folder, "segments", name)
             for name in os.listdir(os.path.join(folder, "segments")) if name.endswith(".seg")]
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    if shutil.which("fincore"):
        rows = subprocess.run(["fincore", "-b", "-n", "-r", "-o", "RES,SIZE", *files], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.split("\n")
        sums = [sum(int(row.split()[at]) for row in rows if row) for at in (0, 1)]
        print(f"in memory before the replay: {sums[0] >> 10} KiB of {sums[1] >> 20} MiB")


def percentiles(values):
    """Returns the percentiles of some times in us."""
    values = sorted(values)
    at = lambda q: round(values[min(len(values) - 1, int(q * len(values)))])
    return {"p50": at(.5), "p90": at(.9), "p99": at(.99), "max": round(values[-1])}


def one_replay(options):
    """Returns the percentiles of one replay, in us."""
    place = "/dev/shm" if options.cold and os.path.isdir("/dev/shm") else None
    with (tempfile.TemporaryDirectory(prefix="sinkd-timing-") as here,
          tempfile.TemporaryDirectory(prefix="sinkd-timing-", dir=place) as there):
        sinks = [Sink(options.programs, os.path.join(folder, "data")) for folder in (here, there)]
        then, now = sinks
        try:
            then.ctl("blast", "--to", then.address, "--count", str(options.count), "--rate",
                     str(options.rate), "--connections", "20", "--size", options.size, "--json")
            a = then.left()
            if options.cold:
                then.stop()  # Pages that the process has mapped stay in memory.
                evict(then.data)
            said = json.loads(then.ctl("replay", "--to", now.address, "--speed",
                                       str(options.speed), "--yes", "--json"))
            b = now.left()
        finally:
            for sink in sinks:
                sink.stop()
    assert a.keys() == b.keys(), f"{len(a)} messages then, {len(b)} now"
    first = min(a, key=a.get)
    errors = [b[n] - b[first] - (a[n] - a[first]) / options.speed for n in a]
    middle = statistics.median(errors)
    late = said["stats"]["metrics"]["late_us"]
    return {"from the first message on": percentiles(abs(error) for error in errors),
            "from the median of all": percentiles(abs(error - middle) for error in errors),
            "late, says replay": {key: late[key] for key in ("p50", "p90", "p99", "max")},
            "longest round": {"max": said["stats"]["loops"]["longest_round_us"]}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--speed", type=float, default=1)
    parser.add_argument("--size", default="2K")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--json", default="", help="file for the values of all replays")
    options = parser.parse_args()
    print(f"{options.count} messages at {options.rate:g}/s, replayed {options.speed:g} times as fast; "
          "error in us")
    replays = []
    for _ in range(options.reps):
        replays.append(one_replay(options))
        for name, values in replays[-1].items():
            print(f"{name:28} " + "  ".join(f"{key} {value}" for key, value in values.items()), flush=True)
    if options.json:
        origin.write(options.json, {"us": replays}, os.path.join(options.programs, "sinkd"))


if __name__ == "__main__":
    main()
