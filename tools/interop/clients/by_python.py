"""smtplib and aiosmtplib."""
import asyncio
import smtplib

from corpus import BODIES, Sent


def by_smtplib(sink, _scratch):
    """Python smtplib, one connection"""
    sent = []
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
        client.ehlo("client.example")
        for n, (name, octets) in enumerate(BODIES.items()):
            sender = "" if name == "plain" else f"sender{n}@example.org"
            recipients = [f"first{n}@example.com", f"\"second {n}\"@example.com"]
            client.sendmail(sender, recipients, octets, ["BODY=8BITMIME"])
            sent.append(Sent(sender, recipients, octets))
    return sent


def by_smtplib_reconnecting(sink, _scratch):
    """Python smtplib, one connection per message"""
    sent = []
    for n in range(20):
        octets = b"Subject: %d\r\n\r\n%d\r\n" % (n, n)
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
            client.sendmail("sender@example.org", [f"r{n}@example.com"], octets)
        sent.append(Sent("sender@example.org", [f"r{n}@example.com"], octets))
    return sent


def by_aiosmtplib(sink, _scratch):
    """aiosmtplib, 8 connections at a time"""
    import aiosmtplib

    sent = []

    async def worker(number):
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=sink.port, timeout=30)
        async with client:
            for name, octets in BODIES.items():
                sender, recipients = f"w{number}@example.org", [f"{name}@example.com"] * 2
                await client.sendmail(sender, recipients, octets)
                sent.append(Sent(sender, recipients, octets))

    async def run():
        await asyncio.gather(*(worker(number) for number in range(8)))

    asyncio.run(run())
    return sent


def by_lmtp(sink, _scratch):
    """Python smtplib.LMTP, over TCP and over a Unix socket"""
    sent = []
    for host, port in (("127.0.0.1", sink.lmtp_port), (sink.socket, 0)):
        with smtplib.LMTP(host, port) as client:
            for n, (name, octets) in enumerate(BODIES.items()):
                # One recipient: smtplib reads only one reply, while RFC 2033 requires one per
                # recipient.
                client.sendmail(f"l{n}@example.org", [f"{name}@example.com"], octets)
                sent.append(Sent(f"l{n}@example.org", [f"{name}@example.com"], octets))
    return sent


by_lmtp.options = ("--listen", "lmtp:127.0.0.1:0", "--listen", "lmtp:unix:{socket}")

CLIENTS = [by_lmtp, by_smtplib, by_smtplib_reconnecting, by_aiosmtplib]
