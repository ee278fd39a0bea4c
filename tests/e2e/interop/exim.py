"""Exim, with GnuTLS: as a client, and as a backend that is told of clients by PROXY headers."""

import os

from harness.ports import free_port
from harness.unpacked import environment, unpack, version

from .namespace import namespace, owner
from .peer import Peer

_COMMON = """
primary_hostname = exim.client.example
spool_directory = {directory}/spool
log_file_path = {directory}/log-%slog
exim_path = {program}
deliver_drop_privilege = true
exim_user = Debian-exim
exim_group = Debian-exim
trusted_users = root
untrusted_set_sender = *
keep_environment = LD_LIBRARY_PATH
add_environment = PATH=/usr/bin
host_lookup =
"""
_CLIENT = """
begin routers
gatepost:
  driver = manualroute
  transport = remote
  route_list = * "<+ HOST" byname
  self = send
begin transports
remote:
  driver = smtp
  port = PORT
  .ifdef SOURCE
  interface = SOURCE
  .endif
  hosts_require_tls = *
  hosts_try_chunking = *
  tls_verify_certificates = {trust}
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
  tls_resumption_hosts = *
"""
_BACKEND = """
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
hosts_proxy = 127.0.0.1
pid_file_path = {directory}/pid
tls_advertise_hosts =
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = all
rfc1413_query_timeout = 0s
begin acl
all:
  accept
begin routers
keep:
  driver = accept
  transport = store
begin transports
store:
  driver = appendfile
  maildir_format
  directory = {directory}/mail
  user = Debian-exim
"""


def _program():
    return os.path.join(unpack("exim4-daemon-heavy"), "usr/sbin/exim4")


def _configure(place, name, text):
    os.makedirs(place.path("spool"), exist_ok=True)
    for directory in (place.directory, place.path("spool")):
        os.chown(directory, owner("Debian-exim"), owner("Debian-exim"))
    return place.write(name, (_COMMON + text).replace("{directory}", place.directory)
                       .replace("{trust}", place.trust).replace("{program}", _program()))


def backend(place, _):
    """A server that stores what it gets in PLACE/mail; returns where it is."""
    port = free_port()
    config = _configure(place, "server.conf", _BACKEND.replace("{port}", str(port)))
    place.spawn(*namespace(place), _program(), "-C", config, "-bdf", env=environment())
    return f"inet:127.0.0.1:{port}"


def _send(place, jobs):
    config = _configure(place, "client.conf", _CLIENT)
    for job in jobs:
        options = [f"-DHOST={job.host}", f"-DPORT={job.port}"]
        options += [f"-DSOURCE={job.source}"] if job.source else []
        place.run(*namespace(place), _program(), "-C", config, *options, "-bm", "-i", "-odf",
                  "-f", job.sender, job.recipient, stdin=job.message, env=environment())


PEERS = [Peer("exim", "Exim (GnuTLS)", lambda: version("exim4-daemon-heavy"), _send,
              {"8BITMIME": "never says BODY=; the 8-bit content arrived as it was"})]
