#include "proxy/policy_command.h"

#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include "tls/inventory.h"

#include "proxy/chance_report.h"
#include "proxy/json.h"
#include "proxy/policy_text.h"
#include "proxy/service.h"

/* Everything that an answer is made of. */
struct answer {
    const struct policy_question *question;
    const struct tls_rule *rule;
    struct policy_match match;       /* line 0: the main configuration */
    struct tls_inventory *inventory; /* NULL: no TLS for this peer */
    bool has_chances; /* gatepost_second_chance is set, and no line is for this peer */
    long chance;      /* seconds that it has it yet; 0: it has none; -1: nobody knows */
};

/* The demand for a client certificate. */
static const char *ccert_name(const struct tls_policy *policy)
{
    return policy->require_ccert ? "require" : policy->ask_ccert ? "ask" : "no";
}

static const char *version_name(uint16_t version)
{
    static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    return names[version - TLS_VERSION_1_0];
}

/* True if CHAIN is for the server name SNI (NULL: none was asked for). */
static bool chain_applies(const struct tls_inventory_chain *chain, const char *sni)
{
    size_t key = strlen(chain->sni);

    if (sni == NULL || key == 0)
        return key == 0;
    if (chain->sni[0] != '.')
        return strcasecmp(chain->sni, sni) == 0;
    return strlen(sni) > key && strcasecmp(sni + strlen(sni) - key, chain->sni) == 0;
}

/* True if some chain is for the asked name alone; then the chains for all names do not count. */
static bool has_named_chain(const struct tls_inventory *inventory, const char *sni)
{
    for (size_t i = 0; i < inventory->chain_count; i++)
        if (inventory->chains[i].sni[0] != '\0' && chain_applies(&inventory->chains[i], sni))
            return true;
    return false;
}

/* Whether CHAIN would be presented. */
static bool chain_counts(const struct answer *answer, const struct tls_inventory_chain *chain)
{
    const char *sni = answer->question->sni;

    if (has_named_chain(answer->inventory, sni))
        return chain->sni[0] != '\0' && chain_applies(chain, sni);
    return chain->sni[0] == '\0';
}

/* Whether the peer has a second chance. */
static void print_chance(const struct answer *answer, FILE *out)
{
    if (!answer->has_chances)
        return;
    if (answer->chance > 0)
        fprintf(out, "second chance for %ld seconds more\n", answer->chance);
    else
        fprintf(out, "second chance %s\n",
                answer->chance == 0 ? "none" : "not known: the daemon does not answer");
}

static void print_where(const struct answer *answer, FILE *out)
{
    const struct policy_match *match = &answer->match;
    char date[POLICY_DATE_MAX];

    fprintf(out, "address       %s\n", answer->question->address);
    if (match->line == 0) {
        fprintf(out, "line          none, %s holds\n",
                answer->chance > 0 ? "gatepost_second_chance" : "the main configuration");
        print_chance(answer, out);
        return;
    }
    fprintf(out, "line          %s, line %u: %s\n", match->file, match->line, match->prefix);
    if (match->note != NULL)
        fprintf(out, "note          %s\n", match->note);
    if (match->until != 0)
        fprintf(out, "until         %s\n", policy_until_text(match, date));
}

static void print_tls(const struct answer *answer, FILE *out)
{
    const struct tls_inventory *inventory = answer->inventory;
    char date[POLICY_DATE_MAX];

    fprintf(out, "protocols    ");
    for (uint16_t version = inventory->min_version; version <= inventory->max_version; version++)
        fprintf(out, " %s", version_name(version));
    fprintf(out, "\nciphers       in %s order\n",
            inventory->server_preference ? "this" : "the client's");
    for (size_t i = 0; i < inventory->suite_count; i++)
        if (inventory->suites[i].usable)
            fprintf(out, "              %s (%d bits)\n", inventory->suites[i].name,
                    inventory->suites[i].bits);
    fprintf(out, "groups       ");
    for (size_t i = 0; i < inventory->group_count; i++)
        fprintf(out, " %s", inventory->groups[i]);
    fprintf(out, "\n");
    for (size_t i = 0; i < inventory->chain_count; i++) {
        const struct tls_inventory_chain *chain = &inventory->chains[i];
        if (chain_counts(answer, chain))
            fprintf(out, "certificate   %s, %s, valid until %s\n", chain->subject, chain->key,
                    policy_date_text(chain->not_after, date));
    }
    fprintf(out, "client cert   %s\n", ccert_name(answer->rule->policy));
    if (inventory->tickets)
        fprintf(out, "tickets       yes, %ld seconds\n", inventory->ticket_lifetime);
    else
        fprintf(out, "tickets       no\n");
}

static void json_tls(const struct answer *answer, struct json *json)
{
    const struct tls_inventory *inventory = answer->inventory;

    json_array(json, "protocols");
    for (uint16_t version = inventory->min_version; version <= inventory->max_version; version++)
        json_string(json, NULL, version_name(version));
    json_end_array(json);
    json_bool(json, "server_preference", inventory->server_preference);
    json_array(json, "ciphers");
    for (size_t i = 0; i < inventory->suite_count; i++) {
        if (!inventory->suites[i].usable)
            continue;
        json_object(json, NULL);
        json_string(json, "name", inventory->suites[i].name);
        json_string(json, "standard_name", inventory->suites[i].standard_name);
        json_number(json, "bits", inventory->suites[i].bits);
        json_end_object(json);
    }
    json_end_array(json);
    json_array(json, "groups");
    for (size_t i = 0; i < inventory->group_count; i++)
        json_string(json, NULL, inventory->groups[i]);
    json_end_array(json);
    json_array(json, "certificates");
    for (size_t i = 0; i < inventory->chain_count; i++) {
        const struct tls_inventory_chain *chain = &inventory->chains[i];
        if (!chain_counts(answer, chain))
            continue;
        json_object(json, NULL);
        json_string(json, "subject", chain->subject);
        json_string(json, "key", chain->key);
        json_string(json, "names", chain->names);
        json_number(json, "not_after", chain->not_after);
        json_end_object(json);
    }
    json_end_array(json);
    json_string(json, "client_certificate", ccert_name(answer->rule->policy));
    json_bool(json, "tickets", inventory->tickets);
    json_number(json, "ticket_lifetime", inventory->tickets ? inventory->ticket_lifetime : 0);
}

static void print_json(const struct answer *answer, FILE *out)
{
    const struct policy_match *match = &answer->match;
    struct json json = {.out = out};
    char date[POLICY_DATE_MAX];

    json_object(&json, NULL);
    json_string(&json, "address", answer->question->address);
    json_string(&json, "file", match->line != 0 ? match->file : NULL);
    json_number(&json, "line", match->line);
    json_string(&json, "prefix", match->line != 0 ? match->prefix : NULL);
    json_string(&json, "note", match->line != 0 ? match->note : NULL);
    json_string(&json, "until",
                match->line != 0 && match->until != 0 ? policy_until_text(match, date) : NULL);
    if (answer->has_chances && answer->chance >= 0)
        json_number(&json, "second_chance", answer->chance);
    json_string(&json, "level", tls_rule_level_name(answer->rule));
    if (answer->inventory != NULL)
        json_tls(answer, &json);
    json_end_object(&json);
}

/* What holds for CLIENT, and why. */
static void find_rule(struct answer *answer, const struct config *config,
                      const struct service *service, const struct client_address *client)
{
    answer->rule = service_rule(service, client, time(NULL), &answer->match);
    if (service->second == NULL || answer->rule != &service->main)
        return;
    answer->chance = chance_report_ask(config_str(config, PARAM_gatepost_control_socket),
                                       answer->question->address);
    if (answer->chance > 0)
        answer->rule = service->second;
    answer->has_chances = true;
}

int policy_command(const struct config *config, const struct policy_question *question, FILE *out,
                   struct diag *diag)
{
    struct answer answer = {.question = question};
    struct client_address client;
    int status = 1;

    if (!client_address_parse(&client, question->address)) {
        diag_error(diag, "%s: not a numeric IPv4 or IPv6 address", question->address);
        return EX_USAGE;
    }
    struct service *service = service_new("policy", config, NULL, diag);
    if (service != NULL && service_load_tls(service, diag) == 0) {
        find_rule(&answer, config, service, &client);
        if (answer.rule->tls != NULL)
            answer.inventory = tls_inventory_new(answer.rule->tls);
        if (question->json) {
            print_json(&answer, out);
        } else {
            print_where(&answer, out);
            fprintf(out, "level         %s\n", tls_rule_level_name(answer.rule));
            if (answer.inventory != NULL)
                print_tls(&answer, out);
        }
        if (answer.inventory != NULL)
            tls_inventory_free(answer.inventory);
        status = 0;
    }
    service_free(service);
    return status;
}
