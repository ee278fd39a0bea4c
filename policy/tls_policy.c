/*
 * tls_policy.c: levels, cipher grades and the rest of smtpd_tls_* become one struct tls_policy.
 */
#include "policy/tls_policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/text.h"
#include "policy/tls_options.h"

#define CIPHER_SEPARATORS ", \t\r\n:"
#define CIPHER_LIST_SEPARATORS ": ,;"
#define SECURITY_LEVEL "@SECLEVEL"
#define SESSION_MIN 120 /* seconds */

/* What is known while a policy is made. */
struct policy_maker {
    const struct config *config;
    struct tls_policy *policy;
    struct diag *diag;
    int status; /* -1 after an error */
};

/* Report what is wrong with a parameter's value. */
static void refuse(struct policy_maker *maker, enum param param, const char *what)
{
    diag_error(maker->diag, "%s: %s = %.100s: %s", config_origin(maker->config, param),
               config_param_name(param), config_str(maker->config, param), what);
    maker->status = -1;
}

/* The same for what works, but not as written. */
static void warn(struct policy_maker *maker, enum param param, const char *what)
{
    diag_warning(maker->diag, "%s: %s = %.100s: %s", config_origin(maker->config, param),
                 config_param_name(param), config_str(maker->config, param), what);
}

/* The level that smtpd_use_tls and smtpd_enforce_tls stand for. */
static enum tls_level level_from_booleans(const struct config *config)
{
    if (config_bool(config, PARAM_smtpd_enforce_tls))
        return TLS_LEVEL_ENCRYPT;
    return config_bool(config, PARAM_smtpd_use_tls) ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
}

/*
 * Whether the old booleans decide: where the level is empty, as in Postfix; and where it was not
 * set while they were, since in Postfix it would be empty then.
 */
static bool booleans_decide(const struct config *config)
{
    if (*config_str(config, PARAM_smtpd_tls_security_level) == '\0')
        return true;
    return !config_is_set(config, PARAM_smtpd_tls_security_level) &&
           (config_is_set(config, PARAM_smtpd_use_tls) ||
            config_is_set(config, PARAM_smtpd_enforce_tls));
}

const char *tls_level_name(enum tls_level level)
{
    switch (level) {
    case TLS_LEVEL_NONE:
        return "none";
    case TLS_LEVEL_MAY:
        return "may";
    case TLS_LEVEL_ENCRYPT:
        break;
    }
    return "encrypt";
}

/* Find the level. */
static void set_level(struct policy_maker *maker)
{
    static const struct {
        const char *name;
        enum tls_level level;
        bool as_encrypt; /* Postfix takes it for encrypt, with a warning */
    } levels[] = {
        {"none", TLS_LEVEL_NONE, false},       {"may", TLS_LEVEL_MAY, false},
        {"encrypt", TLS_LEVEL_ENCRYPT, false}, {"fingerprint", TLS_LEVEL_ENCRYPT, true},
        {"verify", TLS_LEVEL_ENCRYPT, true},   {"secure", TLS_LEVEL_ENCRYPT, true},
    };
    const char *text = config_str(maker->config, PARAM_smtpd_tls_security_level);
    size_t i = 0;

    if (config_bool(maker->config, PARAM_smtpd_tls_wrappermode)) {
        maker->policy->level = TLS_LEVEL_ENCRYPT;
        return;
    }
    if (booleans_decide(maker->config)) {
        maker->policy->level = level_from_booleans(maker->config);
        return;
    }
    while (i < 6 && strcasecmp(levels[i].name, text) != 0)
        i++;
    if (i == 6) {
        refuse(maker, PARAM_smtpd_tls_security_level,
               "invalid TLS level: specify none, may or encrypt");
        return;
    }
    maker->policy->level = levels[i].level;
    if (levels[i].as_encrypt)
        warn(maker, PARAM_smtpd_tls_security_level, "a level of TLS clients: taken as encrypt");
}

/* Whether sessions without TLS are refused, so that the mandatory lists hold. */
static bool is_enforced(const struct policy_maker *maker)
{
    return maker->policy->level == TLS_LEVEL_ENCRYPT;
}

/* Find the range of versions. */
static void set_protocols(struct policy_maker *maker)
{
    enum param param =
        is_enforced(maker) ? PARAM_smtpd_tls_mandatory_protocols : PARAM_smtpd_tls_protocols;
    struct text where = {0};

    text_format(&where, "%s: %s", config_origin(maker->config, param), config_param_name(param));
    if (tls_protocols_parse(config_str(maker->config, param), where.data,
                            &maker->policy->min_version, &maker->policy->max_version,
                            maker->diag) != 0)
        maker->status = -1;
    text_free(&where);
}

/* Decide whether clients are asked for certificates. */
static void set_client_certificates(struct policy_maker *maker)
{
    bool required = config_bool(maker->config, PARAM_smtpd_tls_req_ccert);

    if (required && !is_enforced(maker) && maker->policy->level != TLS_LEVEL_NONE)
        warn(maker, PARAM_smtpd_tls_req_ccert, "Can't require client certs unless TLS is required");
    maker->policy->require_ccert = required && is_enforced(maker);
    maker->policy->ask_ccert =
        maker->policy->require_ccert || config_bool(maker->config, PARAM_smtpd_tls_ask_ccert);
}

/* The list of the grade that PARAM names. Returns PARAM_COUNT after reporting. */
static enum param find_cipher_list(struct policy_maker *maker, enum param param)
{
    static const struct {
        const char *name;
        enum param list;
    } grades[] = {
        {"high", PARAM_tls_high_cipherlist},
        {"medium", PARAM_tls_medium_cipherlist},
        {"low", PARAM_tls_medium_cipherlist},    /* as Postfix 3.8 and later */
        {"export", PARAM_tls_medium_cipherlist}, /* likewise */
    };
    const char *grade = config_str(maker->config, param);

    for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]); i++) {
        if (strcasecmp(grades[i].name, grade) == 0)
            return grades[i].list;
    }
    refuse(maker, param,
           strcasecmp(grade, "null") == 0
               ? "BoringSSL has no ciphers without encryption: specify high or medium"
               : "invalid cipher grade: specify high or medium");
    return PARAM_COUNT;
}

/* Append the list of a grade without what BoringSSL takes for a mistake in the whole list. */
static void add_cipher_list(struct policy_maker *maker, enum param param, struct text *out)
{
    const char *cursor = config_str(maker->config, param);
    const char *word;
    size_t length;

    while ((word = text_next(&cursor, CIPHER_LIST_SEPARATORS, false, &length)) != NULL) {
        if (length >= strlen(SECURITY_LEVEL) &&
            strncasecmp(word, SECURITY_LEVEL, strlen(SECURITY_LEVEL)) == 0) {
            warn(maker, param, "BoringSSL has no security levels: @SECLEVEL is ignored");
            continue;
        }
        if (out->length > 0)
            text_add_char(out, ':');
        text_add(out, word, length);
    }
    if (out->length == 0)
        refuse(maker, param, "no ciphers");
}

/* Append one ":!X" for every X in PARAM. */
static void add_exclusions(struct policy_maker *maker, enum param param, struct text *out)
{
    const char *cursor = config_str(maker->config, param);
    const char *word;
    size_t length;

    while ((word = text_next(&cursor, CIPHER_SEPARATORS, false, &length)) != NULL) {
        if (strchr("!+-@", *word) != NULL) {
            refuse(maker, param, "invalid unary '!+-@' in cipher exclusion: specify plain names");
            return;
        }
        text_add_string(out, ":!");
        text_add(out, word, length);
    }
}

/* Make the cipher list. */
static void set_ciphers(struct policy_maker *maker)
{
    bool enforced = is_enforced(maker);
    enum param list = find_cipher_list(maker, enforced ? PARAM_smtpd_tls_mandatory_ciphers
                                                       : PARAM_smtpd_tls_ciphers);
    struct text out = {0};

    if (list != PARAM_COUNT)
        add_cipher_list(maker, list, &out);
    add_exclusions(maker, PARAM_smtpd_tls_exclude_ciphers, &out);
    if (enforced)
        add_exclusions(maker, PARAM_smtpd_tls_mandatory_exclude_ciphers, &out);
    if (maker->policy->ask_ccert)
        text_add_string(&out, ":!aNULL");
    maker->policy->cipher_list = text_take(&out);
}

/* Whether tickets can be encrypted with tls_session_ticket_cipher: what Postfix allows and
 * BoringSSL has. Postfix, too, goes on without tickets otherwise. */
static bool has_ticket_cipher(struct policy_maker *maker)
{
    static const char *const ciphers[][2] = {
        {"aes-256-cbc", "aes256"}, {"aes-192-cbc", "aes192"}, {"aes-128-cbc", "aes128"}};
    const char *name = config_str(maker->config, PARAM_tls_session_ticket_cipher);

    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        if (strcasecmp(name, ciphers[i][0]) == 0 || strcasecmp(name, ciphers[i][1]) == 0) {
            maker->policy->ticket_cipher = text_copy(ciphers[i][0]);
            return true;
        }
    }
    if (*name != '\0')
        warn(maker, PARAM_tls_session_ticket_cipher,
             "session tickets disabled: BoringSSL encrypts them with aes-256-cbc, aes-192-cbc or "
             "aes-128-cbc only");
    return false;
}

/* Decide whether and how long sessions can be resumed. As in Postfix, short times are raised to two
 * minutes. */
static void set_sessions(struct policy_maker *maker)
{
    const struct config *config = maker->config;
    struct tls_policy *policy = maker->policy;
    long timeout = config_time(config, PARAM_smtpd_tls_session_cache_timeout);
    struct tls_options options;
    struct text where = {0};

    text_format(&where, "%s: tls_ssl_options", config_origin(config, PARAM_tls_ssl_options));
    tls_options_parse(config_str(config, PARAM_tls_ssl_options), where.data, &options, maker->diag);
    text_free(&where);
    if (timeout > 0 && timeout < SESSION_MIN)
        timeout = SESSION_MIN;
    policy->tickets = has_ticket_cipher(maker) && !options.no_tickets && timeout > 0;
    policy->session_timeout = policy->tickets ? timeout : 0;
    policy->session_ids = config_bool(config, PARAM_smtpd_tls_always_issue_session_ids);
    policy->prioritize_chacha = options.prioritize_chacha;
    if (options.prioritize_chacha && !config_bool(config, PARAM_tls_preempt_cipherlist))
        diag_info(maker->diag,
                  "%s: tls_ssl_options: PRIORITIZE_CHACHA has no effect without "
                  "tls_preempt_cipherlist = yes: the client's order counts",
                  config_origin(config, PARAM_tls_ssl_options));
}

/* Copy what needs no thought. */
static void set_plain(struct policy_maker *maker)
{
    const struct config *config = maker->config;
    struct tls_policy *policy = maker->policy;

    policy->curves = text_copy(config_str(config, PARAM_tls_eecdh_auto_curves));
    policy->server_preference = config_bool(config, PARAM_tls_preempt_cipherlist);
    policy->auth_only = is_enforced(maker) || config_bool(config, PARAM_smtpd_tls_auth_only);
    policy->ca_file = text_copy(config_str(config, PARAM_smtpd_tls_CAfile));
    policy->ca_path = text_copy(config_str(config, PARAM_smtpd_tls_CApath));
    policy->default_ca = config_bool(config, PARAM_tls_append_default_CA);
    policy->verify_depth = (int)config_int(config, PARAM_smtpd_tls_ccert_verifydepth);
    policy->trust_server_ccerts = config_bool(config, PARAM_tls_trust_server_ccerts);
    policy->fingerprint_digest = text_copy(config_str(config, PARAM_smtpd_tls_fingerprint_digest));
    policy->match = text_copy("");
}

/* Say which settings change nothing. */
static void note_ignored(struct policy_maker *maker)
{
    static const struct {
        enum param param;
        const char *text;
    } notes[] = {
        {PARAM_smtpd_use_tls, "deprecated; specify smtpd_tls_security_level"},
        {PARAM_smtpd_enforce_tls, "deprecated; specify smtpd_tls_security_level"},
        {PARAM_tls_low_cipherlist, "ignored: the grade low is medium"},
        {PARAM_tls_export_cipherlist, "ignored: the grade export is medium"},
        {PARAM_tls_null_cipherlist, "ignored: there is no grade null"},
    };

    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        if (config_is_set(maker->config, notes[i].param))
            diag_info(maker->diag, "%s: %s = %.100s: %s",
                      config_origin(maker->config, notes[i].param),
                      config_param_name(notes[i].param), config_str(maker->config, notes[i].param),
                      notes[i].text);
    }
}

struct tls_policy *tls_policy_from_config(const struct config *config, struct diag *diag)
{
    struct policy_maker maker = {
        .config = config, .policy = text_alloc(1, sizeof(struct tls_policy)), .diag = diag};

    set_level(&maker);
    set_protocols(&maker);
    set_client_certificates(&maker);
    set_ciphers(&maker);
    set_sessions(&maker);
    set_plain(&maker);
    note_ignored(&maker);
    if (maker.status == 0)
        return maker.policy;
    tls_policy_free(maker.policy);
    return NULL;
}

void tls_policy_set_match(struct tls_policy *policy, const char *match)
{
    free(policy->match);
    policy->match = text_copy(match);
}

void tls_policy_free(struct tls_policy *policy)
{
    if (policy == NULL)
        return;
    free(policy->cipher_list);
    free(policy->curves);
    free(policy->ca_file);
    free(policy->ca_path);
    free(policy->match);
    free(policy->fingerprint_digest);
    free(policy->ticket_cipher);
    free(policy);
}
