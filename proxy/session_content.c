/*
 * Message content, from DATA or BDAT, through the data stream to the backend; or to nowhere, when
 * the backend is gone or has already said no and the client must be heard out before it listens.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/log.h"
#include "proxy/session_internal.h"

/* A new message. */
static void content_begin(struct session *session, bool dot_mode)
{
    struct relay *relay = session->relay;
    size_t length = session_trace_begin(session);

    data_stream_begin(&relay->stream, dot_mode, session->bare_newline, session->service->hostname,
                      relay->header, length);
}

void session_content_begin_data(struct session *session)
{
    content_begin(session, true);
    session->state = SESSION_DATA;
    session->blocked = false; /* what came before the 354 may have been content */
    session->where_text = "DATA";
    session->requests++;
}

void session_content_reset(struct relay *relay)
{
    relay->chunked = false;
    free(relay->chunk_error);
    relay->chunk_error = NULL;
}

void session_content_begin_chunk(struct session *session, uint64_t size, bool last)
{
    struct relay *relay = session->relay;

    if (!relay->chunked) {
        session_content_reset(relay);
        content_begin(session, false);
        relay->chunked = true;
    }
    relay->chunk_left = size;
    relay->chunk_last = last;
    relay->chunk_passed = false;
    session->state = SESSION_BDAT;
}

void session_discard_content(struct session *session, char *reply, bool ends)
{
    free(session->discard);
    session->discard = reply;
    session->discard_ends = ends;
    session->relay->state = RELAY_LOST;
    buffer_free(&session->relay->out);
    buffer_free(&session->relay->in);
}

/* The end of content that went nowhere: now the client listens. MORE: it may send more chunks of
 * the message. */
static void content_end_discarded(struct session *session, bool more)
{
    char *reply = session->discard;

    session->chunks_refused = more;
    session->discard = NULL;
    session_drop_relay(session);
    session->state = SESSION_COMMAND;
    session_limits_reply(session, reply);
    buffer_append(&session->client_out, reply, strlen(reply));
    free(reply);
    if (session->discard_ends || session->authenticated) {
        session->state = SESSION_ENDING;
        session->ending = SESSION_CLOSE_LINGER;
    }
}

const char *session_bare_lf_reply(const struct session *session,
                                  char out[SESSION_BARE_LF_REPLY_MAX])
{
    snprintf(out, SESSION_BARE_LF_REPLY_MAX, "%d 5.5.2 %s Error: bare <LF> received\r\n",
             session->service->bare_newline_code, session->service->hostname);
    return out;
}

/* Throw the content away that is still to come, and answer it with REPLY. */
static void content_refuse(struct session *session, const char *reply, bool ends)
{
    char *owned = strdup(reply);
    if (owned == NULL)
        log_fatal("out of memory for a reply");
    session_discard_content(session, owned, ends);
}

void session_content_refuse_chunk(struct session *session, uint64_t size, bool last)
{
    char reply[100];

    session_drop_relay(session);
    session->relay = relay_new(backend_choose(&session->service->upstream->list, 0));
    session_content_begin_chunk(session, size, last);
    snprintf(reply, sizeof(reply), "551 5.0.0 Discarded %llu bytes after earlier error\r\n",
             (unsigned long long)size);
    content_refuse(session, reply, false);
}

/* Whether a bare LF is in the content that may not be there. */
static bool content_has_forbidden_lf(struct session *session)
{
    if (!session->relay->stream.bare_lf || session->discard != NULL)
        return false;
    if (session->bare_newline == BARE_NEWLINE_NOTE)
        session->bare_lf_noted = true;
    return session->bare_newline == BARE_NEWLINE_REJECT;
}

/* Refuse the message for its bare LF, as soon as everything before this chunk is answered. */
static bool content_refuse_bare_lf(struct session *session)
{
    const struct relay *relay = session->relay;
    const int code = session->service->bare_newline_code;
    bool final = session->state == SESSION_DATA || relay->chunk_last;
    char reply[SESSION_BARE_LF_REPLY_MAX];

    if (session->state == SESSION_BDAT && relay->queue_length > (relay->chunk_passed ? 1U : 0U)) {
        session->blocked = true;
        return false;
    }
    session_log_reject(session, final ? "END-OF-MESSAGE" : "BDAT content", "bare <LF> received");
    content_refuse(session, session_bare_lf_reply(session, reply), code == 521);
    return true;
}

/* Content after DATA. */
static bool content_run_data(struct session *session)
{
    struct relay *relay = session->relay;
    struct buffer *in = &session->client_in;
    size_t length = buffer_length(in);
    size_t consumed;
    size_t produced;

    if (length == 0 || buffer_length(&relay->out) >= SESSION_OUT_HIGH)
        return false;
    size_t ordinary = data_stream_pass(&relay->stream, buffer_data(in), length);
    if (ordinary > 0 && session->discard != NULL)
        buffer_consume(in, ordinary);
    else if (ordinary > 0)
        buffer_move(&relay->out, in, ordinary);
    length -= ordinary;
    if (length == 0)
        return true;
    size_t capacity = length + length / 16 + DATA_STREAM_ROOM_MIN;
    char *out = buffer_reserve(&relay->out, capacity);
    enum data_stream_status status = data_stream_feed(&relay->stream, buffer_data(in), length,
                                                      &consumed, out, capacity, &produced);
    buffer_consume(in, consumed);
    if (session->discard == NULL) {
        buffer_commit(&relay->out, produced);
        if (content_has_forbidden_lf(session))
            content_refuse_bare_lf(session);
    }
    if (status != DATA_STREAM_END)
        return ordinary > 0 || consumed > 0 || produced > 0;
    session->where_text = "END-OF-MESSAGE";
    session->requests++;
    if (session->discard != NULL) {
        content_end_discarded(session, false);
    } else {
        session->state = SESSION_COMMAND;
        relay_expect(relay, EXPECT_END, SMTP_DATA, NULL);
        relay_expect_verdict(relay);
        relay->barrier = true;
    }
    return true;
}

/* Send a chunk of our own making. */
static void content_send_chunk(struct session *session, const char *text, size_t length, bool last,
                               enum expect_kind kind)
{
    struct relay *relay = session->relay;

    buffer_printf(&relay->out, "BDAT %zu%s\r\n", length, last ? " LAST" : "");
    buffer_append(&relay->out, text, length);
    relay_expect(relay, kind, SMTP_BDAT, NULL);
}

/* The client's chunk is used up. */
static void content_end_chunk(struct session *session)
{
    session->state = SESSION_COMMAND;
    session->requests++;
    if (session->relay->chunk_last) {
        session->relay->chunked = false;
        session->where_text = "END-OF-MESSAGE";
    }
    if (session->discard != NULL)
        content_end_discarded(session, !session->relay->chunk_last);
    else if (session->relay->chunk_last)
        relay_expect_verdict(session->relay);
}

/* What remains of a chunk behind the message's header goes through as it is counted. */
static bool content_run_counted(struct session *session)
{
    struct relay *relay = session->relay;
    struct buffer *in = &session->client_in;
    size_t length = buffer_length(in);

    if (buffer_length(&relay->out) >= SESSION_OUT_HIGH)
        return false;
    if (length > relay->chunk_left)
        length = (size_t)relay->chunk_left;
    if (length == 0 && relay->chunk_left > 0)
        return false;
    if (session->discard == NULL && length > 0) {
        data_stream_look(&relay->stream, buffer_data(in), length);
        if (content_has_forbidden_lf(session))
            return true;
        buffer_move(&relay->out, in, length);
    } else if (length > 0) {
        buffer_consume(in, length);
    }
    relay->stream.bytes_in += length;
    relay->chunk_left -= length;
    if (relay->chunk_left == 0) {
        if (session->discard == NULL)
            relay_expect_extend(relay); /* no reply counts before the last of it was sent */
        content_end_chunk(session);
    }
    return true;
}

/* Begin to pass the rest of the client's chunk on as one chunk of the same length. */
static void content_pass_rest(struct session *session)
{
    struct relay *relay = session->relay;

    buffer_printf(&relay->out, "BDAT %llu%s\r\n", (unsigned long long)relay->chunk_left,
                  relay->chunk_last ? " LAST" : "");
    relay_expect(relay, EXPECT_BDAT, SMTP_BDAT, NULL);
    relay->chunk_passed = true;
}

/* The header section of a message in chunks: the filter may change lengths, so gatepost makes
 * chunks of its own from what comes out of it; the client gets one reply for each of its chunks. */
static bool content_run_header_chunk(struct session *session)
{
    struct relay *relay = session->relay;
    struct buffer *in = &session->client_in;
    char part[2 * DATA_STREAM_ROOM_MIN];
    size_t length = buffer_length(in);
    size_t consumed = 0;
    size_t produced = 0;

    if (relay_queue_full(relay) || (!relay->pipelining && relay_head(relay) != NULL)) {
        session->blocked = true;
        return false;
    }
    if (length > relay->chunk_left)
        length = (size_t)relay->chunk_left;
    if (length == 0 && relay->chunk_left > 0)
        return false;
    data_stream_feed(&relay->stream, length > 0 ? buffer_data(in) : "", length, &consumed, part,
                     DATA_STREAM_ROOM_MIN, &produced);
    buffer_consume(in, consumed);
    relay->chunk_left -= consumed;
    if (content_has_forbidden_lf(session))
        return true;
    if (relay->chunk_left > 0) {
        if (produced > 0)
            content_send_chunk(session, part, produced, false, EXPECT_CHUNK);
        return true;
    }
    if (relay->chunk_last)
        produced += data_stream_finish(&relay->stream, part + produced, DATA_STREAM_ROOM_MIN);
    if (produced > 0 || relay->chunk_last)
        content_send_chunk(session, part, produced, relay->chunk_last, EXPECT_BDAT);
    else
        session_answer(session, SMTP_BDAT, "250 2.0.0 Ok\r\n");
    content_end_chunk(session);
    return true;
}

/* Behind the header section nothing is added or removed any more: lengths are the client's. */
static bool content_is_counted(const struct data_stream *stream)
{
    return !stream->in_header && stream->header_length == 0;
}

/* Content after BDAT. */
static bool content_run_bdat(struct session *session)
{
    struct relay *relay = session->relay;

    session->blocked = false;
    if (content_has_forbidden_lf(session))
        return content_refuse_bare_lf(session);
    if (relay->chunk_passed || session->discard != NULL)
        return content_run_counted(session);
    if (content_is_counted(&relay->stream) && relay->chunk_left > 0) {
        if (relay_queue_full(relay) || (!relay->pipelining && relay_head(relay) != NULL)) {
            session->blocked = true;
            return false;
        }
        content_pass_rest(session);
        return true;
    }
    return content_run_header_chunk(session);
}

bool session_run_content(struct session *session)
{
    if (buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH)
        return false; /* replies that wait behind it must not be taken for later ones */
    if (session->state == SESSION_DATA)
        return content_run_data(session);
    return content_run_bdat(session);
}
