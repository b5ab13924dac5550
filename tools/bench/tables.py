#!/usr/bin/env python3
"""The tables of a document, made from raw files (Python 3, standard library only).

  tables.py DOCUMENT.md [--write] [--quoted-in OTHER.md]

A table that follows a comment `<!-- table: KIND FILE WORDS -->` is compared with what the raw file gives, or written.
FILE is relative to the document. Exit code 1: a table differs, or has no comment. A table whose figures are no
measurements of one raw file has the comment `<!-- by hand: REASON -->`. An interval that the prose of the document, or
of OTHER.md, quotes must be in a table, with the figure that stands before it.

  cpu FILE SERVER,... ONE/OTHER,...   CPU of servers per message, by load (run.py); ratios of medians with 95% intervals
  idle FILE SERVER,...                memory of a server with idle connections (run.py)
  added FILE                          what TLS adds to sinkd and to the server that drops (run.py)
  command FILE                        a measurement of commands.py
  storm FILE                          busy connections beside handshakes (handshake_storm.py)
  instructions FILE                   instructions per message (the baseline of tools/instructions)
  replay FILE                         the timing of replays (replay_timing.py): median of all replays (least–most)
"""
import argparse
import os
import re
import sys

import commands
import origin
from figures import lines, ratio, spread, with_interval

LOADS = {
    "plain-2K-c64": "2 KB, 64 connections, one command per round trip",
    "plain-2K-c1000": "the same, 1000 connections",
    "reconnect-2K-c64": "a new connection for each message",
    "pipelined-2K-c64": "pipelined, 64 connections",
    "chunking-2K-c64": "CHUNKING, 64 connections, 16 in flight",
    "plain-200K-c16": "200 KB, 16 connections",
    "rcpt50-2K-c64": "50 recipients, pipelined",
    "connect-c16": "handshake, EHLO, QUIT",
}


def by_load(results, key):
    """Returns the values of a key by load and server."""
    found = {}
    for one in results:
        values = [run[key] for run in one["runs"] if key in run]
        servers = found.setdefault(one["workload"], {})
        if one["server"] in servers:
            sys.exit(f"tables.py: {one['server']} has two entries for {one['workload']}")
        if values:
            servers[one["server"]] = values
    return found


def cpu(results, servers, ratios):
    servers, ratios = servers.split(","), [pair.split("/") for pair in ratios.split(",")]
    busy = by_load(results, "gen_load")
    rows = []
    for load, us in by_load(results, "us_msg").items():
        cells = [spread(us[server]) if server in us else "–" for server in servers]
        cells += [ratio(us[one], us[other]) for one, other in ratios]
        generator = max(max(values) for values in busy[load].values())
        rows.append([LOADS[load], *cells, f"{100 * min(1, generator):.0f}%"])
    return ["load", *servers, *(f"{one} / {other}" for one, other in ratios), "generator busy"], rows


def idle(results, servers):
    servers = servers.split(",")
    runs = {one["server"]: [run for run in one["runs"] if "idle_rss_kb" in run] for one in results}
    rows = [[title, *(spread([value(run) for run in runs[server]]) for server in servers)] for title, value in (
        ("RSS before, KiB", lambda run: run["base_rss_kb"]),
        ("with the connections, KiB", lambda run: run["idle_rss_kb"]),
        ("user memory per connection, bytes", lambda run: run["idle_bytes_per_conn"]))]
    return ["", *servers], rows


def added(results):
    rows = []
    for load, us in by_load(results, "us_msg").items():
        ring = "-ring" if "sinkd-ring" in us else ""
        servers = ["drop", "drop-tls", f"sinkd{ring}", f"sinkd{ring}-tls"]
        groups = [us[server] for server in servers]
        title = LOADS[load] + (", in a ring of 256 MiB" if ring else "")
        if load == "connect-c16":
            times = with_interval(groups, lambda _, drop, __, sinkd: sinkd / drop) + " of drop-tls"
        else:
            times = with_interval(groups, lambda drop, drop_tls, sinkd, sinkd_tls: (sinkd_tls - sinkd) / (drop_tls - drop))
        rows.append([title, *(spread(group) for group in groups), times])
    return ["load", "drop", "drop-tls", "sinkd", "sinkd-tls", "what TLS adds: sinkd / drop"], rows


def command(results):
    return commands.MEASUREMENTS[results["measurement"]][1](results["runs"])


def storm(results):
    titles = {"without": "without handshakes", "beside": f"during {min(results['bursts_ms']):.0f} to "
                                                         f"{max(results['bursts_ms']):.0f} ms of handshakes"}
    head = ["transactions, ms", *(f"p{p}" if p != "100" else "longest" for p in results["percentiles_us"]), "count"]
    return head, [[title, *(f"{values[name] / 1000:.2f}" for values in results["percentiles_us"].values()),
                   f"{results['transactions'][name]:,}"] for name, title in titles.items()]


def replay(results):
    names = ("from the median of all", "late, says replay")
    return ["µs", "p50", "p90", "p99", "longest"], [
        [name, *(spread([one[name][key] for one in results["us"]]) for key in ("p50", "p90", "p99", "max"))]
        for name in names]


INSTRUCTIONS = {
    "lock-step": "one command per round trip (lock-step)",
    "pipelined": "pipelined",
    "chunks": "chunks",
    "a connection each": "a new connection for each message",
    "200 KB": "200 KB",
}


def instructions(results):
    machines = list(results)
    head = ["load", *(["instructions per message"] if len(machines) == 1 else machines)]
    return head, [[title, *(f"{results[machine][load]:,}" for machine in machines)] for load, title in INSTRUCTIONS.items()]


KINDS = {"cpu": cpu, "idle": idle, "added": added, "command": command, "storm": storm, "replay": replay,
         "instructions": instructions}


def renewed(document):
    """Returns the text of a document with its tables made anew."""
    with open(document) as file:
        text = file.read()

    def table(found):
        kind, raw, *words = found[1].split()
        results = origin.read(os.path.join(os.path.dirname(document), raw))
        return f"<!-- table: {found[1]} -->\n" + "".join(line + "\n" for line in lines(*KINDS[kind](results, *words)))

    return text, re.sub(r"<!-- table: (.*?) -->\n(?:\|.*\n)*", table, text)


def unfounded(prose, tables):
    """Returns the first quoted interval that is in no table, or there with another figure; None if there is none."""
    cells = {(interval, figure) for figure, interval in re.findall(r"(\d+\.\d\d) \((\d+\.\d\d–\d+\.\d\d)\)", tables)}
    known = {interval for interval, _ in cells}
    quoted = re.finditer(r"(?:(\d+\.\d\d)(?: times)?\s+)?\((?:95% interval )?(\d+\.\d\d–\d+\.\d\d)\)", prose)
    for quote in quoted:
        figure, interval = quote.groups()
        if interval not in known or figure is not None and (interval, figure) not in cells:
            return " ".join(quote[0].split())
    return None


def check_quotes(document, text, tables):
    quote = unfounded("\n".join(line for line in text.splitlines() if not line.startswith("|")), tables)
    if quote:
        sys.exit(f"{document}: quotes {quote}, which no table has")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document")
    parser.add_argument("--write", action="store_true", help="write the tables")
    parser.add_argument("--quoted-in", metavar="OTHER.md", action="append", default=[], help="also check what OTHER.md quotes")
    options = parser.parse_args()
    old, new = renewed(options.document)
    count = len(re.findall("<!-- table: ", new))
    unmarked = [line for line, before in zip(new.splitlines()[1:], new.splitlines())
                if line.startswith("|") and not before.startswith(("|", "<!-- table: ", "<!-- by hand"))]
    if unmarked:
        sys.exit(f"{options.document}: a table without its raw file (or <!-- by hand: REASON -->): {unmarked[0]}")
    if options.write and old != new:
        with open(options.document, "w") as file:
            file.write(new)
    elif old != new:
        for number, (was, now) in enumerate(zip(old.splitlines(), new.splitlines()), 1):
            if was != now:
                sys.exit(f"{options.document}:{number}: not what the raw file gives; tables.py {options.document} --write")
        sys.exit(f"{options.document}: not what the raw files give; tables.py {options.document} --write")
    if not count:
        sys.exit(f"{options.document}: no table is marked")
    tables = "\n".join(line for line in new.splitlines() if line.startswith("|"))
    for document in (options.document, *options.quoted_in):
        with open(document) as file:
            check_quotes(document, file.read(), tables)
    print(f"{options.document}: {count} tables are as their raw files, and quoted intervals are in them")


if __name__ == "__main__":
    main()
