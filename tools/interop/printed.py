"""The output of `sinkctl cert --for SENDER`, used by that sender unchanged."""
import os
import shlex
import smtplib
import ssl
import subprocess
import tempfile

from encrypted import IMPLICIT, MAIL, STARTTLS, TlsSink, exim, postfix, relay_one, run

HERE = os.path.dirname(os.path.abspath(__file__))


def by_swaks(lines, port, _scratch):
    command = shlex.split(lines[0])[:-1]
    run(*command, "--server", "localhost", "--port", str(port), "--from", "swaks@example.org", "--to",
        "two@example.com")


def by_curl(lines, port, _scratch):
    command = shlex.split(lines[0])[:-1]
    to = [] if command[-1].startswith("smtps://") else [f"smtp://localhost:{port}"]
    run(*command, "--silent", *to, "--mail-from", "curl@example.org", "--mail-rcpt",
        "two@example.com", "--upload-file", "-")


def by_openssl(lines, _port, _scratch):
    command = shlex.split(lines[0])
    dialogue = (b"EHLO c\r\nMAIL FROM:<openssl@example.org>\r\nRCPT TO:<two@example.com>\r\nDATA\r\n" + MAIL
                + b".\r\nQUIT\r\n")
    run(*command, "-quiet", "-ign_eof", text=dialogue)


def by_msmtp(lines, port, scratch):
    path = os.path.join(scratch, "msmtprc")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(["account sink", "host localhost", f"port {port}", "from msmtp@example.org", *lines, ""]))
    run("msmtp", "--file", path, "-a", "sink", "--", "two@example.com")


def by_smtplib(lines, port, _scratch):
    names = {"host": "localhost", "port": port, "smtplib": smtplib, "ssl": ssl}
    if not lines[0].startswith("smtp = "):
        names["smtp"] = smtplib.SMTP("localhost", port, timeout=60)
    exec(lines[0], names)  # pylint: disable=exec-used
    smtp = names["smtp"]
    smtp.sendmail("smtplib@example.org", ["two@example.com"], MAIL)
    smtp.quit()


def by_script(name, program):
    """A sender whose script has a placeholder for the lines."""
    def send(lines, port, scratch):
        with open(os.path.join(HERE, "clients", name), encoding="utf-8") as file:
            text = file.read().replace("LINES", "\n".join(lines))
        path = os.path.join(scratch, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        run(program, path, str(port))
    send.__name__ = f"by_{name}"
    return send


SENDERS = {
    "swaks": by_swaks, "curl": by_curl, "openssl": by_openssl, "msmtp": by_msmtp, "smtplib": by_smtplib,
    "nodemailer": by_script("printed.cjs", "node"), "phpmailer": by_script("printed.php", "php"),
}


def with_lines(begin, name, old):
    """A relay whose configuration has `old` replaced by the printed lines."""
    def configured(scratch, port, sink, mode, ca):
        command = begin(scratch, port, sink, mode, ca)
        path = os.path.join(scratch, name)
        with open(path, encoding="utf-8") as file:
            text = "".join(line for line in file if not line.strip().startswith(old))
        lines = configured.lines
        if name == "exim.conf":
            text = text.replace("  driver = smtp\n", "  driver = smtp\n" + "".join(f"  {line}\n" for line in lines))
        else:
            text += "\n".join(lines) + "\n"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return command
    configured.__name__ = begin.__name__
    return configured


RELAYS = {
    "postfix": with_lines(postfix, "main.cf", ("smtp_tls_CAfile", "smtp_tls_security", "smtp_tls_secure", "smtp_tls_wrapper")),
    "exim": with_lines(exim, "exim.conf", ("hosts_require_tls", "tls_verify", "protocol = smtps")),
}


def lines_for(sink, name, mode):
    """Returns the lines that sinkctl cert prints for a sender, with a copy of the CA that relay users can read."""
    way = ["--smtps"] if mode == IMPLICIT else []
    printed = sink.ctl("cert", "--for", name, *way).decode()
    return printed.replace(os.path.join(sink.data, "tls", "ca.pem"), sink.ca).splitlines()


def printed_lines_work(programs):
    """the lines that sinkctl cert prints for senders work"""
    sink = TlsSink(programs)
    accepted = 0
    try:
        for mode in (STARTTLS, IMPLICIT):
            for name, send in SENDERS.items():
                with tempfile.TemporaryDirectory(prefix="sinkd-printed-") as scratch:
                    send(lines_for(sink, name, mode), sink.port_of(mode), scratch)
                if sink.count() != accepted + 1:
                    return accepted, f"{name}, {mode}: no message with the printed lines"
                accepted += 1
            for name, begin in RELAYS.items():
                begin.lines = lines_for(sink, name, mode)
                relay_one(begin, sink, mode, None, lambda: sink.count() > accepted)
                accepted += 1
        if sink.count_under_tls() != accepted:
            return accepted, f"{sink.count_under_tls()} messages under TLS, expected {accepted}"
        return accepted, None
    except (AssertionError, subprocess.SubprocessError, smtplib.SMTPException, OSError) as problem:
        return accepted, f"{type(problem).__name__}: {problem}"
    finally:
        sink.kill()
