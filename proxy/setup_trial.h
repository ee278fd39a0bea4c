/*
 * setup_trial.h: does mail flow? One message through a listener, as any sending mail server would
 * send it: EHLO, STARTTLS, EHLO, MAIL, RCPT, DATA (RFC 5321, RFC 3207).
 */
#ifndef GATEPOST_PROXY_SETUP_TRIAL_H
#define GATEPOST_PROXY_SETUP_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

struct setup_trial {
    const char *host; /* where to connect; "" is the loopback address */
    const char *port;
    const char *name;      /* myhostname: for EHLO and the message */
    const char *recipient; /* an address as RCPT takes it */
    bool tls;              /* STARTTLS must be offered, and is used */
};

/* Whether something takes connections there now. */
bool setup_trial_answers(const struct setup_trial *trial);

/*
 * Send the message. True if the server took responsibility for it; OUTCOME (SIZE bytes) is then
 * what protected it and what the server said, else at what step it failed and why. Every wait is
 * bounded by SETUP_TRIAL_WAIT seconds.
 */
#define SETUP_TRIAL_WAIT 30
bool setup_trial_send(const struct setup_trial *trial, char *outcome, size_t size);

#endif
