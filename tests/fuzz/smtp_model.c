#include "tests/fuzz/smtp_model.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/smtp_pieces.h"

#define AUTH_LINE_MAX 12288

/* A command whose reply is due. */
enum due {
    DUE_PLAIN,
    DUE_DATA,
    DUE_AUTH,
    DUE_AUTH_CUT, /* the exchange is to end, since a line was too long */
    DUE_STARTTLS,
    DUE_CHUNK,
    DUE_LAST,
    DUE_END,
    DUE_QUIT
};

/* Where one end stands in what it sends. */
enum place {
    PLACE_COMMAND,
    PLACE_WAIT, /* what follows depends on a reply */
    PLACE_CONTENT,
    PLACE_CHUNK,
    PLACE_AUTH,
    PLACE_OVER /* nothing that follows means anything */
};

struct side {
    struct model_bytes sent; /* what came from this end (client) or went to it (backend) */
    enum place place;
    struct model_queue due;
    struct model_bytes replies; /* in the other direction */
    struct model_content content;
    uint64_t chunk_left;
    bool chunk_last;
};

struct smtp_model {
    struct smtp_model_rules rules;
    struct side client;
    struct side backend;
    struct model_queue commands; /* of the client that may still go to the backend */
    struct model_queue verdicts; /* of the backend on messages, not yet told to the client */
    bool greeted;
    bool closed; /* the client has heard the last words */
    bool tls;
    bool open;           /* there is a backend */
    bool broken;         /* it did what ends a session; its words do not count any more */
    bool proxied;        /* the PROXY header is read */
    unsigned setup_left; /* lines of gatepost's own */
    size_t delivered;
};

/* ---- the client ----------------------------------------------------------------------------- */

/* BDAT: where the chunk ends. Before TLS, where TLS is demanded, it is refused like any command. */
static void client_chunk(struct smtp_model *model, const char *line, size_t length)
{
    struct side *client = &model->client;

    if (model->rules.encrypt && !model->tls) {
        model_queue_add(&client->due, DUE_PLAIN, "");
    } else if (smtp_chunk_size(line, length, &client->chunk_left, &client->chunk_last)) {
        model_queue_add(&client->due, client->chunk_last ? DUE_LAST : DUE_CHUNK, "");
        client->place = PLACE_CHUNK;
    } else {
        model_queue_add(&client->due, DUE_PLAIN, "");
        client->place = PLACE_OVER;
    }
}

static void client_command(struct smtp_model *model, const char *line, size_t length)
{
    struct side *client = &model->client;
    enum due due = DUE_PLAIN;
    char word[40] = "";

    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (length <= model->rules.line_limit)
        smtp_first_word(line, length, word);
    if (strcasecmp(word, "BDAT") == 0) {
        client_chunk(model, line, length);
        return;
    }
    if (strcasecmp(word, "DATA") == 0)
        due = DUE_DATA;
    else if (strcasecmp(word, "AUTH") == 0)
        due = DUE_AUTH;
    else if (strcasecmp(word, "STARTTLS") == 0)
        due = DUE_STARTTLS;
    else if (strcasecmp(word, "QUIT") == 0)
        due = DUE_QUIT;
    model_queue_add(&client->due, (int)due, "");
    if (due == DUE_DATA || due == DUE_AUTH || due == DUE_STARTTLS)
        client->place = PLACE_WAIT;
    if (word[0] != '\0' && due != DUE_STARTTLS)
        model_queue_add(&model->commands, 0, word);
}

/* One piece of what the client sent. False: more must come first. */
static bool client_step(struct smtp_model *model)
{
    struct side *client = &model->client;
    struct model_bytes *sent = &client->sent;
    size_t length =
        client->place == PLACE_CHUNK ? model_bytes_length(sent) : model_bytes_line(sent);

    switch (client->place) {
    case PLACE_WAIT:
        return false;
    case PLACE_OVER:
        sent->start = sent->end;
        return false;
    case PLACE_CHUNK:
        length = length > client->chunk_left ? (size_t)client->chunk_left : length;
        client->chunk_left -= length;
        sent->start += length;
        if (client->chunk_left > 0)
            return false;
        client->place = PLACE_COMMAND;
        return true;
    case PLACE_COMMAND:
    case PLACE_CONTENT:
    case PLACE_AUTH:
        break;
    }
    if (length == 0)
        return false;
    const char *line = model_bytes_at(sent);
    sent->start += length;
    if (client->place == PLACE_COMMAND) {
        client_command(model, line, length - 1);
    } else if (client->place == PLACE_AUTH) {
        size_t text = length > 1 && line[length - 2] == '\r' ? length - 2 : length - 1;
        model_queue_add(&client->due, text > AUTH_LINE_MAX ? DUE_AUTH_CUT : DUE_AUTH, "");
        client->place = PLACE_WAIT;
    } else if (smtp_ends_message(&client->content, line, length,
                                 model->rules.bare_newline == BARE_NEWLINE_NO, false)) {
        model_queue_add(&client->due, DUE_END, "");
        client->place = PLACE_COMMAND;
    }
    return true;
}

static void client_read(struct smtp_model *model)
{
    while (client_step(model))
        ;
}

/* The verdict on a message is told. */
static void client_verdict(struct smtp_model *model, enum due due, int code)
{
    bool known = !model_queue_empty(&model->verdicts);
    int verdict = known ? model_queue_take(&model->verdicts) : 0;

    if (code < 300) {
        model_require(known && verdict < 300,
                      "a message was accepted that the backend did not accept");
        model->delivered++;
    }
    model_require(!known || due != DUE_END || code == verdict || code == 421,
                  "another verdict than the backend's");
}

/* A reply to the command DUE. */
static void client_answered(struct smtp_model *model, enum due due, int code)
{
    struct side *client = &model->client;

    model_require(code < 300 || code >= 400 || (code == 354 && due == DUE_DATA) ||
                      (code == 334 && due == DUE_AUTH),
                  "an intermediate reply out of place");
    switch (due) {
    case DUE_DATA:
        model_require(code >= 300, "DATA succeeded without content");
        client->place = code == 354 ? PLACE_CONTENT : PLACE_COMMAND;
        client->content = (struct model_content){0};
        break;
    case DUE_AUTH:
        client->place = code == 334 ? PLACE_AUTH : PLACE_COMMAND;
        break;
    case DUE_AUTH_CUT:
        model_require(code >= 400, "a response that was cut proved something");
        client->place = PLACE_COMMAND;
        break;
    case DUE_STARTTLS:
        if (code < 300) {
            model_require(!model->tls && model_queue_empty(&client->due),
                          "STARTTLS out of its turn");
            client->sent.start = client->sent.end;
            model_queue_clear(&model->commands);
        }
        client->place = code < 300 ? PLACE_WAIT : PLACE_COMMAND;
        break;
    case DUE_END:
    case DUE_LAST:
        client_verdict(model, due, code);
        break;
    case DUE_QUIT:
        model->closed = true;
        break;
    case DUE_PLAIN:
    case DUE_CHUNK:
        break;
    }
}

static void client_reply(struct smtp_model *model, int code)
{
    model_require(!model->closed, "a reply behind the last words");
    if (!model->greeted) {
        model->greeted = true;
        model_require(code == 220 || code >= 400, "that is no greeting");
        model->closed = code != 220;
    } else if (model_queue_empty(&model->client.due)) {
        model_require(code >= 400, "a reply without a command");
        model->closed = true;
    } else {
        client_answered(model, (enum due)model_queue_take(&model->client.due), code);
    }
    if (code == 421 || code == 521)
        model->closed = true;
}

void smtp_model_client_sent(struct smtp_model *model, const char *bytes, size_t length)
{
    model_bytes_add(&model->client.sent, bytes, length);
    client_read(model);
}

void smtp_model_client_got(struct smtp_model *model, const char *bytes, size_t length)
{
    struct model_bytes *replies = &model->client.replies;
    int code;

    for (size_t i = 0; i < length; i++) {
        char before =
            i > 0
                ? bytes[i - 1]
                : (char)(model_bytes_length(replies) > 0 ? replies->data[replies->end - 1] : '\0');
        model_require(bytes[i] != '\n' || before == '\r', "a bare LF in a reply");
        model_require(bytes[i] == '\n' || before != '\r', "a lone CR in a reply");
    }
    model_bytes_add(replies, bytes, length);
    while ((code = smtp_take_reply(replies)) > 0) {
        client_reply(model, code);
        client_read(model);
    }
    model_require(code == 0, "a malformed reply");
}

/* ---- the backend ---------------------------------------------------------------------------- */

void smtp_model_backend_opened(struct smtp_model *model)
{
    model->backend.place = PLACE_COMMAND;
    model->backend.sent.start = model->backend.sent.end;
    model->backend.replies.start = model->backend.replies.end;
    model_queue_clear(&model->backend.due);
    model_queue_add(&model->backend.due, DUE_PLAIN, "");
    model_queue_clear(&model->verdicts);
    model->open = true;
    model->broken = false;
    model->proxied = false;
    model->setup_left = model->rules.handoff == HANDOFF_XCLIENT ? 3 : 1;
}

void smtp_model_backend_closed(struct smtp_model *model)
{
    model->open = false;
    model_queue_clear(&model->verdicts);
}

/* The client has sent this command, and what it sent before it has had its turn. */
static void backend_match(struct smtp_model *model, const char *word)
{
    struct model_queue *commands = &model->commands;
    size_t at = commands->start;

    while (at < commands->end && strcmp(commands->items[at].word, word) != 0)
        at++;
    if (at < commands->end)
        commands->start = at + 1;
    else
        model_require(strcasecmp(word, "QUIT") == 0, "the backend got a command that nobody sent");
}

/* What may not go to the backend now, or ever. */
static void backend_policy(const struct smtp_model *model, const char *word)
{
    static const char *const never[] = {"STARTTLS", "XCLIENT", "XFORWARD", ""};
    static const char *const before[] = {"NOOP", "EHLO", "HELO", "QUIT", "HELP"};
    bool allowed = !model->rules.encrypt || model->tls;

    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        model_require(strcasecmp(word, never[i]) != 0, "the backend got what is not for it");
    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
        allowed = allowed || strcasecmp(word, before[i]) == 0;
    model_require(allowed, "a command passed that needs TLS");
    model_require(!model->rules.auth_only || model->tls || strcasecmp(word, "AUTH") != 0,
                  "AUTH passed without TLS");
}

/* The reply to the oldest command that is due. */
static void backend_answered(struct smtp_model *model, enum due due, int code)
{
    struct side *backend = &model->backend;

    switch (due) {
    case DUE_DATA:
        model->broken = code < 400 && code != 354;
        backend->place = code == 354 ? PLACE_CONTENT : PLACE_COMMAND;
        backend->content = (struct model_content){0};
        return;
    case DUE_AUTH:
        model->broken = code >= 300 && code < 400 && code != 334;
        backend->place = code == 334 ? PLACE_AUTH : PLACE_COMMAND;
        return;
    case DUE_AUTH_CUT:
        model->broken = code < 400;
        backend->place = PLACE_COMMAND;
        return;
    case DUE_LAST:
    case DUE_CHUNK:
        /* said before all of it was there: no verdict on it */
        model->broken = backend->place == PLACE_CHUNK && model_queue_empty(&backend->due);
        break;
    case DUE_PLAIN:
    case DUE_STARTTLS:
    case DUE_END:
    case DUE_QUIT:
        break;
    }
    model->broken = model->broken || (code >= 300 && code < 400);
    if (!model->broken && (due == DUE_LAST || due == DUE_END))
        model_queue_add(&model->verdicts, code, "");
}

/* Read what the backend has said. During the set-up, but not later, it may speak before its turn:
 * one that takes a PROXY header for commands does. */
static void backend_hear(struct smtp_model *model)
{
    struct side *backend = &model->backend;

    while (!model->broken && (model->setup_left == 0 || !model_queue_empty(&backend->due))) {
        int code = smtp_take_reply(&backend->replies);
        if (code == 0)
            return;
        model->broken = code < 0 || model_queue_empty(&backend->due);
        if (!model->broken)
            backend_answered(model, (enum due)model_queue_take(&backend->due), code);
    }
}

/* A command line, without its line end. */
static void backend_command(struct smtp_model *model, const char *line, size_t length)
{
    struct side *backend = &model->backend;
    char word[40];
    enum due due = DUE_PLAIN;

    smtp_first_word(line, length, word);
    if (model->setup_left > 0) {
        model->setup_left--;
        model_queue_add(&backend->due, DUE_PLAIN, "");
        backend_hear(model);
        return;
    }
    backend_policy(model, word);
    if (strcasecmp(word, "BDAT") == 0) {
        model_require(smtp_chunk_size(line, length, &backend->chunk_left, &backend->chunk_last),
                      "the backend got a BDAT that it cannot read");
        due = backend->chunk_last ? DUE_LAST : DUE_CHUNK;
        backend->place = PLACE_CHUNK;
    } else {
        backend_match(model, word);
    }
    if (strcasecmp(word, "DATA") == 0)
        due = DUE_DATA;
    else if (strcasecmp(word, "AUTH") == 0)
        due = DUE_AUTH;
    if (due == DUE_DATA || due == DUE_AUTH)
        backend->place = PLACE_WAIT;
    model_queue_add(&backend->due, (int)due, "");
}

/* A line of a message. */
static void backend_content(struct smtp_model *model, const char *line, size_t length)
{
    const char *header = model->rules.received ? "Received: from " : "Received-TLS: from ";
    struct side *backend = &model->backend;

    model_require(!(model->rules.header || model->rules.received) || backend->content.lines > 0 ||
                      (length > strlen(header) && memcmp(line, header, strlen(header)) == 0),
                  "a message without its header");
    if (smtp_ends_message(&backend->content, line, length, model->rules.lenient,
                          model->rules.lenient)) {
        model_queue_add(&backend->due, DUE_END, "");
        backend->place = PLACE_COMMAND;
    }
}

/* The PROXY header. False: it is not complete. */
static bool backend_proxied(struct smtp_model *model)
{
    struct model_bytes *sent = &model->backend.sent;
    const unsigned char *bytes = (const unsigned char *)model_bytes_at(sent);
    size_t length = 0;

    if (model->rules.handoff == HANDOFF_PROXY1)
        length = model_bytes_line(sent);
    else if (model_bytes_length(sent) >= 16)
        length = 16u + ((size_t)bytes[14] << 8 | bytes[15]);
    if (length == 0 || length > model_bytes_length(sent))
        return false;
    sent->start += length;
    model->proxied = true;
    return true;
}

/* One piece of what the backend was sent. False: more must come first. */
static bool backend_step(struct smtp_model *model)
{
    struct side *backend = &model->backend;
    struct model_bytes *sent = &backend->sent;

    if (model_bytes_length(sent) == 0 && backend->place != PLACE_CHUNK)
        return false;
    model_require(backend->place != PLACE_WAIT || model->broken, "the backend was not waited for");
    if (backend->place == PLACE_WAIT)
        return false;
    if (!model->proxied &&
        (model->rules.handoff == HANDOFF_PROXY1 || model->rules.handoff == HANDOFF_PROXY2))
        return backend_proxied(model);
    if (backend->place == PLACE_CHUNK) {
        size_t length = model_bytes_length(sent);
        length = length > backend->chunk_left ? (size_t)backend->chunk_left : length;
        backend->chunk_left -= length;
        sent->start += length;
        if (backend->chunk_left > 0)
            return false;
        backend->place = PLACE_COMMAND;
        return true;
    }
    size_t length = model_bytes_line(sent);
    if (length == 0)
        return false;
    const char *line = model_bytes_at(sent);
    sent->start += length;
    if (backend->place == PLACE_CONTENT) {
        backend_content(model, line, length);
        return true;
    }
    model_require(length >= 2 && line[length - 2] == '\r', "the backend got a bare LF");
    model_require(memchr(line, '\0', length) == NULL && memchr(line, '\r', length - 2) == NULL,
                  "the backend got a line with a NUL or a lone CR");
    if (backend->place == PLACE_AUTH) {
        model_queue_add(&backend->due, length == 3 && *line == '*' ? DUE_AUTH_CUT : DUE_AUTH, "");
        backend->place = PLACE_WAIT;
    } else {
        backend_command(model, line, length - 2);
    }
    return true;
}

void smtp_model_backend_got(struct smtp_model *model, const char *bytes, size_t length)
{
    model_require(model->open || length == 0, "bytes for a backend that is gone");
    model_bytes_add(&model->backend.sent, bytes, length);
    while (backend_step(model))
        ;
}

void smtp_model_backend_sent(struct smtp_model *model, const char *bytes, size_t length)
{
    model_bytes_add(&model->backend.replies, bytes, length);
    backend_hear(model);
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct smtp_model *smtp_model_new(const struct smtp_model_rules *rules)
{
    struct smtp_model *model = calloc(1, sizeof(*model));

    model_require(model != NULL, "out of memory");
    model->rules = *rules;
    return model;
}

void smtp_model_free(struct smtp_model *model)
{
    free(model->client.sent.data);
    free(model->client.replies.data);
    free(model->client.due.items);
    free(model->backend.sent.data);
    free(model->backend.replies.data);
    free(model->backend.due.items);
    free(model->commands.items);
    free(model->verdicts.items);
    free(model);
}

void smtp_model_secured(struct smtp_model *model, bool implicit)
{
    model_require(implicit ? !model->greeted : model->client.place == PLACE_WAIT,
                  "TLS out of its turn");
    model_require(!model->tls, "TLS within TLS");
    model_require(model_bytes_length(&model->client.sent) == 0,
                  "cleartext is left over behind STARTTLS");
    model->tls = true;
    model->client.place = PLACE_COMMAND;
}

void smtp_model_finish(const struct smtp_model *model)
{
    model_require(model_bytes_length(&model->client.replies) == 0,
                  "the last reply is not complete");
}

size_t smtp_model_delivered(const struct smtp_model *model)
{
    return model->delivered;
}
