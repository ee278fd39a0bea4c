"""The ledger's database, as anybody may read it."""

import contextlib
import os
import socket
import sqlite3

from .wait import wait_until

_PEER = "SELECT * FROM peer WHERE address = ? AND prefix = ?"
_TLS = """SELECT p.text AS protocol, c.text AS cipher, g.text AS "group", s.text AS signature, t.*
          FROM tls t JOIN name p ON p.id = t.protocol JOIN name c ON c.id = t.cipher
          JOIN name g ON g.id = t.grp JOIN name s ON s.id = t.signature WHERE t.peer = ?"""
_FAILURE = """SELECT k.text AS kind_text, t.text AS reason, p.text AS place, f.*
              FROM failure f JOIN name k ON k.id = f.kind JOIN name t ON t.id = f.text
              JOIN name p ON p.id = f.policy WHERE f.peer = ?"""
_POLICY = """SELECT p.text AS place, w.text AS line_text, l.text AS level_text, u.sessions
             FROM policy_use u JOIN name p ON p.id = u.policy JOIN name l ON l.id = u.level
             JOIN name w ON w.id = u.line WHERE u.peer = ?"""
_HELLO = """SELECT h.bytes, h.digest, h.count, r.* FROM peer_hello r
            JOIN hello h ON h.id = r.hello WHERE r.peer = ?"""
_DAY = """SELECT k.text AS kind, v.text AS value, sum(d.sessions) AS sessions,
          sum(d.messages) AS messages FROM day d JOIN name k ON k.id = d.kind
          JOIN name v ON v.id = d.value GROUP BY k.text, v.text"""


class Ledger:
    """Queries, each over a connection of its own."""

    def __init__(self, path):
        self.path = path

    def rows(self, sql, *values):
        """All rows of a query as dictionaries; none while there is no such table yet."""
        if not os.path.exists(self.path):
            return []
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as database:
            database.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in database.execute(sql, values)]
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def peer(self, address, prefix=None):
        """The row of a peer, or None."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed = socket.inet_pton(family, address)
        rows = self.rows(_PEER, packed, prefix or 8 * len(packed))
        return rows[0] if rows else None

    def wait_peer(self, address, **counts):
        """Waits until the peer's counts are these; returns its row."""
        def found():
            row = self.peer(address)
            return row if row and all(row[name] == value for name, value in counts.items()) \
                else None
        try:
            return wait_until(found, "it")
        except AssertionError:
            raise AssertionError(f"{address}: {self.peer(address)}, not {counts}") from None

    def wait_more(self, address, before, **counts):
        """Waits until the peer's counts are at least so much more than in the row BEFORE (None: there
        was none), for clients that try more than once; returns its row."""
        def found():
            row = self.peer(address)
            return row if row and all(row[name] >= (before[name] if before else 0) + more
                                      for name, more in counts.items()) else None
        try:
            return wait_until(found, "it")
        except AssertionError:
            raise AssertionError(f"{address}: {self.peer(address)}, not {counts} more than "
                                 f"{before}") from None

    def tls(self, peer):
        """What protected a peer's sessions."""
        return self.rows(_TLS, peer["id"])

    def failures(self, peer):
        """Why its handshakes failed."""
        return self.rows(_FAILURE, peer["id"])

    def policies(self, peer):
        """(file, what the line says, level, sessions)."""
        return [tuple(row.values()) for row in self.rows(_POLICY, peer["id"])]

    def hellos(self, peer):
        """Its ClientHellos."""
        return self.rows(_HELLO, peer["id"])

    def days(self):
        """{(kind, value): (sessions, messages)} of all days."""
        return {(row["kind"], row["value"]): (row["sessions"], row["messages"])
                for row in self.rows(_DAY)}

    def total(self):
        """Sessions of all peers."""
        return self.rows("SELECT ifnull(sum(sessions), 0) AS n FROM peer")[0]["n"]

    def integrity(self):
        """["ok"], or what is wrong."""
        return [row["integrity_check"] for row in self.rows("PRAGMA integrity_check")]
