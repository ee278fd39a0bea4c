"""Not a byte of a message changes on the way: random messages, random transfer, every byte compared.

Each test prints its seed; GATEPOST_TEST_SEED repeats it.
"""

import os
import random
import re

import pytest

from harness.client import dot_stuff
from harness.headers import split_delivered, split_ours

PARTS, MESSAGES = 4, 50  # together 200 messages to each backend
LARGEST = 5_000_000
# Lines that a careless relay would take for something else.
TRAPS = [b".", b"..", b".\t", b" .", b"...", b"QUIT", b"BDAT 3 LAST", b"From me", b"", b"\0", b".\0",
         b"250 2.0.0 Ok", b"Received-TLS: by front.gatepost.test", b"\xff\xfe", b"x" * 2047,
         b"x" * 2048, b"x" * 2049, b"." * 5000, b"y" * 20000]


# Some reader takes this for the end of data, so it does not arrive as it is: test_smuggling.py.
CHANGED = re.compile(rb"[\r\0]+\.[\r\0]*")


def random_source(part):
    """A random number generator whose seed is in the test's output."""
    seed = os.environ.get("GATEPOST_TEST_SEED") or f"{random.SystemRandom().getrandbits(32)}/{part}"
    print(f"GATEPOST_TEST_SEED={seed}")
    return random.Random(seed)


def random_line(rng, forbidden):
    """A line of content without its line end."""
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(TRAPS)
    if kind < 0.5:
        return b"The quick brown fox jumps over the lazy dog."[:rng.randrange(45)]
    line = rng.randbytes(int(2 ** rng.uniform(0, 12))).translate(None, forbidden)
    return b"x" if CHANGED.fullmatch(line) else line


def random_size(rng):
    """From nothing to LARGEST, small sizes often."""
    return 0 if rng.random() < 0.05 else int(2 ** rng.uniform(0, 22.254))


def random_message(rng, forbidden=b"\r\n"):
    """Header fields, an empty line, lines of any bytes but the forbidden; or nothing at all."""
    size = random_size(rng)
    if size == 0:
        return b""
    lines = [b"X-Test-%d: %d" % (number, size) for number in range(rng.randrange(1, 30))]
    if rng.random() < 0.5:
        lines.append(b"X-Folded: " + b"a" * rng.randrange(900) + b"\r\n\tand more")
    lines.append(b"")
    block = [random_line(rng, forbidden) for _ in range(rng.randrange(1, 400))]
    length = sum(len(line) + 2 for line in block)
    for _ in range(max(size // length, 1)):
        lines += block
    return b"\r\n".join(lines)[:LARGEST].rstrip(b"\r") + b"\r\n"


def random_pieces(rng):
    """Lengths of writes: sometimes bytes, sometimes many kilobytes."""
    while True:
        largest = rng.choice([1, 3, 100, 5000, 16384, 70000, 300000])
        for _ in range(rng.randrange(1, 20)):
            yield rng.randint(1, largest)


def random_chunks(rng, content):
    """Content as BDAT commands: (bytes to send, number of replies)."""
    out, position, count = b"", 0, 0
    while True:
        size = min(int(2 ** rng.uniform(0, 22)), len(content) - position)
        last = position + size == len(content) and (size == 0 or rng.random() < 0.5)
        if size == 0 and not last:
            continue
        out += b"BDAT %d%s\r\n" % (size, b" LAST" if last else b"")
        out += content[position:position + size]
        position, count = position + size, count + 1
        if last:
            return out, count


def send_with_data(client, rng, envelope, content):
    """MAIL, RCPT and DATA in one go, then the content."""
    client.send_pieces(envelope + b"DATA\r\n", random_pieces(rng))
    assert [client.reply().code for _ in range(3)] == [250, 250, 354]
    client.send_pieces(dot_stuff(content) + b".\r\n", random_pieces(rng))
    assert client.reply().code == 250


def send_with_bdat(client, rng, envelope, content):
    """Everything in one go."""
    chunks, count = random_chunks(rng, content)
    client.send_pieces(envelope + chunks, random_pieces(rng))
    codes = [client.reply().code for _ in range(2 + count)]
    assert codes == [250] * (2 + count)


def send_message(client, rng, address, content, bdat):
    """One transaction, pipelined, in random pieces."""
    size = b" SIZE=%d" % len(content) if rng.random() < 0.5 else b""
    envelope = b"MAIL FROM:<s@client.example>%s\r\nRCPT TO:<%s>\r\n" % (size, address.encode())
    (send_with_bdat if bdat else send_with_data)(client, rng, envelope, content)


def open_session(connect, daemon, rng):
    """A client after EHLO, with TLS or without."""
    client = connect(daemon)
    client.ehlo()
    if rng.random() < 0.6:
        client.starttls()
        client.ehlo()
    return client


def send_many(connect, daemon, rng, recipients, forbidden=(b"\r\n", b"\r\n")):
    """MESSAGES messages in sessions of a few; forbidden bytes for DATA and for BDAT. Returns the
    contents in the order of recipients."""
    contents, client = [], None
    for address in recipients:
        if client is None or rng.random() < 0.2:
            if client:
                client.quit()
            client = open_session(connect, daemon, rng)
        bdat = rng.random() < 0.5
        content = random_message(rng, forbidden[bdat])
        send_message(client, rng, address, content, bdat)
        contents.append(content)
    client.quit()
    return contents


@pytest.mark.parametrize("part", range(PARTS))
def test_real_postfix(gatepost, connect, postfix, recipient, part):
    rng = random_source(part)
    addresses = [recipient() for _ in range(MESSAGES)]
    contents = send_many(connect, gatepost, rng, addresses)
    for address, content in zip(addresses, contents):
        _, ours, delivered = split_delivered(postfix.wait_mail(address))
        assert ours.hostname == "front.gatepost.test"
        expected = content.replace(b"\r\n", b"\n")
        # A message without a body gets the empty line that ends its header.
        assert delivered in (expected, expected + b"\n"), first_difference(delivered, expected)


@pytest.mark.parametrize("part", range(PARTS))
def test_capturing_backend(make_gatepost, backend, connect, part):
    rng = random_source(part)
    daemon = make_gatepost(backend.endpoint)
    addresses = [f"r{number}@gatepost.test" for number in range(MESSAGES)]
    # BDAT carries any byte; what may stand alone in DATA is for test_line_ends.py.
    contents = send_many(connect, daemon, rng, addresses, (b"\r\n", b""))
    assert len(backend.messages) == MESSAGES
    for address, content, message in zip(addresses, contents, backend.messages):
        assert message.recipients == [b"RCPT TO:<%s>" % address.encode()]
        _, rest = split_ours(message.content)
        assert rest == content, first_difference(rest, content)


def first_difference(got, expected):
    """Where two byte strings part, for a person."""
    position = len(os.path.commonprefix([got, expected]))
    return f"lengths {len(got)} and {len(expected)}, from byte {position} on: " \
           f"{got[position:position + 60]!r} instead of {expected[position:position + 60]!r}"


@pytest.mark.parametrize("sizes", [(), (0,), (1, 0, 1), (7, 1, 0), (13, 9, 20), (13, 2)])
def test_chunks_that_end_inside_a_header(make_gatepost, backend, connect, sizes):
    """Our header is inside the first chunk, and the client's is put together again."""
    content = b"Subject: one\r\nReceived-TLX: two\r\n folded\r\n\r\nbody without line end"
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@gatepost.test")
    position = 0
    for size in sizes:
        client.send(b"BDAT %d\r\n" % size + content[position:position + size])
        assert client.reply().code == 250
        position += size
    rest = content[position:]
    client.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
    assert client.reply().code == 250
    assert split_ours(backend.messages[0].content)[1] == content


def test_empty_last_chunk(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    for content in (b"", b"Subject: x\r\n\r\ny\r\n"):
        client.envelope("r@gatepost.test")
        if content:
            client.send(b"BDAT %d\r\n" % len(content) + content)
            assert client.reply().code == 250
        assert client.command("BDAT 0 LAST").code == 250
        assert split_ours(backend.messages[-1].content)[1] == content


def test_declared_size_includes_what_is_added(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    content = b"Subject: x\r\n\r\ny\r\n"
    client.expect(250, f"MAIL FROM:<s@client.example> SIZE={len(content)}")
    client.expect(250, "RCPT TO:<r@gatepost.test>")
    client.expect(354, "DATA")
    client.send(content + b".\r\n")
    assert client.reply().code == 250
    message = backend.messages[0]
    declared = int(message.mail.rpartition(b"SIZE=")[2])
    assert len(message.content) <= declared < len(message.content) + 2048


def test_size_beyond_two_gigabytes_is_passed_on(make_gatepost, make_backend, connect):
    backend = make_backend(capabilities=("PIPELINING", "SIZE 9000000000", "CHUNKING"))
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    assert any(line.startswith("SIZE ") and 8_999_990_000 < int(line[5:]) <= 9_000_000_000
               for line in client.ehlo())
    client.expect(250, "MAIL FROM:<s@client.example> SIZE=5000000000")
    mail = backend.wait_sessions(1)[0].commands[-1]
    assert 5_000_000_000 <= int(mail.rpartition(b"SIZE=")[2]) < 5_000_010_000
