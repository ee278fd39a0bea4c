"""docs/interop.md, from what came of all clients and backends."""

from . import backends, peer

_TOLD = {"proxy2": "PROXY 2", "proxy1": "PROXY 1", "xclient": "XCLIENT"}
_HEAD = """# Who has been tried with gatepost

Written by `tests/interop --write-docs`, which runs all of these against gatepost, on Debian 12 unless
a version says otherwise. `tests/run` runs them again.

## Clients

Each delivers messages through gatepost to a Postfix, with STARTTLS, a line that begins with a dot, and
8-bit content. *resumed*: the second session resumes the first, in TLS 1.3. Postfix saw the client's
own address each time, also over IPv6, and every message arrived as the client had sent it.

"""
_BACKENDS = """
## Backends

gatepost delivers messages from one client to each of these, whose sessions had TLS 1.3 and 1.2 in front
of gatepost. The backend's own `Received:` has the client's address, on IPv4 and IPv6.

"""
_SETTINGS = """
What makes them believe gatepost, with `gatepost_backend_protocol` as told by; nobody else than
gatepost may reach them there:

"""


class _Notes:
    """Reasons, numbered; the same reason has one number."""

    def __init__(self, prefix):
        self.prefix, self.texts = prefix, []

    def mark(self, text):
        """A dash with a reference."""
        if text not in self.texts:
            self.texts.append(text)
        return f"– <sup>{self.prefix}{self.texts.index(text) + 1}</sup>"

    def lines(self):
        """What the references mean."""
        return "".join(f"- <sup>{self.prefix}{number}</sup> {text}\n"
                       for number, text in enumerate(self.texts, 1))


def _table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cells(row, columns, notes):
    return ["yes" if row.can[column] else notes.mark(row.peer.cannot[column]) for column in columns]


def _alterations(rows):
    for row in rows:
        if row.peer.alters:
            yield f"\n{row.peer.name} {' '.join(row.peer.alters.__doc__.split())}\n"
    local = [row.peer.name for row in rows if row.peer.local]
    if local:
        yield f"\nWithout a source address to choose, so from 127.0.0.1: {', '.join(local)}.\n"


def page(clients, servers):
    """The whole page."""
    notes, more = _Notes("c"), _Notes("b")
    client_rows = [[row.peer.name, row.version, *_cells(row, peer.COLUMNS, notes)]
                   for row in clients]
    server_rows = [[row.peer.name, row.version, _TOLD[row.peer.told],
                    *_cells(row, backends.COLUMNS, more)] for row in servers]
    settings = [[row.peer.name, _TOLD[row.peer.told], f"`{row.peer.setting}`"] for row in servers]
    return (_HEAD + _table(["client", "version", *peer.COLUMNS], client_rows) + "\n" + notes.lines()
            + "".join(_alterations(clients)) + _BACKENDS
            + _table(["backend", "version", "told by", *backends.COLUMNS], server_rows) + "\n"
            + more.lines() + _SETTINGS + _table(["backend", "told by", "setting"], settings))
