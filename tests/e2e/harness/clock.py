"""Clocks of a daemon that a test can move, so that hours pass without waiting."""

import os
import struct
import subprocess

_SOURCE = os.path.join(os.path.dirname(__file__), "clock_shift.c")


class Clock:
    """Daemons that are started with environment() see the clocks this many seconds ahead."""

    def __init__(self, directory):
        self._library = os.path.join(directory, "clock_shift.so")
        self._path = os.path.join(directory, "clock_shift")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self._library, _SOURCE], check=True)
        with open(self._path, "wb") as file:
            file.write(struct.pack("=q", 0))

    def environment(self):
        """What is added to a daemon's environment."""
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"LD_PRELOAD": self._library, "GATEPOST_CLOCK_SHIFT": self._path,
                "ASAN_OPTIONS": options.lstrip(":")}

    def shift(self, seconds):
        """From now on the clocks are this far ahead of the real ones."""
        with open(self._path, "r+b") as file:
            file.write(struct.pack("=q", seconds))
