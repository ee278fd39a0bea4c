/*
 * backend_setup.h: the first words with a backend, before a client's commands may flow: the PROXY
 * header, the greeting, XCLIENT where that is the way, and the client's own HELO or EHLO. Pure:
 * each complete reply goes in, the next bytes to send come out. Used for sessions and for probes.
 *
 * The point of it is trust. A backend that was not told the client's address, or did not understand
 * it, would take every stranger for localhost; such a backend is never used.
 */
#ifndef GATEPOST_PROXY_BACKEND_SETUP_H
#define GATEPOST_PROXY_BACKEND_SETUP_H

#include <stdbool.h>

#include "proxy/buffer.h"
#include "proxy/capabilities.h"
#include "proxy/client_address.h"
#include "proxy/handoff.h"

enum backend_setup_stage {
    BACKEND_SETUP_GREETING,
    BACKEND_SETUP_XCLIENT_EHLO, /* asked what the backend offers to us */
    BACKEND_SETUP_XCLIENT,      /* told it the client; a new greeting is due */
    BACKEND_SETUP_HELLO         /* the client's EHLO or HELO, or RSET if there was none */
};

enum backend_setup_result {
    BACKEND_SETUP_MORE,
    BACKEND_SETUP_READY,
    BACKEND_SETUP_REFUSED, /* the backend refuses this client, or all for now: pass the reply on */
    BACKEND_SETUP_UNTOLD,  /* it did not understand who the client is: never use it */
    BACKEND_SETUP_BROKEN   /* not a reply that belongs here */
};

/* What is to be said. Borrowed for the time of a call. */
struct backend_setup_words {
    enum handoff handoff;
    const char *hostname;                /* myhostname: gatepost's own EHLO */
    const struct client_address *client; /* NULL: a probe of gatepost's own */
    const struct client_address *server;
    const char *helo; /* the client's HELO name; NULL: it gave none */
    bool esmtp;       /* it said EHLO */
};

struct backend_setup {
    enum backend_setup_stage stage;
};

/* Begin: what must be sent at once on the new connection, in one write, is appended to OUT. False
 * if the hand-off cannot express who the client is: the backend must not be used. */
bool backend_setup_begin(struct backend_setup *setup, const struct backend_setup_words *words,
                         struct buffer *out);

/*
 * One complete reply (CODE, TEXT of LENGTH bytes) arrived. Appends what to send next to OUT. A 250
 * to EHLO fills in CAPABILITIES. On REFUSED, UNTOLD and BROKEN the connection is of no more use.
 */
enum backend_setup_result backend_setup_reply(struct backend_setup *setup,
                                              const struct backend_setup_words *words, int code,
                                              const char *text, size_t length, struct buffer *out,
                                              struct capabilities *capabilities);

/* What was being waited for, for logs: "greeting", "reply to XCLIENT", ... */
const char *backend_setup_stage_name(const struct backend_setup *setup);

#endif
