#!/usr/bin/env python3
"""The medians of `cargo bench` as one raw file (Python 3, standard library only).

  parts.py CRITERION FILE        (CRITERION: target/criterion)
"""
import argparse
import json
import os

import origin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("criterion")
    parser.add_argument("file")
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
    origin.write(options.file, found, "")


if __name__ == "__main__":
    main()
