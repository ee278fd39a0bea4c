/*
 * limits_table_test.c: a process may die at any instruction, or be interrupted by what others do.
 * One is run instruction by instruction. After each of them its memory is copied, and the copy
 * treated as if that had been the end: what it held must be taken back, and what others hold must
 * not. Or others do something at that moment, and then it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/limits_table.h"

#define HASH 0x1234500u /* of the client that it is about */
#define NO_LIMIT LIMITS_HOLDERS_MAX

#ifndef INTERRUPTIONS
#define INTERRUPTIONS 20 /* of each kind, spread evenly; with more it takes long */
#endif

enum { VICTIM, OTHER, THIRD, SLOTS };

static bool *done; /* shared: the victim has finished */

/* What the victim does, one after the other. */
static void victim(struct limits_table *table)
{
    uint32_t first;
    uint32_t second;
    uint32_t holders;

    limits_table_take_fixed(table, VICTIM, LIMITS_FIXED_SESSIONS, NO_LIMIT);
    limits_table_take(table, VICTIM, HASH, NO_LIMIT, 2, &first, &holders);
    limits_table_take(table, VICTIM, HASH, NO_LIMIT, 2, &second, &holders);
    limits_table_take(table, VICTIM, HASH, 2, 2, &second, &holders);
    limits_table_drop(table, VICTIM, first, 3);
    limits_table_drop(table, VICTIM, first, 3);
    limits_table_drop_fixed(table, VICTIM, LIMITS_FIXED_SESSIONS);
}

/* How things are before the victim begins. */
struct scene {
    const char *name;
    unsigned filled; /* entries of other clients, so that one must make room */
    bool known;      /* the client was here before */
    uint32_t others; /* sessions of the client that OTHER has */
};

static const struct scene scenes[] = {
    {"a new client", 0, false, 0},
    {"a client that comes again", 0, true, 0},
    {"a client that is here", 0, true, 1},
    {"a new client for whom another must make room", LIMITS_WAYS, false, 0},
};

static void set_scene(struct limits_table *table, const struct scene *scene)
{
    uint32_t entry;
    uint32_t holders;

    for (uint32_t i = 0; i < scene->filled; i++) {
        assert_int_equal(limits_table_take(table, OTHER, i + 1, NO_LIMIT, 1, &entry, &holders),
                         LIMITS_TAKEN);
        limits_table_event(table, entry, LIMITS_RATE_TLS, 1, 60);
        limits_table_drop(table, OTHER, entry, 1);
    }
    if (scene->known) {
        limits_table_take(table, OTHER, HASH, NO_LIMIT, 1, &entry, &holders);
        if (scene->others == 0)
            limits_table_drop(table, OTHER, entry, 1);
    }
    for (uint32_t i = 0; i < scene->others; i++)
        limits_table_take_fixed(table, OTHER, LIMITS_FIXED_SESSIONS, NO_LIMIT);
}

/* Everything is as if the victim had never been, and works. */
static void check_after(struct limits_table *table, uint32_t others)
{
    uint32_t entry;
    uint32_t holders;

    assert_int_equal(limits_table_holders(table, HASH), others);
    assert_int_equal(limits_table_holders_fixed(table, LIMITS_FIXED_SESSIONS), others);
    for (uint32_t i = 0; i < table->entry_count; i++) {
        assert_int_equal(table->held[(size_t)VICTIM * table->entry_count + i], 0);
        assert_true(table->buckets[i / LIMITS_WAYS].states[i % LIMITS_WAYS] >> 44 <= others);
    }
    assert_int_equal(limits_table_take(table, VICTIM, HASH, others + 1, 9, &entry, &holders),
                     LIMITS_TAKEN);
    assert_int_equal(holders, others + 1);
    assert_int_equal(limits_table_events(table, entry, LIMITS_RATE_TLS, 9, 60), 0);
    limits_table_drop(table, VICTIM, entry, 9);
    assert_int_equal(limits_table_holders(table, HASH), others);
}

/* The victim is dead. OVERWRITTEN: others were there before the master noticed. */
static void check_death(const struct limits_table *table, const struct scene *scene, void *memory,
                        bool overwritten)
{
    struct limits_table copy = *table;
    uint32_t others = scene->others;
    uint32_t entry;
    uint32_t holders;

    copy.memory = memory;
    memcpy(memory, table->memory, table->size);
    limits_table_locate(&copy);
    if (overwritten) {
        bool making = copy.slots[VICTIM].making == 0;
        enum limits_taken taken =
            limits_table_take(&copy, THIRD, HASH, NO_LIMIT, 4, &entry, &holders);

        assert_true(taken == LIMITS_TAKEN || (making && taken == LIMITS_NO_ENTRY));
        limits_table_take_fixed(&copy, THIRD, LIMITS_FIXED_SESSIONS, NO_LIMIT);
        others += taken == LIMITS_TAKEN;
        if (taken != LIMITS_TAKEN)
            limits_table_drop_fixed(&copy, THIRD, LIMITS_FIXED_SESSIONS);
    }
    limits_table_recover(&copy, VICTIM);
    check_after(&copy, others);
    limits_table_recover(&copy, THIRD);
    check_after(&copy, scene->others);
}

/* Let the victim execute one instruction. False: it has finished. */
static bool single_step(pid_t pid)
{
    int status = 0;

    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
        fail_msg("cannot trace");
    return WIFSTOPPED(status) && !*done;
}

static pid_t start_victim(struct limits_table *table, void (*act)(struct limits_table *))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        act(table);
        *(volatile bool *)done = true;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status))
        return -1;
    return pid;
}

static void play_scene(const struct scene *scene)
{
    struct limits_table table;
    size_t steps = 0;

    assert_int_equal(limits_table_map(&table, 1, SLOTS), 0);
    void *memory = aligned_alloc(64, (table.size + 63) / 64 * 64);
    void *before = malloc(table.size);
    assert_non_null(memory);
    assert_non_null(before);
    set_scene(&table, scene);
    *done = false;
    pid_t pid = start_victim(&table, victim);
    if (pid < 0) {
        print_message("processes may not be traced here\n");
        skip();
    }
    memset(before, 0xff, table.size);
    while (single_step(pid)) {
        if (memcmp(before, table.memory, table.size) == 0)
            continue;
        memcpy(before, table.memory, table.size);
        check_death(&table, scene, memory, false);
        check_death(&table, scene, memory, true);
        steps++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (steps < 40)
        fail_msg("%s: only %zu states were seen", scene->name, steps);
    limits_table_recover(&table, VICTIM);
    check_after(&table, scene->others);
    free(before);
    free(memory);
    limits_table_unmap(&table);
}

static void test_death(void **state)
{
    (void)state;
    done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(done, MAP_FAILED);
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        play_scene(&scenes[i]);
    munmap(done, sizeof *done);
}

/* --- interruptions --------------------------------------------------------------------------- */

#define STRANGER 0x777700u /* another client of the same bucket */

static void take_client(struct limits_table *table)
{
    uint32_t entry;
    uint32_t holders;

    limits_table_take(table, VICTIM, HASH, NO_LIMIT, 2, &entry, &holders);
}

static void take_stranger(struct limits_table *table)
{
    uint32_t entry;
    uint32_t holders;

    limits_table_take(table, VICTIM, STRANGER, NO_LIMIT, 2, &entry, &holders);
}

/* Entries that nobody holds, that of the client used before the others. */
static void fill(struct limits_table *table)
{
    uint32_t entry;
    uint32_t holders;

    for (uint32_t i = 0; i < LIMITS_WAYS; i++) {
        limits_table_take(table, OTHER, i == 5 ? HASH : i + 1, NO_LIMIT, 1 + (i != 5), &entry,
                          &holders);
        limits_table_drop(table, OTHER, entry, 1 + (i != 5));
    }
}

struct interruption {
    const char *name;
    bool filled;
    void (*act)(struct limits_table *);
    uint32_t meanwhile; /* the client whose entry OTHER wants */
    uint32_t client;    /* holders of HASH in the end */
    uint32_t stranger;  /* and of STRANGER */
};

static const struct interruption interruptions[] = {
    {"two make the same entry", false, take_client, HASH, 2, 0},
    {"two make two entries", false, take_client, STRANGER, 1, 1},
    {"two take the same entry", true, take_client, HASH, 2, 0},
    {"an entry is taken and goes to another client", true, take_client, STRANGER, 1, 1},
    {"an entry goes to another client and is taken", true, take_stranger, HASH, 1, 1},
    {"two make the same entry where another must make room", true, take_stranger, STRANGER, 0, 2},
};

/* Interrupt after so many instructions. False: the victim had finished before. */
static bool interrupt_at(const struct interruption *c, unsigned instructions)
{
    struct limits_table table;
    uint32_t entry;
    uint32_t holders;
    bool running = true;

    assert_int_equal(limits_table_map(&table, 1, SLOTS), 0);
    if (c->filled)
        fill(&table);
    *done = false;
    pid_t pid = start_victim(&table, c->act);
    if (pid < 0)
        skip();
    for (unsigned i = 0; i < instructions && running; i++)
        running = single_step(pid);
    enum limits_taken taken =
        limits_table_take(&table, OTHER, c->meanwhile, NO_LIMIT, 2, &entry, &holders);
    /* One who waits for him who is stopped has to give up, and changes nothing. */
    uint32_t refused = taken == LIMITS_NO_ENTRY;
    if (taken == LIMITS_AT_LIMIT || (refused && table.slots[VICTIM].making != 0))
        fail_msg("%s, after %u: %d", c->name, instructions, (int)taken);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    waitpid(pid, NULL, 0);
    if (limits_table_holders(&table, HASH) != c->client - (c->meanwhile == HASH) * refused ||
        limits_table_holders(&table, STRANGER) !=
            c->stranger - (c->meanwhile == STRANGER) * refused)
        fail_msg("%s, after %u: %u and %u", c->name, instructions,
                 limits_table_holders(&table, HASH), limits_table_holders(&table, STRANGER));
    limits_table_recover(&table, VICTIM);
    limits_table_recover(&table, OTHER);
    assert_int_equal(limits_table_holders(&table, HASH), 0);
    assert_int_equal(limits_table_holders(&table, STRANGER), 0);
    limits_table_unmap(&table);
    return running;
}

/* How many instructions the victim takes when nobody interrupts it. */
static unsigned count_instructions(const struct interruption *c)
{
    struct limits_table table;
    unsigned count = 0;

    assert_int_equal(limits_table_map(&table, 1, SLOTS), 0);
    if (c->filled)
        fill(&table);
    *done = false;
    pid_t pid = start_victim(&table, c->act);
    if (pid < 0)
        skip();
    while (single_step(pid))
        count++;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    limits_table_unmap(&table);
    return count;
}

static void test_interrupted(void **state)
{
    (void)state;
    done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(done, MAP_FAILED);
    for (size_t i = 0; i < sizeof interruptions / sizeof *interruptions; i++) {
        unsigned stride = count_instructions(&interruptions[i]) / INTERRUPTIONS + 1;
        unsigned instructions = 0;

        while (interrupt_at(&interruptions[i], instructions))
            instructions += stride;
    }
    munmap(done, sizeof *done);
}

/* All entries of a bucket are held: who comes then is not counted, and not let in. */
static void test_bucket(void **state)
{
    struct limits_table table;
    uint32_t entries[LIMITS_WAYS + 1];
    uint32_t holders;

    (void)state;
    assert_int_equal(limits_table_map(&table, 1, 1), 0);
    for (uint32_t i = 0; i < LIMITS_WAYS; i++)
        assert_int_equal(
            limits_table_take(&table, 0, i + 1, NO_LIMIT, 10 + i, &entries[i], &holders),
            LIMITS_TAKEN);
    assert_int_equal(
        limits_table_take(&table, 0, 99, NO_LIMIT, 30, &entries[LIMITS_WAYS], &holders),
        LIMITS_NO_ENTRY);
    assert_int_equal(limits_table_take(&table, 0, 3, NO_LIMIT, 30, &entries[LIMITS_WAYS], &holders),
                     LIMITS_TAKEN);
    assert_int_equal(holders, 2);

    /* The one that was idle for longest makes room. */
    limits_table_drop(&table, 0, entries[7], 32);
    limits_table_drop(&table, 0, entries[5], 31);
    limits_table_drop(&table, 0, entries[6], 33);
    limits_table_event(&table, entries[5], LIMITS_RATE_TLS, 33, 60);
    assert_int_equal(
        limits_table_take(&table, 0, 99, NO_LIMIT, 34, &entries[LIMITS_WAYS], &holders),
        LIMITS_TAKEN);
    assert_int_equal(entries[LIMITS_WAYS], entries[5]);
    assert_int_equal(limits_table_events(&table, entries[5], LIMITS_RATE_TLS, 34, 60), 0);
    limits_table_unmap(&table);
}

/* A worker that was taken over writes what it likes: the master must come through. */
static void test_hostile(void **state)
{
    struct limits_table table;
    uint32_t seed = 1;

    (void)state;
    assert_int_equal(limits_table_map(&table, 1, SLOTS), 0);
    for (int round = 0; round < 2000; round++) {
        unsigned char *bytes = table.memory;
        for (size_t i = 0; i < table.size; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (unsigned char)(seed >> 24);
        }
        if (round % 2 == 0)
            atomic_store(&table.slots[VICTIM].entry, seed % table.entry_count);
        limits_table_recover(&table, VICTIM);
        limits_table_holders(&table, HASH);
        assert_int_equal(table.slots[VICTIM].entry, LIMITS_ENTRY_NONE);
    }
    limits_table_unmap(&table);
}

/* Numbers of steps begin anew after 2^32. */
static void test_step_wraps(void **state)
{
    struct limits_table table;
    uint32_t entry;
    uint32_t holders;

    (void)state;
    assert_int_equal(limits_table_map(&table, 1, SLOTS), 0);
    atomic_store(&table.slots[VICTIM].step, UINT32_MAX - 20);
    atomic_store(&table.slots[VICTIM].acknowledged, UINT32_MAX - 20);
    for (uint32_t i = 0; i < 40; i++) {
        limits_table_take(&table, VICTIM, HASH, NO_LIMIT, 1, &entry, &holders);
        assert_int_equal(holders, 2 * i + 1);
        limits_table_take(&table, OTHER, HASH, NO_LIMIT, 1, &entry, &holders);
        assert_int_equal(holders, 2 * i + 2);
    }
    /* Killed before its step took place, which is not the one that was acknowledged last. */
    table.slots[VICTIM].step++;
    atomic_store(&table.slots[VICTIM].held_after, 41);
    atomic_store(&table.slots[VICTIM].entry, entry);
    limits_table_recover(&table, VICTIM);
    assert_int_equal(limits_table_holders(&table, HASH), 40);

    /* What looked 2^31 steps ahead was seen in an entry from long ago. */
    limits_table_take(&table, VICTIM, HASH, NO_LIMIT, 1, &entry, &holders);
    atomic_store(&table.slots[VICTIM].acknowledged, table.slots[VICTIM].step + 1000);
    limits_table_take(&table, VICTIM, HASH, 1, 1, &entry, &holders);
    table.slots[VICTIM].step++;
    atomic_store(&table.slots[VICTIM].held_after, 2);
    atomic_store(&table.slots[VICTIM].entry, entry);
    limits_table_recover(&table, VICTIM);
    assert_int_equal(limits_table_holders(&table, HASH), 40);
    limits_table_unmap(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death),      cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_bucket),     cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_step_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
