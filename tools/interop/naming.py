"""Clients named by swaks, with XCLIENT and with PROXY headers, as described in docs/listening.md."""
import json
import subprocess

from sink import Sink

XCLIENT = ["--xclient-trusted", "127.0.0.0/8"]
PROXY_4 = ["--proxy-source", "192.0.2.7", "--proxy-source-port", "4660",
           "--proxy-dest", "198.51.100.1", "--proxy-dest-port", "25"]
PROXY_6 = ["--proxy-source", "2001:db8::7", "--proxy-source-port", "4660",
           "--proxy-dest", "2001:db8::1", "--proxy-dest-port", "25"]
V2 = ["--proxy-version", "2", "--proxy-protocol", "STREAM"]
# The balancer's own connection: it is the client, and there is no peer.
ITSELF = None

# Options of swaks, and the client that sinkctl lists; swaks itself is the peer.
BY_XCLIENT = {
    "addr": (["--xclient-addr", "192.0.2.7"], "192.0.2.7:0"),
    "port": (["--xclient-addr", "192.0.2.7", "--xclient-port", "4660"], "192.0.2.7:4660"),
    "v6": (["--xclient-addr", "IPV6:2001:db8::7", "--xclient-port", "4660"], "[2001:db8::7]:4660"),
    "all": (["--xclient-name", "mx.example", "--xclient-addr", "192.0.2.7", "--xclient-port", "4660",
             "--xclient-proto", "ESMTP", "--xclient-helo", "a+b.example", "--xclient-login", "ann@example.org",
             "--xclient-destaddr", "198.51.100.1", "--xclient-destport", "25"], "192.0.2.7:4660"),
    "login": (["--xclient-addr", "192.0.2.7", "--xclient-login", "two words=+"], "192.0.2.7:0"),
    # Two commands: the address last, as no further command is accepted after it.
    "two": (["--xclient-port", "4660", "--xclient-helo", "mx.example", "--xclient-delim",
             "--xclient-addr", "192.0.2.7"], "192.0.2.7:4660"),
    "raw": (["--xclient", "addr=192.0.2.7 name=[TEMPUNAVAIL] port=[UNAVAILABLE]"], "192.0.2.7:0"),
    "unverified": (["--xclient-no-verify", "--xclient-addr", "192.0.2.7"], "192.0.2.7:0"),
    "optional": (["--xclient-optional", "--xclient-addr", "192.0.2.7"], "192.0.2.7:0"),
}
BY_PROXY = {
    "v1-4": (["--proxy-version", "1", "--proxy-family", "TCP4", *PROXY_4], "192.0.2.7:4660"),
    "v1-6": (["--proxy-version", "1", "--proxy-family", "TCP6", *PROXY_6], "[2001:db8::7]:4660"),
    "v2-4": ([*V2, "--proxy-family", "AF_INET", *PROXY_4], "192.0.2.7:4660"),
    "v2-6": ([*V2, "--proxy-family", "AF_INET6", *PROXY_6], "[2001:db8::7]:4660"),
    "v1-raw": (["--proxy", "UNKNOWN"], ITSELF),
    # Not LOCAL of version 2: for that, swaks 20201014 sends command 2, which no PROXY version has.
    # Both: the client of the PROXY header uses XCLIENT to name another one.
    "both": (["--proxy-version", "1", "--proxy-family", "TCP4", *PROXY_4,
              "--xclient-addr", "203.0.113.9", "--xclient-port", "7"], "203.0.113.9:7"),
}
# Options of swaks, and the code of the reply at which it gives up.
REFUSED = {
    "reverse-name": (["--xclient-reverse-name", "mx.example", "--xclient-no-verify"], "501"),
    "bad-address": (["--xclient-addr", "2001:db8::7"], "501"),
    "line-end": (["--xclient-helo", "a\r\nMAIL FROM:<>"], "501"),
    "again": (["--xclient", "ADDR=192.0.2.7", "--xclient", "ADDR=192.0.2.8"], "550"),
}


def swaks(sink, name, options):
    """Returns the dialogue that swaks prints."""
    command = ["swaks", "--server", "127.0.0.1", "--port", str(sink.port), "--ehlo", "client.example",
               "--from", f"{name}@example.org", "--to", "two@example.com", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, errors="replace", check=False)
    return done.returncode, done.stdout


def sent(sink, table):
    """Sends each message of a table; returns what is wrong with the listing, or None."""
    for name, (options, _) in table.items():
        status, said = swaks(sink, name, options)
        if status:
            return f"{name}: swaks ended with status {status}:\n{said}"
    rows = {json.loads(line)["mail_from"].split("@")[0]: json.loads(line)
            for line in sink.ctl("ls", "--json").splitlines()}
    for name, (_, client) in table.items():
        found, peer = rows[name]["client"], rows[name]["peer"]
        if client is ITSELF and (peer or not found.startswith("127.0.0.1:")):
            return f"{name}: client {found}, peer {peer}; expected the client itself"
        if client is not ITSELF and (found != client or not (peer or "").startswith("127.0.0.1:")):
            return f"{name}: client {found}, peer {peer}; expected {client}"
    return None


def refused(sink):
    """Returns what is wrong with the refused commands, or None."""
    for name, (options, code) in REFUSED.items():
        status, said = swaks(sink, name, options)
        if status == 0 or f"\n<** {code} " not in said:
            return f"{name}: expected {code}, swaks ended with status {status}:\n{said}"
    return None


def totals(sink, expected):
    """Returns what is wrong with the figures, or None."""
    sink.stop()
    found = json.loads(sink.ctl("stats", "--json"))["totals"]
    found = {key: found[key] for key in expected}
    return None if found == expected else f"totals: {found}, expected {expected}"


def swaks_names_clients(programs):
    """swaks: clients that XCLIENT and PROXY headers name"""
    sinks = [Sink(programs, *XCLIENT), Sink(programs, "--listen", "proxy:127.0.0.1:0",
                                            "--xclient-trusted", "192.0.2.0/24")]
    messages = len(BY_XCLIENT) + len(BY_PROXY)
    # "two" and "again" have two commands.
    named = {"messages": len(BY_XCLIENT), "connections": len(BY_XCLIENT) + len(REFUSED),
             "xclient": len(BY_XCLIENT) + 2, "xclient_refused": len(REFUSED)}
    proxied = {"messages": len(BY_PROXY), "proxied": len(BY_PROXY) - 1, "xclient": 1}
    try:
        problem = (sent(sinks[0], BY_XCLIENT) or refused(sinks[0]) or totals(sinks[0], named)
                   or sent(sinks[1], BY_PROXY) or totals(sinks[1], proxied))
        return messages, problem
    finally:
        for sink in sinks:
            sink.kill()
