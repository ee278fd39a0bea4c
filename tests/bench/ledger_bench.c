/*
 * ledger_bench.c: what the ledger costs: nanoseconds for a ClientHello that is recorded, and for a
 * session that is observed, written and counted, of clients that come again and of a scan from ever
 * new addresses; and how large the database becomes.
 *
 * ledger_bench DIRECTORY [SCANNERS [MAX_PEERS]]    (DIRECTORY must be empty)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "proxy/ledger_store.h"
#include "tls/hello_record.h"

#define NOW INT64_C(1800000000)
#define KNOWN 1000 /* clients that come again */
#define SESSIONS 2000000u
#define A_SECOND 5000 /* sessions between two writes */

struct bench {
    struct ledger_store *store;
    struct ledger_batch *batch;
    char path[4096];
};

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void write_out(struct bench *bench)
{
    char why[LEDGER_WHY_MAX];

    if (ledger_store_write(bench->store, bench->batch, why) == LEDGER_OPENED)
        return;
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* As it goes from a worker to the ledger: encoded, decoded, counted. */
static void observe(struct bench *bench, const struct observation *observation)
{
    uint8_t packet[OBSERVATION_SESSION_MAX];
    struct observation read;
    const uint8_t *at = packet;
    size_t length = observation_write(observation, packet, sizeof(packet));

    if (observation_read(&at, &length, &read) != 1)
        abort();
    if (!ledger_batch_has_room(bench->batch))
        write_out(bench);
    ledger_batch_add(bench->batch, &read, NOW);
}

/* COUNT sessions of CLIENTS clients; 0: each is of a new one, and without TLS. */
static double measure(struct bench *bench, uint32_t count, uint32_t clients)
{
    struct observation session = {.kind = OBSERVATION_SESSION,
                                  .time_start = (uint64_t)NOW,
                                  .family = 4,
                                  .helo = observation_text("mx.example.org"),
                                  .policy_where = observation_text("main configuration"),
                                  .policy_file = observation_text("main configuration"),
                                  .policy_level = observation_text("may")};
    double start = now_ns();

    if (clients > 0) {
        session.tls = OBSERVATION_TLS_ESTABLISHED;
        session.messages = 1;
        session.protocol = observation_text("TLSv1.3");
        session.cipher = observation_text("TLS_AES_256_GCM_SHA384");
        session.group = observation_text("x25519");
        session.signature = observation_text("ECDSA (prime256v1)");
        session.ccert_status = observation_text("Anonymous");
        session.digest[0] = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t address = clients > 0 ? i % clients : i * 2654435761u;
        memcpy(session.address, &address, sizeof(address));
        observe(bench, &session);
        if (clients > 0 && i % A_SECOND == A_SECOND - 1)
            write_out(bench);
    }
    write_out(bench);
    return (now_ns() - start) / count;
}

/* A ClientHello of usual size, copied and digested, as it is for each handshake. */
static double measure_hello(void)
{
    uint8_t hello[512] = {3, 3, [34] = 0, [36] = 60, [97] = 1, [99] = 1, [100] = 155};
    double start;

    for (size_t at = 101; at + 31 <= sizeof(hello); at += 31) {
        hello[at + 1] = (uint8_t)(at % 60); /* an extension of 27 bytes */
        hello[at + 3] = 27;
    }
    start = now_ns();
    for (uint32_t i = 0; i < SESSIONS; i++) {
        struct tls_hello_record record = {.taken = false};
        hello[2] = (uint8_t)i;
        tls_hello_record_take(&record, hello, sizeof(hello));
        tls_hello_record_forget(&record);
    }
    return (now_ns() - start) / SESSIONS;
}

static double megabytes(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (double)status.st_size / 1e6 : 0;
}

int main(int argc, char **argv)
{
    const struct siphash_key key = {1, 2};
    const uint32_t scanners = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000000;
    const struct ledger_bounds bounds = {.max_peers =
                                             argc > 3 ? strtol(argv[3], NULL, 10) : 1000000,
                                         .max_age = INT64_C(400) * 86400,
                                         .max_hellos = LEDGER_HELLOS_MAX,
                                         .max_hello_bytes = LEDGER_HELLO_BYTES_MAX};
    char why[LEDGER_WHY_MAX];
    struct bench bench = {.batch = ledger_batch_new(&key)};

    if (argc < 2) {
        fprintf(stderr, "usage: ledger_bench DIRECTORY [SCANNERS [MAX_PEERS]]\n");
        return 64;
    }
    snprintf(bench.path, sizeof(bench.path), "%s/ledger.db", argv[1]);
    bench.store = ledger_store_new(bench.path, &bounds);
    if (bench.store == NULL || bench.batch == NULL ||
        ledger_store_open(bench.store, why) != LEDGER_OPENED) {
        fprintf(stderr, "%s: %s\n", bench.path, why);
        return 1;
    }
    printf("a ClientHello: %.0f ns\n", measure_hello());
    printf("one client: %.0f ns a session\n", measure(&bench, SESSIONS, 1));
    printf("%d clients: %.0f ns a session\n", KNOWN, measure(&bench, SESSIONS, KNOWN));
    printf("%u new clients: %.0f ns a session\n", scanners, measure(&bench, scanners, 0));
    printf("single addresses %lld of at most %lld, database %.0f MB\n",
           (long long)ledger_store_extent(bench.store)->peers, (long long)bounds.max_peers,
           megabytes(bench.path));
    ledger_store_free(bench.store);
    ledger_batch_free(bench.batch);
    return 0;
}
