#include "proxy/policy_answer.h"

#include <stdio.h>
#include <string.h>

#include "policy/tls_policy.h"

#include "tls/fingerprint.h"

/* A rule is not satisfied: WHY, with the code that was asked for. */
static bool reject(const struct policy_answer_facts *facts, char out[POLICY_ANSWER_MAX],
                   const char *why)
{
    snprintf(out, POLICY_ANSWER_MAX, "%u %u.7.1 %s", facts->reject_code, facts->reject_code / 100,
             why);
    return false;
}

/* "TLSv1.2 or TLSv1.3": what a rule wants. */
static const char *version_words(const struct mail_rule *rule, char out[64])
{
    static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    const char *low = names[rule->min_version - TLS_VERSION_1_0];
    const char *high = names[rule->max_version - TLS_VERSION_1_0];

    if (rule->min_version == rule->max_version)
        snprintf(out, 64, "%s", low);
    else
        snprintf(out, 64, "%s to %s", low, high);
    return out;
}

/* Whether the client's certificate is what the rule demands. */
static bool has_ccert(const struct mail_rule *rule, const struct session_facts *session)
{
    if (rule->match == NULL)
        return session->ccert == SESSION_CCERT_TRUSTED;
    return (session->fingerprint[0] != '\0' &&
            tls_fingerprint_is_listed(session->fingerprint, rule->match)) ||
           (session->key_fingerprint[0] != '\0' &&
            tls_fingerprint_is_listed(session->key_fingerprint, rule->match));
}

/* Whether the session has what the rule demands; if not, OUT says so. */
static bool satisfies(const struct policy_answer_facts *facts, const struct mail_rule *rule,
                      char out[POLICY_ANSWER_MAX])
{
    const struct session_facts *session = facts->session;
    char why[128];
    char versions[64];

    if (rule == NULL || rule->demand == MAIL_DEMAND_NONE)
        return true;
    if (session == NULL) {
        snprintf(out, POLICY_ANSWER_MAX,
                 "DEFER_IF_PERMIT 4.7.0 What protects this session is not known");
        return false;
    }
    if (!session->tls)
        return reject(facts, out, "Session encryption is required");
    if (rule->min_version != 0 &&
        (session->version < rule->min_version || session->version > rule->max_version)) {
        snprintf(why, sizeof(why), "Session encryption with %s is required",
                 version_words(rule, versions));
        return reject(facts, out, why);
    }
    if (rule->demand == MAIL_DEMAND_CCERT && !has_ccert(rule, session))
        return reject(facts, out,
                      session->ccert == SESSION_CCERT_NONE ? "A client certificate is required"
                                                           : "Client certificate not trusted");
    return true;
}

/* The header that a rule wants, with what protects the session. */
static void prepend(const struct session_facts *session, const char *name,
                    char out[POLICY_ANSWER_MAX])
{
    static const char *const ccerts[] = {"none", "untrusted", "trusted"};

    if (!session->tls)
        snprintf(out, POLICY_ANSWER_MAX, "PREPEND %s: tls=no", name);
    else
        snprintf(out, POLICY_ANSWER_MAX,
                 "PREPEND %s: tls=yes protocol=%s cipher=%s bits=%d ccert=%s%s%s", name,
                 session->protocol, session->cipher, (int)session->cipher_bits,
                 ccerts[session->ccert], session->fingerprint[0] != '\0' ? " fingerprint=" : "",
                 session->fingerprint);
    for (char *byte = out; *byte != '\0'; byte++) /* whatever a worker may have written */
        if (*byte < ' ' || *byte > '~')
            *byte = '?';
}

const struct mail_rule *policy_answer(const struct policy_answer_facts *facts,
                                      const struct policy_request *request,
                                      char out[POLICY_ANSWER_MAX])
{
    /* Before MAIL there is no sender; an empty one after it is the null sender. */
    bool has_sender = request->sender[0] != '\0' || strcmp(request->state, "RCPT") == 0 ||
                      strcmp(request->state, "MAIL") == 0 || strcmp(request->state, "DATA") == 0 ||
                      strcmp(request->state, "END-OF-MESSAGE") == 0;
    const struct mail_rule *rules[] = {
        mail_policy_find(facts->policy, false, request->recipient),
        has_sender ? mail_policy_find(facts->policy, true, request->sender) : NULL};

    for (size_t i = 0; i < 2; i++)
        if (!satisfies(facts, rules[i], out))
            return rules[i];
    for (size_t i = 0; i < 2 && facts->session != NULL; i++) {
        if (rules[i] != NULL && rules[i]->prepend != NULL) {
            prepend(facts->session, rules[i]->prepend, out);
            return rules[i];
        }
    }
    snprintf(out, POLICY_ANSWER_MAX, "DUNNO");
    return NULL;
}
