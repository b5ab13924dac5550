"""The checks of tools/package/check: each function checks one thing, and returns a sentence about what it
did. On failure, it raises a Fault that names the problem."""
import sys
import tempfile
import time

import container
import debian
import files
import monitoring_stack
import unit
from faults import Fault

CHECKS = [files.installs_and_is_removed, files.man_pages_are_clean, unit.is_understood, unit.allows_what_sinkd_does,
          container.image_is_described_well, container.runs_as_described, container.compose_is_understood,
          monitoring_stack.alerts_fire, monitoring_stack.dashboard_has_data, debian.package_has_the_same_files]

# Minutes, if nothing is built yet.
LONG = [container.library_builds_for_the_image]


def main():
    programs, wanted = sys.argv[1], sys.argv[2:]
    chosen = CHECKS + LONG if wanted == ["--long"] else [one for one in CHECKS + LONG if one.__name__ in wanted] or CHECKS
    unknown = set(wanted) - {one.__name__ for one in CHECKS + LONG} - {"--long"}
    if unknown:
        sys.exit(f"tools/package/check: expected --long or names of checks, found {', '.join(sorted(unknown))}")
    failed = 0
    for check in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="sinkd-package-") as folder:
            try:
                said = f"ok      {check.__name__}: {check(programs, folder)}"
            except Fault as fault:
                failed += 1
                said = f"FAILED  {check.__name__}: {fault}"
        print(f"{said} ({time.monotonic() - began:.1f} s)", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
