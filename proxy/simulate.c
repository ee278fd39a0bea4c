#include "proxy/simulate.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "policy/diag_once.h"

#include "proxy/simulate_findings.h"
#include "proxy/stages.h"

#define PLACE_MAX 1024
#define HELO_MAX 256

/* The whole play. */
struct simulation {
    struct stages present;
    struct stages proposed;
    struct findings findings;
    bool all; /* also what does not change */
};

/* What would hold on one listener for the peer that is being looked at. */
struct scene {
    struct stage *present_stage, *proposed_stage;
    const struct tls_rule *present, *proposed;
    char place[PLACE_MAX]; /* of PROPOSED; "": the main configuration */
    char helo[HELO_MAX];
    int64_t listener;
    bool apart; /* the listener has parameters of its own, in one configuration or in both */
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
                  const struct scene *scene, const struct fate *before, const struct fate *after,
                  bool used, int64_t sessions, int64_t messages)
{
    bool now = fate_delivers(before) || (before->kind == FATE_UNKNOWN && used);
    bool then = fate_delivers(after);
    struct finding finding = {.prefix = peer->prefix,
                              .before = *before,
                              .after = *after,
                              .place = scene->place,
                              .helo = scene->helo,
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

/* Where PEER stands on LISTENER. */
static void set_scene(struct simulation *simulation, const struct walked_peer *peer,
                      int64_t listener, struct scene *scene)
{
    const char *present_name, *name;
    struct policy_match match;

    scene->listener = listener;
    scene->present_stage = stages_find(&simulation->present, listener, &present_name);
    scene->proposed_stage = stages_find(&simulation->proposed, listener, &name);
    scene->apart = present_name != NULL || name != NULL;
    scene->present = stage_rule(scene->present_stage, peer, &match);
    scene->proposed = stage_rule(scene->proposed_stage, peer, &match);
    scene->place[0] = '\0';
    if (match.line != 0)
        snprintf(scene->place, sizeof(scene->place), "%s, line %u", match.file, match.line);
    if (name != NULL) {
        size_t length = strlen(scene->place);
        snprintf(scene->place + length, sizeof(scene->place) - length, "%s of the listener %s",
                 length == 0 ? "main configuration" : "", name);
    }
}

/* SESSIONS without TLS. */
static void weigh_cleartext(struct simulation *simulation, const struct walked_peer *peer,
                            const struct scene *scene, int64_t sessions, int64_t messages)
{
    if (sessions <= 0)
        return;
    const struct fate before = stage_cleartext(scene->present_stage, scene->present);
    const struct fate after = stage_cleartext(scene->proposed_stage, scene->proposed);
    weigh(simulation, peer, scene, &before, &after, true, sessions, messages);
}

/* What PEER sends without TLS: on listeners that stand apart, and the rest on the others. */
static void try_cleartext(struct simulation *simulation, const struct walked_peer *peer,
                          struct scene *scene)
{
    int64_t sessions = peer->cleartext_sessions, messages = peer->cleartext_messages;

    for (size_t i = 0; i < peer->cleartext_count; i++) {
        const struct walked_cleartext *part = &peer->cleartexts[i];
        set_scene(simulation, peer, part->listener, scene);
        if (!scene->apart)
            continue;
        weigh_cleartext(simulation, peer, scene, part->sessions, part->messages);
        sessions -= part->sessions;
        messages -= part->messages;
    }
    if (sessions > 0)
        set_scene(simulation, peer, 0, scene);
    weigh_cleartext(simulation, peer, scene, sessions, messages);
}

/* One of its hellos. Returns whether it is refused already, and was not always. */
static bool try_hello(struct simulation *simulation, const struct walked_peer *peer,
                      const struct scene *scene, const struct walked_hello *hello)
{
    const struct fate before = stage_hello(scene->present_stage, scene->present, peer, hello->id);
    const struct fate after = stage_hello(scene->proposed_stage, scene->proposed, peer, hello->id);

    if (before.kind == FATE_UNKNOWN)
        simulation->findings.unknown++;
    if (after.kind == FATE_UNKNOWN)
        return false;
    weigh(simulation, peer, scene, &before, &after, hello->established > 0,
          hello->established + hello->failed, hello->messages);
    return hello->established > 0 && before.kind != FATE_UNKNOWN && !fate_delivers(&before);
}

/* The scene for HELLO, if it is not set already. */
static void set_hello_scene(struct simulation *simulation, const struct walked_peer *peer,
                            size_t number, struct scene *scene)
{
    if (number == 0 || scene->listener != peer->hellos[number].listener)
        set_scene(simulation, peer, peer->hellos[number].listener, scene);
}

static void expect_peer(void *ctx, const struct walked_peer *peer)
{
    struct simulation *simulation = ctx;
    struct scene scene;

    for (size_t i = 0; i < peer->hello_count; i++) {
        set_hello_scene(simulation, peer, i, &scene);
        stage_expect(scene.present_stage, scene.present, peer->hellos[i].id);
        stage_expect(scene.proposed_stage, scene.proposed, peer->hellos[i].id);
    }
}

static void try_peer(void *ctx, const struct walked_peer *peer)
{
    struct simulation *simulation = ctx;
    struct scene scene;
    bool refused = false;

    simulation->findings.peers++;
    simulation->findings.sessions += (uint64_t)peer->sessions;
    simulation->findings.messages += (uint64_t)peer->messages;
    show_helo(peer->helo, scene.helo);
    if (peer->cleartext_sessions > 0)
        try_cleartext(simulation, peer, &scene);
    for (size_t i = 0; i < peer->hello_count; i++) {
        set_hello_scene(simulation, peer, i, &scene);
        refused = try_hello(simulation, peer, &scene, &peer->hellos[i]) || refused;
    }
    simulation->findings.refused_already += refused ? 1 : 0;
}

/* A listener with parameters of its own whose name the proposed configuration does not have. */
static void warn_of_listeners(const struct simulation *simulation, struct diag *diag)
{
    const struct stages *present = &simulation->present;

    for (size_t i = 0; i < present->own_count; i++)
        if (!stages_listen(&simulation->proposed, present->own[i].name))
            diag_warning(diag,
                         "the listener %s, which has parameters of its own, is not in the proposed "
                         "configuration: its clients are taken to come to the main part",
                         present->own[i].name);
}

/* Both stages; what both configurations have to say is said once. */
static bool begin(struct simulation *simulation, const struct simulate_question *question,
                  struct ledger_read *ledger, struct diag *diag)
{
    struct diag_once once;

    diag_once_begin(&once, diag);
    bool present =
        stages_begin(&simulation->present, "present", question->present, ledger, &once.diag);
    bool proposed =
        stages_begin(&simulation->proposed, "proposed", question->proposed, ledger, &once.diag);
    if (present && proposed)
        warn_of_listeners(simulation, &once.diag);
    diag_once_end(&once);
    return present && proposed;
}

/* All peers: what will be asked first, so that it can be answered by all processors. */
static bool walk(struct simulation *simulation, struct ledger_read *ledger)
{
    if (!peer_walk(ledger, expect_peer, simulation))
        return false;
    stages_perform(&simulation->present);
    stages_perform(&simulation->proposed);
    return peer_walk(ledger, try_peer, simulation);
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
        if (walk(&simulation, ledger)) {
            findings_sort(&simulation.findings);
            if (question->json)
                findings_print_json(&simulation.findings, out);
            else
                findings_print(&simulation.findings, question->all, out);
            status = findings_harm(&simulation.findings) ? 1 : 0;
        }
    }
    findings_free(&simulation.findings);
    stages_end(&simulation.present);
    stages_end(&simulation.proposed);
    ledger_read_close(ledger);
    return status;
}
