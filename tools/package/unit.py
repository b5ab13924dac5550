"""The systemd service: systemd's checks of it, and whether sinkd needs more than it allows."""
import os
import pathlib
import re
import subprocess

from faults import HERE, Fault, quiet, run
from sink import Sink

# Ten times the exposure that systemd-analyze prints. The rest is due to port 25, Internet sockets
# and the host's network.
EXPOSURE_MAX = 16
MESSAGES = 200


def is_understood(programs, folder):
    # With real paths, as systemd looks for the program.
    environment = {"PATH": os.environ["PATH"], "PREFIX": f"{folder}/usr", "SYSCONFDIR": f"{folder}/etc"}
    quiet(HERE / "install", programs, env=environment)
    path = f"{folder}/usr/lib/systemd/system/sinkd.service"
    if f"ExecStart={folder}/usr/bin/sinkd --config {folder}/etc/sinkd/sinkd.toml" not in pathlib.Path(path).read_text():
        raise Fault("the unit does not start the program that was installed with it")
    quiet("systemd-analyze", "verify", "--man=no", path)
    said = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", path)
    level = re.search(r"exposure level for \S+: ([\d.]+)", said)
    said = run("systemd-sysusers", "--dry-run", f"{folder}/usr/lib/sysusers.d/sinkd.conf")
    if "sinkd" not in said and "sinkd" not in pathlib.Path("/etc/passwd").read_text():
        raise Fault(f"systemd-sysusers makes no user sinkd: {said}")
    return f"exposure {level[1]} of 10"


def calls_of(group):
    """Returns the system calls of a systemd group, including the calls of groups that it refers to."""
    found = set()
    for line in run("systemd-analyze", "syscall-filter", group).splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= calls_of(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allows_what_sinkd_does(programs, folder):
    """Returns the system calls, by strace, of a sinkd under load, with flushes, transcripts, a reload and a stop."""
    log = f"{folder}/calls"
    sink = Sink(programs, "--transcript", f"{folder}/transcripts", "--durability", "message", "--index", "eager",
                "--stop-after-messages", str(MESSAGES), before=("strace", "-f", "-qq", "-o", log))
    try:
        run(f"{programs}/sinkctl", "--data", sink.data, "reload")
        run(f"{programs}/sinkctl", "blast", "--to", f"127.0.0.1:{sink.port}", "--count", str(MESSAGES),
            "--connections", "4", "--records", f"{folder}/records")
        sink.process.wait(60)
    except subprocess.TimeoutExpired as late:
        raise Fault("sinkd under strace did not stop") from late
    finally:
        sink.kill()
    text = pathlib.Path(log).read_text()
    used = set(re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE))
    unit = (HERE / "sinkd.service").read_text()
    allowed = set()
    for group in re.findall(r"^SystemCallFilter=(\S+)$", unit, re.MULTILINE):
        allowed = allowed - calls_of(group[1:]) if group.startswith("~") else allowed | calls_of(group)
    if used - allowed or len(used) < 30:
        raise Fault(f"the unit forbids {sorted(used - allowed)}, of {len(used)} system calls that sinkd uses")
    if re.search(r"PROT_WRITE\|PROT_EXEC", text):
        raise Fault("sinkd maps memory that can be written and executed: MemoryDenyWriteExecute forbids it")
    return f"{len(used)} kinds of system calls, all allowed"
