"""What is installed beside the program: completion, the fail2ban filter, logrotate's rules, the
default configuration."""

import os
import re
import shutil
import subprocess

import pytest

from harness.backend import CAPABILITIES
from harness.daemon import BINARY, run_command
from harness.wait import wait_until

PACKAGING = os.path.join(os.path.dirname(__file__), "../../packaging")
COMPLETION = os.path.join(PACKAGING, "completion/gatepost.bash")
PROFILES = os.path.join(os.path.dirname(__file__), "../../policy/profile.def")


def run(*command, **options):
    """A program that must succeed; its output."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert result.returncode == 0, result
    return result.stdout


# Completion

def words(*line):
    """What bash would offer for the last word of a command line."""
    program = """
        source "$1"; shift
        compopt() { :; }
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _gatepost "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    return set(run("bash", "-c", program, "bash", COMPLETION, BINARY, *line).split())


def usage():
    """Commands, each with its options, as the program prints them."""
    text = run(BINARY, "--help").partition("commands:\n")[2].partition("options:\n")[0]
    parts = re.split(r"^  (?=[a-z])", text, flags=re.M)[1:]
    return {part.split()[0]: set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", part)) for part in parts}


def test_completion_of_commands_and_options():
    commands = usage()
    assert len(commands) > 10
    assert words("") == set(commands) | {"-c", "-o", "--help", "--version"}
    assert words("re") == {name for name in commands if name.startswith("re")}
    for name, options in commands.items():
        assert words(name, "-") == options, name


def test_completion_of_parameters():
    names = {line.split(" = ")[0] for line in run(BINARY, "config", "-d").splitlines()}
    assert words("config", "") == names
    assert words("-o", "") == {name + "=" for name in names}
    assert words("-o", "maillog_") == {"maillog_file="}
    assert words("-c", "/etc", "-o", "x", "=", "y", "config", "maillog_") == {"maillog_file"}


def test_completion_of_values():
    with open(PROFILES, encoding="ascii") as file:
        profiles = set(re.findall(r'^PROFILE\(\w+, "([^"]+)"', file.read(), re.M))
    assert len(profiles) > 3
    assert words("check", "--profile", "") == profiles
    with open(COMPLETION.replace(".bash", ".zsh"), encoding="ascii") as file:
        assert set(re.search(r"check:--profile\) compadd (.*) ;;", file.read()).group(1).split()) == profiles


# fail2ban

@pytest.fixture(name="filter_directory")
def link_filter(directory):
    """The filter beside those of fail2ban, whose common part it includes."""
    path = os.path.join(directory, "filter.d")
    os.mkdir(path)
    os.symlink("/etc/fail2ban/filter.d/common.conf", os.path.join(path, "common.conf"))
    shutil.copy(os.path.join(PACKAGING, "fail2ban/filter.conf"), os.path.join(path, "gatepost.conf"))
    return path


@pytest.mark.slow
def test_fail2ban(make_gatepost, make_backend, connect, filter_directory):
    backend = make_backend(capabilities=CAPABILITIES + ("AUTH PLAIN LOGIN",))
    daemon = make_gatepost(backend.endpoint, smtpd_client_connection_count_limit="2",
                           smtpd_hard_error_limit="2", smtpd_client_event_limit_exceptions="")

    def of(number):
        return connect(daemon, f"127.0.1.{number}")

    with of(1) as client:  # not mail
        client.send(b"GET / HTTP/1.0\r\n")
        client.rest()
    with of(2) as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.send(b"EHLO client.example\r\n")
        client.rest_unbroken()
    with of(3) as client:
        for _ in range(2):
            client.command("NONSENSE")
        client.rest()
    many = [of(4) for _ in range(3)]
    for client in many:
        client.close()
    with of(5) as client:  # wrong password
        client.ehlo()
        for line in ("AUTH LOGIN", "bWU=", "d3Jvbmc="):
            client.command(line)
        client.quit()
    with of(6) as client:  # gives up in the handshake
        client.ehlo()
        client.expect(220, "STARTTLS")
    with of(7) as client:  # mail
        client.ehlo()
        client.starttls()
        client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
        client.quit()
    wait_until(lambda: re.search(r"disconnect from unknown\[127\.0\.1\.7\]", daemon.log())
               and re.search(r"disconnect from unknown\[127\.0\.1\.6\]", daemon.log()), "the ends")

    def found(mode):
        path = os.path.join(filter_directory, "gatepost.conf")
        return run("fail2ban-regex", "-o", "id", daemon.log_path, f"{path}[mode={mode}]").split()
    normal = [f"127.0.1.{number}" for number in (1, 2, 3, 4)]
    assert sorted(found("normal")) == normal
    assert found("auth") == ["127.0.1.5"]
    assert set(found("aggressive")) == set(normal) | {"127.0.1.5", "127.0.1.6"}


# logrotate

def test_logrotate(make_gatepost, backend, connect, directory):
    """The rules as they are, but for the file, its owner and the way to the daemon's pid."""
    daemon = make_gatepost(backend.endpoint, start=False)
    logs = os.path.join(directory, "log")
    os.mkdir(logs, 0o755)
    path = os.path.join(logs, "gatepost.log")
    daemon.log_path = path
    daemon.write_config(maillog_file=path)
    daemon.start()
    with open(os.path.join(PACKAGING, "logrotate/gatepost"), encoding="ascii") as file:
        rules = file.read()
    rules, count = re.subn(r"systemctl kill --kill-whom=main --signal=USR1 gatepost\.service",
                           f"kill -USR1 {daemon.process.pid}", rules)
    assert count == 1
    rules = (rules.replace("/var/log/gatepost/*.log", path).replace("gatepost adm", "root root")
             .replace("[ ! -d /run/systemd/system ] || ", ""))
    with open(os.path.join(directory, "rules"), "w", encoding="ascii") as file:
        file.write(rules)
    old = os.stat(path).st_ino
    run("logrotate", "--force", "--state", os.path.join(directory, "state"),
        os.path.join(directory, "rules"))
    assert os.stat(path + ".1").st_ino == old

    def logged():
        with connect(daemon) as client:
            client.quit()
        return "disconnect from" in daemon.log()
    wait_until(logged, "lines in the new file")
    assert os.stat(path).st_mode & 0o777 == 0o640


# The release

@pytest.mark.slow
def test_release_is_the_same_everywhere(directory):
    """From two clones with other times and modes, in other places."""
    root = os.path.join(PACKAGING, "..")
    if not os.path.isdir(os.path.join(root, ".git")):
        pytest.skip("not a git repository")
    tarballs = []
    for number, umask in enumerate((0o022, 0o077)):
        clone = os.path.join(directory, "x" * (number + 1), "clone")
        run("git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", root, clone, umask=umask)
        out = os.path.join(directory, f"out{number}")
        path = run(os.path.join(clone, "packaging/release"), out, umask=umask).strip()
        run("sha256sum", "-c", "--status", os.path.basename(path) + ".sha256", cwd=out)
        with open(path, "rb") as file:
            tarballs.append(file.read())
        with open(os.path.join(clone, "README.md"), "a", encoding="ascii") as file:
            file.write("x")
        failed = subprocess.run([os.path.join(clone, "packaging/release"), out], timeout=60,
                                capture_output=True, check=False)
        assert failed.returncode == 1 and b"not committed" in failed.stderr
    assert tarballs[0] == tarballs[1]
    names = run("tar", "-tf", path).split()
    version = re.match(r"gatepost (\S+),", run(BINARY, "--version")).group(1)
    assert {name.partition("/")[0] for name in names} == {f"gatepost-{version}"}
    assert f"gatepost-{version}/packaging/debian/rules" in names


# Configuration

def test_default_configuration(directory):
    """Is understood without a finding; on this host only."""
    for name in ("gatepost.cf", "tls_policy.cidr"):
        with open(os.path.join(PACKAGING, "etc", name), encoding="ascii") as file:
            text = file.read().replace("/etc/gatepost", directory)
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(text)
    result = run_command("-c", directory, "config", "-n")
    assert (result.returncode, result.stderr) == (0, "")
    assert "gatepost_listen = 127.0.0.1:2525\n" in result.stdout
    result = run_command("-c", directory, "-o", "gatepost_user=nobody", "-o",
                         f"gatepost_state_directory={directory}", "policy", "192.0.2.17")
    assert result.returncode == 0 and "main configuration" in result.stdout, result
