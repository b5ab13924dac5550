#!/usr/bin/env python3
"""Loads whose bottleneck is known: sinkctl stats must name it.

usage: bottlenecks.py FOLDER [TIMES [STAGE ...]]   (FOLDER holds sinkd and sinkctl; a line a run)
"""
import json
import os
import subprocess
import sys

# Before the modules that read segments by it.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from link import ADDRESSES, Impossible, Link  # noqa: E402
from sink import Sink  # noqa: E402

LOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loads.py")
SECONDS = 3
RATE = "20mbit"
DELAY_S = 0.01
# Something else on the machine can make a load another one than it is meant to be: a sender that is
# not scheduled is slow. A verdict that is wrong is wrong each time.
TRIES = 3


def load_by(name, sink, *before):
    """A load of loads.py, `before` it what it is started by."""
    subprocess.run([*before, sys.executable, LOADS, name, sink.host, str(sink.port), str(SECONDS)],
                   check=True, timeout=60)


def run_of(sink, send):
    """The verdict on what `send` does, and the messages of it."""
    sink.ctl("run", "start", "stage")
    send(sink)
    sink.ctl("run", "stop")
    stats = json.loads(sink.ctl("stats", "--run", "stage", "--json"))
    return stats["verdict"], stats["totals"]["messages"]


def on_loopback(programs, send, *options, before=()):
    sink = Sink(programs, *options, before=before)
    try:
        return run_of(sink, send)
    finally:
        sink.kill()


def over_a_link(programs, prepare, send):
    link = Link()
    try:
        prepare(link)
        sink = Sink(programs, host=ADDRESSES[1], before=("ip", "netns", "exec", link.sink))
        try:
            return run_of(sink, lambda sink: send(sink, "ip", "netns", "exec", link.sender))
        finally:
            sink.kill()
    finally:
        link.remove()


def sender_between_messages(programs):
    return on_loopback(programs, lambda sink: load_by("by_smtplib", sink))


def sender_between_commands(programs):
    return on_loopback(programs, lambda sink: load_by("hesitating", sink))


def sender_between_connections(programs):
    return on_loopback(programs, lambda sink: load_by("pausing", sink))


def network_bandwidth(programs):
    return over_a_link(programs, lambda link: link.make_narrow(RATE),
                       lambda sink, *inside: load_by("bulky", sink, *inside))


def network_delay_one(programs):
    return over_a_link(programs, lambda link: link.make_long(DELAY_S),
                       lambda sink, *inside: load_by("one", sink, *inside))


def network_delay_ten(programs):
    return over_a_link(programs, lambda link: link.make_long(DELAY_S),
                       lambda sink, *inside: load_by("ten", sink, *inside))


def connections(programs):
    return on_loopback(programs, lambda sink: load_by("one", sink))


def sink(programs):
    # A core for the sink and what is left for its senders; nothing is stored, for CPU is meant to
    # be short, not the disk.
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Impossible("one core is not enough for a sink and its senders")
    others = ",".join(map(str, cores[1:]))
    return on_loopback(
        programs, lambda sink: load_by("pipelining", sink, "taskset", "-c", others),
        "--workers", "1", "--store", "none", before=("taskset", "-c", str(cores[0])))


# Names begin with what must be named.
STAGES = [sender_between_messages, sender_between_commands, sender_between_connections,
          network_bandwidth, network_delay_one, network_delay_ten, connections, sink]


def bottlenecks_are_named(programs):
    """what limits a staged load is what sinkctl stats names"""
    count, problems = 0, []
    for stage in STAGES:
        try:
            messages, verdicts = tried(stage, programs)
        except Impossible as reason:
            print(f"skip   {stage.__name__}: {reason}", flush=True)
            continue
        count += messages
        if len(verdicts) == TRIES:
            problems.append(f"{stage.__name__}: {verdicts}")
    return count, "; ".join(problems) or None


def tried(stage, programs):
    """The messages of all tries, and the wrong verdicts before the right one."""
    count, wrong = 0, []
    while len(wrong) < TRIES:
        verdict, messages = stage(programs)
        count += messages
        if verdict["limited_by"] == stage.__name__.partition("_")[0]:
            break
        print(f"again  {stage.__name__}: {verdict['limited_by']}, {verdict['because']}", flush=True)
        wrong.append(verdict)
    return count, wrong


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    programs, times, names = sys.argv[1], int((sys.argv[2:] or ["1"])[0]), sys.argv[3:]
    for stage in STAGES:
        for _ in range(times if not names or stage.__name__ in names else 0):
            verdict, messages = stage(programs)
            shares = {name: f"{share:.2f}" for name, share in verdict["shares"].items()}
            busy, rtt = verdict["headroom"]["busy_share"], verdict["rtt_min_us"]
            print(f"{stage.__name__:24} {verdict['limited_by']:12}", messages, shares,
                  f"busy {busy:.2f} connections {verdict['connections']:.1f} rtt {rtt}:",
                  verdict["because"], flush=True)


if __name__ == "__main__":
    main()
