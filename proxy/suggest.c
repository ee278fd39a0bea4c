#include "proxy/suggest.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "policy/text.h"

#include "proxy/policy_text.h"
#include "proxy/stages.h"
#include "proxy/suggest_lines.h"
#include "proxy/suggest_search.h"

#define DAY 86400
#define VALID_DAYS 365 /* of a suggested line: long enough to be looked at again */
#define NAME_MAX_SHOWN 64

/* One run. */
struct suggester {
    const struct suggest_question *question;
    struct stages stages;
    struct stage *stage; /* of the main part */
    struct suggest_search *search;
    struct suggest_lines *lines;
    time_t now;
    FILE *out;
    size_t suggested;
    size_t silent;    /* peers that fail with hellos that the server accepts */
    size_t elsewhere; /* failed sessions on listeners with parameters of their own */
    int64_t *failing; /* hellos of the peer that is looked at; owned */
    size_t capacity;
};

/* What a client calls itself, as far as it can stand in a note. */
static void write_name(struct observation_text helo, FILE *out)
{
    for (size_t i = 0; i < helo.length && i < NAME_MAX_SHOWN; i++) {
        unsigned char byte = (unsigned char)helo.bytes[i];
        fputc(byte < 0x80 && (isalnum(byte) || strchr("-._:", byte) != NULL) ? byte : '?', out);
    }
}

/* until= and note= behind a line. */
static void write_rest(const struct suggester *suggester, const struct walked_peer *peer,
                       int64_t failed, const char *what)
{
    char date[POLICY_DATE_MAX];
    FILE *out = suggester->out;

    fprintf(out, " until=%s", policy_date_text(suggester->now + (time_t)VALID_DAYS * DAY, date));
    fprintf(out, " note=\"");
    write_name(peer->helo, out);
    fprintf(out, "%s%s, %" PRId64 " failed sessions, suggested %s\"\n",
            peer->helo.length > 0 ? ", " : "", what, failed,
            policy_date_text(suggester->now, date));
}

/* The line for PEER, whose COUNT hellos failed. */
static void write_suggestion(struct suggester *suggester, const struct walked_peer *peer,
                             const struct tls_rule *rule, const struct policy_match *match,
                             size_t count, int64_t failed)
{
    struct suggestion suggestion =
        suggest_search_find(suggester->search, rule, suggester->failing, count);
    char pattern[PREFIX_TEXT_SIZE], full[PREFIX_TEXT_SIZE], what[128];
    FILE *out = suggester->out;

    prefix_format(&peer->prefix, full);
    snprintf(pattern, sizeof(pattern), "%.*s", (int)strcspn(full, "/"), full);
    if (suggestion.found) {
        snprintf(what, sizeof(what), "%s %s", suggestion.weak->protocol, suggestion.weak->cipher);
    } else {
        suggestion.settings = (struct policy_settings){.level = POLICY_LEVEL_NONE};
        snprintf(what, sizeof(what), "offers nothing that BoringSSL has");
    }
    if (suggestion.found && suggestion.hopeless > 0)
        fprintf(out, "# %s also offers what nothing helps with\n", pattern);
    /* A pattern may stand in the table once. */
    if (match->line != 0 && strcmp(match->prefix, full) == 0)
        fprintf(out, "# instead of %s, line %u:\n#   ", match->file, match->line);
    suggest_write(pattern, &suggestion.settings, out);
    write_rest(suggester, peer, failed, what);
    suggester->suggested++;
}

/* Collect the hellos of PEER that RULE refuses; *FAILED: sessions. Returns how many. */
static size_t collect(struct suggester *suggester, const struct walked_peer *peer,
                      const struct tls_rule *rule, int64_t *failed, bool *silent)
{
    size_t count = 0;
    const char *name;

    if (peer->hello_count > suggester->capacity) {
        suggester->capacity = peer->hello_count;
        suggester->failing =
            text_resize(suggester->failing, suggester->capacity, sizeof(*suggester->failing));
    }
    for (size_t i = 0; i < peer->hello_count; i++) {
        const struct walked_hello *hello = &peer->hellos[i];
        if (hello->failed == 0)
            continue;
        if (stages_find(&suggester->stages, hello->listener, &name) != suggester->stage) {
            suggester->elsewhere += (size_t)hello->failed;
            continue;
        }
        const struct fate fate = stage_hello(suggester->stage, rule, peer, hello->id);
        *silent = *silent || (fate.kind == FATE_TLS && hello->established == 0 &&
                              hello->failed >= suggester->question->min_sessions);
        if (fate.kind != FATE_FAILED)
            continue;
        suggester->failing[count++] = hello->id;
        *failed += hello->failed;
    }
    return count;
}

static void look_at(void *ctx, const struct walked_peer *peer)
{
    struct suggester *suggester = ctx;
    struct policy_match match;
    const struct tls_rule *rule = stage_rule(suggester->stage, peer, &match);
    int64_t failed = 0;
    bool silent = false;

    if (match.line != 0)
        suggest_lines_note(suggester->lines, &match, peer);
    if (rule->tls == NULL || !peer->single)
        return;
    size_t count = collect(suggester, peer, rule, &failed, &silent);
    if (count > 0 && failed >= suggester->question->min_sessions)
        write_suggestion(suggester, peer, rule, &match, count, failed);
    else if (count == 0 && silent)
        suggester->silent++;
}

/* When the ledger was begun; 0: that is not known. */
static int64_t began(struct ledger_read *ledger)
{
    sqlite3_stmt *query =
        ledger_read_prepare(ledger, "SELECT value FROM meta WHERE key = 'created'");
    int64_t when = ledger_read_next(ledger, query) ? sqlite3_column_int64(query, 0) : 0;

    sqlite3_finalize(query);
    return when;
}

/* All peers, and then the table. */
static bool run(struct suggester *suggester, struct ledger_read *ledger)
{
    int64_t cutoff = suggester->now - (int64_t)suggester->question->unused_days * DAY;
    FILE *out = suggester->out;

    suggester->lines = suggest_lines_new(&suggester->stages, cutoff);
    if (!peer_walk(ledger, look_at, suggester))
        return false;
    if (suggester->suggested == 0)
        fprintf(out, "# nobody needs a new line\n");
    if (suggester->silent > 0)
        fprintf(out,
                "# %zu peers fail although their ClientHellos are accepted: see gatepost "
                "report\n",
                suggester->silent);
    if (suggester->elsewhere > 0)
        fprintf(out,
                "# %zu handshakes failed on listeners that have parameters of their own: no line "
                "is suggested for these\n",
                suggester->elsewhere);
    if (policy_table_size(suggester->stage->service->table) == 0)
        return true;
    if (began(ledger) > cutoff)
        fprintf(out,
                "# the ledger has not been kept for %ld days yet: which lines are unused "
                "cannot be told\n",
                suggester->question->unused_days);
    else if (suggest_lines_print(suggester->lines, suggester->search, out) == 0)
        fprintf(out, "# the lines of the present table are all needed\n");
    return true;
}

int suggest_command(const struct config *config, const struct suggest_question *question, FILE *out,
                    struct diag *diag)
{
    struct suggester suggester = {.question = question, .now = time(NULL), .out = out};
    struct ledger_read *ledger = ledger_read_open(config, diag);
    int status = EX_CONFIG;

    if (ledger == NULL)
        return EX_NOINPUT;
    if (stages_begin(&suggester.stages, "present", config, ledger, diag)) {
        suggester.stage = &suggester.stages.main;
        suggester.search = suggest_search_new(config, suggester.stage);
        status = run(&suggester, ledger) ? 0 : EX_NOINPUT;
        suggest_search_free(suggester.search);
        suggest_lines_free(suggester.lines);
    }
    free(suggester.failing);
    stages_end(&suggester.stages);
    ledger_read_close(ledger);
    return status;
}
