#include "proxy/tlsa_command.h"

#include <stdbool.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* What COUNT offers and chains before have the same record. */
static bool is_printed(const struct tls_tlsa_list *chains, size_t count, const char *hex)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(chains->chains[i].hex, hex) == 0)
            return true;
    return false;
}

/* TEXT in a comment of a zone file. */
static void print_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        putc(*text >= ' ' && *text <= '~' ? *text : '?', out);
}

/* The comment about CHAIN. */
static void print_about(const struct tls_inventory_chain *about, const char *when, FILE *out)
{
    char date[32] = "an unknown date";
    struct tm tm;

    if (gmtime_r(&about->not_after, &tm) != NULL)
        strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    fprintf(out, "; %s: %s, ", when, about->key);
    print_text(about->subject, out);
    fprintf(out, ", until %s", date);
    if (about->file[0] != '\0') {
        fputs(", ", out);
        print_text(about->file, out);
    }
    putc('\n', out);
}

/* CHAIN's record; all that stand below a name have no name of their own here. */
static void print_record(const struct dane_offer *offer, const struct tls_tlsa_chain *chain,
                         FILE *out)
{
    bool below = offer->name[0] == '.';

    fprintf(out, "%s_%u._tcp.%s%s. IN TLSA 3 1 1 %s\n", below ? "; " : "", offer->port,
            below ? "NAME" : "", offer->name, chain->hex);
}

/* All records for OFFER. */
static void print_offer(const struct dane_offer *offer, const struct tls_tlsa_list *coming,
                        FILE *out)
{
    const struct tls_tlsa_list *present = &offer->chains;

    fprintf(out, "\n; %s%s, port %u\n", offer->name[0] == '.' ? "each NAME below " : "",
            offer->name + (offer->name[0] == '.'), offer->port);
    if (present->count == 0) {
        fputs("; There is no TLS: publish nothing here, or DANE senders cannot deliver.\n", out);
        return;
    }
    for (size_t i = 0; i < present->count; i++) {
        print_about(&present->chains[i].about, "present", out);
        if (!is_printed(present, i, present->chains[i].hex))
            print_record(offer, &present->chains[i], out);
    }
    for (size_t i = 0; i < coming->count; i++) {
        print_about(&coming->chains[i].about, "coming", out);
        if (is_printed(present, present->count, coming->chains[i].hex))
            fputs("; It has the key of a present one, whose record stays.\n", out);
        else if (!is_printed(coming, i, coming->chains[i].hex))
            print_record(offer, &coming->chains[i], out);
    }
}

int tlsa_command(const struct config *config, const struct dane_question *question,
                 const char *const *next, size_t next_count, FILE *out, struct diag *diag)
{
    struct tls_tlsa_list coming = {0};
    struct dane_offers offers = {0};
    int status = 0;

    for (size_t i = 0; i < next_count; i++)
        status |= tls_tlsa_read(next[i], &coming, diag);
    status |= dane_offers_load(config, question, &offers, diag);
    fputs(
        "; TLSA records for the certificates that gatepost shows, \"3 1 1\": the SHA-256 of each\n"
        "; one's public key (RFC 7672). For a zone that is signed with DNSSEC. Publish all of a\n"
        "; name: a client gets the certificate that it can use, and its record must be there.\n",
        out);
    if (next_count > 0)
        fputs("; Publish those of a coming certificate before it is installed, for twice the TTL,\n"
              "; and remove those of the former one only after that (RFC 7671 section 8.1).\n",
              out);
    for (size_t i = 0; status == 0 && i < offers.count; i++)
        print_offer(&offers.items[i], &coming, out);
    dane_offers_free(&offers);
    tls_tlsa_list_free(&coming);
    return status == 0 ? EX_OK : EX_CONFIG;
}
