#include "proxy/metrics_certificates.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tls/inventory.h"

struct metrics_certificates *metrics_certificates_new(void)
{
    struct metrics_certificates *certificates = mmap(
        NULL, sizeof(*certificates), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return certificates != MAP_FAILED ? certificates : NULL;
}

void metrics_certificates_free(struct metrics_certificates *certificates)
{
    if (certificates != NULL)
        munmap(certificates, sizeof(*certificates));
}

/* One chain: its leaf. */
static void note_chain(struct metrics_certificates *certificates,
                       const struct tls_inventory_chain *chain)
{
    struct metrics_certificate one = {.not_after = (int64_t)chain->not_after};
    const char *name = chain->sni[0] != '\0'     ? chain->sni
                       : chain->names[0] != '\0' ? chain->names
                                                 : chain->subject;

    /* names: the first of them; a subject may have blanks in it */
    snprintf(one.name, sizeof(one.name), "%.*s",
             (int)(name == chain->names ? strcspn(name, " ") : strlen(name)), name);
    snprintf(one.key, sizeof(one.key), "%s", chain->key);
    metrics_certificate_add(certificates->list, &certificates->count, &one);
}

/* What a peer of SERVICE can be shown; all rules have the same credentials. */
static const struct tls_context *any_context(const struct service *service)
{
    const struct tls_context *context = service->main.tls;

    for (size_t i = 0; i < service->rule_count && context == NULL; i++)
        context = service->rules[i].tls;
    return context;
}

void metrics_certificates_note(struct metrics_certificates *certificates,
                               struct service *const *services, size_t count)
{
    certificates->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct tls_context *context = any_context(services[i]);
        if (context == NULL)
            continue;
        struct tls_inventory *inventory = tls_inventory_new(context);
        for (size_t j = 0; j < inventory->chain_count; j++)
            note_chain(certificates, &inventory->chains[j]);
        tls_inventory_free(inventory);
    }
}
