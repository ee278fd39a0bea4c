"""smtpd_tls_policy_maps: peers on different addresses get different rules from one daemon."""

import ssl

import pytest

from harness.client import Client, Closed, tls_context
from harness.daemon import HOSTNAME
from harness.hello import TLS12, TLS13
from harness.scan import Scanner
from harness.table import ask_policy, use_table, write_table

V10, V11, V12, V13 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2,
                      ssl.TLSVersion.TLSv1_3)
FAILURES = (ssl.SSLError, ConnectionError)


@pytest.fixture
def serve(make_gatepost, backend):
    """serve(lines, ...): a running daemon with that table."""
    def make(lines, **parameters):
        daemon = make_gatepost(backend.endpoint, start=False, **parameters)
        return use_table(daemon, lines).start()
    return make


def handshake(daemon, source, context, address=None):
    """A TLS session after EHLO, STARTTLS; (version, cipher)."""
    with Client(address or daemon.address, source) as client:
        client.ehlo()
        client.starttls(context)
        client.ehlo()
        return client.socket.version(), client.socket.cipher()[0]


def refused(daemon, source, context):
    """Whether that handshake fails."""
    with pytest.raises((*FAILURES, Closed)):
        handshake(daemon, source, context)
    return True


LEVELS = ["127.0.0.2      none     note=\"an old appliance\"",
          "127.0.0.3      may",
          "127.0.0.4      encrypt",
          "127.0.0.5      reject",
          "::1            encrypt"]


def test_levels(serve, connect, backend):
    daemon = serve(LEVELS, smtpd_tls_security_level="may")
    client = connect(daemon, "127.0.0.2")
    assert "STARTTLS" not in client.ehlo()
    client.expect(502, "STARTTLS")
    client.expect(250, "MAIL FROM:<>")
    for source in ("127.0.0.3", "127.0.0.6"):
        client = connect(daemon, source)
        assert "STARTTLS" in client.ehlo()
        client.expect(250, "MAIL FROM:<>")
    client = connect(daemon, "127.0.0.4")
    assert "STARTTLS" in client.ehlo()
    assert client.command("MAIL FROM:<>").text == "530 5.7.0 Must issue a STARTTLS command first"
    client.starttls()
    client.ehlo()
    client.expect(250, "MAIL FROM:<>")
    client = connect(daemon, None, daemon.address6)
    client.ehlo()
    client.expect(530, "MAIL FROM:<>")
    assert {session.proxy.client[0] for session in backend.wait_sessions(4)} == \
        {"127.0.0.2", "127.0.0.3", "127.0.0.6", "127.0.0.4"}


def test_reject(serve, backend):
    daemon = serve(LEVELS)
    with Client(daemon.address, "127.0.0.5") as client:
        assert client.greeting.text == f"421 4.7.1 {HOSTNAME} Error: access denied"
        assert client.rest() == b""
    daemon.wait_log(r"NOQUEUE: reject: CONNECT from unknown\[127\.0\.0\.5\]: 421 4\.7\.1 .*"
                    r"tls_policy\.cidr, line 4$")
    daemon.wait_log(r"disconnect from unknown\[127\.0\.0\.5\] commands=0/0$")
    assert not backend.sessions


def test_main_configuration_holds_for_all_others(serve, connect):
    daemon = serve(["127.0.0.2 may", "127.0.0.3 none"], smtpd_tls_security_level="encrypt")
    for source, code in (("127.0.0.2", 250), ("127.0.0.3", 250), ("127.0.0.4", 530)):
        client = connect(daemon, source)
        client.ehlo()
        client.expect(code, "MAIL FROM:<>")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_longest_prefix_wins_whatever_the_order(serve, order):
    lines = ["127.0.0.0/8 none", "127.0.0.0/29 may", "127.0.0.4 encrypt", "0.0.0.0/0 reject"]
    daemon = serve([lines[i] for i in order])
    for address, level in (("127.0.0.4", "encrypt"), ("127.0.0.5", "may"), ("127.0.0.7", "may"),
                           ("127.0.0.8", "none"), ("192.0.2.1", "reject"), ("::1", "may")):
        answer = ask_policy(daemon, address)
        assert answer["level"] == level, answer
    with Client(daemon.address, "127.0.0.4") as client:
        client.ehlo()
        client.expect(530, "MAIL FROM:<>")
    with Client(daemon.address, "127.0.0.9") as client:
        assert "STARTTLS" not in client.ehlo()


def test_mapped_addresses_are_ipv4(serve):
    daemon = serve(["127.0.0.0/30 none", "::ffff:127.0.0.4 encrypt"])
    assert ask_policy(daemon, "::ffff:127.0.0.1")["level"] == "none"
    answer = ask_policy(daemon, "127.0.0.4")
    assert answer["level"] == "encrypt" and answer["line"] == 2
    with Client(daemon.address, "127.0.0.4") as client:
        client.ehlo()
        client.expect(530, "MAIL FROM:<>")


RANGES = {"127.0.1.1": ("protocols=>=TLSv1", (V10, V11, V12, V13)),
          "127.0.1.2": ("protocols=>=TLSv1.3", (V13,)),
          "127.0.1.3": ("protocols=<=TLSv1.1", (V10, V11)),
          "127.0.1.4": ("protocols=TLSv1.2", (V12,)),
          "127.0.1.5": ("{ protocols = !SSLv2 !SSLv3 !TLSv1 !TLSv1.1 }", (V12, V13)),
          "127.0.1.6": ("protocols=>=0302:<=0303", (V11, V12)),
          "127.0.1.7": ("", (V12, V13))}


def test_protocol_ranges(serve):
    daemon = serve([f"{address} may {attributes}" for address, (attributes, _) in RANGES.items()],
                   smtpd_tls_protocols=">=TLSv1.2")
    for address, (_, versions) in RANGES.items():
        for version in (V10, V11, V12, V13):
            context = tls_context(version, version)
            if version in versions:
                assert handshake(daemon, address, context)[0] == \
                    {V10: "TLSv1", V11: "TLSv1.1", V12: "TLSv1.2", V13: "TLSv1.3"}[version]
            else:
                assert refused(daemon, address, context)


def test_the_mandatory_lists_do_not_weaken_a_line(serve):
    """A line's protocols= is for both levels, whatever the main configuration has for each."""
    daemon = serve(["127.0.0.2 may", "127.0.0.3 encrypt", "127.0.0.4 encrypt protocols=TLSv1.2"],
                   smtpd_tls_protocols=">=TLSv1", smtpd_tls_mandatory_protocols=">=TLSv1.3")
    assert handshake(daemon, "127.0.0.2", tls_context(V10, V10))[0] == "TLSv1"
    assert refused(daemon, "127.0.0.3", tls_context(V12, V12))
    assert handshake(daemon, "127.0.0.3", tls_context())[0] == "TLSv1.3"
    assert handshake(daemon, "127.0.0.4", tls_context())[0] == "TLSv1.2"


def test_suites(serve):
    daemon = serve(["127.0.0.2 may cipherlist=ECDHE-ECDSA-AES256-GCM-SHA384",
                    "127.0.0.3 may exclude=AESGCM:CHACHA20",
                    "127.0.0.4 may ciphers=medium exclude=SHA1"])
    offers = [set(Scanner(daemon.address, f"127.0.0.{n}").suites(TLS12)) for n in (2, 3, 4)]
    assert offers == [{"ECDHE-ECDSA-AES256-GCM-SHA384"},
                      {"ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA"},
                      {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
                       "ECDHE-ECDSA-AES128-GCM-SHA256"}]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_curves(serve, version):
    daemon = serve(["127.0.0.2 may curves=secp384r1:X25519", "127.0.0.3 may curves=prime256v1"],
                   tls_preempt_cipherlist="yes",
                   tls_eecdh_auto_curves="secp521r1 X25519 prime256v1")
    suites = [0xC02B] if version == TLS12 else [0x1301]
    found = {n: Scanner(daemon.address, f"127.0.0.{n}").groups(version, suites)
             for n in (2, 3, 4)}
    assert found == {2: ["secp384r1", "x25519"], 3: ["secp256r1"],
                     4: ["secp521r1", "x25519", "secp256r1"]}


@pytest.mark.parametrize("server_order", ["yes", "no"])
def test_whose_order_counts(serve, server_order):
    daemon = serve(["127.0.0.2 may cipherlist=ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384"],
                   tls_preempt_cipherlist=server_order)
    context = tls_context(maximum=V12,
                          ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    _, cipher = handshake(daemon, "127.0.0.2", context)
    assert cipher == ("ECDHE-ECDSA-AES128-SHA" if server_order == "yes"
                      else "ECDHE-ECDSA-AES256-GCM-SHA384")


def test_tickets(serve):
    daemon = serve(["127.0.0.2 may tickets=no", "127.0.0.3 may tickets=yes"])
    for source, expected in (("127.0.0.2", False), ("127.0.0.3", True)):
        for version in (V12, V13):
            with Client(daemon.address, source) as client:
                client.ehlo()
                client.starttls(tls_context(version, version))
                client.ehlo()
                session = client.socket.session
                assert bool(session and session.has_ticket) == expected, (source, version)
        assert ask_policy(daemon, source)["tickets"] == expected


def test_tickets_for_one_peer_alone(serve):
    daemon = serve(["127.0.0.2 may tickets=yes"], smtpd_tls_session_cache_timeout="0")
    assert ask_policy(daemon, "127.0.0.2")["tickets"] is True
    assert ask_policy(daemon, "127.0.0.3")["tickets"] is False


def test_auth_goes_with_the_level(make_gatepost, make_backend):
    """encrypt offers AUTH within TLS only, whatever smtpd_tls_auth_only says."""
    backend = make_backend(capabilities=("PIPELINING", "AUTH PLAIN"))
    daemon = make_gatepost(backend.endpoint, start=False)
    use_table(daemon, ["127.0.0.2 may", "127.0.0.3 encrypt"]).start()
    for source, offered in (("127.0.0.2", True), ("127.0.0.3", False)):
        with Client(daemon.address, source) as client:
            assert ("AUTH PLAIN" in client.ehlo()) == offered, source
            client.starttls()
            assert "AUTH PLAIN" in client.ehlo()


def test_several_maps(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    maps = [write_table(daemon, ["127.0.0.0/8 encrypt", "127.0.0.3 none"], "one"),
            write_table(daemon, ["127.0.0.2 none"], "two"),
            "inline:{ { 127.0.0.4 may curves=X25519 }, { 127.0.0.5 none } }"]
    daemon.write_config(smtpd_tls_policy_maps=", ".join(maps))
    daemon.start()
    for source, starttls in (("127.0.0.2", False), ("127.0.0.3", False), ("127.0.0.4", True),
                             ("127.0.0.5", False), ("127.0.0.6", True)):
        with Client(daemon.address, source) as client:
            assert ("STARTTLS" in client.ehlo()) == starttls, source
    assert ask_policy(daemon, "127.0.0.2")["file"] == daemon.path("two")
    assert ask_policy(daemon, "127.0.0.5")["file"].startswith("inline:")


def test_each_listener_its_table(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    tables = [write_table(daemon, [f"127.0.0.2 {level}"], level) for level in ("none", "encrypt")]
    daemon.write_config(
        smtpd_tls_policy_maps=tables[0],
        gatepost_listen=f"127.0.0.1:{daemon.port}"
                        f" {{ 127.0.0.1:{daemon.port6}, smtpd_tls_policy_maps={tables[1]} }}")
    daemon.start()
    for port, starttls in ((daemon.port, False), (daemon.port6, True)):
        with Client(("127.0.0.1", port), "127.0.0.2") as client:
            assert ("STARTTLS" in client.ehlo()) == starttls


def test_wrappermode(make_gatepost, backend):
    """Implicit TLS has the line's rules too; a rejected peer hears nothing."""
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_wrappermode="yes")
    use_table(daemon, ["127.0.0.2 may protocols=TLSv1.2", "127.0.0.3 reject"]).start()
    with Client(daemon.address, "127.0.0.2", greeting=False) as client:
        client.handshake(tls_context())
        assert client.reply().code == 220 and client.socket.version() == "TLSv1.2"
    with Client(daemon.address, "127.0.0.3", greeting=False) as client:
        assert client.rest() == b""
