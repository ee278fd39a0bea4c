/*
 * relay.h: one session's use of the backend. Exists only from the first command that needs the
 * backend until the session lets go of it.
 *
 * Every command that goes to the backend leaves an entry in the queue of expected replies, and what
 * gatepost answers itself in the midst of a pipelined group waits its turn there. So each reply is
 * known to belong to its command, and nothing is told to the client before its turn.
 */
#ifndef GATEPOST_PROXY_RELAY_H
#define GATEPOST_PROXY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/backend.h"
#include "proxy/backend_setup.h"
#include "proxy/buffer.h"
#include "proxy/data_stream.h"
#include "proxy/received_tls.h"
#include "proxy/smtp_command.h"

enum relay_state {
    RELAY_CONNECTING, /* the driver is opening the connection */
    RELAY_SETUP,      /* PROXY header, greeting, HELO */
    RELAY_READY,
    RELAY_LOST /* the backend is gone; the rest of the content is read and thrown away */
};

enum expect_kind {
    EXPECT_REPLY, /* pass the reply on */
    EXPECT_LOCAL, /* no reply is due: gatepost's own answer, in its turn */
    EXPECT_HELLO, /* EHLO or HELO: pass on what gatepost can do as well */
    EXPECT_AUTH,  /* 334 asks for another line of the client's */
    EXPECT_DATA,  /* 354: content may flow */
    EXPECT_CHUNK, /* a part of the client's BDAT chunk: not passed on */
    EXPECT_BDAT,  /* the last part of the client's chunk */
    EXPECT_END,   /* end of data: the message is accepted or not */
    EXPECT_QUIT
};

struct expect {
    enum expect_kind kind;
    enum smtp_verb verb;
    const char *text; /* LOCAL: the answer, constant */
    uint64_t due;     /* a reply counts once this many bytes were sent to the backend */
    bool verdict;     /* the reply decides on a whole message */
};

#define RELAY_QUEUE_MAX 64 /* commands under way; more wait in the client's buffer */

struct relay {
    enum relay_state state;
    struct backend *backend; /* that is in use. Borrowed. */
    uint32_t tried;          /* those that did not take this session, as for backend_choose */
    bool softly;             /* one of them for another reason than a 5xx */
    struct backend_setup setup;
    bool pipelining;     /* this backend session may be sent commands without waiting */
    unsigned extensions; /* that it has, a set of enum extension */
    bool barrier;        /* the last command must be answered before another may follow */
    struct buffer in;
    struct buffer out;   /* taken from with relay_sent only */
    uint64_t sent;       /* bytes that were taken from it */
    unsigned replies;    /* that have arrived whole */
    bool hearing;        /* the one at the start of IN has begun to arrive */
    uint64_t began;      /* and SENT when that was seen */
    struct expect asked; /* what the reply that is being dealt with belongs to */
    bool dealing;        /* ASKED is set */
    struct expect queue[RELAY_QUEUE_MAX];
    unsigned queue_head;
    unsigned queue_length;
    /* the message under way */
    bool chunked;      /* BDAT has begun a message; until LAST, RSET or a new MAIL */
    bool chunk_last;   /* the client's chunk is the last one */
    bool chunk_passed; /* the rest of the chunk goes through as counted */
    uint64_t chunk_left;
    char *chunk_error; /* first complaint about a part of the chunk. Owned. */
    struct data_stream stream;
    char header[RECEIVED_TLS_MAX];
};

struct relay *relay_new(struct backend *backend);
void relay_free(struct relay *relay);

/* Begin anew with BACKEND, the present one having been tried. Nothing that concerns the client was
 * sent to it. */
void relay_restart(struct relay *relay, struct backend *backend, uint32_t tried);

/* The queue. relay_expect must not be called when relay_queue_full. */
void relay_expect(struct relay *relay, enum expect_kind kind, enum smtp_verb verb,
                  const char *text);
bool relay_queue_full(const struct relay *relay);
/* The last entry's command goes on up to the end of what now waits in OUT: a chunk's content. */
void relay_expect_extend(struct relay *relay);
/* The last entry's reply decides on a whole message; and is there such an entry? */
void relay_expect_verdict(struct relay *relay);
bool relay_awaits_verdict(const struct relay *relay);
const struct expect *relay_head(const struct relay *relay); /* NULL: nothing is due */
const struct expect *relay_last(const struct relay *relay); /* likewise */
void relay_pop(struct relay *relay);

/* The first COUNT bytes of OUT have gone to the backend. */
void relay_sent(struct relay *relay, size_t count);
/* Was the whole command that EXPECTED belongs to sent, when the reply began that is now whole? If
 * not, that is no answer to it. */
bool relay_was_sent(const struct relay *relay, const struct expect *expected);

#endif
