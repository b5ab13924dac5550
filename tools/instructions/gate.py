#!/usr/bin/env python3
"""Instructions that sinkd spends on a message, load by load, against a committed file.

usage: gate.py FOLDER [--renew] [--against FOLDER]

FOLDER holds sinkd and sinkctl. valgrind counts the instructions of the worker's thread while
sinkctl sends; what a message costs is the difference between a long and a short run, so that
start and stop do not count. The figures are compared with baseline.json, under the key of the
compiler, of valgrind, of the C library and of what the processor can do. Exit 1: some load costs
more than 1 % more, or more than 5 % more than in lowest.json, which has the lowest baseline that
each load ever had: small increases must not add up. Where the key is unknown, --against names the
programs of the version to compare with. --renew writes the figures of this machine into
baseline.json, and into lowest.json those that are lower.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"
LOWEST = HERE / "lowest.json"
# The relative increase in a message's cost that is allowed: at once, and in all.
TOLERANCE = 0.01
TOLERANCE_IN_ALL = 0.05
# Messages of the short and of the long run.
SHORT, LONG = 2_000, 8_000

LOADS = {
    "lock-step": ["--no-pipelining", "--no-chunking"],
    "pipelined": ["--no-chunking"],
    "chunks": [],
    "a connection each": ["--no-pipelining", "--no-chunking", "--per-connection", "1"],
    "200 KB": ["--no-pipelining", "--no-chunking", "--size", "200K"],
}
# Loads with messages so expensive that fewer suffice.
FEWER = {"200 KB": 10}


def version(*command):
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.splitlines()[0].strip()


def key():
    """Returns what the figures depend on besides our own code."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    kinds = [name for name in ("avx2", "erms", "pclmulqdq") if re.search(rf"\b{name}\b", flags)]
    libc = " ".join(os.confstr("CS_GNU_LIBC_VERSION").split())
    return "; ".join([version("rustc", "--version"), version("valgrind", "--version"), libc] + kinds)


def of_worker(folder):
    """Returns the instructions of the thread that ran the event loop."""
    totals = []
    for file in folder.glob("callgrind.out.*"):
        text = file.read_text(errors="replace")
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
        if total and re.search(r"server..turn|server..table|server6worker", text):
            totals.append(int(total[1]))
    if not totals:
        raise SystemExit("gate.py: valgrind counted nothing of a worker: are there symbols?")
    return max(totals)


def run(programs, load, count):
    """Sends `count` messages to a sinkd under valgrind; returns the worker's instructions."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        command = [
            "valgrind", "--tool=callgrind", "--separate-threads=yes",
            f"--callgrind-out-file={folder}/callgrind.out.%p",
            str(programs / "sinkd"), "--listen", "127.0.0.1:0", "--http", "off", "--workers", "1",
            "--index", "off", "--log-level", "error", "--data", str(folder / "data"),
        ]
        sink = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = None
        for line in sink.stdout:
            found = re.search(r"SMTP on (\S+)", line)
            address = found[1] if found else address
            if "data in " in line:
                break
        if address is None:
            raise SystemExit("gate.py: sinkd did not start under valgrind")
        blast = [
            str(programs / "sinkctl"), "blast", "--to", address, "--count", str(count), "--seed", "1",
            "--date", "2026-01-01T00:00:00Z", "--connections", "1", "--threads", "1", *LOADS[load],
        ]
        sent = subprocess.run(blast, capture_output=True, text=True)
        sink.send_signal(signal.SIGTERM)
        sink.communicate(timeout=300)
        if sent.returncode != 0:
            raise SystemExit(f"gate.py: {load}: {sent.stdout}{sent.stderr}")
        return of_worker(folder)


def measure(programs, load):
    """Returns the instructions per message."""
    fewer = FEWER.get(load, 1)
    short, long = SHORT // fewer, LONG // fewer
    before, after = run(programs, load, short), run(programs, load, long)
    return round((after - before) / (long - short))


def compare(programs, then, what, lowest):
    """Measures, and prints the result of each load. Returns whether none costs too much."""
    is_good = True
    print(f"{'instructions a message':24}{what:>12}{'now':>10}  change  above the lowest ever")
    for load in LOADS:
        known, cost = then.get(load), measure(programs, load)
        if known is None:
            print(f"{load:24}{'-':>12}{cost:>10}  new")
            continue
        if cost / known - 1 > TOLERANCE:
            # Disturbances only add: the smaller of two results is closer to the cost of the code.
            cost = min(cost, measure(programs, load))
        change = cost / known - 1
        in_all = cost / lowest[load] - 1 if load in lowest else 0
        is_dearer = change > TOLERANCE or in_all > TOLERANCE_IN_ALL
        is_good &= not is_dearer
        verdict = "  too much" if is_dearer else ""
        print(f"{load:24}{known:>12}{cost:>10}  {change:+.2%}  {in_all:+.2%}{verdict}", flush=True)
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--key", action="store_true", help="say whether the key is known, and end")
    wanted = parser.parse_args()
    known, lowest = (json.loads(file.read_text()) if file.exists() else {} for file in (BASELINE, LOWEST))
    lowest_here = lowest.get(key(), {})
    if wanted.key:
        print(key())
        return 0 if key() in known else 1
    if wanted.renew:
        two = ({load: measure(wanted.programs, load) for load in LOADS} for _ in range(2))
        known[key()] = {load: min(costs) for load, *costs in zip(LOADS, *(d.values() for d in two))}
        BASELINE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
        lowest[key()] = {load: min(cost, lowest_here.get(load, cost)) for load, cost in known[key()].items()}
        LOWEST.write_text(json.dumps(lowest, indent=2, sort_keys=True) + "\n")
        print(json.dumps(known[key()], indent=2))
        return 0
    if key() in known:
        return 0 if compare(wanted.programs, known[key()], "baseline", lowest_here) else 1
    if wanted.against is None:
        print(f"gate.py: no figures for this machine ({key()}): compare with --against FOLDER, or "
              "write them down with --renew", file=sys.stderr)
        return 2
    then = {load: measure(wanted.against, load) for load in LOADS}
    return 0 if compare(wanted.programs, then, "before", lowest_here) else 1


if __name__ == "__main__":
    sys.exit(main())
