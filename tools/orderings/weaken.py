#!/usr/bin/env python3
"""Weakens src/log/exchange/gate.rs and src/log/files/usable.rs in one place at a time, and requires that a test of this package fails
(Python 3, standard library only).

  weaken.py

Each fence is removed, and each other order or atomic operation that a test depends on is weakened. Exit code 1: the
tests pass with a weakened file, so they prove nothing about that place.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = ("src/log/exchange/gate.rs", "src/log/files/usable.rs")
WEAKER = (
    ("self.full.store(true, Release)", "self.full.store(true, Relaxed)"),
    ("self.full.store(false, Release)", "self.full.store(false, Relaxed)"),
    ("self.full.load(Acquire)", "self.full.load(Relaxed)"),
    ("self.waiting.load(Relaxed) && self.waiting.swap(false, Relaxed)", "self.waiting.load(Relaxed)"),
    ("self.front.load(Acquire)", "self.front.load(Relaxed)"),
    ("self.back.load(Acquire)", "self.back.load(Relaxed)"),
    ("self.front.store(front, Release)", "self.front.store(front, Relaxed)"),
    ("self.back.store(back, Release)", "self.back.store(back, Relaxed)"),
)
# The weakened files name orders by path, so that no import is missing or unused.
ORDER = re.compile(r"\b(Acquire|Relaxed|Release|SeqCst)\b")


def with_paths(text):
    """Returns a file with paths in place of its imports of orders."""
    head, count = re.subn(r"use std::sync::atomic::Ordering::\{?[\w, ]+\}?;\n", "", text)
    assert count == 1, "each file imports the orders in one line"
    lines = [line if line.lstrip().startswith("//") else ORDER.sub(r"std::sync::atomic::Ordering::\1", line)
             for line in head.splitlines(keepends=True)]
    return "".join(lines)


def weakened(texts):
    """Yields (what was weakened, the texts of all files)."""
    for name, text in texts.items():
        for fence in re.finditer(r"fence\(SeqCst\);", text):
            line = text.count("\n", 0, fence.start()) + 1
            yield f"the fence in {name}:{line}", texts | {name: text[:fence.start()] + text[fence.end():]}
    strong_orders = sum(len(re.findall(r"\b(?:Acquire|Release)\)", text)) for text in texts.values())
    assert strong_orders == sum("Acquire" in strong or "Release" in strong for strong, _ in WEAKER), "all are listed"
    for strong, weak in WEAKER:
        name, text = next(((name, text) for name, text in texts.items() if text.count(strong) == 1), (None, None))
        assert name, f"one file has {strong} once"
        yield strong, texts | {name: text.replace(strong, weak)}


def passes(folder):
    """Returns whether the tests of the copy in `folder` pass."""
    environment = {**os.environ, "CARGO_TARGET_DIR": os.path.join(HERE, "target")}
    done = subprocess.run(["cargo", "test", "--quiet", "--locked", "--lib"], cwd=folder, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode and "test result: FAILED" not in done.stdout:
        sys.exit(f"weaken.py: the copy does not compile:\n{done.stdout}")
    return done.returncode == 0


def main():
    texts = {}
    for path in FILES:
        with open(os.path.join(HERE, "..", "..", path)) as file:
            texts[os.path.basename(path)] = file.read()
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="orderings-") as folder:
        for name in ("Cargo.toml", "Cargo.lock", "build.rs"):
            shutil.copy(os.path.join(HERE, name), folder)
        os.mkdir(os.path.join(folder, "src"))
        with open(os.path.join(HERE, "src", "lib.rs")) as file:
            tests = file.read()
        for path in FILES:
            assert tests.count(f"../../../{path}") == 1, f"the tests include {path}"
            tests = tests.replace(f"../../../{path}", os.path.basename(path))
        with open(os.path.join(folder, "src", "lib.rs"), "w") as file:
            file.write(tests)
        for what, files in [("", texts), *weakened(texts)]:
            for name, text in files.items():
                with open(os.path.join(folder, "src", name), "w") as file:
                    file.write(with_paths(text))
            has_passed = passes(folder)
            print(f"{'weaker: ' + what if what else 'as it is'}: the tests {'pass' if has_passed else 'fail'}", flush=True)
            if has_passed == bool(what):
                unnoticed.append(what or "as it is")
    if unnoticed:
        sys.exit(f"weaken.py: not as it must be: {', '.join(unnoticed)}")


if __name__ == "__main__":
    main()
