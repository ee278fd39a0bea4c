"""until=: a line that has expired is not used, is logged once and is listed by check; and what is
wrong in a table keeps gatepost from starting."""

import datetime
import re

import pytest

from harness.client import Client
from harness.table import ask_policy, in_directory, said, use_table

TODAY = datetime.date.today()
DAY = datetime.timedelta(days=1)


@pytest.fixture
def configured(make_gatepost, backend):
    """A daemon that is not started."""
    return make_gatepost(backend.endpoint, start=False)


def expired_lines(text):
    """The lines that say that one has expired."""
    return re.findall(r"^.*warning: .*until=.* is over$", text, re.M)


def test_an_expired_line_is_not_used(configured):
    yesterday = TODAY - DAY
    use_table(configured, ["127.0.0.0/8 encrypt", f"127.0.0.2 none until={yesterday}  # was needed",
                           f"127.0.0.3 none until={TODAY + DAY}", f"127.0.0.4 none until={TODAY}"])
    configured.write_config(gatepost_workers="3")
    configured.start()
    with Client(configured.address, "127.0.0.2") as client:
        assert "STARTTLS" in client.ehlo()
        client.expect(530, "MAIL FROM:<>")
    with Client(configured.address, "127.0.0.3") as client:
        assert "STARTTLS" not in client.ehlo()
    answer = ask_policy(configured, "127.0.0.2")
    assert answer["level"] == "encrypt" and answer["prefix"] == "127.0.0.0/8"
    answer = ask_policy(configured, "127.0.0.3")
    assert answer["level"] == "none" and answer["until"] == str(TODAY + DAY)
    if TODAY == datetime.date.today():  # a day lasts to its end
        assert ask_policy(configured, "127.0.0.4")["level"] == "none"
    logged = expired_lines(configured.output())
    assert len(logged) == 1, configured.output()
    assert f"tls_policy.cidr, line 2: 127.0.0.2/32: not used any more, since until={yesterday}" \
        in logged[0]


def test_check_lists_expired_lines(configured):
    use_table(configured, [f"192.0.2.{n} may until={TODAY - n * DAY}" for n in range(3, 8)] +
              [f"192.0.2.9 may until={TODAY + 3 * DAY}", f"192.0.2.10 may until={TODAY + 90 * DAY}"])
    result = in_directory(configured, "check")
    assert result.returncode == 0, result
    assert len(expired_lines(said(result))) == 5
    # Lines that will expire within 30 days are mentioned too.
    soon = [line for line in said(result).splitlines() if "192.0.2.9" in line]
    assert len(soon) == 1 and re.search(r"line 6: 192\.0\.2\.9/32 expires on \S+, in 3 days", soon[0])
    assert "192.0.2.10" not in said(result)


MISTAKES = {
    "bad address": ("192.0.2.300 may", "bad address"),
    "host name": ("mx.example.com may", "bad address"),
    "three octets": ("192.0.2 may", "bad address"),
    "host bits": ("192.0.2.1/24 may", "host bits that are not 0.*192.0.2.0/24"),
    "IPv6 host bits": ("2001:db8::1/32 may", "host bits that are not 0"),
    "long prefix": ("192.0.2.0/33 may", "0 to 32"),
    "no level": ("192.0.2.1", "no level"),
    "unknown level": ("192.0.2.1 strong", "unknown level"),
    "levels of the client side": ("192.0.2.1 dane", "unknown level"),
    "unknown attribute": ("192.0.2.1 may protocol=TLSv1.2", "did you mean protocols="),
    "not an attribute": ("192.0.2.1 may TLSv1.2", "not NAME=VALUE"),
    "no value": ("192.0.2.1 may ciphers=", "has no value"),
    "twice": ("192.0.2.1 may ciphers=high ciphers=medium", "more than once"),
    "bad protocols": ("192.0.2.1 may protocols=>=TLSv1.4", "protocols"),
    "no protocol": ("192.0.2.1 may protocols=SSLv3", "protocols"),
    "grade": ("192.0.2.1 may ciphers=highest", "ciphers|grade"),
    "null": ("192.0.2.1 may ciphers=null", "null"),
    "no suite left": ("192.0.2.1 may protocols=<=TLSv1.2 exclude=ALL", "cipher"),
    "no known cipher": ("192.0.2.1 may cipherlist=RC4-MD5", "RC4-MD5"),
    "no known curve": ("192.0.2.1 may curves=X448", "X448"),
    "minus": ("192.0.2.1 may exclude=!RC4", "invalid unary"),
    "date": ("192.0.2.1 may until=2027-02-30", "until="),
    "German date": ("192.0.2.1 may until=30.06.2027", "until="),
    "ccert": ("192.0.2.1 encrypt ccert=yes", "ccert="),
    "require without enforcement": ("192.0.2.1 may ccert=require", "needs the level encrypt"),
    "match without require": ("192.0.2.1 encrypt ccert=ask match=" + ":".join(["AB"] * 32),
                              "match= needs a certificate"),
    "short fingerprint": ("192.0.2.1 encrypt match=AB:CD", "can never match"),
    "attributes without TLS": ("192.0.2.1 none ciphers=high", "with the level none"),
    "attributes of reject": ("192.0.2.1 reject protocols=TLSv1.3", "with the level reject"),
    "if": ("if 192.0.2.0/24", "cidr_table"),
    "negation": ("!192.0.2.1 may", "cidr_table"),
    "quotes": ("192.0.2.1 may note=\"open", "missing '\"'"),
    "braces": ("192.0.2.1 may { note = open", "missing '}'"),
    "grade and list": ("192.0.2.1 may ciphers=high cipherlist=AES128-SHA", "exclude each other"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(configured, name):
    line, message = MISTAKES[name]
    use_table(configured, ["# a comment", "198.51.100.0/24 may", line])
    result = in_directory(configured, "check")
    assert result.returncode == 1, result
    assert re.search(rf"error: .*tls_policy\.cidr, line 3\b.*(?:{message})", said(result)), \
        said(result)
    result = in_directory(configured, "run")
    assert result.returncode == 78, result
    assert re.search(rf"tls_policy\.cidr, line 3\b.*(?:{message})", said(result) + configured.log())
    assert in_directory(configured, "policy", "192.0.2.77").returncode in (1, 78)


def test_duplicates_are_named_both(configured):
    use_table(configured, ["192.0.2.0/24 may", "2001:db8::/32 none", "192.0.2.0/24 none"])
    result = in_directory(configured, "run")
    assert result.returncode == 78
    assert re.search(r"line 3: 192\.0\.2\.0/24 is already in .*, line 1", said(result))


def test_all_mistakes_at_once(configured):
    use_table(configured, ["192.0.2.300 may", "192.0.2.1 maybe", "192.0.2.2 may", "192.0.2.3 x=y"])
    found = re.findall(r"tls_policy\.cidr, line (\d+)", said(in_directory(configured, "check")))
    assert sorted(set(found)) == ["1", "2", "4"]


@pytest.mark.parametrize("maps", ["cidr:/nonexistent/table", "cidr:relative", "hash:/etc/x", "/etc/x",
                                  "inline:{}", "inline:{ 192.0.2.1 may }",
                                  "inline:{ { 192.0.2.1 may }", "inline:{ { 192.0.2.1 mayhem } }"])
def test_maps_that_cannot_be_read(configured, maps):
    configured.write_config(smtpd_tls_policy_maps=maps)
    result = in_directory(configured, "run")
    assert result.returncode == 78, result
    assert "smtpd_tls_policy_maps" in said(result) or "/nonexistent/table" in said(result) or \
        "inline:" in said(result)
