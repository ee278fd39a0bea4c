#include "proxy/simulate.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "policy/diag_once.h"

#include "proxy/simulate_findings.h"

#define PLACE_MAX 1024
#define HELO_MAX 256

/* The whole play. */
struct simulation {
    struct stage present;
    struct stage proposed;
    struct findings findings;
    bool all; /* also what does not change */
};

/* Both rules for the peer that is being looked at. */
struct rules {
    const struct tls_rule *present;
    const struct tls_rule *proposed;
    char place[PLACE_MAX]; /* of PROPOSED; "": the main configuration */
    char helo[HELO_MAX];
};

/* A client's word for itself, fit to be shown. */
static void show_helo(struct observation_text helo, char out[HELO_MAX])
{
    size_t length = helo.length;

    if (length > HELO_MAX - 1)
        length = HELO_MAX - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = helo.bytes[i] > ' ' && helo.bytes[i] < 0x7f ? helo.bytes[i] : '?';
    out[length] = '\0';
}

/* Sessions that had the fate BEFORE, USED of them successfully, would have AFTER. */
static void weigh(struct simulation *simulation, const struct walked_peer *peer,
                  const struct rules *rules, const struct fate *before, const struct fate *after,
                  bool used, int64_t sessions, int64_t messages)
{
    bool now = fate_delivers(before) || (before->kind == FATE_UNKNOWN && used);
    bool then = fate_delivers(after);
    struct finding finding = {.prefix = peer->prefix,
                              .before = *before,
                              .after = *after,
                              .place = rules->place,
                              .helo = rules->helo,
                              .sessions = sessions,
                              .messages = messages};

    if (now && !used && !simulation->all)
        return; /* the server agreed, and the client did not: nothing here decides that */
    if (now && used && !then)
        finding.change = CHANGE_LOST;
    else if (!now && then)
        finding.change = CHANGE_GAINED;
    else if (now && used && !fate_same(before, after))
        finding.change = CHANGE_OTHER;
    else if (simulation->all)
        finding.change = CHANGE_NONE;
    else
        return;
    findings_add(&simulation->findings, &finding);
}

/* What PEER sends without TLS. */
static void try_cleartext(struct simulation *simulation, const struct walked_peer *peer,
                          const struct rules *rules)
{
    if (peer->cleartext_sessions == 0)
        return;
    const struct fate before = stage_cleartext(&simulation->present, rules->present);
    const struct fate after = stage_cleartext(&simulation->proposed, rules->proposed);
    weigh(simulation, peer, rules, &before, &after, true, peer->cleartext_sessions,
          peer->cleartext_messages);
}

/* One of its hellos. Returns whether it is refused already, and was not always. */
static bool try_hello(struct simulation *simulation, const struct walked_peer *peer,
                      const struct rules *rules, const struct walked_hello *hello)
{
    const struct fate before = stage_hello(&simulation->present, rules->present, peer, hello->id);
    const struct fate after = stage_hello(&simulation->proposed, rules->proposed, peer, hello->id);

    if (before.kind == FATE_UNKNOWN)
        simulation->findings.unknown++;
    if (after.kind == FATE_UNKNOWN)
        return false;
    weigh(simulation, peer, rules, &before, &after, hello->established > 0,
          hello->established + hello->failed, hello->messages);
    return hello->established > 0 && before.kind != FATE_UNKNOWN && !fate_delivers(&before);
}

static void try_peer(void *ctx, const struct walked_peer *peer)
{
    struct simulation *simulation = ctx;
    struct policy_match match;
    struct rules rules = {.place = ""};
    bool refused = false;

    simulation->findings.peers++;
    simulation->findings.sessions += (uint64_t)peer->sessions;
    simulation->findings.messages += (uint64_t)peer->messages;
    rules.present = stage_rule(&simulation->present, peer, &match);
    rules.proposed = stage_rule(&simulation->proposed, peer, &match);
    if (match.line != 0)
        snprintf(rules.place, sizeof(rules.place), "%s, line %u", match.file, match.line);
    show_helo(peer->helo, rules.helo);
    try_cleartext(simulation, peer, &rules);
    for (size_t i = 0; i < peer->hello_count; i++)
        refused = try_hello(simulation, peer, &rules, &peer->hellos[i]) || refused;
    simulation->findings.refused_already += refused ? 1 : 0;
}

/* Both stages; what both configurations have to say is said once. */
static bool begin(struct simulation *simulation, const struct simulate_question *question,
                  struct ledger_read *ledger, struct diag *diag)
{
    struct diag_once once;

    diag_once_begin(&once, diag);
    bool present =
        stage_begin(&simulation->present, "present", question->present, ledger, &once.diag);
    bool proposed =
        stage_begin(&simulation->proposed, "proposed", question->proposed, ledger, &once.diag);
    diag_once_end(&once);
    return present && proposed;
}

int simulate_command(const struct simulate_question *question, FILE *out, struct diag *diag)
{
    struct simulation simulation = {.all = question->all};
    struct ledger_read *ledger = ledger_read_open(question->present, diag);
    int status = EX_CONFIG;

    if (ledger == NULL)
        return EX_NOINPUT;
    if (begin(&simulation, question, ledger, diag)) {
        status = EX_NOINPUT;
        if (peer_walk(ledger, try_peer, &simulation)) {
            findings_sort(&simulation.findings);
            if (question->json)
                findings_print_json(&simulation.findings, out);
            else
                findings_print(&simulation.findings, question->all, out);
            status = findings_harm(&simulation.findings) ? 1 : 0;
        }
    }
    findings_free(&simulation.findings);
    stage_end(&simulation.present);
    stage_end(&simulation.proposed);
    ledger_read_close(ledger);
    return status;
}
