#include "proxy/stage.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool stage_begin(struct stage *stage, const char *label, const struct config *config,
                 const struct stage *twin, struct ledger_read *ledger, struct diag *diag)
{
    *stage = (struct stage){.rehearsals = rehearsals_new(ledger, label)};
    stage->service = service_new(config_str(config, PARAM_gatepost_listen), config,
                                 twin != NULL ? twin->service : NULL, diag);
    if (stage->rehearsals == NULL || stage->service == NULL)
        return false;
    stage->credentials = tls_rehearsal_credentials(config, stage->service->names, diag);
    return stage->credentials != NULL &&
           service_set_credentials(stage->service, stage->credentials, diag) == 0;
}

void stage_end(struct stage *stage)
{
    service_free(stage->service);
    tls_rehearsal_credentials_free(stage->credentials);
    rehearsals_free(stage->rehearsals);
    *stage = (struct stage){0};
}

const struct tls_rehearsal *stage_rehearse(struct stage *stage, struct tls_context *context,
                                           unsigned number, int64_t hello)
{
    return rehearsals_get(stage->rehearsals, context, number, hello);
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

void stage_expect(struct stage *stage, const struct tls_rule *rule, int64_t hello)
{
    if (rule->tls != NULL)
        rehearsals_expect(stage->rehearsals, rule->tls, rule_number(stage, rule), hello);
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
