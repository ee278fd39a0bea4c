#include "tests/unit/session_stage.h"

#include "proxy/log.h"

static bool summary(const struct session *session, struct tls_summary *out)
{
    *out = (struct tls_summary){.protocol = "TLSv1.3", .cipher = "TLS_AES_128_GCM_SHA256"};
    return session->tls;
}

static const char *no_refusal(const struct session *session)
{
    (void)session;
    return NULL;
}

static const char *refusal(const struct session *session)
{
    (void)session;
    return "Client certificate not trusted";
}

static const char *no_name(const struct session *session)
{
    (void)session;
    return "";
}

const struct session_tls session_stage_tls = {
    .summary = summary, .refusal = no_refusal, .server_name = no_name};

const struct session_tls session_stage_tls_refusing = {
    .summary = summary, .refusal = refusal, .server_name = no_name};

static void no_log(void *ctx, enum log_severity severity, const char *text, size_t length)
{
    (void)ctx;
    (void)severity;
    (void)text;
    (void)length;
}

void session_stage_silence(void)
{
    log_set_sink(no_log, NULL, NULL);
}
