#include "proxy/handshake_log.h"

#include <errno.h>
#include <string.h>

#include "proxy/log.h"

/* One line, and counted: "WHAT unknown[192.0.2.1] HOW: reason; level may", and the policy's place, unless it is
 * in the reason. */
static void log_reason(const struct session *session, const char *what, const char *how,
                       const struct tls_failure_reason *reason, const char *place)
{
    char namaddr[SESSION_NAMADDR_MAX];

    if (reason == NULL)
        return;
    metrics_count_failure(session->metrics, reason->kind);
    bool placed = strstr(reason->text, "this peer's policy (") != NULL;
    log_info("%s %s %s: %s; level %s%s%s", what, session_namaddr(session, namaddr), how,
             reason->text, tls_rule_level_name(session->rule), placed ? "" : ", ", placed ? "" : place);
}

/* The explanation of a handshake that is over. */
static void log_failure(const struct session *session, struct tls_conn *tls, bool timed_out)
{
    char place[SESSION_PLACE_MAX];
    struct tls_failure_site site = {.place = session_policy_place(session, place),
                                    .began = session->service->wrappermode ? "CONNECT" : "STARTTLS",
                                    .timed_out = timed_out};

    log_reason(session, "TLS handshake with", "failed", tls_conn_explain(tls, &site), place);
}

void handshake_log_failed(const struct session *session, struct tls_conn *tls,
                          enum tls_result result)
{
    char namaddr[SESSION_NAMADDR_MAX];
    int error = tls_conn_errno(tls);

    session_namaddr(session, namaddr);
    if (result == TLS_FAILED) {
        log_info("SSL_accept error from %s: %s", namaddr, tls_conn_reason(tls));
        log_warning("TLS library problem: %s", tls_conn_error_text(tls));
    } else {
        log_info("SSL_accept error from %s: %s", namaddr,
                 result == TLS_LOST && error != 0 ? strerror(error) : "lost connection");
    }
    log_failure(session, tls, false);
}

void handshake_log_timeout(const struct session *session, struct tls_conn *tls)
{
    char namaddr[SESSION_NAMADDR_MAX];

    log_info("SSL_accept error from %s: %s", session_namaddr(session, namaddr),
             strerror(ETIMEDOUT));
    log_failure(session, tls, true);
}

void handshake_log_refused(const struct session *session, struct tls_conn *tls)
{
    char place[SESSION_PLACE_MAX];
    struct tls_failure_site site = {.place = session_policy_place(session, place)};

    log_reason(session, "TLS session with", "refused", tls_conn_explain_ccert(tls, &site), place);
}

void handshake_log_broken(const struct session *session, struct tls_conn *tls)
{
    char place[SESSION_PLACE_MAX];
    struct tls_failure_site site = {.place = session_policy_place(session, place)};

    log_reason(session, "TLS session with", "broken", tls_conn_explain(tls, &site), place);
}
