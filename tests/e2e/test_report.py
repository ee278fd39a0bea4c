"""gatepost report: what the ledger has of real sessions, in each form, and nothing that a client
sends gets out of its place."""

import base64
import contextlib
import csv
import hashlib
import html.parser
import io
import json
import os
import re
import shutil
import sqlite3
import ssl
import stat
import struct
import subprocess
import time
import zlib

import pytest

from harness.client import Client, tls_context
from harness.daemon import BINARY
from harness.ledger import Ledger
from harness.table import in_directory, use_table

TLS = ssl.TLSVersion
MESSAGE = b"Subject: x\r\n\r\nsome text\r\n"
MARKUP = "<script>alert(1)</script>\"'&amp;"
FORMULA = "=HYPERLINK(\"http://evil.example\",\"x\")"
CONTROL = "a\x1b]0;owned\x07\x9b31mz"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

GOOD, EXEMPT, FAILING, SCRIPT, SHEET, TERMINAL = (f"127.0.0.{n}" for n in range(2, 8))


def session(daemon, source, helo="client.example", context=None, messages=0):
    """A whole session, with TLS if there is a context."""
    with Client(daemon.address, source) as client:
        client.expect(250, "EHLO " + helo)
        if context:
            client.starttls(context)
            client.expect(250, "EHLO " + helo)
        for _ in range(messages):
            client.deliver("someone@gatepost.test", MESSAGE)
        client.quit()


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend):
    """Strict but for one line, and six clients have been there."""
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_protocols=">=TLSv1.2")
    use_table(daemon, [f"{EXEMPT} may protocols=>=TLSv1 ciphers=medium note=<old>",
                       "198.51.100.0/24 encrypt note=gone"])
    daemon.start()
    old = tls_context(TLS.TLSv1, TLS.TLSv1)
    session(daemon, GOOD, "good.example", tls_context(TLS.TLSv1_3), 3)
    session(daemon, EXEMPT, "old.example", old, 2)
    for _ in range(2):
        with pytest.raises((ssl.SSLError, OSError)):
            session(daemon, FAILING, "fails.example", old)
    session(daemon, SCRIPT, MARKUP, messages=1)
    session(daemon, SHEET, FORMULA)
    session(daemon, TERMINAL, CONTROL)
    ledger = Ledger(daemon.ledger_path)
    for source, count in ((GOOD, 1), (EXEMPT, 1), (FAILING, 2), (SCRIPT, 1), (SHEET, 1),
                          (TERMINAL, 1)):
        ledger.wait_peer(source, sessions=count)
    return daemon


def report(daemon, *options, status=0):
    """What `gatepost report` prints."""
    result = in_directory(daemon, "report", *options)
    assert result.returncode == status, result
    return result.stdout if status == 0 else result.stderr


def report_json(daemon, *options):
    """The same as a dictionary."""
    return json.loads(report(daemon, "--json", *options))


def addresses(found):
    """Whom a report is about."""
    return {peer["address"] for peer in found["peers"]}


def test_json(daemon):
    found = report_json(daemon)
    totals = found["totals"]
    assert (totals["peers"], totals["sessions"], totals["messages"]) == (6, 7, 6)
    assert (totals["established"], totals["failed"], totals["cleartext_sessions"]) == (2, 2, 3)
    assert (totals["failing_peers"], totals["cleartext_messages"]) == (1, 1)
    assert {row["name"]: (row["peers"], row["sessions"], row["messages"])
            for row in found["protocols"]} \
        == {"TLSv1.3": (1, 1, 3), "TLSv1": (1, 1, 2), "none": (3, 3, 1)}
    assert sum(row["sessions"] for row in found["ciphers"]) == 2
    [failure] = found["failures"]
    assert (failure["count"], failure["peers"], failure["last_peer"]) == (2, 1, FAILING)
    assert (failure["kind"], failure["policy"]) == ("protocol_too_old", "main configuration")
    assert failure["reason"].startswith("offers TLS 1.0 at most")
    assert [kind["name"] for kind in found["failure_kinds"]] == [failure["kind"]]
    used = {row["policy"]: row for row in found["policies"]}
    [line] = [name for name in used if name != "main configuration"]
    assert line.endswith("tls_policy.cidr, line 1")
    assert (used[line]["sessions"], used[line]["last_peer"]) == (1, EXEMPT)
    assert (used[line]["state"], used[line]["level"]) == ("present", "may")
    assert used[line]["line"] == f"{EXEMPT}/32 may protocols=>=TLSv1 ciphers=medium"
    assert (used[line]["established"], used[line]["failed"], used[line]["messages"]) == (1, 0, 2)
    assert (used["main configuration"]["state"], used["main configuration"]["failed"]) == (None, 2)
    [unused] = found["unused_policies"]
    assert (unused["prefix"], unused["note"]) == ("198.51.100.0/24", "gone")
    assert unused["policy"].endswith("tls_policy.cidr, line 2")
    days = found["days"]
    assert sum(day["protocols"].get("none", 0) for day in days) == 3
    assert sum(sum(day["failures"].values()) for day in days) == 2
    peers = {peer["address"]: peer for peer in found["peers"]}
    assert peers[SCRIPT]["helo"] == MARKUP and peers[SHEET]["helo"] == FORMULA
    assert peers[GOOD]["tls"][0]["protocol"] == "TLSv1.3"
    assert peers[FAILING]["failures"][0]["reason"] == failure["reason"]


@pytest.mark.parametrize("options, expected", [
    (["--failing"], {FAILING}),
    (["--protocol", "tlsv1.0"], {EXEMPT}),
    (["--protocol", "none"], {SCRIPT, SHEET, TERMINAL}),
    (["--peer", "127.0.0.2/31"], {GOOD, EXEMPT}),
    (["--peer", "127.0.0.4/30", "--protocol", "none"], {SCRIPT, SHEET, TERMINAL}),
    (["--peer", "::/0"], set()),
    (["--since", "1d"], {GOOD, EXEMPT, FAILING, SCRIPT, SHEET, TERMINAL}),
    (["--since", "2099-01-01"], set()),
    (["--limit", "1"], {GOOD}),
], ids=lambda value: "_".join(value) if isinstance(value, list) else "")
def test_filters(daemon, options, expected):
    found = report_json(daemon, *options)
    assert addresses(found) == expected
    if "--limit" not in options:
        assert found["totals"]["peers"] == len(expected)
        assert addresses(found) == {row["address"] for row in
                                    csv.DictReader(io.StringIO(report(daemon, "--csv", *options)))}


def test_text(daemon):
    text = report(daemon)
    assert all(" " <= c <= "~" or c == "\n" for c in text)
    assert "a?]0;owned??31mz" in text
    for words in ("7  sessions", "TLSv1.3", "old.example", "tls_policy.cidr, line 1",
                  "Lines that applied to nobody", "198.51.100.0/24", "good.example"):
        assert words in text, words
    reason = report_json(daemon)["failures"][0]["reason"]
    assert re.search(r"Why handshakes failed\n.*\n +2 +1  [\d-]{10}  " + re.escape(reason), text)
    failing = report(daemon, "--failing")
    assert "2 x " + reason in failing and "good.example" not in failing
    assert "nobody has come" in report(daemon, "--since", "2099-01-01")


def test_csv(daemon):
    text = report(daemon, "--csv")
    rows = {row["address"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows[SHEET]["helo"] == "'" + FORMULA
    assert rows[SCRIPT]["helo"] == MARKUP
    assert rows[TERMINAL]["helo"] == "a?]0;owned??31mz"
    assert (rows[GOOD]["messages"], rows[GOOD]["protocols"]) == ("3", "TLSv1.3")
    assert rows[FAILING]["failed"] == "2" and rows[FAILING]["last_failure"]
    assert abs(int(rows[GOOD]["last"]) - time.time()) < 600


class Page(html.parser.HTMLParser):
    """What a browser sees: elements, attributes, and the text of cells."""

    VOID = {"meta"}

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.cells, self.scripts = [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open:
            self.cells[-1] += data
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def write_page(daemon, *options):
    """The HTML report's path."""
    path = daemon.path("report.html")
    assert report(daemon, "--html", path, *options) == ""
    return path


def test_html(daemon):
    path = write_page(daemon)
    with open(path, encoding="ascii") as file:
        text = file.read()
    page = Page(text)
    assert MARKUP in page.cells and FORMULA in page.cells and "a?]0;owned??31mz" in page.cells
    # One script, the one that the policy lets through; nothing from elsewhere.
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base", "form"), tag
        assert not {name for name in attributes if name in ("src", "href", "style")
                    or name.startswith("on")}, attributes
    assert not re.search(r"https?://(?!evil)|@import|url\(", text)
    # Each plot says what it is.
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    plots = [attributes for tag, attributes in page.elements
             if tag == "svg" and attributes.get("role") == "img"]
    assert len(plots) == 6
    for plot in plots:
        assert set(plot["aria-labelledby"].split()) <= set(ids)
    assert "prefers-color-scheme:dark" in text and 'name="viewport"' in text
    assert report(daemon, "--html", "-").startswith("<!DOCTYPE html>")


def test_html_replaces_a_page_at_once(daemon):
    path = write_page(daemon)
    before = os.stat(path).st_ino
    write_page(daemon, "--failing")
    assert os.stat(path).st_ino != before
    assert [name for name in os.listdir(daemon.directory) if name.startswith("report.html")] \
        == ["report.html"]
    error = report(daemon, "--html", daemon.path("no/such/page.html"), status=1)
    assert "cannot be written: No such file" in error


def test_lines_that_change(daemon):
    """Who needs which line stays known when the table is edited: it moves, changes, goes."""
    def found(*lines):
        use_table(daemon, lines)
        policies = {row["line"]: row for row in report_json(daemon)["policies"]}
        return policies[f"{EXEMPT}/32 may protocols=>=TLSv1 ciphers=medium"]
    line = found("# new", "192.0.2.0/24 encrypt", f"{EXEMPT} may ciphers=medium protocols=>=TLSv1")
    assert line["state"] == "present" and line["policy"].endswith("tls_policy.cidr, line 3")
    line = found(f"{EXEMPT} encrypt")
    assert (line["state"], line["now"]) == ("changed", "encrypt")
    assert "(now: encrypt)" in report(daemon)
    line = found("192.0.2.0/24 encrypt", "# nothing")
    assert line["state"] == "gone" and line["policy"].endswith("tls_policy.cidr")
    assert "(not in the table today)" in report(daemon)
    assert "not in the table today" in Page(report(daemon, "--html", "-")).cells


@pytest.mark.parametrize("options", [
    ["--since", "yesterday"], ["--since", "2026-02-30"], ["--peer", "example.org"],
    ["--protocol", "SSLv3"], ["--limit", "0"], ["--json", "--csv"], ["word"], ["--nothing"]],
    ids="_".join)
def test_wrong_usage(make_gatepost, backend, options):
    daemon = make_gatepost(backend.endpoint, start=False)
    assert "usage: gatepost" in report(daemon, *options, status=64)


def test_nothing_to_read(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    assert "there is none yet" in report(daemon, status=66)
    os.mkdir(os.path.dirname(daemon.ledger_path))
    with open(daemon.ledger_path, "wb") as file:
        file.write(b"no database" * 1000)
    assert "ledger.db" in report(daemon, status=66)
    daemon.write_config(smtpd_tls_policy_maps="cidr:/nowhere")
    assert "/nowhere" in report(daemon, status=78)


def test_of_a_stopped_daemon(daemon):
    """Reading leaves nothing behind that would be in the daemon's way."""
    daemon.stop()
    assert report_json(daemon)["totals"]["sessions"] == 7
    directory = os.path.dirname(daemon.ledger_path)
    owner = os.stat(directory).st_uid
    for name in os.listdir(directory):
        found = os.stat(os.path.join(directory, name))
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owner, 0o640), name
    os.unlink(daemon.log_path)
    daemon.start()
    session(daemon, GOOD)
    Ledger(daemon.ledger_path).wait_peer(GOOD, sessions=2)
    assert report_json(daemon)["totals"]["sessions"] == 8


_MANY = 200000
_FILL = f"""
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_MANY})
    INSERT INTO peer(id, address, prefix, first, last, sessions, messages, established, helo)
    SELECT i + 1000, CAST(printf('10%014d', i) AS BLOB), 128, 1700000000, 1700000000 + i, 2, i, 2,
           'mail' || i || '.example' FROM n;
    INSERT INTO tls SELECT p.id, t.protocol, t.cipher, t.grp, t.signature, 2, 0, p.messages, p.first,
           p.last FROM peer p, (SELECT * FROM tls LIMIT 1) t WHERE p.id > 1000;
    INSERT INTO policy_use SELECT p.id, u.listener, u.policy, u.line, u.level, 2, 2, 0, 0, p.messages,
           0, p.first, p.last FROM peer p, (SELECT * FROM policy_use LIMIT 1) u WHERE p.id > 1000;
"""


@pytest.mark.slow
def test_many(daemon):
    """Two hundred thousand more: what is shown stays short, and memory does not grow with them."""
    daemon.stop()
    with contextlib.closing(sqlite3.connect(daemon.ledger_path)) as database:
        database.executescript(_FILL)
    text = report(daemon)
    assert f"{_MANY + 6:,}  addresses" in text and len(text) < 20000
    assert f"mail{_MANY}.example" in text and "and 199,986 more" in text
    page = write_page(daemon)
    assert os.path.getsize(page) < 1000000
    for network, count in (("3130::/16", _MANY), ("3130:3030:3030:3030:3030:3030:3030:3032/127", 2),
                           ("3130:3030:3030:3030:3030:3030:3030:3031", 1), ("3180::/16", 0)):
        assert report_json(daemon, "--peer", network, "--limit", "1")["totals"]["peers"] == count
    # With little memory the rows come out all the same.
    path = daemon.path("all.csv")
    with open(path, "wb") as out:
        subprocess.run(["/bin/sh", "-c", 'ulimit -v 150000; exec "$@"', "sh", BINARY, "-c",
                        daemon.directory, "report", "--csv"], stdout=out, check=True, timeout=120)
    with open(path, encoding="ascii", newline="") as file:
        assert sum(1 for _ in csv.reader(file)) == _MANY + 7


def browse(daemon, path, *flags):
    """Headless Chromium with a page."""
    base = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--hide-scrollbars", f"--user-data-dir={daemon.path('browser')}"]
    return subprocess.run([*base, *flags, f"file://{path}"], check=True, timeout=120,
                          capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width, flags", [(1280, []), (390, ["--force-dark-mode"])],
                         ids=["light", "dark"])
def test_drawn_in_a_browser(daemon, width, flags):
    """In the colours that were asked for, and on a phone no wider than that."""
    picture = daemon.path("page.png")
    browse(daemon, write_page(daemon), f"--screenshot={picture}", f"--window-size={width},1200",
           *flags)
    with open(picture, "rb") as file:
        data = file.read()
    size, rows = png_rows(data)
    assert size == (width, 1200)
    background = rows[2][2 * 3:2 * 3 + 3]
    assert background == (b"\x0f\x14\x19" if flags else b"\xff\xff\xff")
    colours = {rows[y][3 * x:3 * x + 3] for y in range(0, 1200, 3) for x in range(0, width, 3)}
    tls13 = b"\x4c\xc9\xa0" if flags else b"\x12\x74\x5a"  # of the plots
    assert tls13 in colours and len(colours) > 10


def png_rows(data):
    """((width, height), rows of RGB bytes) of a PNG with 8 bits a channel."""
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        if kind == b"IDAT":
            packed += body
        at += length + 12
    assert depth == 8 and colour in (2, 6)
    pixel = 3 if colour == 2 else 4
    raw, rows, previous = zlib.decompress(packed), [], bytearray(width * pixel)
    for y in range(height):
        start = y * (width * pixel + 1)
        row = bytearray(raw[start + 1:start + 1 + width * pixel])
        unfilter(raw[start], row, previous, pixel)
        previous = row
        rows.append(bytes(row) if pixel == 3 else
                    bytes(row[i] for i in range(len(row)) if i % 4 != 3))
    return (width, height), rows


def unfilter(kind, row, above, pixel):
    """Undoes a PNG filter in place (PNG specification, 9.2)."""
    for i, value in enumerate(row):
        left = row[i - pixel] if i >= pixel else 0
        corner = above[i - pixel] if i >= pixel else 0
        estimate = left + above[i] - corner
        paeth = min((left, above[i], corner), key=lambda x, e=estimate: abs(e - x))
        row[i] = (value + (0, left, above[i], (left + above[i]) // 2, paeth)[kind]) & 0xff


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_scripts_in_a_browser(daemon):
    """The page's own runs, and sorts; what a client sent does not."""
    path = write_page(daemon)
    shown = browse(daemon, path, "--dump-dom")
    assert '<button type="button">Messages</button>' in shown
    assert "<script>alert" not in shown
    with open(path, encoding="ascii") as file:
        text = file.read()
    click = ("<script>const b = Array.from(document.querySelectorAll('[aria-label=Clients] button'))"
             ".filter(b => b.textContent == 'Failed')[0]; b.click();</script></body>")
    # The page's policy keeps a second script from running; without the policy it may.
    for policy, first in ((True, GOOD), (False, FAILING)):
        with open(path, "w", encoding="ascii") as file:
            changed = text if policy else re.sub("<meta http-equiv=[^>]*>", "", text)
            file.write(changed.replace("</body>", click))
        shown = browse(daemon, path, "--dump-dom")
        table = shown[shown.index('aria-label="Clients"'):]
        assert re.search(r'<td class="a">([^<]*)', table)[1] == first
