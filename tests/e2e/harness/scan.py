"""What a running server offers to a peer, found out from outside.

Each connection offers everything that the server has not chosen yet, so the order in which things
come is the server's own, if it has one.
"""

from dataclasses import dataclass, field

from .hello import (GROUP_NAMES, GROUPS, TLS1, TLS11, TLS12, TLS13, VERSION_NAMES, ask,
                    client_hello)

# Everything that a server of today could say yes to, and a lot that it must not. IANA's names.
TLS13_SUITES = {0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384",
                0x1303: "TLS_CHACHA20_POLY1305_SHA256"}
RSA_AUTH = {
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256", 0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xCCA8: "ECDHE-RSA-CHACHA20-POLY1305", 0xC027: "ECDHE-RSA-AES128-SHA256",
    0xC028: "ECDHE-RSA-AES256-SHA384", 0xC013: "ECDHE-RSA-AES128-SHA",
    0xC014: "ECDHE-RSA-AES256-SHA", 0xC012: "ECDHE-RSA-DES-CBC3-SHA", 0xC011: "ECDHE-RSA-RC4-SHA",
    0xC010: "ECDHE-RSA-NULL-SHA", 0x009C: "AES128-GCM-SHA256", 0x009D: "AES256-GCM-SHA384",
    0x003C: "AES128-SHA256", 0x003D: "AES256-SHA256", 0x002F: "AES128-SHA", 0x0035: "AES256-SHA",
    0x000A: "DES-CBC3-SHA", 0x0005: "RC4-SHA", 0x0004: "RC4-MD5", 0x0002: "NULL-SHA",
    0x0041: "CAMELLIA128-SHA", 0x0096: "SEED-SHA", 0x0007: "IDEA-CBC-SHA",
    0x0003: "EXP-RC4-MD5", 0x0008: "EXP-DES-CBC-SHA", 0x0009: "DES-CBC-SHA",
    0x0033: "DHE-RSA-AES128-SHA", 0x009E: "DHE-RSA-AES128-GCM-SHA256"}
ECDSA_AUTH = {
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xCCA9: "ECDHE-ECDSA-CHACHA20-POLY1305", 0xC023: "ECDHE-ECDSA-AES128-SHA256",
    0xC024: "ECDHE-ECDSA-AES256-SHA384", 0xC009: "ECDHE-ECDSA-AES128-SHA",
    0xC00A: "ECDHE-ECDSA-AES256-SHA", 0xC008: "ECDHE-ECDSA-DES-CBC3-SHA",
    0xC007: "ECDHE-ECDSA-RC4-SHA"}
OTHERS = {0x0018: "ADH-RC4-MD5", 0x0034: "ADH-AES128-SHA", 0xC018: "AECDH-AES128-SHA",
          0x008C: "PSK-AES128-CBC-SHA", 0x00AF: "PSK-NULL-SHA384", 0x0032: "DHE-DSS-AES128-SHA"}
SUITES = RSA_AUTH | ECDSA_AUTH | OTHERS
SUITE_NAMES = SUITES | TLS13_SUITES


@dataclass
class Offer:
    """Names of versions; of suites by version, in the server's order; and of groups."""

    suites: dict = field(default_factory=dict)
    groups: list = field(default_factory=list)

    @property
    def versions(self):
        """The versions that there are suites for, old ones first."""
        return list(self.suites)

    @property
    def all_suites(self):
        """The suites of all versions."""
        return {name for names in self.suites.values() for name in names}


def _eliminate(choices, choose):
    """choose(rest) until it gives None; the choices in their order."""
    rest, chosen = list(choices), []
    while rest and (choice := choose(rest)) is not None:
        assert choice in rest, f"the server chose {choice:#x}, which was not offered"
        rest.remove(choice)
        chosen.append(choice)
    return chosen


class Scanner:
    """Asks a server from one source address. suites: what to offer below TLS 1.3."""

    def __init__(self, address, source, suites=tuple(SUITES)):
        self.address, self.source, self.offered = address, source, suites

    def ask(self, version, suites, groups=tuple(GROUPS.values())):
        """The answer to such a ClientHello, None if it is not in that version."""
        answer = ask(self.address, self.source, client_hello(version, suites, groups))
        return answer if answer.suite is not None and answer.version == version else None

    def suites(self, version):
        """Names of the suites that the server has with a version, in its order."""
        def choose(rest):
            answer = self.ask(version, rest)
            return answer and answer.suite

        offered = TLS13_SUITES if version == TLS13 else self.offered
        return [SUITE_NAMES[number] for number in _eliminate(offered, choose)]

    def groups(self, version, suites):
        """Names of the groups that the server has with a version, in its order. suites must have
        only those that need a group."""
        def choose(rest):
            answer = self.ask(version, suites, rest)
            return answer and answer.group

        return [GROUP_NAMES[number] for number in _eliminate(GROUPS.values(), choose)]

    def scan(self):
        """Everything."""
        offer = Offer()
        for version in (TLS1, TLS11, TLS12, TLS13):
            if suites := self.suites(version):
                offer.suites[VERSION_NAMES[version]] = suites
                if version == TLS13:
                    ephemeral = list(TLS13_SUITES)
                else:
                    ephemeral = [number for number, name in SUITES.items()
                                 if name.startswith("ECDHE-") and name in suites]
                if ephemeral:
                    offer.groups = self.groups(version, ephemeral)
        return offer
