#include "proxy/dane_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#define WHERE_MAX 300
#define RCODE_NO_NAME 3

/* Whether some usable record of ANSWER is about CHAIN. */
static bool is_published(const struct dns_tlsa *answer, const struct tls_tlsa_chain *chain)
{
    for (size_t i = 0; i < answer->count; i++)
        if (tls_tlsa_usable(&answer->records[i]) && tls_tlsa_matches(&answer->records[i], chain))
            return true;
    return false;
}

/* How many chains of LIST are published. */
static size_t count_published(const struct dns_tlsa *answer, const struct tls_tlsa_list *list)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        count += is_published(answer, &list->chains[i]);
    return count;
}

/* Whether RECORD is about one of LIST. */
static bool is_about_one(const struct tls_tlsa_record *record, const struct tls_tlsa_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (tls_tlsa_matches(record, &list->chains[i]))
            return true;
    return false;
}

/* RECORD as it is written in a zone, the end of what is long left out. */
static const char *record_text(const struct tls_tlsa_record *record, char out[128])
{
    int length = snprintf(out, 128, "%u %u %u ", record->usage, record->selector, record->matching);

    for (size_t i = 0; i < record->length && i < 8; i++)
        length += snprintf(out + length, 128 - (size_t)length, "%02X", record->data[i]);
    snprintf(out + length, 128 - (size_t)length, "%s", record->length > 8 ? "..." : "");
    return out;
}

/* Each record: can it be used, and what for? Returns how many can be. */
static size_t compare_records(const char *where, const struct dns_tlsa *answer,
                              const struct tls_tlsa_list *present,
                              const struct tls_tlsa_list *coming, struct diag *diag)
{
    size_t usable = 0;
    char text[128];

    for (size_t i = 0; i < answer->count; i++) {
        const struct tls_tlsa_record *record = &answer->records[i];
        if (!tls_tlsa_usable(record)) {
            diag_warning(diag,
                         "%s: the record %s cannot be used for SMTP (RFC 7672): specify 3 1 1",
                         where, record_text(record, text));
            continue;
        }
        usable++;
        if (!is_about_one(record, present) && !is_about_one(record, coming))
            diag_info(
                diag,
                "%s: the record %s is about no certificate that is known here: of a coming or "
                "former one, or of another host behind this name",
                where, record_text(record, text));
    }
    return usable;
}

/* Certificates that are shown, but have no record. */
static void compare_present(const char *where, const struct dns_tlsa *answer,
                            const struct tls_tlsa_list *present, const struct tls_tlsa_list *coming,
                            struct diag *diag)
{
    size_t published = count_published(answer, present);
    bool early = published == 0 && count_published(answer, coming) > 0;

    for (size_t i = 0; i < present->count; i++) {
        const struct tls_tlsa_chain *chain = &present->chains[i];
        if (is_published(answer, chain))
            diag_info(diag, "%s: the present certificate (%s, %s) is published", where,
                      chain->about.key, chain->about.subject);
        else
            diag_error(
                diag,
                "%s: no record fits the present certificate (%s, %s)%s: senders that do DANE "
                "and get it do not deliver. Publish 3 1 1 %s",
                where, chain->about.key, chain->about.subject,
                early ? ", only the coming one has one" : "", chain->hex);
    }
}

/* Certificates that are to be shown: RFC 7671 section 8.1. The TTL in the zone is not known here: a
 * resolver tells what is left of it. */
static void compare_coming(const char *where, const struct dns_tlsa *answer,
                           const struct tls_tlsa_list *coming, struct diag *diag)
{
    for (size_t i = 0; i < coming->count; i++) {
        const struct tls_tlsa_chain *chain = &coming->chains[i];
        if (is_published(answer, chain))
            diag_info(diag,
                      "%s: the coming certificate (%s, %s) is published: it may be installed when "
                      "twice the TTL has passed since that",
                      where, chain->about.key, chain->about.subject);
        else
            diag_warning(diag,
                         "%s: the coming certificate (%s, %s) is not published yet: add 3 1 1 %s, "
                         "install the certificate when twice the TTL has passed since that, and "
                         "remove the present one's record only then",
                         where, chain->about.key, chain->about.subject, chain->hex);
    }
}

void dane_compare(const char *where, const struct dns_tlsa *answer,
                  const struct tls_tlsa_list *present, const struct tls_tlsa_list *coming,
                  struct diag *diag)
{
    if (answer->rcode != 0 && answer->rcode != RCODE_NO_NAME) {
        diag_error(
            diag,
            "%s: the resolver cannot find out (code %u%s): senders that do DANE cannot either, "
            "and keep the mail",
            where, answer->rcode, answer->rcode == 2 ? ", as with signatures that are wrong" : "");
        return;
    }
    if (answer->count == 0) {
        diag_info(diag, "%s: there are no TLSA records: nobody does DANE with this name", where);
        return;
    }
    if (!answer->secure)
        diag_warning(diag,
                     "%s: the records are not signed with DNSSEC, or the resolver does not verify "
                     "it: senders ignore records that are not signed",
                     where);
    if (answer->more)
        diag_warning(diag, "%s: there are more than %d records; the rest was not looked at", where,
                     DNS_TLSA_RECORDS_MAX);
    if (present->count == 0)
        diag_error(diag, "%s: there are records, but no TLS: senders that do DANE do not deliver",
                   where);
    else if (compare_records(where, answer, present, coming, diag) == 0)
        diag_warning(diag,
                     "%s: none of the records can be used: senders demand TLS, but verify "
                     "nothing",
                     where);
    else
        compare_present(where, answer, present, coming, diag);
    compare_coming(where, answer, coming, diag);
}

/* Ask about OFFER, and compare. */
static void check_offer(const struct dane_offer *offer, const struct tls_tlsa_list *coming,
                        const struct dns_resolver *resolver, struct diag *diag)
{
    struct dns_tlsa *answer = text_alloc(1, sizeof(*answer));
    uint8_t *message = text_alloc(DNS_TLSA_MESSAGE_MAX, 1);
    char where[WHERE_MAX];
    bool local;

    snprintf(where, sizeof(where), "_%u._tcp.%s", offer->port, offer->name);
    const char *error = dns_tlsa_ask(resolver, where, message, answer, &local);
    if (error != NULL)
        diag_warning(diag, "%s: not compared: %s", where, error);
    else
        dane_compare(where, answer, &offer->chains, coming, diag);
    if (error == NULL && answer->secure && !local)
        diag_info(diag,
                  "%s: a resolver on another host says that this is signed; who is between "
                  "could have changed that",
                  where);
    free(message);
    free(answer);
}

void dane_check(const struct config *config, const struct dane_question *question,
                const char *const *next, size_t next_count, const struct dns_resolver *resolver,
                struct diag *diag)
{
    struct tls_tlsa_list coming = {0};
    struct dane_offers offers = {0};
    struct diag quiet = {0};
    bool read = true;

    for (size_t i = 0; i < next_count; i++)
        read = tls_tlsa_read(next[i], &coming, diag) == 0 && read;
    if (dane_offers_load(config, question, &offers, &quiet) != 0)
        diag_error(diag, "--dane: not compared, since the configuration has errors");
    else if (read)
        for (size_t i = 0; i < offers.count; i++)
            check_offer(&offers.items[i], &coming, resolver, diag);
    dane_offers_free(&offers);
    tls_tlsa_list_free(&coming);
}
