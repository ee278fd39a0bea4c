/*
 * ciphers.c: see ciphers.h.
 *
 * The library ignores unknown words, and leaves a context without any suite when it refuses a list.
 * So the list is taken apart, each token is tried on a scratch context in strict mode, what is left
 * is resolved there, and the context gets the result name by name.
 */
#include "tls/ciphers.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/nid.h>

#include "tls/cipher_findings.h"
#include "tls/cipher_words.h"
#include "tls/errors.h"

#define SEPARATORS " \t\r\n:,;"
#define EXPRESSION_MAX 128
#define SUITES_MAX 256

/* What is known of a list while it is taken apart. */
struct cipher_list {
    const char *text; /* as the operator wrote it */
    struct diag *diag;
    SSL_CTX *scratch;
    FILE *rules; /* what the library is to resolve */
    FILE *kills; /* exclusions, apart from the rules when there are groups */
    struct cipher_findings findings;
    bool has_groups;
    bool in_group;      /* inside "[...]" of the list... */
    bool group_written; /* ...of which something has been written */
    bool names_3des;
    bool good;
};

/* Would the library understand EXPRESSION? "ALL:" keeps a word that selects nothing from failing.
 */
static bool library_knows(struct cipher_list *list, const char *expression)
{
    char rule[EXPRESSION_MAX + 8];
    for (const char *p = expression; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr("+-._", *p) == NULL) {
            return false;
        }
    }
    snprintf(rule, sizeof rule, "ALL:%s", expression);
    bool known = SSL_CTX_set_strict_cipher_list(list->scratch, rule) == 1;
    ERR_clear_error();
    return known;
}

/* Is there an exclusion "!X" or "-X" of this token further on? */
static bool excluded_later(const char *p, size_t length)
{
    for (const char *next = p + length; (next = strpbrk(next, "!-")) != NULL; next++) {
        if (strchr(SEPARATORS, next[-1]) != NULL && strncmp(next + 1, p, length) == 0 &&
            strchr(SEPARATORS, next[1 + length]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Remember a word that the library does not know. One that is included only to be excluded again
 * (Postfix's "aNULL:-aNULL") is found at its exclusion. */
static void note_unknown(struct cipher_list *list, char op, const char *start, size_t length,
                         const char *expression)
{
    if (op == '\0' && excluded_later(start, length)) {
        return;
    }
    enum cipher_consequence consequence = CIPHER_NOTHING_LOST;
    enum cipher_word_kind kind = tls_cipher_word_kind(expression);
    if (kind == CIPHER_WORD_UNKNOWN) {
        consequence = CIPHER_NO_SUCH_WORD;
    } else if (kind == CIPHER_WORD_LACKING && op == '\0') {
        consequence = CIPHER_SUITES_LOST;
    }
    if (!cipher_findings_add(&list->findings, expression, consequence)) {
        diag_error(list->diag, "cipher list: out of memory");
        list->good = false;
    }
}

/* Write one rule that the library knows to where it belongs. */
static void write_rule(struct cipher_list *list, char op, const char *expression)
{
    if (list->has_groups && op == '!') {
        fprintf(list->kills, ":!%s", expression);
    } else if (list->in_group && op == '\0') {
        fprintf(list->rules, "%s%s", list->group_written ? "|" : ":[", expression);
        list->group_written = true;
    } else if (op == '\0') {
        fprintf(list->rules, ":%s", expression);
    } else {
        fprintf(list->rules, ":%c%s", op, expression);
    }
}

/* "@STRENGTH", and "@SECLEVEL=N", which BoringSSL answers with an empty list. */
static void take_command(struct cipher_list *list, const char *word)
{
    if (strcmp(word, "STRENGTH") == 0) {
        write_rule(list, '@', word);
        return;
    }
    list->good = false;
    if (strncmp(word, "SECLEVEL=", 9) != 0) {
        diag_error(list->diag, "cipher list \"%s\": @%s is not a command", list->text, word);
    } else if (strcmp(word + 9, "0") == 0 || strcmp(word + 9, "1") == 0) {
        list->good = true;
        diag_info(list->diag, "cipher list: @%s has no effect: BoringSSL has no security levels",
                  word);
    } else {
        diag_error(list->diag,
                   "cipher list \"%s\": @%s cannot be honoured: BoringSSL has no security levels;"
                   " say what is meant with protocols and ciphers",
                   list->text, word);
    }
}

/* The CBC suites with SHA-256 MACs, which no keyword of BoringSSL selects. */
static void kill_sha256_cbc(struct cipher_list *list, char op, const char *word)
{
    static const char *const names[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256"};
    bool meant = strcmp(word, "CBC") == 0 || strcmp(word, "SHA256") == 0;
    for (size_t i = 0; meant && i < sizeof names / sizeof names[0]; i++) {
        if (library_knows(list, names[i])) {
            write_rule(list, op, names[i]);
        }
    }
}

/* One token of LENGTH bytes without brackets and separators. */
static void take_token(struct cipher_list *list, const char *start, size_t length)
{
    char word[EXPRESSION_MAX], translated[EXPRESSION_MAX];
    char op = strchr("!-+@", *start) != NULL ? *start : '\0';
    if (op != '\0') {
        start++;
        length--;
    }
    if (length == 0 || length >= sizeof word) {
        diag_error(list->diag, "cipher list \"%s\": an element is %s", list->text,
                   length == 0 ? "empty" : "too long");
        list->good = false;
        return;
    }
    memcpy(word, start, length);
    word[length] = '\0';
    if (op == '@') {
        take_command(list, word);
        return;
    }
    if (op == '!' || op == '-') {
        kill_sha256_cbc(list, op, word);
    }
    if (!tls_cipher_words_translate(word, translated, sizeof translated) ||
        !library_knows(list, translated)) {
        note_unknown(list, op, start, length, word);
        return;
    }
    if (op == '\0' && tls_cipher_words_name_3des(word)) {
        list->names_3des = true;
    }
    write_rule(list, op, translated);
}

/* Go through the whole list. */
static void take_apart(struct cipher_list *list)
{
    const char *p = list->text;
    while (list->good && *(p += strspn(p, SEPARATORS)) != '\0') {
        if (*p == '[' || *p == ']' || *p == '|') {
            bool opens = *p == '[';
            if (opens == list->in_group) {
                diag_error(list->diag, "cipher list \"%s\": misplaced '%c'", list->text, *p);
                list->good = false;
            }
            if (*p != '|') {
                fputs(list->group_written ? "]" : "", list->rules);
                list->in_group = opens;
                list->group_written = false;
            }
            p++;
            continue;
        }
        size_t length = strcspn(p, SEPARATORS "[]|");
        take_token(list, p, length);
        p += length;
    }
    if (list->good && list->in_group) {
        diag_error(list->diag, "cipher list \"%s\": ']' is missing", list->text);
        list->good = false;
    }
}

/* Suites that are never offered, whatever keyword selected them. */
static bool is_unwanted(const struct cipher_list *list, const SSL_CIPHER *cipher)
{
    return SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk ||
           SSL_CIPHER_get_kx_nid(cipher) == NID_kx_psk ||
           (!list->names_3des && SSL_CIPHER_get_cipher_nid(cipher) == NID_des_ede3_cbc);
}

/* Do the exclusions KILLS (":!A:!B" or "") take away the suite NAME? The library is asked, since
 * which suites a keyword means differs between adding and excluding. */
static bool is_killed(struct cipher_list *list, const char *name, const char *kills)
{
    char *rule = NULL;
    bool killed = asprintf(&rule, "%s%s", name, kills) < 0 ||
                  SSL_CTX_set_cipher_list(list->scratch, rule) != 1;
    free(rule);
    ERR_clear_error();
    return killed;
}

/* Take the names of the suites that the scratch context holds, without the unwanted. LINKED[i]: of
 * the same preference as the next. Returns how many. */
static size_t take_suites(struct cipher_list *list, const char *names[SUITES_MAX],
                          bool linked[SUITES_MAX])
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(list->scratch);
    size_t count = 0;
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers) && count < SUITES_MAX; i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        names[count] = is_unwanted(list, cipher) ? NULL : SSL_CIPHER_get_name(cipher);
        linked[count++] = SSL_CTX_cipher_in_group(list->scratch, i) != 0;
    }
    return count;
}

/* Write the suites by name, without those that KILLS take away, groups of equal preference in
 * brackets. */
static void write_result(struct cipher_list *list, const char *kills, FILE *out)
{
    const char *names[SUITES_MAX];
    bool linked[SUITES_MAX];
    size_t count = take_suites(list, names, linked);
    bool open = false;
    for (size_t i = 0; i < count; i++) {
        if (names[i] != NULL && (*kills == '\0' || !is_killed(list, names[i], kills))) {
            fprintf(out, "%s%s", open ? "|" : linked[i] ? ":[" : ":", names[i]);
            open = open || linked[i];
        }
        if (open && !linked[i]) {
            fputc(']', out);
            open = false;
        }
    }
}

/* Resolve RULES minus KILLS and give CONTEXT the result. */
static bool resolve(struct cipher_list *list, SSL_CTX *context, const char *rules,
                    const char *kills)
{
    const char *text = *rules == ':' ? rules + 1 : rules;
    if (*text == '\0' || SSL_CTX_set_cipher_list(list->scratch, text) != 1) {
        struct tls_error error = {.reason = "nothing is left"};
        if (*text != '\0') {
            tls_error_take(&error);
        }
        diag_error(list->diag, "cipher list \"%s\" cannot be used with BoringSSL: %s", list->text,
                   error.reason);
        return false;
    }
    char *names = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&names, &length);
    if (out == NULL) {
        diag_error(list->diag, "cipher list: out of memory");
        return false;
    }
    write_result(list, kills, out);
    bool good =
        fclose(out) == 0 && length > 0 && SSL_CTX_set_strict_cipher_list(context, names + 1) == 1;
    if (!good) {
        diag_error(list->diag, "cipher list \"%s\" leaves no cipher suite with BoringSSL",
                   list->text);
    }
    free(names);
    ERR_clear_error();
    return good;
}

/* Take TEXT apart into the streams of LIST, and then give CONTEXT what RULES and KILLS, which the
 * streams write to, come to. Closes the streams. */
static bool apply(struct cipher_list *list, SSL_CTX *context, char *const *rules,
                  char *const *kills)
{
    take_apart(list);
    bool written = fclose(list->rules) == 0;
    written = fclose(list->kills) == 0 && written;
    if (!written) {
        diag_error(list->diag, "cipher list: out of memory");
    }
    return written && list->good && resolve(list, context, *rules, *kills);
}

bool tls_ciphers_apply(SSL_CTX *context, const char *text, struct diag *diag)
{
    char *rules = NULL, *kills = NULL;
    size_t rules_length, kills_length;
    struct cipher_list list = {
        .text = text,
        .diag = diag,
        .scratch = SSL_CTX_new(TLS_server_method()),
        .rules = open_memstream(&rules, &rules_length),
        .kills = open_memstream(&kills, &kills_length),
        .has_groups = strchr(text, '[') != NULL,
        .good = true,
    };
    bool good = false;
    if (list.scratch != NULL && list.rules != NULL && list.kills != NULL) {
        good = apply(&list, context, &rules, &kills);
        cipher_findings_report(&list.findings, diag);
    } else {
        diag_error(diag, "cipher list: out of memory");
    }
    cipher_findings_free(&list.findings);
    free(rules);
    free(kills);
    SSL_CTX_free(list.scratch);
    return good;
}

bool tls_ciphers_static_rsa(const SSL_CTX *context)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        if (SSL_CIPHER_get_kx_nid(sk_SSL_CIPHER_value(ciphers, i)) == NID_kx_rsa) {
            return true;
        }
    }
    return false;
}
