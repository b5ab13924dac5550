"""Faults, and running other programs."""
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Fault(Exception):
    """A problem, as a sentence for the user."""


def run(*command, **options):
    """Returns the output of a program, stdout and stderr. Raises a Fault if its exit code is not 0."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, **options)
    if done.returncode:
        raise Fault(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


def quiet(*command, **options):
    """Runs a program that prints nothing on success."""
    said = run(*command, **options).strip()
    if said:
        raise Fault(f"{' '.join(map(str, command))} says:\n{said}")
