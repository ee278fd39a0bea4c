#include "policy/second_chance_policy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/peer_policy.h"
#include "policy/policy_line.h"
#include "policy/policy_values.h"
#include "policy/text.h"

#define ERROR_SIZE 1024
#define ANY_ADDRESS "0.0.0.0/0" /* a line of a table begins with one */

/* Whether VALUE begins with a level, not with an attribute. */
static bool has_level(const char *value)
{
    size_t length = strcspn(value, TEXT_LIST_SEPARATORS);

    return *value != '{' && memchr(value, '=', length) == NULL;
}

/* What is not for a chance. NULL: all is well. */
static const char *find_misplaced(const struct policy_line *line)
{
    if (line->settings.level == POLICY_LEVEL_REJECT)
        return "reject is no chance: specify none, may or encrypt, or no level";
    if (line->until.year != 0)
        return "until= has no meaning here: gatepost_second_chance_time says how long it lasts";
    if (line->note != NULL)
        return "note= has no meaning here";
    return NULL;
}

/* The value as a line of a table. */
static int parse(const struct config *config, const char *value, enum tls_level level,
                 const char *place, struct policy_line *line, struct diag *diag)
{
    struct text text = {0};
    char error[ERROR_SIZE];
    const char *wrong = error;

    text_format(&text, "%s %s %s", ANY_ADDRESS, has_level(value) ? "" : tls_level_name(level), value);
    if (policy_line_parse(text.data, text.length, line, error, sizeof(error)) == 0)
        wrong = find_misplaced(line);
    text_free(&text);
    if (wrong != NULL) {
        diag_error(diag, "%s = %.100s: %s", place, value, wrong);
        return -1;
    }
    return policy_values_check(&line->settings,
                               config_str(config, PARAM_smtpd_tls_fingerprint_digest), place, diag);
}

int second_chance_policy_new(const struct config *config, enum tls_level level, const char *place,
                             struct tls_policy **policy, struct diag *diag)
{
    const char *value = config_str(config, PARAM_gatepost_second_chance);

    *policy = NULL;
    if (*value == '\0')
        return 0;
    struct policy_line *line = text_alloc(1, sizeof(*line));
    if (parse(config, value, level, place, line, diag) == 0)
        *policy = peer_policy_new(config, &line->settings, place, diag);
    free(line);
    return *policy != NULL ? 0 : -1;
}
