#!/usr/bin/env python3
"""Loads whose bottleneck is known: sinkctl stats must name it.

usage: bottlenecks.py FOLDER [TIMES [STAGE ...]]   (FOLDER holds sinkd and sinkctl; a line a run)
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

# Before the modules that read segments by it.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from link import ADDRESSES, Impossible, Link  # noqa: E402
from sink import Sink  # noqa: E402

LOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loads.py")
SECONDS = 8
RATE = "100mbit"
DELAY_S = 0.01
# How long kept connections pause between two campaigns.
PAUSE_S = 12
# A sink that is stopped for most of each second.
STOPPED_S, RUNNING_S = 0.7, 0.3
# Busy loops on the core of the sink.
NEIGHBORS = 6
# Other activity on the machine can change the bottleneck of a load: a sender that is not scheduled
# is slow. A wrong verdict is wrong every time.
TRIES = 3


def load_by(name, sink, *before):
    """Starts a load of loads.py, with `before` as its command prefix."""
    subprocess.run([*before, sys.executable, LOADS, name, sink.host, str(sink.port), str(SECONDS)],
                   check=True, timeout=60)


def run_of(sink, send):
    """Returns the verdict on the load that `send` generates, and its messages."""
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


def undecided_delay_one(programs):
    # A dozen messages a second: 8 seconds have fewer than a verdict needs.
    return over_a_link(programs, lambda link: link.make_long(DELAY_S),
                       lambda sink, *inside: load_by("one", sink, *inside))


def network_delay_hundred(programs):
    return over_a_link(programs, lambda link: link.make_long(DELAY_S),
                       lambda sink, *inside: load_by("hundred", sink, *inside))


def connections(programs):
    return on_loopback(programs, lambda sink: load_by("one", sink))


def sink(programs):
    # A core for the sink and the rest for its senders. Nothing is stored, as CPU is meant to be the
    # bottleneck, not the disk.
    cores = two_cores()
    return on_loopback(
        programs, lambda sink: load_by("pipelining", sink, "taskset", "-c", cores[1]),
        "--workers", "1", "--store", "none", before=("taskset", "-c", cores[0]))


def two_cores():
    """Returns a core for the sink and the remaining ones for its senders, for taskset(1)."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Impossible("one core is not enough for a sink and its senders")
    return str(cores[0]), ",".join(map(str, cores[1:]))


def connections_beside_an_idle_pool(programs):
    return on_loopback(programs, lambda sink: load_by("pooled", sink))


def blast(sink, *options):
    command = [os.path.join(sink.programs, "sinkctl"), "blast", "--to", f"{sink.host}:{sink.port}"]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def sender_that_throttles_itself(programs):
    return on_loopback(programs, lambda sink: blast(
        sink, "--rate", "300", "--connections", "8", "--duration", f"{SECONDS}s"))


def undecided_one_message(programs):
    return on_loopback(programs, lambda sink: blast(sink, "--count", "1"))


def undecided_999_messages(programs):
    return on_loopback(programs, lambda sink: blast(
        sink, "--count", "999", "--rate", "120", "--connections", "8"))


def sender_half_of_its_connections_slow(programs):
    return on_loopback(programs, lambda sink: load_by("half_slow", sink))


def sender_by_nagle(programs):
    found = on_loopback(programs, lambda sink: load_by("nagle", sink))
    verdict = found[0]
    if "TCP_NODELAY" not in verdict["because"]:
        verdict["limited_by"] += " without its cause"
    return found


def campaigns_over_kept_connections(programs, whole):
    """Returns the verdict on both campaigns (`whole`), or only on the second one."""
    sink = Sink(programs)
    command = [sys.executable, LOADS, "campaigns", sink.host, str(sink.port), "0"]
    try:
        if whole:
            sink.ctl("run", "start", "stage")
            # A run begins with the next second.
            time.sleep(1.1)
        load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        load.stdout.readline()
        time.sleep(PAUSE_S)
        if not whole:
            sink.ctl("run", "start", "stage")
        load.communicate("\n", timeout=60)
        sink.ctl("run", "stop")
        stats = json.loads(sink.ctl("stats", "--run", "stage", "--json"))
        return stats["verdict"], stats["totals"]["messages"]
    finally:
        sink.kill()


def sender_pause_between_campaigns(programs):
    return campaigns_over_kept_connections(programs, whole=True)


def connections_second_campaign(programs):
    return campaigns_over_kept_connections(programs, whole=False)


def sink_stopped(programs):
    def load(sink):
        over = threading.Event()
        thread = threading.Thread(target=stop_and_go, args=(sink.process, over))
        thread.start()
        try:
            load_by("fifty", sink)
        finally:
            over.set()
            thread.join()
    return on_loopback(programs, load)


def stop_and_go(process, over):
    while not over.is_set():
        process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        process.send_signal(signal.SIGCONT)
        time.sleep(RUNNING_S)


def sink_beside_busy_neighbors(programs):
    cores = two_cores()
    busy = [subprocess.Popen(["taskset", "-c", cores[0], sys.executable, "-c", "while True: pass"])
            for _ in range(NEIGHBORS)]
    try:
        return on_loopback(
            programs, lambda sink: load_by("fifty", sink, "taskset", "-c", cores[1]),
            "--workers", "1", before=("taskset", "-c", cores[0]))
    finally:
        for process in busy:
            process.kill()
            process.wait()


def sink_that_turns_connections_away(programs):
    return on_loopback(programs, lambda sink: load_by("crowd", sink), "--connections-max", "5")


def sender_that_does_not_read(programs):
    return on_loopback(programs, lambda sink: load_by("not_reading", sink))


def sink_disk_bound(programs):
    return on_loopback(programs, lambda sink: load_by("ten", sink), "--durability", "message")


# Each name begins with the verdict that must be reported.
STAGES = [sender_between_messages, sender_between_commands, sender_between_connections,
          sender_that_throttles_itself, sender_half_of_its_connections_slow, sender_by_nagle,
          sender_that_does_not_read, sender_pause_between_campaigns, network_bandwidth,
          network_delay_hundred, connections, connections_beside_an_idle_pool,
          connections_second_campaign, sink, sink_stopped, sink_beside_busy_neighbors,
          sink_disk_bound, sink_that_turns_connections_away, undecided_delay_one,
          undecided_one_message, undecided_999_messages]


def bottlenecks_are_named(programs):
    """sinkctl stats names the bottleneck of each staged load"""
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
    """Returns the messages of all attempts, and the wrong verdicts before the right one."""
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
            print(f"{stage.__name__:36} {verdict['limited_by']:12}", messages, shares,
                  f"busy {busy:.2f} connections {verdict['connections']:.1f} rtt {rtt}:",
                  verdict["because"], flush=True)


if __name__ == "__main__":
    main()
