"""The repository rule for BoringSSL.

With BORINGSSL_ROOT set in the environment: headers from $BORINGSSL_ROOT/include, static libraries
from $BORINGSSL_ROOT/lib. Without it: Debian's android-libboringssl-dev, whose libraries are shared
and lie where the dynamic linker does not look by itself.

Which functions the library has is found by compiling and linking a program for each name of
PROBED_NAMES, and told to the code by boringssl_probe.h (HAVE_name). The number that the library
gives its API is not raised for every addition.
"""

# What only newer versions have and the code uses, or will when it is there.
PROBED_NAMES = [
    "SSL_CREDENTIAL_new_x509",
    "SSL_CTX_add1_credential",
    "SSL_CTX_get_num_tickets",
    "SSL_CTX_set1_accepted_peer_cert_types",
    "SSL_CTX_set1_group_ids",
    "SSL_CTX_set1_group_ids_with_flags",
    "SSL_CTX_set_compliance_policy",
    "SSL_get_all_cipher_names",
    "SSL_get_group_id",
    "SSL_get_group_name",
    "SSL_get_signature_algorithm_used",
    "X509_get0_pubkey",
]

# Present in every version that the code works with: if these fail, the installation is broken.
_BASE_NAMES = [
    "SSL_CTX_set_select_certificate_cb",
    "SSL_set_shed_handshake_config",
    "X509_parse_from_buffer",
]

_PROBE = """\
#include <openssl/ssl.h>
#include <openssl/x509.h>
#ifndef OPENSSL_IS_BORINGSSL
#error "not BoringSSL"
#endif
int main(void) {{ return (void (*)(void)){name} == (void (*)(void))0; }}
"""

_BUILD = """\
cc_library(
    name = "boringssl",
    srcs = {srcs},
    hdrs = glob(["include/**/*.h"]),
    includes = ["include"],
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

_DEBIAN_PACKAGE = "android-libboringssl-dev"
_DEBIAN_HEADERS = "/usr/include/android"

def _run(repository_ctx, command):
    """The standard output of a command, or None if it fails or is not there."""
    program = repository_ctx.which(command[0])
    if program == None:
        return None
    result = repository_ctx.execute([program] + command[1:])
    return result.stdout.strip() if result.return_code == 0 else None

def _compiler(repository_ctx):
    """The C compiler that the rest of the build uses."""
    name = repository_ctx.os.environ.get("CC", "") or "cc"
    compiler = repository_ctx.path(name) if name.startswith("/") else repository_ctx.which(name)
    if compiler == None or not compiler.exists:
        fail("BoringSSL cannot be probed: there is no C compiler \"%s\". On Debian: apt install gcc g++" % name)
    return compiler

def _triplet(repository_ctx):
    """Debian's name of this architecture."""
    for command in [["gcc", "-print-multiarch"], ["dpkg-architecture", "-qDEB_HOST_MULTIARCH"]]:
        triplet = _run(repository_ctx, command)
        if triplet:
            return triplet
    fail("Cannot find the name of this architecture: neither gcc -print-multiarch nor " +
         "dpkg-architecture answers. On Debian: apt install gcc dpkg-dev, or set BORINGSSL_ROOT")

def _require(repository_ctx, path, advice):
    """The file, or the end of the build with advice."""
    file = repository_ctx.path(path)
    if not file.exists:
        fail("BoringSSL is not complete: there is no %s. %s" % (path, advice))
    return file

def _debian(repository_ctx):
    """Debian's BoringSSL: (files to link, their directory, options for the linker)."""
    advice = "On Debian: apt install %s; or set BORINGSSL_ROOT" % _DEBIAN_PACKAGE
    _require(repository_ctx, _DEBIAN_HEADERS + "/openssl/ssl.h", advice)
    libraries = "/usr/lib/%s/android" % _triplet(repository_ctx)
    for name in ["libssl.so", "libcrypto.so"]:
        _require(repository_ctx, "%s/%s" % (libraries, name), advice)
    repository_ctx.symlink(_DEBIAN_HEADERS + "/openssl", "include/openssl")
    return [], ["-L" + libraries, "-Wl,-rpath," + libraries, "-lssl", "-lcrypto"]

def _prefix(repository_ctx, root):
    """A BoringSSL below ROOT, in the same form."""
    if not root.startswith("/"):
        fail("BORINGSSL_ROOT must be an absolute path, not \"%s\"" % root)
    advice = "BORINGSSL_ROOT=%s must have include/openssl and lib/*.a" % root
    _require(repository_ctx, root + "/include/openssl/ssl.h", advice)
    for name in ["libssl.a", "libcrypto.a"]:
        repository_ctx.symlink(_require(repository_ctx, "%s/lib/%s" % (root, name), advice), "lib/" + name)
    repository_ctx.symlink(root + "/include/openssl", "include/openssl")
    return ["lib/libssl.a", "lib/libcrypto.a"], ["-lstdc++", "-lpthread"]

def _links(repository_ctx, compiler, name, link):
    """Does a program that uses NAME compile and link? The result of the attempt."""
    repository_ctx.file("probe/%s.c" % name, _PROBE.format(name = name))
    return repository_ctx.execute(
        [compiler, "-std=gnu17", "-Iinclude", "probe/%s.c" % name, "-o", "probe/a.out"] + link,
    )

def _probe_header(repository_ctx, compiler, link):
    """The text of boringssl_probe.h."""
    for name in _BASE_NAMES:
        result = _links(repository_ctx, compiler, name, link)
        if result.return_code != 0:
            fail("A program cannot be linked with this BoringSSL. On Debian: apt install %s gcc g++\n%s" %
                 (_DEBIAN_PACKAGE, result.stderr))
    lines = ["/* Generated by boringssl.bzl: what this BoringSSL has. */", "#pragma once"]
    for name in PROBED_NAMES:
        if _links(repository_ctx, compiler, name, link).return_code == 0:
            lines.append("#define HAVE_%s 1" % name)
        else:
            lines.append("/* no %s */" % name)
    return "\n".join(lines) + "\n"

def _boringssl_impl(repository_ctx):
    root = repository_ctx.os.environ.get("BORINGSSL_ROOT", "")
    archives, options = _prefix(repository_ctx, root) if root else _debian(repository_ctx)
    header = _probe_header(repository_ctx, _compiler(repository_ctx), archives + options)
    repository_ctx.file("include/boringssl_probe.h", header)
    repository_ctx.delete("probe")
    repository_ctx.file("BUILD.bazel", _BUILD.format(srcs = repr(archives), linkopts = repr(options)))

boringssl_repository = repository_rule(
    implementation = _boringssl_impl,
    configure = True,
    environ = ["BORINGSSL_ROOT", "CC"],
    local = True,
    doc = "//:boringssl: the library, its headers and boringssl_probe.h.",
)
