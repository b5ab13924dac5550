"""Turns tests/dialogues/*.txt into seeds for the target `session`, and client/*.txt for `replies`:
python3 fuzz/make_seeds.py"""

import pathlib
import re

ROOT = pathlib.Path(__file__).parent
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def unescape(text):
    def octets(match):
        name = match.group(1)
        return bytes([int(name[1:], 16)]) if name[0] == "x" else ESCAPES[name]

    parts = re.split(r"(\\(?:x..|.))", text)
    return b"".join(octets(re.match(r"\\(.*)", p)) if p.startswith("\\") else p.encode() for p in parts)


for number, path in enumerate(sorted((ROOT.parent / "tests/dialogues").glob("*.txt"))):
    sent = b""
    for line in path.read_text().splitlines():
        if line.startswith("C:"):
            sent += unescape(line[3:]) + b"\r\n"
        elif line.startswith("greet: "):
            sent += line[7:].encode() + b"\r\n"
        elif line.startswith("C~ "):
            sent += unescape(line[3:])
        elif line.startswith("C*"):
            count, text = line[2:].split(" ", 1)
            sent += unescape(text) * int(count)
    # Variant of the limits, number of cuts, two octets a cut (fuzz targets read them modulo).
    cuts = [(7 + 11 * number + 31 * cut) % (len(sent) + 1) for cut in range(number % 8)]
    head = bytes([number % 4, len(cuts)]) + b"".join(cut.to_bytes(2, "little") for cut in cuts)
    (ROOT / "corpus/session" / path.stem).write_bytes(head + sent)

WAYS = {"lmtp": 1, "pipelining": 2, "chunking": 4}

for path in sorted((ROOT.parent / "tests/dialogues/client").glob("*.txt")):
    said, variant = b"", 0
    for line in path.read_text().splitlines():
        if line.startswith("options:"):
            words = line.split()[1:]
            variant = sum(WAYS.get(word, 0) for word in words) | 1 << 5
        elif line.startswith("S"):
            said += line[3:].encode() + b"\r\n"
    # See check_replies: ways of speaking, and messages under way.
    (ROOT / "corpus/replies").mkdir(exist_ok=True)
    (ROOT / "corpus/replies" / path.stem).write_bytes(bytes([variant]) + said)
