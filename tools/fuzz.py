#!/usr/bin/env python3
"""Fuzzes every target of fuzz/ for a while, two at a time, with AddressSanitizer (Python 3, standard library only; nightly).

  fuzz.py [--seconds N] [--seed N] [--without-tls] [TARGET ...]

Each target starts from its seeds in fuzz/corpus. Without --seed, the seed is made of the commit, so that every commit
tries other inputs and two runs of one commit try the same. Installs cargo-fuzz into fuzz/target if it is missing.
With --without-tls, all targets but `tls` are built and fuzzed: the ciphers take minutes to build.

Prints for each target how many inputs were tried, how much code they reached, and how many new inputs reached more.
Exit code 1: a target failed (its input is in fuzz/artifacts), or it tried no input beyond its seeds.
"""
import argparse
import concurrent.futures
import math
import os
import re
import subprocess
import sys
import tempfile
import time

FUZZ = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fuzz")
TOOLS = os.path.join(FUZZ, "target", "tools")
TARGET = re.compile(r'Target \{\s*name: "(\w+)",.*?seeds: &\[([^\]]*)\]', re.DOTALL)
# An input may take 20 s and 2 GiB: what takes more is a failure.
LIMITS = ("-timeout=20", "-rss_limit_mb=2048")
INPUTS = re.compile(r"^#(\d+)\s+(INITED|DONE)\s+cov: (\d+) ft: \d+ corp: (\d+)/", re.MULTILINE)


def targets():
    """Returns the names of all targets, each with its folders of seeds."""
    with open(os.path.join(FUZZ, "targets.rs"), encoding="utf-8") as file:
        return {name: re.findall(r'"(\w+)"', seeds) for name, seeds in TARGET.findall(file.read())}


def cargo_fuzz():
    """Returns the environment in which `cargo fuzz` is found, and installs it if necessary."""
    env = dict(os.environ)
    env["PATH"] = os.path.join(TOOLS, "bin") + os.pathsep + env["PATH"]
    if subprocess.run(["cargo", "fuzz", "--version"], env=env, capture_output=True).returncode != 0:
        subprocess.run(["cargo", "install", "--quiet", "--locked", "--root", TOOLS, "cargo-fuzz"], check=True)
    return env


def build(env, features):
    """Builds all targets, and returns the folder of their programs. `features`: flags of cargo."""
    began = time.monotonic()
    subprocess.run(["cargo", "+nightly", "fuzz", "build", "--dev", *features], cwd=FUZZ, env=env, check=True)
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
    version = subprocess.run(["rustc", "+nightly", "-vV"], check=True, capture_output=True, text=True).stdout
    host = re.search(r"^host: (\S+)$", version, re.MULTILINE).group(1)
    return os.path.join(FUZZ, "target", host, "debug")


def seed_of_commit():
    """Returns a seed made of the commit that is checked out; 1 outside a repository."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=FUZZ, capture_output=True, text=True)
    return int(head.stdout[:7], 16) or 1 if head.returncode == 0 else 1


def fuzz(program, name, seeds, seconds, seed):
    """Fuzzes one target. Returns whether it passed, and a line or a log to print."""
    artifacts = os.path.join(FUZZ, "artifacts", name)
    os.makedirs(artifacts, exist_ok=True)
    folders = [os.path.join(FUZZ, "corpus", folder) for folder in seeds]
    with tempfile.TemporaryDirectory() as found:
        call = [program, f"-seed={seed}", f"-artifact_prefix={artifacts}/", *LIMITS, found, *folders]
        began = time.monotonic()
        run = subprocess.run([*call, "-runs=0"], capture_output=True, text=True, errors="replace")
        if run.returncode == 0:
            # libFuzzer counts the time for the seeds, which take up to 20 s.
            total = math.ceil(seconds + 1.5 * (time.monotonic() - began))
            run = subprocess.run([*call, f"-max_total_time={total}"], capture_output=True, text=True, errors="replace")
    if run.returncode != 0:
        return False, f"{name}: failed\n{run.stderr[-4000:]}"
    marks = {mark: tuple(map(int, numbers)) for *numbers, mark in
             ((n, cov, corp, mark) for n, mark, cov, corp in INPUTS.findall(run.stderr))}
    (first, reached, seeds_kept), (last, reached_at_end, kept) = marks["INITED"], marks["DONE"]
    line = (f"{name:>16} {last - first:>9,} inputs tried, {reached:,} -> {reached_at_end:,} edges, "
            f"{kept - seeds_kept:,} new inputs")
    return last > first, line if last > first else f"{line}: it tried none beyond its seeds"


def main():
    known = targets()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="time for each target (default: 60)")
    parser.add_argument("--seed", type=int, help="seed of libFuzzer (default: made of the commit)")
    parser.add_argument("--without-tls", action="store_true", help="leave out the target tls, which takes long to build")
    parser.add_argument("target", nargs="*", choices=[[], *known], help="targets (default: all)")
    options = parser.parse_args()
    seed = options.seed or seed_of_commit()
    if options.without_tls:
        del known["tls"]
    names = options.target or list(known)
    folder = build(cargo_fuzz(), ["--no-default-features"] if options.without_tls else [])
    print(f"{len(names)} targets, {options.seconds} s each, seed {seed}", flush=True)
    has_failed = False
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fuzz, os.path.join(folder, name), name, known[name], options.seconds, seed) for name in names]
        for run in concurrent.futures.as_completed(runs):
            passed, text = run.result()
            has_failed |= not passed
            print(text, flush=True)
    sys.exit(1 if has_failed else 0)


if __name__ == "__main__":
    main()
