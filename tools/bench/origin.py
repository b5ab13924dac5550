"""Raw files: the results of a measurement, with where they come from (Python 3, standard library only)."""
import datetime, hashlib, json, os, platform, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))


def said(*command):
    """Returns what a command prints; empty if it fails."""
    try:
        return subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except OSError:
        return ""


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def of(program):
    """Returns date, command, commit and machine. `program`: the path of the sinkd that was measured."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        # Of the checkout that measures. The version of a program that tools/bench/build built names its own.
        "commit": said("git", "rev-parse", "HEAD"),
        "changed_files": said("git", "status", "--porcelain", "--untracked-files=no").splitlines(),
        "compiler": said("rustc", "--version"),
        "program": {"version": said(program, "--version"), "sha256": digest(program)} if program else {},
        "processor": processor(), "cores": os.cpu_count(), "kernel": platform.release(),
        "memory_kib": int(open("/proc/meminfo").readline().split()[1]), "load_average": os.getloadavg()[0],
    }


def write(path, results, program):
    """Writes a raw file."""
    with open(path, "w") as file:
        json.dump({"origin": of(program), "results": results}, file, indent=1)
        file.write("\n")


def revision(path, origin):
    """Returns the commit of the measured program. Files of before 2026-12 have it in words only, or not at all."""
    if origin["date"] < "2026-12":
        return None
    found = re.fullmatch(r"\w+ \S+ \(([0-9a-f]{12})\)", origin["program"]["version"])
    if not found:
        sys.exit(f"{path}: expected a program that tools/bench/build built from a commit, found {origin['program']['version']!r}")
    return found[1]


def read(path):
    """Returns the results of a raw file; older files have no origin. Exits if the program is of no known commit."""
    with open(path) as file:
        found = json.load(file)
    if not isinstance(found, dict) or "origin" not in found:
        return found
    revision(path, found["origin"])
    return found["results"]
