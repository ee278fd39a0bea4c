"""Programs from Debian packages that cannot be installed beside Postfix: unpacked into a cache.

`packaging/install-deps interop` downloads them; nothing is downloaded here. A program that needs
libraries that the system does not have finds them with environment().
"""

import glob
import os
import shutil
import subprocess
import tempfile

_SYSTEM, _USERS = "/var/cache/gatepost-tests", os.path.expanduser("~/.cache/gatepost-tests")
CACHE = os.environ.get("GATEPOST_TEST_CACHE") or (_SYSTEM if os.getuid() == 0 else _USERS)


class Missing(Exception):
    """What is needed is not in the cache."""


def _archive(package):
    """The newest of this package's files."""
    found = glob.glob(os.path.join(CACHE, "debs", package + "_*.deb"))
    if not found:
        raise Missing(f"{package} is not in {CACHE} (packaging/install-deps interop)")
    return max(found, key=os.path.getmtime)


def version(package):
    """Debian's version of it, without the epoch."""
    return os.path.basename(_archive(package)).split("_")[1].rpartition("%3a")[2]


def unpack(package, *others):
    """The directory that has the package's files, and those of others, as below /. It is shared, so
    not to be written to."""
    archives = [_archive(name) for name in (package, *others)]
    root = os.path.join(CACHE, "unpacked", "+".join(os.path.basename(archive)[:-len(".deb")]
                                                    for archive in archives))
    if not os.path.isdir(root):
        os.makedirs(os.path.dirname(root), exist_ok=True)
        fresh = tempfile.mkdtemp(prefix=package + ".", dir=os.path.dirname(root))
        for archive in archives:
            subprocess.run(["dpkg-deb", "-x", archive, fresh], check=True)
        os.chmod(fresh, 0o755)
        try:
            os.rename(fresh, root)
        except OSError:  # somebody else was faster
            shutil.rmtree(fresh)
    return root


def libraries():
    """The directories of all libraries in the cache."""
    names = {os.path.basename(path).split("_")[0]
             for path in glob.glob(os.path.join(CACHE, "debs", "lib*.deb"))}
    roots = [unpack(name) for name in sorted(names)]
    places = [os.path.join(root, place) for root in roots
              for place in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib", "lib")]
    return [path for place in places for path in glob.glob(place)
            if glob.glob(os.path.join(path, "lib*.so.*"))]


def environment():
    """For programs that need these libraries; shells and other programs of the system do not."""
    return os.environ | {"LD_LIBRARY_PATH": ":".join(libraries())}
