"""`sinkctl audit` compared with the logs of Postfix and Exim, and on a million recipients."""
import csv
import io
import os
import re
import subprocess
import tempfile

from clients.by_relay import by_exim, by_postfix, submit, wait_until
from sink import Sink

# The recipient field of a delivery line, and the path of each log in the scratch folder.
RELAYS = [(by_postfix, "log", "status=sent"), (by_exim, "log/mainlog", " C=\"250 ")]
LOST = "lost@example.net"


def relayed(relay, sink, scratch, log, mark):
    """Returns the recipients, each once, and the lines of the log."""
    path = os.path.join(scratch, log)

    def lines():
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines(keepends=True)

    def submit_and_wait(port):
        sent = submit(port)
        recipients = sum(len(one.recipients) for one in sent)
        wait_until(lambda: sum(mark in line for line in lines()) == recipients, "the log has all deliveries")
        return sent

    sent = relay(sink, scratch, submit=submit_and_wait)
    return [recipient for one in sent for recipient in one.recipients], lines()


def audit(sink, recipients, lines):
    """Returns the exit code, and the fault and recipient of each offender."""
    expected, log = f"{sink.data}.csv", f"{sink.data}.log"
    with open(expected, "w", encoding="utf-8") as file:
        file.writelines(["email\n", *(f"{recipient}\n" for recipient in recipients)])
    with open(log, "w", encoding="utf-8") as file:
        file.writelines(lines)
    done = subprocess.run(
        [os.path.join(sink.programs, "sinkctl"), "--data", sink.data, "audit", "--expect", expected, "--sender-log", log,
         "--csv"], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, [(row["fault"], row["recipient"]) for row in csv.DictReader(io.StringIO(done.stdout))]


def named(recipients, line):
    """Returns the recipient that a line is about."""
    return next(recipient for recipient in recipients if re.search(rf"[ <]{re.escape(recipient)}\b", line))


def check(relay, log, mark, programs):
    sink = Sink(programs)
    try:
        with tempfile.TemporaryDirectory(prefix="sinkd-audit-") as scratch:
            recipients, lines = relayed(relay, sink, scratch, log, mark)
        found = audit(sink, recipients, lines)
        if found != (0, []):
            return len(recipients), f"{relay.__doc__}: {found}"
        # One address that the relay's log reports as delivered, and one that it does not contain.
        delivered = [n for n, line in enumerate(lines) if mark in line]
        first, last = delivered[0], delivered[-1]
        forged = lines[first].replace(named(recipients, lines[first]), LOST)
        forged = re.sub(r"Ok \d+:\d+", "Ok 9:99", forged)
        found = audit(sink, recipients, [*lines[:last], *lines[last + 1:], forged])
        expected = (1, [("only_in_log", LOST), ("not_in_log", named(recipients, lines[last]))])
        return len(recipients), None if found == expected else f"{relay.__doc__}: {found}, expected {expected}"
    finally:
        sink.kill()


def audits_agree_with_relays(programs):
    """sinkctl audit agrees with the logs of Postfix and Exim"""
    count = 0
    for relay, log, mark in RELAYS:
        recipients, problem = check(relay, log, mark, programs)
        count += recipients
        if problem:
            return count, problem
    return count, None


MILLION = 1_000_000
PLANTED = ["--missing", "17,500000,999999", "--doubled", "3,4,700000,700001", "--swapped", "10:900000",
           "--unexpected", "stranger@example.org"]


def generated(folder, *faults):
    """Writes a campaign of a million messages with tools/segments."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    segments = os.path.join(root, "tools/segments")
    # In the folder of all builds, so that a second run compiles nothing.
    environment = os.environ | {"CARGO_TARGET_DIR": os.path.join(root, "target")}
    command = ["cargo", "run", "--quiet", "--locked", "--profile", "ci", "--", folder, "--messages", str(MILLION), *faults]
    subprocess.run(command, cwd=segments, env=environment, check=True, stdout=subprocess.DEVNULL)


def audit_of(programs, folder, expected, *args):
    command = [os.path.join(programs, "sinkctl"), "--data", folder, "audit", "--expect", expected, "--must-contain", "name",
               "--csv", *args]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.returncode, done.stdout


def faults_in_a_million_are_found(programs):
    """sinkctl audit finds the faults in a million recipients"""
    def user(*numbers):
        return [f"user{number:010}@example.com" for number in numbers]

    planted = {"missing": user(17, 500000, 999999), "repeated": user(3, 4, 700000, 700001),
               "unexpected": ["stranger@example.org"], "wrong_person": user(10, 900000)}
    with tempfile.TemporaryDirectory(prefix="sinkd-audit-") as scratch:
        faulty, whole = os.path.join(scratch, "faulty"), os.path.join(scratch, "whole")
        generated(faulty, *PLANTED)
        code, out = audit_of(programs, faulty, f"{faulty}.csv")
        found = {}
        for row in csv.DictReader(io.StringIO(out)):
            found.setdefault(row["fault"], []).append(row["recipient"])
        if (code, found) != (1, planted):
            return MILLION, f"exit code {code}, {found}"
        if audit_of(programs, faulty, f"{faulty}.csv", "--memory", "8M") != (code, out):
            return MILLION, "another answer with less memory"
        if audit_of(programs, faulty, os.devnull)[0] != 2:
            return MILLION, "an empty list is conclusive"
        generated(whole)
        code, out = audit_of(programs, whole, f"{whole}.csv")
        return MILLION, None if (code, out.count("\n")) == (0, 1) else f"without faults: {code}, {out}"
