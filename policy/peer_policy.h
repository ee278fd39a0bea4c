/*
 * peer_policy.h: a table line's settings on top of the main configuration become a struct
 * tls_policy.
 */
#ifndef GATEPOST_POLICY_PEER_POLICY_H
#define GATEPOST_POLICY_PEER_POLICY_H

#include "policy/policy_table.h"
#include "policy/tls_policy.h"

/*
 * What holds for a peer whose line says SETTINGS (level none, may or encrypt; a rejected peer gets
 * no TLS at all, so that level is not for this function). What the line does not say is inherited
 * from CONFIG. PLACE ("FILE, line N") goes before each finding. Returns NULL after reporting to
 * DIAG; the caller frees with tls_policy_free.
 */
struct tls_policy *peer_policy_new(const struct config *config,
                                   const struct policy_settings *settings, const char *place,
                                   struct diag *diag);

#endif
