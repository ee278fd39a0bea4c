/*
 * handshake_reason.h: why a handshake came to nothing, in words for whoever runs the server.
 *
 * Pure: bytes and numbers in, a kind and a text out; nothing is asked of a connection, so that a
 * recorded ClientHello can be judged as well as a live one (tls_hello_explain). Texts are of
 * printing ASCII, whatever the client sent.
 */
#ifndef GATEPOST_TLS_HANDSHAKE_REASON_H
#define GATEPOST_TLS_HANDSHAKE_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REASON(id, name) TLS_FAILURE_##id,
enum tls_failure {
#include "tls/handshake_reasons.def"
    TLS_FAILURE_COUNT
};
#undef REASON

/* The stable name: "protocol_too_old"; "" for TLS_FAILURE_NONE. */
const char *tls_failure_name(enum tls_failure kind);
/* The kind of that name; TLS_FAILURE_NONE if there is none. */
enum tls_failure tls_failure_find(const char *name);

#define TLS_FAILURE_TEXT_MAX 201 /* with its NUL */

struct tls_failure_reason {
    enum tls_failure kind;
    char text[TLS_FAILURE_TEXT_MAX]; /* follows "failed: "; no full stop */
};

/* Keys that a server has, as a set of bits. */
enum tls_offer_key {
    TLS_KEYS_RSA = 1,
    TLS_KEYS_P256 = 2,
    TLS_KEYS_P384 = 4,
    TLS_KEYS_P521 = 8,
    TLS_KEYS_ED25519 = 16
};
#define TLS_KEYS_ECDSA (TLS_KEYS_P256 | TLS_KEYS_P384 | TLS_KEYS_P521)

#define TLS_OFFER_SUITES_MAX 64
#define TLS_OFFER_GROUPS_MAX 16

/* What a server offers a peer; tls_context_offer makes it from a context. */
struct tls_offer {
    const char *place; /* of the policy: "main configuration", "FILE, line N". Borrowed. */
    uint16_t min_version, max_version;
    uint16_t suites[TLS_OFFER_SUITES_MAX]; /* up to TLS 1.2 */
    size_t suite_count;
    uint16_t groups[TLS_OFFER_GROUPS_MAX];
    size_t group_count;
    unsigned keys; /* enum tls_offer_key */
};

struct tls_context;

/* What CONTEXT offers the client that sent HELLO (whose server name may select other certificates;
 * NULL: the default ones), under the policy of PLACE. */
void tls_context_offer(const struct tls_context *context, const uint8_t *hello, size_t length,
                       const char *place, struct tls_offer *offer);

/*
 * Why a server with OFFER cannot serve the client with this ClientHello (the handshake message's
 * body, without its header). Returns the kind; TLS_FAILURE_NONE, with an empty text, if nothing in
 * it is in the way.
 */
enum tls_failure tls_hello_explain(const uint8_t *hello, size_t length,
                                   const struct tls_offer *offer,
                                   struct tls_failure_reason *reason);

/* How far a handshake came. */
enum tls_stage {
    TLS_STAGE_BEGIN, /* no complete ClientHello came */
    TLS_STAGE_HELLO, /* it came; no answer was sent */
    TLS_STAGE_RETRY, /* HelloRetryRequest was sent */
    TLS_STAGE_SERVER_HELLO,
    TLS_STAGE_CLIENT_REPLY /* the client has gone on after ServerHello */
};

enum tls_handshake_end {
    TLS_END_ERROR,  /* the library refused to go on, or an alert came */
    TLS_END_CLOSED, /* the client closed the connection */
    TLS_END_TIMEOUT
};

#define TLS_NO_ALERT (-1)

/* All that is known about a handshake that came to nothing. Everything is borrowed. */
struct tls_evidence {
    const struct tls_offer *offer;
    const uint8_t *hello; /* the first ClientHello's body; NULL: none came */
    size_t hello_length;
    const uint8_t *first; /* the first bytes that came, 16 are enough */
    size_t first_length;
    const char *began; /* what the client was to begin TLS after: "STARTTLS", "CONNECT" */
    enum tls_stage stage;
    enum tls_handshake_end end;
    int error;           /* errno, where the connection was not closed in an orderly way */
    int alert;           /* from the client: its description, or TLS_NO_ALERT */
    bool waits_for_key;  /* it is this server's key that was waited for */
    const char *library; /* END_ERROR: the reason as tls_conn_reason gives it */
};

/* Never TLS_FAILURE_NONE. */
void tls_handshake_explain(const struct tls_evidence *evidence, struct tls_failure_reason *reason);

/* The same for an error in an established session: LIBRARY as tls_conn_reason gives it. */
void tls_session_explain(const char *library, struct tls_failure_reason *reason);

/* What a policy demanded of a client's certificate, and did not get. */
enum tls_ccert_lack { TLS_LACKS_CCERT, TLS_LACKS_TRUST, TLS_LACKS_MATCH };

/* A handshake that was done in vain. ERROR: why the certificate is not trusted, or "". */
void tls_ccert_explain(enum tls_ccert_lack lack, const char *error, const char *place,
                       struct tls_failure_reason *reason);

#endif
