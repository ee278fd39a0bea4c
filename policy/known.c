/*
 * known.c: tables of names that are Postfix's own.
 */
#include "policy/known.h"

#include <string.h>
#include <strings.h>

#include "policy/params.h"
#include "policy/text.h"

const struct known_note known_notes[] = {
#define NOTED(name, severity, harmless, text) {#name, DIAG_##severity, harmless, text},
#include "policy/noted.def"
#undef NOTED
};
const size_t known_note_count = sizeof(known_notes) / sizeof(known_notes[0]);

const char *const known_foreign[] = {
#define F(name) #name,
#include "policy/foreign.def"
#undef F
};
const size_t known_foreign_count = sizeof(known_foreign) / sizeof(known_foreign[0]);

/* Ends of names that begin with the name of a transport in master.cf (postconf(5)). */
static const char *const transport_ends[] = {
    "_delivery_slot_cost",
    "_delivery_slot_discount",
    "_delivery_slot_loan",
    "_destination_concurrency_failed_cohort_limit",
    "_destination_concurrency_limit",
    "_destination_concurrency_negative_feedback",
    "_destination_concurrency_positive_feedback",
    "_destination_rate_delay",
    "_destination_recipient_limit",
    "_extra_recipient_limit",
    "_initial_destination_concurrency",
    "_minimum_delivery_slots",
    "_recipient_limit",
    "_recipient_refill_delay",
    "_recipient_refill_limit",
    "_time_limit",
    "_transport_rate_delay",
};

const struct known_note *known_note_find(const char *name)
{
    for (size_t i = 0; i < known_note_count; i++) {
        if (strcmp(known_notes[i].name, name) == 0)
            return &known_notes[i];
    }
    return NULL;
}

bool known_note_harmless(const struct known_note *note, const char *value)
{
    const char *cursor = note->harmless;
    const char *word;
    size_t length;

    if (*value == '\0')
        value = "-";
    while ((word = text_next(&cursor, " ", false, &length)) != NULL) {
        if (strlen(value) == length && strncasecmp(word, value, length) == 0)
            return true;
    }
    return false;
}

/* Whether NAME is a transport's name followed by one of the ends. */
static bool has_transport_end(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(transport_ends) / sizeof(transport_ends[0]); i++) {
        size_t end = strlen(transport_ends[i]);

        if (length > end && memcmp(name + length - end, transport_ends[i], end) == 0)
            return true;
    }
    return false;
}

bool known_is_foreign(const char *name, size_t length)
{
    size_t low = 0;
    size_t high = known_foreign_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = param_compare(known_foreign[middle], name, length);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return has_transport_end(name, length);
}
