"""What is wrong, and running programs of others."""
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Fault(Exception):
    """A sentence for a person."""


def run(*command, **options):
    """What a program prints, on both outputs. A fault if its exit code is not 0."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, **options)
    if done.returncode:
        raise Fault(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


def quiet(*command, **options):
    """A program that prints nothing if all is well."""
    said = run(*command, **options).strip()
    if said:
        raise Fault(f"{' '.join(map(str, command))} says:\n{said}")
