"""The installation: its files, its removal, its man pages."""
import os
import pathlib
import subprocess

from faults import HERE, Fault, quiet, run

# The text that clap's man pages have between an option's text and its values. It is not visible on
# the page.
NEEDLESS = ("skipping paragraph macro: br before sp", "skipping paragraph macro: br after sp")


def environment(folder, prefix="/usr"):
    return {"PATH": os.environ["PATH"], "DESTDIR": folder, "PREFIX": prefix}


def install(programs, folder):
    quiet(HERE / "install", programs, env=environment(folder))


def listed(folder):
    """Returns every file below, by its installed path."""
    base = pathlib.Path(folder)
    return sorted("/" + str(path.relative_to(base)) for path in base.rglob("*") if not path.is_dir())


def expected():
    lines = (HERE / "installed.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def installs_and_is_removed(programs, folder):
    install(programs, folder)
    found = listed(folder)
    if found != sorted(expected()):
        missing, more = set(expected()) - set(found), set(found) - set(expected())
        raise Fault(f"tools/package/installed.txt differs: missing {sorted(missing)}, not listed {sorted(more)}")
    configuration = pathlib.Path(folder, "etc/sinkd/sinkd.toml")
    run(pathlib.Path(folder, "usr/bin/sinkd"), "--config", configuration, "--check")
    # A second installation leaves a changed configuration unchanged, and so does the removal.
    configuration.write_text(configuration.read_text() + "# changed\n")
    install(programs, folder)
    other = pathlib.Path(folder, "usr/bin/other")
    other.touch()
    run(HERE / "uninstall", env=environment(folder))
    if listed(folder) != ["/etc/sinkd/sinkd.toml", "/usr/bin/other"] or "# changed" not in configuration.read_text():
        raise Fault(f"after the removal there should be a changed configuration and another's program: {listed(folder)}")
    folder = os.path.join(folder, "fresh")
    install(programs, folder)
    quiet(HERE / "uninstall", env=environment(folder))
    if os.listdir(folder):
        raise Fault(f"left after the removal: {os.listdir(folder)}")
    absent = subprocess.run([HERE / "uninstall"], env=environment(folder), stderr=subprocess.PIPE, text=True, check=False)
    if absent.returncode != 2 or "is PREFIX right?" not in absent.stderr:
        raise Fault(f"a removal of nothing should say so: {absent}")
    return f"{len(found)} files"


def man_pages_are_clean(programs, folder):
    install(programs, folder)
    pages = sorted(pathlib.Path(folder, "usr/share/man/man1").iterdir())
    for page in pages:
        said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False).stdout
        faults = [line for line in said.splitlines() if not line.endswith(NEEDLESS)]
        if faults:
            raise Fault("\n".join(faults))
    for shell, name in [("bash", "bash-completion/completions/sinkd"), ("bash", "bash-completion/completions/sinkctl")]:
        quiet(shell, "-n", pathlib.Path(folder, "usr/share", name))
    return f"{len(pages)} pages"
