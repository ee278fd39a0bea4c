/*
 * report_page.h: the parts of the HTML report that are always the same.
 */
#ifndef GATEPOST_PROXY_REPORT_PAGE_H
#define GATEPOST_PROXY_REPORT_PAGE_H

/* For <style>: light and dark, from a phone's width up. Classes s0 to s11 are the colours of a
 * plot. */
extern const char report_page_style[];

/* For <script>: tables of class "sort" can be sorted by a click on a heading. Nothing needs it. */
extern const char report_page_script[];

/* The base64 SHA-256 of the script: the page's Content-Security-Policy lets this one run and no
 * other, should an escape ever be missing. */
extern const char report_page_script_hash[];

#endif
