"""A view of the file system for one program: users that it insists on, no names of hosts but
localhost, and directories of its own where it has been built to look for them. The machine's files
are not touched."""

import os
import shutil

from harness.unpacked import Missing

# Names that Debian's packages have built into them.
_USERS = {"Debian-exim": 64801, "opensmtpd": 64802, "opensmtpq": 64803, "smmta": 64804,
          "smmsp": 64805}
_SCRIPT = """
set -e
while [ "$1" != -- ]; do
    case $1 in
    tmpfs) mount -t tmpfs -o mode=755 tmpfs "$2" ;;
    *) if [ -d "$1" ]; then mkdir -p "$2"; else [ -e "$2" ] || : >"$2"; fi; mount --bind "$1" "$2" ;;
    esac
    shift 2
done
shift
exec "$@"
"""


def _accounts(place, name, extra):
    with open("/etc/" + name, encoding="utf-8") as file:
        return place.write("etc-" + name, file.read().rstrip("\n") + "\n" + extra)


def namespace(place, *mounts):
    """What to put before a command, so that it has the users and sees, for each pair (what, where)
    of mounts, what there is at where; "tmpfs" is an empty directory. where is made if need be, so
    its parent must be in a tmpfs or exist."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        raise Missing("only root can make name spaces for it, with unshare(1)")
    users = [(name, number) for name, number in _USERS.items()]
    passwd = "".join(f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
                     for name, number in users)
    group = "".join(f"{name}:x:{number}:\n" for name, number in users)
    hosts = place.write("etc-hosts", "127.0.0.1 localhost\n::1 localhost\n")
    switch = place.write("etc-nsswitch", "passwd: files\ngroup: files\nhosts: files\n")
    pairs = [(hosts, "/etc/hosts"), (switch, "/etc/nsswitch.conf"),
             (_accounts(place, "passwd", passwd), "/etc/passwd"),
             (_accounts(place, "group", group), "/etc/group"), *mounts]
    words = [word for pair in pairs for word in pair]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh", *words, "--"]


def owner(name):
    """The number of one of the users, and of its group."""
    return _USERS[name]
