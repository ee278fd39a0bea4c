#include "proxy/report_escape.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

/* What C looks like wherever it is shown. */
static char shown(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

void report_escape_terminal(FILE *out, const char *text, size_t width)
{
    size_t length = strlen(text);
    bool cut = width > 0 && length > width;

    if (cut)
        length = width - 1;
    for (size_t i = 0; i < length; i++)
        fputc(shown(text[i]), out);
    if (cut)
        fputc('+', out);
}

void report_escape_html(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (shown(*text)) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(shown(*text), out);
        }
    }
}

void report_escape_csv(FILE *out, const char *text)
{
    /* Some programs skip blanks before they look for a formula. A byte that does not print becomes
     * "?", and so never begins one. */
    const char *begin = text + strspn(text, " ");

    fputc('"', out);
    if (*begin != '\0' && strchr("=+-@|%", *begin) != NULL)
        fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(shown(*text), out);
    }
    fputc('"', out);
}

const char *report_number(int64_t number, char *out)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)number);
    char *end = out;

    for (size_t i = 0; i < length; i++) {
        if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0)
            *end++ = ',';
        *end++ = digits[i];
    }
    *end = '\0';
    return out;
}

const char *report_amount(int64_t number, char *out)
{
    static const char units[] = "kMGTPE";
    double value = (double)number;
    size_t unit = 0;

    if (number < 1000) {
        snprintf(out, REPORT_NUMBER_MAX, "%lld", (long long)number);
        return out;
    }
    value /= 1000;
    while (value >= 999.95 && units[unit + 1] != '\0') {
        value /= 1000;
        unit++;
    }
    snprintf(out, REPORT_NUMBER_MAX, "%.1f%c", value, units[unit]);
    return out;
}

const char *report_date(int64_t when, char *out)
{
    time_t seconds = (time_t)when;
    struct tm broken;

    if (gmtime_r(&seconds, &broken) == NULL ||
        strftime(out, REPORT_DATE_MAX, "%Y-%m-%d", &broken) == 0)
        snprintf(out, REPORT_DATE_MAX, "?");
    return out;
}
