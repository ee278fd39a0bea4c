/*
 * context.h: a server's SSL_CTX made from a policy and credentials. Shared by all sessions that the
 * same settings hold for; reference counted, since a session outlives a reload.
 */
#ifndef GATEPOST_TLS_CONTEXT_H
#define GATEPOST_TLS_CONTEXT_H

#include <stdbool.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/tls_policy.h"

/* Certificate chains with their keys, as named by smtpd_tls_chain_files or smtpd_tls_cert_file /
 * smtpd_tls_key_file and their EC and DSA twins (postconf(5)). */
struct tls_credentials;
struct tls_sni_list; /* tls/sni_maps.h */

/*
 * Load what CONFIG names, with the chains of SNI (what its tls_server_sni_maps came to; NULL: none)
 * and the OCSP responses that gatepost_ocsp_suffix finds. Reports a missing file, a key that does
 * not match its certificate, an encrypted key, a key type BoringSSL refuses, with file name and
 * reason. Returns NULL on error, and NULL without an error if nothing is configured (DIAG's error
 * count tells). If nothing is configured, but the file of tls_credentials_make is there, that is
 * loaded, with a word. Free with tls_credentials_free.
 */
struct tls_credentials *tls_credentials_load(const struct config *config,
                                             const struct tls_sni_list *sni, struct diag *diag);
void tls_credentials_free(struct tls_credentials *credentials);

/*
 * For a daemon without a certificate: if CONFIG names none, write self-signed ones (ECDSA and RSA,
 * for myhostname) to TLS_SELFSIGNED_FILE in gatepost_state_directory, unless the file is there.
 * Reads and changes nothing otherwise. *MADE (may be NULL): a file was written; it belongs to the
 * caller's user. Returns 0, or -1 after reporting to DIAG.
 */
#define TLS_SELFSIGNED_FILE "selfsigned.pem"
int tls_credentials_make(const struct config *config, bool *made, struct diag *diag);

/* Somebody to be told a PATH, which lives until it returns. */
typedef void tls_path_visitor(void *ctx, const char *path);

/* Tell EACH the path of every file that tls_credentials_load reads or would read if it were there;
 * some perhaps more than once. Looks at no file. */
void tls_credentials_each_path(const struct config *config, const struct tls_sni_list *sni,
                               tls_path_visitor *each, void *ctx);

/* The same for what tls_context_new reads for POLICY: smtpd_tls_CAfile, and smtpd_tls_CApath, a
 * directory; nothing if no client is asked for a certificate. */
void tls_policy_each_path(const struct tls_policy *policy, tls_path_visitor *each, void *ctx);

struct tls_context;

/*
 * Make a context. Whatever the library cannot honour is reported: weaker than asked is an error
 * (NULL is returned), stricter a warning that says what clients lose. The context keeps what it
 * needs of POLICY and CREDENTIALS; both may be freed afterwards. One reference belongs to the
 * caller.
 */
struct tls_context *tls_context_new(const struct tls_policy *policy,
                                    const struct tls_credentials *credentials, struct diag *diag);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* Do clients under POLICY encrypt to the server's RSA key (static RSA key exchange)? Unlike a
 * signature, that takes a decryption. */
bool tls_policy_static_rsa(const struct tls_policy *policy);

/* "BoringSSL (API 17)", for --version and logs. */
const char *tls_library_version(void);

struct tls_ticket_keys;

/* Use KEYS for CONTEXT's session tickets (a reference is taken), so that others that use them too
 * can resume its sessions where the same policy holds. Without tickets nothing happens. */
void tls_context_share_tickets(struct tls_context *context, struct tls_ticket_keys *keys);

#endif
