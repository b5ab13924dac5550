#!/usr/bin/env python3
"""CPU, time and memory of whole commands, interleaved and repeated (Python 3, standard library only).

  commands.py {sending,audits,searches,durability} --bin FOLDER [--reps 10] [--json FILE] [--scale 1]

FOLDER holds sinkd, sinkctl, loadgen and segments. Each measurement prints one Markdown table of
medians with the least and the largest value; --json writes the values of all repetitions, with
the commands. --scale multiplies the number of messages: 0.01 is a trial.

  sending     CPU of blast, loadgen and smtp-source per message, into a sinkd that stores nothing
  audits      sinkctl audit of 10 million recipients, and of others
  searches    sinkctl reindex and search, over newsletters of corpus.py
  durability  messages per second and latency of sinkd --durability message
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import origin
import run
from figures import lines, ratio, spread

HERE = os.path.dirname(os.path.abspath(__file__))
RECIPIENT = "b@example.com"


class Sink:
    """A running sinkd, pinned to core 0 unless it may use all cores."""

    def __init__(self, o, *args, pinned=True):
        self.data = tempfile.mkdtemp(prefix="data-", dir=o.work)
        pin = ["taskset", "-c", "0"] if pinned else []
        command = [*pin, os.path.join(o.bin, "sinkd"), "--listen", "127.0.0.1:0", "--http", "off",
                   "--workers", "1", "--data", self.data, "--log-level", "warn", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            found = re.match(r"sinkd: SMTP on 127.0.0.1:(\d+)", line)
            if found:
                self.port = int(found[1])
            if line.startswith("sinkd: data in"):
                break

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def measured(command, core=None):
    """Runs a command to its end; returns CPU and elapsed seconds, peak memory in KiB, and its output."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    run.wait_until_quiet(3)
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile("r") as peak:
        # The kernel counts the memory of the process that forked, which is this Python, as the peak of the
        # command. GNU time forks again, and is small.
        command = ["time", "-q", "-f", "%M", "-o", peak.name, *pin, *command]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        elapsed_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return {"user_s": used.ru_utime, "system_s": used.ru_stime, "elapsed_s": elapsed_s,
                "peak_kib": int(peak.read().split()[-1]), "code": process.returncode, "output": output.read().decode()}


def repeated(o, cases):
    """Runs the cases in turn, o.reps times; returns the values of each. A case is a name and a function."""
    found = {name: [] for name, _ in cases}
    for rep in range(o.reps):
        for name, measure in cases:
            values = measure()
            found[name].append(values)
            print(f"#{rep + 1} {name}: " + ", ".join(f"{k} {v:.3g}" for k, v in values.items() if isinstance(v, (int, float))),
                  file=sys.stderr, flush=True)
    return found


# ------------------------------------------------------------ sending

# dialogue: messages, options of blast and loadgen as in run.py, options of smtp-source
DIALOGUES = {
    "one command per round trip": (25_000, "--mode plain --conns 64 --size 2048", "-d"),
    "a new connection for each message": (8_000, "--mode plain --conns 64 --size 2048 --per-conn 1", ""),
    "pipelined (`--depth 2`)": (100_000, "--mode pipelined --conns 64 --size 2048", None),
    "CHUNKING, 16 in flight": (500_000, "--mode chunking --conns 64 --size 2048 --window 16", None),
}


def senders(o, port, count, load, source):
    """Returns the commands of the senders for one dialogue."""
    blast = [os.path.join(o.bin, "sinkctl"), "blast", "--to", f"127.0.0.1:{port}", "--threads", "1", "--seed", "1",
             "--count", str(count), *run.blast_options(load)]
    loadgen = [os.path.join(o.bin, "loadgen"), "--port", str(port), "--messages", str(count), *load.split()]
    found = {"blast": blast, "loadgen": loadgen}
    if source is not None and shutil.which("smtp-source"):
        found["smtp-source"] = ["smtp-source", *source.split(), "-s", "64", "-m", str(count), "-l", "2048",
                                "-f", "a@example.org", "-t", RECIPIENT, f"inet:127.0.0.1:{port}"]
    return found


def sending(o):
    sink = Sink(o, "--store", "none")
    kept = []
    try:
        for name, (messages, load, source) in DIALOGUES.items():
            count = max(64, int(messages * o.scale))
            commands = senders(o, sink.port, count, load, source)

            def cost(command):
                used = measured(command, core=1)
                if used["code"]:
                    sys.exit(f"{' '.join(command)}: exit code {used['code']}")
                return {"us_per_message": (used["user_s"] + used["system_s"]) * 1e6 / count,
                        "user_s": used["user_s"], "system_s": used["system_s"]}

            found = repeated(o, [(sender, lambda c=command: cost(c)) for sender, command in commands.items()])
            kept.append({"dialogue": name, "messages": count, "senders": found,
                         "commands": {sender: " ".join(command) for sender, command in commands.items()}})
    finally:
        sink.stop()
    return kept


def show_sending(kept):
    rows = []
    for one in kept:
        us = {sender: [v["us_per_message"] for v in values] for sender, values in one["senders"].items()}
        source = us.get("smtp-source")
        rows.append([one["dialogue"], spread(us["blast"]), spread(us["loadgen"]), spread(source) if source else "–",
                     ratio(us["blast"], us["loadgen"]), ratio(source, us["blast"]) if source else "–"])
    return ["dialogue", "blast", "loadgen", "smtp-source", "blast / loadgen", "smtp-source / blast"], rows


# ------------------------------------------------------------ audits

def campaign(o, name, messages, *options):
    """Returns a folder that `segments` wrote; its list is FOLDER.csv."""
    folder = os.path.join(o.work, name)
    subprocess.run([os.path.join(o.bin, "segments"), folder, "--messages", str(messages), *options], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def postfix_log(o, folder):
    """Returns the path of a log that confirms each delivery to `folder`, as Postfix writes it."""
    path = folder + ".log"
    sinkctl = [os.path.join(o.bin, "sinkctl"), "--data", folder, "ls", "--limit", "1000000000", "--csv", "--columns",
               "id,received_at,rcpt_to"]
    with open(path, "w") as log, subprocess.Popen(sinkctl, stdout=subprocess.PIPE, text=True) as listing:
        next(listing.stdout)
        for row in listing.stdout:
            message, received, recipient = row.rstrip("\n").split(",")
            log.write(f"{received.replace('Z', '+00:00')} mx postfix/smtp[4711]: {message.replace(':', 'A')}: "
                      f"to=<{recipient}>, relay=127.0.0.1[127.0.0.1]:1025, delay=0.1, delays=0/0/0.05/0.05, dsn=2.0.0, "
                      f"status=sent (250 2.0.0 Ok {message})\n")
    return path


def audits(o):
    def at(messages):
        return max(200, int(messages * o.scale))

    ten = campaign(o, "m10", at(10_000_000), "--missing", "17,50,99", "--doubled", "3,4,70,71",
                   "--swapped", "10:11,80:90", "--unexpected", "stranger@example.org")
    thirty = campaign(o, "m30", at(600_000), "--recipients", "50")
    one = campaign(o, "m1", at(1_000_000))
    log = postfix_log(o, one)
    lists = {ten: "10 million recipients", thirty: "30 million in 600,000 messages of 50"}
    cases = []
    for folder, title in lists.items():
        cases += [(title, folder, []), (f"{title}, `--memory 64M`", folder, ["--memory", "64M"])]
    cases += [("1 million, `--must-contain name`: reads each message", one, ["--must-contain", "name"]),
              ("1 million, and a Postfix log with the same number of lines", one, ["--sender-log", log])]

    def audit(folder, options):
        expect = ["--expect", folder + ".csv"]
        found = measured([os.path.join(o.bin, "sinkctl"), "--data", folder, "audit", *expect, *options])
        # Exit code 1: the planted faults.
        if found["code"] != (1 if folder == ten else 0):
            sys.exit(f"audit of {folder} {options}: exit code {found['code']}: {found['output'][-500:]}")
        return {key: found[key] for key in ("user_s", "system_s", "elapsed_s", "peak_kib")}

    return repeated(o, [(title, lambda f=folder, a=options: audit(f, a)) for title, folder, options in cases])


def megabytes(values):
    return spread([v["peak_kib"] * 1024 / 1e6 for v in values])


def show_audits(found):
    return ["audit of", "CPU, s", "elapsed, s", "peak memory, MB"], [
        [title, spread([v["user_s"] + v["system_s"] for v in values]), spread([v["elapsed_s"] for v in values]),
         megabytes(values)] for title, values in found.items()]


# ------------------------------------------------------------ searches

# what it is called, and the arguments of sinkctl
SEARCHES = {
    "`reindex --threads 1`": ["reindex", "--threads", "1"],
    "`search`: newest 50 of all": ["search"],
    "`--count from:shop3.example`": ["search", "--count", "from:shop3.example"],
    "`--count 'has:attachment size:>30K'`": ["search", "--count", "has:attachment size:>30K"],
    "`--count subject:` a word": ["search", "--count", "subject:WORD"],
    "a common word, newest 50": ["search", "WORD"],
    "the same, `--count`: decodes every body": ["search", "--count", "WORD"],
    "a word that no message contains": ["search", "--count", "zyzzyva"],
}


def common_word(sink_data, o):
    """Returns the most frequent word of at least four letters in the newest message."""
    text = subprocess.run([os.path.join(o.bin, "sinkctl"), "--data", sink_data, "show", "latest", "--text"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    words = re.findall(r"[a-z]{4,}", text)
    return max(sorted(set(words)), key=words.count)


def searches(o):
    messages = max(100, int(100_000 * o.scale))
    sink = Sink(o, "--index", "off", pinned=False)
    try:
        corpus = [os.path.join(HERE, "corpus.py"), "--to", f"127.0.0.1:{sink.port}", "--messages", str(messages)]
        subprocess.run([sys.executable, *corpus], check=True, stdout=subprocess.DEVNULL)
    finally:
        sink.stop()
    word = common_word(sink.data, o)

    def command(args):
        args = [arg.replace("WORD", word) for arg in args]
        found = measured([os.path.join(o.bin, "sinkctl"), "--data", sink.data, *args])
        if found["code"] not in (0, 1):
            sys.exit(f"{args}: exit code {found['code']}")
        values = {key: found[key] for key in ("user_s", "system_s", "elapsed_s", "peak_kib")}
        return values | ({"count": int(found["output"])} if "--count" in args else {})

    found = repeated(o, [(title, lambda a=args: command(a)) for title, args in SEARCHES.items()])
    return {"messages": messages, "word": word, "arguments": SEARCHES, "commands": found}


def show_searches(kept):
    rows = []
    for title, values in kept["commands"].items():
        count = values[0].get("count")
        rows.append([title, "–" if count is None else f"{count:,}", *(spread([v[key] for v in values])
                     for key in ("user_s", "system_s", "elapsed_s")), megabytes(values)])
    return [f"over {kept['messages']:,} newsletters", "matches", "user, s", "system, s", "elapsed, s", "peak memory, MB"], rows


# ------------------------------------------------------------ durability

def durability(o):
    def rate(connections):
        sink = Sink(o, "--durability", "message")
        try:
            found = measured([os.path.join(o.bin, "loadgen"), "--port", str(sink.port), "--mode", "plain", "--size",
                              "2048", "--conns", str(connections), "--secs", str(max(0.2, 3 * o.scale))], core=1)
        finally:
            sink.stop()
        result = next(event for event in map(json.loads, found["output"].splitlines()) if event["event"] == "result")
        if result["errors"]:
            sys.exit(f"{connections} connections: {result['errors']} errors")
        return {key: result[key] for key in ("msgs", "msg_s", "p50_us", "p99_us")}

    return repeated(o, [(str(n), lambda n=n: rate(n)) for n in (1, 64, 512)])


def show_durability(found):
    return ["connections", "messages/s", "p50, ms", "p99, ms"], [
        [name, spread([v["msg_s"] for v in values]), spread([v["p50_us"] / 1000 for v in values]),
         spread([v["p99_us"] / 1000 for v in values])] for name, values in found.items()]


# name: what measures, and what shows the result as a table
MEASUREMENTS = {"sending": (sending, show_sending), "audits": (audits, show_audits),
                "searches": (searches, show_searches), "durability": (durability, show_durability)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", choices=MEASUREMENTS)
    parser.add_argument("--bin", required=True, help="folder with sinkd, sinkctl, loadgen and segments")
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument("--scale", type=float, default=1, help="factor for the number of messages")
    parser.add_argument("--work", default=None, help="folder for temporary data [default: that of the system]")
    parser.add_argument("--json", default="", help="file for all values")
    o = parser.parse_args()
    o.bin = os.path.abspath(o.bin)
    if not shutil.which("time"):
        sys.exit("commands.py: this needs GNU time (apt install time)")
    run.raise_nofile()
    o.work = tempfile.mkdtemp(prefix="sinkcommands-", dir=o.work)
    try:
        measure, show = MEASUREMENTS[o.measurement]
        found = measure(o)
    finally:
        shutil.rmtree(o.work, ignore_errors=True)
    print("\n".join(lines(*show(found))))
    if o.json:
        origin.write(o.json, {"measurement": o.measurement, "runs": found}, os.path.join(o.bin, "sinkd"))


if __name__ == "__main__":
    main()
