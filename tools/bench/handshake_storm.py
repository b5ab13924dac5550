#!/usr/bin/env python3
"""Measures how many simultaneous handshakes affect busy connections (Python 3, standard library only).

  SINKD=../../target/ci/sinkd ./handshake_storm.py --bin target/ci [--handshakes 2000] [--busy 16] [--bursts 5] [--json FILE]

One sinkd with one worker on one core, the clients on another. Busy connections send 2 KB under TLS,
one command per round trip, all the time. Now and then many other connected clients send their
TLS 1.3 hello at once. A transaction that overlaps with a burst counts as one during handshakes, all
others, except those within half a second after a burst, as without. Run it with nice -n -15. (With
chrt -f, medians are right where other programs run, but the kernel's own threads starve, and a few
connections with them. The clients of a burst are never scheduled that way.)
"""
import argparse, array, json, os, shlex, shutil, socket, ssl, subprocess, sys, tempfile, time

import origin, run

HERE = os.path.dirname(os.path.abspath(__file__))
PERCENTILES = (50, 90, 99, 99.9, 100)
# The connections of the bursts are closed within this time.
AFTER_S = 0.5


def ordinary():
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def loadgen(o, args, prepare=lambda: None):
    command = ["taskset", "-c", o.gen_core, os.path.join(o.bin, "loadgen"), "--sync", *shlex.split(args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: (run.raise_nofile(), prepare()))


def event(process, name):
    for line in process.stdout:
        found = json.loads(line)
        if found["event"] == name:
            return found
        if found["event"] == "result":
            sys.exit(f"handshake_storm.py: loadgen ended early: {found['first_error']}")
    sys.exit(f"handshake_storm.py: loadgen ended before {name}")


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def hello():
    """Returns the octets of a client's first message."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def burst_of_hellos(o, server):
    """Returns when the first client sent its hello and when the last was answered. The server then has signed
    for each of them, which is most of a handshake's work; the clients have nothing to compute."""
    octets = hello()
    scheduling = os.sched_getscheduler(0), os.sched_getparam(0)
    ordinary()
    clients = [socket.create_connection(("127.0.0.1", server.tls_port)) for _ in range(o.handshakes)]
    time.sleep(0.1)
    began = time.monotonic_ns()
    for client in clients:
        client.sendall(octets)
    for client in clients:
        if not client.recv(1):
            sys.exit("handshake_storm.py: the server closed a connection")
    ended = time.monotonic_ns()
    os.sched_setscheduler(0, *scheduling)
    for client in clients:
        client.close()
    return began, ended


def burst(o, server):
    """Returns when it began and when its last handshake was done."""
    if not o.whole:
        return burst_of_hellos(o, server)
    began = time.monotonic_ns()
    clients = loadgen(o, f"--mode idle --tls implicit --port {server.tls_port} --conns {o.handshakes} "
                         f"--ramp {o.handshakes} --hold 0", ordinary)
    event(clients, "start")
    ended = time.monotonic_ns()
    go(clients)
    clients.wait()
    return began, ended


def percentile(sorted_values, p):
    place = max(0, -(-len(sorted_values) * p // 100) - 1)
    return sorted_values[int(place)] / 1000 if sorted_values else None


def read_times(path):
    """Returns the transactions of busy connections: (begun, done), ns."""
    numbers = array.array("Q")
    with open(path, "rb") as file:
        numbers.frombytes(file.read())
    return list(zip(numbers[::2], numbers[1::2]))


def one_burst(o, server):
    """Returns the burst, and the transactions of the busy connections before, during and after it."""
    run.wait_until_quiet(o.patience)
    times = os.path.join(o.work, "times")
    busy = loadgen(o, f"--mode plain --size 2048 --conns {o.busy} --tls {o.busy_tls} --port {server.port} "
                      f"--secs {o.seconds} --times {times}")
    event(busy, "start")
    go(busy)
    time.sleep(o.seconds / 3)
    window = burst(o, server)
    result = event(busy, "result")
    busy.wait()
    if result["errors"]:
        sys.exit(f"handshake_storm.py: {result['errors']} errors: {result['first_error']}")
    return window, read_times(times)


def measure(o):
    specs = {spec["name"]: spec for spec in json.load(open(os.path.join(HERE, "servers.json")))}
    server = run.Server(specs[o.server], o.work, o.server_core, o.bin)
    beside, without, bursts = [], [], []
    try:
        for _ in range(o.bursts):
            (began, ended), transactions = one_burst(o, server)
            bursts.append(round((ended - began) / 1e6, 1))
            for begun, done in transactions:
                if done < began or begun > ended + AFTER_S * 1e9:
                    without.append(done - begun)
                elif begun <= ended:
                    beside.append(done - begun)
    finally:
        server.stop()
    beside.sort()
    without.sort()
    return {"bursts_ms": bursts,
            "transactions": {"without": len(without), "beside": len(beside)},
            "percentiles_us": {str(p): {"without": percentile(without, p), "beside": percentile(beside, p)}
                               for p in PERCENTILES}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(HERE, "target", "release"), help="where loadgen is")
    parser.add_argument("--server", default="sinkd-tls", help="one with TLS, of servers.json")
    parser.add_argument("--handshakes", type=int, default=2000, help="in a burst")
    parser.add_argument("--whole", action="store_true",
                        help="clients of loadgen, which finish their handshakes: on two cores, their work takes longer "
                             "than the server's")
    parser.add_argument("--busy", type=int, default=16, help="connections that send mail")
    parser.add_argument("--busy-tls", choices=("starttls", "off"), default="starttls")
    parser.add_argument("--bursts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of the busy connections for each burst, which comes after a third")
    parser.add_argument("--patience", type=float, default=20, help="seconds to wait for a quiet machine before each burst")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--gen-core", default="1")
    parser.add_argument("--json", default="")
    o = parser.parse_args()
    o.bin = os.path.abspath(o.bin)
    run.raise_nofile()
    os.sched_setaffinity(0, [int(o.gen_core)])
    o.work = tempfile.mkdtemp(prefix="sinkstorm-")
    os.chmod(o.work, 0o777)
    try:
        found = measure(o)
    finally:
        shutil.rmtree(o.work, ignore_errors=True)
    if o.json:
        origin.write(o.json, found, os.environ.get("SINKD", ""))
    print(f"{o.bursts} bursts of {o.handshakes} clients, each answered within "
          f"{min(found['bursts_ms']):.0f} to {max(found['bursts_ms']):.0f} ms; busy connections: {o.busy}")
    print("| transactions of the busy ones, ms | " + " | ".join(f"p{p}" if p < 100 else "longest" for p in PERCENTILES)
          + " | count |")
    print("|---|" + "--:|" * (len(PERCENTILES) + 1))
    for name, title in (("without", "without handshakes"), ("beside", "beside them")):
        row = [found["percentiles_us"][str(p)][name] for p in PERCENTILES]
        print(f"| {title} | " + " | ".join("–" if v is None else f"{v / 1000:.2f}" for v in row)
              + f" | {found['transactions'][name]} |")


if __name__ == "__main__":
    main()
