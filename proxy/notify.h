/*
 * notify.h: what systemd is told about the daemon (sd_notify(3)), if it wants to know; and its
 * watchdog.
 */
#ifndef GATEPOST_PROXY_NOTIFY_H
#define GATEPOST_PROXY_NOTIFY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

/* WORKERS processes serve; PROBLEM (or NULL) is what a person should know. */
void notify_serving(size_t workers, const char *problem);
void notify_reloading(void);
void notify_stopping(void);

/* Is everybody well? Asked several times in each watchdog interval. */
typedef bool notify_health(void *owner);

struct notify_watchdog {
    ev_timer timer;
    notify_health *is_healthy;
    void *owner;
};

/* If the service manager waits for signs of life (WatchdogSec=), give them on LOOP, as long as
 * IS_HEALTHY(OWNER). WATCHDOG stays where it is until LOOP ends. */
void notify_watchdog_start(struct notify_watchdog *watchdog, struct ev_loop *loop,
                           notify_health *is_healthy, void *owner);

#endif
