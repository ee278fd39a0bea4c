"""A machine to try an operator's commands on, as they are printed: this one, but what is written to
/etc, /usr, /var, /run and /tmp is gone afterwards, and so are its processes and its network, which
is a loopback interface. There is no service manager: systemctl, journalctl and apt stand in."""

import os
import shutil
import subprocess
import tempfile

from .daemon import BINARY
from .documents import ROOT
from .wait import DEADLINE, read_text, wait_until

_OVERLAID = ("etc", "usr", "var")
_FRESH = ("run", "tmp")
_BOOT = """
set -e
for name in {overlaid}; do
    mount -t overlay overlay -o lowerdir=/$name,upperdir={base}/$name,workdir={base}/work-$name /$name
done
for name in {fresh}; do
    mount -t tmpfs -o mode=1777 tmpfs /$name
done
mkdir -p /run/systemd/system
ip link set lo up
echo up
exec sleep infinity
"""
# The services that the documents know. gatepost's sockets are its own here, so their unit only has
# to exist.
_SYSTEMCTL = """#!/bin/sh
stop_gatepost() {
    /usr/sbin/gatepost stop 2>/dev/null || return 0
    while /usr/sbin/gatepost status >/dev/null 2>&1; do sleep 0.05; done
}
case $* in
daemon-reload | "cat gatepost.service gatepost.socket" | "enable gatepost.socket" | "disable gatepost.socket") ;;
"reload haproxy" | "reload rspamd") ;;
"restart gatepost" | "start gatepost" | "enable --now gatepost.socket gatepost.service")
    stop_gatepost
    setsid /usr/sbin/gatepost -o maillog_file=/var/log/gatepost.log run </dev/null >/dev/null 2>&1 &
    for _ in $(seq 400); do
        /usr/sbin/gatepost status >/dev/null 2>&1 && exit
        sleep 0.05
    done
    exit 1
    ;;
"stop gatepost gatepost.socket" | "stop gatepost.socket gatepost.service" | \
"disable --now gatepost.socket gatepost.service") stop_gatepost ;;
*)
    echo "systemctl: unknown: $*" >&2
    exit 1
    ;;
esac
"""
_JOURNALCTL = """#!/bin/sh
[ "$1 $2" = "--unit gatepost" ] && tail /var/log/gatepost.log
"""
# What the package brings; other packages must be there already.
_APT = """#!/bin/sh
[ "$1" = install ] || exit 1
case $2 in
./gatepost_*) ;;
*) exec dpkg -s "$2" ;;
esac
useradd --system --no-create-home --shell /usr/sbin/nologin gatepost
install -d -m 755 /etc/gatepost /var/lib/gatepost /var/lib/gatepost/empty
install -d /usr/share/doc/gatepost/examples/systemd /usr/share/gatepost
cp /usr/share/gatepost-units/as-root.conf /usr/share/gatepost/
cp /usr/share/gatepost-units/*.conf /usr/share/doc/gatepost/examples/systemd/
: >/etc/gatepost/tls_policy.cidr
cat >/etc/gatepost/gatepost.cf <<'END'
gatepost_listen = 127.0.0.1:2525
gatepost_backend = inet:127.0.0.1:10025
smtpd_tls_policy_maps = cidr:/etc/gatepost/tls_policy.cidr
smtpd_tls_loglevel = 1
END
mv /usr/share/gatepost-program /usr/sbin/gatepost
systemctl restart gatepost
"""
# A Postfix that receives mail for example.com on port 25, as Debian's package would have it.
_POSTFIX = """
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
cat >/etc/postfix/main.cf <<'END'
compatibility_level = 3.6
maillog_file = /var/log/mail.log
myhostname = mx.example.com
mydestination = $myhostname, example.com, localhost
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
inet_protocols = all
alias_maps =
local_recipient_maps =
default_transport = error:this Postfix sends nothing
disable_dns_lookups = yes
mailbox_command =
smtpd_tls_cert_file = /etc/ssl/mx.pem
smtpd_tls_key_file = /etc/ssl/mx.key
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_alias_domains =
virtual_alias_maps = static:nobody@localhost
END
: >/var/mail/nobody
chown nobody /var/mail/nobody
echo '127.0.0.1 localhost mx.example.com mx2.example.com' >/etc/hosts
openssl req -x509 -nodes -days 365 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \\
    -subj /CN=mx.example.com -addext subjectAltName=DNS:mx.example.com \\
    -keyout /etc/ssl/mx.key -out /etc/ssl/mx.pem 2>/dev/null
chmod 600 /etc/ssl/mx.key
postfix start
"""


class Machine:
    """Started by start(), ended by stop()."""

    def __init__(self):
        self._base = tempfile.mkdtemp(prefix="gatepost-machine.")
        self._process = None

    def start(self):
        """Starts it with a Postfix on port 25; gatepost is a package that is not installed.
        Returns None where the kernel does not let one have such a machine."""
        for name in _OVERLAID:
            os.mkdir(f"{self._base}/{name}")
            os.mkdir(f"{self._base}/work-{name}")
        boot = _BOOT.format(base=self._base, overlaid=" ".join(_OVERLAID), fresh=" ".join(_FRESH))
        with open(f"{self._base}/boot.log", "wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child",
                 "--mount-proc", "sh", "-c", boot],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        said = f"{self._base}/boot.log"
        wait_until(lambda: self._process.poll() is not None or read_text(said), "the machine's start")
        if read_text(said) != "up\n":
            return None
        self._install()
        return self

    def _install(self):
        with open(BINARY, "rb") as program:
            self.write("/usr/share/gatepost-program", program.read(), 0o755)
        units = f"{ROOT}/packaging/systemd"
        for name in os.listdir(units):
            with open(f"{units}/{name}", "rb") as unit:
                self.write(f"/usr/share/gatepost-units/{name}", unit.read())
        for name, text in (("systemctl", _SYSTEMCTL), ("journalctl", _JOURNALCTL), ("apt", _APT)):
            self.write(f"/usr/local/bin/{name}", text.encode(), 0o755)
        self.check(_POSTFIX)

    def write(self, path, content, mode=0o644):
        """Writes a file, text or bytes, in directories that are made."""
        if isinstance(content, str):
            content = content.encode()
        self.check(f"mkdir -p '{os.path.dirname(path)}'; cat >'{path}'; chmod {mode:o} '{path}'", content)

    def run(self, script, given=b""):
        """Runs a shell script; the completed process, with all output as text in stdout."""
        child = subprocess.run(["pgrep", "--parent", str(self._process.pid)], capture_output=True,
                               text=True, check=True).stdout.split()[0]
        with tempfile.TemporaryFile() as output:
            # To a file: what the script leaves running would hold a pipe open.
            result = subprocess.run(
                ["nsenter", "--target", child, "--mount", "--net", "--pid", "--ipc", "sh", "-e", "-c",
                 "cd /root; " + script],
                input=given, stdout=output, stderr=subprocess.STDOUT, timeout=4 * DEADLINE, check=False,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
                     "HOME": "/root", "LC_ALL": "C.UTF-8"})
            output.seek(0)
            result.stdout = output.read().decode(errors="replace")
        return result

    def check(self, script, given=b""):
        """Runs one that must succeed; its output."""
        result = self.run(script, given)
        assert result.returncode == 0, f"{script}\n--- exit status {result.returncode}\n{result.stdout}"
        return result.stdout

    def stop(self):
        """Ends all of it."""
        if self._process:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._base, ignore_errors=True)
