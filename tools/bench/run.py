#!/usr/bin/env python3
"""The server's CPU per message, side by side (Python 3, standard library only).

  SINKD=../../target/release/sinkd ./run [--servers a,b] [--workloads x,y] [--reps 3] [--secs 2] [--json FILE] [--md FILE] [--list]

Servers are interleaved (A B C A B C ...); each repetition gets a fresh process and an empty
folder, the server is pinned to one core and the generator to another. The number to compare is
the server's CPU time per message, against a floor of the same run: wall-clock rates often show
the generator's limit (marked g; s: the server's core was over 90 % busy). tables.py gives the
95 % intervals of ratios. All traffic stays on 127.0.0.1.

The generator is `sinkctl blast` (beside $SINKD, or $SINKCTL); `--generator loadgen` is the one in
src/, which shares no code with sinkd and prepares everything beforehand: a yardstick for blast.
Idle connections, and those that only say EHLO and QUIT (connect-c16), are loadgen's in both cases.

Servers with "tls" in servers.json get the same loads under TLS, by STARTTLS, or from the first
byte if the load says so. Their certificate is one of P-256 that openssl makes.
"""
import argparse, json, os, re, resource, shlex, shutil, signal, socket, statistics
import subprocess, sys, tempfile, time

import origin

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")

# name: arguments for loadgen
WORKLOADS = {
    "plain-2K-c1": "--mode plain --conns 1 --size 2048",
    "plain-2K-c64": "--mode plain --conns 64 --size 2048",
    "plain-2K-c1000": "--mode plain --conns 1000 --size 2048",
    "reconnect-2K-c64": "--mode plain --conns 64 --size 2048 --per-conn 1",
    "pipelined-2K-c64": "--mode pipelined --conns 64 --size 2048",
    "chunking-2K-c64": "--mode chunking --conns 64 --size 2048 --window 16",
    "plain-200K-c16": "--mode plain --conns 16 --size 204800",
    "plain-20M-c4": "--mode plain --conns 4 --size 20971520",
    "mixed-c64": "--mode plain --conns 64 --size mixed",
    "rcpt50-2K-c64": "--mode pipelined --conns 64 --size 2048 --rcpts 50",
    "connect-c16": "--mode connect --conns 16 --tls implicit",
    "idle-10k": "--mode idle --conns 10000 --hold 0 --ramp 256",
}
# Loads that only loadgen can send, whichever generator sends the others.
LOADGEN_ONLY = ("--mode idle", "--mode connect")
DEFAULT = [name for name in WORKLOADS if name != "connect-c16"]


# ------------------------------------------------------------ process tree

def stat_fields(pid):
    with open(f"/proc/{pid}/stat") as f:
        s = f.read()
    return s[s.rindex(")") + 2:].split()  # [0]=state [1]=ppid ...


def tree(root):
    kids = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                kids.setdefault(int(stat_fields(d)[1]), []).append(int(d))
            except OSError:
                pass
    out, todo = [], [root]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out


class Cpu:
    """CPU of a process tree: ticks (user, sys; with reaped children) and, if
    no thread has ended in between, nanoseconds from schedstat."""

    def __init__(self, root):
        self.u = self.s = 0
        self.ns = {}
        for p in tree(root):
            try:
                f = stat_fields(p)
                self.u += int(f[11]) + int(f[13])
                self.s += int(f[12]) + int(f[14])
                for t in os.listdir(f"/proc/{p}/task"):
                    with open(f"/proc/{p}/task/{t}/schedstat") as g:
                        self.ns[t] = int(g.read().split()[0])
            except OSError:
                pass

    def minus(self, a):
        u, s = (self.u - a.u) / TICK, (self.s - a.s) / TICK
        if set(a.ns) <= set(self.ns):
            tot = (sum(self.ns.values()) - sum(a.ns.values())) / 1e9
            if u + s > 0 and tot > 0 and abs(tot - (u + s)) < 0.05 + 0.1 * tot:
                k = tot / (u + s)
                u, s = u * k, s * k
        return u, s


def rss_kb(root, key):
    n = 0
    for p in tree(root):
        try:
            with open(f"/proc/{p}/status") as f:
                m = re.search(rf"^{key}:\s+(\d+)", f.read(), re.M)
                n += int(m.group(1)) if m else 0
        except OSError:
            pass
    return n


def anon_kb(root):
    return rss_kb(root, "RssAnon")


def tcp_mem_pages():
    with open("/proc/net/sockstat") as f:
        m = re.search(r"TCP:.* mem (\d+)", f.read())
        return int(m.group(1))


def machine_ticks():
    """Returns (busy, all) of all cores so far."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return sum(v) - v[3] - v[4], sum(v)


def wait_until_quiet(patience):
    """Returns when the machine has been nearly idle for a moment, or after `patience` seconds."""
    end = time.time() + patience
    while time.time() < end:
        busy, total = machine_ticks()
        time.sleep(0.3)
        busy_now, total_now = machine_ticks()
        if busy_now - busy <= 0.15 * (total_now - total):
            return


# ------------------------------------------------------------ server

def free_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    p = s.getsockname()[1]
    s.close()
    return p


def raise_nofile():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, max(hard, 65536)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def certificate(work):
    """Returns the paths of a certificate of P-256 and its key, made once in the folder `work`."""
    cert, key = os.path.join(work, "cert.pem"), os.path.join(work, "key.pem")
    if not os.path.exists(cert):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-days", "30", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
        os.chmod(key, 0o600)
    return cert, key


class Server:
    def __init__(self, spec, work, core, binpath):
        self.dir = tempfile.mkdtemp(prefix=spec["name"].replace("/", "_") + "-", dir=work)
        os.chmod(self.dir, 0o777)
        self.port, self.tls_port = free_port(), free_port()
        self.has_tls = spec.get("tls", False)
        cert, key = certificate(work) if self.has_tls else ("", "")
        cmd = os.path.expandvars(spec["cmd"]).format(
            port=self.port, port2=self.tls_port, dir=self.dir, bin=binpath, here=HERE, cert=cert, key=key)
        self.log = open(os.path.join(self.dir, "server.log"), "wb")
        argv = ["taskset", "-c", str(core)] + shlex.split(cmd)
        self.p = subprocess.Popen(argv, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=self.log,
                                  stderr=self.log, start_new_session=True, preexec_fn=raise_nofile)
        try:
            self.wait_ready(spec)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, spec):
        end = time.time() + 40
        while True:
            if self.p.poll() is not None:
                raise RuntimeError(f"{spec['name']}: exited {self.p.returncode}: {self.tail()}")
            try:
                s = socket.create_connection(("127.0.0.1", self.port), 1)
                s.settimeout(2)
                ok = s.recv(512).startswith(b"220")
                if ok:
                    s.sendall(b"QUIT\r\n")
                    s.recv(512)
                s.close()
                if ok:
                    break
            except OSError:
                pass
            if time.time() > end:
                raise RuntimeError(f"{spec['name']}: not ready: {self.tail()}")
            time.sleep(0.05)

    def tail(self):
        try:
            with open(self.log.name, "rb") as f:
                return f.read()[-300:].decode("utf-8", "replace")
        except OSError:
            return ""

    def stop(self):
        pids = tree(self.p.pid)
        for sig, wait in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            for p in pids:
                try:
                    os.kill(p, sig)
                except OSError:
                    pass
            try:
                self.p.wait(wait)
                break
            except subprocess.TimeoutExpired:
                pass
        self.log.close()
        self.last = self.tail()
        shutil.rmtree(self.dir, ignore_errors=True)


# ------------------------------------------------------------ one run

def under_tls(srv, args):
    """Returns loadgen's arguments, with TLS if the server has it."""
    if not srv.has_tls:
        return args.replace(" --tls implicit", "")
    return args if "--tls" in args else args + " --tls starttls"


def loadgen(srv, args, core, binpath, measure=True):
    """Returns the result dict, with CPU of the server between start and end."""
    args = under_tls(srv, args)
    port = srv.tls_port if "--tls implicit" in args else srv.port
    argv = ["taskset", "-c", str(core), os.path.join(binpath, "loadgen"), "--port", str(port), "--sync"]
    p = subprocess.Popen(argv + shlex.split(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True, preexec_fn=raise_nofile)
    a = None
    extra = {}
    base_rss, base_anon, base_tcp = rss_kb(srv.p.pid, "VmRSS"), anon_kb(srv.p.pid), tcp_mem_pages()
    res = None
    for line in p.stdout:
        d = json.loads(line)
        if d["event"] == "start":
            if "--mode idle" in args:
                time.sleep(0.5)
                n = d["conns"]
                extra = {"idle_bytes_per_conn": (anon_kb(srv.p.pid) - base_anon) * 1024 / n,
                         "idle_rss_kb": rss_kb(srv.p.pid, "VmRSS"), "base_rss_kb": base_rss,
                         "tcp_pages": tcp_mem_pages() - base_tcp}
            a = Cpu(srv.p.pid)
            p.stdin.write("go\n")
            p.stdin.flush()
        elif d["event"] == "result":
            b = Cpu(srv.p.pid)
            res = d
    p.wait()
    if res is None:
        raise RuntimeError("loadgen returned no result")
    res.update(extra)
    if a is not None:
        u, s = b.minus(a)
        res["srv_user"], res["srv_sys"] = u, s
    return res


def blast_options(load):
    """Returns the options of blast for the same load."""
    words = shlex.split(load)
    given = dict(zip(words[::2], words[1::2]))
    options = ["--connections", given.get("--conns", "1"), "--size", given.get("--size", "2048"),
               "--recipients-per-message", given.get("--rcpts", "1")]
    if "--per-conn" in given:
        options += ["--per-connection", given["--per-conn"]]
    ways = {"plain": ["--no-pipelining", "--no-chunking"],
            "pipelined": ["--no-chunking", "--depth", "2"],
            "chunking": ["--depth", given.get("--window", "16")]}
    return options + ways[given["--mode"]]


def blast(srv, load, secs, o):
    """Like loadgen, for `sinkctl blast`: connecting is included."""
    argv = ["taskset", "-c", str(o.gen_core), o.sinkctl, "blast", "--to", f"127.0.0.1:{srv.port}",
            "--threads", "1", "--seed", "1", "--json", "--duration", f"{int(secs * 1000)}ms"]
    if srv.has_tls:
        argv += ["--tls", "required", "--insecure"]
    before = Cpu(srv.p.pid)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(argv + blast_options(load), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, preexec_fn=raise_nofile).stdout
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = Cpu(srv.p.pid).minus(before)
    d = json.loads(said)
    n, secs, times = d["accepted"], d["seconds"], d["stats"]["transaction_us"]
    # A server without CHUNKING gets DATA.
    if "--mode chunking" in load and d["stats"]["replies"].get("354"):
        return {"unsupported": True}
    return {"unsupported": False, "msgs": n, "secs": secs, "msg_s": n / secs,
            "mb_s": d["bytes"] / secs / 1e6, "p50_us": times["p50"], "p99_us": times["p99"],
            "p999_us": times["p99_9"], "errors": d["begun"] - n,
            "first_error": d["failures"][0]["example"] if d["failures"] else "",
            "cpu_user": now.ru_utime - used.ru_utime, "cpu_sys": now.ru_stime - used.ru_stime,
            "srv_user": user, "srv_sys": system}


def send(srv, load, secs, o, messages=0):
    if o.generator == "blast" and not any(mode in load for mode in LOADGEN_ONLY):
        return blast(srv, load, secs, o)
    much = f"--messages {messages}" if messages else f"--secs {secs}"
    return loadgen(srv, f"{load} {much}", o.gen_core, o.bin)


def started(spec, o):
    """Returns the running server. A client can take the free port before the server does."""
    for left in (2, 1, 0):
        try:
            return Server(spec, o.work, o.server_core, o.bin)
        except RuntimeError as error:
            if not left or "in use" not in str(error):
                raise


def undisturbed(spec, wname, o):
    """Returns one run; with --quiet, the one of several in which other programs used the least CPU. The
    others are in its "rejected"."""
    runs = []
    for _ in range(o.quiet or 1):
        if o.quiet:
            wait_until_quiet(2)
        runs.append(one(spec, wname, o))
        if runs[-1].get("unsupported") or runs[-1]["others_share"] < 0.1:
            break
    best = runs[-1] if runs[-1].get("unsupported") else min(runs, key=lambda run: run["others_share"])
    best["rejected"] = [run for run in runs if run is not best]
    return best


def one(spec, wname, o):
    w = WORKLOADS[wname]
    srv = started(spec, o)
    try:
        idle = "--mode idle" in w
        if o.warmup and not idle:
            warm = send(srv, w, o.warmup, o)
            if warm["unsupported"]:
                return {"unsupported": True}
        busy, total = machine_ticks()
        r = loadgen(srv, w, o.gen_core, o.bin) if idle else send(srv, w, o.secs, o, o.messages.get(wname, 0))
        busy_now, total_now = machine_ticks()
        ours = sum(r.get(k, 0) for k in ("cpu_user", "cpu_sys", "srv_user", "srv_sys")) * TICK
        r["others_share"] = max(0, busy_now - busy - ours) / max(1, total_now - total)
        if r["unsupported"]:
            return r
        r["peak_kb"] = rss_kb(srv.p.pid, "VmHWM")
        r["anon_kb"] = anon_kb(srv.p.pid)
        r["alive"] = srv.p.poll() is None
    finally:
        srv.stop()
    n = r.get("msgs", 0)
    if n and "srv_user" in r:
        r["us_msg"] = (r["srv_user"] + r["srv_sys"]) * 1e6 / n
        r["us_user"] = r["srv_user"] * 1e6 / n
        r["us_sys"] = r["srv_sys"] * 1e6 / n
        r["srv_load"] = (r["srv_user"] + r["srv_sys"]) / max(r["secs"], 1e-9)
        r["gen_us"] = (r["cpu_user"] + r["cpu_sys"]) * 1e6 / n
        r["gen_load"] = (r["cpu_user"] + r["cpu_sys"]) / max(r["secs"], 1e-9)
    r["server_says"] = srv.last.strip()[-300:] if spec.get("report") else ""
    return r


# ------------------------------------------------------------ tables

def med(rs, k):
    v = [r[k] for r in rs if k in r]
    return statistics.median(v) if v else None


def num(x):
    if x is None:
        return ""
    if x >= 10000:
        return f"{x:,.0f}".replace(",", " ")
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def table(wname, names, res, o):
    out = [f"### {wname}", ""]
    if wname.startswith("idle"):
        out += ["| server | user-space bytes/conn | RSS before KiB | RSS with connections KiB |", "|---|--:|--:|--:|"]
        for n in names:
            rs = [r for r in res.get((n, wname), []) if "idle_bytes_per_conn" in r]
            if rs:
                out.append(f"| {n} | {num(med(rs, 'idle_bytes_per_conn'))} | {num(med(rs, 'base_rss_kb'))} | {num(med(rs, 'idle_rss_kb'))} |")
            else:
                rs = res.get((n, wname), [])
                why = rs[0].get("error") or rs[0].get("first_error") if rs else ""
                out.append(f"| {n} | failed: {(why or '')[:80]} | | |")
        return out + [""]
    f = med([r for r in res.get((o.floor, wname), []) if "us_msg" in r], "us_msg")
    b = med([r for r in res.get((o.baseline, wname), []) if "us_msg" in r], "us_msg")
    out += [f"| server | CPU µs/msg (min–max) | user+sys | generator's | × {o.floor} | × {o.baseline} | msg/s (min–max) | limit | MB/s | p50 µs | p99 µs | p99.9 µs | peak RSS MiB | errors |",
            "|---|--:|--:|--:|--:|--:|--:|:-:|--:|--:|--:|--:|--:|--:|"]
    for n in names:
        all_ = res.get((n, wname), [])
        rs = [r for r in all_ if "us_msg" in r]
        if not rs:
            why = "unsupported" if any(r.get("unsupported") for r in all_) else (
                all_ and (all_[0].get("error") or all_[0].get("first_error")) or "no run")
            out.append(f"| {n} | {str(why)[:80]} |" + " |" * 12)
            continue
        us = sorted(r["us_msg"] for r in rs)
        ms = sorted(r["msg_s"] for r in rs)
        m = statistics.median(us)
        sl, gl = med(rs, "srv_load"), med(rs, "gen_load")
        lim = ("s" if sl > 0.9 else "") + ("g" if gl > 0.9 else "") or "-"
        out.append(
            f"| {n} | **{num(m)}** ({num(us[0])}–{num(us[-1])}) | {num(med(rs, 'us_user'))}+{num(med(rs, 'us_sys'))} | {num(med(rs, 'gen_us'))} | "
            f"{num(m / f) if f else ''} | {num(m / b) if b else ''} | {num(statistics.median(ms))} ({num(ms[0])}–{num(ms[-1])}) | {lim} | "
            f"{num(med(rs, 'mb_s'))} | {num(med(rs, 'p50_us'))} | {num(med(rs, 'p99_us'))} | {num(med(rs, 'p999_us'))} | "
            f"{num(med(rs, 'peak_kb') / 1024)} | {sum(r.get('errors', 0) for r in rs)} |")
    return out + [""]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--config", default=os.path.join(HERE, "servers.json"))
    ap.add_argument("--bin", default=os.path.join(HERE, "target", "release"), help="where loadgen and floor are")
    ap.add_argument("--generator", choices=("blast", "loadgen"), default="blast")
    ap.add_argument("--servers", default="")
    ap.add_argument("--workloads", default=",".join(DEFAULT))
    ap.add_argument("--reps", type=int, default=3)
    ap.add_argument("--secs", type=float, default=2)
    ap.add_argument("--messages", default="", metavar="LOAD=N,...",
                    help="loadgen sends N messages a repetition, in place of --secs: what is made ready ahead "
                         "then costs fast and slow servers the same")
    ap.add_argument("--warmup", type=float, default=0.5)
    ap.add_argument("--quiet", type=int, default=0, metavar="N",
                    help="wait for a moment in which other programs rest, and take up to N runs for one in which "
                         "they had less than 10 %% of the machine")
    ap.add_argument("--server-core", default="0")
    ap.add_argument("--gen-core", default="1")
    ap.add_argument("--floor", default="floor-append")
    ap.add_argument("--baseline", default="floor-keep")
    ap.add_argument("--work", default="")
    ap.add_argument("--json", default="")
    ap.add_argument("--md", default="")
    ap.add_argument("--list", action="store_true")
    o = ap.parse_args()
    o.bin = os.path.abspath(o.bin)
    beside = os.path.join(os.path.dirname(os.environ.get("SINKD", "")), "sinkctl")
    o.sinkctl = os.environ.get("SINKCTL", beside)
    if o.generator == "blast" and not os.path.exists(o.sinkctl):
        sys.exit("where is sinkctl? Name it in $SINKCTL, or sinkd beside it in $SINKD")
    o.messages = {load: int(n) for load, n in (pair.split("=") for pair in o.messages.split(",") if pair)}
    if o.messages and o.generator != "loadgen":
        sys.exit("--messages needs --generator loadgen")
    specs = json.load(open(o.config))
    if o.list:
        print("servers:", ", ".join(s["name"] for s in specs))
        print("workloads:", ", ".join(WORKLOADS))
        return
    if o.servers:
        want = o.servers.split(",")
        specs = sorted([s for s in specs if s["name"] in want], key=lambda s: want.index(s["name"]))
    keep = []
    for s in specs:
        miss = [n for n in s.get("needs", []) if not (
            shutil.which(os.path.expandvars(n)) or os.path.exists(os.path.expandvars(n)))]
        if miss:
            print(f"skip {s['name']}: needs {', '.join(miss)}", file=sys.stderr)
        else:
            keep.append(s)
    tmp = tempfile.mkdtemp(prefix="sinkbench-", dir=o.work or None)
    o.work = tmp
    os.chmod(tmp, 0o777)
    res, names = {}, [s["name"] for s in keep]
    loads = o.workloads.split(",")
    try:
        for wname in loads:
            for rep in range(o.reps):
                for s in keep:
                    if any(r.get("unsupported") for r in res.get((s["name"], wname), [])):
                        continue
                    try:
                        r = undisturbed(s, wname, o)
                    except Exception as e:  # a failing peer is a result, too
                        r = {"error": str(e)[:300]}
                    r["loadavg"] = os.getloadavg()[0]
                    res.setdefault((s["name"], wname), []).append(r)
                    print(f"{wname} {s['name']} #{rep + 1}: " + (
                        f"{r['us_msg']:.2f} us/msg {r['msg_s']:.0f} msg/s err {r['errors']} {r.get('first_error', '')}"
                        if "us_msg" in r else str({k: r[k] for k in r if k in ("error", "first_error", "unsupported", "idle_bytes_per_conn")})),
                        file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    text = "\n".join("\n".join(table(w, names, res, o)) for w in loads)
    print(text)
    if o.md:
        open(o.md, "w").write(text + "\n")
    if o.json:
        results = [{"server": k[0], "workload": k[1], "runs": v} for k, v in res.items()]
        origin.write(o.json, results, os.environ.get("SINKD", ""))


if __name__ == "__main__":
    main()
