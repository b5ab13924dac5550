"""Searching real mail: messages written by Python's email package are found by content, and a wait ends
soon after the 250."""
import email.message
import email.utils
import os
import smtplib
import statistics
import subprocess
import time

from sink import Sink

WAITS = 50
# A wait that misses this is broken, not slow: the machine may be busy.
SECONDS_MAX = 1

# Query, and the names of the messages that it finds.
QUERIES = [
    ("", {"plain", "encoded", "cjk", "attachment", "html"}),
    ("from:ann@example.org", {"plain", "cjk"}),
    ("to:example.com", {"plain", "encoded", "attachment", "html"}),
    ("to:@example.net", {"cjk"}),
    ("subject:gruesse", set()),
    ("subject:grusse", {"encoded"}),
    ("GRÜßE", {"encoded", "html"}),
    ("subject:\u6ce8\u6587", {"cjk"}),
    ("body:\u767a\u9001", {"cjk"}),
    ("body:\"thank you\"", {"plain", "attachment"}),
    ("filename:\u8acb\u6c42\u66f8", {"attachment"}),
    ("filename:.pdf has:attachment", {"attachment"}),
    ("-has:attachment -from:ann@example.org", {"encoded", "html"}),
    ("style", set()),
    ("header:X-Campaign=spring", {"plain", "encoded", "cjk", "attachment", "html"}),
    ("message-id:<html@client.example>", {"html"}),
]


def mail(name, sender, recipient, subject, text):
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, recipient, subject
    made["Message-ID"] = f"<{name}@client.example>"
    made["X-Campaign"] = "spring sale"
    made.set_content(text)
    return made


def mails():
    """Returns the mails by name, each with an envelope that matches its header."""
    found = {
        "plain": mail("plain", "Ann <ann@example.org>", "bob@example.com", "Order 4711",
                      "Dear Bob,\n\nthank\nyou!\n.\n..x\n"),
        "encoded": mail("encoded", "Jörg <joerg@example.org>", "Zoë <zoe@mail.example.com>",
                        "Viele Grüße aus Köln " * 5, "Nur Text.\n"),
        "cjk": mail("cjk", "ann@example.org", "山田 <yamada@example.net>",
                    "ご注文の確認", "商品を発送いたしました。\n"),
        "attachment": mail("attachment", "shop@example.org", "bob@example.com", "Your invoice",
                           "Thank you for your order.\n"),
        "html": mail("html", "shop@example.org", "bob@example.com", "News", "plain\n"),
    }
    found["attachment"].add_attachment(b"%PDF-1.4" * 1000, maintype="application", subtype="pdf",
                                       filename="請求書.pdf")
    found["html"].add_alternative(
        "<html><style>.style{}</style><p>Viele <b>Gr&uuml;&szlig;e</b></p></html>", subtype="html")
    return {name: octets_of(made) for name, made in found.items()}


def octets_of(made):
    return made.as_bytes(policy=made.policy.clone(linesep="\r\n"))


def send(client, octets):
    """Sends the message with the addresses of its header as the envelope."""
    header = email.message_from_bytes(octets)
    address = lambda field: email.utils.parseaddr(header[field])[1]  # noqa: E731
    client.sendmail(address("From"), [address("To")], octets)


def search(sink, *args):
    """Returns the output of sinkctl; exit code 1 means that nothing was found."""
    run = subprocess.run([os.path.join(sink.programs, "sinkctl"), "--data", sink.data, "search",
                          *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode not in (0, 1):
        raise AssertionError(f"search {args}: {run.stdout.decode()}")
    return run.stdout.decode()


def finds(sink, sent):
    """Returns the unexpected and missing results of a query, or None."""
    for query, expected in QUERIES:
        ids = search(sink, "--ids", query).split()
        stored = [sink.ctl("cat", message_id) for message_id in ids]
        found = {name for name, octets in sent.items() if octets in stored}
        if found != expected or len(ids) != len(expected):
            return f"'{query}' finds {sorted(found)} ({len(ids)}), not {sorted(expected)}"
    # All messages, oldest first.
    ids = "\n".join(reversed(search(sink, "--ids").split()))
    cat = [os.path.join(sink.programs, "sinkctl"), "--data", sink.data, "cat"]
    octets = subprocess.run(["xargs", "-n", "1", *cat], input=ids.encode(), check=True,
                            stdout=subprocess.PIPE).stdout
    return None if octets == b"".join(sent.values()) else "search --ids | xargs sinkctl cat differs"


def waits(sink, client):
    """Returns the seconds from the 250 to the end of a running wait."""
    seconds = []
    for number in range(WAITS):
        waiting = subprocess.Popen(
            [os.path.join(sink.programs, "sinkctl"), "--data", sink.data, "wait",
             f"body:secret{number}", "--timeout", "30s"], stdout=subprocess.DEVNULL)
        # The wait has begun once it has opened a segment; whether it has is unknown here.
        time.sleep(0.05)
        code = mail(f"wait{number}", "a@example.org", "b@example.com", "Code",
                    f"Your code is secret{number}.\n")
        send(client, octets_of(code))
        sent = time.monotonic()
        if waiting.wait(60):
            raise AssertionError(f"wait for number {number} ended with {waiting.returncode}")
        seconds.append(time.monotonic() - sent)
    return seconds


def searching_finds(programs):
    """search finds real mail by content, and wait ends soon after the 250"""
    for index in ("eager", "off"):
        sink, sent = Sink(programs, "--index", index), mails()
        try:
            with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
                for octets in sent.values():
                    send(client, octets)
                problem = finds(sink, sent)
                if problem:
                    return len(sent), f"--index {index}: {problem}"
                seconds = waits(sink, client)
            print(f"     wait, --index {index}: median {statistics.median(seconds) * 1000:.0f} ms, "
                  f"max {max(seconds) * 1000:.0f} ms after the 250")
            if max(seconds) > SECONDS_MAX:
                return len(sent), f"a wait ended {max(seconds):.1f} s after the 250"
        finally:
            sink.kill()
    return 2 * (len(sent) + WAITS), None
