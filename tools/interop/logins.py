"""Senders that authenticate: each with each of its mechanisms, with a correct and a wrong password."""
import json
import os
import smtplib
import subprocess

from sink import Sink

HERE = os.path.dirname(os.path.abspath(__file__))
USER, GOOD, BAD = "ann", "s3cr3t of ann", "wrong"
MAIL = b"Subject: x\r\n\r\nx\r\n"


def run(*command, text=MAIL):
    """Returns whether the command reports its message as accepted."""
    done = subprocess.run(command, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=60, check=False)
    return done.returncode == 0


def by_swaks(port, mechanism, password):
    return run("swaks", "--server", "127.0.0.1", "--port", port, "--from", "swaks@example.org",
               "--to", "two@example.com", "--auth", mechanism, "--auth-user", USER,
               "--auth-password", password)


def by_msmtp(port, mechanism, password):
    return run("msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={port}", "--tls=off",
               f"--auth={mechanism.lower()}", f"--user={USER}", f"--passwordeval=echo '{password}'",
               "--from=msmtp@example.org", "--", "two@example.com")


def by_curl(port, mechanism, password):
    secret = (["--user", USER, "--oauth2-bearer", password] if mechanism == "XOAUTH2"
              else ["--user", f"{USER}:{password}"])
    return run("curl", "--silent", f"smtp://127.0.0.1:{port}", "--login-options", f"AUTH={mechanism}",
               *secret, "--mail-from", "curl@example.org", "--mail-rcpt", "two@example.com",
               "--upload-file", "-")


def by_smtplib(port, mechanism, password):
    with smtplib.SMTP("127.0.0.1", int(port), timeout=60) as client:
        client.ehlo()
        client.user, client.password = USER, password
        method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
        try:
            client.auth(mechanism, method)
            client.sendmail("smtplib@example.org", ["two@example.com"], MAIL)
        except smtplib.SMTPException:
            return False
    return True


def by_nodemailer(port, mechanism, password):
    return run("node", os.path.join(HERE, "clients", "login.cjs"), port, mechanism, USER, password)


def by_phpmailer(port, mechanism, password):
    return run("php", os.path.join(HERE, "clients", "login.php"), port, mechanism, USER, password)


PASSWORDS = ["PLAIN", "LOGIN", "CRAM-MD5"]
SENDERS = [(by_swaks, PASSWORDS), (by_msmtp, PASSWORDS), (by_curl, [*PASSWORDS, "XOAUTH2"]),
           (by_smtplib, PASSWORDS), (by_nodemailer, [*PASSWORDS, "XOAUTH2"]),
           (by_phpmailer, PASSWORDS)]


def senders_log_in(programs):
    """senders authenticate, and fail with a wrong password"""
    sink = Sink(programs, "--auth-required", "on", "--auth-users", "{socket}.users", prepare=write_users)
    expected = []
    try:
        for send, mechanisms in SENDERS:
            for mechanism in mechanisms:
                name = f"{send.__name__} {mechanism}"
                if not send(str(sink.port), mechanism, GOOD):
                    return len(expected), f"{name}: not accepted with the right password"
                if send(str(sink.port), mechanism, BAD):
                    return len(expected), f"{name}: accepted with a wrong password"
                expected.append((mechanism, USER))
        rows = [json.loads(line) for line in sink.ctl("ls", "--json").splitlines()]
        found = [(row["auth"], row["user"]) for row in rows]
        if sorted(found) != sorted(expected):
            return len(expected), f"logins {found}, expected {expected}"
        sink.stop()
        replies = json.loads(sink.ctl("stats", "--json"))["replies"]
        refused = sum(count for reply, count in replies.items() if reply.startswith("535"))
        if refused < len(expected):
            return len(expected), f"{refused} replies of 535 for {len(expected)} wrong passwords"
        return len(expected), None
    finally:
        sink.kill()


def write_users(socket):
    """Writes the list of users to the path in the options."""
    path = socket + ".users"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{USER}:{GOOD}\n")
