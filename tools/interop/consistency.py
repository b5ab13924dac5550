#!/usr/bin/env python3
"""Figures that must agree between commands, on staged loads.

usage: consistency.py FOLDER [LOAD ...]   (FOLDER holds sinkd and sinkctl)
"""
import calendar
import json
import os
import subprocess
import sys
import tempfile
import time

# Before the modules that read segments by it.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from connections import connections  # noqa: E402
from monitoring import samples, scrape  # noqa: E402
from sink import Sink  # noqa: E402

LOADS_PY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loads.py")
# The loads of loads.py, and one that pipelines and whose timing does not depend on the sink.
LOADS = ["by_smtplib", "pausing", "hesitating", "ten", "blast"]
BLAST = ["--duration", "2s", "--rate", "2000", "--connections", "8"]
SECONDS = 1.5
# A second is published 0.5 to 1.5 s after its end; a busy machine needs more.
PATIENCE_S = 20
PERCENTILES = ["p50", "p90", "p99", "p99_9", "p99_99", "max"]
# Values are exact within 1 % in either direction.
DIGITS = 1.02


class Disagreement(Exception):
    """Two figures for the same quantity differ."""


def agree(what, **figures):
    if len(set(figures.values())) != 1:
        shown = ", ".join(f"{name} {figure}" for name, figure in figures.items())
        raise Disagreement(f"{what}: {shown}")


def hold(what, holds, *figures):
    if not holds:
        raise Disagreement(f"{what}: " + ", ".join(map(str, figures)))


def stats_of(programs, folders, *args):
    data = [word for folder in folders for word in ("--data", folder)]
    said = subprocess.run([os.path.join(programs, "sinkctl"), *data, "stats", "--json", *args],
                          check=True, stdout=subprocess.PIPE)
    return [json.loads(line) for line in said.stdout.splitlines()]


def grown(sink, before, name, value):
    """Returns the increase of each sample, once `name` has increased by `value`."""
    until = time.monotonic() + PATIENCE_S
    while True:
        now = samples(scrape(sink))
        growth = {one: now[one] - before.get(one, 0) for one in now}
        if growth[name] >= value or time.monotonic() > until:
            return growth
        time.sleep(0.05)


def totals_agree(run):
    """count, search, the series and /metrics agree with stats on messages"""
    stats, totals, span = run.stats, run.stats["totals"], ("--run", run.name)
    rows = run.series
    agree("messages",
          stats=totals["messages"],
          count=int(run.sink.ctl("count", *span)),
          search=int(run.sink.ctl("search", "--count", *span)),
          ls=len(run.sink.ctl("ls", "--json", *span).splitlines()),
          series=sum(row["messages"] for row in rows),
          by_client=json.loads(run.sink.ctl("stats", "--by", "client", "--json", *span))["messages"],
          metrics=int(run.growth["sinkd_messages_total"]),
          transactions=stats["transaction_us"]["count"],
          transactions_in_metrics=int(run.growth["sinkd_transaction_seconds_count"]),
          accepting_replies=stats["replies"]["250 2.0.0"])
    for total in ("recipients", "bytes", "connections", "refused", "turned_away"):
        names = {"bytes": "message_bytes", "refused": "messages_refused",
                 "turned_away": "connections_turned_away"}
        grew = int(run.growth[f"sinkd_{names.get(total, total)}_total"])
        agree(total, stats=totals[total], metrics=grew, series=sum(row[total] for row in rows))
    agree("not recorded", stats=stats["not_recorded"], nothing=0)


def rates_agree(run):
    """the mean rate times the duration is the number of messages, and no second exceeds the maximum"""
    stats, rate = run.stats, run.stats["rate"]["messages_per_s"]
    messages = stats["totals"]["messages"]
    product = rate["mean"] * stats["seconds"]
    hold("mean by duration", abs(product - messages) <= max(rate["max"], 1), product, messages)
    highest = max(row["messages_per_s"] for row in run.series)
    hold("no row above the maximum", highest <= rate["max"], highest, rate["max"])
    hold("the maximum is a row, or the mean", rate["max"] in (highest, rate["mean"]), rate, highest)
    hold("no rate above the maximum", max(rate.values()) == rate["max"], rate)
    spread = stats_of(run.programs, [run.sink.data], "--metric", "messages_per_s",
                      "--run", run.name)[0]
    if spread["count"]:
        hold("the distribution ends with the maximum", spread["max"] <= rate["max"], spread, rate)
        hold("the distribution has its middle", spread["p50"] <= rate["max"], spread, rate)
    tenths = stats_of(run.programs, [run.sink.data], "--metric", "messages_per_100ms",
                      "--run", run.name)[0]
    hold("tenths have all messages", abs(tenths["mean"] * tenths["count"] - messages) < 1,
         tenths, messages)


def percentiles_rise(run):
    """percentiles rise, and the mean is not above the highest value"""
    for name, figures in run.stats["metrics"].items():
        values = [figures[percentile] for percentile in PERCENTILES]
        hold(f"{name} rises", values == sorted(values), values)
        hold(f"{name}'s mean is below its maximum", figures["mean"] <= figures["max"] * DIGITS,
             figures)


def sessions_are_complete(run):
    """sessions that ended have all messages, and none is open"""
    counters = run.stats["counters"]
    agree("sessions", connections=counters["connections"], closed=counters["closed"],
          recorded=run.stats["metrics"]["session_us"]["count"])
    agree("messages of sessions", ended=counters["closed_messages"],
          all=run.stats["totals"]["messages"])
    agree("open sessions", found=run.stats["open_sessions"]["sessions"], none=0)


def connections_agree(run):
    """the connections together have all messages, and no client exceeds its possible concurrency"""
    limits = json.loads(run.sink.ctl("limits", "--json", "--run", run.name))
    span, = [line for line in map(json.loads, run.sink.ctl("runs", "--json").splitlines())
             if line.get("name") == run.name]
    begin, end = (calendar.timegm(time.strptime(span[key][:19], "%Y-%m-%dT%H:%M:%S"))
                  for key in ("from", "until"))
    found = [one for one in connections(run.sink.data) if begin <= one["second"] < end]
    totals, sums = run.stats["totals"], {}
    for one in found:
        mine = sums.setdefault(one["client"], {"messages": 0, "recipients": 0, "began": 0})
        mine["messages"] += one["messages"]
        mine["recipients"] += one["recipients"]
        mine["began"] += one["began_us"] is not None
    agree("gap of limits", found=limits["gap"], nothing=None)
    for figure in ("messages", "recipients"):
        agree(f"{figure} of connections", stats=totals[figure], limits=limits["all"][figure],
              clients=sum(one[figure] for one in limits["clients"]),
              records=sum(one[figure] for one in sums.values()))
    agree("connections", stats=totals["connections"], limits=limits["all"]["connections"],
          records=sum(one["began"] for one in sums.values()))
    for one in limits["clients"]:
        most = one["open_at_once"]["max"]
        hold("no more at once than there were", 0 < most <= one["connections"], one)
        hold("windows rise", [w["messages"]["max"] for w in one["windows"]]
             == sorted(w["messages"]["max"] for w in one["windows"]), one)
        agree("messages of a client", limits=one["messages"], records=sums[one["client"]]["messages"])
    hour = limits["all"]["windows"][-1]["messages"]["max"]
    agree("messages in an hour", window=hour, all=totals["messages"])


def transactions_contain_their_service(run):
    """no transaction is shorter than the service time it contains"""
    service = run.stats["metrics"]["service_message_us"]
    for percentile in PERCENTILES:
        transaction = run.stats["transaction_us"][percentile]
        hold(f"transaction {percentile} has its service", transaction * DIGITS >= service[percentile],
             transaction, service[percentile])


def seconds_agree(run):
    """the log and the statistics put each message into the same second"""
    listed = {}
    for line in run.sink.ctl("ls", "--json", "--run", run.name).splitlines():
        second = json.loads(line)["received_at"][:19]
        listed[second] = listed.get(second, 0) + 1
    recorded = {row["time"][:19]: row["messages"] for row in run.series if row["messages"]}
    agree("messages by second", log=json.dumps(listed, sort_keys=True),
          statistics=json.dumps(recorded, sort_keys=True))


CHECKS = [totals_agree, seconds_agree, rates_agree, percentiles_rise, sessions_are_complete,
          connections_agree, transactions_contain_their_service]


def send(programs, sink, load):
    command = [sys.executable, LOADS_PY, load, sink.host, str(sink.port), str(SECONDS)]
    if load == "blast":
        to = f"{sink.host}:{sink.port}"
        command = [os.path.join(programs, "sinkctl"), "blast", "--to", to, *BLAST]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Run:
    """A load recorded as a run, and its figures while sinkd runs."""

    def __init__(self, programs, sink, load):
        self.programs, self.sink, self.name = programs, sink, load
        before = samples(scrape(sink))
        sink.ctl("run", "start", load)
        send(programs, sink, load)
        sink.ctl("run", "stop")
        self.stats, = stats_of(programs, [sink.data], "--run", load)
        self.series = stats_of(programs, [sink.data], "--interval", "1s", "--run", load)
        closed = self.stats["counters"].get("closed", 0)
        self.growth = grown(sink, before, "sinkd_connections_closed_total", closed)


FIGURES = ["from", "until", "seconds", "totals", "rate", "transaction_us", "metrics", "replies",
           "counters", "loops"]


def split(data, parts):
    """Distributes the statistics of a folder, line by line in turn, over one folder per part."""
    for part in parts:
        os.makedirs(os.path.join(part, "stats"))
        with open(os.path.join(data, "events.jsonl"), "rb") as events, \
                open(os.path.join(part, "events.jsonl"), "wb") as copy:
            copy.write(events.read())
    for name in os.listdir(os.path.join(data, "stats")):
        # A completed hour has its lines in the other file, too.
        if name.endswith(".hour.hlog"):
            continue
        with open(os.path.join(data, "stats", name), "rb") as file:
            lines = file.readlines()
        # Connections are not split by line: they stay in one part.
        if name.endswith(".sessions"):
            lines = [b"".join(lines)]
        files = [open(os.path.join(part, "stats", name), "wb") for part in parts]
        for number, line in enumerate(lines):
            is_head = line[:1] in (b"#", b'"')
            for file in files if is_head else [files[number % len(files)]]:
                file.write(line)
        for file in files:
            file.close()


def same_wherever_it_is_read(programs, runs):
    """figures are the same live, after the end, and from two folders with parts of the data"""
    with tempfile.TemporaryDirectory(prefix="sinkd-parts-") as scratch:
        parts = [os.path.join(scratch, name) for name in ("one", "two")]
        split(runs[0].sink.data, parts)
        for run in runs:
            ended, = stats_of(programs, [run.sink.data], "--run", run.name)
            merged, = stats_of(programs, parts, "--run", run.name)
            for figure in FIGURES:
                text = {where: json.dumps(stats[figure], sort_keys=True) for where, stats in
                        (("live", run.stats), ("ended", ended), ("merged", merged))}
                agree(f"{run.name}, {figure}", **text)


def durable_seconds_agree(programs):
    """the log and the statistics agree on seconds with durability message, too"""
    sink = Sink(programs, "--durability", "message")
    try:
        seconds_agree(Run(programs, sink, "ten"))
    finally:
        sink.kill()


def figures_agree(programs, loads=LOADS):
    """a figure is the same in every command that reports it"""
    sink, runs = Sink(programs), []
    try:
        for load in loads:
            run = Run(programs, sink, load)
            runs.append(run)
            for check in CHECKS:
                try:
                    check(run)
                except Disagreement as problem:
                    return len(runs), f"{load}: {problem}"
        sink.stop()
        same_wherever_it_is_read(programs, runs)
        durable_seconds_agree(programs)
        return sum(run.stats["totals"]["messages"] for run in runs), None
    except Disagreement as problem:
        return len(runs), str(problem)
    finally:
        sink.kill()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count, problem = figures_agree(sys.argv[1], sys.argv[2:] or LOADS)
    print(problem or f"{count} messages: the figures agree")
    sys.exit(1 if problem else 0)


if __name__ == "__main__":
    main()
