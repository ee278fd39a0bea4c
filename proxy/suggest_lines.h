/*
 * suggest_lines.h: who still needs the lines of the present policy table. A line is worth a word if
 * it allows more than what would hold without it; lines that demand more are left alone.
 */
#ifndef GATEPOST_PROXY_SUGGEST_LINES_H
#define GATEPOST_PROXY_SUGGEST_LINES_H

#include <stdint.h>
#include <stdio.h>

#include "proxy/stages.h"
#include "proxy/suggest_search.h"

struct suggest_lines;

/* All lines of the main part's table; what was last seen before CUTOFF (unix seconds) does not
 * count. A line that somebody used on a listener with parameters of its own is needed. */
struct suggest_lines *suggest_lines_new(struct stages *stages, int64_t cutoff);
void suggest_lines_free(struct suggest_lines *lines);

/* PEER's rule is that of the line MATCH. */
void suggest_lines_note(struct suggest_lines *lines, const struct policy_match *match,
                        const struct walked_peer *peer);

/* Say on OUT, in comments, which could go and which could be tighter; nothing if there are none.
 * Returns how many. */
size_t suggest_lines_print(struct suggest_lines *lines, struct suggest_search *search, FILE *out);

#endif
