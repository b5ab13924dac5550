#!/usr/bin/env python3
"""Checks the crates in Cargo.lock: each has an allowed license, and no crate occurs in two
versions except those named below.

usage: tools/check_dependencies.py [FOLDER ...]   (folders with a Cargo.toml; default: this repository,
fuzz, tools/bench, tools/segments, tools/orderings and tools/interop/lettre). Exit status 0: no findings; 1: findings, each with what to do.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# SPDX identifiers of licenses that require nothing but a notice from users of sinkd.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "ISC", "MIT",
    "NCSA", "Unicode-3.0", "Unlicense", "Zlib",
}

# A ratchet: crates allowed in two versions, with the reason. Remove an entry once it is no longer
# needed.
TWICE = {
    "getrandom": "ring needs the older one, and nothing builds ring",
    "itertools": "criterion is behind ratatui (tests only)",
    "nom": "x509-parser is behind hdrhistogram",
    "signal-hook": "crossterm, which is ratatui's, is behind us",
    "syn": "derive macros move from 2 to 3 one by one (build time only)",
    "untrusted": "an option of aws-lc-rs that is never turned on needs the older one",
    "windows-link": "loom's generator wants the newer one (Windows only)",
    "windows-sys": "ring needs the older one, and nothing builds ring",
}


def is_allowed(expression):
    """Returns whether licenses of the list satisfy an SPDX expression. AND binds tighter than OR."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def alternatives():
        nonlocal words
        holds = conjunction()
        while words and words[0] == "OR":
            words = words[1:]
            holds = conjunction() or holds
        return holds

    def conjunction():
        nonlocal words
        holds = licence()
        while words and words[0] == "AND":
            words = words[1:]
            holds = licence() and holds
        return holds

    def licence():
        nonlocal words
        if not words:
            return False
        if words[0] == "(":
            words = words[1:]
            holds = alternatives()
            words = words[1:]
            return holds
        name, words = words[0], words[1:]
        if words and words[0] == "WITH":
            name, words = " ".join([name, *words[:2]]), words[2:]
        return name in ALLOWED

    return alternatives() and not words


def findings(packages, twice):
    """Returns the findings on `packages`, as listed by cargo metadata. `twice`: names that may have two versions."""
    versions, found = {}, []
    for package in packages:
        versions.setdefault(package["name"], set()).add(package["version"])
        expression = package["license"] or ""
        # Packages of this repository have no source.
        if package["source"] and not is_allowed(expression):
            found.append(f"{package['name']} {package['version']}: licence '{expression}' is not in the list ALLOWED: "
                         "use another crate, or add the licence with its reason")
    for name, all_of in sorted(versions.items()):
        if len(all_of) > 1 and name not in twice:
            found.append(f"{name}: versions {', '.join(sorted(all_of))}: update what needs the older one (cargo tree "
                         f"--duplicates), or add it to TWICE with the reason")
    return found, {name for name, all_of in versions.items() if len(all_of) > 1}


def self_test():
    for expression, expected in [
        ("MIT", True), ("MIT/Apache-2.0", True), ("GPL-3.0-only", False), ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False), ("(MIT OR GPL-2.0) AND Unicode-3.0", True), ("", False),
        ("(MIT AND GPL-2.0) OR BSD-3-Clause", True), ("MIT AND GPL-2.0 OR LGPL-2.1", False),
        ("Apache-2.0 WITH LLVM-exception", True), ("GPL-2.0 WITH Classpath-exception-2.0", False),
    ]:
        assert is_allowed(expression) == expected, expression
    crate = {"name": "a", "version": "1", "license": "MIT", "source": "x"}
    assert findings([crate, crate | {"version": "2"}], {})[0] and not findings([crate], {})[0]
    assert not findings([crate, crate | {"version": "2"}], {"a": ""})[0]
    assert findings([crate | {"license": None}], {})[0]


def packages_of(folder):
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    return json.loads(subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE).stdout)["packages"]


def main():
    self_test()
    ours = [ROOT, *(ROOT / name for name in ("fuzz", "tools/bench", "tools/segments", "tools/orderings", "tools/interop/lettre"))]
    folders = [pathlib.Path(name) for name in sys.argv[1:]] or ours
    all_found, unused = [], set(TWICE)
    for folder in folders:
        packages = packages_of(folder)
        found, duplicates = findings(packages, TWICE)
        unused -= duplicates
        all_found += [f"{folder}: {sentence}" for sentence in found]
        print(f"{folder}: {len(packages)} packages, {len(found)} findings")
    if not sys.argv[1:]:
        all_found += [f"{name} is there once: take it out of TWICE" for name in sorted(unused)]
    print("\n".join(all_found), file=sys.stderr, end="\n" if all_found else "")
    sys.exit(1 if all_found else 0)


if __name__ == "__main__":
    main()
