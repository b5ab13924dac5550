"""The tour of README.md, executed from its first line."""
import os
import re
import subprocess
import tempfile
import time

from sink import Sink

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
# A person types more slowly than a program: the index has caught up before the next command.
PATIENCE_S = 20
NUMBER, UNIT = r"\d(?:[\d,.]*\d)?", "(?:µs|ms|s|kB|MB|GB)"
SERVER = ("cargo install ", "mkdir tour", "sinkd")


def steps():
    """Returns each command of the tour, with the output that the README shows."""
    with open(README, encoding="utf-8") as file:
        tour = re.search(r"^## A tour.*?(?=^## )", file.read(), re.M | re.S).group()
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", tour, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [(command, shown) for command, shown in found if not command.startswith(SERVER)]


def wrong_figures(shown):
    """Returns what does not add up in the statistics that the README shows, or None."""
    text = "\n".join(shown).replace(",", "")
    found = re.search(r" ([\d.]+) s\n(\d+) messages .*\nmessages/s +mean (\d+) median (\d+) max (\d+)", text)
    if not found:
        return None
    seconds, messages, mean, median, most = map(float, found.groups())
    if abs(mean * seconds / messages - 1) > 0.02 or not mean <= most or not median <= most:
        return f"README.md: {messages:.0f} messages in {seconds} s, mean {mean:.0f}, max {most:.0f}"
    return None


def line_pattern(line):
    """Returns a pattern for a line: numbers, their units, and what limited the run depend on the machine."""
    if line.startswith("limited by: "):
        return r"limited by: \w+.*\n"
    line, rest = (line[:-4], ".*") if line.endswith(" ...") else (line, "")
    return " *" + " +".join(word_pattern(word) for word in line.split()) + rest + r" *\n"


def word_pattern(word):
    """Returns a pattern for a word. A comma can follow a unit: 331 MB here are 1.73 GB on a machine five times as fast."""
    word, comma = (word[:-1], ",") if word.endswith(",") else (word, "")
    if re.fullmatch(NUMBER, word):
        return NUMBER + comma
    if re.fullmatch(UNIT, word):
        return UNIT + comma
    return NUMBER.join(re.escape(part) for part in re.split(NUMBER, word)) + comma


def pattern(shown):
    """Returns a pattern for the output. The line `...` stands for any lines, and ` ...` for any rest of a line."""
    lines = "\n".join(shown).strip("\n").splitlines()
    return re.compile("".join(r"(?:.*\n)*" if line == "..." else line_pattern(line)
                              for line in lines))


def play(sink, command, shown, folder):
    """Returns the first difference from the README, or None."""
    expected = pattern(shown)
    command = command.replace("127.0.0.1:1025", f"127.0.0.1:{sink.port}")
    environment = dict(os.environ, SINKD_DATA=sink.data,
                       PATH=os.path.abspath(sink.programs) + ":" + os.environ["PATH"])
    deadline = time.monotonic() + PATIENCE_S
    while True:
        ran = subprocess.run(["bash", "-c", command], env=environment, cwd=folder, timeout=120,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = ran.stdout.replace(f"127.0.0.1:{sink.port}", "127.0.0.1:1025")
        if ran.returncode == 0 and expected.fullmatch(said):
            return None
        if ran.returncode or not command.startswith("sinkctl ls") or time.monotonic() > deadline:
            shown = "\n".join(shown)
            return f"{command}: exit {ran.returncode}\n{said}{ran.stderr}\nREADME.md:\n{shown}"


def the_tour_is_as_it_says(programs):
    """the tour of README prints what README shows"""
    sink, count = Sink(programs), 0
    try:
        with tempfile.TemporaryDirectory(prefix="sinkd-tour-") as folder:
            for command, shown in steps():
                problem = wrong_figures(shown) or play(sink, command, shown, folder)
                if problem:
                    return count, problem
                count += 1
        return count, None if count >= 10 else "README.md has no tour"
    finally:
        sink.process.kill()
        sink.process.wait()
        sink.remove()
