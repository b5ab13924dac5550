#!/usr/bin/env python3
"""A load at a rate against a target that stalls: --duration and --count must have the same figures.

usage: stalls.py FOLDER [TIMES]   (FOLDER holds sinkd and sinkctl; prints one line per stall and run)

Both forms send the same messages at the same moments. So the percentiles of `late` and
`transaction`, and the mean and the median rate, must be the same within 5 %, wherever the target
stalls.
"""
import asyncio
import json
import os
import sys
import time

RATE = 50
SECONDS = 8
# When the target is silent, as s since the first connection. Each stall delays more than half of
# the messages, so that it affects p50, too. The last one continues past the schedule.
STALLS = {"beginning": (0, 5.4), "middle": (1.2, 7.2), "end": (3.2, 10.4)}
FORMS = {"duration": ["--duration", f"{SECONDS}s"], "count": ["--count", str(RATE * SECONDS)]}
PERCENTILES = ["p50", "p90", "p99", "p99_9", "max"]
WITHIN = 0.05
# Offset within a clock second at which all runs begin, s. The median rate is that of whole seconds:
# no stall begins or ends near a boundary of a second or of a tenth.
PHASE_S = 0.13
# A busy machine delays one of the two now and then; a real fault occurs every time.
TRIES = 3


class Target:
    """Accepts every message, and is silent during its stall."""

    def __init__(self, stall):
        self.stall, self.began, self.count = stall, None, 0

    async def pause(self):
        """Waits until the stall is over, if it is on."""
        begins, ends = self.stall
        now = time.monotonic() - self.began
        if begins <= now < ends:
            await asyncio.sleep(ends - now)

    async def talk(self, reader, writer):
        if self.began is None:
            self.began = time.monotonic()

        async def say(reply):
            await self.pause()
            writer.write(reply.encode() + b"\r\n")

        await say("220 ready")
        is_data = False
        while line := await reader.readline():
            verb = line.strip().upper()
            if is_data:
                if verb == b".":
                    is_data = False
                    await say("250 accepted")
                    self.count += 1
            elif verb == b"DATA":
                is_data = True
                await say("354 go on")
            elif verb == b"QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()


async def figures_of(programs, stall, form):
    """What blast says of the load in this form."""
    target = Target(stall)
    server = await asyncio.start_server(target.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.sleep((PHASE_S - time.time()) % 1)
    blast = await asyncio.create_subprocess_exec(
        os.path.join(programs, "sinkctl"), "blast", "--to", f"127.0.0.1:{port}", "--json",
        "--rate", str(RATE), "--connections", "16", "--seed", "1", *form,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    try:
        said, _ = await asyncio.wait_for(blast.communicate(), 60)
    finally:
        if blast.returncode is None:
            blast.kill()
            await blast.wait()
        server.close()
    report = json.loads(said)
    stats = report["stats"]
    figures = {"accepted": report["accepted"], "not_begun": report["not_begun"]}
    for name, percentiles in [("late", stats["metrics"]["late_us"]),
                              ("transaction", stats["transaction_us"])]:
        figures |= {f"{name} {at}": percentiles[at] for at in PERCENTILES}
    rate = stats["rate"]["messages_per_s"]
    return figures | {f"rate {which}": rate[which] for which in ["mean", "median"]}


async def compared(programs):
    """For each stall, the figures of both forms."""
    runs = [figures_of(programs, stall, form) for stall in STALLS.values()
            for form in FORMS.values()]
    figures = iter(await asyncio.gather(*runs))
    return {stall: {form: next(figures) for form in FORMS} for stall in STALLS}


def differences(forms):
    """Returns the figures in which the two forms differ by more than 5 %."""
    timed, counted = forms["duration"], forms["count"]
    return [f"{name}: {timed[name]:.0f} by duration, {counted[name]:.0f} by count"
            for name in timed if abs(timed[name] - counted[name]) > WITHIN * counted[name]]


def stalls_are_seen(programs):
    """a stalling target gives the same figures by duration and by count"""
    sent, problems = 0, []
    for _ in range(TRIES):
        found = asyncio.run(compared(programs))
        sent += sum(form["accepted"] for forms in found.values() for form in forms.values())
        problems = [f"{stall}: {'; '.join(differences(forms))}"
                    for stall, forms in found.items() if differences(forms)]
        if not problems:
            break
        print(f"again  {' '.join(problems)}", flush=True)
    return sent, "; ".join(problems) or None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wrong = 0
    for _ in range(int((sys.argv[2:] or ["1"])[0])):
        for stall, forms in asyncio.run(compared(sys.argv[1])).items():
            apart = {name: forms["duration"][name] / value - 1
                     for name, value in forms["count"].items() if value}
            name = max(apart, key=lambda name: abs(apart[name]))
            counted = {key: round(value) for key, value in forms["count"].items()}
            wrong += bool(differences(forms))
            print(f"{stall:10} most apart: {name} {100 * apart[name]:+.2f} %;", counted,
                  "; ".join(differences(forms)), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
