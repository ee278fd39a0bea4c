#include "proxy/dane_offers.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/decimal.h"
#include "policy/endpoint.h"
#include "policy/text.h"

#include "tls/sni_maps.h"

#include "proxy/service.h"
#include "proxy/service_tickets.h"

/* What is known while offers are collected. */
struct collection {
    const struct dane_question *question;
    const struct listen_list *listeners;
    struct dane_offers *offers;
};

char *dane_name(const char *text)
{
    char *name = text_copy(text);
    size_t length = strlen(name);

    if (length > 1 && name[length - 1] == '.')
        name[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        name[i] = text_lower(name[i]);
    if (tls_sni_is_host_name(name))
        return name;
    free(name);
    return NULL;
}

/* The number of a listener's port; 0: it has none that is known. */
static uint16_t port_number(const char *port)
{
    uint64_t number;

    if (decimal_read(port, UINT16_MAX, &number))
        return (uint16_t)number;
    const struct servent *service = getservbyname(port, "tcp");
    return service != NULL ? ntohs((uint16_t)service->s_port) : 0;
}

/* The offer for NAME at PORT, made if it is new. */
static struct dane_offer *find_offer(struct dane_offers *offers, const char *name, uint16_t port)
{
    for (size_t i = 0; i < offers->count; i++)
        if (offers->items[i].port == port && strcasecmp(offers->items[i].name, name) == 0)
            return &offers->items[i];
    offers->items = text_resize(offers->items, offers->count + 1, sizeof(*offers->items));
    struct dane_offer *offer = &offers->items[offers->count++];
    *offer = (struct dane_offer){.name = text_copy(name), .port = port};
    return offer;
}

/* Add what CONTEXT (or NULL) has for NAME at PORT. */
static void add_offer(struct dane_offers *offers, const struct tls_context *context,
                      const char *name, uint16_t port)
{
    struct dane_offer *offer = find_offer(offers, name, port);

    if (context != NULL)
        tls_tlsa_served(context, name, &offer->chains);
}

/* Add all names of SERVICE at PORT. */
static void add_names(const struct collection *collection, const struct service *service,
                      const struct tls_context *context, uint16_t port)
{
    const struct dane_question *question = collection->question;

    for (size_t i = 0; i < question->name_count; i++)
        add_offer(collection->offers, context, question->names[i], port);
    if (question->name_count > 0)
        return;
    add_offer(collection->offers, context, service->hostname, port);
    for (size_t i = 0; context != NULL && service->names != NULL && i < service->names->count; i++)
        if (strcasecmp(service->names->entries[i].name, service->hostname) != 0)
            add_offer(collection->offers, context, service->names->entries[i].name, port);
}

/* Whether some listener has PORT. */
static bool is_listened_at(const struct listen_list *listeners, uint16_t port)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (port_number(listeners->specs[i].endpoint.port) == port)
            return true;
    return false;
}

/* Add what SERVICE, whose own port is OWN, offers. */
static void add_service(const struct collection *collection, const struct service *service,
                        uint16_t own)
{
    const struct dane_question *question = collection->question;
    const struct tls_context *context = service->main.tls;

    for (size_t i = 0; i < service->rule_count && context == NULL; i++)
        context = service->rules[i].tls;
    if (question->port_count == 0 && own != 0)
        add_names(collection, service, context, own);
    for (size_t i = 0; i < question->port_count; i++)
        if (question->ports[i] == own || !is_listened_at(collection->listeners, question->ports[i]))
            add_names(collection, service, context, question->ports[i]);
}

int dane_offers_load(const struct config *config, const struct dane_question *question,
                     struct dane_offers *offers, struct diag *diag)
{
    struct listen_list listeners;
    int status = 0;

    *offers = (struct dane_offers){0};
    if (listen_list_parse(config, &listeners, diag) != 0)
        return -1;
    const struct collection collection = {question, &listeners, offers};
    for (size_t i = 0; i < listeners.count; i++) {
        const struct listen_spec *spec = &listeners.specs[i];
        struct service *service = service_new(spec->name, spec->config, NULL, diag);
        const struct service_list alone = {&service, 1}, none = {0};
        if (service != NULL)
            (void)service_tickets_prepare(alone, none, diag);
        if (service != NULL && service_load_tls(service, diag) == 0)
            add_service(&collection, service, port_number(spec->endpoint.port));
        else
            status = -1;
        service_free(service);
    }
    listen_list_free(&listeners);
    return status;
}

void dane_offers_free(struct dane_offers *offers)
{
    for (size_t i = 0; i < offers->count; i++) {
        free(offers->items[i].name);
        tls_tlsa_list_free(&offers->items[i].chains);
    }
    free(offers->items);
    *offers = (struct dane_offers){0};
}
