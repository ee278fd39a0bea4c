"""tests/bench/run still works. What it measures here means nothing: the counts are tiny."""

import glob
import json
import os
import subprocess
import sys

import pytest

from harness.daemon import BINARY

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BENCH = os.path.join(ROOT, "tests/bench")


def compile_tool(directory, name, sources, *libraries):
    """Builds one of the benchmark's programs without bazel, which may be busy with this very test."""
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-I", ROOT, "-o",
                    os.path.join(directory, name), *sources, *libraries], check=True)


@pytest.mark.slow
def test_quick(directory):
    compile_tool(directory, "load", glob.glob(os.path.join(BENCH, "load*.c")), "-lssl", "-lcrypto")
    compile_tool(directory, "sink", [os.path.join(BENCH, "sink.c")])
    result = os.path.join(directory, "result.json")
    done = subprocess.run([sys.executable, os.path.join(BENCH, "run"), "--quick", "--tools", directory,
                           "--gatepost", BINARY, "--json", result], text=True, capture_output=True,
                          timeout=110, check=False)
    assert done.returncode == 0, done
    with open(result, encoding="utf-8") as file:
        rows = json.load(file)["results"]
    for name in ("full13", "resume13", "plain", "msg10k", "bdat10m", "idle KiB", "latency p99 alone"):
        assert rows[name]["gatepost"]["median"] > 0 or name == "idle KiB", name  # of few: noise
