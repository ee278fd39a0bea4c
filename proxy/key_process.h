/*
 * key_process.h: the process that alone holds private keys: it reads them, gives up its rights, and
 * from then on does nothing but answer workers' requests, each over a socket of its own
 * (tls/key_service.h). It never waits for a worker: who does not take its answers is not read from.
 */
#ifndef GATEPOST_PROXY_KEY_PROCESS_H
#define GATEPOST_PROXY_KEY_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

#include "proxy/privileges.h"
#include "proxy/service.h"

/* What the master prepared for it. */
struct key_process_job {
    struct service **services; /* by listener */
    size_t service_count;
    const struct privileges *privileges;
    int channel;  /* to the master */
    bool sandbox; /* gatepost_sandbox */
};

/*
 * Load the credentials of all services (reporting to DIAG), tell the master (CHANNEL_READY, with
 * the chains) and serve the workers whose sockets the master sends (CHANNEL_KEYS), until the master
 * is gone or sends SIGTERM, and no worker is left. Returns the exit status: EX_OK, or EX_CONFIG if
 * credentials cannot be loaded.
 */
int key_process_run(const struct key_process_job *job, struct diag *diag);

#endif
