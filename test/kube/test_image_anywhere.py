#!/usr/bin/env python3
# weft-test: name=image-anywhere time=900 needs=root tier=long build=gcc
"""The container image is the same to the last bit when it is built from two copies of the sources,
in directories of other names and depths, each with a build of its own."""

import os
import shutil
import subprocess
import tempfile

import rigpath
import check
from check import must, step

PLACES = ("one", "another/place/of-a-longer-name")


def left_out(directory, names):
    top = directory == rigpath.SOURCE
    return [name for name in names if name == "__pycache__" or top and
            (name == ".git" or name.startswith("build"))]


def build_copy(tmp, place):
    """The archive's content"""
    copy = os.path.join(tmp, place)
    shutil.copytree(rigpath.SOURCE, copy, symlinks=True, ignore=left_out)
    out = os.path.join(tmp, "image.tar")
    env = {name: value for name, value in os.environ.items() if name != "WEFT_BUILD"}
    done = subprocess.run([os.path.join(copy, "deploy/image/build"), "--out", out], env=env,
                          text=True, stdout=subprocess.PIPE, check=True)
    step(f"{place}: {done.stdout.splitlines()[-2]}")
    with open(out, "rb") as f:
        return f.read()


def test():
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEFT_TMP")) as tmp:
        first, second = [build_copy(tmp, place) for place in PLACES]
        must(first == second, "the two archives differ")


if __name__ == "__main__":
    check.main(test)
