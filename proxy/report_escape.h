/*
 * report_escape.h: strings that strangers sent, made harmless for what they are shown in. Bytes
 * that are not printable ASCII are "?" everywhere, as in the log: that ends control sequences of
 * terminals, texts that run from right to left, and bytes that are no UTF-8.
 */
#ifndef GATEPOST_PROXY_REPORT_ESCAPE_H
#define GATEPOST_PROXY_REPORT_ESCAPE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* For a terminal. At most WIDTH columns (0: all), the last of them then "+". */
void report_escape_terminal(FILE *out, const char *text, size_t width);

/* For the text of an element or a quoted attribute of HTML or SVG. */
void report_escape_html(FILE *out, const char *text);

/* A field of CSV (RFC 4180), always in quotes. What a spreadsheet would take for a formula begins
 * with an apostrophe. */
void report_escape_csv(FILE *out, const char *text);

#define REPORT_NUMBER_MAX 32
#define REPORT_DATE_MAX 32

/* "1,234,567" into OUT (REPORT_NUMBER_MAX bytes). Returns OUT. */
const char *report_number(int64_t number, char *out);

/* "123", "1.2k", "3.4G" into OUT (REPORT_NUMBER_MAX bytes). Returns OUT. */
const char *report_amount(int64_t number, char *out);

/* Unix seconds as "2026-11-22" (UTC) into OUT (REPORT_DATE_MAX bytes). Returns OUT. */
const char *report_date(int64_t when, char *out);

#endif
