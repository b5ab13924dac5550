#!/usr/bin/env python3
"""Real clients against a real sinkd.

usage: interop.py FOLDER [--long] [CLIENT ...]   (FOLDER holds the programs sinkd and sinkctl)

Each client sends its messages; afterwards every message must be found once, byte-exact, with its
exact envelope, by sinkctl and by tools/segdump.py. CLIENT: names of functions in clients/ and of the
checks below, by default all but the long checks, with --long those too. Exit status 0: all of them; 1: not.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

# Before the modules that read segments by it.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from audits import audits_agree_with_relays, faults_in_a_million_are_found  # noqa: E402
from bottlenecks import bottlenecks_are_named  # noqa: E402
from clients import by_command, by_library, by_python, by_relay, by_sinkctl  # noqa: E402
from consistency import figures_agree  # noqa: E402
from corpus import compare  # noqa: E402
from encrypted import relays_require_tls, scanners_find_nothing, senders_use_tls  # noqa: E402
from haproxy import proxies_name_their_clients  # noqa: E402
from heavy import more_printed_lines_work, rustls_uses_tls  # noqa: E402
from histograms import histograms_are_standard  # noqa: E402
from index import searching_finds  # noqa: E402
from logins import senders_log_in  # noqa: E402
from monitoring import monitors_understand  # noqa: E402
from naming import swaks_names_clients  # noqa: E402
from printed import printed_lines_work  # noqa: E402
from readers import readers_agree  # noqa: E402
from sending import blasts_can_be_checked  # noqa: E402
from sink import Sink  # noqa: E402
from stalls import stalls_are_seen  # noqa: E402
from tables import duckdb_reads_tables  # noqa: E402
from tour import the_tour_is_as_it_says  # noqa: E402

CLIENTS = by_python.CLIENTS + by_command.CLIENTS + by_library.CLIENTS + by_relay.CLIENTS
CLIENTS += by_sinkctl.CLIENTS
# These start sinkd as they need it.
CHECKS = [readers_agree, monitors_understand, searching_finds, histograms_are_standard,
          figures_agree, the_tour_is_as_it_says, proxies_name_their_clients,
          swaks_names_clients, senders_log_in, senders_use_tls, relays_require_tls,
          scanners_find_nothing, printed_lines_work, duckdb_reads_tables,
          audits_agree_with_relays]
# Checks that take more than ten seconds on 2 cores (37 s, 38 s and 11 s; of the others, only
# relays_require_tls), or need senders that take long to install, or a program to build.
LONG = [blasts_can_be_checked, bottlenecks_are_named, stalls_are_seen, rustls_uses_tls,
        more_printed_lines_work, faults_in_a_million_are_found]


def check(sink, sent):
    """Returns what is wrong with the stored messages, or None."""
    if not sent:
        return "nothing was sent"
    problem = compare(sent, sink.messages())
    if problem:
        return "sinkctl: " + problem
    sink.stop()
    problem = compare(sent, sink.messages_by_segdump())
    return problem and "segdump: " + problem


def try_client(programs, client):
    """Returns the number of messages sent, and what went wrong or None."""
    sink, sent = Sink(programs, *getattr(client, "options", ())), []
    try:
        with tempfile.TemporaryDirectory(prefix="sinkd-client-") as scratch:
            sent = client(sink, scratch)
        return len(sent), check(sink, sent)
    except (OSError, subprocess.SubprocessError, AssertionError) as problem:
        return len(sent), f"{type(problem).__name__}: {problem}"
    finally:
        sink.process.kill()
        sink.process.wait()
        sink.remove()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    # When terminated, end all its processes and namespaces.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    programs, names = sys.argv[1], [name for name in sys.argv[2:] if name != "--long"]
    everything = [*CLIENTS, *CHECKS, *LONG]
    unknown = set(names) - {client.__name__ for client in everything}
    if unknown:
        sys.exit(f"no client or check {', '.join(sorted(unknown))}; there are "
                 + ", ".join(client.__name__ for client in everything))
    failed = 0
    for client in everything:
        if names and client.__name__ not in names:
            continue
        if client in LONG and not names and "--long" not in sys.argv:
            continue
        began = time.monotonic()
        if client in CHECKS or client in LONG:
            count, problem = client(programs)
        else:
            count, problem = try_client(programs, client)
        failed += bool(problem)
        verdict = "FAILED" if problem else "ok"
        took = time.monotonic() - began
        print(f"{verdict:6} {client.__doc__}: {count} messages, {took:.1f} s", problem or "",
              flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
