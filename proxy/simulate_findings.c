#include "proxy/simulate_findings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/json.h"

#define SHORT_LIST 5     /* needs no summary */
#define OUTCOMES_MAX 256 /* different ones that are told apart in a summary */
#define OUTCOMES_SHOWN 12
#define LISTED_MAX 50 /* of those that get through otherwise, unless all are wanted */

static const struct {
    const char *name;  /* JSON */
    const char *title; /* text */
} changes[CHANGE_COUNT] = {
    [CHANGE_LOST] = {"lost", "Would be lost"},
    [CHANGE_GAINED] = {"gained", "Would get through, and do not today"},
    [CHANGE_OTHER] = {"changed", "Would get through otherwise"},
    [CHANGE_NONE] = {"same", "Would stay as they are"},
};

/* A copy of TEXT that lives as long as FINDINGS; runs of peers often share one. */
static const char *keep_text(struct findings *findings, const char *text)
{
    size_t recent = findings->text_count;

    if (recent > 8)
        recent = 8;
    if (text == NULL || *text == '\0')
        return NULL;
    for (size_t i = 0; i < recent; i++) {
        const char *known = findings->texts[findings->text_count - 1 - i];
        if (strcmp(known, text) == 0)
            return known;
    }
    if (findings->text_count == findings->text_capacity) {
        findings->text_capacity = 2 * findings->text_capacity + 64;
        findings->texts =
            text_resize(findings->texts, findings->text_capacity, sizeof(*findings->texts));
    }
    findings->texts[findings->text_count] = text_copy(text);
    return findings->texts[findings->text_count++];
}

static bool same_peer(const struct prefix *left, const struct prefix *right)
{
    return left->ipv6 == right->ipv6 && left->length == right->length &&
           left->address.high == right->address.high && left->address.low == right->address.low;
}

static bool same_place(const struct finding *left, const struct finding *right)
{
    return strcmp(left->place != NULL ? left->place : "",
                  right->place != NULL ? right->place : "") == 0;
}

void findings_add(struct findings *findings, const struct finding *finding)
{
    for (size_t i = findings->count; i > 0; i--) {
        struct finding *other = &findings->list[i - 1];
        if (!same_peer(&other->prefix, &finding->prefix))
            break;
        if (other->change == finding->change && same_place(other, finding) &&
            fate_same(&other->before, &finding->before) &&
            fate_same(&other->after, &finding->after)) {
            other->sessions += finding->sessions;
            other->messages += finding->messages;
            return;
        }
    }
    if (findings->count == findings->capacity) {
        findings->capacity = 2 * findings->capacity + 64;
        findings->list = text_resize(findings->list, findings->capacity, sizeof(*findings->list));
    }
    struct finding *added = &findings->list[findings->count++];
    *added = *finding;
    added->place = keep_text(findings, finding->place);
    added->helo = keep_text(findings, finding->helo);
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->text_count; i++)
        free(findings->texts[i]);
    free(findings->texts);
    free(findings->list);
    *findings = (struct findings){0};
}

bool findings_harm(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->list[i].change == CHANGE_LOST && findings->list[i].messages > 0)
            return true;
    return false;
}

static int compare_numbers(int64_t left, int64_t right)
{
    return left < right ? -1 : left > right ? 1 : 0;
}

static int compare_halves(uint64_t left, uint64_t right)
{
    return left < right ? -1 : left > right ? 1 : 0;
}

static int compare(const void *left_pointer, const void *right_pointer)
{
    const struct finding *left = left_pointer, *right = right_pointer;
    int order = compare_numbers(left->change, right->change);

    if (order == 0)
        order = compare_numbers(right->messages, left->messages);
    if (order == 0)
        order = compare_numbers(right->sessions, left->sessions);
    if (order == 0)
        order = left->prefix.ipv6 - right->prefix.ipv6;
    if (order == 0)
        order = compare_halves(left->prefix.address.high, right->prefix.address.high);
    return order != 0 ? order : compare_halves(left->prefix.address.low, right->prefix.address.low);
}

void findings_sort(struct findings *findings)
{
    if (findings->count > 0)
        qsort(findings->list, findings->count, sizeof(*findings->list), compare);
}

/* "192.0.2.1", "192.0.2.0/24". Returns OUT. */
static const char *peer_text(const struct prefix *prefix, char out[PREFIX_TEXT_SIZE])
{
    prefix_format(prefix, out);
    if (prefix->length == (prefix->ipv6 ? 128 : 32))
        *strchr(out, '/') = '\0';
    return out;
}

static void print_finding(const struct finding *finding, FILE *out)
{
    char peer[PREFIX_TEXT_SIZE], before[FATE_TEXT_MAX], after[FATE_TEXT_MAX];

    fprintf(out,
            "  %s%s%s, %" PRId64 " messages, %" PRId64 " sessions\n      now   %s\n      then  %s",
            peer_text(&finding->prefix, peer), finding->helo != NULL ? " " : "",
            finding->helo != NULL ? finding->helo : "", finding->messages, finding->sessions,
            fate_text(&finding->before, before), fate_text(&finding->after, after));
    fprintf(out, " (%s)\n", finding->place != NULL ? finding->place : "main configuration");
}

/* What several peers would come to. */
struct outcome {
    const struct fate *fate;
    size_t peers;
    int64_t messages;
};

static int compare_outcomes(const void *left_pointer, const void *right_pointer)
{
    const struct outcome *left = left_pointer, *right = right_pointer;
    int order = compare_numbers(right->messages, left->messages);

    return order != 0 ? order : compare_numbers((int64_t)right->peers, (int64_t)left->peers);
}

/* A long list of one kind begins with what it comes to, those with most messages first. */
static void print_outcomes(const struct findings *findings, enum change change, FILE *out)
{
    struct outcome outcomes[OUTCOMES_MAX] = {{0}};
    size_t count = 0;
    char text[FATE_TEXT_MAX];

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        size_t at = 0;
        if (finding->change != change)
            continue;
        while (at < count && !fate_same(outcomes[at].fate, &finding->after))
            at++;
        if (at == OUTCOMES_MAX)
            continue;
        if (at == count)
            outcomes[count++] = (struct outcome){.fate = &finding->after};
        outcomes[at].peers++;
        outcomes[at].messages += finding->messages;
    }
    qsort(outcomes, count, sizeof(outcomes[0]), compare_outcomes);
    for (size_t i = 0; i < count && i < OUTCOMES_SHOWN; i++)
        fprintf(out, "  %7zu, with %" PRId64 " messages: %s\n", outcomes[i].peers,
                outcomes[i].messages, fate_text(outcomes[i].fate, text));
    if (count > OUTCOMES_SHOWN)
        fprintf(out, "  and others\n");
    fputc('\n', out);
}

/* All of one kind. They stand together. */
static void print_change(const struct findings *findings, enum change change, size_t limit,
                         FILE *out)
{
    size_t count = 0;
    int64_t messages = 0, sessions = 0;

    for (size_t i = 0; i < findings->count; i++) {
        if (findings->list[i].change != change)
            continue;
        count++;
        messages += findings->list[i].messages;
        sessions += findings->list[i].sessions;
    }
    if (count == 0)
        return;
    fprintf(out, "%s: %zu, with %" PRId64 " messages in %" PRId64 " sessions\n",
            changes[change].title, count, messages, sessions);
    if (count > SHORT_LIST)
        print_outcomes(findings, change, out);
    size_t shown = 0;
    for (size_t i = 0; i < findings->count && shown < limit; i++)
        if (findings->list[i].change == change) {
            print_finding(&findings->list[i], out);
            shown++;
        }
    if (shown < count)
        fprintf(out, "  and %zu more (--all lists them)\n", count - shown);
    fputc('\n', out);
}

void findings_print(const struct findings *findings, bool all, FILE *out)
{
    for (int change = 0; change < CHANGE_COUNT; change++)
        print_change(findings, (enum change)change,
                     all || change == CHANGE_LOST ? SIZE_MAX : LISTED_MAX, out);
    fprintf(out, "%" PRIu64 " peers, %" PRIu64 " sessions, %" PRIu64 " messages in the ledger\n",
            findings->peers, findings->sessions, findings->messages);
    if (findings->refused_already > 0)
        fprintf(out,
                "%" PRIu64 " peers got through once with what the present configuration refuses "
                "already\n",
                findings->refused_already);
    if (findings->unknown > 0)
        fprintf(out,
                "%" PRIu64 " ClientHellos of peers were not recorded: nothing is known of them\n",
                findings->unknown);
    if (!findings_harm(findings))
        fprintf(out, "nobody who delivers today would be lost\n");
}

/* What becomes of a session, as an object. */
static void json_fate(struct json *json, const char *name, const struct fate *fate)
{
    char text[FATE_TEXT_MAX];

    json_object(json, name);
    json_bool(json, "delivers", fate_delivers(fate));
    json_string(json, "text", fate_text(fate, text));
    if (fate->kind == FATE_TLS) {
        json_string(json, "protocol", fate->tls->protocol);
        json_string(json, "cipher", fate->tls->cipher);
        json_string(json, "group", fate->tls->group);
        json_string(json, "chain", fate->tls->chain);
    } else if (fate->kind == FATE_FAILED) {
        json_string(json, "kind", tls_failure_name(fate->tls->words.kind));
        json_string(json, "reason", fate_reason(fate));
        json_string(json, "library", fate->tls->reason);
    }
    json_end_object(json);
}

void findings_print_json(const struct findings *findings, FILE *out)
{
    struct json json = {.out = out};
    char peer[PREFIX_TEXT_SIZE];

    json_object(&json, NULL);
    json_number(&json, "peers", (long long)findings->peers);
    json_number(&json, "sessions", (long long)findings->sessions);
    json_number(&json, "messages", (long long)findings->messages);
    json_number(&json, "refused_already", (long long)findings->refused_already);
    json_number(&json, "unknown", (long long)findings->unknown);
    json_bool(&json, "harm", findings_harm(findings));
    json_array(&json, "findings");
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        json_object(&json, NULL);
        json_string(&json, "peer", peer_text(&finding->prefix, peer));
        json_string(&json, "helo", finding->helo);
        json_string(&json, "change", changes[finding->change].name);
        json_number(&json, "messages", finding->messages);
        json_number(&json, "sessions", finding->sessions);
        json_string(&json, "policy",
                    finding->place != NULL ? finding->place : "main configuration");
        json_fate(&json, "now", &finding->before);
        json_fate(&json, "then", &finding->after);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}
