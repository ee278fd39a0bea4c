/*
 * policy_bench.c: how long a policy table takes to load, how much memory it keeps, and how long a
 * lookup takes; next to the plainest alternative, a sorted array for each prefix length that is
 * searched from the longest to the shortest, in the same run: ratios are what can be compared.
 *
 * policy_bench [PREFIXES]
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy_table.h"
#include "policy/prefix.h"

#define LOOKUPS ((size_t)1000000)
#define ROUNDS 5 /* the fastest counts: the machine has other things to do */
#define LENGTHS 129

enum mix { MIX_IPV4, MIX_IPV6, MIX_BOTH, MIX_NESTED, MIX_HOSTS };

struct scenario {
    const char *name;
    enum mix mix;
    size_t settings; /* different ones */
    bool notes;      /* every line has its own */
};

static const struct scenario scenarios[] = {
    {"IPv4, apart and nested", MIX_IPV4, 3, false},
    {"IPv6, apart and nested", MIX_IPV6, 3, false},
    {"IPv4 and IPv6", MIX_BOTH, 3, false},
    {"IPv4, /24 in one /8", MIX_NESTED, 3, false},
    {"IPv6 hosts in one /64", MIX_HOSTS, 3, false},
    {"10,000 different settings", MIX_BOTH, 10000, false},
    {"a note on each line", MIX_BOTH, 3, true},
};

/* The baseline. */
struct lists {
    struct prefix_address *all[2][LENGTHS];
    size_t count[2][LENGTHS];
};

static struct prefix *prefixes;
static size_t prefix_count;
static uint64_t random_state;

static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static struct prefix_address cut(struct prefix_address address, unsigned length)
{
    if (length < 64)
        address.high = length == 0 ? 0 : address.high & (UINT64_MAX << (64 - length));
    if (length <= 64)
        address.low = 0;
    else
        address.low &= UINT64_MAX << (128 - length);
    return address;
}

static struct prefix random_prefix(enum mix mix)
{
    static const uint8_t ipv4_lengths[] = {16, 20, 24, 24, 24, 28, 32, 32};
    static const uint8_t ipv6_lengths[] = {32, 40, 48, 48, 56, 64, 64, 128};
    struct prefix prefix = {.address = {next_random(), next_random()}};

    prefix.ipv6 = mix == MIX_IPV6 || mix == MIX_HOSTS || (mix == MIX_BOTH && next_random() % 2);
    if (mix == MIX_NESTED) {
        prefix.address.high = (prefix.address.high >> 8) | UINT64_C(10) << 56;
        prefix.length = 32;
    } else if (mix == MIX_HOSTS) {
        prefix.address.high = UINT64_C(0x20010db800010002);
        prefix.length = 128;
    } else {
        prefix.length =
            prefix.ipv6 ? ipv6_lengths[next_random() % 8] : ipv4_lengths[next_random() % 8];
    }
    if (prefix.ipv6 && mix != MIX_HOSTS)
        prefix.address.high = (prefix.address.high >> 3) | UINT64_C(1) << 61; /* 2000::/3 */
    if (!prefix.ipv6)
        prefix.address = (struct prefix_address){prefix.address.high >> 32 << 32, 0};
    prefix.address = cut(prefix.address, prefix.length);
    return prefix;
}

static int compare_prefixes(const void *left, const void *right)
{
    const struct prefix *a = left;
    const struct prefix *b = right;

    if (a->ipv6 != b->ipv6)
        return a->ipv6 ? 1 : -1;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    if (a->address.high != b->address.high)
        return a->address.high < b->address.high ? -1 : 1;
    return (a->address.low > b->address.low) - (a->address.low < b->address.low);
}

/* COUNT different prefixes in random order. */
static void make_prefixes(enum mix mix, size_t count)
{
    prefix_count = 0;
    while (prefix_count < count) {
        size_t kept = 0;

        while (prefix_count < count)
            prefixes[prefix_count++] = random_prefix(mix);
        qsort(prefixes, prefix_count, sizeof(*prefixes), compare_prefixes);
        for (size_t i = 0; i < prefix_count; i++) {
            if (kept == 0 || compare_prefixes(&prefixes[kept - 1], &prefixes[i]) != 0)
                prefixes[kept++] = prefixes[i];
        }
        prefix_count = kept;
    }
    for (size_t i = count; i-- > 1;) {
        size_t other = next_random() % (i + 1);
        struct prefix swapped = prefixes[i];

        prefixes[i] = prefixes[other];
        prefixes[other] = swapped;
    }
}

static void write_table(const char *path, const struct scenario *scenario)
{
    static const char *const common[] = {"may protocols=>=TLSv1 ciphers=medium until=2099-06-30",
                                         "encrypt protocols=>=TLSv1.3", "none"};
    FILE *file = fopen(path, "w");

    if (file == NULL)
        give_up(path);
    for (size_t i = 0; i < prefix_count; i++) {
        char text[PREFIX_TEXT_SIZE];
        size_t which = next_random() % scenario->settings;

        prefix_format(&prefixes[i], text);
        if (scenario->settings > 3)
            fprintf(file, "%s encrypt protocols=>=TLSv1.2 exclude=CIPHER%zu:aRSA", text, which);
        else
            fprintf(file, "%-18s %s", text, common[which]);
        if (scenario->notes)
            fprintf(file, " note=\"ticket number %zu\"", i);
        fputs("  # as agreed\n", file);
    }
    if (fclose(file) != 0)
        give_up(path);
}

static void print_finding(void *ctx, enum diag_severity severity, const char *text)
{
    (void)ctx;
    if (severity != DIAG_INFO)
        fprintf(stderr, "%s\n", text);
}

static struct lists *make_lists(void)
{
    struct lists *lists = calloc(1, sizeof(*lists));
    struct prefix *sorted = malloc(prefix_count * sizeof(*sorted));

    if (lists == NULL || sorted == NULL)
        give_up("memory");
    memcpy(sorted, prefixes, prefix_count * sizeof(*sorted));
    qsort(sorted, prefix_count, sizeof(*sorted), compare_prefixes);
    for (size_t i = 0; i < prefix_count;) {
        bool ipv6 = sorted[i].ipv6;
        uint8_t length = sorted[i].length;
        struct prefix_address *all = malloc(prefix_count * sizeof(*all));
        size_t count = 0;

        if (all == NULL)
            give_up("memory");
        for (; i < prefix_count && sorted[i].length == length && sorted[i].ipv6 == ipv6; i++)
            all[count++] = sorted[i].address;
        lists->all[ipv6][length] = all;
        lists->count[ipv6][length] = count;
    }
    free(sorted);
    return lists;
}

static void free_lists(struct lists *lists)
{
    for (size_t i = 0; i < LENGTHS; i++) {
        free(lists->all[0][i]);
        free(lists->all[1][i]);
    }
    free(lists);
}

static int compare_addresses(const void *left, const void *right)
{
    const struct prefix_address *a = left;
    const struct prefix_address *b = right;

    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return (a->low > b->low) - (a->low < b->low);
}

/* The length of the longest prefix by the baseline, or -1. */
static int baseline_lookup(const struct lists *lists, bool ipv6, struct prefix_address address)
{
    for (int length = ipv6 ? 128 : 32; length >= 0; length--) {
        struct prefix_address key = cut(address, (unsigned)length);

        if (lists->count[ipv6][length] > 0 &&
            bsearch(&key, lists->all[ipv6][length], lists->count[ipv6][length], sizeof(key),
                    compare_addresses) != NULL)
            return length;
    }
    return -1;
}

struct query {
    int family;
    uint8_t bytes[16];
};

/* Addresses inside random prefixes of the table, or anywhere. */
static void make_queries(struct query *queries, enum mix mix, bool hit)
{
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct prefix prefix = hit ? prefixes[next_random() % prefix_count] : random_prefix(mix);
        struct prefix_address inside = {next_random(), next_random()};
        struct prefix_address outer = cut(inside, prefix.length);
        uint64_t halves[2];

        if (!hit) {
            prefix.address = inside;
            outer = inside;
        }
        halves[0] = __builtin_bswap64(prefix.address.high | (inside.high ^ outer.high));
        halves[1] = __builtin_bswap64(prefix.address.low | (inside.low ^ outer.low));
        queries[i].family = prefix.ipv6 ? AF_INET6 : AF_INET;
        memcpy(queries[i].bytes, halves, 16);
    }
}

/* Nanoseconds for each lookup; *FOUND of them found something. */
static double time_table(const struct policy_table *table, const struct query *queries,
                         size_t *found)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        struct policy_match match;
        double start = now_ms();

        *found = 0;
        for (size_t i = 0; i < LOOKUPS; i++)
            *found += policy_table_lookup(table, queries[i].family, queries[i].bytes, 1, &match);
        double taken = (now_ms() - start) * 1e6 / (double)LOOKUPS;
        best = taken < best ? taken : best;
    }
    return best;
}

static double time_baseline(const struct lists *lists, const struct query *queries, size_t *found)
{
    size_t lookups = LOOKUPS / 10; /* it takes long enough */
    double start = now_ms();

    *found = 0;
    for (size_t i = 0; i < lookups; i++) {
        bool ipv6 = queries[i].family == AF_INET6;

        *found += baseline_lookup(lists, ipv6, prefix_address_read(queries[i].bytes, ipv6)) >= 0;
    }
    return (now_ms() - start) * 1e6 / (double)lookups;
}

/* Whether table and baseline agree about every tenth query. */
static void compare_results(const struct policy_table *table, const struct lists *lists,
                            const struct query *queries)
{
    for (size_t i = 0; i < LOOKUPS; i += 10) {
        struct policy_match match;
        bool ipv6 = queries[i].family == AF_INET6;
        int expected = baseline_lookup(lists, ipv6, prefix_address_read(queries[i].bytes, ipv6));
        bool found = policy_table_lookup(table, queries[i].family, queries[i].bytes, 1, &match);

        if (found != (expected >= 0) ||
            (found && atoi(strchr(match.prefix, '/') + 1) != expected)) {
            fprintf(stderr, "policy_bench: table and baseline disagree\n");
            exit(1);
        }
    }
}

static size_t memory_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* How long a read takes that has to wait for the one before it: what lookups are made of. */
static void print_latency(void)
{
    size_t count = ((size_t)32 << 20) / 64;
    size_t(*lines)[8] = aligned_alloc(64, count * 64);
    size_t at = 0;

    if (lines == NULL)
        give_up("memory");
    for (size_t i = 0; i < count; i++)
        lines[i][0] = i;
    for (size_t i = count; i-- > 1;) { /* one cycle through all lines */
        size_t other = next_random() % i;
        size_t swapped = lines[i][0];

        lines[i][0] = lines[other][0];
        lines[other][0] = swapped;
    }
    double start = now_ms();
    for (size_t i = 0; i < LOOKUPS; i++)
        at = lines[at][0];
    printf("this machine reads memory at random places in %.1f ns (%s)\n",
           (now_ms() - start) * 1e6 / (double)LOOKUPS, at < count ? "32 MB" : "?");
    free(lines);
}

static void run(const struct scenario *scenario, size_t count, const char *path)
{
    struct diag diag = {.sink = print_finding};
    char setting[128];
    struct query *queries = malloc(LOOKUPS * sizeof(*queries));

    make_prefixes(scenario->mix, count);
    write_table(path, scenario);
    snprintf(setting, sizeof(setting), "smtpd_tls_policy_maps = cidr:%s\n", path);
    struct config *config = config_parse("bench.cf", setting, strlen(setting), NULL, 0, &diag);
    if (queries == NULL || config == NULL)
        give_up("configuration");

    malloc_trim(0);
    size_t before = memory_in_use();
    double start = now_ms();
    struct policy_table *table = policy_table_load(config, 1, &diag);
    double load = now_ms() - start;
    if (table == NULL)
        give_up("table");
    size_t memory = memory_in_use() - before;
    struct lists *lists = make_lists();

    printf("%-26s %8zu prefixes %6zu settings  load %5.0f ms  %5.1f bytes each\n", scenario->name,
           policy_table_size(table), policy_table_settings_count(table), load,
           (double)memory / (double)count);
    for (int hit = 1; hit >= 0; hit--) {
        size_t found;
        size_t baseline_found;

        make_queries(queries, scenario->mix, hit == 1);
        compare_results(table, lists, queries);
        double taken = time_table(table, queries, &found);
        double baseline = time_baseline(lists, queries, &baseline_found);
        printf("    %-10s %5.1f %% found  %6.1f ns a lookup, sorted lists %7.1f ns, ratio %.3f\n",
               hit == 1 ? "in table" : "anywhere", 100.0 * (double)found / (double)LOOKUPS, taken,
               baseline, taken / baseline);
    }
    free_lists(lists);
    policy_table_free(table);
    config_free(config);
    free(queries);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    char path[] = "/tmp/policy_bench.XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        give_up(path);
    close(fd);
    if (count == 0 || count > 4000000) {
        fprintf(stderr, "usage: policy_bench [PREFIXES], 1 to 4000000\n");
        return 64;
    }
    prefixes = malloc(count * sizeof(*prefixes));
    if (prefixes == NULL)
        give_up("memory");
    random_state = 1;
    print_latency();
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        run(&scenarios[i], count, path);
    free(prefixes);
    unlink(path);
    return 0;
}
