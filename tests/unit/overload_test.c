/*
 * Stress mode follows the counts: a story in one process, and several processes that come and go at
 * once, some of which are killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/limits.h"

#define PROCESSES 3
#define EACH 8 /* sessions of a process */
#define ROUNDS 40

static const struct stress_levels levels = {
    .enter_sessions = 9, .leave_sessions = 6, .enter_handshakes = 3, .leave_handshakes = 1};

/* Sessions and handshakes there shall be, one after the other; what is so then. */
static const struct {
    unsigned sessions;
    unsigned handshakes;
    uint32_t changes;
} steps[] = {{0, 0, 0}, {8, 0, 0}, {9, 0, 1},  {10, 0, 1}, {7, 0, 1}, {6, 0, 2},
             {8, 0, 2}, {8, 3, 3}, {3, 3, 3},  {3, 2, 3},  {3, 1, 4}, {9, 2, 5},
             {6, 2, 5}, {6, 1, 6}, {10, 3, 7}, {0, 0, 8}};

static void test_steps(void **state)
{
    struct limits *limits = limits_new(10, 10, 1);
    struct limits_session sessions[10] = {0};
    unsigned count = 0;

    (void)state;
    assert_non_null(limits);
    limits_set_stress(limits, &levels);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        while (count < steps[i].sessions)
            assert_int_equal(limits_admit(limits, 0, &sessions[count++]), LIMITS_OK);
        for (unsigned k = 0; k < steps[i].handshakes; k++)
            assert_int_equal(limits_handshake_begin(limits, 0, &sessions[k]), LIMITS_OK);
        while (count > steps[i].sessions)
            limits_disconnect(limits, 0, &sessions[--count], 1);
        for (unsigned k = steps[i].handshakes; k < count; k++)
            limits_handshake_end(limits, 0, &sessions[k]);
        if (limits_stress_changes(limits) != steps[i].changes)
            fail_msg("step %zu: %u changes", i, limits_stress_changes(limits));
        assert_int_equal(limits_stressed(limits), steps[i].changes % 2);
    }
    limits_free(limits);
}

static void test_levels_change(void **state)
{
    const struct stress_levels lower = {2, 1, 2, 1}, never = {0};
    struct limits *limits = limits_new(10, 10, 1);
    struct limits_session sessions[2] = {0};

    (void)state;
    assert_false(limits_stressed(NULL));
    for (size_t i = 0; i < 2; i++)
        limits_admit(limits, 0, &sessions[i]);
    assert_false(limits_stressed(limits)); /* before anybody has said what overload is */
    limits_set_stress(limits, &lower);
    assert_true(limits_stressed(limits));
    limits_set_stress(limits, &levels);
    assert_false(limits_stressed(limits));
    limits_set_stress(limits, &lower);
    limits_set_stress(limits, &never);
    assert_false(limits_stressed(limits));
    limits_free(limits);
}

/* Hold a number of sessions that the seed says, without end. */
static void __attribute__((noreturn))
come_and_go(struct limits *limits, unsigned slot, unsigned seed)
{
    struct limits_session sessions[EACH] = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        seed = seed * 1103515245u + 12345u;
        struct limits_session *one = &sessions[seed >> 16 & (EACH - 1)];
        if (one->counted)
            limits_disconnect(limits, slot, one, 1);
        else
            (void)limits_admit(limits, slot, one);
    }
}

/* Whenever all is still, the state is what the counts say. */
static void check_still(const struct limits *limits)
{
    uint32_t sessions = limits_sessions(limits);
    bool on = limits_stressed(limits);

    if (stress_decide(on, &levels, sessions, 0) != on)
        fail_msg("%u sessions, but stress mode is %s", sessions, on ? "on" : "off");
}

static void test_processes(void **state)
{
    struct limits *limits = limits_new(100, 10, PROCESSES);
    pid_t children[PROCESSES];

    (void)state;
    limits_set_stress(limits, &levels);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t before = limits_stress_changes(limits);

        for (unsigned i = 0; i < PROCESSES; i++) {
            children[i] = fork();
            if (children[i] == 0)
                come_and_go(limits, i, round * PROCESSES + i);
        }
        while (limits_stress_changes(limits) - before < 20)
            usleep(100);
        for (unsigned i = 0; i < PROCESSES; i++) {
            kill(children[i], SIGKILL);
            assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
            limits_worker_died(limits, i);
        }
        assert_int_equal(limits_sessions(limits), 0);
        assert_false(limits_stressed(limits));
    }
    limits_free(limits);
}

/* The same, each one stopped where it happens to be: the last one to look has seen all. */
static void test_last_word(void **state)
{
    struct limits *limits = limits_new(100, 10, PROCESSES + 1);
    struct limits_session sessions[12] = {0};
    uint32_t before;

    (void)state;
    limits_set_stress(limits, &levels);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pid_t child = fork();

        if (child == 0)
            come_and_go(limits, 1, round);
        before = limits_stress_changes(limits);
        for (unsigned i = 0; limits_stress_changes(limits) - before < 50; i = (i + 1) % 12) {
            if (sessions[i].counted)
                limits_disconnect(limits, 0, &sessions[i], 1);
            else
                (void)limits_admit(limits, 0, &sessions[i]);
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        limits_worker_died(limits, 1);
        check_still(limits);
    }
    for (unsigned i = 0; i < 12; i++)
        limits_disconnect(limits, 0, &sessions[i], 1);
    check_still(limits);
    assert_false(limits_stressed(limits));
    limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_levels_change),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
