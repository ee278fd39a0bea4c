/*
 * library.h: the BoringSSL that this build uses. Every file of this room includes it first, so that
 * the HAVE_... macros are known: each says that the name compiles and links (the API number is not
 * raised for every addition). packaging/bazel/boringssl.bzl generates boringssl_probe.h.
 */
#ifndef GATEPOST_TLS_LIBRARY_H
#define GATEPOST_TLS_LIBRARY_H

#include <openssl/ssl.h>

#include "boringssl_probe.h"

#ifndef OPENSSL_IS_BORINGSSL
#error "gatepost needs BoringSSL; another OpenSSL's headers were found"
#endif

#endif
