/* One row a peer, and the names of the columns first. Times are unix seconds. */
#include <string.h>

#include "policy/text.h"

#include "proxy/report_escape.h"
#include "proxy/report_write.h"

/* The different words at INDEX of ROWS, separated by blanks, in one field. */
static void put_words(FILE *out, const struct report_peer_rows *rows, int index)
{
    struct text words = {0};

    for (size_t i = 0; i < rows->count; i++) {
        const char *word = rows->rows[i].words[index];
        bool known = word == NULL;
        for (size_t j = 0; j < i && !known; j++)
            known =
                rows->rows[j].words[index] != NULL && strcmp(word, rows->rows[j].words[index]) == 0;
        if (known)
            continue;
        if (words.length > 0)
            text_add_char(&words, ' ');
        text_add_string(&words, word);
    }
    fputc(',', out);
    report_escape_csv(out, words.data != NULL ? words.data : "");
    text_free(&words);
}

/* A word of the first of ROWS. */
static void put_first(FILE *out, const struct report_peer_rows *rows, int index)
{
    const char *word = rows->count > 0 ? rows->rows[0].words[index] : NULL;

    fputc(',', out);
    report_escape_csv(out, word != NULL ? word : "");
}

static void put_peer(void *ctx, const struct report_peer *peer)
{
    FILE *out = ctx;

    report_escape_csv(out, peer->address);
#define PUT_NUMBER(field) fprintf(out, ",%lld", (long long)peer->field);
    REPORT_PEER_NUMBERS(PUT_NUMBER)
#undef PUT_NUMBER
#define PUT_TEXT(field)                                                                            \
    fputc(',', out);                                                                               \
    report_escape_csv(out, peer->field != NULL ? peer->field : "");
    REPORT_PEER_TEXTS(PUT_TEXT)
#undef PUT_TEXT
    put_words(out, &peer->tls, 0);
    put_words(out, &peer->tls, 1);
    put_words(out, &peer->tls, 2);
    put_first(out, &peer->failures, 0);
    put_first(out, &peer->failures, 1);
    put_first(out, &peer->policies, 0);
    put_first(out, &peer->policies, 1);
    put_first(out, &peer->policies, 2);
    fprintf(out, ",%lld,%lld,%lld,%lld\r\n", (long long)peer->chances.begun,
            (long long)peer->chances.sessions, (long long)peer->chances.established,
            (long long)peer->chances.last);
}

bool report_csv_write(const struct report_view *view)
{
#define PUT_NAME(field) "," #field
    fputs("address" REPORT_PEER_NUMBERS(PUT_NAME) REPORT_PEER_TEXTS(
              PUT_NAME) ",protocols,ciphers,"
                        "groups,last_failure_kind,last_failure,policy,policy_level,policy_line,"
                        "second_chances,second_chance_sessions,second_chance_established,"
                        "second_chance_last\r\n",
          view->out);
#undef PUT_NAME
    const struct report_options *options = view->options;
    enum report_order order = options->limit > 0 ? report_view_order(view) : REPORT_BY_ADDRESS;
    return report_peers(view->read, options->filter.since, order, options->limit, put_peer,
                        view->out);
}
