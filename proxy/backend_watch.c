#include "proxy/backend_watch.h"

#include <stdlib.h>

#include "proxy/connection_io.h"
#include "proxy/log.h"
#include "proxy/monotonic.h"
#include "proxy/probe.h"

#define RETRY_SECONDS 1.
#define RETRY_MAX_SECONDS 60.

/* One backend. */
struct watched {
    struct backend_watch *watch;
    struct backend *backend;
    struct probe probe;
    ev_timer retry;
};

struct backend_watch {
    struct backend_watch_job job;
    bool stopped;
    struct watched *watched; /* as many as there are backends, in their order */
};

/* Ask, unless that is under way. */
static void watched_ask(struct watched *watched)
{
    if (watched->backend->probing || watched->watch->stopped)
        return;
    ev_timer_stop(watched->watch->job.loop, &watched->retry);
    watched->backend->probing = true;
    probe_start(&watched->probe);
}

/* It did not answer, or not well: ask again after twice as long as last time. */
static void watched_failed(struct watched *watched, const char *error, enum backend_fault fault)
{
    struct backend *backend = watched->backend;

    if (backend_mark_failing(backend, fault, monotonic_seconds()) || !backend->unreachable)
        log_warning("backend %s: %s", backend->name, error);
    backend->unreachable = true;
    ev_timer_again(watched->watch->job.loop, &watched->retry);
    watched->retry.repeat = watched->retry.repeat * 2. < RETRY_MAX_SECONDS
                                ? watched->retry.repeat * 2.
                                : RETRY_MAX_SECONDS;
}

static void watched_on_probed(struct probe *probe, const char *error)
{
    struct watched *watched = probe->owner;
    const struct backend_watch_job *job = &watched->watch->job;

    watched->backend->probing = false;
    if (error != NULL) {
        watched_failed(watched, error, probe->fault);
    } else {
        watched->backend->unreachable = false;
        watched->retry.repeat = RETRY_SECONDS;
        if (backend_mark_serving(watched->backend))
            log_info("backend %s: serves again", watched->backend->name);
    }
    job->heard(job->owner, error != NULL);
}

/* It is time to ask again, unless others have found out. */
static void watched_on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct watched *watched = timer->data;

    (void)events;
    ev_timer_stop(loop, timer);
    if (backend_is_failing(watched->backend) || !watched->backend->capabilities.known)
        watched_ask(watched);
}

struct backend_watch *backend_watch_new(const struct backend_watch_job *job)
{
    const struct backend_list *list = &job->upstream->list;
    struct backend_watch *watch = calloc(1, sizeof(*watch));
    struct watched *all = calloc(list->count, sizeof(*all));

    if (watch == NULL || all == NULL)
        log_fatal("out of memory for backends");
    watch->job = *job;
    watch->watched = all;
    for (size_t i = 0; i < list->count; i++) {
        all[i].watch = watch;
        all[i].backend = &list->backends[i];
        ev_init(&all[i].retry, watched_on_retry);
        all[i].retry.data = &all[i];
        all[i].retry.repeat = RETRY_SECONDS;
        all[i].probe = (struct probe){
            .dial = {.loop = job->loop,
                     .upstream = job->upstream,
                     .backend = &list->backends[i],
                     .channel = job->channel,
                     .listener = job->listener},
            .hostname = job->hostname,
            .done = watched_on_probed,
            .owner = &all[i],
            .fd = -1,
        };
    }
    for (size_t i = 0; i < list->count; i++)
        watched_ask(&all[i]);
    return watch;
}

void backend_watch_learn(struct backend_watch *watch)
{
    for (size_t i = 0; i < watch->job.upstream->list.count; i++) {
        const struct backend *backend = watch->watched[i].backend;
        if (!backend->capabilities.known && !(backend_is_failing(backend) && backend->unreachable))
            watched_ask(&watch->watched[i]);
    }
}

void backend_watch_failing(struct backend_watch *watch)
{
    for (size_t i = 0; i < watch->job.upstream->list.count; i++) {
        struct watched *watched = &watch->watched[i];
        if (backend_is_failing(watched->backend) && !watched->backend->probing &&
            !ev_is_active(&watched->retry) && !watch->stopped) {
            watched->retry.repeat = RETRY_SECONDS;
            ev_timer_again(watch->job.loop, &watched->retry);
        }
    }
}

void backend_watch_stop(struct backend_watch *watch)
{
    watch->stopped = true;
    for (size_t i = 0; i < watch->job.upstream->list.count; i++)
        ev_timer_stop(watch->job.loop, &watch->watched[i].retry);
}

void backend_watch_free(struct backend_watch *watch)
{
    if (watch == NULL)
        return;
    backend_watch_stop(watch);
    for (size_t i = 0; i < watch->job.upstream->list.count; i++)
        probe_cancel(&watch->watched[i].probe);
    free(watch->watched);
    free(watch);
}
