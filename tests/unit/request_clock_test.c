/*
 * How long a client keeps a session waiting, told as tables of what happens when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/request_clock.h"

#define TIMEOUT 10.
#define RATE 500.

enum act { WAIT, REST, BEGIN, MOVED, EARNED, END };

/* After each step, while the client is waited for: when it is cut, with a time limit for each byte
 * and with one for the whole request. */
struct step {
    double now;
    enum act act;
    size_t bytes;
    double each;
    double whole;
};

struct story {
    const char *name;
    struct step steps[12];
};

static const struct story stories[] = {
    {"silence", {{100., WAIT, 0, 110., 110.}, {0, END, 0, 0, 0}}},
    {"a byte now and then starts only one clock again",
     {{100., WAIT, 0, 110., 110.},
      {103., MOVED, 0, 113., 110.},
      {109., MOVED, 0, 119., 110.},
      {0, END, 0, 0, 0}}},
    {"the next request has all the time",
     {{100., WAIT, 0, 110., 110.},
      {108., MOVED, 0, 118., 110.},
      {108., BEGIN, 0, 118., 118.},
      {0, END, 0, 0, 0}}},
    {"time in which others are waited for does not count",
     {{100., WAIT, 0, 110., 110.},
      {104., REST, 0, 0., 0.},
      {150., WAIT, 0, 160., 156.},
      {152., REST, 0, 0., 0.},
      {200., WAIT, 0, 210., 204.},
      {0, END, 0, 0, 0}}},
    {"a request that begins while others are waited for",
     {{100., WAIT, 0, 110., 110.},
      {104., REST, 0, 0., 0.},
      {105., BEGIN, 0, 0., 0.},
      {120., WAIT, 0, 130., 130.},
      {0, END, 0, 0, 0}}},
    {"to wait for what is waited for changes nothing",
     {{100., WAIT, 0, 110., 110.}, {105., WAIT, 0, 110., 110.}, {0, END, 0, 0, 0}}},
    {"content gives time by its size",
     {{100., WAIT, 0, 110., 110.},
      {104., EARNED, 500, 110., 111.},
      {108., EARNED, 1000, 110., 113.},
      {112., EARNED, 250, 110., 113.5},
      {0, END, 0, 0, 0}}},
    {"but never more than there was at first",
     {{100., WAIT, 0, 110., 110.},
      {101., EARNED, 1000000, 110., 111.},
      {105., EARNED, 0, 110., 111.},
      {105., EARNED, 5000, 110., 115.},
      {0, END, 0, 0, 0}}},
    {"exactly the rate goes on for ever",
     {{100., WAIT, 0, 110., 110.},
      {109., EARNED, 4500, 110., 119.},
      {118., EARNED, 4500, 110., 128.},
      {127., EARNED, 4500, 110., 137.},
      {0, END, 0, 0, 0}}},
    {"half the rate lasts twice as long",
     {{100., WAIT, 0, 110., 110.},
      {108., EARNED, 2000, 110., 114.},
      {112., EARNED, 1000, 110., 116.},
      {114., EARNED, 500, 110., 117.},
      {0, END, 0, 0, 0}}},
};

static void play(struct request_clock *clock, const struct step *step)
{
    switch (step->act) {
    case WAIT:
    case REST: {
        bool before = clock->waiting;
        assert_int_equal(request_clock_wait(clock, step->act == WAIT, step->now),
                         before != (step->act == WAIT));
        return;
    }
    case BEGIN:
        request_clock_begin(clock, step->now);
        return;
    case MOVED:
        request_clock_moved(clock, step->now);
        return;
    case EARNED:
        request_clock_earned(clock, step->now, step->bytes, RATE);
        return;
    case END:
        break;
    }
    fail();
}

static void test_stories(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        const struct story *story = &stories[i];
        struct request_clock clock = {0};

        for (size_t k = 0; story->steps[k].act != END; k++) {
            const struct step *step = &story->steps[k];

            play(&clock, step);
            if (!clock.waiting)
                continue;
            double each = request_clock_end(&clock, TIMEOUT, false);
            double whole = request_clock_end(&clock, TIMEOUT, true);
            if (each != step->each || whole != step->whole)
                fail_msg("%s, step %zu: %g and %g", story->name, k, each, whole);
        }
    }
}

/* Another timeout, as when stress mode begins: what was spent is still spent. */
static void test_timeout_changes(void **state)
{
    struct request_clock clock = {0};

    (void)state;
    request_clock_wait(&clock, true, 100.);
    request_clock_moved(&clock, 150.);
    assert_true(request_clock_end(&clock, 300., false) == 450.);
    assert_true(request_clock_end(&clock, 10., false) == 160.);
    assert_true(request_clock_end(&clock, 10., true) == 110.);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_timeout_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
