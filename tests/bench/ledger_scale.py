#!/usr/bin/env python3
"""How long `gatepost simulate` and `gatepost suggest` take on a large ledger.

usage: ledger_scale.py GATEPOST [--peers N] [--hellos N] [--only TEXT]

Makes a ledger of synthetic peers in a temporary directory: each sends one of the hellos, few of
them most of the time. A fifth of the hellos is old: TLS 1.0 to 1.2 with CBC or static RSA.
"""

import argparse
import hashlib
import os
import random
import resource
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

_V1 = 1_790_000_000  # unix seconds: when it all was
_MODERN = (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8)
_CBC = (0xC009, 0xC013, 0xC00A, 0xC014)
_STATIC = (0x009C, 0x009D, 0x002F, 0x0035)
_SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201)


def vector(data, size):
    """data with its length before it."""
    return len(data).to_bytes(size, "big") + data


def numbers(values):
    """Two bytes for each."""
    return b"".join(struct.pack("!H", value) for value in values)


def hello(rng):
    """The body of a ClientHello, of a new or an old client."""
    old = rng.random() < 0.2
    suites = list(_STATIC + _CBC if old else _MODERN + _CBC)
    rng.shuffle(suites)
    suites = suites[:rng.randint(4, len(suites))]
    if not old:
        suites = [0x1301] + [suite for suite in suites if suite != 0x1301]
    groups = [29, 23, 24]
    if rng.random() < 0.1:
        groups = [23, 24, 25]
    extensions = {11: b"\1\0", 10: vector(numbers(groups), 2), 23: b"", 35: b"",
                  13: vector(numbers(rng.sample(_SIGNATURES, 8)), 2)}
    if not old:
        point = rng.randbytes(32)
        share = numbers([29]) + vector(point, 2) if groups[0] == 29 else b""
        extensions |= {43: vector(numbers([0x0304, 0x0303]), 1), 51: vector(share, 2), 45: b"\1\1"}
    order = list(extensions)
    rng.shuffle(order)
    body = struct.pack("!H", 0x0303 if rng.random() < 0.9 or not old else 0x0301)
    body += rng.randbytes(32) + vector(b"", 1) + vector(numbers(suites), 2) + b"\1\0"
    return body + vector(b"".join(numbers([kind]) + vector(extensions[kind], 2)
                                  for kind in order), 2)


def fill(path, peers, hellos):
    """Puts them into the (empty) ledger at PATH."""
    rng = random.Random(7)
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    database.executemany(
        "INSERT INTO hello(id, digest, bytes, first, last, count) VALUES(?, ?, ?, ?, ?, 20)",
        ((number + 1, hashlib.sha256(struct.pack("!I", number)).digest()[:16], hello(rng), _V1, _V1)
         for number in range(hellos)))
    database.executemany(
        "INSERT INTO peer(id, address, prefix, first, last, sessions, messages, established, failed,"
        " helo, ccert_status) VALUES(?, ?, 32, ?, ?, 20, 10, 15, 5, ?, 'Anonymous')",
        ((number + 1, struct.pack("!I", 0x0B000000 + 7 * number), _V1, _V1,
          f"mx{number}.example".encode()) for number in range(peers)))
    database.executemany(
        "INSERT INTO peer_hello(peer, hello, listener, established, failed, messages, first, last)"
        " VALUES(?, ?, 0, 15, 5, 10, ?, ?)",
        ((number + 1, number % hellos + 1 if number < hellos else
          1 + int(hellos * rng.random() ** 3), _V1, _V1) for number in range(peers)))
    database.commit()
    database.close()


def make_ledger(gatepost, directory):
    """Has gatepost make an empty one; its path."""
    path = os.path.join(directory, "ledger", "ledger.db")
    with subprocess.Popen([gatepost, "-c", directory, "run"]) as daemon:
        limit = time.monotonic() + 60
        while not os.path.exists(path) and daemon.poll() is None and time.monotonic() < limit:
            time.sleep(0.1)
        daemon.terminate()
    if not os.path.exists(path):
        sys.exit(open(os.path.join(directory, "log"), encoding="utf-8").read())
    return path


def timed(*command):
    """Runs it; (seconds, processor seconds, peak MiB of all so far, bytes of output)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        status = subprocess.run(command, stdout=out, check=False).returncode
        seconds = time.monotonic() - start
        size = out.tell()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status not in (0, 1):
        sys.exit(f"{' '.join(command)}: exit status {status}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, after.ru_maxrss / 1024, size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gatepost")
    parser.add_argument("--peers", type=int, default=1_000_000)
    parser.add_argument("--hellos", type=int, default=50_000)
    parser.add_argument("--only", default="", help="measure what has this in its name")
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="gatepost-scale.")
    try:
        measure(arguments, directory)
    finally:
        shutil.rmtree(directory)


def measure(arguments, directory):
    """Fills a ledger, and asks."""
    certificate = os.path.join(directory, "chains.pem")
    subprocess.run([arguments.gatepost, "selfsigned", "--name", "mx.example", "--both", certificate],
                   check=True)
    os.chmod(directory, 0o755)
    os.mkdir(os.path.join(directory, "empty"), 0o755)
    with open(os.path.join(directory, "gatepost.cf"), "w", encoding="ascii") as file:
        file.write(f"myhostname = mx.example\ngatepost_state_directory = {directory}\n"
                   f"smtpd_tls_chain_files = {certificate}\nsmtpd_tls_security_level = may\n"
                   f"gatepost_chroot_directory = {directory}/empty\ngatepost_user = nobody\n"
                   f"maillog_file = {directory}/log\ngatepost_listen = 127.0.0.1:0\n")
    path = make_ledger(arguments.gatepost, directory)
    fill(path, arguments.peers, arguments.hellos)
    print(f"{arguments.peers} peers, {arguments.hellos} ClientHellos")
    base = (arguments.gatepost, "-c", directory)
    for name, command in {
            "simulate, TLS 1.2": ("simulate", "-o", "smtpd_tls_protocols=>=TLSv1.2"),
            "simulate, AEAD": ("simulate", "-o", "tls_high_cipherlist=ECDHE+AESGCM", "-o",
                               "smtpd_tls_ciphers=high"),
            "simulate, all change, JSON": ("simulate", "--json", "-o",
                                           "tls_eecdh_auto_curves=P-384"),
            "suggest, nobody fails": ("suggest",),
            "suggest, a fifth fails": ("-o", "smtpd_tls_exclude_ciphers=kRSA, SHA1", "suggest",
                                       "--min-sessions", "1")}.items():
        if arguments.only not in name:
            continue
        seconds, processor, memory, size = timed(*base, *command)
        print(f"{name:28} {seconds:6.1f} s  {processor:6.1f} s of processor  {memory:6.0f} MiB at "
              f"most  {size} bytes")


if __name__ == "__main__":
    main()
