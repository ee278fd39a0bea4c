/*
 * capabilities.h: what the backend can do, learned from its EHLO reply, and the EHLO reply that a
 * client gets from it (RFC 5321 section 4.1.1.1).
 */
#ifndef GATEPOST_PROXY_CAPABILITIES_H
#define GATEPOST_PROXY_CAPABILITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPABILITIES_TEXT_MAX 4096

struct capabilities {
    bool known;          /* learned at least once; else everything below is unset */
    bool pipelining;     /* RFC 2920 */
    unsigned extensions; /* set of enum extension */
    bool xclient;        /* Postfix XCLIENT_README; with the attributes in xclient_attributes */
    bool size;           /* RFC 1870 */
    uint64_t size_limit; /* 0: no fixed limit */
    char xclient_attributes[128]; /* " NAME ADDR ..." as announced, upper case */
    /* The keyword lines to pass on, "PIPELINING\0VRFY\0...": STARTTLS, XCLIENT, XFORWARD,
     * REQUIRETLS and SIZE taken out (SIZE is made anew from the limit), in the backend's order. */
    char text[CAPABILITIES_TEXT_MAX];
    size_t text_length;
    size_t size_position;     /* offset in text before which SIZE stood; only if size */
    size_t starttls_position; /* offset before which Postfix would announce STARTTLS: after ETRN,
                                 else after SIZE/PIPELINING/VRFY, whichever is last; else 0 */
};

/* Read a complete 250 reply to EHLO. Keywords that are not RFC 5321 ehlo-keywords, and what does
 * not fit, are left out. */
void capabilities_parse(struct capabilities *capabilities, const char *reply, size_t length);

struct capabilities_view {
    const char *hostname; /* first line */
    bool starttls;        /* announce STARTTLS */
    bool hide_auth;       /* leave out AUTH (and the old "AUTH=" form) */
    uint64_t reserve;     /* bytes to take off a fixed SIZE limit for the header that is added */
    bool requiretls;      /* announce REQUIRETLS (RFC 8689) */
};

/* Write the multi-line 250 reply for a client. OUT must hold CAPABILITIES_REPLY_MAX bytes. Returns
 * the length. */
#define CAPABILITIES_REPLY_MAX 16384
size_t capabilities_reply(const struct capabilities *capabilities,
                          const struct capabilities_view *view, char *out);

#endif
