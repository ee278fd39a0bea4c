"""An SMTP server to stand behind gatepost: it records every byte, and misbehaves on demand.

Unarmed it is well-behaved. arm() gives it an action (backend_dialogue.py) for a step.
"""

import os
import socket
import threading

from .backend_dialogue import Dialogue, Ended, Session
from .ports import free_port
from .wait import wait_until

CAPABILITIES = ("PIPELINING", "SIZE 20000000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME",
                "DSN", "SMTPUTF8", "CHUNKING")


class Backend:
    """Listens until close(). handoff: what tells the client: proxy2, proxy1, xclient or none.
    dialogue: the class that serves a connection."""

    def __init__(self, handoff="proxy2", capabilities=CAPABILITIES, path=None,
                 dialogue=Dialogue):
        self.handoff, self.capabilities, self.path = handoff, capabilities, path
        self.dialogue = dialogue
        self.all_sessions = []
        self._actions = {}
        self._connections = set()
        self._listener = None
        self.late = threading.Event()  # set: answer what had to wait
        self._port = None if path else free_port()
        self.open()

    @property
    def endpoint(self):
        """As gatepost_backend wants it."""
        return f"unix:{self.path}" if self.path else f"inet:127.0.0.1:{self._port}"

    def open(self):
        """Starts listening (again)."""
        if self.path:
            self._listener = socket.socket(socket.AF_UNIX)
            if os.path.exists(self.path):
                os.unlink(self.path)
            self._listener.bind(self.path)
        else:
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        """Stops listening, ends all connections."""
        self.late.set()
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for conn in list(self._connections):
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other end was faster

    def arm(self, step, action, client=None):
        """From now on, do this at that step, for all or for the client with this address. None:
        behave."""
        self._actions[step, client] = action

    def action(self, step, client=None):
        """What is armed for a step."""
        return self._actions.get((step, client)) or self._actions.get((step, None))

    @property
    def sessions(self):
        """The connections made for a client, not to see what the backend can."""
        return [session for session in self.all_sessions if self._is_client(session)]

    def _is_client(self, session):
        if self.handoff == "xclient":
            return bool(session.xclient)
        if self.handoff == "none":
            return any(command[:4].upper() != b"EHLO" and command[:4].upper() != b"QUIT"
                       for command in session.commands)
        return bool(session.proxy) and not session.proxy.local and \
            session.proxy.client[0] != "127.0.0.1"

    @property
    def messages(self):
        """Everything accepted so far."""
        return [message for session in self.all_sessions for message in session.messages]

    def wait_sessions(self, count):
        """The first count client sessions, once there are as many."""
        wait_until(lambda: len(self.sessions) >= count, f"{count} backend sessions")
        return self.sessions[:count]

    def _accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            if not self.path:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session()
            self.all_sessions.append(session)
            self._connections.add(conn)
            threading.Thread(target=self._serve, args=(conn, session), daemon=True).start()

    def _serve(self, conn, session):
        try:
            self.dialogue(self, conn, session).run()
        except Ended:
            pass
        except AssertionError as error:
            session.commands.append(b"PROTOCOL ERROR: " + str(error).encode())
        finally:
            self._connections.discard(conn)
            conn.close()
            session.closed = True
