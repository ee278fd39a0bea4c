#include "proxy/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static log_sink *current_sink;
static log_flusher *current_flusher;
static void *current_ctx;
static bool collects;
static bool waits;

/* Until a sink is set: standard error. */
static void log_to_stderr(const char *text, size_t length)
{
    fprintf(stderr, "gatepost: %.*s\n", (int)length, text);
}

void log_set_sink(log_sink *sink, log_flusher *flusher, void *ctx)
{
    current_sink = sink;
    current_flusher = flusher;
    current_ctx = ctx;
}

void log_collect(void)
{
    collects = true;
}

bool log_waits(void)
{
    return waits;
}

void log_flush(void)
{
    waits = false;
    if (current_flusher != NULL)
        current_flusher(current_ctx);
}

/* Postfix's prefix for a severity. */
static const char *log_prefix(enum log_severity severity)
{
    switch (severity) {
    case LOG_SEVERITY_WARNING:
        return "warning: ";
    case LOG_SEVERITY_ERROR:
        return "error: ";
    case LOG_SEVERITY_FATAL:
        return "fatal: ";
    case LOG_SEVERITY_INFO:
        break;
    }
    return "";
}

/* Format, make printable, deliver. */
static void __attribute__((format(printf, 2, 0)))
log_deliver(enum log_severity severity, const char *format, va_list args)
{
    char text[LOG_RECORD_MAX];
    const char *word = log_prefix(severity);
    size_t prefix = strlen(word);
    memcpy(text, word, prefix);
    int formatted = vsnprintf(text + prefix, sizeof(text) - prefix, format, args);
    size_t length = formatted < 0 ? prefix : prefix + (size_t)formatted;

    if (length > sizeof(text) - 1)
        length = sizeof(text) - 1;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f)
            text[i] = '?';
    if (current_sink != NULL)
        current_sink(current_ctx, severity, text, length);
    else
        log_to_stderr(text, length);
    waits = true;
    if (!collects || severity > LOG_SEVERITY_INFO)
        log_flush();
}

void log_at(enum log_severity severity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_deliver(severity, format, args);
    va_end(args);
}

void log_fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_deliver(LOG_SEVERITY_FATAL, format, args);
    va_end(args);
    _exit(EX_SOFTWARE);
}
