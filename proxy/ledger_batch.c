#include "proxy/ledger_batch.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_OF_ONE 16        /* more than an observation begins */
#define EARLIEST (30 * 86400) /* sessions do not last longer */
#define LATEST 3600           /* clocks do not differ more */
#define DAY_SECONDS 86400
#define BYTES_MAX (UINT64_C(1) << 40) /* of one session; more is not believed */

struct ledger_batch *ledger_batch_new(const struct siphash_key *key)
{
    struct ledger_batch *batch = calloc(1, sizeof(*batch));

    if (batch == NULL)
        return NULL;
    batch->key = *key;
    batch->names = ledger_names_new(key);
    if (batch->names != NULL)
        return batch;
    free(batch);
    return NULL;
}

void ledger_batch_free(struct ledger_batch *batch)
{
    if (batch == NULL)
        return;
    ledger_batch_clear(batch);
    ledger_names_free(batch->names);
    free(batch);
}

void ledger_batch_clear(struct ledger_batch *batch)
{
    for (uint32_t i = 0; i < batch->hello_count; i++)
        free(batch->hellos[i].bytes);
    batch->row_count = batch->detail_count = batch->hello_count = 0;
    batch->observations = 0;
    memset(batch->buckets, 0, sizeof(batch->buckets));
}

bool ledger_batch_has_room(const struct ledger_batch *batch)
{
    return batch->row_count + ROWS_OF_ONE <= LEDGER_BATCH_ROWS &&
           batch->detail_count < LEDGER_BATCH_PEERS && batch->hello_count < LEDGER_BATCH_HELLOS;
}

/* The row that has KEY, begun if it is not there; WHEN is noted. */
static struct ledger_row *row_of(struct ledger_batch *batch, const struct ledger_key *key,
                                 int64_t when)
{
    uint32_t *bucket =
        &batch->buckets[siphash(&batch->key, key, sizeof(*key)) & (LEDGER_BATCH_ROWS - 1)];
    struct ledger_row *row = NULL;

    for (uint32_t at = *bucket; at != 0 && row == NULL; at = batch->rows[at - 1].next)
        if (memcmp(&batch->rows[at - 1].key, key, sizeof(*key)) == 0)
            row = &batch->rows[at - 1];
    if (row == NULL) {
        row = &batch->rows[batch->row_count++];
        *row = (struct ledger_row){.key = *key, .next = *bucket, .first = when, .last = when};
        *bucket = batch->row_count;
    }
    if (when < row->first)
        row->first = when;
    if (when > row->last)
        row->last = when;
    return row;
}

/* Which row it is. */
static uint32_t index_of(const struct ledger_batch *batch, const struct ledger_row *row)
{
    return (uint32_t)(row - batch->rows);
}

/* When it was: what cannot be is now. */
static int64_t sensible_time(uint64_t time, int64_t now)
{
    bool possible = time <= (uint64_t)now + LATEST && (int64_t)time >= now - EARLIEST;

    return possible ? (int64_t)time : now;
}

/* A text as it will be kept. */
static void keep_text(char *out, size_t size, struct observation_text text)
{
    if (text.length == 0)
        return;
    size_t length = text.length < size ? text.length : size - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = text.bytes[i] >= ' ' && text.bytes[i] < 127 ? text.bytes[i] : '?';
    out[length] = '\0';
}

/* Raw bytes, if there are any. */
static void keep_bytes(char out[255], uint8_t *length, struct observation_text text)
{
    if (text.length == 0 || text.length > 255)
        return;
    memcpy(out, text.bytes, text.length);
    *length = (uint8_t)text.length;
}

/* Did TLS come to nothing? Also where it was established, and then refused. */
static bool has_failed(const struct observation *observation)
{
    return observation->tls == OBSERVATION_TLS_FAILED || observation->failure_kind.length > 0;
}

/* The peer's own row. */
static struct ledger_row *add_peer(struct ledger_batch *batch,
                                   const struct observation *observation, int64_t when)
{
    struct ledger_key key = {.kind = LEDGER_ROW_PEER, .of = observation->family == 4 ? 4 : 16};
    uint32_t rows = batch->row_count;

    memcpy(key.parts, observation->address, key.of);
    struct ledger_row *row = row_of(batch, &key, when);
    if (batch->row_count > rows) {
        row->detail = batch->detail_count++;
        batch->details[row->detail] = (struct ledger_detail){0};
    }
    row->counts[LEDGER_COUNT_SESSIONS]++;
    row->counts[LEDGER_COUNT_MESSAGES] += (int64_t)observation->messages;
    row->counts[LEDGER_COUNT_BYTES] +=
        (int64_t)(observation->bytes < BYTES_MAX ? observation->bytes : BYTES_MAX);
    row->counts[LEDGER_COUNT_CLEARTEXT_SESSIONS] += observation->tls == OBSERVATION_TLS_NONE;
    row->counts[LEDGER_COUNT_CLEARTEXT_MESSAGES] += (int64_t)observation->cleartext_messages;
    row->counts[LEDGER_COUNT_ESTABLISHED] += observation->tls == OBSERVATION_TLS_ESTABLISHED;
    row->counts[LEDGER_COUNT_FAILED] += has_failed(observation);
    row->counts[LEDGER_COUNT_RESUMED] += (int64_t)observation->resumed;
    struct ledger_detail *detail = &batch->details[row->detail];
    keep_bytes(detail->helo, &detail->helo_length, observation->helo);
    keep_bytes(detail->subject, &detail->subject_length, observation->ccert_subject);
    keep_text(detail->fingerprint, sizeof(detail->fingerprint), observation->ccert_fingerprint);
    keep_text(detail->status, sizeof(detail->status), observation->ccert_status);
    return row;
}

/* The row of a hello; also of one whose bytes are not known. */
static struct ledger_row *hello_row(struct ledger_batch *batch,
                                    const struct observation *observation, int64_t when)
{
    struct ledger_key key = {.kind = LEDGER_ROW_HELLO, .of = LEDGER_NO_PEER};

    memcpy(key.parts, observation->digest, sizeof(key.parts));
    return row_of(batch, &key, when);
}

/* The bytes of a hello. */
static void add_hello(struct ledger_batch *batch, const struct observation *observation,
                      int64_t when)
{
    struct ledger_row *row = hello_row(batch, observation, when);
    uint8_t *bytes = row->detail == 0 ? malloc(observation->hello_length) : NULL;

    if (bytes == NULL)
        return;
    memcpy(bytes, observation->hello, observation->hello_length);
    batch->hellos[batch->hello_count++] =
        (struct ledger_hello){.bytes = bytes, .length = observation->hello_length};
    row->detail = batch->hello_count;
}

static uint32_t name_of(struct ledger_batch *batch, struct observation_text text)
{
    return ledger_names_find(batch->names, text);
}

/* What PEER came with, of a session with TLS or an attempt at it. */
static void add_tls(struct ledger_batch *batch, const struct observation *observation,
                    uint32_t peer, int64_t when)
{
    struct ledger_key key = {.of = peer};
    struct ledger_row *row;

    if (observation->tls == OBSERVATION_TLS_ESTABLISHED) {
        key.kind = LEDGER_ROW_TLS;
        key.parts[0] = name_of(batch, observation->protocol);
        key.parts[1] = name_of(batch, observation->cipher);
        key.parts[2] = name_of(batch, observation->group);
        key.parts[3] = name_of(batch, observation->signature);
        row = row_of(batch, &key, when);
        row->counts[0]++;
        row->counts[1] += (int64_t)observation->resumed;
        row->counts[2] += (int64_t)observation->messages;
    }
    if (observation->failure_kind.length > 0) {
        key = (struct ledger_key){.kind = LEDGER_ROW_FAILURE, .of = peer};
        key.parts[0] = name_of(batch, observation->failure_kind);
        key.parts[1] = name_of(batch, observation->failure_text);
        key.parts[2] = name_of(batch, observation->policy_where);
        row_of(batch, &key, when)->counts[0]++;
    }
    if (observation_has_digest(observation)) {
        struct ledger_row *hello = hello_row(batch, observation, when);
        hello->counts[0]++;
        key = (struct ledger_key){.kind = LEDGER_ROW_PEER_HELLO, .of = peer};
        key.parts[0] = index_of(batch, hello);
        key.parts[1] = name_of(batch, observation->listener);
        row = row_of(batch, &key, when);
        row->counts[0] += !has_failed(observation);
        row->counts[1] += has_failed(observation);
        row->counts[2] += (int64_t)observation->messages;
    }
}

/* Under which policy PEER was. */
static void add_policy(struct ledger_batch *batch, const struct observation *observation,
                       uint32_t peer, int64_t when)
{
    struct ledger_key key = {.kind = LEDGER_ROW_POLICY_USE, .of = peer};

    if (observation->policy_file.length == 0)
        return;
    key.parts[0] = name_of(batch, observation->listener);
    key.parts[1] = name_of(batch, observation->policy_file);
    key.parts[2] = name_of(batch, observation->policy_line);
    key.parts[3] = name_of(batch, observation->policy_level);
    struct ledger_row *row = row_of(batch, &key, when);
    row->counts[0]++;
    row->counts[1] += observation->tls == OBSERVATION_TLS_ESTABLISHED;
    row->counts[2] += has_failed(observation);
    row->counts[3] += observation->tls == OBSERVATION_TLS_NONE;
    row->counts[4] += (int64_t)observation->messages;
    row->counts[5] += (int64_t)observation->cleartext_messages;
}

/* What came of gatepost_second_chance. */
static void add_chance(struct ledger_batch *batch, const struct observation *observation,
                       uint32_t peer, int64_t when)
{
    struct ledger_key key = {.kind = LEDGER_ROW_CHANCE, .of = peer};

    if (observation->chance == OBSERVATION_CHANCE_NONE)
        return;
    key.parts[0] = name_of(batch, observation->listener);
    struct ledger_row *row = row_of(batch, &key, when);
    if (observation->chance == OBSERVATION_CHANCE_BEGUN) {
        row->counts[0]++;
        return;
    }
    row->counts[1]++;
    row->counts[2] += observation->tls == OBSERVATION_TLS_ESTABLISHED;
    row->counts[3] += has_failed(observation);
    row->counts[4] += (int64_t)observation->messages;
}

/* One more of the day's sessions is VALUE. */
static void add_day(struct ledger_batch *batch, const char *kind, struct observation_text value,
                    const struct observation *observation, int64_t when)
{
    struct ledger_key key = {.kind = LEDGER_ROW_DAY, .of = LEDGER_NO_PEER};

    if (value.length == 0)
        return;
    key.parts[0] = (uint32_t)(when / DAY_SECONDS);
    key.parts[1] = name_of(batch, observation_text(kind));
    key.parts[2] = name_of(batch, value);
    struct ledger_row *row = row_of(batch, &key, when);
    row->counts[0]++;
    row->counts[1] += (int64_t)observation->messages;
}

/* What the day's sessions were. */
static void add_days(struct ledger_batch *batch, const struct observation *observation,
                     int64_t when)
{
    if (observation->tls == OBSERVATION_TLS_NONE)
        add_day(batch, "protocol", observation_text("none"), observation, when);
    if (observation->tls == OBSERVATION_TLS_ESTABLISHED) {
        add_day(batch, "protocol", observation->protocol, observation, when);
        add_day(batch, "cipher", observation->cipher, observation, when);
        add_day(batch, "group", observation->group, observation, when);
    }
    add_day(batch, "failure", observation->failure_kind, observation, when);
}

void ledger_batch_add(struct ledger_batch *batch, const struct observation *observation,
                      int64_t now)
{
    int64_t when = sensible_time(observation->time_start, now);

    batch->observations++;
    if (observation->kind == OBSERVATION_HELLO) {
        add_hello(batch, observation, when);
        return;
    }
    add_days(batch, observation, when);
    if (observation->family == 0)
        return;
    uint32_t peer = index_of(batch, add_peer(batch, observation, when));
    add_policy(batch, observation, peer, when);
    add_chance(batch, observation, peer, when);
    if (observation->tls != OBSERVATION_TLS_NONE)
        add_tls(batch, observation, peer, when);
}
