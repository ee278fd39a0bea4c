"""sendmail, configured with its own m4 macros."""

import os

from harness.unpacked import environment, unpack, version

from .namespace import namespace
from .peer import Peer

_MC = """divert(-1)
include(`{macros}/m4/cf.m4')
divert(0)
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `sendmail.client.example')dnl
define(`STATUS_FILE', `{directory}/statistics')dnl
define(`QUEUE_DIR', `{directory}/queue')dnl
define(`confPID_FILE', `{directory}/pid')dnl
define(`ALIAS_FILE', `')dnl
define(`confCW_FILE', `')dnl
define(`confCT_FILE', `')dnl
define(`confTRUSTED_USER', `root')dnl
define(`confCACERT', `{trust}')dnl
define(`confCACERT_PATH', `{directory}')dnl
CLIENT_OPTIONS(`{source}')dnl
define(`confTLS_SRV_OPTIONS', `V')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
define(`SMART_HOST', `relay:{host}')dnl
define(`RELAY_MAILER_ARGS', `TCP {address} {port}')dnl
define(`SMTP_MAILER_FLAGS', `8')dnl
FEATURE(`nocanonify')dnl
FEATURE(`stickyhost')dnl
define(`confSERVICE_SWITCH_FILE', `{directory}/switch')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
"""


def _configure(place, job):
    macros = os.path.join(unpack("sendmail-cf"), "usr/share/sendmail/cf")
    source = f"Family=inet, Address={job.source}" if job.source else "Family=inet6, Address=::1"
    address = f"IPv6:{job.host}" if ":" in job.host else job.host
    text = _MC.format(macros=macros, directory=place.directory, trust=place.trust, source=source,
                      host=f"[{address}]", address=f"[{address}]", port=job.port)
    source_file = place.write(f"{job.kind.name}.mc", text)
    return place.write(f"{job.kind.name}.cf",
                       place.run("m4", f"-D_CF_DIR_={macros}/", source_file))


def _send(place, jobs):
    os.makedirs(place.path("queue"), 0o700)
    place.write("switch", "hosts files\naliases files\npasswd files\n")
    program = os.path.join(unpack("sendmail-bin"), "usr/libexec/sendmail/sendmail")
    for job in jobs:
        output = place.run(*namespace(place), program, "-C", _configure(place, job), "-Am", "-i",
                           "-odi", "-v", *(["-B8BITMIME"] if job.kind.eight_bit else []), "-f",
                           job.sender, job.recipient, stdin=job.message, env=environment())
        place.write(f"log-{job.kind.name}", output)


PEERS = [Peer("sendmail", "sendmail (OpenSSL)", lambda: version("sendmail-bin"), _send,
              {"BDAT": "sends with DATA only", "SMTPUTF8": "Debian has built it without",
               "resumed": "does not keep TLS sessions"})]
