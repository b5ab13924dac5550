"""Postfix and Exim as relays: each takes mail on a loopback port and has a sinkd as its smart host.

Both run from a configuration in the scratch folder, as our own processes; nothing of an installed
mail system is touched. They have to be started by root.
"""
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import time

import segdump
from corpus import BODIES, Sent, message

PATIENCE = 90

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {scratch}/spool
data_directory = {scratch}/state
maillog_file = /dev/stdout
mail_owner = postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = relay.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
local_header_rewrite_clients =
relayhost = [127.0.0.1]:{sink}
message_size_limit = 0
mailbox_size_limit = 0
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
lmtp      unix - - n - - lmtp
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

EXIM = """
primary_hostname = relay.example
spool_directory = {scratch}/spool
log_file_path = {scratch}/log/%slog
pid_file_path = {scratch}/pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_hosts =
tls_advertise_hosts =
keep_environment =
acl_smtp_rcpt = accept_all
deliver_drop_privilege = true
smtp_accept_queue_per_connection = 0
smtp_accept_max = 0
message_size_limit = 100M
begin acl
accept_all:
  accept
begin routers
to_sink:
  driver = manualroute
  domains = *
  route_list = * 127.0.0.1
  self = send
  transport = sink
begin transports
sink:
  driver = smtp
  port = {sink}
  hosts_try_chunking = *
begin retry
* * F,1h,1m
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def submit(port):
    """Submits the corpus, and many small messages, over a few connections."""
    sent = []

    def send(client, sender, recipients, octets):
        client.sendmail(sender, recipients, octets, ["BODY=8BITMIME"])
        sent.append(Sent(sender, recipients, octets, relayed=True))

    for n in range(4):
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            for name, octets in BODIES.items():
                if n == 0 or name != "large":
                    send(client, f"s{n}@example.org", [f"{name}{n}@example.com"], octets)
            for small in range(40):
                octets = message(f"{n}-{small}", b"small\r\n")
                recipients = [f"r{i}-{n}-{small}@example.com" for i in range(1 + small % 3)]
                send(client, f"s{n}@example.org", recipients, octets)
    return sent


def relay(sink, port, process, submit=submit):
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "the relay listens")
        assert process.poll() is None, "the relay did not start"
        sent = submit(port)
        wait_until(lambda: sink.count() >= len(sent), "the relay has delivered everything")
        return sent
    finally:
        process.terminate()
        process.wait(30)


def by_postfix(sink, scratch, more="", submit=submit):
    """Postfix as a relay"""
    more = more.format(lmtp=sink.lmtp_port)
    os.chmod(scratch, 0o755)
    port = free_port()
    for name, text in (("main.cf", POSTFIX_MAIN + more), ("master.cf", POSTFIX_MASTER)):
        with open(os.path.join(scratch, name), "w") as file:
            file.write(text.format(scratch=scratch, port=port, sink=sink.port))
    for name in ("spool", "state"):
        os.mkdir(os.path.join(scratch, name))
    shutil.chown(os.path.join(scratch, "state"), "postfix")
    with open(os.path.join(scratch, "log"), "w") as log:
        process = subprocess.Popen(["postfix", "-c", scratch, "start-fg"], stdout=log, stderr=log)
    return relay(sink, port, process, submit)


def by_postfix_lmtp(sink, scratch):
    """Postfix as a relay, delivering by LMTP"""
    # "lmtp:" as a relay's transport uses the same client, which expects one reply per recipient.
    sent = by_postfix(sink, scratch, "relay_transport = lmtp:[127.0.0.1]:{lmtp}\n"
                      "default_transport = lmtp:[127.0.0.1]:{lmtp}\n")
    slots = segdump.Folder(sink.data).messages()
    assert all(segdump.envelope_of(s.record()[0])["protocol"] == "LMTP" for s in slots)
    return sent


by_postfix_lmtp.options = ("--listen", "lmtp:127.0.0.1:0")


def by_exim(sink, scratch, submit=submit):
    """Exim as a relay, with CHUNKING"""
    os.chmod(scratch, 0o755)
    port = free_port()
    config = os.path.join(scratch, "exim.conf")
    with open(config, "w") as file:
        file.write(EXIM.format(scratch=scratch, port=port, sink=sink.port))
    user = pwd.getpwnam("Debian-exim")
    for name in ("spool", "log"):
        os.mkdir(os.path.join(scratch, name))
        os.chown(os.path.join(scratch, name), user.pw_uid, user.pw_gid)
    program = os.environ.get("EXIM", "exim4")
    with open(os.path.join(scratch, "out"), "w") as out:
        process = subprocess.Popen([program, "-C", config, "-bdf"], stdout=out, stderr=out)
    sent = relay(sink, port, process, submit)
    slots = segdump.Folder(sink.data).messages()
    assert all(slot.chunked for slot in slots), "Exim uses BDAT where it is announced"
    return sent


CLIENTS = [by_postfix, by_postfix_lmtp, by_exim]
