/*
 * session_stage.h: what surrounds a session that has no socket and no TLS of its own, in tests and
 * under fuzzers.
 */
#ifndef GATEPOST_TESTS_UNIT_SESSION_STAGE_H
#define GATEPOST_TESTS_UNIT_SESSION_STAGE_H

#include "proxy/session.h"

/* TLS, once it is there, is TLSv1.3 with TLS_AES_128_GCM_SHA256; no server name; no demands on
 * certificates. */
extern const struct session_tls session_stage_tls;

/* The same, but the client's certificate is never what is demanded. */
extern const struct session_tls session_stage_tls_refusing;

/* From now on log lines go nowhere. */
void session_stage_silence(void);

#endif
