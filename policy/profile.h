/*
 * profile.h: published rule sets for TLS servers, as tables, and what violates them.
 *
 * A rule set has the rules that can be decided from what a server offers and from its certificates.
 * What a document says about keeping keys, about HTTP or about clients is not here. The rows are
 * in profile.def, each with the place in the document that it was taken from.
 */
#ifndef GATEPOST_POLICY_PROFILE_H
#define GATEPOST_POLICY_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "policy/diag.h"

/* A cipher suite that a client can get. */
struct profile_suite {
    const char *name; /* OpenSSL's: "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256" */
    int bits;         /* strength of the encryption */
    bool aead;
    bool tls13;     /* a TLS 1.3 suite */
    unsigned group; /* neighbours with the same number are of equal preference */
};

/* The first certificate of a chain. */
struct profile_certificate {
    const char *subject;  /* for messages */
    const char *key_type; /* "RSA", "ECDSA", "ED25519" */
    const char *curve;    /* of an ECDSA key: "prime256v1" or "secp256r1"; "" for others */
    int key_bits;
    const char *signature; /* "sha256WithRSAEncryption", "ecdsa-with-SHA256" */
    time_t not_before;
    time_t not_after;
    bool self_signed;
};

/* What is judged. Everything is borrowed. */
struct profile_subject {
    uint16_t min_version; /* as on the wire: 0x0301 is TLS 1.0 */
    uint16_t max_version;
    const struct profile_suite *suites; /* in the order of preference */
    size_t suite_count;
    const char *const *groups; /* as Postfix prints them: "x25519", "secp256r1" */
    size_t group_count;
    const struct profile_certificate *certificates;
    size_t certificate_count;
    bool server_preference; /* the server's order of suites decides */
    bool compression;
    bool insecure_renegotiation; /* without RFC 5746 */
    bool early_data;             /* 0-RTT is accepted */
    bool encrypt_then_mac;       /* RFC 7366 */
    bool tls13_suites_fixed;     /* nobody can configure them: said where they violate a rule */
    time_t now;
};

struct profile;

/* A rule set by its name, or NULL. */
const struct profile *profile_find(const char *name);

/* The name of rule set number INDEX, NULL past the last one. Static text. */
const char *profile_name(size_t index);

/* What a rule set is taken from: "Mozilla Server Side TLS 6.0, intermediate". Static text. */
const char *profile_document(const struct profile *profile);

/* One rule, for documentation. Static text. */
struct profile_rule_text {
    const char *id;          /* unique within the rule set: "protocols" */
    const char *requirement; /* "minimum TLS 1.2" */
    const char *section;     /* of the document, "" if that has none */
};

/* Rule number INDEX of PROFILE; false past the last one. */
bool profile_rule(const struct profile *profile, size_t index, struct profile_rule_text *text);

/*
 * Report one DIAG_WARNING for each rule of PROFILE that SUBJECT violates:
 * "LABEL: profile NAME: what is so (REQUIREMENT) [DOCUMENT, SECTION]". LABEL says which part of the
 * configuration SUBJECT comes from: "main configuration", "tls_policy.cidr:12". Returns their
 * number.
 */
unsigned profile_check(const struct profile *profile, const struct profile_subject *subject,
                       const char *label, struct diag *diag);

#endif
