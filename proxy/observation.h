/*
 * observation.h: what a worker tells the ledger of one session, or of one ClientHello, as bytes. A
 * datagram is a row of observations, each
 *
 *   kind (1 byte), length of the rest (2), numbers in the order of their table (sizes as there),
 *   texts in the order of theirs (length (1), bytes), the digest (16), and the hello (all that is
 *   left; empty in a session)
 *
 * Numbers are big endian. Pure: bytes in, fields out; nothing of what comes in is believed. Texts
 * are what a client or a certificate said: raw bytes, to be escaped by whoever shows them.
 */
#ifndef GATEPOST_PROXY_OBSERVATION_H
#define GATEPOST_PROXY_OBSERVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum observation_kind {
    OBSERVATION_SESSION = 1, /* a session has ended */
    OBSERVATION_HELLO = 2    /* the bytes of a ClientHello: only time, digest and hello are set */
};

enum observation_tls { OBSERVATION_TLS_NONE, OBSERVATION_TLS_ESTABLISHED, OBSERVATION_TLS_FAILED };
#define OBSERVATION_TLS_LAST OBSERVATION_TLS_FAILED

/* X(field, bytes) */
#define OBSERVATION_NUMBERS(X)                                                                     \
    X(time_start, 8) /* unix seconds */                                                            \
    X(duration_ms, 4)                                                                              \
    X(family, 1)             /* 4 or 6; 0: the address is not known (and always of a hello) */     \
    X(tls, 1)                /* enum observation_tls */                                            \
    X(resumed, 1)            /* 0 or 1 */                                                          \
    X(messages, 4)           /* accepted: 250 to the end of data */                                \
    X(cleartext_messages, 4) /* of them, those that came without TLS */                            \
    X(bytes, 8)              /* content of messages */                                             \
    X(handshake_us, 4)       /* 0: there was none, or it was not finished */                       \
    X(backend_us, 4)         /* from the connect to its being ready for commands; 0: none */       \
    X(chance, 1)             /* enum observation_chance */

#define OBSERVATION_FILE_MAX 255
#define OBSERVATION_LINE_MAX 255

/* X(field, longest); longer ones are cut when they are written. */
#define OBSERVATION_TEXTS(X)                                                                       \
    X(helo, 255)                                                                                   \
    X(listener, 64)                                                                                \
    X(protocol, 16) /* this and the next three: of struct tls_summary; empty: no TLS */            \
    X(cipher, 64)                                                                                  \
    X(group, 32)                                                                                   \
    X(signature, 48)      /* the server's */                                                       \
    X(ccert_status, 16)   /* tls_peer_status_text; empty: no TLS */                                \
    X(ccert_subject, 255) /* CN */                                                                 \
    X(ccert_fingerprint, 96)                                                                       \
    X(policy_level, 16)  /* "may" */                                                               \
    X(policy_where, 255) /* "main configuration", "FILE, line N", "gatepost_second_chance" */      \
    X(policy_file, OBSERVATION_FILE_MAX) /* the same without the line's number, which changes */   \
    X(policy_line, OBSERVATION_LINE_MAX) /* what the line says: "192.0.2.0/24 may                  \
                                          * protocols=>=TLSv1"; main: empty                        \
                                          */                                                       \
    X(failure_kind, 32) /* of a failed handshake: tls/handshake_reason.h; empty: it did not */     \
    X(failure_text, 200)

/* gatepost_second_chance */
enum observation_chance {
    OBSERVATION_CHANCE_NONE,
    OBSERVATION_CHANCE_BEGUN, /* with this session's failure the client gets one */
    OBSERVATION_CHANCE_USED   /* it held in this session */
};
#define OBSERVATION_CHANCE_LAST OBSERVATION_CHANCE_USED

#define OBSERVATION_DIGEST_SIZE 16  /* of the normalised hello (tls/hello_record.h); zero: none */
#define OBSERVATION_HELLO_MAX 16384 /* longer hellos are counted, not kept */

struct observation_text {
    const char *bytes; /* borrowed; not terminated; NULL only if length is 0 */
    size_t length;
};

struct observation {
    enum observation_kind kind;
#define OBSERVATION_NUMBER_FIELD(field, size) uint64_t field;
    OBSERVATION_NUMBERS(OBSERVATION_NUMBER_FIELD)
#undef OBSERVATION_NUMBER_FIELD
#define OBSERVATION_TEXT_FIELD(field, longest) struct observation_text field;
    OBSERVATION_TEXTS(OBSERVATION_TEXT_FIELD)
#undef OBSERVATION_TEXT_FIELD
    uint8_t address[16]; /* the client's: 4 or 16 bytes count; on the wire, always 16 */
    uint8_t digest[OBSERVATION_DIGEST_SIZE];
    const uint8_t *hello; /* handshake body as SSL_CLIENT_HELLO gives it; borrowed */
    size_t hello_length;  /* 0 in a session */
};

/* The largest observations of both kinds, in bytes. */
#define OBSERVATION_SESSION_MAX 2048
#define OBSERVATION_MAX (OBSERVATION_HELLO_MAX + 256)
/* What one datagram may hold. */
#define OBSERVATION_DATAGRAM_MAX 65536

/* TEXT (NULL: empty) as a field. */
struct observation_text observation_text(const char *text);
/* The same of a file's name: the end of it counts. */
struct observation_text observation_end(const char *file);

/* Numbers are cut to the largest that the wire has room for. Returns the length, or 0 if it does
 * not fit into ROOM bytes (or a hello is empty or too long). */
size_t observation_write(const struct observation *observation, uint8_t *out, size_t room);

/*
 * Take the first observation off *BYTES (LENGTH of them), and move both behind it. Returns 1; 0: no
 * byte is left; -1: what is there is not an observation, and nothing behind it can be read. What
 * OBSERVATION borrows is borrowed from the bytes.
 */
int observation_read(const uint8_t **bytes, size_t *length, struct observation *observation);

/* Is there a digest? */
bool observation_has_digest(const struct observation *observation);

#endif
