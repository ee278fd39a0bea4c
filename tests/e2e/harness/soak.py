"""The soak: good, slow, broken and hostile clients for as long as one likes, while workers, the key
process and the backend are killed and configurations reloaded.

It goes in rounds. In each there is load for a while, then everybody leaves, and what every process
uses is written down. Rounds come in eras. In the first rounds of an era gatepost's processes are
killed and replaced too; in the others they are left alone, so that a leak can add up.
"""

import itertools
import os
import random
import re
import signal
import threading
import time
from dataclasses import dataclass, field

from .daemon import process_status, run_command
from .deliverer import FAILURES, Deliverer, finish
from .drip import STAGES, Drip
from .endings import ENDINGS, SILENT, Place, run
from .flood import KINDS, Flood
from .numbered import ACCEPTED, UNHEARD, Book
from .usage import KIB, MIB, descriptors, pss, sessions_open, total_pss, wait_quiet
from .wait import wait_until

GOOD = 8
BROKEN = 3  # threads that make sessions of every ending
DRIPS = 60
ROUND = 20.0  # seconds of load, at most
ROUNDS_IN_ERA = 36
KILLING_ROUNDS = 12  # of these
GROWTH = 4 * MIB  # of one process at rest, from its second rest on
_BAD_LINE = re.compile(r"(smtpd|keys|master)\[\d+\]: (fatal|error):|was killed by signal (?!9$)|"
                       r"exited with status")
WORST = 60.0  # seconds that a message may take, tries and all


@dataclass
class Rest:
    """What was used when nobody was there."""

    at: float
    memory: dict
    files: dict
    peak: int
    accepted: int


@dataclass
class Soak:
    """One run. log(text) is told what is done."""

    daemon: object
    sink: object
    place: Place
    seed: int
    log: object
    began: float = field(default_factory=time.monotonic)
    rests: list = field(default_factory=list)
    events: dict = field(default_factory=dict)
    broken: int = 0
    floods: int = 0
    longest: float = 0.0
    wrong: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = random.Random(self.seed)
        self.book = Book(f"s{self.seed}")

    # What happens to gatepost and to its backend

    def _happened(self, what, detail=""):
        self.events[what] = self.events.get(what, 0) + 1
        self.log(f"{time.monotonic() - self.began:8.1f} {what} {detail}")

    def _kill(self, what, pids):
        if pids:
            pid = self.rng.choice(pids)
            self._happened(f"kill {what}", pid)
            os.kill(pid, signal.SIGKILL)

    def _reload(self):
        result = run_command("-c", self.daemon.directory, "reload")
        self._happened("reload" if result.returncode == 0 else "reload refused",
                       result.stdout.strip())

    def _kill_backend(self):
        self._happened("kill backend")
        self.sink.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        self.sink.start()

    def _trouble(self, killing):
        """One mishap; mostly none, where gatepost is left alone."""
        if not killing and self.rng.random() < 0.6:
            return
        kinds = [self._kill_backend]
        if killing:
            kinds += [lambda: self._kill("worker", self.daemon.workers()),
                      lambda: self._kill("key process", self.daemon.key_processes()),
                      self._reload]
        self.rng.choice(kinds)()

    # Clients

    def _break(self, number, stop):
        rng = random.Random(f"{self.seed} {number} {len(self.rests)}")
        names = list(ENDINGS)
        while not stop.is_set():
            self.broken += 1
            ending = SILENT if rng.random() < 0.002 else ENDINGS[rng.choice(names)]
            run(ending, self.place, rng)
            stop.wait(0.01)

    def _drip(self, drip):
        for _ in range(DRIPS):
            try:
                drip.add(self.place.address, f"127.0.{self.rng.randint(31, 39)}.1",
                         self.rng.choice(list(STAGES)))
            except FAILURES:
                pass  # its worker was killed, or its backend

    def _hostile(self, until):
        """Floods, one after the other, until then."""
        while (left := until - time.monotonic()) > 0.2:
            flood = Flood(self.place.address, self.rng.choice(list(KINDS)),
                          min(left, self.rng.uniform(0.5, 2)), self.rng.randrange(1 << 30))
            self.floods += flood.wait()
            time.sleep(min(2.0, max(0.0, until - time.monotonic())))

    # Rounds

    def round(self, seconds, killing):
        """Load, with mishaps; then rest."""
        stop, until = threading.Event(), time.monotonic() + seconds
        good = [Deliverer(self.place.address, self.book, f"{self.seed} {len(self.rests)} {number}",
                          f"127.0.0.{number + 2}", pause=0.02) for number in range(GOOD)]
        others = [threading.Thread(target=self._break, args=(number, stop))
                  for number in range(BROKEN)]
        others.append(threading.Thread(target=self._hostile, args=(until,)))
        for thread in good + others:
            thread.start()
        with Drip() as drip:
            self._drip(drip)
            peak = 0
            while time.monotonic() < until:
                peak = max(peak, total_pss(self.daemon))
                time.sleep(self.rng.uniform(0.2, 2))
                self._trouble(killing)
            stop.set()
            for thread in others:
                thread.join()
            finish(good)
        self.longest = max([self.longest, *(one.longest for one in good)])
        self._rest(peak)

    def _rest(self, peak):
        wait_until(lambda: len(self.daemon.workers()) == 2 and len(self.daemon.key_processes()) == 1,
                   "all processes to be replaced, and the old ones' end", 90)
        wait_quiet(self.daemon, run_command, 60)
        pids = [self.daemon.process.pid, *self.daemon.children()]
        rest = Rest(time.monotonic() - self.began, {pid: pss(pid) for pid in pids},
                    {pid: descriptors(pid) for pid in pids}, peak, self.book.count(ACCEPTED))
        self.rests.append(rest)
        self.wrong += self.book.complaints(self.sink.records())

    def run(self, seconds):
        """Rounds until the time is up, or something is wrong."""
        rounds = max(4, round(seconds / ROUND))
        era = min(ROUNDS_IN_ERA, rounds)
        for number in range(rounds):
            killing = number % era < max(1, KILLING_ROUNDS * era // ROUNDS_IN_ERA)
            self.round(seconds / rounds, killing)
            self.log(self.row(self.rests[-1]))
            if self.wrong:
                return

    # What came of it

    @staticmethod
    def heading():
        """Of the table."""
        return (f"{'seconds':>8} {'accepted':>9} {'peak KiB':>9} {'rest KiB':>9}  "
                "each process at rest, KiB (descriptors)")

    @staticmethod
    def row(rest):
        """A line of the table."""
        each = "  ".join(f"{pid}: {size // KIB} ({rest.files[pid]})"
                         for pid, size in rest.memory.items())
        return (f"{rest.at:8.1f} {rest.accepted:9} {rest.peak // KIB:9} "
                f"{sum(rest.memory.values()) // KIB:9}  {each}")

    def _growth(self):
        """What grew that should not have: a process's use at rest, from the second time on."""
        for pid in {pid for rest in self.rests for pid in rest.memory}:
            seen = [rest for rest in self.rests if pid in rest.memory][1:]
            if len(seen) < 2:
                continue
            first, last, third = seen[0], seen[-1], -(-len(seen) // 3)
            early = min(rest.memory[pid] for rest in seen[:third])
            late = min(rest.memory[pid] for rest in seen[-third:])  # crowds leave gaps for a while
            if late > early + GROWTH:
                yield f"process {pid} grew from {early // KIB} to {late // KIB} KiB"
            if last.files[pid] > first.files[pid]:
                yield f"process {pid}: {first.files[pid]} files were open, then {last.files[pid]}"

    def verdict(self):
        """Complaints; none: all is well."""
        found = self.wrong[:20] + list(self._growth())
        with open(self.daemon.log_path, encoding="latin-1") as log:
            bad = (line.rstrip() for line in log if _BAD_LINE.search(line))
            found += [f"log: {line}" for line in itertools.islice(bad, 20)]
        if self.longest > WORST:
            found.append(f"a message took {self.longest:.1f} s")
        return found

    def summary(self):
        """Figures for the end."""
        records = len(self.sink.records())
        happened = ", ".join(f"{what}: {times}" for what, times in sorted(self.events.items()))
        return (f"accepted {self.book.count(ACCEPTED)}, lost before a verdict "
                f"{self.book.count(UNHEARD)}, delivered {records}; sessions broken {self.broken}, "
                f"flooding {self.floods}; {happened}; longest delivery {self.longest:.1f} s")
