#include "tests/fuzz/connection_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tls/context_private.h"
#include "tls/selfsigned.h"

#include "proxy/capabilities.h"
#include "tests/unit/session_stage.h"

static const char ehlo_reply[] =
    "250-back\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n";

static void must(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "connection: %s\n", what);
        abort();
    }
}

/* All that takes long. */
static void make(struct connection_stage *stage)
{
    static char ciphers[] = "HIGH", curves[] = "";
    struct tls_credential item;
    struct tls_credentials credentials = {.items = &item, .count = 1};
    struct diag diag = {0};

    session_stage_silence();
    stage->policy = (struct tls_policy){.min_version = TLS_VERSION_1_2,
                                        .max_version = TLS_VERSION_1_3,
                                        .cipher_list = ciphers,
                                        .curves = curves,
                                        .session_timeout = 3600};
    must(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &item), "no key");
    stage->tls = tls_context_new(&stage->policy, &credentials, &diag);
    tls_credential_clear(&item);
    stage->client = SSL_CTX_new(TLS_client_method());
    must(stage->tls != NULL && stage->client != NULL, "no TLS");
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, stage->channel) == 0, "no channel");
    stage->worker.stats = &stage->stats;
    stage->worker.metrics = &stage->metrics;
}

struct connection_stage *connection_stage(void)
{
    static struct connection_stage stage;

    if (stage.client == NULL)
        make(&stage);
    return &stage;
}

void connection_stage_serve(struct connection_stage *stage, const uint8_t flags[3],
                            struct connection_service *out)
{
    static char name[] = "fuzz";
    static const enum bare_newline modes[] = {BARE_NEWLINE_NO, BARE_NEWLINE_NORMALIZE,
                                              BARE_NEWLINE_NOTE, BARE_NEWLINE_REJECT};
    static const enum tls_level levels[] = {TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT, TLS_LEVEL_NONE,
                                            TLS_LEVEL_MAY};

    stage->policy.level = levels[flags[0] & 3];
    stage->policy.auth_only = (flags[0] & 4) != 0;
    out->backend = (struct backend){.name = name, .path = name, .mark = &out->mark};
    capabilities_parse(&out->backend.capabilities, ehlo_reply, sizeof(ehlo_reply) - 1);
    out->upstream = (struct upstream){.name = name,
                                      .list = {&out->backend, 1},
                                      .handoff = (enum handoff)((flags[1] >> 1) & 3),
                                      .timeout = 300.,
                                      .connect_timeout = 30.};
    out->service = (struct service){
        .name = name,
        .main = {.policy = &stage->policy, .tls = stage->tls},
        .upstream = &out->upstream,
        .hostname = "mx.test",
        .banner = "mx.test ESMTP",
        .wrappermode = (flags[0] & 32) != 0,
        .forbid_pipelining = (flags[1] & 16) != 0,
        .bare_newline_code = 550,
        .received_header = (flags[1] & 8) == 0,
        .bare_newline = modes[(flags[1] >> 5) & 3],
        .line_limit = CONNECTION_LINE_LIMIT,
        .values = {.soft_error_limit = flags[2] & 3,
                   .hard_error_limit = (flags[2] >> 2) & 15,
                   .junk_limit = (flags[2] >> 6) & 3,
                   .error_sleep = 1.,
                   .timeout = 300.,
                   .starttls_timeout = 300.},
    };
}
