#!/usr/bin/env python3
"""Fills a sink with realistic bulk mail for indexing: newsletters of 4.5 KB, multipart/alternative,
words of a vocabulary of 20,000 by Zipf's law, 3 % with an attachment of 36 KB.

    corpus.py --to 127.0.0.1:1025 --messages 1000000 [--seed 1]

The same seed gives the same mail.
"""
import argparse
import base64
import random
import socket
import sys

TEMPLATES = 2000
IN_FLIGHT = 64


def vocabulary(rng):
    syllables = [c + v for c in "bcdfghklmnprstvwz" for v in ("a", "e", "i", "o", "u", "an", "er")]
    return ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(20_000)]


def template(rng, words, weights, n):
    """Returns a campaign's mail, with {placeholders} for what differs between recipients."""
    text = " ".join(rng.choices(words, cum_weights=weights, k=210))
    lines = [text[i : i + 76] for i in range(0, len(text), 76)]
    html = "".join(f"<p style=3D\"margin:0\">{line}</p>=\r\n" for line in lines)
    subject = " ".join(rng.choices(words, cum_weights=weights, k=6))
    parts = [
        "Content-Type: text/plain; charset=utf-8\r\n\r\n" + "\r\n".join(lines) + "\r\n",
        "Content-Type: text/html; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + html,
    ]
    kind = "alternative"
    if n % 100 < 3:
        data = base64.encodebytes(rng.randbytes(26_600)).replace(b"\n", b"\r\n").decode()
        parts.append(
            f"Content-Type: application/pdf; name=\"offer-{n}.pdf\"\r\n"
            f"Content-Disposition: attachment; filename=\"offer-{n}.pdf\"\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n" + data
        )
        kind = "mixed"
    body = "".join(f"--b{n}\r\n{part}" for part in parts) + f"--b{n}--\r\n"
    head = (
        f"From: Shop {n % 50} <news@shop{n % 50}.example>\r\n"
        "To: %TO%\r\nMessage-ID: <%ID%@mailer.example>\r\n"
        "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
        f"Subject: {subject}\r\nX-Sequence: %NUMBER%\r\n"
        "List-Unsubscribe: <https://shop.example/u/%ID%>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary=\"b{n}\"\r\n\r\n"
    )
    return f"news@shop{n % 50}.example", head, body.encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    words = vocabulary(rng)
    total, weights = 0.0, []
    for rank in range(len(words)):
        total += 1 / (rank + 1)
        weights.append(total)
    templates = [template(rng, words, weights, n) for n in range(TEMPLATES)]
    host, port = args.to.rsplit(":", 1)
    stream = socket.create_connection((host, int(port)))
    replies = stream.makefile("rb")

    def expect(code):
        while True:
            line = replies.readline()
            if not line.startswith(code):
                sys.exit(f"expected {code}, found {line!r}")
            if line[3:4] == b" ":
                return

    expect(b"220")
    stream.sendall(b"EHLO corpus.example\r\n")
    expect(b"250")
    owed = 0
    for number in range(args.messages):
        sender, head, body = templates[rng.randrange(TEMPLATES)]
        to = f"user{rng.randrange(10_000_000)}@domain{int(rng.random() ** 3 * 5000)}.example"
        ident = f"{rng.getrandbits(64):016x}"
        head = head.replace("%TO%", to).replace("%ID%", ident).replace("%NUMBER%", str(number))
        message = head.encode() + body
        stream.sendall(
            f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nBDAT {len(message)} LAST\r\n".encode()
            + message
        )
        owed += 1
        if owed == IN_FLIGHT or number + 1 == args.messages:
            for _ in range(3 * owed):
                expect(b"250")
            owed = 0
    stream.sendall(b"QUIT\r\n")
    expect(b"221")


if __name__ == "__main__":
    main()
