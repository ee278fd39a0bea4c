"""A TCP relay that connects from an address of the test's choice, for tools that cannot."""

import socket
import threading

from .wait import DEADLINE


class Relay:
    """Listens on 127.0.0.1:port; what connects there reaches target from the address source."""

    def __init__(self, target, source):
        self.target, self.source = target, source
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads, self._sockets = [], []
        self._spawn(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
        for thread in self._threads:
            thread.join(DEADLINE)
        for sock in self._sockets:
            sock.close()

    def _spawn(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(self.target, DEADLINE, (self.source, 0))
            self._sockets += [client, server]
            self._spawn(self._pump, client, server)
            self._spawn(self._pump, server, client)

    @staticmethod
    def _pump(from_socket, to_socket):
        try:
            while data := from_socket.recv(65536):
                to_socket.sendall(data)
            to_socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one end has gone
