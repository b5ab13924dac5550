"""Figures of repeated measurements, as cells of Markdown tables (Python 3, standard library only)."""
import random
import statistics

RESAMPLES = 2000


def number(value):
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def spread(values):
    """Returns the median, with the least and the largest value."""
    values = sorted(values)
    return f"{number(statistics.median(values))} ({number(values[0])}–{number(values[-1])})"


def interval(groups, figure):
    """Returns a figure of the medians of some groups, and its 95% interval: by bootstrap, with a fixed seed."""
    dice = random.Random(1)
    medians = lambda drawn: [statistics.median(values) for values in drawn]
    drawn = sorted(figure(*medians([dice.choices(group, k=len(group)) for group in groups])) for _ in range(RESAMPLES))
    return figure(*medians(groups)), drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1]


def with_interval(groups, figure):
    middle, low, high = interval(groups, figure)
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def ratio(values, others):
    """Returns how many times the median of `others` the median of `values` is, with a 95% interval."""
    return with_interval([values, others], lambda one, other: one / other)


def lines(head, rows):
    """Returns a Markdown table."""
    return ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)] + [
        "| " + " | ".join(row) + " |" for row in rows]
