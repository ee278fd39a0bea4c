"""The parameters as policy/*.def have them, for docs/make-parameters and packaging/man/build."""

import os
import re
from collections import namedtuple

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
Parameter = namedtuple("Parameter", "name kind words default least most text")
Noted = namedtuple("Noted", "name severity text")
_PARAM = re.compile(r'^PARAM\((\w+), ([A-Z]+)(?:\("([^"]*)"\))?, "([^"]*)", (\d+), (\d+), "(.*)"\)$',
                    re.M)
_NOTED = re.compile(r'^NOTED\((\w+), ([A-Z]+), "[^"]*", "(.*)"\)$', re.M)
_FOREIGN = re.compile(r"^(?: ?F\(\w+\))+$", re.M)


def _read(name):
    with open(os.path.join(ROOT, "policy", name), encoding="ascii") as file:
        return file.read()


def _rows(name, pattern, begins):
    text = _read(name)
    rows = pattern.findall(text)
    assert len(rows) == len(re.findall(rf"^{begins}\(", text, re.M)), f"{name}: a row not understood"
    return rows


def parameters():
    """gatepost's parameters, in the order of the table."""
    return [Parameter(*row[:4], int(row[4]), int(row[5]), row[6])
            for row in _rows("params.def", _PARAM, "PARAM")]


def noted():
    """Postfix's parameters that are not honoured, or known under a newer name, and what is so
    instead."""
    return [Noted(*row) for row in _rows("noted.def", _NOTED, "NOTED")]


def foreign():
    """The names of Postfix's parameters that are none of gatepost's business."""
    lines = _rows("foreign.def", _FOREIGN, "F")
    return [name for line in lines for name in re.findall(r"F\((\w+)\)", line)]
