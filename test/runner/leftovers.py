"""What a test left on the host besides processes (processes.py has those).

Tests work in namespaces of their own. What they must make where the host sees it carries the
run's id in its name, so that it can be told from what others make meanwhile, and be removed. A
tunnel or a pod's host end that appears among the host's own links is an escape: it is reported,
and left to its owner, whom we cannot know."""

import os
import re
import subprocess

NAMED_NAMESPACES = "/run/netns"
LINKS = "/sys/class/net"
ESCAPED_LINK = re.compile(r"^(weft-vx6?|wf[0-9a-f]{12})$")


def names_in(directory):
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


def escaped_links():
    return {name for name in names_in(LINKS) if ESCAPED_LINK.match(name)}


def delete(*argv):
    subprocess.run(["ip", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)


def remove(run_id, links_before):
    """Remove what carries run_id and return sentences about all that was found."""
    found = []
    for name in sorted(names_in(NAMED_NAMESPACES)):
        if run_id in name:
            delete("netns", "delete", name)
            found.append(f"namespace {name}")
    for name in sorted(names_in(LINKS)):
        if run_id in name:
            delete("link", "delete", name)
            found.append(f"link {name}")
    found += [f"link {name} in the host's own namespace (not removed)"
              for name in sorted(escaped_links() - links_before)]
    return found
