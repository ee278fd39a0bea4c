#include "proxy/request_clock.h"

/* Count the time up to NOW. */
static void settle(struct request_clock *clock, double now)
{
    if (clock->waiting && now > clock->since) {
        clock->spent += now - clock->since;
        clock->since = now;
    }
}

bool request_clock_wait(struct request_clock *clock, bool waiting, double now)
{
    if (waiting == clock->waiting)
        return false;
    settle(clock, now);
    clock->waiting = waiting;
    if (waiting)
        clock->since = clock->moved = now;
    return true;
}

void request_clock_begin(struct request_clock *clock, double now)
{
    clock->spent = 0.;
    clock->since = now;
}

void request_clock_moved(struct request_clock *clock, double now)
{
    clock->moved = now;
}

void request_clock_earned(struct request_clock *clock, double now, size_t bytes, double rate)
{
    settle(clock, now);
    clock->spent -= (double)bytes / rate;
    if (clock->spent < 0.)
        clock->spent = 0.;
}

double request_clock_end(const struct request_clock *clock, double timeout, bool whole)
{
    return whole ? clock->since + timeout - clock->spent : clock->moved + timeout;
}
