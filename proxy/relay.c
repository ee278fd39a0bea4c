#include "proxy/relay.h"

#include <stdlib.h>

#include "proxy/log.h"

struct relay *relay_new(struct backend *backend)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL)
        log_fatal("out of memory for a backend session");
    relay->backend = backend;
    return relay;
}

void relay_restart(struct relay *relay, struct backend *backend, uint32_t tried)
{
    relay->state = RELAY_CONNECTING;
    relay->backend = backend;
    relay->tried = tried;
    relay->setup = (struct backend_setup){0};
    relay->sent = 0;
    relay->hearing = false;
    buffer_free(&relay->in);
    buffer_free(&relay->out);
}

void relay_free(struct relay *relay)
{
    if (relay == NULL)
        return;
    buffer_free(&relay->in);
    buffer_free(&relay->out);
    free(relay->chunk_error);
    free(relay);
}

bool relay_queue_full(const struct relay *relay)
{
    /* One command may leave two entries: a part of a chunk and the rest. */
    return relay->queue_length + 2 > RELAY_QUEUE_MAX;
}

void relay_expect(struct relay *relay, enum expect_kind kind, enum smtp_verb verb, const char *text)
{
    if (relay->queue_length == RELAY_QUEUE_MAX)
        log_fatal("queue of expected replies overflows at %s", smtp_verb_name(verb));
    relay->queue[(relay->queue_head + relay->queue_length++) % RELAY_QUEUE_MAX] = (struct expect){
        .kind = kind, .verb = verb, .text = text, .due = relay->sent + buffer_length(&relay->out)};
}

void relay_expect_extend(struct relay *relay)
{
    unsigned last = (relay->queue_head + relay->queue_length - 1) % RELAY_QUEUE_MAX;

    if (relay->queue_length > 0)
        relay->queue[last].due = relay->sent + buffer_length(&relay->out);
}

void relay_expect_verdict(struct relay *relay)
{
    unsigned last = (relay->queue_head + relay->queue_length - 1) % RELAY_QUEUE_MAX;

    if (relay->queue_length > 0)
        relay->queue[last].verdict = true;
}

bool relay_awaits_verdict(const struct relay *relay)
{
    for (unsigned i = 0; i < relay->queue_length; i++)
        if (relay->queue[(relay->queue_head + i) % RELAY_QUEUE_MAX].verdict)
            return true;
    return false;
}

const struct expect *relay_head(const struct relay *relay)
{
    return relay->queue_length > 0 ? &relay->queue[relay->queue_head] : NULL;
}

const struct expect *relay_last(const struct relay *relay)
{
    unsigned last = relay->queue_head + relay->queue_length - 1;
    return relay->queue_length > 0 ? &relay->queue[last % RELAY_QUEUE_MAX] : NULL;
}

void relay_pop(struct relay *relay)
{
    relay->queue_head = (relay->queue_head + 1) % RELAY_QUEUE_MAX;
    if (--relay->queue_length == 0)
        relay->barrier = false;
}

void relay_sent(struct relay *relay, size_t count)
{
    buffer_consume(&relay->out, count);
    relay->sent += count;
}

bool relay_was_sent(const struct relay *relay, const struct expect *expected)
{
    return relay->began >= expected->due;
}
