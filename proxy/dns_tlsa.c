#include "proxy/dns_tlsa.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "policy/decimal.h"

#define TYPE_TLSA 52
#define ASK_SECONDS 3 /* a try */
#define ASK_TRIES 2

/* Take over the record RR. */
static void add_record(struct dns_tlsa *answer, const ns_rr *rr)
{
    const uint8_t *data = ns_rr_rdata(*rr);
    size_t length = ns_rr_rdlen(*rr);

    if ((int)ns_rr_type(*rr) != TYPE_TLSA || ns_rr_class(*rr) != ns_c_in || length < 3)
        return;
    if (answer->count == DNS_TLSA_RECORDS_MAX) {
        answer->more = true;
        return;
    }
    answer->records[answer->count++] = (struct tls_tlsa_record){.usage = data[0],
                                                                .selector = data[1],
                                                                .matching = data[2],
                                                                .data = data + 3,
                                                                .length = length - 3};
}

bool dns_tlsa_parse(const uint8_t *message, size_t length, struct dns_tlsa *answer)
{
    ns_msg parsed;
    ns_rr rr;

    *answer = (struct dns_tlsa){0};
    if (length > DNS_TLSA_MESSAGE_MAX || ns_initparse(message, (int)length, &parsed) != 0 ||
        ns_msg_getflag(parsed, ns_f_qr) == 0)
        return false;
    answer->rcode = (unsigned)ns_msg_getflag(parsed, ns_f_rcode);
    answer->secure = ns_msg_getflag(parsed, ns_f_ad) != 0;
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++) {
        if (ns_parserr(&parsed, ns_s_an, i, &rr) != 0)
            return false;
        add_record(answer, &rr);
    }
    return true;
}

bool dns_resolver_parse(const char *text, struct dns_resolver *resolver)
{
    char address[INET_ADDRSTRLEN];
    size_t length = strcspn(text, ":");
    uint64_t port = NS_DEFAULTPORT;

    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (text[length] == ':' && !decimal_read(text + length + 1, UINT16_MAX, &port))
        return false;
    resolver->given = true;
    resolver->port = (uint16_t)port;
    return port >= 1 && inet_pton(AF_INET, address, resolver->address) == 1;
}

/* Let STATE ask RESOLVER, and no other. */
static void use_resolver(struct __res_state *state, const struct dns_resolver *resolver)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(resolver->port)};

    memcpy(&address.sin_addr, resolver->address, sizeof(resolver->address));
    state->nsaddr_list[0] = address;
    state->nscount = 1;
}

/* Whether all name servers of STATE are on this host. */
static bool is_local(const struct __res_state *state)
{
    for (int i = 0; i < state->nscount; i++)
        if (state->nsaddr_list[i].sin_family != AF_INET ||
            ntohl(state->nsaddr_list[i].sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
            return false;
    return state->nscount > 0;
}

/* Ask with STATE. */
static const char *ask(struct __res_state *state, const char *name, uint8_t *message,
                       struct dns_tlsa *answer)
{
    uint8_t query[NS_PACKETSZ];

    int query_length = res_nmkquery(state, ns_o_query, name, ns_c_in, TYPE_TLSA, NULL, 0, NULL,
                                    query, sizeof(query));
    if (query_length < 0)
        return "the name is none that can be asked for";
    errno = 0;
    int length = res_nsend(state, query, query_length, message, DNS_TLSA_MESSAGE_MAX);
    if (length < 0 && errno != ECONNREFUSED) {
        /* When all servers say that they cannot find out, the library keeps that to itself, unless
         * asked to show everything. */
        state->pfcode = RES_PRF_REPLY;
        length = res_nsend(state, query, query_length, message, DNS_TLSA_MESSAGE_MAX);
    }
    if (length < 0)
        return errno == ECONNREFUSED ? "there is no resolver at its address"
                                     : "the resolver does not answer";
    if (!dns_tlsa_parse(message, (size_t)length, answer))
        return "the resolver's answer is damaged";
    return NULL;
}

const char *dns_tlsa_ask(const struct dns_resolver *resolver, const char *name, uint8_t *message,
                         struct dns_tlsa *answer, bool *local)
{
    struct __res_state state;

    memset(&state, 0, sizeof(state));
    if (res_ninit(&state) != 0)
        return "the resolver's configuration cannot be read";
    if (resolver->given)
        use_resolver(&state, resolver);
    state.options |= RES_TRUSTAD; /* ask what the resolver knows of DNSSEC, and do not drop it */
    state.retrans = ASK_SECONDS;
    state.retry = ASK_TRIES;
    *local = is_local(&state);
    const char *error = ask(&state, name, message, answer);
    res_nclose(&state);
    return error;
}
