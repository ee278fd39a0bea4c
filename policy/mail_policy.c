/*
 * mail_policy.c: the table is read, sorted and asked.
 */
#include "policy/mail_policy.h"

#include <stdlib.h>
#include <string.h>

#include "policy/policy_maps.h"
#include "policy/policy_values.h"
#include "policy/text.h"
#include "policy/tls_policy.h"

#define MAX_RULES 1000000
#define MAX_ERRORS 100 /* reported before the reader gives up */
#define ERROR_SIZE 1024
#define SENDER "from:"

struct mail_policy {
    struct mail_rule *rules; /* sorted by pattern */
    size_t count;
    size_t capacity;
    bool has_recipients;
    char *delimiter;  /* recipient_delimiter: a set of characters */
    char *domains[2]; /* of addresses without one */
};

/* What is known while the table is made. */
struct loader {
    struct mail_policy *policy;
    const char *digest;
    char *file;
    const char *origin; /* see struct policy_map_name */
    struct diag *diag;
    unsigned errors_before; /* in DIAG */
    struct mail_line line;
};

/* Begin a map. */
static void begin_map(void *ctx, const struct policy_map_name *name)
{
    struct loader *loader = ctx;

    free(loader->file);
    loader->file = text_copy(name->file);
    loader->origin = name->origin;
}

/* Append what the parsed line says; takes PLACE over. */
static void add_rule(struct loader *loader, char *place)
{
    struct mail_policy *policy = loader->policy;
    const struct mail_line *line = &loader->line;
    const struct policy_settings *settings = &line->attributes.settings;
    struct diag quiet = {0}; /* was reported by policy_values_check */

    if (policy->count == policy->capacity) {
        policy->capacity = policy->capacity == 0 ? 16 : policy->capacity * 2;
        policy->rules = text_resize(policy->rules, policy->capacity, sizeof(*policy->rules));
    }
    struct mail_rule *rule = &policy->rules[policy->count++];
    *rule = (struct mail_rule){
        .pattern = text_copy(line->pattern),
        .place = place,
        .demand = line->demand,
        .match = settings->match != NULL ? text_copy(settings->match) : NULL,
        .prepend = line->prepend[0] != '\0' ? text_copy(line->prepend) : NULL,
    };
    if (rule->demand != MAIL_DEMAND_NONE && strcmp(rule->pattern, "*") != 0 &&
        strncmp(rule->pattern, SENDER, strlen(SENDER)) != 0)
        policy->has_recipients = true;
    if (settings->protocols != NULL)
        (void)tls_protocols_parse(settings->protocols, "protocols", &rule->min_version,
                                  &rule->max_version, &quiet);
}

/* Take one line. */
static bool add_line(void *ctx, const char *text, size_t length, unsigned number)
{
    struct loader *loader = ctx;
    struct text place = {0};
    char error[ERROR_SIZE];

    text_format(&place, "%s%s, line %u", loader->origin, loader->file, number);
    if (mail_line_parse(text, length, &loader->line, error, sizeof(error)) != 0) {
        diag_error(loader->diag, "%s: %s", place.data, error);
    } else if (loader->policy->count == MAX_RULES) {
        diag_error(loader->diag, "%s: too many lines: at most %d are read", place.data, MAX_RULES);
        text_free(&place);
        return false;
    } else if (policy_values_check(&loader->line.attributes.settings, loader->digest, place.data,
                                   loader->diag) == 0) {
        add_rule(loader, text_take(&place));
    }
    bool more = loader->diag->errors - loader->errors_before < MAX_ERRORS;
    if (!more)
        diag_error(loader->diag, "%s: too many errors: what follows was not read", loader->file);
    text_free(&place);
    return more;
}

static int compare_rules(const void *left, const void *right)
{
    const struct mail_rule *a = left;
    const struct mail_rule *b = right;

    return strcmp(a->pattern, b->pattern);
}

/* Sort, and look for patterns that come twice. */
static void sort_rules(struct loader *loader)
{
    struct mail_policy *policy = loader->policy;

    if (policy->count > 0)
        qsort(policy->rules, policy->count, sizeof(*policy->rules), compare_rules);
    for (size_t i = 1; i < policy->count; i++)
        if (compare_rules(&policy->rules[i - 1], &policy->rules[i]) == 0)
            diag_error(loader->diag, "%s: %s is also in %s: each pattern can have one line only",
                       policy->rules[i].place, policy->rules[i].pattern,
                       policy->rules[i - 1].place);
}

/* STRING in lower case; the caller frees. */
static char *lower_copy(const char *string)
{
    char *copy = text_copy(string);

    for (char *p = copy; *p != '\0'; p++)
        *p = text_lower(*p);
    return copy;
}

struct mail_policy *mail_policy_load(const struct config *config, struct diag *diag)
{
    static const struct policy_maps_form form = {"gatepost_policy_service_maps", "texthash",
                                                 "{ pattern demand ... }"};
    const enum param maps = PARAM_gatepost_policy_service_maps;
    struct loader *loader = text_alloc(1, sizeof(*loader));
    struct policy_maps_reader reader = {&form, begin_map, add_line, loader};
    struct mail_policy *policy = text_alloc(1, sizeof(*policy));

    loader->policy = policy;
    loader->digest = config_str(config, PARAM_smtpd_tls_fingerprint_digest);
    loader->diag = diag;
    loader->errors_before = diag->errors;
    policy->delimiter = text_copy(config_str(config, PARAM_recipient_delimiter));
    policy->domains[0] = lower_copy(config_str(config, PARAM_myhostname));
    policy->domains[1] = lower_copy(config_str(config, PARAM_mydomain));
    (void)policy_maps_read(config_str(config, maps), config_origin(config, maps), &reader, diag);
    sort_rules(loader);
    if (diag->errors != loader->errors_before) {
        mail_policy_free(policy);
        policy = NULL;
    }
    free(loader->file);
    free(loader);
    return policy;
}

void mail_policy_free(struct mail_policy *policy)
{
    if (policy == NULL)
        return;
    for (size_t i = 0; i < policy->count; i++) {
        free(policy->rules[i].pattern);
        free(policy->rules[i].place);
        free(policy->rules[i].match);
        free(policy->rules[i].prepend);
    }
    free(policy->rules);
    free(policy->delimiter);
    free(policy->domains[0]);
    free(policy->domains[1]);
    free(policy);
}

size_t mail_policy_size(const struct mail_policy *policy)
{
    return policy->count;
}

const struct mail_rule *mail_policy_rule(const struct mail_policy *policy, size_t index)
{
    return &policy->rules[index];
}

bool mail_policy_has_recipients(const struct mail_policy *policy)
{
    return policy->has_recipients;
}

/* --- looking up ------------------------------------------------------------------------------ */

/* An address that is being looked up. */
struct search {
    const struct mail_policy *policy;
    bool sender;
    const char *local; /* up to the last '@'; not ended */
    size_t local_length;
    size_t base_length;                              /* without the extension */
    char key[sizeof(SENDER) + 2 * MAIL_ADDRESS_MAX]; /* what is looked for */
};

static int compare_key(const void *key, const void *rule)
{
    return strcmp(key, ((const struct mail_rule *)rule)->pattern);
}

/* The rule whose pattern is the three texts, one after the other. */
static const struct mail_rule *find(struct search *search, const char *local, size_t local_length,
                                    const char *rest)
{
    const struct mail_policy *policy = search->policy;
    size_t used = 0;
    size_t rest_length = strlen(rest);

    if (search->sender) {
        memcpy(search->key, SENDER, strlen(SENDER));
        used = strlen(SENDER);
    }
    if (used + local_length + rest_length >= sizeof(search->key))
        return NULL;
    memcpy(search->key + used, local, local_length);
    memcpy(search->key + used + local_length, rest, rest_length + 1);
    return policy->count == 0 ? NULL
                              : bsearch(search->key, policy->rules, policy->count,
                                        sizeof(*policy->rules), compare_key);
}

/* The local part, with its extension and without, before AT ("@domain" or "@"). */
static const struct mail_rule *find_local(struct search *search, const char *at)
{
    const struct mail_rule *rule = find(search, search->local, search->local_length, at);

    if (rule == NULL && search->base_length < search->local_length)
        rule = find(search, search->local, search->base_length, at);
    return rule;
}

/* The address in a domain; AT begins with '@'. */
static const struct mail_rule *find_in_domain(struct search *search, const char *at)
{
    const struct mail_rule *rule = find_local(search, at);

    if (rule == NULL)
        rule = find(search, "", 0, at + 1);
    for (const char *dot = strchr(at, '.'); rule == NULL && dot != NULL && at[1] != '[';
         dot = strchr(dot + 1, '.'))
        rule = find(search, "", 0, dot);
    return rule;
}

/* How long the local part is without what follows a delimiter. One at its beginning is none. */
static size_t find_extension(const struct search *search)
{
    for (size_t i = 1; i < search->local_length; i++)
        if (strchr(search->policy->delimiter, search->local[i]) != NULL)
            return i;
    return search->local_length;
}

/* The address without a domain, in one of this host's. */
static const struct mail_rule *find_in_own(struct search *search)
{
    const struct mail_rule *rule = NULL;

    for (size_t i = 0; rule == NULL && i < 2; i++) {
        struct text at = {0};
        text_format(&at, "@%s", search->policy->domains[i]);
        rule = find_in_domain(search, at.data);
        text_free(&at);
    }
    return rule;
}

const struct mail_rule *mail_policy_find(const struct mail_policy *policy, bool sender,
                                         const char *address)
{
    struct search search = {.policy = policy, .sender = sender};
    char *lower = lower_copy(address);
    size_t length = strlen(lower);
    const struct mail_rule *rule = NULL;

    while (length > 0 && lower[length - 1] == '.') /* of a domain's end; Postfix drops it too */
        lower[--length] = '\0';
    char *at = strrchr(lower, '@');
    search.local = lower;
    search.local_length = at != NULL ? (size_t)(at - lower) : length;
    search.base_length = find_extension(&search);
    if (length == 0)
        rule = sender ? find(&search, "", 0, "<>") : NULL;
    else if (at != NULL && at[1] != '\0')
        rule = find_in_domain(&search, at);
    else
        rule = find_in_own(&search);
    if (rule == NULL && length > 0)
        rule = find_local(&search, "@");
    if (rule == NULL)
        rule = find(&search, "", 0, "*");
    free(lower);
    return rule;
}
