"""Libraries of other languages, each driven by a script next to this file."""
import json
import os
import subprocess

from corpus import BODIES, Sent

HERE = os.path.dirname(os.path.abspath(__file__))


def run_script(program, script, sink, scratch, *options, env=None):
    """Runs the script with the corpus as files; it prints the messages it sent, as JSON."""
    for name, octets in BODIES.items():
        with open(os.path.join(scratch, name + ".eml"), "wb") as file:
            file.write(octets)
    done = subprocess.run(
        [program, os.path.join(HERE, script), str(sink.port), scratch, *options],
        check=True, stdout=subprocess.PIPE, timeout=120, env={**os.environ, **(env or {})})
    sent = []
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        octets = entry.get("octets", "").encode() or BODIES[entry["name"]]
        sent.append(Sent(entry["from"], entry["to"], octets))
    return sent


def by_nodemailer(sink, scratch):
    """nodemailer with its defaults: one connection per message"""
    return run_script("node", "nodemailer.cjs", sink, scratch, "single")


def by_nodemailer_pooled(sink, scratch):
    """nodemailer, pooled"""
    return run_script("node", "nodemailer.cjs", sink, scratch, "pool")


def by_phpmailer(sink, scratch):
    """PHPMailer, keeping its connection"""
    return run_script("php", "phpmailer.php", sink, scratch)


def by_net_smtp(sink, scratch):
    """Perl Net::SMTP"""
    return run_script("perl", "net_smtp.pl", sink, scratch)


CLIENTS = [by_nodemailer, by_nodemailer_pooled, by_phpmailer, by_net_smtp]
