#include "proxy/notify.h"

#include <systemd/sd-daemon.h>

#include "proxy/monotonic.h"

#define PINGS_PER_INTERVAL 4. /* so that one that comes late does no harm */

void notify_serving(size_t workers, const char *problem)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=Serving with %zu worker%s%s%s", workers,
                     workers == 1 ? "" : "s", problem != NULL ? "; " : "",
                     problem != NULL ? problem : "");
}

void notify_reloading(void)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading",
                     (unsigned long long)monotonic_us());
}

void notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=Finishing what is under way");
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct notify_watchdog *watchdog = timer->data;

    (void)loop;
    (void)events;
    if (watchdog->is_healthy(watchdog->owner))
        (void)sd_notify(0, "WATCHDOG=1");
}

void notify_watchdog_start(struct notify_watchdog *watchdog, struct ev_loop *loop,
                           notify_health *is_healthy, void *owner)
{
    uint64_t microseconds;

    watchdog->is_healthy = is_healthy;
    watchdog->owner = owner;
    if (sd_watchdog_enabled(0, &microseconds) <= 0)
        return;
    double seconds = (double)microseconds / 1e6 / PINGS_PER_INTERVAL;
    ev_timer_init(&watchdog->timer, on_timer, 0., seconds);
    watchdog->timer.data = watchdog;
    ev_timer_start(loop, &watchdog->timer);
}
