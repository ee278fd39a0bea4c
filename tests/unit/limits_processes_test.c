/*
 * limits_processes_test.c: several processes that count in the same memory (limits.h), some of
 * which are killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/limits.h"
#include "tests/unit/limits_check.h"

#define PROCESSES 4
#define CLIENTS 40
#define KILLS 60
#define RULES .rate_unit = 60, .ipv4_prefix = 32, .ipv6_prefix = 84

/* What processes tell each other besides. */
struct shared {
    _Atomic unsigned ready;
    _Atomic unsigned accepted;
    _Atomic uint64_t steps[PROCESSES];
    _Atomic uint64_t messages[CLIENTS]; /* counted by all */
    _Atomic uint32_t held[PROCESSES][CLIENTS];
};

static struct shared *make_shared(void)
{
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

/* Wait until all processes are here, so that they run at the same time. */
static void meet(struct shared *shared)
{
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->ready) < PROCESSES)
        sched_yield();
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static pid_t start(void (*run)(struct limits *, struct shared *, unsigned), struct limits *limits,
                   struct shared *shared, unsigned slot)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
        run(limits, shared, slot);
        _exit(0);
    }
    return pid;
}

static void run_all(void (*run)(struct limits *, struct shared *, unsigned), struct limits *limits,
                    struct shared *shared)
{
    pid_t pids[PROCESSES];

    for (unsigned slot = 0; slot < PROCESSES; slot++)
        pids[slot] = start(run, limits, shared, slot);
    for (unsigned slot = 0; slot < PROCESSES; slot++) {
        int status;
        assert_int_equal(waitpid(pids[slot], &status, 0), pids[slot]);
        assert_int_equal(status, 0);
    }
}

static const struct limits_rules one_rules = {RULES, .connections = 50};

/* All want as many sessions of one client as there are. */
static void run_one_client(struct limits *limits, struct shared *shared, unsigned slot)
{
    struct client_address client = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
    struct limits_session session;
    uint32_t number;

    meet(shared);
    for (int i = 0; i < 60; i++)
        if (join(limits, slot, &one_rules, &client, 1, &session, &number) == LIMITS_OK)
            atomic_fetch_add(&shared->accepted, 1);
}

static void test_exact_limit(void **state)
{
    struct client_address client = {.family = AF_INET, .bytes = {192, 0, 2, 1}};

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct limits *limits = limits_new(1000, 10, PROCESSES);
        struct shared *shared = make_shared();

        run_all(run_one_client, limits, shared);
        assert_int_equal(atomic_load(&shared->accepted), 50);
        assert_int_equal(limits_connections(limits, &one_rules, &client), 50);
        assert_int_equal(limits_sessions(limits), 50);
        for (unsigned slot = 0; slot < PROCESSES; slot++)
            limits_worker_died(limits, slot);
        assert_int_equal(limits_connections(limits, &one_rules, &client), 0);
        assert_int_equal(limits_sessions(limits), 0);
        munmap(shared, sizeof *shared);
        limits_free(limits);
    }
}

static const struct limits_rules many_rules = {RULES, .connections = 100};

/* Come and go at random, ROUNDS times; what is held at the end is noted. */
static void hammer(struct limits *limits, struct shared *shared, unsigned slot, uint64_t rounds)
{
    static struct limits_session sessions[CLIENTS][8];
    uint32_t seed = slot * 7919 + (uint32_t)getpid();
    uint32_t number;

    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t random = next_random(&seed);
        struct client_address client = numbered(random % CLIENTS);
        struct limits_session *session = &sessions[random % CLIENTS][random / CLIENTS % 8];

        if (session->counted) {
            if (limits_message(limits, &many_rules, session, 1, &number) == LIMITS_OK)
                atomic_fetch_add(&shared->messages[random % CLIENTS], 1);
            limits_disconnect(limits, slot, session, 1);
            atomic_fetch_sub(&shared->held[slot][random % CLIENTS], 1);
        } else if (join(limits, slot, &many_rules, &client, 1, session, &number) == LIMITS_OK) {
            atomic_fetch_add(&shared->held[slot][random % CLIENTS], 1);
            limits_handshake_begin(limits, slot, session);
        }
        atomic_fetch_add(&shared->steps[slot], 1);
    }
}

static void run_hammer(struct limits *limits, struct shared *shared, unsigned slot)
{
    meet(shared);
    hammer(limits, shared, slot, 20000);
}

/* Whether the counts are those of the processes that are left, from FIRST on. */
static void check_counts(const struct limits *limits, const struct shared *shared, unsigned first)
{
    uint32_t all = 0;

    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client_address client = numbered(i);
        uint32_t held = 0;

        for (unsigned slot = first; slot < PROCESSES; slot++)
            held += atomic_load(&shared->held[slot][i]);
        assert_int_equal(limits_connections(limits, &many_rules, &client), held);
        all += held;
    }
    assert_int_equal(limits_sessions(limits), all);
    assert_int_equal(limits_handshakes(limits), all);
}

static void test_hammer(void **state)
{
    struct limits *limits = limits_new(100000, 100000, PROCESSES + 1);
    struct shared *shared = make_shared();
    struct limits_session session;
    uint32_t number;

    (void)state;
    run_all(run_hammer, limits, shared);
    check_counts(limits, shared, 0);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client_address client = numbered(i);

        join(limits, PROCESSES, &many_rules, &client, 1, &session, &number);
        limits_message(limits, &many_rules, &session, 1, &number);
        assert_int_equal(number, atomic_load(&shared->messages[i]) + 1);
        limits_disconnect(limits, PROCESSES, &session, 1);
    }
    for (unsigned slot = 0; slot < PROCESSES; slot++) {
        check_counts(limits, shared, slot);
        limits_worker_died(limits, slot);
    }
    check_counts(limits, shared, PROCESSES);
    munmap(shared, sizeof *shared);
    limits_free(limits);
}

static void run_for_ever(struct limits *limits, struct shared *shared, unsigned slot)
{
    hammer(limits, shared, slot, UINT64_MAX);
}

/* Processes are killed in the midst of it, one after the other, and replaced. */
static void test_killed(void **state)
{
    struct limits *limits = limits_new(100000, 100000, PROCESSES);
    struct shared *shared = make_shared();
    pid_t pids[PROCESSES];
    uint32_t seed = (uint32_t)getpid();

    (void)state;
    for (unsigned slot = 0; slot < PROCESSES; slot++)
        pids[slot] = start(run_for_ever, limits, shared, slot);
    for (unsigned kills = 0; kills < KILLS + PROCESSES; kills++) {
        unsigned slot = kills % PROCESSES;
        uint64_t until = atomic_load(&shared->steps[slot]) + next_random(&seed) % 512;

        while (atomic_load(&shared->steps[slot]) < until)
            sched_yield();
        kill(pids[slot], SIGKILL);
        assert_int_equal(waitpid(pids[slot], NULL, 0), pids[slot]);
        limits_worker_died(limits, slot);
        if (kills < KILLS)
            pids[slot] = start(run_for_ever, limits, shared, slot);
    }
    for (unsigned slot = 0; slot < PROCESSES; slot++)
        memset(shared->held[slot], 0, sizeof shared->held[slot]);
    check_counts(limits, shared, 0);
    munmap(shared, sizeof *shared);
    limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_limit),
        cmocka_unit_test(test_hammer),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
