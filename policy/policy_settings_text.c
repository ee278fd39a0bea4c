#include "policy/policy_settings_text.h"

#include <ctype.h>
#include <stddef.h>

#include "policy/policy_line.h"

/* " NAME=VALUE" */
static void add_attribute(const char *name, const char *value, struct text *out)
{
    if (value == NULL)
        return;
    text_format(out, " %s=", name);
    for (const char *at = value; *at != '\0'; at++)
        text_add_char(out, isspace((unsigned char)*at) || *at == ',' ? ':' : *at);
}

void policy_settings_text(const struct policy_settings *settings, struct text *out)
{
    static const char *const ccerts[] = {[POLICY_CCERT_INHERIT] = NULL,
                                         [POLICY_CCERT_NO] = "no",
                                         [POLICY_CCERT_ASK] = "ask",
                                         [POLICY_CCERT_REQUIRE] = "require"};
    static const char *const choices[] = {
        [POLICY_INHERIT] = NULL, [POLICY_NO] = "no", [POLICY_YES] = "yes"};

    text_add_string(out, policy_level_name(settings->level));
    add_attribute("protocols", settings->protocols, out);
    add_attribute("ciphers", settings->ciphers, out);
    add_attribute("exclude", settings->exclude, out);
    add_attribute("cipherlist", settings->cipherlist, out);
    add_attribute("curves", settings->curves, out);
    add_attribute("ccert", ccerts[settings->ccert], out);
    add_attribute("match", settings->match, out);
    add_attribute("tickets", choices[settings->tickets], out);
}
