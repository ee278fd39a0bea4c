/*
 * smtp_model.h: what must hold of a session through gatepost, whatever both ends send. An observer
 * at the four openings (bytes from and to the client, from and to the backend) that reads SMTP
 * anew, slowly, and knows nothing of the session's insides. It calls abort() when
 *
 * - a reply has no command, has no SMTP form, or follows the last words;
 * - a message's end is answered with 2xx, or with another code than the backend's, and the backend
 *   did not say that of this very message after all of it was sent;
 * - the backend is sent a command that the client did not send, or one out of its turn, or content
 *   before it asked for it, or a line that another reader would take for two;
 * - what must be protected goes to the backend before TLS, or something said before TLS goes there
 *   after it;
 * - a message reaches the backend without its Received-TLS header.
 */
#ifndef GATEPOST_TESTS_FUZZ_SMTP_MODEL_H
#define GATEPOST_TESTS_FUZZ_SMTP_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/data_stream.h"
#include "proxy/handoff.h"

struct smtp_model_rules {
    enum bare_newline bare_newline;
    size_t line_limit;
    enum handoff handoff;
    bool encrypt;   /* mail needs TLS */
    bool auth_only; /* AUTH needs TLS */
    bool header;    /* messages get a Received-TLS header */
    bool received;  /* and before it a Received header */
    bool lenient;   /* the backend takes any line of dot, CRs and NULs for an end of data */
};

struct smtp_model;

/* Ends in abort() if memory is out. */
struct smtp_model *smtp_model_new(const struct smtp_model_rules *rules);
void smtp_model_free(struct smtp_model *model);

/* In this order if several happen at once: what was sent to gatepost, what the client got, what the
 * backend got. */
void smtp_model_client_sent(struct smtp_model *model, const char *bytes, size_t length);
void smtp_model_backend_sent(struct smtp_model *model, const char *bytes, size_t length);
void smtp_model_client_got(struct smtp_model *model, const char *bytes, size_t length);
void smtp_model_backend_got(struct smtp_model *model, const char *bytes, size_t length);

/* A connection to the backend was opened; it is not used any more. */
void smtp_model_backend_opened(struct smtp_model *model);
void smtp_model_backend_closed(struct smtp_model *model);

/* The TLS handshake is done. IMPLICIT: it came before the greeting. */
void smtp_model_secured(struct smtp_model *model, bool implicit);

/* The session is over and all was delivered: no reply may be cut short. */
void smtp_model_finish(const struct smtp_model *model);

/* Messages that the backend accepted and the client was told so. */
size_t smtp_model_delivered(const struct smtp_model *model);

#endif
