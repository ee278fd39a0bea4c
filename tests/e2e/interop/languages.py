"""Mail clients of programming languages: a program of ours for each (programs/), with the library
that people use there."""

import glob
import os
import shutil

from harness.unpacked import CACHE, Missing, unpack, version

from .peer import Peer, first_match

_PROGRAMS = os.path.join(os.path.dirname(__file__), "programs")


def _program(name):
    return os.path.join(_PROGRAMS, name)


def installed(program):
    """Where it is."""
    path = shutil.which(program)
    if not path:
        raise Missing(f"{program} is not installed")
    return path


def node_modules(module):
    """The directory of what npm has installed, with this in it."""
    path = os.path.join(CACHE, "npm/node_modules")
    if not os.path.isdir(os.path.join(path, module)):
        raise Missing(f"{module} is not in {CACHE}/npm (packaging/install-deps interop)")
    return path


def _list(place, jobs):
    """What the programs read: a line for each message, fields separated by tabs."""
    lines = []
    for job in jobs:
        message = place.write(job.kind.name, job.message.replace(b"\n", b"\r\n"))
        flags = ",".join(["8bit"] * job.kind.eight_bit + ["utf8"] * job.kind.smtputf8) or "-"
        lines.append("\t".join([job.host, str(job.port), job.source or "-", job.sender,
                                job.recipient, message, flags]) + "\n")
    return place.write("jobs", "".join(lines))


def _run(*command):
    """A send() that runs this with the certificate to trust and the list of messages."""
    def send(place, jobs):
        place.run(*command, place.trust, _list(place, jobs))
    return send


def _aiosmtplib(place, jobs):
    library = os.path.join(unpack("python3-aiosmtplib"), "usr/lib/python3/dist-packages")
    place.run("/usr/bin/python3", _program("aiosmtplib_send.py"), place.trust, _list(place, jobs),
              env=os.environ | {"PYTHONPATH": library})


def _nodemailer(place, jobs):
    place.run(installed("node"), _program("nodemailer_send.js"), place.trust, _list(place, jobs),
              env=os.environ | {"NODE_PATH": node_modules("nodemailer")})


def _nodemailer_version():
    installed("node")
    return first_match(r'"version": "([^"]+)"', "cat",
                       os.path.join(node_modules("nodemailer"), "nodemailer/package.json"))


def _java_classpath():
    found = [glob.glob(os.path.join(unpack(package), "usr/share/java", name + ".jar"))
             for package, name in (("libjakarta-mail-java", "jakarta-mail"),
                                   ("libjakarta-activation-java", "*activation*"))]
    return ":".join(path for paths in found for path in paths)


def _java(place, jobs):
    place.run(installed("java"), "-XX:TieredStopAtLevel=1", "-cp", _java_classpath(),
              _program("JakartaSend.java"), place.trust, _list(place, jobs))


def _java_version():
    installed("javac")  # a source file is run
    return version("libjakarta-mail-java") + ", Java " + first_match(r'version "([^"]+)"', "java",
                                                                     "-version")


def _java_dots(body):
    """doubles a dot at the start of a line also with BDAT, where that is wrong, and does so with
    Postfix itself, too."""
    return body.replace(b"\n.", b"\n..")


def _go(place, jobs):
    root = os.path.join(unpack("golang-1.19-go", "golang-1.19-src"), "usr/lib/go-1.19")
    environment = os.environ | {
        "GOROOT": root, "GOPATH": place.path("gopath"), "GOCACHE": place.path("gocache"),
        "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "CGO_ENABLED": "0"}
    program = place.path("send")
    place.run(os.path.join(root, "bin/go"), "build", "-o", program, _program("smtp_send.go"),
              env=environment)
    place.run(program, place.trust, _list(place, jobs))


_NO_BDAT = "sends with DATA only"
PEERS = [
    Peer("python", "Python smtplib", lambda: first_match(r"Python (\S+)", "/usr/bin/python3", "-V"),
         _run("/usr/bin/python3", _program("smtplib_send.py")),
         {"BDAT": _NO_BDAT, "resumed": "`starttls()` takes no session to resume"}),
    Peer("aiosmtplib", "Python aiosmtplib", lambda: version("python3-aiosmtplib"), _aiosmtplib,
         {"BDAT": _NO_BDAT, "resumed": "`starttls()` takes no session to resume"}),
    Peer("perl", "Perl Net::SMTP", lambda: first_match(
        r"(\S+)", "perl", "-MIO::Socket::SSL", "-MNet::SMTP", "-e", "print $Net::SMTP::VERSION"),
         _run("perl", _program("net_smtp_send.pl")),
         {"BDAT": _NO_BDAT, "SMTPUTF8": "does not know it"}),
    Peer("nodemailer", "nodemailer (Node.js)", _nodemailer_version, _nodemailer,
         {"BDAT": _NO_BDAT, "resumed": "does not keep TLS sessions"}),
    Peer("java", "Jakarta Mail (Java)", _java_version, _java, alters=_java_dots, cannot={
             "8BITMIME": "never says BODY=; the 8-bit content arrived as it was"}),
    Peer("go", "Go net/smtp", lambda: version("golang-1.19-go"), _go, {"BDAT": _NO_BDAT}),
]
