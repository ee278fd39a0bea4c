"""Lines that are longer than any buffer: they stream through, and change nothing in what is looked at
and what is removed."""

import re

import pytest

from harness.backend_dialogue import Dialogue, Ended
from harness.client import Client
from harness.headers import split_ours

SOURCE = "127.0.0.2"
FORGED = b"Received-TLS: from a by front.gatepost.test (using TLSv1.3); now\r\n"
SIZES = [2047, 2048, 2049, 4096, 16383, 16384, 16385, 65535, 65536, 65537, 70_000, 131_073, 1_000_000]


class CountingDialogue(Dialogue):
    """Keeps no content, only its length."""

    def receive_content(self):
        total, tail = 0, b""
        while not (tail + self.buffer).endswith(b"\r\n.\r\n"):
            total += len(self.buffer)
            tail = (tail + self.buffer)[-5:]
            try:
                self.buffer = self.conn.recv(1 << 20)
            except OSError:
                self.buffer = b""
            if not self.buffer:
                raise Ended
        total += len(self.buffer)
        self.buffer = b""
        return b"%d" % total


def peak(pid):
    """The most memory that a process has had, in kB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("start", [b"", b"X-Long: ", b"X: y\r\n\r\n", b"Received-TLS: "],
                         ids=["at-once", "header", "body", "ours"])
def test_line_of_100_megabytes(make_gatepost, make_backend, start, tls):
    """Constant memory, whatever part of a message it is."""
    backend = make_backend(dialogue=CountingDialogue)
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1")
    pid = daemon.workers()[0]
    with Client(daemon.address, SOURCE) as client:
        client.ehlo()
        if tls:
            client.starttls()
            client.ehlo()
        client.deliver("first@x", b"Subject: x\r\n\r\n" + b"line\r\n" * 100_000)
        client.envelope("r@x")
        client.expect(354, "DATA")
        before = peak(pid)
        client.send(start)
        for _ in range(100):
            client.send(b"y" * 1_000_000)
        client.send(b"\r\n.\r\n")
        assert client.reply().code == 250
        client.quit()
    growth = peak(pid) - before
    print(f"growth: {growth} kB")
    assert growth < 1000
    length = int(backend.messages[1].content)
    if start == b"Received-TLS: ":  # longer than any honest one
        assert length < 1000
    else:
        assert 100_000_000 < length < 100_001_000


@pytest.mark.parametrize("bdat", [False, True], ids=["data", "bdat"])
def test_forgery_behind_a_long_header_line(make_gatepost, backend, connect, bdat):
    """And before one, and between two; and a field whose own line is long."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    for size in SIZES:
        long = b"X-Long: " + b"y" * size + b"\r\n"
        folded = b"X-Folded: x\r\n\t" + b"z" * size + b"\r\n"
        field = FORGED[:-2] + b" " * size + b"\r\n"
        name = b"Y" * size + b": x\r\n"
        kept = long + folded + name + b"\r\n" + FORGED + long
        client.envelope("r@x")
        content = FORGED + long + FORGED + folded + field + name + FORGED + b"\r\n" + FORGED + long
        if bdat:
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        else:
            client.expect(354, "DATA")
            client.send(content + b".\r\n")
        assert client.reply().code == 250
        assert split_ours(backend.messages[-1].content)[1] == kept, size
