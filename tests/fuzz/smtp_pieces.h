/*
 * smtp_pieces.h: what smtp_model.c reads with: bytes and queues that grow, and the forms of SMTP,
 * read anew and slowly, apart from what gatepost reads with.
 */
#ifndef GATEPOST_TESTS_FUZZ_SMTP_PIECES_H
#define GATEPOST_TESTS_FUZZ_SMTP_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_REPLY_LIMIT 131072

/* Bytes that are not used up yet. */
struct model_bytes {
    char *data;
    size_t start, end, capacity;
};

/* A queue of small things: kinds of replies, codes, words of commands. */
struct model_item {
    int value;
    char word[40];
};
struct model_queue {
    struct model_item *items;
    size_t start, end, capacity;
};

/* The lines of a message: where it ends. */
struct model_content {
    bool bare_before; /* the line before ended in a lone LF */
    size_t lines;
};

/* abort(), saying WHAT, unless TRUTH. */
void model_require(bool truth, const char *what);

size_t model_bytes_length(const struct model_bytes *bytes);
char *model_bytes_at(struct model_bytes *bytes);
void model_bytes_add(struct model_bytes *bytes, const char *data, size_t length);
/* The length of the first line with its LF, or 0. */
size_t model_bytes_line(struct model_bytes *bytes);

void model_queue_add(struct model_queue *queue, int value, const char *word);
bool model_queue_empty(const struct model_queue *queue);
int model_queue_take(struct model_queue *queue);
void model_queue_clear(struct model_queue *queue);

/* The first word of a line, as Postfix splits it. */
void smtp_first_word(const char *line, size_t length, char word[40]);
/* "n" or "n LAST" behind BDAT. False: it cannot be understood. */
bool smtp_chunk_size(const char *line, size_t length, uint64_t *size, bool *last);
/* Whether the line at the start of a message's text ends it. ANY_CR: Postfix with
 * smtpd_forbid_bare_newline = no, or a lenient backend: CRs around the dot do not matter; DROP_NUL:
 * nor do NULs. Else only CR LF "." CR LF does. */
bool smtp_ends_message(struct model_content *content, const char *line, size_t length, bool any_cr,
                       bool drop_nul);
/* Take the first complete reply: its code, 0 if it is not there yet, -1 if there can be none. */
int smtp_take_reply(struct model_bytes *bytes);

#endif
