/*
 * session_record.h: a session's entry in the table that the policy service answers from
 * (session_table.h). It stands there as long as the session uses a backend connection; what
 * protects a session does not change meanwhile, since STARTTLS begins anew with the backend.
 */
#ifndef GATEPOST_PROXY_SESSION_RECORD_H
#define GATEPOST_PROXY_SESSION_RECORD_H

#include <stdint.h>

#include "proxy/session_table.h"

struct session;

struct session_record {
    struct session_table *table; /* borrowed; NULL: there is no policy service */
    unsigned slot;               /* of the worker */
    uint32_t handle;             /* 0: not entered */
};

/* The backend is about to be told who the client is: enter what protects the session. */
void session_record_begin(struct session *session);
/* The backend connection is over, or there was none. */
void session_record_end(struct session *session);

#endif
