/*
 * value.c: types of parameters.
 */
#include "policy/value.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/refusal.h"
#include "policy/text.h"

#define HOST_MAX 255
#define LABEL_MAX 63

/* The bounds of a row; an upper bound of 0 stands for none. */
static long upper_bound(const struct param_row *row)
{
    return row->max != 0 ? row->max : INT_MAX;
}

/* BOOL. */
static int check_bool(const char *text, long *number, const struct refusal *why)
{
    if (strcasecmp(text, "yes") != 0 && strcasecmp(text, "no") != 0)
        return refuse(why, "bad boolean value: specify yes or no");
    *number = strcasecmp(text, "yes") == 0;
    return 0;
}

/* Read digits up to INT_MAX; *END is behind them. False if there are none or too many. */
static bool read_number(const char *text, long *number, const char **end)
{
    long result = 0;

    if (!text_is_digit(*text))
        return false;
    for (; text_is_digit(*text); text++) {
        if (result > (INT_MAX - (*text - '0')) / 10)
            return false;
        result = result * 10 + (*text - '0');
    }
    *number = result;
    *end = text;
    return true;
}

/* INT and AUTO. */
static int check_int(const struct param_row *row, const char *text, long *number,
                     const struct refusal *why)
{
    bool minus = *text == '-';
    const char *end;
    const char *or_auto = row->type == PARAM_TYPE_AUTO ? "auto or " : "";

    if (row->type == PARAM_TYPE_AUTO && strcasecmp(text, "auto") == 0)
        return 0;
    if (!read_number(text + minus, number, &end) || *end != '\0')
        return refuse(why, "bad number: specify %sa decimal number from %ld to %ld", or_auto,
                      row->min, upper_bound(row));
    if (minus)
        *number = -*number;
    if (*number < row->min || *number > upper_bound(row))
        return refuse(why, "out of range: specify %sa number from %ld to %ld", or_auto, row->min,
                      upper_bound(row));
    return 0;
}

/* Seconds in a unit of time, 0 if there is no such unit. */
static long unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 60 * 60;
    case 'd':
        return 24 * 60 * 60;
    case 'w':
        return 7 * 24 * 60 * 60;
    default:
        return 0;
    }
}

/* TIME. Only the first letter of the unit counts, as in Postfix: a remark says so. */
static int check_time(const struct param_row *row, const char *text, char unit, long *number,
                      const struct refusal *why)
{
    const char *end;

    if (!read_number(text, number, &end))
        return refuse(why,
                      "bad time value: specify a number from 0 to %d and perhaps a unit, "
                      "one of s m h d w",
                      INT_MAX);
    char used = *end != '\0' ? *end : unit;
    long seconds = unit_seconds(used);
    if (seconds == 0)
        return refuse(why, "bad time unit: specify one of s m h d w behind the number");
    if (*number > INT_MAX / seconds)
        return refuse(why, "time too long: at most %d seconds", INT_MAX);
    long count = *number;
    *number *= seconds;
    if (*number < row->min || *number > upper_bound(row))
        return refuse(why, "out of range: specify a time from %lds to %lds", row->min,
                      upper_bound(row));
    if (*end != '\0' && end[1] != '\0')
        refuse(why, "only the first letter of a time unit counts: taken as %ld%c", count, used);
    return 0;
}

/* Length and characters of all kinds of text. */
static int check_text(const struct param_row *row, const char *text, const struct refusal *why)
{
    bool list = row->type == PARAM_TYPE_LIST || row->type == PARAM_TYPE_PATHS;
    size_t length = strlen(text);

    if (length < (size_t)row->min)
        return length == 0 ? refuse(why, "must not be empty")
                           : refuse(why, "too short: at least %ld bytes", row->min);
    if (row->max != 0 && length > (size_t)row->max)
        return refuse(why, "too long: at most %ld bytes", row->max);
    for (const char *p = text; *p != '\0'; p++) {
        if (((unsigned char)*p < ' ' && *p != '\t' && !(list && *p == '\r')) || *p == 0x7f)
            return refuse(why, "control character in the value");
    }
    return 0;
}

/* PATH, CERTPATH: absolute, since a daemon has no directory that names could be relative to. */
static int check_path(const struct param_row *row, const char *text, const struct refusal *why)
{
    bool none = row->type == PARAM_TYPE_CERTPATH && strcmp(text, "none") == 0;

    if (*text != '\0' && *text != '/' && !none)
        return refuse(why, "not an absolute path: it must begin with /");
    return 0;
}

/* PATHS. */
static int check_paths(const char *text, const struct refusal *why)
{
    const char *cursor = text;
    const char *element;
    size_t length;

    while ((element = text_next(&cursor, TEXT_LIST_SEPARATORS, false, &length)) != NULL) {
        if (*element != '/')
            return refuse(why, "\"%.*s\" is not an absolute path: it must begin with /",
                          length > 100 ? 100 : (int)length, element);
    }
    return 0;
}

/* HOST: letters, digits, '-' and '_' in labels of 1 to 63 bytes. */
static int check_host(const char *text, const struct refusal *why)
{
    size_t label = 0;
    bool good = *text != '\0' && strlen(text) <= HOST_MAX;

    for (const char *p = text; good && *p != '\0'; p++) {
        if (*p == '.')
            good = label > 0 && p[-1] != '-' && p[1] != '\0';
        else
            good = (text_is_name(*p) || (*p == '-' && label > 0)) && label < LABEL_MAX;
        label = *p == '.' ? 0 : label + 1;
    }
    if (!good || text[strlen(text) - 1] == '-')
        return refuse(why, "bad host name: letters, digits, '-' and '.' are allowed");
    return 0;
}

/* Make lower case. */
static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = text_lower(*text);
}

/* Whether the LENGTH bytes at WORD are one of WORDS. */
static bool is_word(const char *words, const char *word, size_t length)
{
    const char *known;
    size_t known_length;

    while ((known = text_next(&words, " ", false, &known_length)) != NULL) {
        if (known_length == length && strncasecmp(known, word, length) == 0)
            return true;
    }
    return false;
}

/* LOGLEVEL: the number is that of the highest level named. */
static int check_loglevel(const char *text, long *number, const struct refusal *why)
{
    static const char *const levels[] = {"0 none", "1 routine", "2 debug", "3 ssl-expert",
                                         "4 5 6 7 8 9 ssl-developer"};
    static const char features[] =
        "summary untrusted peercert certmatch verbose cache dane ssl-debug "
        "ssl-handshake-packet-dump ssl-session-packet-dump trace";
    const char *cursor = text;
    const char *word;
    size_t length;

    while ((word = text_next(&cursor, TEXT_LIST_SEPARATORS, false, &length)) != NULL) {
        bool known = is_word(features, word, length);

        for (long i = 0; i < 5; i++) {
            if (is_word(levels[i], word, length)) {
                known = true;
                *number = i > *number ? i : *number;
            }
        }
        if (!known)
            return refuse(why,
                          "unknown word \"%.*s\": specify 0 to 4, none, routine, debug, "
                          "ssl-expert, ssl-developer, or features: %s",
                          length > 40 ? 40 : (int)length, word, features);
    }
    return 0;
}

/* The types that are text. */
static int check_string(const struct param_row *row, char *text, long *number,
                        const struct refusal *why)
{
    if (check_text(row, text, why) != 0)
        return -1;
    switch (row->type) {
    case PARAM_TYPE_PATH:
    case PARAM_TYPE_CERTPATH:
        return check_path(row, text, why);
    case PARAM_TYPE_PATHS:
        return check_paths(text, why);
    case PARAM_TYPE_HOST:
        return check_host(text, why);
    case PARAM_TYPE_LOGLEVEL:
        lower(text);
        return check_loglevel(text, number, why);
    case PARAM_TYPE_WORD:
        lower(text);
        if (!is_word(row->words, text, strlen(text)))
            return refuse(why, "specify one of: %s", row->words);
        return 0;
    default:
        return 0;
    }
}

int value_check(const struct param_row *row, char *text, char unit, long *number, char *message,
                size_t message_size)
{
    const struct refusal why = {message, message_size};

    message[0] = '\0';
    *number = 0;
    switch (row->type) {
    case PARAM_TYPE_BOOL:
        return check_bool(text, number, &why);
    case PARAM_TYPE_INT:
    case PARAM_TYPE_AUTO:
        return check_int(row, text, number, &why);
    case PARAM_TYPE_TIME:
        return check_time(row, text, unit, number, &why);
    default:
        return check_string(row, text, number, &why);
    }
}

char value_default_unit(const char *expanded_default)
{
    const char *p = expanded_default;

    while (*p != '\0' && unit_seconds(*p) == 0)
        p++;
    return *p != '\0' ? *p : 's';
}
