"""The histograms of stats/, read by the HdrHistogram libraries of Python and of JavaScript."""
import glob
import json
import os
import smtplib
import subprocess
import threading
import time

from corpus import message
from sink import Sink

# Seconds of load, so that each metric has several lines to merge.
LOAD_S = 3
QUANTILES = {"p50": 50, "p90": 90, "p99": 99}
# Two digits: a histogram resolves values to 1 %.
PRECISION = 0.01


def send(sink, until, sent):
    while time.monotonic() < until:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
            for _ in range(20):
                size = 1 + len(sent) % 90
                octets = message(len(sent), (b"x" * 70 + b"\r\n") * size * size)
                client.sendmail("a@example.org", ["b@example.com", "c@example.com"], octets)
                sent.append(True)


def load(sink):
    sent, until = [], time.monotonic() + LOAD_S
    senders = [threading.Thread(target=send, args=(sink, until, sent)) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return len(sent)


def by_python(path):
    """Returns count, max and percentiles of a log by tag, its lines merged."""
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    reader, merged = HistogramLogReader(path, HdrHistogram(1, 1 << 40, 2)), {}
    while interval := reader.get_next_interval_histogram():
        of_tag = merged.setdefault(interval.get_tag(), HdrHistogram(1, 1 << 40, 2))
        of_tag.add(interval)
    reader.close()
    return {tag: figures_of(h) for tag, h in merged.items()}


def figures_of(histogram):
    count = histogram.get_total_count()
    figures = {"count": count, "max": histogram.get_max_value()}
    for name, percentile in QUANTILES.items():
        # The rank of the 99th percentile of n values is rounded up here and to the nearest there,
        # so the adjacent values are accepted, too.
        around = (max(percentile - 100 / count, 0), min(percentile + 100 / count, 100))
        figures[name] = [histogram.get_value_at_percentile(p) for p in around]
    return figures


def by_node(path):
    """Like by_python, with hdr-histogram-js, which has no log reader: the script splits the lines."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "histograms.cjs")
    return json.loads(subprocess.run(["node", script, path], check=True, timeout=60,
                                     stdout=subprocess.PIPE).stdout)


def difference(found, wanted):
    """Returns the first difference, or None. `wanted`: the metrics of sinkctl stats --json."""
    wanted = {tag: figures for tag, figures in wanted.items() if figures["count"]}
    if set(found) != set(wanted):
        return f"metrics {sorted(set(found) ^ set(wanted))} are on one side only"
    for tag, figures in wanted.items():
        theirs = found[tag]
        for name in ("count", "max"):
            if theirs[name] != figures[name]:
                return f"{tag}: {name} is {theirs[name]}, by sinkctl {figures[name]}"
        for name in QUANTILES:
            least, most = theirs[name]
            if not least * (1 - PRECISION) <= figures[name] <= most * (1 + PRECISION):
                return f"{tag}: {name} is in {least}..{most}, by sinkctl {figures[name]}"
    return None


def histograms_are_standard(programs):
    """the HdrHistogram libraries for Python and JavaScript agree with sinkctl"""
    for _ in range(2):
        sink = Sink(programs)
        try:
            count = load(sink)
            sink.stop()
            metrics = json.loads(sink.ctl("stats", "--json"))["metrics"]
            folder = os.path.join(sink.data, "stats")
            hours = glob.glob(os.path.join(folder, "*.hour.hlog"))
            seconds = sorted(set(glob.glob(os.path.join(folder, "*.hlog"))) - set(hours))
            if len(hours) != 1 or len(seconds) != 1:
                continue  # the hour has changed
            for read in (by_python, by_node):
                for path in (*seconds, *hours):
                    problem = difference(read(path), metrics)
                    if problem:
                        return count, f"{read.__name__}, {os.path.basename(path)}: {problem}"
            return count, None
        finally:
            sink.kill()
    return 0, "there is not one log and one roll-up of it"
