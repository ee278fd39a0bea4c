/*
 * backend_watch.h: what a worker does to know the backends of a listener: it asks each of them when
 * it starts, and those that do not serve again and again, less and less often, until they do.
 */
#ifndef GATEPOST_PROXY_BACKEND_WATCH_H
#define GATEPOST_PROXY_BACKEND_WATCH_H

#include "proxy/dial.h"
#include "proxy/upstream.h"

struct backend_watch;

/* An answer has come, or none within the time: FAILED. */
typedef void backend_watch_heard(void *owner, bool failed);

/* What a watch is made from. Borrowed for as long as it lives. */
struct backend_watch_job {
    struct ev_loop *loop;
    struct upstream *upstream;
    struct dial_channel *channel;
    int listener;         /* index, for the master */
    const char *hostname; /* myhostname, for EHLO */
    backend_watch_heard *heard;
    void *owner;
};

/* Ask all backends. HEARD may be called before this returns. Out of memory is fatal. */
struct backend_watch *backend_watch_new(const struct backend_watch_job *job);
void backend_watch_free(struct backend_watch *watch);

/* Somebody needs to know what a backend can do: ask those that nothing is known of. */
void backend_watch_learn(struct backend_watch *watch);

/* See to it that those that are marked as failing will be asked again. */
void backend_watch_failing(struct backend_watch *watch);

/* Ask no more. */
void backend_watch_stop(struct backend_watch *watch);

#endif
