"""The servers that are compared: each started privately on loopback, tuned, in front of the sink.

Each has one port with an ECDSA certificate and one with an RSA certificate. Where tuning was a
choice, it is the one that costs the peer less: nginx and stunnel log errors only, nginx tells the
client's address in the cheapest way, Postfix hands messages to the sink before its queue.
"""

import os
import resource
import shutil
import subprocess

from harness.ports import free_port
from harness.postfix import PrivatePostfix
from harness.wait import read_text, wait_until

from . import cpu

NGINX_MODULE = "/usr/lib/nginx/modules/ngx_mail_module.so"
POLICY_LINES = 1000
SPARE_FILES = 500  # of a worker's, besides those of sessions
KINDS = ("ecdsa", "rsa")


def _all_files():
    """In a child: as many open files as are permitted."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def workers_for(sessions):
    """How many of gatepost's workers have the files for so many sessions: two each."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return -(-2 * (sessions + SPARE_FILES) // (hard - SPARE_FILES))


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


class Peer:
    """One server. context has directory, certificates, sink_port, workers."""

    programs = ()        # that must be installed
    plain = True         # sessions without STARTTLS are possible
    concurrency = None   # another one than usual, where the peer needs it
    scale = 1.0          # of the number of sessions, where the peer is slow
    latency_scale = 1.0  # the same for sessions one at a time
    idle_limit = None    # sessions that can be had for measuring memory

    def __init__(self, name, context):
        self.name, self.context = name, context
        self.directory = os.path.join(context.directory, name)
        os.mkdir(self.directory, 0o755)
        self.ports = {kind: free_port() for kind in KINDS}
        self._process = None

    @classmethod
    def missing(cls):
        """The programs that are not installed."""
        return [one for one in cls.programs
                if not shutil.which(one, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
                and not os.path.exists(one)]

    @property
    def root(self):
        """The process id of the process that all others come from."""
        return self._process.pid

    def path(self, name):
        """A file of its own."""
        return os.path.join(self.directory, name)

    def launch(self, *command):
        """Starts it and waits until it listens."""
        with open(self.path("output"), "wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=output, start_new_session=True,
                                             preexec_fn=_all_files)
        wait_until(self._is_ready, f"{self.name}, see {self.path('output')}")

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended at once:\n{read_text(self.path('output'))}")
        listening = read_text("/proc/net/tcp")
        return all(f":{port:04X} 00000000:0000 0A" in listening for port in self.ports.values())

    def stop(self):
        """Ends it: politely, and then for certain."""
        if self._process is None:
            return
        left = cpu.descendants(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        for pid in left:
            if os.path.exists(f"/proc/{pid}"):
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
        self._process.wait()


class Gatepost(Peer):
    """gatepost with everything on: key process, sandbox, limits counted, policy table, log."""

    def start(self, binary, policy=True, workers=0):
        """Starts a binary."""
        for name in ("empty", "state"):
            os.mkdir(self.path(name), 0o755)
        table = "".join(f"198.{51 + number // 256}.{number % 256}.0/24 may protocols=>=TLSv1.2\n"
                        for number in range(POLICY_LINES))
        policy_map = "cidr:" + _write(self.path("policy"), table) if policy else ""
        listeners = ", ".join(
            "{ 127.0.0.1:%d, smtpd_tls_chain_files=%s }"
            % (self.ports[kind], self.context.certificates[kind].chain) for kind in KINDS)
        _write(self.path("gatepost.cf"), f"""\
gatepost_listen = {listeners}
gatepost_backend = inet:127.0.0.1:{self.context.sink_port}
gatepost_workers = {max(workers, self.context.workers)}
gatepost_user = nobody
gatepost_chroot_directory = {self.path("empty")}
gatepost_state_directory = {self.path("state")}
gatepost_control_socket = {self.path("control")}
myhostname = front.gatepost.test
maillog_file = {self.path("maillog")}
smtpd_tls_loglevel = 1
smtpd_tls_chain_files = {self.context.certificates["ecdsa"].chain}
smtpd_tls_policy_maps = {policy_map}
smtpd_client_event_limit_exceptions =
smtpd_client_connection_count_limit = 1000000
smtpd_client_connection_rate_limit = 100000000
smtpd_client_message_rate_limit = 100000000
smtpd_client_new_tls_session_rate_limit = 100000000
smtpd_timeout = 1h
""")
        self.launch(binary, "-c", self.directory, "run")
        wait_until(lambda: "daemon started" in read_text(self.path("maillog")), "gatepost's start")
        return self


class Nginx(Peer):
    """nginx's mail proxy; large buffers for the work with messages."""

    programs = ("nginx", NGINX_MODULE)
    latency_scale = 0.1  # 40 ms each: Nagle's algorithm and a delayed ACK

    def start(self, buffers=""):
        """Starts it with more lines for its mail block."""
        server = "".join(
            "server { listen 127.0.0.1:%d; protocol smtp; starttls on; ssl_certificate %s; "
            "ssl_certificate_key %s; }\n" % (self.ports[kind], self.context.certificates[kind].cert,
                                             self.context.certificates[kind].key)
            for kind in KINDS)
        auth = free_port()
        _write(self.path("nginx.conf"), f"""\
daemon off;
worker_processes {self.context.workers};
worker_rlimit_nofile {resource.getrlimit(resource.RLIMIT_NOFILE)[1]};
user nobody nogroup;
error_log stderr error;
pid {self.path("pid")};
load_module {NGINX_MODULE};
events {{ worker_connections 65536; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
    uwsgi_temp_path t4; scgi_temp_path t5;
    server {{
        listen 127.0.0.1:{auth};
        location / {{
            add_header Auth-Status OK;
            add_header Auth-Server 127.0.0.1;
            add_header Auth-Port {self.context.sink_port};
            return 204;
        }}
    }}
}}
mail {{
    server_name front.gatepost.test;
    auth_http 127.0.0.1:{auth}/;
    smtp_auth none;
    xclient off;
    proxy_protocol on;
    timeout 1h;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519:prime256v1;
    ssl_session_cache none;
    smtp_capabilities PIPELINING "SIZE 104857600" 8BITMIME ENHANCEDSTATUSCODES CHUNKING;
    {buffers}
    {server}
}}
""")
        self.launch(shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p",
                    self.directory, "-c", "nginx.conf")
        return self


class Stunnel(Peer):
    """stunnel. It waits 200 ms in each session, so it needs more of them at once."""

    programs = ("stunnel4",)
    plain = False
    concurrency = 64
    idle_limit = 2000

    def start(self):
        """Starts it."""
        services = "".join(
            f"[{kind}]\naccept = 127.0.0.1:{self.ports[kind]}\n"
            f"connect = 127.0.0.1:{self.context.sink_port}\n"
            f"cert = {self.context.certificates[kind].cert}\n"
            f"key = {self.context.certificates[kind].key}\n"
            "protocol = smtp\nTIMEOUTidle = 3600\n" for kind in KINDS)
        _write(self.path("stunnel.conf"),
               "foreground = yes\npid =\ndebug = 3\nsocket = l:TCP_NODELAY=1\n"
               "socket = r:TCP_NODELAY=1\ncurves = X25519:prime256v1\nsslVersionMin = TLSv1.2\n"
               + services)
        self.launch(shutil.which("stunnel4"), self.path("stunnel.conf"))
        return self


class Postfix(Peer):
    """Postfix's smtpd; messages go to the sink before the queue."""

    programs = ("postfix",)
    concurrency = 4
    idle_limit = 50  # a process each

    def __init__(self, name, context):
        super().__init__(name, context)
        self._postfix = None

    @property
    def root(self):
        return int(read_text(os.path.join(self._postfix.directory, "spool/pid/master.pid")))

    def services(self):
        """Lines of master.cf."""
        return "".join(
            f"127.0.0.1:{self.ports[kind]} inet n - n - - smtpd\n"
            f" -o smtpd_tls_security_level=may\n"
            f" -o smtpd_tls_chain_files={self.context.certificates[kind].chain}\n"
            for kind in KINDS) + "tlsmgr unix - - n 1000? 1 tlsmgr\n"

    def parameters(self):
        """Lines of main.cf."""
        return f"""
smtpd_tls_loglevel = 1
smtpd_tls_eecdh_grade = auto
tls_eecdh_auto_curves = X25519 prime256v1
smtpd_proxy_filter = 127.0.0.1:{self.context.sink_port}
smtpd_client_connection_count_limit = 0
smtpd_delay_reject = yes
receive_override_options = no_unknown_recipient_checks
message_size_limit = 104857600
max_use = 10000
"""

    def start(self):
        """Makes one and starts it."""
        self._postfix = PrivatePostfix()
        begin = self._postfix._control  # pylint: disable=protected-access
        begin("create")
        directory = os.path.join(self._postfix.directory, "etc")
        for name, text in (("main.cf", self.parameters()), ("master.cf", self.services())):
            with open(os.path.join(directory, name), "a", encoding="ascii") as file:
                file.write(text)
        begin("start")
        return self

    def stop(self):
        if self._postfix:
            self._postfix.stop()
            shutil.rmtree(self._postfix.directory, ignore_errors=True)


class Postscreen(Postfix):
    """postscreen with tlsproxy: sessions end in postscreen's own SMTP engine. It takes no mail, and
    waits a second in each session."""

    concurrency = 64  # as many as tlsproxy's queue takes at once
    scale = 0.25
    idle_limit = 500

    def services(self):
        kind = "ecdsa"
        return (f"127.0.0.1:{self.ports[kind]} inet n - n - 1 postscreen\n"
                " -o postscreen_tls_security_level=may\n"
                "smtpd pass - - n - - smtpd\n"
                "tlsproxy unix - - n - 0 tlsproxy\n"
                " -o tlsproxy_tls_security_level=may\n"
                f" -o tlsproxy_tls_chain_files={self.context.certificates[kind].chain}\n"
                "dnsblog unix - - n - 0 dnsblog\n"
                "tlsmgr unix - - n 1000? 1 tlsmgr\n")

    def parameters(self):
        return super().parameters() + """
postscreen_access_list =
postscreen_greet_action = ignore
postscreen_greet_wait = 1s
postscreen_pipelining_enable = yes
postscreen_pipelining_ttl = 1s
postscreen_cache_map =
postscreen_client_connection_count_limit = 0
postscreen_pre_queue_limit = 1000
postscreen_post_queue_limit = 1000
"""
