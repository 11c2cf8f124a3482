"""Imported first: the cluster is built on the rig's places, probes and checks (test/rig)."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.realpath(os.path.join(HERE, "..", ".."))
sys.path.append(os.path.join(SOURCE, "test", "rig"))
