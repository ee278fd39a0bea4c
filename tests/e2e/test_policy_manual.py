"""gatepost_tls_policy(5): every example in it does what the text says (test_examples.py: is accepted)."""

import os
import re

import pytest

from harness.documents import PAGES, examples, in_the_future
from harness.table import ask_policy, in_directory, said, use_table

PATH = os.path.join(PAGES, "gatepost_tls_policy.5")
with open(PATH, encoding="ascii") as page:
    TEXT = page.read()
EXAMPLES = [one for one in examples() if one.document.endswith("gatepost_tls_policy.5")]
TABLES = [in_the_future(one.text) for one in EXAMPLES if one.kind == "table"]


@pytest.fixture
def configured(make_gatepost, backend):
    """A daemon that is not started."""
    return make_gatepost(backend.endpoint, start=False, smtpd_tls_fingerprint_digest="sha256")


def test_there_are_examples():
    assert len(TABLES) >= 5


def test_the_first_example(configured):
    """The table of addresses under it."""
    use_table(configured, TABLES[0])
    rows = re.findall(r"^\.It ([0-9a-f.:]+) Ta (\w+) Ta (\w+)$", TEXT, re.M)
    assert len(rows) == 6
    for address, line, level in rows:
        answer = ask_policy(configured, address)
        assert (str(answer["line"] or "none"), answer["level"]) == (line, level), address
    answer = ask_policy(configured, "192.0.2.17")
    assert answer["protocols"][0] == "TLSv1" and answer["note"] is None
    assert answer["until"].endswith("-06-30")
    assert ask_policy(configured, "198.51.100.7")["note"] == "scanner, 2nd floor"
    assert ask_policy(configured, "198.51.100.7")["protocols"] == ["TLSv1.2"]


def test_the_other_examples(configured):
    answers = {}
    for table, addresses in zip(TABLES[1:], (("192.0.2.1", "192.0.2.200"), ("192.0.2.17", "192.0.2.1"),
                                             ("198.51.100.25",), ("2001:db8:a::1",))):
        use_table(configured, table)
        answers |= {(table[:3], address): ask_policy(configured, address) for address in addresses}
    levels = [answer["level"] for answer in answers.values()]
    assert levels == ["encrypt", "none", "may", "encrypt", "encrypt", "encrypt"]
    old, strict, relay, nist = list(answers.values())[2:]
    assert "DES-CBC3-SHA" not in [suite["name"] for suite in strict["ciphers"]]
    assert old["protocols"][0] == "TLSv1" and strict["protocols"][0] == "TLSv1.2"
    assert old["note"] == "ticket 4711"
    assert relay["client_certificate"] == "require" and relay["protocols"] == ["TLSv1.3"]
    assert nist["groups"] == ["secp256r1", "secp384r1"] and nist["tickets"] is False


def test_attributes_are_all_there(configured):
    """Those that the program lists when one is misspelt are those of the manual."""
    use_table(configured, ["192.0.2.1 may nonsense=x"])
    listed = re.search(r"allowed are (.*)", said(in_directory(configured, "check")), re.I)[1]
    documented = re.findall(r"^\.It Cm (\w+)=$", TEXT, re.M)
    assert sorted(re.findall(r"\w+(?==)|\b(?!and\b)\w+", listed.replace("=", " "))) == sorted(documented)
