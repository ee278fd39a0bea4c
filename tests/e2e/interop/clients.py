"""All clients, and the trial of one."""

import traceback
from dataclasses import dataclass, field

from harness.unpacked import Missing

from . import exim, haraka, languages, opensmtpd, postfix, sendmail, small, tools
from .job import KINDS
from .peer import COLUMNS, Place

PEERS = [*postfix.PEERS, *exim.PEERS, *opensmtpd.PEERS, *sendmail.PEERS, *haraka.PEERS,
         *small.PEERS, *tools.PEERS, *languages.PEERS]
_NEEDS = {"ipv6": "IPv6", "utf8": "SMTPUTF8", "tls13": "TLS 1.3", "tls12": "TLS 1.2"}


@dataclass
class Row:
    """What came of a client: columns are True or False; wrong says what should not be so."""

    peer: object
    version: str = ""
    skipped: str = ""  # why
    can: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)


def _columns(seen):
    """What was seen, by column; seen is by the name of the job."""
    def was(name, test):
        return name in seen and test(seen[name])
    return {
        "TLS 1.3": was("tls13", lambda one: one.protocol == "TLSv1.3"),
        "TLS 1.2": was("tls12", lambda one: one.protocol == "TLSv1.2"),
        "resumed": was("again", lambda one: one.resumed),
        "IPv6": was("ipv6", lambda one: one.address == "IPv6:::1"),
        "BDAT": any(one.bdat for one in seen.values()),
        "8BITMIME": was("again", lambda one: "BODY=8BITMIME" in one.mail.upper()),
        "SMTPUTF8": was("utf8", lambda one: "SMTPUTF8" in one.mail.upper()),
    }


def _judge(site, row, jobs, seen):
    row.can = _columns(seen)
    for column in COLUMNS:
        if row.can[column] == (column in row.peer.cannot):
            row.wrong.append(f"{column}: {'yes' if row.can[column] else 'no'}, though it "
                             f"{'cannot' if row.can[column] else 'should'}: {seen}")
    for job in jobs:
        one = seen[job.kind.name]
        expected = "IPv6:::1" if job.kind.ipv6 else job.source or "127.0.0.1"
        if one.address != expected:
            row.wrong.append(f"{job.kind.name}: the backend saw {one.address}, not {expected}")
        if not one.intact:
            row.wrong.append(f"{job.kind.name}: the content was changed: {site.arrived(job)}")
        if not one.protocol:
            row.wrong.append(f"{job.kind.name}: no TLS")


def attempt(site, peer):
    """Lets a client deliver all that it can."""
    row = Row(peer)
    try:
        row.version = peer.version()
    except Missing as missing:
        row.skipped = str(missing)
        return row
    source = None if peer.local else f"127.0.8.{PEERS.index(peer) + 1}"
    jobs = [site.job(kind, peer.key, source) for kind in KINDS
            if _NEEDS.get(kind.name) not in peer.cannot]
    place = Place(site, peer.key)
    try:
        peer.send(place, jobs)
        alters = peer.alters or (lambda body: body)
        _judge(site, row, jobs, {job.kind.name: site.seen(job, alters(job.body)) for job in jobs})
    except Missing as missing:
        row.skipped = str(missing)
    except Exception:  # pylint: disable=broad-except
        row.wrong.append(traceback.format_exc() + place.logs())
    return row
