"""Figures of repeated measurements, as cells of Markdown tables (Python 3, standard library only)."""
import random
import statistics
import sys

RESAMPLES = 2000
# With fewer repetitions, the bootstrap says nothing about the uncertainty of a median.
REPETITIONS_MIN = 8


def number(value):
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def spread(values):
    """Returns the median, with the least and the largest value."""
    values = sorted(values)
    return f"{number(statistics.median(values))} ({number(values[0])}–{number(values[-1])})"


def interval(groups, figure):
    """Returns a figure of the medians of some groups, and its 95% interval: by bootstrap, with a fixed seed.

    The groups took turns, so what is drawn is a repetition, with the values of all groups in it.
    """
    dice = random.Random(1)
    count = len(groups[0])
    if any(len(group) != count for group in groups):
        sys.exit("figures.py: the servers of a ratio have different numbers of repetitions")
    of = lambda drawn: figure(*(statistics.median(group[at] for at in drawn) for group in groups))
    drawn = sorted(of(dice.choices(range(count), k=count)) for _ in range(RESAMPLES))
    return of(range(count)), drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1]


def with_interval(groups, figure):
    middle, low, high = interval(groups, figure)
    return f"{middle:.2f} ({low:.2f}–{high:.2f})" if len(groups[0]) >= REPETITIONS_MIN else f"{middle:.2f}"


def ratio(values, others):
    """Returns how many times the median of `others` the median of `values` is, with a 95% interval."""
    return with_interval([values, others], lambda one, other: one / other)


def lines(head, rows):
    """Returns a Markdown table."""
    return ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)] + [
        "| " + " | ".join(row) + " |" for row in rows]
