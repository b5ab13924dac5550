#!/usr/bin/env python3
"""The medians of `cargo bench` as one file (Python 3, standard library only).

  parts.py [CRITERION] [--json FILE]        (CRITERION: target/criterion)

Prints a Markdown table of all benchmarks in the folder: median and its 95 % interval.
"""
import argparse
import json
import os

UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "\u00b5s"), (1, "ns"))


def time(ns):
    length, unit = next(((l, u) for l, u in UNITS if ns >= l), UNITS[-1])
    return f"{ns / length:.3g} {unit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("criterion", nargs="?", default="target/criterion")
    parser.add_argument("--json", default="", help="file for the values, in ns")
    options = parser.parse_args()
    found = {}
    for folder, _, files in sorted(os.walk(options.criterion)):
        if os.path.basename(folder) != "new" or "estimates.json" not in files:
            continue
        with open(os.path.join(folder, "estimates.json")) as file:
            median = json.load(file)["median"]
        with open(os.path.join(folder, "benchmark.json")) as file:
            benchmark = json.load(file)
        interval = median["confidence_interval"]
        found[benchmark["full_id"]] = {
            "median_ns": median["point_estimate"], "low_ns": interval["lower_bound"],
            "high_ns": interval["upper_bound"], "throughput": benchmark["throughput"]}
    print("| benchmark | median | 95% interval |\n|---|--:|--:|")
    for name, values in found.items():
        print(f"| {name} | {time(values['median_ns'])} | {time(values['low_ns'])}\u2013{time(values['high_ns'])} |")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
