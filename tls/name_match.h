/*
 * name_match.h: whether a certificate's DNS name stands for a host.
 */
#ifndef GATEPOST_TLS_NAME_MATCH_H
#define GATEPOST_TLS_NAME_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * RFC 6125 section 6.4: case does not matter; a wildcard is the whole leftmost label, stands for
 * exactly one label and needs two more after it. (Wildcards within a label are allowed to clients,
 * which most do not make use of: here they match nothing.) A dot at the end of HOST is ignored.
 * Both are in ASCII form. PATTERN is LENGTH bytes.
 */
bool tls_name_match(const char *pattern, size_t length, const char *host);

#endif
