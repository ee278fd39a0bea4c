#include "proxy/check_profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/text.h"
#include "policy/tls_policy.h"

const struct profile *check_profile_find(const char *name, struct diag *diag)
{
    const struct profile *profile = profile_find(name);
    struct text names = {0};

    if (profile != NULL)
        return profile;
    for (size_t i = 0; profile_name(i) != NULL; i++)
        text_format(&names, "%s%s", i > 0 ? ", " : "", profile_name(i));
    diag_error(diag, "there is no profile %.100s; there are: %s", name, names.data);
    text_free(&names);
    return NULL;
}

/* The suites that a client can get. The caller frees the result. */
static struct profile_suite *usable_suites(const struct tls_inventory *inventory, size_t *count)
{
    struct profile_suite *suites = text_alloc(inventory->suite_count + 1, sizeof(*suites));

    *count = 0;
    for (size_t i = 0; i < inventory->suite_count; i++) {
        const struct tls_inventory_suite *suite = &inventory->suites[i];
        if (!suite->usable)
            continue;
        suites[(*count)++] = (struct profile_suite){
            .name = suite->name,
            .bits = suite->bits,
            .aead = suite->aead,
            .tls13 = suite->min_version >= TLS_VERSION_1_3,
            .group = suite->group,
        };
    }
    return suites;
}

/* A certificate, with room for the parts of its key's description. */
struct described {
    char type[sizeof((struct tls_inventory_chain){0}.key)];
    char curve[sizeof((struct tls_inventory_chain){0}.key)];
};

/* Split "ECDSA (prime256v1)"; what is in parentheses behind other types is no curve. */
static void describe_key(const char *key, struct described *described)
{
    size_t length = strcspn(key, " ");
    const char *open = strchr(key, '(');

    memcpy(described->type, key, length);
    described->type[length] = '\0';
    described->curve[0] = '\0';
    if (strcmp(described->type, "ECDSA") == 0 && open != NULL) {
        length = strcspn(open + 1, ")");
        memcpy(described->curve, open + 1, length);
        described->curve[length] = '\0';
    }
}

/* The leaf of CHAIN. DESCRIBED is filled in, and has to live as long as the result. */
static struct profile_certificate certificate_of(const struct tls_inventory_chain *chain,
                                                 struct described *described)
{
    describe_key(chain->key, described);
    return (struct profile_certificate){
        .subject = chain->subject,
        .key_type = described->type,
        .curve = described->curve,
        .key_bits = chain->key_bits,
        .signature = chain->signature,
        .not_before = chain->not_before,
        .not_after = chain->not_after,
        .self_signed = chain->self_signed,
    };
}

unsigned check_profile(const char *label, const struct tls_inventory *inventory,
                       const struct profile *profile, struct diag *diag)
{
    size_t chains = inventory->chain_count, suite_count;
    struct profile_suite *suites = usable_suites(inventory, &suite_count);
    const char **groups = text_alloc(inventory->group_count + 1, sizeof(*groups));
    struct described *described = text_alloc(chains + 1, sizeof(*described));
    struct profile_certificate *certificates = text_alloc(chains + 1, sizeof(*certificates));

    for (size_t i = 0; i < inventory->group_count; i++)
        groups[i] = inventory->groups[i];
    for (size_t i = 0; i < chains; i++)
        certificates[i] = certificate_of(&inventory->chains[i], &described[i]);
    /* BoringSSL has no compression, no renegotiation of a server's session and no
     * Encrypt-then-MAC; early data is off unless asked for. */
    const struct profile_subject subject = {
        .min_version = inventory->min_version,
        .max_version = inventory->max_version,
        .suites = suites,
        .suite_count = suite_count,
        .groups = groups,
        .group_count = inventory->group_count,
        .certificates = certificates,
        .certificate_count = chains,
        .server_preference = inventory->server_preference,
        .tls13_suites_fixed = true,
        .now = time(NULL),
    };
    unsigned violations = profile_check(profile, &subject, label, diag);
    free(certificates);
    free(described);
    free(groups);
    free(suites);
    return violations;
}
