/*
 * dns_tlsa_fuzz.c: any bytes as the answer of a name server: every record that is found lies whole
 * inside of the message, and what is said of it can be said of any certificate.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/dane_check.h"
#include "proxy/dns_tlsa.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "dns_tlsa: %s\n", what);
        abort();
    }
}

/* One certificate that is not from any library. */
static struct tls_tlsa_chain small_chain(struct tls_tlsa_certificate certificates[2],
                                         uint8_t bytes[4])
{
    for (int i = 0; i < 2; i++)
        certificates[i] = (struct tls_tlsa_certificate){bytes, 3, bytes + 1, 2};
    return (struct tls_tlsa_chain){.certificates = certificates, .length = 2};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_tlsa answer;
    struct tls_tlsa_certificate certificates[2];
    uint8_t bytes[4] = {1, 2, 3, 4};
    struct tls_tlsa_chain chain = small_chain(certificates, bytes);
    struct tls_tlsa_list present = {&chain, 1}, none = {NULL, 0};
    struct diag diag = {0};
    uint8_t *exact = malloc(size > 0 ? size : 1);

    check(exact != NULL, "out of memory");
    memcpy(exact, data, size);
    if (dns_tlsa_parse(exact, size, &answer)) {
        check(answer.count <= DNS_TLSA_RECORDS_MAX, "count");
        check(answer.rcode <= 15, "rcode");
        for (size_t i = 0; i < answer.count; i++) {
            const struct tls_tlsa_record *record = &answer.records[i];
            check(record->data >= exact + 12 + 3 && record->data + record->length <= exact + size,
                  "place");
        }
        dane_compare("_25._tcp.mx.example", &answer, &present, &none, &diag);
        check(answer.rcode != 0 || answer.count > 0 || diag.errors == 0,
              "an error without a cause");
        dane_compare("_25._tcp.mx.example", &answer, &none, &present, &diag);
    }
    free(exact);
    return 0;
}
