#include "proxy/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/text.h"

#define RESULTS_FIRST 4096

/* What is kept of one rehearsal. */
struct stage_slot {
    uint64_t hello;     /* 0: free */
    uint32_t context;   /* number */
    uint32_t rehearsal; /* which of the different ones, from 1; 0: the hello is not known */
};

/* All rehearsals by hello and context (open addressing), and the different things they came to. */
struct stage_results {
    struct stage_slot *slots;
    size_t size; /* a power of two */
    size_t used;
    struct tls_rehearsal **different;
    size_t different_count;
};

/* ---- what is known already ---- */

static size_t slot_hash(uint64_t hello, uint32_t context)
{
    uint64_t hash = (hello * 0x9e3779b97f4a7c15U) ^ (context * 0xc2b2ae3d27d4eb4fU);
    return (size_t)(hash ^ (hash >> 29));
}

/* Where it is, or would be. */
static struct stage_slot *find_slot(const struct stage_results *results, uint64_t hello,
                                    uint32_t context)
{
    size_t at = slot_hash(hello, context) & (results->size - 1);

    while (results->slots[at].hello != 0 &&
           (results->slots[at].hello != hello || results->slots[at].context != context))
        at = (at + 1) & (results->size - 1);
    return &results->slots[at];
}

static void grow(struct stage_results *results)
{
    struct stage_slot *old = results->slots;
    size_t old_size = results->size;

    results->size = old_size == 0 ? RESULTS_FIRST : 2 * old_size;
    results->slots = text_alloc(results->size, sizeof(*results->slots));
    for (size_t i = 0; i < old_size; i++)
        if (old[i].hello != 0)
            *find_slot(results, old[i].hello, old[i].context) = old[i];
    free(old);
}

/* The number of what equals REHEARSAL. */
static uint32_t keep(struct stage_results *results, const struct tls_rehearsal *rehearsal)
{
    for (size_t i = 0; i < results->different_count; i++)
        if (tls_rehearsal_same(results->different[i], rehearsal))
            return (uint32_t)i + 1;
    results->different = text_resize(results->different, results->different_count + 1,
                                     sizeof(struct tls_rehearsal *));
    struct tls_rehearsal *copy = text_alloc(1, sizeof(*copy));
    memcpy(copy, rehearsal, sizeof(*copy));
    results->different[results->different_count++] = copy;
    return (uint32_t)results->different_count;
}

/* ---- a configuration ---- */

bool stage_begin(struct stage *stage, const char *label, const struct config *config,
                 struct ledger_read *ledger, struct diag *diag)
{
    *stage = (struct stage){
        .label = label, .ledger = ledger, .results = text_alloc(1, sizeof(*stage->results))};
    grow(stage->results);
    stage->query = ledger_read_prepare(ledger, "SELECT bytes FROM hello WHERE id = ?1");
    stage->service = service_new(config_str(config, PARAM_gatepost_listen), config, NULL, diag);
    if (stage->query == NULL || stage->service == NULL)
        return false;
    stage->credentials = tls_rehearsal_credentials(config, stage->service->names, diag);
    return stage->credentials != NULL &&
           service_set_credentials(stage->service, stage->credentials, diag) == 0;
}

void stage_end(struct stage *stage)
{
    service_free(stage->service);
    tls_rehearsal_credentials_free(stage->credentials);
    sqlite3_finalize(stage->query);
    for (size_t i = 0; i < stage->results->different_count; i++)
        free(stage->results->different[i]);
    free(stage->results->different);
    free(stage->results->slots);
    free(stage->results);
    *stage = (struct stage){0};
}

/* The number of a rehearsal of HELLO with CONTEXT; 0: its bytes are not in the ledger. */
static uint32_t perform(struct stage *stage, struct tls_context *context, int64_t hello)
{
    struct tls_rehearsal rehearsal;
    uint32_t number = 0;

    sqlite3_bind_int64(stage->query, 1, hello);
    if (ledger_read_next(stage->ledger, stage->query)) {
        struct observation_text bytes = ledger_read_text(stage->query, 0);
        if (bytes.length > 0) {
            tls_rehearse(context, (const uint8_t *)bytes.bytes, bytes.length, stage->label,
                         &rehearsal);
            number = keep(stage->results, &rehearsal);
        }
    }
    sqlite3_reset(stage->query);
    return number;
}

const struct tls_rehearsal *stage_rehearse(struct stage *stage, struct tls_context *context,
                                           unsigned number, int64_t hello)
{
    struct stage_results *results = stage->results;

    if (hello <= 0)
        return NULL;
    struct stage_slot *slot = find_slot(results, (uint64_t)hello, number);
    if (slot->hello == 0) {
        if (4 * results->used >= 3 * results->size) {
            grow(results);
            slot = find_slot(results, (uint64_t)hello, number);
        }
        results->used++;
        *slot = (struct stage_slot){.hello = (uint64_t)hello,
                                    .context = number,
                                    .rehearsal = perform(stage, context, hello)};
    }
    return slot->rehearsal != 0 ? results->different[slot->rehearsal - 1] : NULL;
}

/* ---- fates ---- */

/* The address as the policy table wants it: of an aggregate, its first. */
static struct client_address address_of(const struct prefix *prefix)
{
    struct client_address address = {.family = prefix->ipv6 ? AF_INET6 : AF_INET};

    for (int i = 0; i < (prefix->ipv6 ? 16 : 4); i++) {
        uint64_t half = i < 8 ? prefix->address.high : prefix->address.low;
        address.bytes[i] = (uint8_t)(half >> (56 - 8 * (i % 8)));
    }
    return address;
}

const struct tls_rule *stage_rule(const struct stage *stage, const struct walked_peer *peer,
                                  struct policy_match *match)
{
    const struct client_address address = address_of(&peer->prefix);

    return service_rule(stage->service, &address, time(NULL), match);
}

struct fate stage_cleartext(const struct stage *stage, const struct tls_rule *rule)
{
    if (rule->reject)
        return (struct fate){.kind = FATE_REJECTED};
    if (stage->service->wrappermode || rule->policy->level == TLS_LEVEL_ENCRYPT)
        return (struct fate){.kind = FATE_REFUSED};
    return (struct fate){.kind = FATE_CLEARTEXT};
}

static bool text_is(struct observation_text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

/* Is PEER's fingerprint one of LIST, "|" between them? */
static bool fingerprint_matches(const struct walked_peer *peer, const char *list)
{
    struct observation_text own = peer->ccert_fingerprint;

    for (const char *at = list; own.length > 0 && *at != '\0';) {
        size_t length = strcspn(at, "|");
        if (length == own.length && strncasecmp(at, own.bytes, length) == 0)
            return true;
        at += length + (at[length] == '|' ? 1 : 0);
    }
    return false;
}

/* Has PEER shown the certificate that POLICY demands? */
static bool ccert_suffices(const struct tls_policy *policy, const struct walked_peer *peer)
{
    if (policy->match != NULL && *policy->match != '\0')
        return fingerprint_matches(peer, policy->match);
    return !policy->require_ccert || text_is(peer->ccert_status, "Trusted");
}

/* Each rule's own number. */
static unsigned rule_number(const struct stage *stage, const struct tls_rule *rule)
{
    return rule == &stage->service->main ? 0 : 1 + (unsigned)(rule - stage->service->rules);
}

struct fate stage_hello(struct stage *stage, const struct tls_rule *rule,
                        const struct walked_peer *peer, int64_t hello)
{
    if (rule->reject)
        return (struct fate){.kind = FATE_REJECTED};
    if (rule->tls == NULL)
        return stage_cleartext(stage, rule);
    struct fate fate = {.tls = stage_rehearse(stage, rule->tls, rule_number(stage, rule), hello)};
    fate.kind = fate.tls == NULL                     ? FATE_UNKNOWN
                : !fate.tls->good                    ? FATE_FAILED
                : ccert_suffices(rule->policy, peer) ? FATE_TLS
                                                     : FATE_CCERT;
    return fate;
}

bool fate_delivers(const struct fate *fate)
{
    return fate->kind == FATE_TLS || fate->kind == FATE_CLEARTEXT;
}

bool fate_same(const struct fate *left, const struct fate *right)
{
    if (left->kind != right->kind)
        return false;
    return left->tls == right->tls ||
           (left->tls != NULL && right->tls != NULL && tls_rehearsal_same(left->tls, right->tls));
}

const char *fate_reason(const struct fate *fate)
{
    const struct tls_rehearsal *tls = fate->tls;

    return tls->words.kind != TLS_FAILURE_NONE ? tls->words.text : tls->reason;
}

const char *fate_text(const struct fate *fate, char out[FATE_TEXT_MAX])
{
    const struct tls_rehearsal *tls = fate->tls;

    switch (fate->kind) {
    case FATE_TLS:
        snprintf(out, FATE_TEXT_MAX, "%s %s%s%s, %s", tls->protocol, tls->cipher,
                 *tls->group != '\0' ? " " : "", tls->group, tls->chain);
        break;
    case FATE_CLEARTEXT:
        snprintf(out, FATE_TEXT_MAX, "cleartext");
        break;
    case FATE_FAILED:
        snprintf(out, FATE_TEXT_MAX, "handshake fails: %s", fate_reason(fate));
        break;
    case FATE_REFUSED:
        snprintf(out, FATE_TEXT_MAX, "refused: TLS is required");
        break;
    case FATE_CCERT:
        snprintf(out, FATE_TEXT_MAX,
                 "refused: a client certificate is required that it has not shown");
        break;
    case FATE_REJECTED:
        snprintf(out, FATE_TEXT_MAX, "rejected by the policy");
        break;
    case FATE_UNKNOWN:
        snprintf(out, FATE_TEXT_MAX, "unknown: its ClientHello was not recorded");
        break;
    }
    return out;
}
