"""A real Postfix for the tests (packaging/postfix/private-postfix), and its deliveries."""

import os
import random
import re
import subprocess
import tempfile

from .ports import free_port
from .wait import read_text, wait_until

_SCRIPT = os.path.join(os.path.dirname(__file__), "../../../packaging/postfix/private-postfix")
DOMAIN = "gatepost.test"
_PROXY = " -o smtpd_upstream_proxy_protocol=haproxy"
_XCLIENT = " -o smtpd_authorized_xclient_hosts=127.0.0.1"
# A cleanup(8) that logs each header field of this name as it reads the header of a message.
_CHECKED = (" -o { header_checks=regexp:{{/^Received-TLS[[:space:]]*:/ INFO seen}} }"
            " -o mime_header_checks= -o nested_header_checks=")
_DELIVERED_TO = re.compile(rb"^Delivered-To: (\S+)$", re.MULTILINE)


class PrivatePostfix:
    """Started by start(), ended by stop(). It listens with PROXY, with XCLIENT and with neither,
    and with PROXY on a UNIX-domain socket; and one with PROXY that logs the Received-TLS fields
    that it sees."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="gatepost-postfix.")
        self.proxy_port, self.xclient_port, self.plain_port, self.checked_port = \
            (free_port() for _ in range(4))
        self._seen = {}

    @property
    def proxy_endpoint(self):
        """The usual backend."""
        return f"inet:127.0.0.1:{self.proxy_port}"

    @property
    def xclient_endpoint(self):
        """A listener that lets 127.0.0.1 use XCLIENT, and knows no PROXY header."""
        return f"inet:127.0.0.1:{self.xclient_port}"

    @property
    def plain_endpoint(self):
        """A listener that cannot be told who the client is."""
        return f"inet:127.0.0.1:{self.plain_port}"

    @property
    def checked_endpoint(self):
        """The usual backend; see received_tls_fields."""
        return f"inet:127.0.0.1:{self.checked_port}"

    def received_tls_fields(self, sender):
        """The Received-TLS fields in the header of the message from this sender, through
        checked_endpoint, as far as the log has them."""
        return re.findall(rf"info: header (Received-TLS.*) from \S+; from=<{re.escape(sender)}>",
                          self.log(), re.IGNORECASE)

    @property
    def unix_endpoint(self):
        """The usual backend on a UNIX-domain socket."""
        return f"unix:{self.directory}/spool/public/front"

    def _control(self, command):
        subprocess.run([_SCRIPT, command, self.directory], check=True)

    def start(self, services=(), settings=""):
        """Makes it and starts it, with more lines of master.cf and main.cf."""
        self._control("create")
        with open(os.path.join(self.directory, "etc/main.cf"), "a", encoding="ascii") as file:
            file.write(settings)
        with open(os.path.join(self.directory, "etc/master.cf"), "a", encoding="ascii") as file:
            service = "inet n - n - - smtpd"
            file.write(f"127.0.0.1:{self.proxy_port} {service}{_PROXY}\n"
                       f"127.0.0.1:{self.xclient_port} {service}{_XCLIENT}\n"
                       f"127.0.0.1:{self.plain_port} {service}\n"
                       f"127.0.0.1:{self.checked_port} {service}{_PROXY}"
                       " -o cleanup_service_name=checked\n"
                       f"checked unix n - n - 0 cleanup{_CHECKED}\n"
                       f"front unix n - n - - smtpd{_PROXY}\n")
            file.writelines(line + "\n" for line in services)
        self._control("start")
        return self

    def stop(self):
        """Ends it. Its directory stays: cleanup is the caller's."""
        self._control("stop")

    def log(self):
        """Its log so far."""
        return read_text(os.path.join(self.directory, "maillog"))

    def _scan(self):
        """Reads what has been delivered since the last look."""
        inbox = os.path.join(self.directory, "mail/inbox/new")
        names = os.listdir(inbox) if os.path.isdir(inbox) else []
        for name in names:
            if name not in self._seen:
                with open(os.path.join(inbox, name), "rb") as file:
                    message = file.read()
                self._seen[name] = _DELIVERED_TO.search(message)[1].decode(), message

    def mail_for(self, recipient):
        """The messages delivered to an address so far, each as bytes with LF line ends."""
        self._scan()
        return [message for address, message in self._seen.values() if address == recipient]

    def wait_mail(self, recipient, deadline=None):
        """The one message for an address, when it is there."""
        return wait_until(lambda: self.mail_for(recipient), f"mail for {recipient}", deadline)[0]


class PostfixOnPort25(PrivatePostfix):
    """A Postfix with the usual service, on a loopback address that nobody else uses."""

    host = None

    def start(self, services=()):
        rng = random.SystemRandom()
        self.host = f"127.{rng.randint(1, 254)}.{rng.randint(0, 254)}.{rng.randint(1, 254)}"
        self._control("create")
        path = os.path.join(self.directory, "etc/main.cf")
        text = read_text(path).replace("smtpd_tls_security_level = none",
                                       "smtpd_tls_security_level = may")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        with open(os.path.join(self.directory, "etc/master.cf"), "a", encoding="ascii") as file:
            file.write(f"{self.host}:25 inet n - n - - smtpd\n    -o smtpd_helo_required=yes\n")
            file.writelines(line + "\n" for line in services)
        self._control("start")
        return self
