"""Senders that take long to install: Go, Jakarta Mail, Haraka, and lettre with rustls. tools/interop/install --long
installs them, and tools/interop/all alone checks them."""
import glob
import itertools
import json
import os
import shlex
import shutil
import smtplib
import subprocess
import tempfile

from encrypted import IMPLICIT, STARTTLS, TlsSink, relay_one, run, use_tls
from printed import lines_for
from sink import Sink

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, ".cache")
LETTRE = os.path.join(CACHE, "lettre", "debug", "lettre")
HARAKA = os.path.join(CACHE, "node_modules", "Haraka", "haraka.js")
JARS = ("jakarta-mail", "jakarta-activation")


def by_lettre(port, mode, ca):
    run(LETTRE, str(port), "starttls" if mode == STARTTLS else "implicit", *([ca] if ca else []))


def rustls_uses_tls(programs):
    """lettre with rustls, verifying the certificate, with STARTTLS and with implicit TLS"""
    return use_tls(programs, [by_lettre])


def by_go(lines, port, scratch):
    with open(os.path.join(HERE, "clients", "printed.go"), encoding="utf-8") as file:
        text = file.read()
    opening = text[text.index("\tclient, err :="):text.index("\tLINES")]
    if any("smtp.NewClient" in line for line in lines):
        # The printed lines create the client; the error check stays.
        text = text.replace(opening, "").replace("\tLINES", "\tLINES\n" + opening.split("\n", 1)[1].rstrip("\n"))
    text = text.replace("LINES", "\n\t".join(lines))
    path = os.path.join(scratch, "printed.go")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    env = os.environ | {"GO111MODULE": "off", "GOCACHE": os.path.join(CACHE, "go"), "GOFLAGS": ""}
    subprocess.run(["go", "run", path, str(port)], env=env, timeout=300, check=True)


def by_jakarta_mail(lines, port, scratch):
    keytool, java, *properties = lines
    subprocess.run(shlex.split(keytool), cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=60, check=True)
    path = os.path.join(scratch, "properties")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(properties))
    jars = ":".join(glob.glob("/usr/share/java/" + name + ".jar")[0] for name in JARS)
    subprocess.run([*shlex.split(java)[:-1], "-cp", jars, os.path.join(HERE, "clients", "printed.java"), str(port),
                    path], cwd=scratch, timeout=120, check=True)


def haraka(lines):
    """Haraka as a relay with `lines`: the first for the environment, the others for config/tls.ini."""
    def begin(scratch, port, sink, mode, _ca):
        environment, *options = lines
        for name in ("config", "plugins", "queue"):
            os.mkdir(os.path.join(scratch, name))
        # Haraka does not serve without limits of its own.
        shutil.copy(os.path.join(os.path.dirname(HARAKA), "config", "connection.ini"),
                    os.path.join(scratch, "config"))
        shutil.copy(os.path.join(HERE, "clients", "haraka.js"), os.path.join(scratch, "plugins", "sink.js"))
        for name, text in (("smtp.ini", f"listen=127.0.0.1:{port}\nnodes=0\n"), ("plugins", "sink\n"),
                           ("me", "relay.example\n"), ("outbound.ini", "local_mx_ok=true\n"), ("tls.ini", "\n".join(options) + "\n")):
            with open(os.path.join(scratch, "config", name), "w", encoding="utf-8") as file:
                file.write(text)
        return ["env", *shlex.split(environment), f"HARAKA={scratch}", f"SINK_PORT={sink.port_of(mode)}", "node", HARAKA]
    begin.__name__ = "haraka"
    return begin


class PlainSink(Sink):
    """A sinkd without TLS."""

    def port_of(self, _mode):
        return self.port

    def sessions(self):
        return json.loads(self.ctl("stats", "--json"))["totals"]["connections"]


def problem_without_tls(programs, lines_of):
    """Returns which sender delivers to a sinkd without TLS although its lines require TLS, or None."""
    sink = PlainSink(programs)
    try:
        for name, send in SENDERS.items():
            with tempfile.TemporaryDirectory(prefix="sinkd-printed-") as scratch:
                try:
                    send(lines_of[name], sink.port, scratch)
                except subprocess.CalledProcessError:
                    pass
            if sink.count():
                return f"{name}: a message without TLS"
        tried = sink.sessions()
        relay_one(haraka(lines_of["haraka"]), sink, STARTTLS, None, lambda: sink.sessions() > tried)
        return "haraka: a message without TLS" if sink.count() else None
    finally:
        sink.kill()


SENDERS = {"go": by_go, "javamail": by_jakarta_mail}


def more_printed_lines_work(programs):
    """the lines that sinkctl cert prints for Go, Jakarta Mail and Haraka"""
    sink = TlsSink(programs)
    accepted = 0
    try:
        lines_of = {name: lines_for(sink, name, STARTTLS) for name in (*SENDERS, "haraka")}
        for (name, send), mode in itertools.product(SENDERS.items(), (STARTTLS, IMPLICIT)):
            with tempfile.TemporaryDirectory(prefix="sinkd-printed-") as scratch:
                send(lines_for(sink, name, mode), sink.port_of(mode), scratch)
            if sink.count() != accepted + 1:
                return accepted, f"{name}, {mode}: no message with the printed lines"
            accepted += 1
        relay_one(haraka(lines_of["haraka"]), sink, STARTTLS, None, lambda: sink.count() > accepted)
        accepted += 1
        if sink.count_under_tls() != accepted:
            return accepted, f"{sink.count_under_tls()} messages under TLS, expected {accepted}"
        return accepted, problem_without_tls(programs, lines_of)
    except (AssertionError, subprocess.SubprocessError, smtplib.SMTPException, OSError) as problem:
        return accepted, f"{type(problem).__name__}: {problem}"
    finally:
        sink.kill()
