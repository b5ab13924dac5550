#!/usr/bin/env python3
"""Writes sinkd.json next to this script: the dashboard of sinkd for Grafana 10 and later.

usage: tools/package/grafana/dashboard.py [--print]

The panels are rows of a table here, as no person can review a thousand lines of JSON. After a change,
tools/package/check runs each query against a real Prometheus.
"""
import json
import pathlib
import sys

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = '{job=~"$job",instance=~"$instance"}'


def rate(metric, more=""):
    chosen = CHOSEN[:-1] + more + "}"
    return f"rate({metric}{chosen}[$__rate_interval])"


def total(metric):
    return f"sum({rate(metric)})"


def gauge(metric):
    return f"{metric}{CHOSEN}"


def quantile(share, metric):
    return f"histogram_quantile({share}, sum by (le) ({rate(metric + '_bucket')}))"


def mean(metric):
    return f"{total(metric + '_sum')} / {total(metric + '_count')}"


def percentiles(metric):
    return [(quantile(share, metric), name)
            for share, name in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")]]


THINK = ["ehlo", "mail", "rcpt", "data", "payload", "next", "close"]
OPEN = f"sum({gauge('sinkd_connections_total')}) - sum({gauge('sinkd_connections_closed_total')})"
BUSY = f"{total('sinkd_busy_seconds_total')} / sum({gauge('sinkd_workers')})"
DISK = f"min({gauge('sinkd_disk_available_bytes')} / {gauge('sinkd_disk_size_bytes')})"

# Title, kind, unit, description, queries with their legends. Kinds: 'stat' (a number), 'lines',
# 'stack' (stacked lines), 'heat'. A title alone begins a row.
PANELS = [
    ("Overview",),
    ("Messages", "stat", "ops", "Accepted messages per second.", [(total("sinkd_messages_total"), "")]),
    ("Bytes", "stat", "Bps", "Octets of accepted messages per second.",
     [(total("sinkd_message_bytes_total"), "")]),
    ("Open connections", "stat", "short", "Accepted connections that have not ended.", [(OPEN, "")]),
    ("Transaction p99", "stat", "s", "MAIL accepted to the final reply.",
     [(quantile(0.99, "sinkd_transaction_seconds"), "")]),
    ("Busy event loops", "stat", "percentunit",
     "Near 100%, sinkd limits the rate. Below, the sender or the network does.", [(BUSY, "")]),
    ("Disk available", "stat", "percentunit", "Of the file system of the data folder; the lowest of all instances.",
     [(DISK, "")]),
    ("Traffic",),
    ("Messages and recipients", "lines", "ops", "Accepted messages and their forward-paths per second.",
     [(total("sinkd_messages_total"), "messages"), (total("sinkd_recipients_total"), "recipients"),
      (total("sinkd_messages_refused_total"), "refused at the end of data")]),
    ("Bytes", "lines", "Bps", "Octets of accepted messages per second.",
     [(total("sinkd_message_bytes_total"), "accepted")]),
    ("Replies by code", "stack", "ops", "Replies per second, by code and enhanced code.",
     [(f"sum by (code, enhanced) ({rate('sinkd_replies_total')})", "{{code}} {{enhanced}}")]),
    ("Replies 4xx and 5xx", "stack", "ops", "What the sender under test has to handle.",
     [(f"sum by (code, enhanced) ({rate('sinkd_replies_total', ',code=~' + chr(34) + '[45]..' + chr(34))})",
       "{{code}} {{enhanced}}")]),
    ("Connections", "lines", "short", "Open connections; above max, sinkd turns clients away with 421.", [(OPEN, "open")]),
    ("Connections per second", "lines", "ops", "Turned away: 421 instead of a greeting. Dismissed: 421 later.",
     [(total("sinkd_connections_total"), "accepted"), (total("sinkd_connections_closed_total"), "ended"),
      (total("sinkd_connections_turned_away_total"), "turned away"),
      (total("sinkd_connections_dismissed_total"), "dismissed")]),
    ("Messages per connection, mean", "lines", "short", "Of connections that ended.",
     [(f"{total('sinkd_connections_closed_messages_total')} / {total('sinkd_connections_closed_total')}",
       "messages")]),
    ("Message size", "lines", "bytes", "Accepted messages.", percentiles("sinkd_message_size_bytes")),
    ("Recipients per message", "lines", "short", "Accepted messages.",
     [(mean("sinkd_recipients_per_message"), "mean"), (quantile(0.99, "sinkd_recipients_per_message"), "p99")]),
    ("Tolerated commands by kind", "stack", "ops",
     "Commands that broke the grammar and were accepted (--syntax lenient).",
     [(f"sum by (kind) ({rate('sinkd_tolerated_total')})", "{{kind}}")]),
    ("Messages by listener", "stack", "ops", "Accepted messages per second, by the listener they came to.",
     [(f"sum by (listener) ({rate('sinkd_listener_messages_total')})", "{{listener}}")]),
    ("Latency",),
    ("Transactions", "heat", "s", "MAIL accepted to the final reply: how many took how long.",
     [(f"sum by (le) ({rate('sinkd_transaction_seconds_bucket')})", "{{le}}")]),
    ("Transactions", "lines", "s", "Percentiles. They are as coarse as the buckets: 1, 2.5, 5, 10.",
     percentiles("sinkd_transaction_seconds")),
    ("sinkd's own time for the end of data", "lines", "s", "The part of a transaction that is the sink's: commit and reply.",
     percentiles("sinkd_service_message_seconds")),
    ("sinkd's own time for a command", "lines", "s", "From waking to the end of the round that answered.",
     percentiles("sinkd_service_command_seconds")),
    ("The sender's time before each step, p50", "lines", "s", "Think times: the round trip is part of them.",
     [(quantile(0.5, f"sinkd_think_{step}_seconds"), step) for step in THINK]),
    ("Payloads under way", "lines", "s", "First octet of a payload to its last.", percentiles("sinkd_transfer_seconds")),
    ("Rate of payloads", "lines", "Bps", "Payloads that took more than one round of the event loop.",
     [(quantile(0.5, "sinkd_transfer_bytes_per_second"), "p50"), (mean("sinkd_transfer_bytes_per_second"), "mean")]),
    ("Session time", "lines", "s", "Connections that ended.", percentiles("sinkd_session_seconds")),
    ("Storage",),
    ("Waits for storage", "lines", "ops",
     "Transfers that waited for room in the log: the disk, or provisioning, is too slow.",
     [(total("sinkd_storage_waits_total"), "waits per second"),
      (total("sinkd_storage_wait_seconds_total"), "transfers waiting at once")]),
    ("Waits for a flush", "lines", "s", "With --durability message, and for messages above 4 MiB.",
     percentiles("sinkd_commit_wait_seconds")),
    ("Flushes", "lines", "ops", "Asked for per second (--durability message).", [(total("sinkd_flushes_total"), "flushes")]),
    ("Disk", "lines", "bytes", "The file system of the data folder.",
     [(gauge("sinkd_disk_available_bytes"), "{{instance}} available"), (gauge("sinkd_disk_size_bytes"), "{{instance}} size")]),
    ("Messages not indexed yet", "lines", "short", "sinkctl search reads these itself, and takes longer.",
     [(gauge("sinkd_index_lag_messages"), "{{instance}}")]),
    ("Age of the oldest message not indexed", "lines", "s", "",
     [(gauge("sinkd_index_lag_seconds"), "{{instance}}")]),
    ("Process",),
    ("Busy event loops", "lines", "percentunit", "Share of time in rounds, of all loops of an instance.",
     [(f"{rate('sinkd_busy_seconds_total')} / {gauge('sinkd_workers')}", "{{instance}}")]),
    ("Processors", "lines", "short", "Processors in use by all threads: event loops, provisioning, index.",
     [(rate("process_cpu_seconds_total"), "{{instance}}"), (gauge("sinkd_workers"), "{{instance}} event loops")]),
    ("A round of an event loop", "lines", "s", "How long all other clients of a loop wait.",
     percentiles("sinkd_round_seconds")),
    ("Commands per read", "lines", "short", "Depth of pipelining.",
     [(mean("sinkd_commands_per_read"), "mean"), (quantile(0.99, "sinkd_commands_per_read"), "p99")]),
    ("Memory", "lines", "bytes", "Mapped segments of the log are part of resident memory.",
     [(gauge("process_resident_memory_bytes"), "{{instance}}")]),
    ("Descriptors", "lines", "short", "A connection needs one.",
     [(gauge("process_open_fds"), "{{instance}} open"), (gauge("process_max_fds"), "{{instance}} limit")]),
    ("Warnings",),
    ("Rounds of more than a second", "lines", "short", "All clients of a loop waited. The log says why.",
     [(f"increase(sinkd_long_rounds_total{CHOSEN}[$__rate_interval])", "{{instance}}")]),
    ("Lock of events.jsonl busy", "lines", "short", "Another process, such as a suspended sinkctl rm, holds it.",
     [(f"increase(sinkd_events_lock_busy_total{CHOSEN}[$__rate_interval])", "{{instance}}")]),
    ("Clock", "lines", "s", "How far the system clock has moved away from sinkd's.",
     [(gauge("sinkd_clock_ahead_seconds"), "{{instance}}")]),
    ("Values beyond their histogram", "lines", "short", "Recorded as its bound.",
     [(f"increase(sinkd_values_saturated_total{CHOSEN}[$__rate_interval])", "{{instance}}")]),
    ("Version", "lines", "short", "1 while an instance of this version answers; 0: not reached.",
     [(gauge("sinkd_build_info"), "{{instance}} {{version}}"), (gauge("up"), "{{instance}} up")]),
]


def target(letter, query, legend, kind):
    heat = {"format": "heatmap"} if kind == "heat" else {}
    return {"refId": letter, "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto", "range": True, **heat}


def drawing(kind, unit):
    if kind == "stat":
        return "stat", {"defaults": {"unit": unit}, "overrides": []}, {
            "colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    if kind == "heat":
        return "heatmap", {"defaults": {}, "overrides": []}, {
            "calculate": False, "yAxis": {"unit": unit}, "color": {"mode": "scheme", "scheme": "Oranges"},
            "cellValues": {"unit": "ops"}, "tooltip": {"mode": "single"}}
    stacking = {"mode": "normal" if kind == "stack" else "none"}
    custom = {"lineWidth": 1, "fillOpacity": 30 if kind == "stack" else 5, "showPoints": "never", "stacking": stacking}
    return "timeseries", {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []}, {
        "legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}


def panels():
    """Arranges panels in rows of six numbers or three graphs."""
    made, x, y, height = [], 0, 0, 0
    for row in PANELS:
        title = row[0]
        if len(row) == 1:
            y, x, height = y + height, 0, 1
            made.append({"id": len(made) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                         "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
            y, height = y + 1, 0
            continue
        _, kind, unit, told, queries = row
        width, tall = (4, 4) if kind == "stat" else (8, 8)
        if x + width > 24:
            x, y = 0, y + height
        name, fields, options = drawing(kind, unit)
        targets = [target(chr(ord("A") + at), query, legend, kind) for at, (query, legend) in enumerate(queries)]
        made.append({"id": len(made) + 1, "type": name, "title": title, "description": told, "datasource": SOURCE,
                     "gridPos": {"x": x, "y": y, "w": width, "h": tall}, "fieldConfig": fields, "options": options,
                     "targets": targets})
        x, height = x + width, tall
    return made


def variable(name, label):
    query = f"label_values(sinkd_build_info{'' if name == 'job' else '{job=~' + chr(34) + '$job' + chr(34) + '}'}, {name})"
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
            "definition": query, "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "sort": 1,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def dashboard():
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1,
              "current": {}}
    return {
        "uid": "sinkd", "title": "sinkd", "tags": ["sinkd", "smtp"], "schemaVersion": 39, "version": 1, "editable": True,
        "graphTooltip": 1, "refresh": "5s", "time": {"from": "now-15m", "to": "now"}, "timezone": "browser",
        "templating": {"list": [source, variable("job", "Job"), variable("instance", "Instance")]},
        "annotations": {"list": []}, "links": [], "panels": panels(),
    }


def main():
    text = json.dumps(dashboard(), indent=1) + "\n"
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(text)
    else:
        (pathlib.Path(__file__).parent / "sinkd.json").write_text(text)


if __name__ == "__main__":
    main()
