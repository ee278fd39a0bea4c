/*
 * forged_field.c: reading "by HOSTNAME" the way a lenient reader would.
 */
#include "proxy/forged_field.h"

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* What host names are made of, and what can therefore continue one. */
static bool is_name_char(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Copy VALUE without NULs, with blanks in place of what cannot be part of a name. */
static size_t names_only(const char *value, size_t length, char *out)
{
    size_t produced = 0;
    for (size_t i = 0; i < length; i++) {
        if (value[i] != '\0') {
            out[produced++] = (char)(is_name_char(value[i]) ? value[i] : ' ');
        }
    }
    return produced;
}

/* Copy VALUE without NULs, each comment (they nest, a backslash hides the next byte) as a blank. */
static size_t without_comments(const char *value, size_t length, char *out)
{
    size_t produced = 0;
    size_t depth = 0;
    for (size_t i = 0; i < length; i++) {
        char c = value[i];
        if (c == '(') {
            depth++;
        } else if (depth > 0 && c == '\\') {
            i++;
        } else if (depth > 0 && c == ')') {
            depth--;
            out[produced++] = ' ';
        } else if (depth == 0 && c != '\0') {
            out[produced++] = (char)(is_blank(c) ? ' ' : c);
        }
    }
    return produced;
}

static size_t skip_blanks(const char *text, size_t length, size_t at)
{
    while (at < length && text[at] == ' ') {
        at++;
    }
    return at;
}

/* Whether HOSTNAME stands at offset AT of TEXT and ends there. */
static bool is_host(const char *text, size_t length, size_t at, const char *hostname)
{
    for (; *hostname != '\0'; hostname++) {
        size_t dot = skip_blanks(text, length, at);
        if (*hostname == '.' && dot < length && text[dot] == '.') {
            at = skip_blanks(text, length, dot + 1);
        } else if (at < length && lower(text[at]) == lower(*hostname)) {
            at++;
        } else {
            return false;
        }
    }
    while (at < length && text[at] == '.') {
        at++;
    }
    return at == length || !is_name_char(text[at]);
}

/* Whether TEXT, in which all blanks are spaces, has "by HOSTNAME" anywhere. */
static bool find_claim(const char *text, size_t length, const char *hostname)
{
    for (size_t i = 0; i + 2 < length; i++) {
        if (lower(text[i]) == 'b' && lower(text[i + 1]) == 'y' && text[i + 2] == ' ' &&
            (i == 0 || !is_name_char(text[i - 1])) &&
            is_host(text, length, skip_blanks(text, length, i + 2), hostname)) {
            return true;
        }
    }
    return false;
}

bool forged_field_claims(const char *value, size_t length, const char *hostname)
{
    char text[FORGED_FIELD_MAX] = "";
    if (length > sizeof text) {
        length = sizeof text;
    }
    size_t copied = without_comments(value, length, text);
    if (find_claim(text, copied, hostname)) {
        return true;
    }
    copied = names_only(value, length, text);
    return find_claim(text, copied, hostname);
}
