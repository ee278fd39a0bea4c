"""Every example in the manual pages and in docs/ does what it is there for, as it is printed, on a
machine of its own (harness/machine.py)."""

import os
import re
import shutil
import subprocess

import pytest

from harness.documents import ROOT, examples, in_the_future
from harness.machine import Machine

pytestmark = pytest.mark.slow
ALL = examples()
# Configuration goes through the program that reads it, commands are run, "output" is what is shown.
READ_BY_PROGRAMS = {"gatepost.cf", "table", "demands", "main.cf", "master.cf", "haproxy",
                    "rspamd worker-proxy.inc", "lua", "nginx", "prometheus", "stunnel"}
KINDS = READ_BY_PROGRAMS | {"sh", "shell", "setup", "output"}
# What builds and tests gatepost is run by tests/run and whoever packages it, not from here.
ELSEWHERE = re.compile(r"^(packaging|tests)/")
TEN_MINUTES = "docs/ten-minutes.md"
NETWORKS = "192.0.2.99        starttls\n198.51.100.0/28   starttls, chunking\n"
OLD_LOG = "TLS connection established from a.example[192.0.2.1]: TLSv1.2 with cipher {} (256/256 bits)\n"


def of_kind(*kinds):
    """The examples of these kinds, as parameters."""
    chosen = [one for one in ALL if one.kind in kinds]
    assert chosen
    return pytest.mark.parametrize("one", chosen, ids=str)


def boot():
    """A machine, or the end of the test."""
    machine = Machine()
    try:
        started = machine.start()
    except BaseException:
        machine.stop()
        raise
    if not started:
        machine.stop()
        pytest.skip("the kernel does not let one mount overlays")
    return machine


@pytest.fixture(name="bare")
def make_bare():
    """A machine with a Postfix, on which gatepost is not installed."""
    machine = boot()
    yield machine
    machine.stop()


def set_up(machine):
    """Step 1 to 4 of the ten minutes, until gatepost runs with what was imported, and what the documents
    take for granted."""
    for one in [one for one in ALL if one.document == TEN_MINUTES and one.kind == "sh"][:5]:
        machine.check(one.text)
    machine.check("""
    mkdir -p /etc/letsencrypt/live/mx.example.com /etc/haproxy /var/www/html
    cp /etc/ssl/mx.pem /etc/letsencrypt/live/mx.example.com/fullchain.pem
    cp /etc/ssl/mx.key /etc/letsencrypt/live/mx.example.com/privkey.pem
    gatepost selfsigned --both --name mx.example.com /etc/gatepost/chain.pem
    gatepost selfsigned --name mx.example.com /etc/gatepost/new.pem
    (umask 077; head -c 48 /dev/urandom >/etc/gatepost/tickets.key)
    cp -r /etc/gatepost /etc/gatepost.new
    postconf -M 'front/unix=front unix n - y - - smtpd -o smtpd_upstream_proxy_protocol=haproxy'
    postfix reload
    """)
    machine.write("/etc/postfix/no_starttls", NETWORKS)
    machine.write("/var/log/mail.log.1", OLD_LOG.format("AES128-SHA") + OLD_LOG.format("DHE-RSA-AES256-SHA"))
    for one in ALL:
        if one.kind == "haproxy":
            machine.write("/etc/haproxy/haproxy.cfg", one.text)
        elif one.kind == "lua":
            machine.write("/etc/rspamd/rspamd.local.lua", one.text)
        elif one.kind.startswith("rspamd "):
            machine.write("/etc/rspamd/local.d/" + one.kind.split()[1], one.text)


@pytest.fixture(name="machine", scope="module")
def make_machine():
    """A machine with gatepost in front of its Postfix, through which a message has come."""
    machine = boot()
    set_up(machine)
    machine.check("swaks --server 127.0.0.1:2525 --tls --to postmaster@example.com")
    machine.check("mkdir /tmp/kept; cp -a /etc/gatepost /etc/postfix /tmp/kept")
    yield machine
    machine.stop()


def restore(machine):
    """Configuration as it was in the beginning, and gatepost runs."""
    machine.check("rm -rf /etc/gatepost /etc/postfix; cp -a /tmp/kept/* /etc; postfix reload;"
                  "systemctl restart gatepost")


def test_all_are_of_a_known_kind():
    assert not [str(one) for one in ALL if one.kind not in KINDS]


# What programs read

def check_gatepost(machine, settings, table=""):
    """gatepost check takes gatepost.cf, and has nothing to say about names and values."""
    settled = re.findall(r"^(\w+) = ", settings, re.M)
    base = {"gatepost_listen": "127.0.0.1:2525", "myhostname": "mx.example.com",
            "smtpd_tls_chain_files": "/etc/gatepost/chain.pem"}
    if "smtpd_tls_cert_file" in settled:
        del base["smtpd_tls_chain_files"]
    base = "".join(f"{name} = {value}\n" for name, value in base.items() if name not in settled)
    if table:
        machine.write("/etc/gatepost/tls_policy.cidr", in_the_future(table))
    said = machine.check("mkdir -p /tmp/example; cat >/tmp/example/gatepost.cf;"
                         "gatepost -c /tmp/example check;"
                         # The mandatory lists are looked at where they hold.
                         "gatepost -c /tmp/example -o smtpd_tls_security_level=encrypt check",
                         (base + settings).encode())
    assert said.count("0 errors") == 2
    assert not re.search(r"gatepost\.cf|tls_policy\.cidr|policy_service", said), said


@of_kind("gatepost.cf")
def test_settings(machine, one):
    demands = "".join(other.text for other in ALL if other.kind == "demands")
    machine.write("/etc/gatepost/policy_service", demands.replace("AB:CD:...", ":".join(["AB"] * 32)))
    check_gatepost(machine, one.text, "192.0.2.1 none\n")


@of_kind("table")
def test_tables(machine, one):
    check_gatepost(machine, "smtpd_tls_policy_maps = cidr:/etc/gatepost/tls_policy.cidr\n", one.text)


@of_kind("demands")
def test_demands(machine, one):
    machine.write("/etc/gatepost/policy_service", one.text.replace("AB:CD:...", ":".join(["AB"] * 32)))
    check_gatepost(machine, "gatepost_policy_service = inet:127.0.0.1:10026\n"
                            "gatepost_policy_service_maps = texthash:/etc/gatepost/policy_service\n"
                            "smtpd_tls_ask_ccert = yes\n")


@of_kind("main.cf", "master.cf")
def test_postfix_configuration(machine, one):
    names = {name for pair in re.findall(r"-o (\w+)=|^(\w+) = ?", one.text, re.M)
             for name in pair if name}
    assert names
    if one.kind == "main.cf":
        unset = f"postconf -c /tmp/postfix -X {' '.join(names)};"
    else:
        unset = "postconf -c /tmp/postfix -MX 127.0.0.1:10025/inet;"
    said = machine.check(f"rm -rf /tmp/postfix; cp -r /etc/postfix /tmp/postfix; {unset}"
                         f"cat >>/tmp/postfix/{one.kind}; echo {'-' * 20};"
                         "postconf -c /tmp/postfix -n; postconf -c /tmp/postfix -M; "
                         "postfix -c /tmp/postfix check; postconf -d " + " ".join(names),
                         one.text.encode()).split("-" * 20)[1]
    assert "warning" not in said, said
    assert all(re.search(rf"^{name} =", said, re.M) for name in names)


@of_kind("haproxy")
def test_haproxy(machine, one):
    machine.write("/tmp/haproxy.cfg", one.text)
    machine.check("haproxy -c -f /tmp/haproxy.cfg")


@of_kind("nginx")
def test_nginx(machine, one):
    machine.write("/tmp/nginx.conf", "load_module /usr/lib/nginx/modules/ngx_mail_module.so;\n"
                                     f"events {{}}\nmail {{\n{one.text}}}\n")
    machine.check("nginx -t -c /tmp/nginx.conf")


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (packaging/install-deps promtool)")
@of_kind("prometheus")
def test_prometheus(directory, one):
    path = os.path.join(directory, "prometheus.yml")
    rules = os.path.join(ROOT, "packaging/prometheus/gatepost-alerts.yml")
    assert "/etc/prometheus/gatepost-alerts.yml" in one.text
    with open(path, "w", encoding="ascii") as file:
        file.write(one.text.replace("/etc/prometheus/gatepost-alerts.yml", rules))
    result = subprocess.run(["promtool", "check", "config", path], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 0, result


@of_kind("stunnel")
def test_stunnel(machine, one):
    machine.write("/tmp/stunnel.conf", "foreground = yes\npid =\n" + one.text)
    said = machine.run("timeout 2 stunnel /tmp/stunnel.conf").stdout
    assert "Configuration successful" in said, said


@of_kind("rspamd worker-proxy.inc", "lua")
def test_rspamd(machine, one):
    assert one.text in machine.check("cat /etc/rspamd/local.d/worker-proxy.inc /etc/rspamd/rspamd.local.lua")
    said = machine.check("rspamadm configtest")
    assert "syntax OK" in said, said


# Commands

def commands(document):
    """The commands in a document that are for an operator, in their order."""
    return [one for one in ALL if one.document == document and one.kind in ("sh", "shell")
            and not ELSEWHERE.match(one.text)]


def test_ten_minutes(bare):
    """Port 25 is Postfix's, then gatepost's, then Postfix's again; two messages arrive over TLS."""
    steps = commands(TEN_MINUTES)
    greeting = "ss -Hltnp 'sport = :25'"
    assert '"master"' in bare.check(greeting)
    last = len(steps) - 1
    for number, one in enumerate(steps):
        if number == last:
            assert "gatepost" in bare.check(greeting)
        bare.check(one.text)
    assert '"master"' in bare.check(greeting)
    arrived = "grep -c '^Received-TLS: from' /var/mail/nobody | grep -qx 2"
    bare.check(f"for i in $(seq 600); do {arrived} && exit; sleep 0.1; done; cat /var/log/mail.log; exit 1")
    assert re.search(r"by mx\.example\.com\n\t\(using TLSv1\.3 ", bare.check("cat /var/mail/nobody"))


def test_setup(bare):
    """The same in one command, with keys that only root can read; and every file is as it was."""
    all_files = ("find /etc/postfix /etc/gatepost /etc/systemd/system -type f -exec stat -c '%n %a %u %g' {} +"
                 " -exec sha256sum {} +")
    there, back = [one.text for one in ALL if one.kind == "setup"]
    bare.check("apt install ./gatepost_1.deb")
    before = bare.check(all_files)
    said = bare.check(there)
    assert "taken: TLSv1.3 with cipher" in said, said
    drop_in = bare.check("cat /etc/systemd/system/gatepost.socket.d/setup.conf")
    assert re.search(r"^ListenStream=\nListenStream=\S+:25\n", drop_in, re.M), drop_in
    assert "CAP_SETUID" in bare.check("cat /etc/systemd/system/gatepost.service.d/setup.conf")
    assert "gatepost" in bare.check("ss -Hltnp 'sport = :25'")
    bare.check(back)
    assert bare.check(all_files) == before
    assert '"master"' in bare.check("ss -Hltnp 'sport = :25'")


@pytest.mark.parametrize("document", sorted({one.document for one in ALL if commands(one.document)}
                                            - {TEN_MINUTES}))
def test_commands(machine, document):
    restore(machine)
    if os.path.basename(document).startswith("gatepost-selfsigned"):
        machine.check("rm /etc/gatepost/chain.pem")  # never written over
    for one in commands(document):
        machine.check(one.text)


def test_commands_that_are_run_elsewhere_exist():
    found = [one for one in ALL if one.kind in ("sh", "shell") and ELSEWHERE.match(one.text)]
    assert found
    for one in found:
        for line in one.text.splitlines():
            if ELSEWHERE.match(line):
                assert os.access(os.path.join(ROOT, line.split()[0]), os.X_OK), f"{one}: {line}"


def test_programs_are_there():
    """None of the above was skipped for lack of a program."""
    for program in ("haproxy", "nginx", "stunnel", "rspamadm", "swaks", "postconf"):
        assert shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"), program
