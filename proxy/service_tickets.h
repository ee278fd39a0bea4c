/*
 * service_tickets.h: the keys of session tickets, made by the master before it forks, so that all
 * workers have them.
 */
#ifndef GATEPOST_PROXY_SERVICE_TICKETS_H
#define GATEPOST_PROXY_SERVICE_TICKETS_H

#include <stddef.h>

#include "policy/diag.h"
#include "proxy/service.h"

/* Services that are served together. Borrowed. */
struct service_list {
    struct service *const *services;
    size_t count;
};

/*
 * Give each service of LIST that makes tickets its keys: those of gatepost_ticket_key_file, which
 * is read now; or those that another service of LIST or PREVIOUS has already, where tickets are
 * good for the same time; or new ones. Returns 0, or -1 after reporting to DIAG.
 */
int service_tickets_prepare(struct service_list list, struct service_list previous,
                            struct diag *diag);

/* Let the contexts of SERVICE use its keys. */
void service_tickets_use(struct service *service);

/* Forget keys whose time has passed. */
void service_tickets_advance(struct service_list list);

#endif
