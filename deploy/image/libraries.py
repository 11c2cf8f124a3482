"""Which shared libraries programs need, and whose they are.

The loader itself is asked, with an empty environment, so what it finds here is what it would
load. Only files that Debian's packages brought, byte for byte, are taken: a library that somebody
put into /usr/local would otherwise go into the image unnoticed.
"""

import dataclasses
import functools
import hashlib
import os
import re
import subprocess

from archive import ImageError

FOUND = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$")
MISSING = re.compile(r"^\s*(\S+) => not found$", re.M)
LICENCE = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])")


@dataclasses.dataclass(frozen=True)
class Package:
    name: str
    version: str

    def __str__(self):
        return f"{self.name} {self.version}"


def ask(*argv):
    """(exit code, standard output)"""
    done = subprocess.run(argv, env={"PATH": os.defpath, "LC_ALL": "C"}, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout


def needed_by(programs):
    """Paths of all libraries, the loader included, as the loader spells them. A static program
    needs none."""
    found = set()
    for program in programs:
        _, said = ask("ldd", program)
        missing = MISSING.findall(said)
        if missing:
            raise ImageError(f"{program} needs {', '.join(missing)}, not on this machine")
        found.update(match[1] for match in map(FOUND.match, said.splitlines()) if match)
    return sorted(found)


def spellings(path):
    """A package may have brought it as /lib/x or /usr/lib/x; here that is one directory."""
    real = os.path.realpath(path)
    return [real] + [real.removeprefix("/usr")] * real.startswith("/usr/")


def owners(paths):
    """path -> the Debian package that brought it"""
    asked = [spelling for path in paths for spelling in spellings(path)]
    brought = {}
    for line in ask("dpkg-query", "-S", *asked)[1].splitlines() if asked else ():
        packages, _, path = line.partition(": ")
        if not packages.startswith("diversion "):
            brought[path] = packages.split(", ")[0]
    found = {path: next((brought[s] for s in spellings(path) if s in brought), None)
             for path in paths}
    for path, owner in found.items():
        if owner is None:
            raise ImageError(f"{path} is of no Debian package, and only theirs go into the image")
        must_be_unchanged(path, owner)
    packages = installed(set(found.values()))
    return {path: packages[owner] for path, owner in found.items()}


@functools.cache
def checksums(owner):
    recorded = ask("dpkg-query", "--control-path", owner, "md5sums")[1].strip()
    try:
        with open(recorded, encoding="utf-8") as f:
            return dict(reversed(line.rstrip("\n").split("  ", 1)) for line in f)
    except OSError as error:
        raise ImageError(f"dpkg knows no checksums of {owner}: {error}") from error


def must_be_unchanged(path, owner):
    with open(path, "rb") as f:
        have = hashlib.md5(f.read(), usedforsecurity=False).hexdigest()
    if have not in [checksums(owner).get(s.lstrip("/")) for s in spellings(path)]:
        raise ImageError(f"{path} is not as {owner} brought it")


def installed(names):
    """name -> Package"""
    found = {}
    for name in sorted(names):
        code, version = ask("dpkg-query", "-W", "-f", "${Package} ${Version}", name)
        if code:
            raise ImageError(f"{name} is not installed: deploy/install-packages build")
        found[name] = Package(*version.split())
    return found


def licences(packages):
    """{path: the same path}: the copyright file of each package, and the licences it refers to."""
    found = {}
    for package in packages:
        path = f"/usr/share/doc/{package.name}/copyright"
        try:
            with open(path, "rb") as f:
                text = f.read()
        except OSError as error:
            raise ImageError(f"the copyright file of {package.name}: {error}") from error
        found[path] = path
        for name in LICENCE.findall(text):
            common = "/usr/share/common-licenses/" + name.decode()
            if os.path.isfile(common):
                found[common] = common
    return found
