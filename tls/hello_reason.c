/*
 * hello_reason.c: tls_hello_explain of handshake_reason.h. The questions are asked in the order in
 * which the library asks them, and the first that has no good answer is the reason: syntax,
 * protocol version, fallback, compression; then for TLS 1.3 suite, group, signature; for the older
 * ones suite, group, certificate; in the end ALPN.
 */
#include <string.h>

#include "tls/handshake_reason.h"
#include "tls/hello_offer.h"
#include "tls/hello_suites.h"
#include "tls/hello_view.h"
#include "tls/hello_words.h"

/* What the questions are asked about. */
struct question {
    const struct hello_view *view;
    const struct tls_offer *offer;
    uint16_t version; /* that would be negotiated */
    struct tls_failure_reason *reason;
};

/* Each of these returns true if it found the reason. */
typedef bool check(const struct question *question);

static bool offers_group(const struct tls_offer *offer, uint16_t group)
{
    for (size_t i = 0; i < offer->group_count; i++) {
        if (offer->groups[i] == group) {
            return true;
        }
    }
    return false;
}

/* Groups that are no elliptic curves do not exist before TLS 1.3. */
static bool is_curve(uint16_t group)
{
    return group < 0x0100;
}

static bool shares_group(const struct question *question)
{
    CBS groups = question->view->groups;
    for (uint16_t group; CBS_get_u16(&groups, &group);) {
        if (offers_group(question->offer, group) &&
            (question->version >= TLS1_3_VERSION || is_curve(group))) {
            return true;
        }
    }
    return false;
}

/* No version in common. */
static void explain_version(const struct question *question)
{
    const struct tls_offer *offer = question->offer;
    uint16_t highest = hello_highest_version(question->view);
    uint16_t lowest = hello_lowest_version(question->view);
    bool old = highest<offer->min_version, recent = lowest> offer->max_version;
    enum tls_failure kind = old      ? TLS_FAILURE_PROTOCOL_TOO_OLD
                            : recent ? TLS_FAILURE_PROTOCOL_TOO_NEW
                                     : TLS_FAILURE_NO_SHARED_PROTOCOL;
    struct words words = words_begin(question->reason, kind);
    if (highest == 0) {
        words_add(&words, "offers no protocol version that is known");
    } else if (old) {
        words_add(&words, "offers %s at most", hello_version_words(highest));
    } else if (lowest == highest) {
        words_add(&words, "offers %s only", hello_version_words(lowest));
    } else {
        words_add(&words, recent ? "offers %s at least" : "offers %s and %s, but nothing between",
                  hello_version_words(lowest), hello_version_words(highest));
    }
    words_add(&words, "; ");
    words_add_policy(&words, offer);
    if (recent) {
        words_add(&words, " allows %s at most", hello_version_words(offer->max_version));
    } else {
        words_add(&words, " needs %s", hello_version_words(offer->min_version));
    }
}

/* RFC 7507: the client says that it has tried a newer version before. */
static bool check_fallback(const struct question *question)
{
    if (!hello_list_has(question->view->suites, 0x5600) ||
        question->version >= question->offer->max_version) {
        return false;
    }
    struct words words = words_begin(question->reason, TLS_FAILURE_FALLBACK);
    words_add(&words, "fell back to %s (TLS_FALLBACK_SCSV) after another attempt failed; ",
              hello_version_words(question->version));
    words_add_policy(&words, question->offer);
    words_add(&words, " allows %s", hello_version_words(question->offer->max_version));
    return true;
}

static bool check_compression(const struct question *question)
{
    if (!question->view->uncompressed) {
        struct words words = words_begin(question->reason, TLS_FAILURE_MALFORMED);
        words_add(&words, "offers no connection without compression");
    }
    return !question->view->uncompressed;
}

static bool check_suites(const struct question *question)
{
    return hello_suites_explain(question->view->suites, question->version, question->offer,
                                question->reason);
}

/* "none of the groups A, B and C of this peer's policy, only D". */
static void explain_groups(const struct question *question)
{
    const struct tls_offer *offer = question->offer;
    struct words words = words_begin(question->reason, TLS_FAILURE_NO_SHARED_GROUP);
    uint8_t numbers[2 * TLS_OFFER_GROUPS_MAX];
    CBS wanted;
    for (size_t i = 0; i < offer->group_count; i++) {
        numbers[2 * i] = (uint8_t)(offer->groups[i] >> 8);
        numbers[2 * i + 1] = (uint8_t)offer->groups[i];
    }
    CBS_init(&wanted, numbers, 2 * offer->group_count);
    words_add(&words, "offers none of the groups ");
    words_add_groups(&words, wanted, "and");
    words_add(&words, " of ");
    words_add_policy(&words, offer);
    if (!question->view->has_groups) {
        words_add(&words, ": it names none at all");
    } else {
        words_add(&words, ", only ");
        words_add_groups(&words, question->view->groups, "and");
    }
}

static bool check_groups_13(const struct question *question)
{
    if (!question->view->has_key_share || !question->view->has_groups ||
        !question->view->has_schemes) {
        struct words words = words_begin(question->reason, TLS_FAILURE_MALFORMED);
        words_add(&words, "sent a ClientHello for TLS 1.3 without %s",
                  !question->view->has_groups      ? "supported_groups"
                  : !question->view->has_key_share ? "key_share"
                                                   : "signature_algorithms");
        return true;
    }
    if (shares_group(question)) {
        return false;
    }
    explain_groups(question);
    return true;
}

/* Up to TLS 1.2 only suites with ECDHE need a group, and any other will do. */
static bool check_groups_12(const struct question *question)
{
    struct hello_shared shared;
    hello_suites_shared(question->view->suites, question->version, question->offer, &shared);
    if (shared.without_ecdhe || shares_group(question)) {
        return false;
    }
    explain_groups(question);
    return true;
}

static bool check_certificate(const struct question *question)
{
    struct hello_shared shared = {.ecdhe_rsa = true, .ecdhe_ecdsa = true};
    if (question->version < TLS1_3_VERSION) {
        hello_suites_shared(question->view->suites, question->version, question->offer, &shared);
        if (!shares_group(question)) {
            shared.ecdhe_rsa = shared.ecdhe_ecdsa = false;
        }
    }
    return hello_certificate_explain(question->view, question->version, question->offer, &shared,
                                     question->reason);
}

/* RFC 7301 section 3.2: somebody who means another protocol must not be answered. */
static bool check_alpn(const struct question *question)
{
    CBS list = question->view->protocols, name;
    while (CBS_get_u8_length_prefixed(&list, &name)) {
        if (CBS_mem_equal(&name, (const uint8_t *)"smtp", 4)) {
            return false;
        }
    }
    if (CBS_len(&question->view->protocols) == 0) {
        return false;
    }
    struct words words = words_begin(question->reason, TLS_FAILURE_ALPN);
    words_add(&words, "wants to speak ");
    list = question->view->protocols;
    for (int i = 0; i < 4 && CBS_get_u8_length_prefixed(&list, &name); i++) {
        words_add(&words, "%s", i > 0 ? ", " : "");
        words_add_bytes(&words, CBS_data(&name), CBS_len(&name) < 20 ? CBS_len(&name) : 20);
    }
    words_add(&words, "%s (ALPN), not smtp", CBS_len(&list) > 0 ? ", ..." : "");
    return true;
}

enum tls_failure tls_hello_explain(const uint8_t *hello, size_t length,
                                   const struct tls_offer *offer, struct tls_failure_reason *reason)
{
    static check *const modern[] = {check_fallback,  check_compression, check_suites,
                                    check_groups_13, check_certificate, check_alpn};
    static check *const older[] = {check_fallback,  check_compression, check_suites,
                                   check_groups_12, check_certificate, check_alpn};
    struct hello_view view;
    const char *why;
    *reason = (struct tls_failure_reason){.kind = TLS_FAILURE_NONE};
    if (!hello_view_read(&view, hello, length, &why)) {
        struct words words = words_begin(reason, TLS_FAILURE_MALFORMED);
        words_add(&words, "sent a ClientHello that is malformed in %s", why);
        return reason->kind;
    }
    struct question question = {.view = &view, .offer = offer, .reason = reason};
    question.version = hello_common_version(&view, offer->min_version, offer->max_version);
    if (question.version == 0) {
        explain_version(&question);
        return reason->kind;
    }
    check *const *checks = question.version >= TLS1_3_VERSION ? modern : older;
    for (size_t i = 0; i < sizeof modern / sizeof modern[0] && !checks[i](&question); i++) {
    }
    return reason->kind;
}
