"""The messages that clients send, and their comparison with the stored ones."""

HEAD = ("Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: <sender@example.org>\r\n"
        "To: <reader@example.com>\r\nMessage-ID: <{0}@client.example>\r\nSubject: {0}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n")


def message(name, body):
    return HEAD.format(name).encode() + body


# Lines of at most 998 octets, as RFC 5321 section 4.5.3.1.6 requires of clients.
BODIES = {
    "plain": message("plain", b"Hello.\r\n"),
    "dots": message("dots", b".\r\n..\r\n.x\r\n\r\n.\r\nx\r\n"),
    "last-dot": message("last-dot", b".\r\n"),
    "utf8": message("utf8", "Gr\u00fc\u00dfe \u65e5\u672c\u8a9e\r\n".encode()),
    "empty-lines": message("empty-lines", b"\r\n\r\n\r\nx\r\n\r\n"),
    "long-lines": message("long-lines", (b"x" * 996 + b"\r\n") * 70),
    "large": message("large", b"0123456789abcdef" * 4 * 3 + b"\r\n"
                     + (b"0123456789abcdef" * 4 + b"\r\n") * 80_000),
}


class Sent:
    """A message as a client sent it. `prefix`: whether a relay has prepended trace fields."""

    def __init__(self, sender, recipients, octets, relayed=False):
        self.sender, self.recipients, self.octets = sender, list(recipients), octets
        self.relayed = relayed

    def matches(self, stored):
        sender, recipients, octets = stored
        if (sender, recipients) != (self.sender, self.recipients):
            return False
        if not self.relayed:
            return octets == self.octets
        trace = octets[:len(octets) - len(self.octets)]
        return octets.endswith(self.octets) and is_trace(trace)

    def __repr__(self):
        return f"<{self.sender}> to {self.recipients}, {len(self.octets)} octets"


def is_trace(head):
    """Returns whether these are only Received fields, folded lines included."""
    lines = head.split(b"\r\n")
    fields = [line for line in lines[:-1] if not line.startswith((b" ", b"\t"))]
    return lines[-1] == b"" and all(field.lower().startswith(b"received:") for field in fields)


def compare(sent, stored):
    """Returns None if exactly the sent messages are stored, each once; else the problem."""
    rest = {}
    for message in stored:
        rest.setdefault((message[0], tuple(message[1])), []).append(message)
    missing = []
    for one in sent:
        candidates = rest.get((one.sender, tuple(one.recipients)), [])
        found = next((c for c in candidates if one.matches(c)), None)
        if found is None:
            missing.append(one)
        else:
            candidates.remove(found)
    extra = [message for messages in rest.values() for message in messages]
    if not missing and not extra:
        return None
    shown = [f"missing: {missing[0]!r}"] if missing else []
    shown += [f"not sent: <{extra[0][0]}> to {extra[0][1]}: {extra[0][2][:400]!r}"] if extra else []
    return f"{len(missing)} missing, {len(extra)} not sent; " + "; ".join(shown)
