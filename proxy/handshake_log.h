/*
 * handshake_log.h: what the log says of TLS that came to nothing: Postfix's own lines, and one more
 * with the reason in words (tls/handshake_reason.h).
 */
#ifndef GATEPOST_PROXY_HANDSHAKE_LOG_H
#define GATEPOST_PROXY_HANDSHAKE_LOG_H

#include "proxy/session.h"
#include "tls/conn.h"

/* The handshake gave RESULT, which is TLS_FAILED, TLS_LOST or TLS_CLOSED. */
void handshake_log_failed(const struct session *session, struct tls_conn *tls,
                          enum tls_result result);

/* It took too long. */
void handshake_log_timeout(const struct session *session, struct tls_conn *tls);

/* It is done, but the session refuses to go on without a better client certificate, and has said
 * so. */
void handshake_log_refused(const struct session *session, struct tls_conn *tls);

/* Reading gave TLS_FAILED in the session. */
void handshake_log_broken(const struct session *session, struct tls_conn *tls);

#endif
