"""gatepost's metrics: where they are defined, and reading them as Prometheus does."""

import http.client
import os
import re
import socket
from dataclasses import dataclass

from .ports import free_port
from .wait import DEADLINE, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROW = re.compile(r'^METRIC\((\w+), "(\w+)", (\w+), "([\w ]*)", "(.*)"\)$', re.M)
_SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (-?[0-9.]+)$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\["\\])*)"(?:,|$)')


@dataclass(frozen=True)
class Metric:
    """A row of metrics.def."""

    name: str
    type: str
    labels: tuple
    help: str

    @property
    def series(self):
        """The names of its samples."""
        if self.type != "histogram":
            return {self.name}
        return {self.name + suffix for suffix in ("_bucket", "_sum", "_count")}


def defined():
    """All metrics of proxy/metrics.def, by name."""
    with open(os.path.join(ROOT, "proxy/metrics.def"), encoding="ascii") as file:
        text = file.read()
    rows = [Metric(name, kind.lower(), tuple(labels.split()), words)
            for _, name, kind, labels, words in _ROW.findall(text)]
    assert len(rows) == len(re.findall(r"^METRIC\(", text, re.M)), "a row that was not understood"
    return {row.name: row for row in rows}


def series_names():
    """Every name that a sample can have, with the labels."""
    return {name: set(row.labels) | ({"le"} if name.endswith("_bucket") else set())
            for row in defined().values() for name in row.series}


class Page:
    """One scrape, read strictly: heads before samples, each once; types and labels as defined."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        self._current = None
        self.heads = {}
        for line in text.splitlines():
            self._line(line)
        assert text.endswith("\n") and list(self.heads) == list(defined())

    def _line(self, line):
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            assert name not in self.heads, f"{name} twice"
            self._current = defined()[name]
            self.heads[name] = words
            assert words == self._current.help
        elif line.startswith("# TYPE "):
            assert line[7:] == f"{self._current.name} {self._current.type}"
        else:
            self._sample(line)

    def _sample(self, line):
        match = _SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value = match.groups()
        pairs = _LABEL.findall(labels or "")
        assert ",".join(f'{key}="{text}"' for key, text in pairs) == (labels or ""), line
        assert name in self._current.series, f"{name} among {self._current.name}"
        assert {key for key, _ in pairs} == series_names()[name], line
        key = (name, frozenset(pairs))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value)

    def get(self, name, /, **labels):
        """The one sample with exactly these labels; 0 if it is not shown."""
        return self.samples.get((name, frozenset(labels.items())), 0)

    def sum(self, name, /, **labels):
        """The sum of all samples that have these labels, whatever others they have."""
        return sum(value for (key, pairs), value in self.samples.items()
                   if key == name and set(labels.items()) <= pairs)

    def labels(self, name):
        """The label sets of a metric's samples, as dictionaries."""
        return [dict(pairs) for key, pairs in self.samples if key == name]


def listen(daemon):
    """Makes a daemon that is not running serve its metrics; returns it."""
    daemon.metrics_port = free_port()
    daemon.write_config(gatepost_metrics_listen=f"127.0.0.1:{daemon.metrics_port}")
    return daemon


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def request(where, method="GET", path="/metrics", body=None, headers=None):
    """An HTTP request; where is a port on this host or the path of a socket. Returns status,
    headers and text."""
    connection = (_UnixConnection(where) if isinstance(where, str) else
                  http.client.HTTPConnection("127.0.0.1", where, timeout=DEADLINE))
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode("ascii")
    finally:
        connection.close()


def scrape(daemon):
    """The metrics of a daemon, as they are now."""
    status, headers, text = request(daemon.metrics_port)
    assert status == 200 and headers["Content-Type"] == TYPE, (status, headers)
    return Page(text)


def wait_scrape(daemon, condition, what):
    """The first page that the condition is true of; what the master tells comes once a second."""
    def look():
        page = scrape(daemon)
        return page if condition(page) else None
    return wait_until(look, what)
