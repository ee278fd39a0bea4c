/*
 * nearest.c: Damerau-Levenshtein distance (optimal string alignment), in half edits.
 */
#include "policy/nearest.h"

#include <string.h>

#include "policy/text.h"

#define EDIT 2u /* half edits in an edit */
#define OTHER_CASE 1u

/* The smaller one. */
static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* What it costs to write RIGHT for LEFT. */
static unsigned replacement(char left, char right)
{
    if (left == right)
        return 0;
    return text_lower(left) == text_lower(right) ? OTHER_CASE : EDIT;
}

unsigned nearest_distance(const char *left, const char *right, unsigned limit)
{
    unsigned rows[3][NEAREST_MAX_LENGTH + 1];
    size_t m = strlen(left);
    size_t n = strlen(right);

    if (m > NEAREST_MAX_LENGTH || n > NEAREST_MAX_LENGTH || (m > n ? m - n : n - m) * EDIT > limit)
        return limit + 1;
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = (unsigned)j * EDIT;
    for (size_t i = 1; i <= m; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above2 = rows[(i + 1) % 3];

        row[0] = (unsigned)i * EDIT;
        for (size_t j = 1; j <= n; j++) {
            row[j] = smaller(above[j], row[j - 1]) + EDIT;
            row[j] = smaller(row[j], above[j - 1] + replacement(left[i - 1], right[j - 1]));
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                row[j] = smaller(row[j], above2[j - 2] + EDIT);
        }
    }
    return rows[m % 3][n] > limit ? limit + 1 : rows[m % 3][n];
}

unsigned nearest_limit(const char *name)
{
    size_t length = strlen(name);

    if (length < 4 || length > NEAREST_MAX_LENGTH)
        return 0;
    return EDIT + (unsigned)(length / 8) * EDIT;
}
