#!/usr/bin/env python3
# weft-test: name=frames-million time=1500 needs=root tier=long build=gcc
"""The million frames at each door that the agent is held against: test_frames.py at full size."""

import check
from test_frames import MILLION, test

if __name__ == "__main__":
    check.main(lambda: test(MILLION))
