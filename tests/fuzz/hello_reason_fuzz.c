/*
 * hello_reason_fuzz.c: a ClientHello, and everything else that is known of a failed handshake, into
 * words.
 *
 * An input: protocol bounds (1 byte: two bits each), keys (1), stage, end, whether the hello came
 * in the form of SSL 2.0, and whether an alert did (1: three, two, one and one bits), the alert
 * (1), numbers of suites and of groups (1: four bits each), those (2 each), and the rest is the
 * hello.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/handshake_trace.h"

/* A violated expectation is a crash. */
static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* What holds of each answer: a kind with a name, and words that can be shown as they are. */
static void check_reason(const struct tls_failure_reason *reason)
{
    size_t length = strnlen(reason->text, sizeof reason->text);
    check(reason->kind < TLS_FAILURE_COUNT && length < sizeof reason->text);
    check(tls_failure_find(tls_failure_name(reason->kind)) == reason->kind);
    check((reason->kind == TLS_FAILURE_NONE) == (length == 0));
    for (size_t i = 0; i < length; i++) {
        check(reason->text[i] >= ' ' && reason->text[i] <= '~');
    }
}

/* Take COUNT numbers off the input. */
static size_t take_numbers(const uint8_t **data, size_t *size, uint16_t *out, size_t count)
{
    size_t taken = 0;
    for (; taken < count && *size >= 2; taken++, *data += 2, *size -= 2) {
        out[taken] = (uint16_t)((*data)[0] << 8 | (*data)[1]);
    }
    return taken;
}

/* The hello as the library's callback would tell of it. */
static void tell(struct tls_handshake_trace *trace, bool ssl2, const uint8_t *data, size_t size)
{
    uint8_t *message = malloc(size + 4);
    check(message != NULL);
    memcpy(message, "\1\0\0", 4);
    memcpy(message + 4, data, size);
    tls_trace_bytes(trace, data, size);
    if (ssl2) {
        tls_trace_message(trace, 0, 0, data, size);
    } else {
        tls_trace_message(trace, 0, 22, message, size + 4);
    }
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const libraries[] = {"no shared cipher", "decode error",
                                            "wrong version number", "private key operation failed"};
    struct tls_offer offer = {.place = "/etc/gatepost/tls_policy.cidr, line 1"};
    struct tls_failure_reason reason;
    if (size < 5) {
        return 0;
    }
    uint8_t how = data[2], alert = data[3], counts = data[4];
    offer.min_version = (uint16_t)(0x0301 + (data[0] & 3));
    offer.max_version = (uint16_t)(0x0301 + (data[0] >> 2 & 3));
    offer.keys = data[1];
    data += 5;
    size -= 5;
    offer.suite_count = take_numbers(&data, &size, offer.suites, counts & 15);
    offer.group_count = take_numbers(&data, &size, offer.groups, counts >> 4);
    struct tls_handshake_trace *trace = tls_trace_new();
    check(trace != NULL);
    tell(trace, (how & 0x20) != 0, data, size);
    check(trace->hello_length <= TLS_TRACE_HELLO_MAX);
    if (trace->hello != NULL) {
        check(tls_hello_explain(trace->hello, trace->hello_length, &offer, &reason) == reason.kind);
        check_reason(&reason);
    }
    (void)tls_trace_alert(trace);
    struct tls_evidence evidence = {.offer = &offer,
                                    .hello = trace->hello,
                                    .hello_length = trace->hello_length,
                                    .first = trace->first,
                                    .first_length = trace->first_length,
                                    .began = "STARTTLS",
                                    .stage = (enum tls_stage)((how & 7) % 5),
                                    .end = (enum tls_handshake_end)((how >> 3 & 3) % 3),
                                    .alert = (how & 0x40) != 0 ? alert : TLS_NO_ALERT,
                                    .error = (how & 0x80) != 0 ? 104 : 0,
                                    .library = libraries[alert & 3]};
    tls_handshake_explain(&evidence, &reason);
    check_reason(&reason);
    check(reason.kind != TLS_FAILURE_NONE);
    tls_trace_free(trace);
    return 0;
}
