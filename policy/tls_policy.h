/*
 * tls_policy.h: what TLS shall hold for a peer, as numbers and names, without any TLS library.
 */
#ifndef GATEPOST_POLICY_TLS_POLICY_H
#define GATEPOST_POLICY_TLS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"

enum tls_level { TLS_LEVEL_NONE, TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT };

/* "none", "may", "encrypt". */
const char *tls_level_name(enum tls_level level);

/* Protocol versions as on the wire (RFC 8446 section 4.2.1). */
#define TLS_VERSION_1_0 0x0301
#define TLS_VERSION_1_1 0x0302
#define TLS_VERSION_1_2 0x0303
#define TLS_VERSION_1_3 0x0304

struct tls_policy {
    enum tls_level level;
    uint16_t min_version; /* contiguous range; holes are resolved (and reported) by the parser */
    uint16_t max_version;
    char *cipher_list;      /* OpenSSL cipher string: grade's list and exclusions. Owned. */
    char *curves;           /* tls_eecdh_auto_curves as written. Owned. */
    bool server_preference; /* tls_preempt_cipherlist */
    bool ask_ccert;
    bool require_ccert;
    bool auth_only; /* no AUTH before TLS: smtpd_tls_auth_only, or TLS is enforced */
    char *match; /* fingerprints of client certificates, "|" between them: only these clients. "" or
                    NULL: any. Owned. */
    char *fingerprint_digest; /* smtpd_tls_fingerprint_digest: "sha256"; NULL: that. Owned. */
    bool trust_server_ccerts; /* tls_trust_server_ccerts */
    bool tickets;             /* sessions can be resumed, with tickets */
    long session_timeout;     /* seconds for which they can; 0: no tickets at all */
    char *ticket_cipher;      /* tls_session_ticket_cipher, "aes-256-cbc"; NULL: that. Owned. */
    bool session_ids;         /* smtpd_tls_always_issue_session_ids: TLS 1.2 and older */
    bool prioritize_chacha;   /* with server_preference: ChaCha20 first for clients that put it
                                 first (tls_ssl_options = PRIORITIZE_CHACHA) */
    char *ca_file;            /* smtpd_tls_CAfile and smtpd_tls_CApath, "" if not set. Owned. */
    char *ca_path;
    bool default_ca;  /* the system's authorities besides those (tls_append_default_CA) */
    int verify_depth; /* smtpd_tls_ccert_verifydepth: intermediate certificates */
};

/*
 * The policy of a main configuration: smtpd_tls_wrappermode, smtpd_tls_security_level (or the older
 * smtpd_use_tls/smtpd_enforce_tls), the plain or the mandatory protocol and cipher lists as the
 * level demands (postconf(5)). Returns NULL after reporting to DIAG if anything cannot be honoured.
 */
struct tls_policy *tls_policy_from_config(const struct config *config, struct diag *diag);
void tls_policy_free(struct tls_policy *policy);

/* Admit only clients with these certificates: fingerprints, "|" between them (copied). */
void tls_policy_set_match(struct tls_policy *policy, const char *match);

/*
 * A Postfix protocol list (postconf(5) smtpd_tls_protocols): names, exclusions, ">=" and "<=",
 * hexadecimal bounds. Only TLS 1.0 to 1.3 exist here; older names are accepted as exclusions and
 * lower bounds. A hole keeps the highest contiguous run (stricter: a warning). A bad token or an
 * empty result is an error. PARAM_NAME is for the messages. Returns 0 or -1.
 */
int tls_protocols_parse(const char *list, const char *param_name, uint16_t *min_version,
                        uint16_t *max_version, struct diag *diag);

#endif
