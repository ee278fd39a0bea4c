"""Measuring one server once."""

from . import cpu
from .tools import Void
from .works import GROWTH, IDLE, LATENCY

IDLE_IN_PROCESS = 5000  # idle sessions that one load generator holds
WARM_UP = 100           # sessions before memory is measured


def scaled(count, scale, least=10):
    """A count of a work for a run of another size."""
    return max(int(count * scale), least)


class Measurement:
    """Measures; settings has scale, concurrency, idle and handshaking counts."""

    def __init__(self, tools, sink, settings):
        self._tools, self._sink, self._settings = tools, sink, settings

    def _concurrency(self, peer):
        return peer.concurrency or self._settings.concurrency

    def work(self, peer, work):
        """The work's unit of CPU; Void if anything went wrong."""
        sessions = scaled(work.sessions, self._settings.scale * peer.scale)
        messages = self._sink.messages()
        before = cpu.settled_seconds(peer.root)
        result = self._tools.load(peer.ports[work.certificate], "--operations", sessions,
                                  "--concurrency", self._concurrency(peer), *work.arguments())
        spent = cpu.settled_seconds(peer.root) - before
        taken = self._sink.messages() - messages
        if result["sessions"] != sessions or taken != sessions * work.messages:
            raise Void(f"{result['sessions']} sessions and {taken} messages of "
                       f"{sessions} and {sessions * work.messages}")
        return spent / work.units(sessions)

    def special(self, name, peer):
        """Rows of a special work, as a dictionary."""
        return {IDLE: self._idle, LATENCY: self._latency, GROWTH: self._growth}[name](peer)

    def _hold(self, peer, count):
        """Idle TLS sessions; the load generators that hold them."""
        holders = []
        try:
            while count > 0:
                part = min(count, IDLE_IN_PROCESS)
                holders.append(self._tools.background(
                    peer.ports["ecdsa"], "--tls", "1.3", "--hold", "--operations", part,
                    "--concurrency", self._concurrency(peer)))
                count -= part
        except BaseException:
            self._kill(holders)
            raise
        return holders

    @staticmethod
    def _kill(holders):
        for holder in holders:
            holder.kill()

    def _idle(self, peer):
        count = min(self._settings.idle, peer.idle_limit or self._settings.idle)
        self._tools.load(peer.ports["ecdsa"], "--tls", "1.3", "--operations", WARM_UP,
                         "--concurrency", self._concurrency(peer))
        cpu.settled_seconds(peer.root)
        before = cpu.memory(peer.root)
        holders = self._hold(peer, count)
        try:
            cpu.settled_seconds(peer.root)
            used = cpu.memory(peer.root) - before
            for holder in holders:
                holder.end()
        finally:
            self._kill(holders)
        cpu.settled_seconds(peer.root)
        return {"idle sessions": count, "idle KiB": used / count}

    def _latency(self, peer):
        count = scaled(2000, self._settings.scale * peer.latency_scale)

        def measure():
            return self._tools.load(peer.ports["ecdsa"], "--tls", "1.3", "--concurrency", 1,
                                    "--operations", count)
        alone = measure()
        holders = self._hold(peer, self._settings.idle // 2)
        try:
            holders.append(self._tools.background(
                peer.ports["ecdsa"], "--tls", "1.3", "--forever", "--pause", 1000,
                "--concurrency", self._settings.handshaking))
            among = measure()
            for holder in reversed(holders):
                holder.end()
        finally:
            self._kill(holders)
        cpu.settled_seconds(peer.root)
        return {"latency p50 alone": alone["p50_us"], "latency p99 alone": alone["p99_us"],
                "latency p50 among others": among["p50_us"],
                "latency p99 among others": among["p99_us"],
                "latency p99, ratio": among["p99_us"] / alone["p99_us"]}

    def _growth(self, peer):
        rows = {}
        sessions = scaled(2000, self._settings.scale)
        for idle in sorted({10, self._settings.idle // 10, self._settings.idle}):
            holders = self._hold(peer, idle)
            try:
                before = cpu.settled_seconds(peer.root)
                self._tools.load(peer.ports["ecdsa"], "--tls", "1.3", "--operations", sessions,
                                 "--concurrency", self._concurrency(peer))
                rows[f"full13 with {idle} idle"] = \
                    (cpu.settled_seconds(peer.root) - before) / sessions * 1e6
                for holder in holders:
                    holder.end()
            finally:
                self._kill(holders)
            cpu.settled_seconds(peer.root)
        return rows
