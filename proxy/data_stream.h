/*
 * data_stream.h: message content on its way from client to backend.
 *
 * Finds the end of the message (RFC 5321 section 4.1.1.4 with Postfix's smtpd_forbid_bare_newline),
 * puts gatepost's header first, removes forged copies of it, and makes sure that a backend, however
 * lenient about line ends, sees the message end where gatepost does. Pure: bytes in, bytes out; no
 * descriptor, no allocation; constant memory whatever the length of lines.
 *
 * DATA: lines are written with CRLF; dot-stuffing is left as the client made it; the terminating
 * "." line is written as CRLF "." CRLF and consumed. What a lenient backend would take for an end
 * of data (a dot between line ends, be they CRs, with NULs anywhere between, or a "." line that
 * smtpd_forbid_bare_newline does not accept) is written without its dot or not at all, which is how
 * Postfix reads it. Only where NULs or CRs stand before such a dot is this a change of the content:
 * no other form of it would be safe. In the header section a dot that stuffs nothing (".X") is left
 * out. BDAT: content is counted, so bytes pass unchanged except in the header section.
 */
#ifndef GATEPOST_PROXY_DATA_STREAM_H
#define GATEPOST_PROXY_DATA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/header_filter.h"

enum bare_newline {
    BARE_NEWLINE_NO,        /* LF is a line end everywhere, also around the final dot */
    BARE_NEWLINE_NORMALIZE, /* LF is a line end, but the end of data needs CRLF "." CRLF */
    BARE_NEWLINE_NOTE,      /* as postconf(5) */
    BARE_NEWLINE_REJECT     /* as normalize, and bare_lf is to be answered with a rejection */
};

/* The longest header field that is held back to be looked at. A Received-TLS: field that is longer
 * is taken for a forgery and removed. */
#define DATA_STREAM_HOLD_MAX HEADER_FILTER_HOLD_MAX

/* data_stream_feed needs at least this much room in OUT to be sure of progress. */
#define DATA_STREAM_ROOM_MIN (DATA_STREAM_HOLD_MAX * 2 + 4096)

enum data_stream_status {
    DATA_STREAM_MORE, /* all input consumed, or OUT is full: call again */
    DATA_STREAM_END   /* DATA only: the end of data was consumed and written; input behind it not */
};

struct data_stream {
    /* results, to be read by the owner */
    bool bare_lf;      /* a bare LF was seen (smtpd_forbid_bare_newline note and reject) */
    bool in_header;    /* still in the message's header section */
    uint64_t bytes_in; /* content bytes consumed: "lost connection after DATA (n bytes)" */
    unsigned removed;  /* forged fields removed */
    /* everything below belongs to the implementation */
    enum bare_newline bare_newline;
    bool dot_mode;
    const char *header; /* not yet written part of our header; borrowed until written */
    size_t header_length;
    int line;             /* DATA: what is known of the current line (data_lines.c) */
    bool last_cr;         /* the byte before was a CR */
    bool after_bare_lf;   /* the line before ended in a bare LF */
    uint64_t pending_crs; /* CRs that may belong to a line end, not yet written */
    struct header_filter filter;
};

/*
 * Begin a message. HEADER is the complete field with its CRLF (may be empty: nothing is added); it
 * and HOSTNAME (the name in "by NAME" that makes a Received-TLS: field ours) are borrowed until the
 * message is over. DOT_MODE: DATA; else BDAT.
 */
void data_stream_begin(struct data_stream *stream, bool dot_mode, enum bare_newline bare_newline,
                       const char *hostname, const char *header, size_t header_length);

/*
 * Take from IN (*CONSUMED bytes of IN_LENGTH), write to OUT (*PRODUCED bytes, never more than
 * OUT_CAPACITY, which is at least DATA_STREAM_ROOM_MIN). IN_LENGTH may be 0.
 */
enum data_stream_status data_stream_feed(struct data_stream *stream, const char *in,
                                         size_t in_length, size_t *consumed, char *out,
                                         size_t out_capacity, size_t *produced);

/* Content that passes without data_stream_feed, behind the header section: only look for bare LF.
 */
void data_stream_look(struct data_stream *stream, const char *text, size_t length);

/*
 * Take bytes at the start of IN that go to the backend just as they are, so that the owner need not
 * have them copied: returns how many, often none. The rest is for data_stream_feed.
 */
size_t data_stream_pass(struct data_stream *stream, const char *in, size_t in_length);

/*
 * BDAT: the last chunk is over. Writes what was held back (and our header if nothing was ever
 * written) to OUT and returns its length; OUT_CAPACITY as above.
 */
size_t data_stream_finish(struct data_stream *stream, char *out, size_t out_capacity);

#endif
