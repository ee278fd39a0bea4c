/*
 * metrics_labels.h: what the labels of gatepost's metrics can say: closed sets, so that nothing a
 * client can choose becomes a new time series. What is in none of them counts as "other".
 */
#ifndef GATEPOST_PROXY_METRICS_LABELS_H
#define GATEPOST_PROXY_METRICS_LABELS_H

#include <stddef.h>

/* X(id, label): as struct tls_summary says it. The last one is for all others. */
#define METRICS_PROTOCOLS(X)                                                                       \
    X(TLS10, "TLSv1")                                                                              \
    X(TLS11, "TLSv1.1")                                                                            \
    X(TLS12, "TLSv1.2")                                                                            \
    X(TLS13, "TLSv1.3")                                                                            \
    X(OTHER, "other")

#define METRICS_CIPHERS(X)                                                                         \
    X(T13_AES128_GCM, "TLS_AES_128_GCM_SHA256")                                                    \
    X(T13_AES256_GCM, "TLS_AES_256_GCM_SHA384")                                                    \
    X(T13_CHACHA20, "TLS_CHACHA20_POLY1305_SHA256")                                                \
    X(ECDSA_AES128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256")                                           \
    X(ECDSA_AES256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384")                                           \
    X(ECDSA_CHACHA20, "ECDHE-ECDSA-CHACHA20-POLY1305")                                             \
    X(ECDSA_AES128, "ECDHE-ECDSA-AES128-SHA")                                                      \
    X(ECDSA_AES256, "ECDHE-ECDSA-AES256-SHA")                                                      \
    X(RSA_AES128_GCM, "ECDHE-RSA-AES128-GCM-SHA256")                                               \
    X(RSA_AES256_GCM, "ECDHE-RSA-AES256-GCM-SHA384")                                               \
    X(RSA_CHACHA20, "ECDHE-RSA-CHACHA20-POLY1305")                                                 \
    X(RSA_AES128_SHA256, "ECDHE-RSA-AES128-SHA256")                                                \
    X(RSA_AES128, "ECDHE-RSA-AES128-SHA")                                                          \
    X(RSA_AES256, "ECDHE-RSA-AES256-SHA")                                                          \
    X(STATIC_AES128_GCM, "AES128-GCM-SHA256")                                                      \
    X(STATIC_AES256_GCM, "AES256-GCM-SHA384")                                                      \
    X(STATIC_AES128, "AES128-SHA")                                                                 \
    X(STATIC_AES256, "AES256-SHA")                                                                 \
    X(STATIC_3DES, "DES-CBC3-SHA")                                                                 \
    X(OTHER, "other")

#define METRICS_GROUPS(X)                                                                          \
    X(X25519, "x25519")                                                                            \
    X(P256, "secp256r1")                                                                           \
    X(P384, "secp384r1")                                                                           \
    X(P521, "secp521r1")                                                                           \
    X(P224, "secp224r1")                                                                           \
    X(X25519_MLKEM768, "X25519MLKEM768")                                                           \
    X(MLKEM1024, "MLKEM1024")                                                                      \
    X(CECPQ2, "CECPQ2")                                                                            \
    X(NONE, "") /* RSA key exchange */                                                             \
    X(OTHER, "other")

/* X(id, label): in the order of enum tls_peer_status. */
#define METRICS_PEERS(X)                                                                           \
    X(ANONYMOUS, "none")                                                                           \
    X(UNTRUSTED, "untrusted")                                                                      \
    X(TRUSTED, "trusted")

/* The level that a client's policy comes to, and where the policy stands. */
#define METRICS_LEVELS(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(MAY, "may")                                                                                  \
    X(ENCRYPT, "encrypt")                                                                          \
    X(REJECT, "reject")

#define METRICS_PLACES(X)                                                                          \
    X(MAIN, "main")                                                                                \
    X(TABLE, "table")                                                                              \
    X(SECOND_CHANCE, "second_chance")

#define METRICS_TRANSPORTS(X)                                                                      \
    X(CLEARTEXT, "cleartext")                                                                      \
    X(TLS, "tls")

/* X(id, label): what a client was refused or cut off for; by parameter in docs/metrics.md. */
#define METRICS_LIMITS(X)                                                                          \
    X(CLIENT_CONNECTIONS, "client_connections")         /* smtpd_client_connection_count_limit */  \
    X(CLIENT_CONNECTION_RATE, "client_connection_rate") /* ..._connection_rate_limit */            \
    X(CLIENT_MESSAGE_RATE, "client_message_rate")       /* ..._message_rate_limit */               \
    X(CLIENT_TLS_RATE, "client_tls_rate")               /* ..._new_tls_session_rate_limit */       \
    X(SESSIONS, "sessions")                             /* gatepost_session_limit */               \
    X(HANDSHAKES, "handshakes")                         /* gatepost_handshake_limit */             \
    X(ERRORS, "errors")                                 /* smtpd_hard_error_limit */               \
    X(CLIENT_TIMEOUT, "client_timeout")                 /* smtpd_timeout and its kin */

/* X(id, label): processes by what they do. */
#define METRICS_ROLES(X)                                                                           \
    X(WORKER, "worker")                                                                            \
    X(KEYS, "keys")                                                                                \
    X(LEDGER, "ledger")

/* X(id, label): what a reload was for, and what came of it. */
#define METRICS_RELOADS(X)                                                                         \
    X(CONFIGURATION, "configuration")                                                              \
    X(CERTIFICATES, "certificates")

/* X(id, seconds): the upper bounds of histograms, but for the last, which is infinity. */
#define METRICS_BOUNDS(X)                                                                          \
    X(1, 0.001)                                                                                    \
    X(2, 0.0025)                                                                                   \
    X(3, 0.005)                                                                                    \
    X(4, 0.01)                                                                                     \
    X(5, 0.025)                                                                                    \
    X(6, 0.05)                                                                                     \
    X(7, 0.1)                                                                                      \
    X(8, 0.25)                                                                                     \
    X(9, 0.5)                                                                                      \
    X(10, 1.)                                                                                      \
    X(11, 2.5)                                                                                     \
    X(12, 5.)                                                                                      \
    X(13, 10.)                                                                                     \
    X(14, 30.)                                                                                     \
    X(15, 60.)

#define METRICS_PROTOCOL_ID(id, label) METRICS_PROTOCOL_##id,
enum metrics_protocol { METRICS_PROTOCOLS(METRICS_PROTOCOL_ID) METRICS_PROTOCOL_COUNT };
#define METRICS_CIPHER_ID(id, label) METRICS_CIPHER_##id,
enum metrics_cipher { METRICS_CIPHERS(METRICS_CIPHER_ID) METRICS_CIPHER_COUNT };
#define METRICS_GROUP_ID(id, label) METRICS_GROUP_##id,
enum metrics_group { METRICS_GROUPS(METRICS_GROUP_ID) METRICS_GROUP_COUNT };
#define METRICS_PEER_ID(id, label) METRICS_PEER_##id,
enum metrics_peer { METRICS_PEERS(METRICS_PEER_ID) METRICS_PEER_COUNT };
#define METRICS_LEVEL_ID(id, label) METRICS_LEVEL_##id,
enum metrics_level { METRICS_LEVELS(METRICS_LEVEL_ID) METRICS_LEVEL_COUNT };
#define METRICS_PLACE_ID(id, label) METRICS_PLACE_##id,
enum metrics_place { METRICS_PLACES(METRICS_PLACE_ID) METRICS_PLACE_COUNT };
#define METRICS_TRANSPORT_ID(id, label) METRICS_TRANSPORT_##id,
enum metrics_transport { METRICS_TRANSPORTS(METRICS_TRANSPORT_ID) METRICS_TRANSPORT_COUNT };
#define METRICS_LIMIT_ID(id, label) METRICS_LIMIT_##id,
enum metrics_limit { METRICS_LIMITS(METRICS_LIMIT_ID) METRICS_LIMIT_COUNT };
#define METRICS_ROLE_ID(id, label) METRICS_ROLE_##id,
enum metrics_role { METRICS_ROLES(METRICS_ROLE_ID) METRICS_ROLE_COUNT };
#define METRICS_RELOAD_ID(id, label) METRICS_RELOAD_##id,
enum metrics_reload { METRICS_RELOADS(METRICS_RELOAD_ID) METRICS_RELOAD_COUNT };
#define METRICS_BOUND_ID(id, seconds) METRICS_BOUND_##id,
enum metrics_bound { METRICS_BOUNDS(METRICS_BOUND_ID) METRICS_BOUND_COUNT };

/* The labels of each set, by number. */
extern const char *const metrics_protocols[METRICS_PROTOCOL_COUNT];
extern const char *const metrics_ciphers[METRICS_CIPHER_COUNT];
extern const char *const metrics_groups[METRICS_GROUP_COUNT];
extern const char *const metrics_peers[METRICS_PEER_COUNT];
extern const char *const metrics_levels[METRICS_LEVEL_COUNT];
extern const char *const metrics_places[METRICS_PLACE_COUNT];
extern const char *const metrics_transports[METRICS_TRANSPORT_COUNT];
extern const char *const metrics_limits[METRICS_LIMIT_COUNT];
extern const char *const metrics_roles[METRICS_ROLE_COUNT];
extern const char *const metrics_reloads[METRICS_RELOAD_COUNT];
extern const double metrics_bounds[METRICS_BOUND_COUNT];

/* The number of WORD in a set of COUNT labels, whose last one is for all that are not there. */
size_t metrics_find(const char *const *labels, size_t count, const char *word);

#endif
