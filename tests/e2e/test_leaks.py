"""Ten thousand sessions, ended in every way there is, leave nothing behind."""

import random
import threading

import pytest

from harness.daemon import run_command
from harness.endings import ENDINGS, SILENT, Place, run
from harness.ports import free_port
from harness.usage import KIB, MIB, pss, total_descriptors, wait_quiet

SESSIONS = 10_000
WARM_UP = 1000
THREADS = 6
SILENT_ONES = 100  # that wait for smtpd_timeout, all at once
RELOADS = 60
GROWTH = 1 * MIB  # of a process's memory; what a leak of 100 bytes a session comes to


def in_threads(work, count):
    """work(number) in as many threads."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def end_sessions(place, count, seed):
    """So many sessions, of every kind in turn; returns how many went as they should, by kind."""
    names, done = list(ENDINGS), dict.fromkeys(ENDINGS, 0)

    def work(thread):
        rng = random.Random(seed + thread)
        for number in range(thread, count, THREADS):
            name = names[number % len(names)]
            done[name] += run(ENDINGS[name], place, rng)

    in_threads(work, THREADS)
    in_threads(lambda number: run(SILENT, place, random.Random(seed + number)), SILENT_ONES)
    return done


def at_rest(daemon):
    """Descriptors and memory of each process, when nothing is open any more."""
    wait_quiet(daemon, run_command)
    files = total_descriptors(daemon)
    return files, {pid: pss(pid) for pid in files}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_left_behind(make_gatepost, sink):
    wrapped, proxied = free_port(), free_port()
    daemon = make_gatepost(sink.endpoint, start=False, smtpd_timeout="3s",
                           smtpd_error_sleep_time="0", smtpd_starttls_timeout="3s")
    daemon.write_config(gatepost_listen=f"127.0.0.1:{daemon.port},"
                        f" {{ 127.0.0.1:{wrapped}, smtpd_tls_wrappermode=yes }}, "
                        f"{{ 127.0.0.1:{proxied}, smtpd_upstream_proxy_protocol=haproxy,"
                        " gatepost_upstream_proxy_networks=127.0.0.0/8 }")
    daemon.start()
    place = Place(daemon.address, ("127.0.0.1", wrapped), ("127.0.0.1", proxied))
    end_sessions(place, WARM_UP, 1)
    files, memory = at_rest(daemon)
    done = end_sessions(place, SESSIONS, 2)
    files_after, memory_after = at_rest(daemon)
    print(f"descriptors {files} and {files_after}")
    print("memory, KiB", {pid: (size // KIB, memory_after.get(pid, 0) // KIB)
                          for pid, size in memory.items()})
    never = [name for name, times in done.items() if not times]
    assert not never, f"endings that never went as they should: {never}"
    assert files_after == files
    for pid, size in memory.items():
        assert memory_after[pid] < size + GROWTH
    assert not sink.records()


@pytest.mark.slow
def test_reloads_leave_nothing_behind(make_gatepost, sink):
    """Nor do the workers that go with each."""
    daemon = make_gatepost(sink.endpoint)
    daemon.reload()
    files, memory = at_rest(daemon)
    for _ in range(RELOADS):
        daemon.reload()
    files_after, memory_after = at_rest(daemon)
    master = daemon.process.pid
    print(f"memory of the master, KiB: {memory[master] // KIB}, then {memory_after[master] // KIB}")
    assert files_after[master] == files[master]
    assert memory_after[master] < memory[master] + GROWTH
    assert sorted(files_after.values()) == sorted(files.values())
