"""Senders that use TLS: each with STARTTLS and with implicit TLS, with the CA and without."""
import json
import os
import pwd
import re
import shutil
import smtplib
import ssl
import subprocess
import tempfile

from clients.by_relay import EXIM, POSTFIX_MAIN, POSTFIX_MASTER, free_port, listens, wait_until
import segdump
from sink import Sink

HERE = os.path.dirname(os.path.abspath(__file__))
MAIL = b"Subject: x\r\n\r\nx\r\n"
# CAs that did not sign the certificate.
OTHERS = "/etc/ssl/certs/ca-certificates.crt"
STARTTLS, IMPLICIT = "STARTTLS", "TLS from the first byte"


def run(*command, text=MAIL):
    subprocess.run(command, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=60, check=False)


def by_openssl(port, mode, ca):
    dialogue = (b"EHLO openssl.example\r\nMAIL FROM:<openssl@example.org>\r\nRCPT TO:<two@example.com>\r\n"
                b"DATA\r\n" + MAIL + b".\r\nQUIT\r\n")
    starttls = ["-starttls", "smtp"] if mode == STARTTLS else []
    run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *starttls, "-quiet", "-ign_eof",
        "-verify_return_error", "-x509_strict", "-verify_hostname", "localhost",
        *(["-CAfile", ca] if ca else ["-no-CAfile", "-no-CApath"]), text=dialogue)


def by_smtplib(port, mode, ca):
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        if mode == STARTTLS:
            client = smtplib.SMTP("localhost", port, timeout=60)
            client.starttls(context=context)
        else:
            client = smtplib.SMTP_SSL("localhost", port, context=context, timeout=60)
        client.sendmail("smtplib@example.org", ["two@example.com"], MAIL)
        client.quit()
    except (ssl.SSLError, smtplib.SMTPException):
        pass


def by_nodemailer(port, mode, ca):
    run("node", os.path.join(HERE, "clients", "encrypted.cjs"), str(port), mode, ca or "")


def by_phpmailer(port, mode, ca):
    run("php", os.path.join(HERE, "clients", "encrypted.php"), str(port), mode, ca or "")


def by_net_smtp(port, mode, ca):
    run("perl", os.path.join(HERE, "clients", "encrypted.pl"), str(port), mode, ca or "")


def by_swaks(port, mode, ca):
    run("swaks", "--server", "localhost", "--port", str(port), "--from", "swaks@example.org", "--to",
        "two@example.com", "--tls" if mode == STARTTLS else "--tls-on-connect", "--tls-verify",
        *(["--tls-ca-path", ca] if ca else []))


def by_msmtp(port, mode, ca):
    trust = ca or OTHERS
    run("msmtp", "--file=/dev/null", "--host=localhost", f"--port={port}", "--tls=on",
        f"--tls-starttls={'on' if mode == STARTTLS else 'off'}", f"--tls-trust-file={trust}",
        "--from=msmtp@example.org", "--", "two@example.com")


def by_curl(port, mode, ca):
    scheme = ["--ssl-reqd", f"smtp://localhost:{port}"] if mode == STARTTLS else [f"smtps://localhost:{port}"]
    run("curl", "--silent", *scheme, *(["--cacert", ca] if ca else []), "--mail-from", "curl@example.org",
        "--mail-rcpt", "two@example.com", "--upload-file", "-")


SENDERS = [by_openssl, by_smtplib, by_nodemailer, by_phpmailer, by_net_smtp, by_swaks, by_msmtp, by_curl]


class TlsSink(Sink):
    """A sinkd with STARTTLS and implicit TLS, and its CA in a place that every user can read."""

    def __init__(self, programs, *options):
        super().__init__(programs, "--tls", "offered", "--hostname", "sink.example",
                         "--listen", "smtps:127.0.0.1:0", *options)
        self.ca = os.path.join(self.folder.name, "ca.pem")
        shutil.copy(os.path.join(self.data, "tls", "ca.pem"), self.ca)
        os.chmod(self.ca, 0o644)
        os.chmod(self.folder.name, 0o755)

    def port_of(self, mode):
        return self.port if mode == STARTTLS else self.tls_port

    def count_under_tls(self):
        return len(self.ctl("search", "has:tls", "--json").splitlines())

    def compare_readers(self):
        """Returns how sinkctl and segdump.py differ on the TLS of a message, or None."""
        ours = [json.loads(line)["tls"] for line in self.ctl("ls", "--json").splitlines()]
        slots = segdump.Folder(self.data).messages()
        theirs = [segdump.envelope_of(slot.record()[0])["tls"] for slot in slots]
        return None if ours == theirs else f"sinkctl {ours}, segdump {theirs}"

    def tries(self):
        """Returns the number of completed handshakes and of failures."""
        totals = json.loads(self.ctl("stats", "--json"))["totals"]
        return totals["tls_handshakes"] + totals["tls_failed"]

    def failures(self):
        """Returns the TLS failures by kind. The current second must be over."""
        counters = json.loads(self.ctl("stats", "--json"))["counters"]
        return {name.removeprefix("tls_failed_"): count for name, count in counters.items()
                if name.startswith("tls_failed_")}


def senders_use_tls(programs):
    """senders that verify the certificate, with STARTTLS and with implicit TLS"""
    return use_tls(programs, SENDERS)


def use_tls(programs, senders):
    """Has each of `senders` send in both ways, with the CA and without. At least half of those without say why
    they refuse, by an alert, and each is counted."""
    sink = TlsSink(programs)
    accepted = 0
    try:
        for send in senders:
            for mode in (STARTTLS, IMPLICIT):
                send(sink.port_of(mode), mode, sink.ca)
                if sink.count() != accepted + 1:
                    return accepted, f"{send.__name__}: no message with the CA, {mode}"
                accepted += 1
                send(sink.port_of(mode), mode, None)
                if sink.count() != accepted:
                    return accepted, f"{send.__name__}: a message without the CA, {mode}"
        problem = sink.compare_readers()
        if problem:
            return accepted, problem
        under_tls = sink.count_under_tls()
        if under_tls != accepted:
            return accepted, f"{under_tls} messages under TLS, expected {accepted}"
        for version in ("-tls1", "-tls1_1"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{sink.tls_port}", version,
                                   "-cipher", "DEFAULT@SECLEVEL=0"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                return accepted, f"openssl {version}: accepted"
        sink.stop()
        failures = sink.failures()
        # Clients that state the reason in an alert: OpenSSL and programs built on it, and GnuTLS.
        told = sum(failures.get(kind, 0) for kind in ("unknown_ca", "bad_certificate", "certificate_unknown"))
        if told < len(senders) or failures.get("no_common_version", 0) != 2:
            return accepted, f"failures by kind: {failures}"
        return accepted, None
    finally:
        sink.kill()


POSTFIX_TLS = """
relayhost = [localhost]:{port}
smtp_host_lookup = native
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = hostname
smtp_tls_CAfile = {ca}
smtp_tls_wrappermode = {wrapper}
"""


def postfix(scratch, port, sink, mode, ca):
    with open(os.path.join(scratch, "main.cf"), "w", encoding="utf-8") as file:
        file.write(POSTFIX_MAIN.format(scratch=scratch, sink=0).replace("relayhost = [127.0.0.1]:0\n", ""))
        wrapper = "no" if mode == STARTTLS else "yes"
        file.write(POSTFIX_TLS.format(port=sink.port_of(mode), ca=ca or OTHERS, wrapper=wrapper))
    with open(os.path.join(scratch, "master.cf"), "w", encoding="utf-8") as file:
        file.write(POSTFIX_MASTER.format(port=port))
    for name in ("spool", "state"):
        os.mkdir(os.path.join(scratch, name))
    shutil.chown(os.path.join(scratch, "state"), "postfix")
    return ["postfix", "-c", scratch, "start-fg"]


def exim(scratch, port, sink, mode, ca):
    config = os.path.join(scratch, "exim.conf")
    more = f"  hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = {ca or OTHERS}\n"
    if mode == IMPLICIT:
        more += "  protocol = smtps\n"
    text = EXIM.format(scratch=scratch, port=port, sink=sink.port_of(mode))
    text = text.replace("  hosts_try_chunking = *\n", more).replace("route_list = * 127.0.0.1", "route_list = * localhost byname")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    user = pwd.getpwnam("Debian-exim")
    for name in ("spool", "log"):
        os.mkdir(os.path.join(scratch, name))
        os.chown(os.path.join(scratch, name), user.pw_uid, user.pw_gid)
    return [os.environ.get("EXIM", "exim4"), "-C", config, "-bdf"]


def relay_one(begin, sink, mode, ca, is_done):
    """Starts a relay, submits a message to it, and waits until `is_done`."""
    with tempfile.TemporaryDirectory(prefix="sinkd-relay-") as scratch:
        os.chmod(scratch, 0o755)
        port = free_port()
        command = begin(scratch, port, sink, mode, ca)
        with open(os.path.join(scratch, "out"), "wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            wait_until(lambda: listens(port) or process.poll() is not None, "the relay listens")
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
                client.sendmail("relay@example.org", ["two@example.com"], MAIL)
            wait_until(is_done, f"{begin.__name__}, {mode}: the relay has tried")
        finally:
            process.terminate()
            process.wait(30)


def relays_require_tls(programs):
    """Postfix and Exim with TLS required"""
    accepted = 0
    for begin in (postfix, exim):
        for mode in (STARTTLS, IMPLICIT):
            sink = TlsSink(programs)
            try:
                relay_one(begin, sink, mode, sink.ca, lambda sink=sink: sink.count() == 1)
                if sink.count_under_tls() != 1:
                    return accepted, f"{begin.__name__}, {mode}: not under TLS"
                accepted += 1
                # Postfix completes the handshake, and then disconnects.
                relay_one(begin, sink, mode, None, lambda sink=sink: sink.tries() >= 2)
                if sink.count() != 1:
                    return accepted, f"{begin.__name__}, {mode}: delivered without the CA"
            finally:
                sink.kill()
    return accepted, None


def scanners_find_nothing(programs):
    """sslyze: old versions and known vulnerabilities"""
    sink = TlsSink(programs)
    try:
        for mode, starttls in ((STARTTLS, ["--starttls", "smtp"]), (IMPLICIT, [])):
            done = subprocess.run(
                [os.path.join(HERE, ".cache", "python", "bin", "sslyze"), *starttls, "--certinfo",
                 "--certinfo_ca_file", sink.ca, "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3",
                 "--heartbleed", "--openssl_ccs", "--reneg", "--robot", "--compression", "--fallback", "--ems",
                 "--json_out", "-", f"localhost:{sink.port_of(mode)}"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=180, check=False)
            problem = verdict(done.stdout.decode())
            if problem:
                return 0, f"{mode}: {problem}"
        return 2, None
    finally:
        sink.kill()


def verdict(text):
    """Returns the problems that sslyze found, or None."""
    scan = json.loads(text[text.index("{"):])["server_scan_results"][0]["scan_result"]
    for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        if scan[f"{name}_cipher_suites"]["result"]["accepted_cipher_suites"]:
            return f"{name} is accepted"
    for name in ("tls_1_2", "tls_1_3"):
        if not scan[f"{name}_cipher_suites"]["result"]["accepted_cipher_suites"]:
            return f"{name} is not accepted"
    found = {
        "heartbleed": scan["heartbleed"]["result"]["is_vulnerable_to_heartbleed"],
        "CCS injection": scan["openssl_ccs_injection"]["result"]["is_vulnerable_to_ccs_injection"],
        "ROBOT": not re.match("NOT_VULNERABLE", scan["robot"]["result"]["robot_result"]),
        "compression": scan["tls_compression"]["result"]["supports_compression"],
        "renegotiation": scan["session_renegotiation"]["result"]["is_vulnerable_to_client_renegotiation_dos"],
    }
    chains = scan["certificate_info"]["result"]["certificate_deployments"]
    if not any(path["was_validation_successful"] for chain in chains for path in chain["path_validation_results"]):
        return "no trust store accepts the certificate"
    return ", ".join(name for name, is_found in found.items() if is_found) or None
