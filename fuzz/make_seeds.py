#!/usr/bin/env python3
"""Generates the seeds of the fuzz targets from test data: `session` from tests/dialogues/*.txt, `replies` from
tests/dialogues/client/*.txt, `mail` from tests/mail/*.eml with CRLF, `sender_log` from tests/logs, `query`, `xclient`, `sasl`, `tls`,
`connections` and `recipient_list` from the data below.

usage: fuzz/make_seeds.py [--check]   (--check writes nothing; exit status 1 if a seed is out of date)
"""

import pathlib
import re
import struct
import sys
import zlib

ROOT = pathlib.Path(__file__).parent
sys.path.insert(0, str(ROOT.parent / "tools"))

from segdump import crc32c  # noqa: E402

CHECK = "--check" in sys.argv
STALE = []
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def seed(target, name, octets):
    path = ROOT / "corpus" / target / name
    if CHECK:
        if not path.exists() or path.read_bytes() != octets:
            STALE.append(path)
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)


def unescape(text):
    def octets(match):
        name = match.group(1)
        return bytes([int(name[1:], 16)]) if name[0] == "x" else ESCAPES[name]

    parts = re.split(r"(\\(?:x..|.))", text)
    return b"".join(octets(re.match(r"\\(.*)", p)) if p.startswith("\\") else p.encode() for p in parts)


for path in sorted((ROOT.parent / "tests/dialogues").glob("*.txt")):
    # Derived from the name, so that a new dialogue changes no other seed.
    number = zlib.crc32(path.stem.encode()) % 64
    sent, trust = b"", 0
    for line in path.read_text().splitlines():
        if line.startswith("C:"):
            sent += unescape(line[3:]) + b"\r\n"
        elif line == "trust: xclient":
            trust = 4
        elif line == "trust: auth":
            trust = 8
        elif line.startswith("greet: "):
            sent += line[7:].encode() + b"\r\n"
        elif line.startswith("C~ "):
            sent += unescape(line[3:])
        elif line.startswith("C*"):
            count, text = line[2:].split(" ", 1)
            sent += unescape(text) * int(count)
    # Variant of the limits, number of cuts, two octets per cut (fuzz targets read them modulo).
    cuts = [(7 + 11 * number + 31 * cut) % (len(sent) + 1) for cut in range(number % 8)]
    head = bytes([number % 4 | trust, len(cuts)]) + b"".join(cut.to_bytes(2, "little") for cut in cuts)
    seed("session", path.stem, head + sent)

WAYS = {"lmtp": 1, "pipelining": 2, "chunking": 4}

for path in sorted((ROOT.parent / "tests/dialogues/client").glob("*.txt")):
    said, variant = b"", 0
    for line in path.read_text().splitlines():
        if line.startswith("options:"):
            words = line.split()[1:]
            variant = sum(WAYS.get(word, 0) for word in words) | 1 << 5
        elif line.startswith("S"):
            said += line[3:].encode() + b"\r\n"
    # See check_replies: protocol modes, and messages in progress.
    seed("replies", path.stem, bytes([variant]) + said)

for path in sorted((ROOT.parent / "tests/mail").glob("*.eml")):
    seed("mail", path.stem, path.read_bytes().replace(b"\n", b"\r\n"))

# Each field and each operator once, then each kind of error (docs/search.md).
QUERIES = r'''
words:order 4711 "thank you" inv* "your ord"*
joined:(order OR invoice) AND -dull NOT (a b)
addresses:from:ann@example.org to:@example.com cc:example.com from:<> from:bounce+*
header:header:X-Campaign=spr* header:X-Campaign="sale spring" header:X-Other
message_id:message-id:<1@example.org>
parts:has:attachment filename:*voice.pdf filename:.doc subject:"order 4711" body:dear
sizes:size:>100 size:1K.. size:1K..2K size:<=10M
times:after:2026-11-21T08:00:00Z before:2026-11-22 after:10m
runs:run:nightly -run:now
ways_in:listener:mx-a -listener:"[::1]:25" deviation:no-brackets OR has:deviation
capitals:SUBJECT:"a \\"b\\\\" OR FROM:X
letters:GR\u00dcSSE \u0141\u00f3d\u017a \uff21 \ufb01 \u6ce8\u6587 \u0e01\u0e32\u0e23
nothing_after_or:a OR
open_quote:"never closed
open_parenthesis:((((((((a
unknown_field:colour:red
star_inside:a*b
symbols_alone:\U0001f389 %
bad_size:size:2K..1K
bad_time:after:2026-13-41
bad_deviation:deviation:no-bracket
'''

for line in QUERIES.strip().splitlines():
    name, query = line.split(":", 1)
    seed("query", name, query.encode().decode("unicode_escape").encode())
seed("query", "long", b"a " * 2000)
seed("query", "deep", b"(" * 200 + b"a" + b")" * 200)
seed("query", "empty", b"")

# The text after the verb: each attribute, each form of a value, and each kind of error.
ATTRIBUTES = """
all:NAME=mx.example ADDR=192.0.2.7 PORT=4660 PROTO=ESMTP HELO=a+2Bb LOGIN=ann+40example.org
destination:DESTADDR=IPV6:2001:db8::1 DESTPORT=25
mapped:addr=ipv6:::ffff:192.0.2.7
unavailable:NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE] PORT=[unavailable] HELO=[UNAVAILABLE]
line_end:HELO=a+0D+0Ab NAME=+00 LOGIN=+C2+85
twice:PORT=1 PORT=2
unknown:ADRR=192.0.2.7
not_xtext:HELO=a+2b=c
spaces:ADDR=192.0.2.7  PORT=1
"""
for line in ATTRIBUTES.strip().splitlines():
    name, argument = line.split(":", 1)
    seed("xclient", name, argument.encode())

# The mechanism, then the lines of the client. The first is the initial response, unless it is "-".
LOGINS = {
    "plain": (0, "AGFubgBzM2NyM3Q="), "plain-late": (0, "-\nAGFubgBzM2NyM3Q="), "plain-empty": (0, "="),
    "login": (1, "-\nYW5u\nczNjcjN0"), "login-initial": (1, "YW5u\nczNjcjN0"), "login-cut": (1, "-\nYW5u"),
    "cram-md5": (2, "-\nYW5uIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"), "cram-md5-early": (2, "YQ=="),
    "xoauth2": (3, "dXNlcj1hbm4BYXV0aD1CZWFyZXIgc2VjcmV0AQE="), "noise": (0, "-\n*\nAGEKYgBj\n===="),
}
for name, (mechanism, lines) in LOGINS.items():
    seed("sasl", name, bytes([mechanism]) + lines.encode())

# The case (of four; +4 is TLS 1.2), then octets of a client or a server, or changes to records.


def sized(bytes_of_length, octets):
    return len(octets).to_bytes(bytes_of_length, "big") + octets


def extension(number, octets):
    return number.to_bytes(2, "big") + sized(2, octets)


def record(kind, octets, version=b"\3\3"):
    return bytes([kind]) + version + sized(2, octets)


def client_hello(suites, extensions):
    body = b"\3\3" + bytes(range(32)) + sized(1, b"") + sized(2, suites) + sized(1, b"\0") + sized(2, b"".join(extensions))
    return record(22, b"\1" + sized(3, body), b"\3\1")


SERVER_NAME = extension(0, sized(2, b"\0" + sized(2, b"localhost")))
GROUPS = extension(10, sized(2, b"\0\x1d\0\x17"))
SIGNATURES = extension(13, sized(2, b"\4\3\x08\4"))
VERSIONS = extension(43, sized(1, b"\3\4\3\3"))
KEY_SHARE = extension(51, sized(2, b"\0\x1d" + sized(2, b"\x09" + b"\0" * 31)))
HELLO_13 = client_hello(b"\x13\1\x13\2", [SERVER_NAME, GROUPS, SIGNATURES, VERSIONS, KEY_SHARE])
HELLO_12 = client_hello(b"\xc0\x2b\xc0\x2c\0\xff", [SERVER_NAME, GROUPS, SIGNATURES])
SERVER_HELLO = record(22, b"\2" + sized(3, b"\3\3" + bytes(32) + sized(1, b"") + b"\x13\1\0" + sized(2, VERSIONS[:2] + sized(2, b"\3\4"))))
seed("tls", "hello_13", b"\0" + HELLO_13)
seed("tls", "hello_12", b"\0" + HELLO_12)
seed("tls", "hello_cut", b"\0" + HELLO_13[:70])
seed("tls", "hello_twice", b"\0" + HELLO_13 + HELLO_13)
seed("tls", "hello_too_long", b"\0\x16\3\1\x48\1" + b"\1" * 300)
seed("tls", "smtp", b"\0EHLO client.example\r\n")
seed("tls", "server_hello", b"\1" + SERVER_HELLO)
seed("tls", "server_alert", b"\5" + record(21, b"\2\x28"))
seed("tls", "server_smtp", b"\1220 sink.example ESMTP\r\n")
seed("tls", "forged_13", b"\2" + record(23, b"EHLO client.example\r\n" * 2))
seed("tls", "forged_12", b"\6" + record(23, b"EHLO client.example\r\n" * 2))
seed("tls", "plain_alert", b"\2" + record(21, b"\1\0"))
seed("tls", "unchanged", b"\3")
seed("tls", "changed_content", b"\3\0\x20\1")
seed("tls", "changed_length", b"\7\0\4\1\0\x50\xff")
seed("tls", "changed_later", b"\7\0\x60\x80")

# Connections of a second, and how a kill or a full disk leaves them (docs/stats-format.md).
HEADER, RECORD = struct.Struct("<4sIQI"), struct.Struct("<Q16s6I")
NEVER, BEFORE = 0xFFFFFFFF, 0xFFFFFFFE


def batch(second, *records):
    octets = b"".join(RECORD.pack(*record) for record in records)
    head = HEADER.pack(b"SNKB", len(records), second, crc32c(octets))
    return head + crc32c(head).to_bytes(4, "little") + octets


V4, V6, UNIX = b"\0" * 10 + b"\xff\xff\x7f\0\0\1", b"\x20\1\x0d\xb8" + b"\0" * 11 + b"\1", b"\0" * 16
FIRST = batch(1795248000, (1 << 48, V4, 5, NEVER, 3, 4, 2, 0), (1 << 48 | 1, V6, 7, 900_000, 1, 1, 1, 1))
SECOND = batch(1795248001, (1 << 48, V4, NEVER, 17, 0, 0, 0, 0), (1 << 48 | 2, UNIX, NEVER, BEFORE, 1, 1, 1, 0))
seed("connections", "whole", FIRST + SECOND)
seed("connections", "cut", FIRST + SECOND[:40])
seed("connections", "glued", FIRST[:60] + SECOND)
seed("connections", "noise", b"SNKB" * 20 + SECOND + b"SNK")
seed("connections", "nothing", b"")

# Real logs of senders, and each kind of error.
for path in sorted((ROOT.parent / "tests/logs").iterdir()):
    if path.name not in ("README.md", "expected.txt"):
        seed("sender_log", path.name.replace(".", "_"), path.read_bytes())
KUMOMTA = (ROOT.parent / "tests/logs/kumomta.zst").read_bytes()
seed("sender_log", "zstd_cut", KUMOMTA[:-20])
seed("sender_log", "zstd_window", b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00")
seed("sender_log", "zstd_skippable", b"\x53\x2a\x4d\x18\x02\x00\x00\x00ab" + KUMOMTA)
seed("sender_log", "gzip_cut", (ROOT.parent / "tests/logs/postfix-lmtp.log.1.gz").read_bytes()[:-9])
seed("sender_log", "times", b"250 2.0.0 Ok 10:00\n250 Ok 4294967296:0\n'Ok 1:2', 'Ok 1:3'\n250 Ok 17:3")
seed("sender_log", "noise", b"\xef\xbb\xbf\0\0\r\n\xff 250 2.0.0 Ok 17:3 \xe4@b.example\r\r\n{\"a\":\"Ok 1:2\"")

# Lists of recipients as users export them, and each kind of error.
seed("recipient_list", "plain", b"email,name\nada@example.com,Ada\nbob@example.com,Bob\nada@example.com,Ada\n")
seed("recipient_list", "spreadsheet", b"\xef\xbb\xbf\"Email\";\"name\"\r\n\"\"\"a b\"\"@example.com\";\"Ada\r\nL.\"\r\n\r\n")
seed("recipient_list", "numbers", b"recipient\n000042\n43\n-1\n99999999999999999999\n")
seed("recipient_list", "faults", b"email,name\nAda <ada@example.com>,x\na@b@c,y\n,z\none cell\n\"a\"@example.com,\xfc\n")
seed("recipient_list", "domains", "rcpt_to,name\nada@b\u00fccher.example,x\nada@\u202e.example,y\n".encode())
seed("recipient_list", "open_quote", b"email,name\n\"ada@example.com,Ada\nbob@example.com,Bob\n")
seed("recipient_list", "cr_alone", b"email,name\rada@example.com,Ada\r\nbob@example.com,\"B\rb\"\r\r\n-\r")
seed("recipient_list", "utf_16", "email\nada@example.com\n".encode("utf-16"))

if STALE:
    print("not as it would be made, run fuzz/make_seeds.py:", *STALE, sep="\n", file=sys.stderr)
    sys.exit(1)
