/*
 * policy_answer.h: what Postfix is answered about a session: an action of access(5). Pure.
 */
#ifndef GATEPOST_PROXY_POLICY_ANSWER_H
#define GATEPOST_PROXY_POLICY_ANSWER_H

#include "policy/mail_policy.h"

#include "proxy/policy_request.h"
#include "proxy/session_table.h"

#define POLICY_ANSWER_MAX 1024

/* What is known when a request is answered. */
struct policy_answer_facts {
    const struct mail_policy *policy;
    unsigned reject_code;                /* plaintext_reject_code */
    const struct session_facts *session; /* NULL: not known, or not for sure */
};

/*
 * The action for REQUEST, without "action=" and line end: DUNNO; PREPEND and a header; the reject
 * code and why; or DEFER_IF_PERMIT, where a rule demands something of a session that is not known.
 * The recipient's rule is looked at first, then the sender's; both must be satisfied, and one
 * header at most is prepended. Returns the rule that made it, or NULL: none did.
 */
const struct mail_rule *policy_answer(const struct policy_answer_facts *facts,
                                      const struct policy_request *request,
                                      char out[POLICY_ANSWER_MAX]);

#endif
