/*
 * load_plan.h: what the load generator is to do: the same for all its sessions.
 */
#ifndef GATEPOST_BENCH_LOAD_PLAN_H
#define GATEPOST_BENCH_LOAD_PLAN_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct load_plan {
    struct sockaddr_in server;
    uint32_t sources;  /* client addresses: 127.0.0.2 and the following */
    bool starttls;     /* else all is in cleartext */
    bool bdat;         /* else DATA */
    bool hold;         /* sessions stay open, idle, behind the last EHLO */
    bool resume;       /* sessions but the first resume the first */
    unsigned messages; /* a session */
    unsigned
        pause_ms; /* between the server's answer to the ClientHello and the client's next step */
    SSL_CTX *tls;
    SSL_SESSION *ticket;  /* of the first session, with resume */
    const char *commands; /* of a message: MAIL, RCPT and DATA or BDAT */
    size_t commands_length;
    const char *content; /* with what ends it */
    size_t content_length;
};

#endif
