"""Command-line programs: swaks, msmtp, curl, and Postfix's smtp-source."""
import os
import subprocess

from corpus import BODIES, Sent


def write(scratch, name, octets):
    path = os.path.join(scratch, name)
    with open(path, "wb") as file:
        file.write(octets)
    return path


def with_lf(octets):
    """Writes the message for a program that adds the last line end itself."""
    return octets.removesuffix(b"\r\n").replace(b"\r\n", b"\n")


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, **options)


def by_swaks(sink, scratch):
    """swaks"""
    sent = []
    for name, octets in BODIES.items():
        if name == "last-dot":
            continue  # swaks takes a last line of a single dot for the end of data
        path = write(scratch, name, with_lf(octets))
        sender, recipients = "swaks@example.org", [f"{name}@example.com", "two@example.com"]
        run("swaks", "--server", "127.0.0.1", "--port", str(sink.port), "--ehlo", "client.example",
            "--from", sender, "--to", ",".join(recipients), "--data", "@" + path, "--silent", "2")
        sent.append(Sent(sender, recipients, octets))
    return sent


def by_msmtp(sink, scratch):
    """msmtp"""
    sent = []
    for name, octets in BODIES.items():
        path = write(scratch, name, octets.replace(b"\r\n", b"\n"))
        sender, recipients = "msmtp@example.org", [f"{name}@example.com", "two@example.com"]
        with open(path, "rb") as file:
            run("msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={sink.port}",
                "--tls=off", "--auth=off", f"--from={sender}", "--set-from-header=off",
                "--set-date-header=off", "--set-msgid-header=off", "--", *recipients, stdin=file)
        sent.append(Sent(sender, recipients, octets))
    return sent


def by_curl(sink, scratch):
    """curl"""
    sent = []
    for name, octets in BODIES.items():
        path = write(scratch, name, octets)
        sender, recipients = "curl@example.org", [f"{name}@example.com", "two@example.com"]
        run("curl", "--silent", "--show-error", f"smtp://127.0.0.1:{sink.port}/client.example",
            "--mail-from", sender, "--mail-rcpt", recipients[0], "--mail-rcpt", recipients[1],
            "--upload-file", path)
        sent.append(Sent(sender, recipients, octets))
    return sent


def by_smtp_source(sink, scratch):
    """Postfix's smtp-source: 1000 messages over 20 sessions"""
    path = write(scratch, "source", with_lf(BODIES["dots"]))
    run("smtp-source", "-s", "20", "-m", "1000", "-N", "-r", "2", "-f", "source@example.org",
        "-t", "to@example.com", "-F", path, f"inet:127.0.0.1:{sink.port}")
    # It adds another line end to the last line of the file.
    octets = BODIES["dots"] + b"\r\n"
    # With -N each recipient gets its own number as a prefix; smtp-source chooses which are sent
    # together.
    stored = sink.messages()
    recipients = sorted(r for _, together, _ in stored for r in together)
    assert len(set(recipients)) == 2000, "each recipient once"
    return [Sent("source@example.org", together, octets) for _, together, _ in stored]


CLIENTS = [by_swaks, by_msmtp, by_curl, by_smtp_source]
