/*
 * limits_bench.c: what counting a session costs: nanoseconds for each connect and disconnect, of
 * one process alone and of several that share the counters.
 *
 * limits_bench [PROCESSES]
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proxy/limits.h"

#define SESSIONS 20000
#define ROUNDS 2000000u
#define PROCESSES_MAX 64

struct scenario {
    const char *name;
    uint32_t clients; /* 0: each session is of a new one */
};

static const struct scenario scenarios[] = {
    {"one client", 1},
    {"1000 clients", 1000},
    {"100,000 clients", 100000},
    {"ever new clients", 0},
};

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(struct limits *limits, unsigned slot, const struct scenario *scenario)
{
    const struct limits_rules rules = {
        .connections = 50, .rate_unit = 60, .ipv4_prefix = 32, .ipv6_prefix = 84};
    struct client_address client = {.family = AF_INET6, .bytes = {0x20, 0x01, (uint8_t)slot}};
    struct limits_session session;
    uint32_t number;
    double start = now_ns();

    if (scenario->clients != 0)
        client.bytes[2] = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t which = scenario->clients != 0 ? i % scenario->clients : i;

        memcpy(client.bytes + 4, &which, sizeof which);
        limits_admit(limits, slot, &session);
        limits_connect(limits, slot, &rules, &client, i >> 16, &session, &number);
        limits_disconnect(limits, slot, &session, i >> 16);
    }
    return (now_ns() - start) / ROUNDS;
}

/* The mean of PROCESSES processes at once. */
static double measure_all(unsigned processes, const struct scenario *scenario)
{
    struct limits *limits = limits_new(SESSIONS, SESSIONS, processes);
    double *taken = mmap(NULL, processes * sizeof(*taken), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double sum = 0;

    if (limits == NULL || taken == MAP_FAILED) {
        perror("limits_bench");
        exit(1);
    }
    for (unsigned slot = 0; slot < processes; slot++) {
        if (fork() == 0) {
            taken[slot] = measure(limits, slot, scenario);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    for (unsigned slot = 0; slot < processes; slot++)
        sum += taken[slot];
    munmap(taken, processes * sizeof(*taken));
    if (limits_sessions(limits) != 0) {
        fprintf(stderr, "limits_bench: %u sessions are left\n", limits_sessions(limits));
        exit(1);
    }
    limits_free(limits);
    return sum / processes;
}

int main(int argc, char **argv)
{
    unsigned long processes =
        argc > 1 ? strtoul(argv[1], NULL, 10) : (unsigned long)sysconf(_SC_NPROCESSORS_ONLN);

    if (processes == 0 || processes > PROCESSES_MAX) {
        fprintf(stderr, "usage: limits_bench [PROCESSES, at most %d]\n", PROCESSES_MAX);
        return 64;
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        printf("%-18s %6.1f ns for each connect and disconnect, %6.1f ns with %lu processes\n",
               scenarios[i].name, measure_all(1, &scenarios[i]),
               measure_all((unsigned)processes, &scenarios[i]), processes);
    return 0;
}
