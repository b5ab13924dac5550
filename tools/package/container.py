"""The image and the compose file. Nothing is built here, as that needs images from a registry: the
program is started outside a container with the environment and the commands of the Dockerfile."""
import json
import os
import pathlib
import re
import signal
import smtplib
import socket
import subprocess
import sys

from dockerfile_parse import DockerfileParser
from faults import HERE, ROOT, Fault, quiet, run

# Docker kills a container that has not stopped after this time, s.
PATIENCE = 10


def dockerfile():
    return DockerfileParser(path=str(HERE / "Dockerfile"))


def last(parser, instruction):
    return [line["value"] for line in parser.structure if line["instruction"] == instruction][-1]


def image_is_described_well(_programs, _folder):
    quiet(pathlib.Path(sys.executable).parent / "hadolint", HERE / "Dockerfile")
    parser = dockerfile()
    for image in parser.parent_images:
        if image != "scratch" and (":" not in image or image.endswith(":latest") or "." in image.split("/")[0].split(":")[0]):
            raise Fault(f"{image}: expected an image without a registry, with a tag")
    if not re.match(r"[1-9]\d*:[1-9]\d*$", last(parser, "USER")):
        raise Fault("the image runs as root, or as a name that 'scratch' does not know")
    for instruction in ("VOLUME", "ENTRYPOINT"):
        json.loads(last(parser, instruction))
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    if "*" not in ignored:
        raise Fault(".dockerignore lets the target folders into the build")
    return f"from {', '.join(parser.parent_images)}"


def library_builds_for_the_image(_programs, _folder):
    """The image is linked with musl, whose C library differs in structures and calls."""
    run("rustup", "target", "add", "x86_64-unknown-linux-musl")
    run("cargo", "check", "--locked", "--lib", "--target", "x86_64-unknown-linux-musl", cwd=ROOT)
    return "for musl"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def command_of(text, programs):
    """An exec form with the programs of this folder."""
    command = json.loads(text)
    return [os.path.join(programs, os.path.basename(command[0])), *command[1:]]


def runs_as_described(programs, folder):
    parser = dockerfile()
    smtp, http = free_port(), free_port()
    variables = {name: value for name, value in parser.envs.items() if name.startswith("SINKD_")}
    if variables["SINKD_DATA"] not in json.loads(last(parser, "VOLUME")):
        raise Fault("the data folder is not a volume")
    # Identical except for the folder and the ports.
    environment = variables | {"SINKD_DATA": f"{folder}/data"}
    environment["SINKD_LISTEN"] = re.sub(r":1025$", f":{smtp}", variables["SINKD_LISTEN"])
    environment["SINKD_HTTP"] = re.sub(r":8025$", f":{http}", variables["SINKD_HTTP"])
    health = re.search(r"CMD (\[.*\])$", last(parser, "HEALTHCHECK"))[1]

    def is_healthy():
        return subprocess.run(command_of(health, programs), env=environment, stderr=subprocess.DEVNULL, timeout=30,
                              check=False).returncode

    if is_healthy() != 1:
        raise Fault("the health check should fail before the start")
    process = subprocess.Popen(command_of(last(parser, "ENTRYPOINT"), programs), env=environment, cwd=folder,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in process.stdout:
            if line.startswith("sinkd: data in"):
                break
        client = smtplib.SMTP("127.0.0.1", smtp, timeout=30)
        client.sendmail("a@example.org", ["b@example.com"], b"\r\nx\r\n")
        if is_healthy() != 0:
            raise Fault("the health check should pass while sinkd runs")
        # The slowest stop: an idle client, and one that never ends its transaction.
        idle = smtplib.SMTP("127.0.0.1", smtp, timeout=30)
        client.mail("a@example.org")
        process.send_signal(getattr(signal, last(parser, "STOPSIGNAL")))
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise Fault(f"sinkd did not stop within the {PATIENCE} s of docker") from late
        client.close()
        idle.close()
    finally:
        process.kill()
        process.wait()
    if status != 0:
        raise Fault(f"SIGTERM should end sinkd with 0, and not {status}")
    if is_healthy() != 1:
        raise Fault("the health check should fail after the stop")
    return "healthy while it runs, and stopped in docker's 10 s with clients connected"


def compose_is_understood(_programs, folder):
    environment = {"PATH": os.environ["PATH"], "HOME": folder}
    text = run("docker-compose", "--file", HERE / "compose.yaml", "config", env=environment)
    mounts = re.findall(rf"^ +- ({re.escape(str(HERE))}[^:]*):", text, re.MULTILINE)
    missing = [path for path in mounts if not os.path.exists(path)]
    if missing or len(mounts) < 3:
        raise Fault(f"the compose file mounts what is not there: {missing}, of {mounts}")
    return f"{len(mounts)} mounts"
