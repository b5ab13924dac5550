"""The Debian package contains what tools/package/install installs."""
import os
import pathlib
import shutil
import subprocess
import tomllib

from faults import ROOT, Fault, run
from files import expected

# Files that only the installation has: its own list and copy, for the removal.
NOT_PACKAGED = {"/usr/share/doc/sinkd/installed-files", "/usr/share/doc/sinkd/sinkd.toml.installed"}
# Files that only the package has.
PACKAGED = {"/usr/share/doc/sinkd/copyright", "/usr/share/doc/sinkd/changelog.Debian"}


def wanted():
    """Returns the files of the installation, at Debian's paths."""
    paths = set(expected()) - NOT_PACKAGED
    return {path.replace("/zsh/site-functions/", "/zsh/vendor-completions/") for path in paths}


def described(installed):
    """Returns the files that the assets in Cargo.toml refer to, with `installed` in place of target/package."""
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["metadata"]["deb"]
    # cargo-deb adds these two on its own.
    found = {"/usr/lib/systemd/system/sinkd.service", "/usr/lib/sysusers.d/sinkd.conf"}
    for source, folder, _ in package["assets"]:
        if source.startswith("target/package/"):
            sources = [path.name for path in pathlib.Path(installed).glob(source.removeprefix("target/package/"))]
        else:
            sources = [pathlib.Path(source).name]
        if not sources:
            raise Fault(f"Cargo.toml: no file is {source}")
        found |= {f"/{folder}{name}" for name in sources}
    return found


def differ(found, where):
    if found != wanted():
        raise Fault(f"{where}: missing {sorted(wanted() - found)}, too much {sorted(found - wanted())}")


def package_has_the_same_files(programs, folder):
    environment = {"PATH": os.environ["PATH"], "DESTDIR": folder, "PREFIX": "/usr"}
    run(ROOT / "tools/package/install", programs, env=environment)
    differ(described(folder), "Cargo.toml")
    if not shutil.which("cargo-deb"):
        return f"{len(wanted())} files in Cargo.toml; not built, as cargo-deb is not installed"
    said = subprocess.run([ROOT / "tools/package/deb", programs, "--fast"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300, check=False)
    if said.returncode or "Duplicate" in said.stderr:
        raise Fault(f"tools/package/deb ended with {said.returncode}:\n{said.stderr}")
    package, unpacked = said.stdout.split()[-1], pathlib.Path(folder, "unpacked")
    run("dpkg-deb", "-x", package, unpacked)
    # Debian compresses man pages.
    paths = (str(path.relative_to(unpacked)).removesuffix(".gz") for path in unpacked.rglob("*") if not path.is_dir())
    differ({"/" + path for path in paths} - PACKAGED, package)
    run(unpacked / "usr/bin/sinkd", "--config", unpacked / "etc/sinkd/sinkd.toml", "--check")
    scripts = pathlib.Path(folder, "scripts")
    run("dpkg-deb", "-e", package, scripts)
    if (scripts / "conffiles").read_text() != "/etc/sinkd/sinkd.toml\n":
        raise Fault("the configuration is not a conffile")
    for script, words in [("postinst", "systemd-sysusers"), ("prerm", "deb-systemd-invoke stop sinkd.service")]:
        if words not in (scripts / script).read_text():
            raise Fault(f"{script} of the package lacks {words}")
    return f"{len(wanted())} files"
