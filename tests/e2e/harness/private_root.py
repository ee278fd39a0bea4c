"""Commands in a root directory of their own, in which Debian packages that conflict with those of the
system (harness/unpacked.py) are as if they were installed, with the users that they want:

    private_root("opensmtpd", directory=path).run("smtpd", "-n", "-f", path)
"""

import os
import subprocess
import tempfile

from . import unpacked

# Those that maintainer scripts would have made: name: (id, home).
_USERS = {"Debian-exim": (64998, "/var/spool/exim4"), "opensmtpd": (64997, "/var/lib/opensmtpd/empty"),
          "opensmtpq": (64996, "/nonexistent")}

# In a mount namespace of its own, which goes with the command: the system's files below those of
# the packages, and what is written goes to memory. $1: an empty directory; packages; --; command.
_SCRIPT = r"""
set -e
room=$1; shift
mount -t tmpfs -o mode=755 none "$room"
mkdir "$room/upper" "$room/work" "$room/root"
layers=
while [ "$1" != -- ]; do
    layer=$room/${1##*/}
    cp -a "$1" "$layer" # an overlay cannot have a directory and what is below it
    for merged in bin sbin lib; do # in the system, links into /usr
        [ ! -d "$layer/$merged" ] || {
            mkdir -p "$layer/usr"
            cp -a "$layer/$merged" "$layer/usr/"
            rm -r "${layer:?}/$merged"
        }
    done
    layers=$layers$layer:
    shift
done
shift
mount -t overlay none -o "lowerdir=$layers/,upperdir=$room/upper,workdir=$room/work" "$room/root"
for shared in proc dev sys tmp; do mount --rbind "/$shared" "$room/root/$shared"; done
while IFS=: read -r name id home; do
    echo "$name:x:$id:$id::$home:/bin/false" >>"$room/root/etc/passwd"
    echo "$name:x:$id:" >>"$room/root/etc/group"
done <<EOF
%s
EOF
exec chroot "$room/root" "$@"
""" % "\n".join(f"{name}:{number}:{home}" for name, (number, home) in _USERS.items())


class PrivateRoot:
    """Runs commands; see above. Paths below /tmp, the network and processes are the system's."""

    def __init__(self, packages, directory):
        self._trees = [unpacked.unpack(package) for package in packages]
        self._directory = directory

    def command(self, *arguments):
        """The arguments for subprocess; each run has a root of its own."""
        room = tempfile.mkdtemp(prefix="root.", dir=self._directory)
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh", room,
                *self._trees, "--", *map(str, arguments)]

    def run(self, *arguments, **options):
        """subprocess.run of it."""
        return subprocess.run(self.command(*arguments), check=False, **options)


def private_root(*packages, directory=None):
    """A PrivateRoot with these packages. unpacked.Missing: there can be none."""
    if os.geteuid() != 0:
        raise unpacked.Missing("a root directory of its own takes root")
    root = PrivateRoot(packages, directory)
    result = root.run("/bin/true", capture_output=True, text=True, timeout=60)
    if result.returncode != 0:
        raise unpacked.Missing(f"no root directory of its own here: {result.stderr.strip()}")
    return root
